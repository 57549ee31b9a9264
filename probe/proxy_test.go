package probe

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// connectProxy is a proxy that connects every CONNECT to the fake.
func connectProxy(f *fake) string {
	return f.raw(func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		reader := bufio.NewReader(conn)
		request, err := http.ReadRequest(reader)
		if err != nil || request.Method != http.MethodConnect {
			return
		}
		upstream, err := net.Dial("tcp", f.Listener.Addr().String())
		if err != nil {
			return
		}
		defer func() { _ = upstream.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(upstream, reader) }()
		_, _ = io.Copy(conn, upstream)
	})
}

func TestAProxyIsUsedAndTold(t *testing.T) {
	t.Parallel()
	named := func(c *clientcmdapi.Cluster) { // loopback is never proxied by the environment
		c.Server, c.TLSServerName = "https://kube.example", "kubernetes.default.svc"
	}
	for name, c := range map[string]struct {
		env      func(proxy string) map[string]string
		proxyURL bool
		status   Status
		code     string
		says     string
	}{
		"HTTPS_PROXY in the environment": {
			env:    func(p string) map[string]string { return map[string]string{"HTTPS_PROXY": "http://user:hunter2@" + p} },
			status: Warn, code: "CW-PROBE-PROXY", says: "(HTTPS_PROXY): every tool",
		},
		"https_proxy in small letters": {
			env:    func(p string) map[string]string { return map[string]string{"https_proxy": p} },
			status: Warn, code: "CW-PROBE-PROXY", says: "(https_proxy)",
		},
		"proxy-url in the kubeconfig": {
			env: func(string) map[string]string { return nil }, proxyURL: true,
			status: Pass, says: "tools that ignore proxy-url will not get there",
		},
		"NO_PROXY that excepts the server": {
			env: func(p string) map[string]string {
				return map[string]string{"HTTPS_PROXY": "http://" + p, "NO_PROXY": ".example"}
			},
			status: Pass, says: "from 127.0.0.1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, _ := failing{}.start(t)
			proxy := connectProxy(f)
			kubeconfig := f.kubeconfig(t, func(cluster *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				named(cluster)
				if c.proxyURL {
					cluster.ProxyURL = "http://user:hunter2@" + proxy
				}
			})
			env := c.env(proxy)
			options := Options{Getenv: func(key string) string { return env[key] }}
			options.Lookup = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			}
			options.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if strings.HasSuffix(address, ":443") { // the server itself, when no proxy is in between
					address = f.Listener.Addr().String()
				}
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}
			report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, options, nil)
			if err != nil {
				t.Fatalf("Run = %v; %s", err, table(report))
			}
			r := report.Hop(HopConnect)
			if r.Status != c.status || r.Code != c.code || !strings.Contains(r.Detail, c.says) {
				t.Errorf("connect: %s %s %q, want %s %s and %q", r.Status, r.Code, r.Detail, c.status, c.code, c.says)
			}
			checkNoSecret(t, f, describe(report))
		})
	}
}

// Go's own clients pass such a value over, and so does the probe.
func TestAProxyVariableThatIsNoURLIsNotShown(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	kubeconfig := f.kubeconfig(t, func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.Server = "https://kube.example" })
	getenv := func(key string) string {
		return map[string]string{"HTTPS_PROXY": "http://hunter2:%zz@x"}[key]
	}
	nobody := func(_ context.Context, host string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{Getenv: getenv, Lookup: nobody}, nil)
	if r := report.Failed(); r == nil || r.Hop != HopResolve || strings.Contains(describe(report)+err.Error(), "hunter2") {
		t.Errorf("Run = %v; %s", err, table(report))
	}
}

func TestVerifyShSeesAProxyOfTheEnvironment(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	path := writeFile(t, "kubeconfig", f.kubeconfig(t, func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
		c.Server, c.TLSServerName = "https://kube.example", "kubernetes.default.svc"
	}))
	env := []string{"HTTPS_PROXY=http://user:hunter2@" + connectProxy(f)}
	stdout, stderr, code := runScript(t, []string{"sh"}, env, "--kubeconfig", path, "-o", "json")
	report, err := ParseScript([]byte(stdout))
	if err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit %d, %v\n%s\n%s", code, err, stdout, stderr)
	}
	if r := report.Hop(HopConnect); r.Status != Warn || r.Code != "CW-PROBE-PROXY" || !strings.Contains(r.Detail, "user:xxxxx@127.0.0.1") {
		t.Errorf("connect: %s %s %q", r.Status, r.Code, r.Detail)
	}
	checkNoSecret(t, f, stdout)
}
