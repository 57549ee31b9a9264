package templates_test

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"causeway/internal/nginxtest"
	"causeway/templates"
)

// bed is one nginx with the rendered configuration in front of one upstream.
type bed struct {
	*nginxtest.Run
	binary nginxtest.Binary
	ca     *nginxtest.CA // of nginx's own certificate
	client *tls.Config   // trusts what answers there
	url    string
}

// onEachRelease runs a test on every nginx at hand.
func onEachRelease(t *testing.T, test func(*testing.T, nginxtest.Binary)) {
	t.Helper()
	binaries, err := nginxtest.Find(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	for _, binary := range binaries {
		t.Run("nginx "+binary.Version, func(t *testing.T) { test(t, binary) })
	}
}

// values are sound ones for that upstream and release.
func values(binary nginxtest.Binary, mode string, upstream netip.AddrPort, upstreamCA []byte) templates.ILB {
	return templates.ILB{
		Exposure: "test", Namespace: "causeway-test", Mode: mode, Image: "nginx:" + binary.Version,
		HTTP2:    mode == templates.Terminate && templates.HTTP2OK(binary.Version),
		Upstream: upstream, UpstreamCA: upstreamCA,
		ClientCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Address:     netip.MustParseAddr("127.0.0.1"), Layout: templates.Layout{Workers: 1},
	}
}

// config is what nginxtest needs beside the values: a certificate for 127.0.0.1,
// by a CA of its own which signs client certificates too.
func config(t *testing.T, v templates.ILB) (nginxtest.Config, *nginxtest.CA) {
	t.Helper()
	ca, err := nginxtest.NewCA("proxy")
	if err != nil {
		t.Fatal(err)
	}
	c := nginxtest.Config{Dir: t.TempDir(), Values: v, ClientCA: ca.PEM}
	if c.Cert, c.Key, err = ca.Issue("proxy", "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	return c, ca
}

// start runs nginx with the values; in mode passthrough clients trust the upstream.
func start(t *testing.T, binary nginxtest.Binary, v templates.ILB, upstream *tls.Config) *bed {
	t.Helper()
	c, ca := config(t, v)
	run, err := nginxtest.Start(t.Context(), binary, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := run.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("nginx said:\n%s", run.ErrorLog())
		}
	})
	b := &bed{Run: run, binary: binary, ca: ca, client: ca.ClientTLS("127.0.0.1"), url: "https://" + run.Addr.String()}
	if v.Mode == templates.Passthrough {
		b.client = upstream
	}
	return b
}

// startEdited runs the rendered configuration with a change of the test's own.
func startEdited(t *testing.T, binary nginxtest.Binary, v templates.ILB, upstream *tls.Config, edit func(string) string) *bed {
	t.Helper()
	c, ca := config(t, v)
	listen, _, err := binary.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	conf, err := os.ReadFile(c.Dir + "/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	edited := edit(string(conf))
	if edited == string(conf) {
		t.Fatal("the edit changes nothing")
	}
	c.Conf, c.Listen = []byte(edited), listen
	r, err := nginxtest.Start(t.Context(), binary, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	b := &bed{Run: r, binary: binary, ca: ca, client: ca.ClientTLS("127.0.0.1"), url: "https://" + r.Addr.String()}
	if v.Mode == templates.Passthrough {
		b.client = upstream
	}
	return b
}

// http1 is a client that speaks HTTP/1.1 alone, http2 one that speaks HTTP/2 alone.
func (b *bed) http1(t *testing.T) *http.Client {
	return b.speaking(t, func(p *http.Protocols) { p.SetHTTP1(true) })
}

func (b *bed) http2(t *testing.T) *http.Client {
	return b.speaking(t, func(p *http.Protocols) { p.SetHTTP2(true) })
}

func (b *bed) speaking(t *testing.T, choose func(*http.Protocols)) *http.Client {
	var protocols http.Protocols
	choose(&protocols)
	transport := &http.Transport{TLSClientConfig: b.client.Clone(), Protocols: &protocols}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// clients are one for each HTTP version that the release may offer.
func (b *bed) clients(t *testing.T) map[string]*http.Client {
	clients := map[string]*http.Client{"HTTP/1.1": b.http1(t)}
	if templates.HTTP2OK(b.binary.Version) {
		clients["HTTP/2"] = b.http2(t)
	}
	return clients
}

// eventually polls until the condition holds, for as long as a busy machine needs.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: %s", what)
		case <-tick.C:
		}
	}
}

func TestEveryReleaseTakesTheConfigurationWithoutAWarning(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for name, v := range variants(newCA(t)) {
			t.Run(name, func(t *testing.T) {
				v.HTTP2 = v.HTTP2 && templates.HTTP2OK(binary.Version)
				c, _ := config(t, v)
				said, err := nginxtest.Check(t.Context(), binary, c)
				if err != nil {
					t.Fatal(err)
				}
				log, err := os.ReadFile(c.Dir + "/error.log")
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(said, "[warn]") || strings.Contains(string(log), "[warn]") {
					t.Errorf("nginx warns:\n%s%s", said, log)
				}
			})
		}
	})
}

// TestNginxNeedsNoRights runs it as the pod does: as user 101, with no right to
// anything but its run folder.
func TestNginxNeedsNoRights(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		if os.Geteuid() == 0 && binary.Root != "" {
			return // it lies in root's own cache directory, which no other user may enter
		}
		for _, mode := range []string{templates.Terminate, templates.Passthrough} {
			api := newAPI(t)
			c, _ := config(t, values(binary, mode, api.addr(), api.ca.PEM))
			if os.Geteuid() == 0 {
				// Another user cannot enter the test's own directory.
				dir, err := os.MkdirTemp("", "causeway-nginx-")
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { os.RemoveAll(dir) })
				c.Dir, c.UID = dir, 101
			}
			r := run(t, binary, c)
			if got := get(t, http.DefaultClient, "http://"+r.Health.String()+"/readyz").StatusCode; got != http.StatusOK {
				t.Errorf("%s: /readyz answers %d", mode, got)
			}
			if said := r.ErrorLog(); strings.Contains(said, "denied") || strings.Contains(said, "[warn]") {
				t.Errorf("%s: nginx complains:\n%s", mode, said)
			}
		}
	})
}

func TestDirectivesThatHoldIdleSessionsForHours(t *testing.T) {
	// The kubelet ends an exec session after four idle hours and the API server a
	// watch after one at most; nothing here may be shorter than an hour.
	for name, test := range map[string]struct {
		mode       string
		directives []string
	}{
		"terminate":   {templates.Terminate, []string{"proxy_read_timeout 4h;", "proxy_send_timeout 4h;", "send_timeout 4h;", "so_keepalive=60s:15s:4", "proxy_buffering off;", "proxy_request_buffering off;", "client_max_body_size 0;"}},
		"passthrough": {templates.Passthrough, []string{"proxy_timeout 4h;", "so_keepalive=60s:15s:4"}},
	} {
		t.Run(name, func(t *testing.T) {
			v := variants(newCA(t))[name]
			conf, err := v.NginxConf()
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range test.directives {
				if !strings.Contains(string(conf), want) {
					t.Errorf("the configuration has no %q", want)
				}
			}
		})
	}
}

func TestHTTP2IsOfferedOnlyWhereItIsRight(t *testing.T) {
	for version, want := range map[string]bool{
		"1.22.1": false, "1.23.0": false, "1.25.0": false, "1.25": false, "1.25.1": true, "1.26": true,
		"1.26.3": true, "1.28": true, "1.30.6": true, "2.0": true, "": false, "stable": false, "1": false, "1.x": false,
	} {
		if got := templates.HTTP2OK(version); got != want {
			t.Errorf("HTTP2OK(%q) is %v, want %v", version, got, want)
		}
	}
}

func TestTheVersionIsReadFromTheImagesTag(t *testing.T) {
	for image, want := range map[string]string{
		"mirror.gcr.io/library/nginx:1.28": "1.28", "nginx:1.26.3-alpine3.20": "1.26.3", "nginx": "", "nginx:latest": "",
		"registry:5000/nginx": "", "registry:5000/team/nginx:1.27.0": "1.27.0", "nginx:1": "",
		"nginxinc/nginx-unprivileged:1.25.1": "1.25.1", "example/app:1.26.3": "",
		"nginx:1.28@sha256:" + strings.Repeat("0", 64): "1.28", "nginx@sha256:" + strings.Repeat("0", 64): "",
		"docker.io/library/nginx:v1.29.0": "1.29.0", "": "",
	} {
		got, known := templates.ImageVersion(image)
		if got != want || known != (want != "") {
			t.Errorf("ImageVersion(%q) is %q, %v; want %q", image, got, known, want)
		}
	}
}
