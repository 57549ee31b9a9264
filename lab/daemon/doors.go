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

// Owner is whom the lab's Google access token stands for, the emulator's operator; Alice is somebody else, who
// may do nothing anywhere until it is granted to her.
const (
	Owner = "user@example.com"
	Alice = "alice@example.com"
)

// gatewayUser is whom the API servers take Connect Gateway for, which speaks there in
// its callers' names.
const gatewayUser = "connect-gateway"

// tokenFile holds a bare access token, as gcloud's --access-token-file wants it.
func tokenFile(p place.Place) string { return filepath.Join(p.Run, "access-token") }

// tokens are access tokens: the owner's and Alice's of Google, and the gateway's, which
// the API servers alone know.
type tokens struct{ owner, alice, gateway string }

// makeTokens makes them, and writes those of people.
func makeTokens(p place.Place) (tokens, error) {
	var t tokens
	for _, one := range []*string{&t.owner, &t.alice, &t.gateway} {
		random := make([]byte, 16)
		if _, err := rand.Read(random); err != nil {
			return t, fmt.Errorf("make access token: %w", err)
		}
		*one = "ya29.lab-" + hex.EncodeToString(random)
	}
	for file, token := range map[string]string{tokenFile(p): t.owner, p.AliceToken(): t.alice} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			return t, fmt.Errorf("make access token: %w", err)
		}
	}
	return t, nil
}

// doors opens what the machine itself can reach of the lab, on loopback
// addresses, and returns the environment that points tools at it.
func (d *daemon) doors(ctx context.Context, google string) ([]Variable, error) {
	if err := d.apiDoor(ctx, d.cluster, d.place.AdminKubeconfig()); err != nil {
		return nil, err
	}
	if d.second != nil {
		if err := d.apiDoor(ctx, d.second, d.place.SecondKubeconfig()); err != nil {
			return nil, err
		}
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

// apiDoor forwards a loopback port of the machine to an API server, and writes an
// admin's kubeconfig for it: the way of the provider's own staff, so that tests can look
// at the cluster from outside.
func (d *daemon) apiDoor(ctx context.Context, c *cluster.Cluster, file string) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("open a way to the API server: %w", err)
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
				out, err := c.DialAPI(context.WithoutCancel(ctx))
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in); out.Close() }()
				_, _ = io.Copy(in, out) // either end may close at any time
			}()
		}
	}()
	inside, err := os.ReadFile(c.Kubeconfig("admin"))
	if err != nil {
		return fmt.Errorf("open a way to the API server: %w", err)
	}
	return os.WriteFile(file, []byte(strings.ReplaceAll(string(inside), c.Server(), "https://"+l.Addr().String())), 0o600)
}
