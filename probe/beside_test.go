package probe

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// TestPathsInAKubeconfigAreBesideIt: as for kubectl, wherever causeway is started.
func TestPathsInAKubeconfigAreBesideIt(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	dir := t.TempDir()
	kubeconfig := f.kubeconfig(t, func(c *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) {
		for name, text := range map[string][]byte{"ca.crt": c.CertificateAuthorityData, "token": []byte(user.Token)} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		c.CertificateAuthority, c.CertificateAuthorityData = "ca.crt", nil
		user.TokenFile, user.Token = "token", ""
	})
	target := Target{Kubeconfig: kubeconfig, Path: filepath.Join(dir, "config")}
	if report, err := Run(t.Context(), target, Options{}, nil); err != nil {
		t.Errorf("Run = %v; %s", err, table(report))
	}
	target.Path = filepath.Join(dir, "elsewhere", "config")
	if _, err := Run(t.Context(), target, Options{}, nil); err == nil || !strings.Contains(err.Error(), "elsewhere") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestAProbeThatTimeoutEndsSaysSo: the end of --timeout, in its own words.
func TestAProbeThatTimeoutEndsSaysSo(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	late := errors.New("not done within 5s; --timeout gives more")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	_, err := Run(ctx, Target{Kubeconfig: f.kubeconfig(t, nil)}, Options{HopTimeout: 20 * time.Second}, func(r Result) {
		if r.Hop == HopHTTP {
			cancel(late)
		}
	})
	if !errors.Is(err, late) || !strings.Contains(err.Error(), "the probe was stopped here: "+late.Error()) {
		t.Errorf("%v", err)
	}
}
