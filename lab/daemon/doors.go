package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"causeway/internal/gcptest"
	"causeway/lab/cluster"
	"causeway/lab/place"
	"causeway/lab/topology"
)

// Owner is whom the lab's Google access token stands for.
const Owner = "owner@example.com"

// tokenFile holds a bare access token, as gcloud's --access-token-file wants it.
func tokenFile(p place.Place) string { return filepath.Join(p.Run, "access-token") }

// accessTokens makes the Google access token of the lab's user, which both the
// emulator and the API server take.
func accessTokens(p place.Place) (map[string]string, error) {
	random := make([]byte, 16)
	if _, err := rand.Read(random); err != nil {
		return nil, fmt.Errorf("make access token: %w", err)
	}
	token := "ya29.lab-" + hex.EncodeToString(random)
	if err := os.WriteFile(tokenFile(p), []byte(token+"\n"), 0o600); err != nil {
		return nil, fmt.Errorf("make access token: %w", err)
	}
	return map[string]string{token: Owner}, nil
}

// doors opens what the machine itself can reach of the lab, on loopback
// addresses, and returns the environment that points tools at it.
func (d *daemon) doors(ctx context.Context, google string) ([]Variable, error) {
	api, err := d.apiDoor(ctx)
	if err != nil {
		return nil, err
	}
	inside, err := os.ReadFile(filepath.Join(d.place.Keys(), "admin.kubeconfig"))
	if err != nil {
		return nil, err
	}
	outside := strings.ReplaceAll(string(inside), cluster.Server(), "https://"+api)
	if err := os.WriteFile(d.place.AdminKubeconfig(), []byte(outside), 0o600); err != nil {
		return nil, err
	}
	env := []Variable{
		{"KUBECONFIG", d.place.AdminKubeconfig()},
		{"CLOUDSDK_CORE_PROJECT", topology.Project},
		{"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", tokenFile(d.place)},
	}
	overrides := gcptest.Env(google)
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		env = append(env, Variable{name, overrides[name]})
	}
	var b strings.Builder
	for _, v := range env {
		fmt.Fprintf(&b, "export %s=%s\n", v.Name, v.Value)
	}
	return env, os.WriteFile(d.place.Env(), []byte(b.String()), 0o600)
}

// apiDoor forwards a loopback port of the machine to the API server: the way of
// the provider's own staff, so that tests can look at the cluster from outside.
func (d *daemon) apiDoor(ctx context.Context) (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("open a way to the API server: %w", err)
	}
	d.closers = append(d.closers, func() { l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := d.cluster.DialAPI(context.WithoutCancel(ctx))
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in); out.Close() }()
				_, _ = io.Copy(in, out) // either end may close at any time
			}()
		}
	}()
	return l.Addr().String(), nil
}
