package probe

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"causeway/internal/nginxtest"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// nginxConf is a proxy as people write it, with a hole for what breaks it.
const nginxConf = `daemon off;
worker_processes 1;
error_log %DIR%/error.log notice;
pid %DIR%/nginx.pid;
events { worker_connections 256; }
http {
    access_log off;
    client_body_buffer_size 4m; # the workers may not be allowed to write to our directory
    client_body_temp_path %DIR%/body; proxy_temp_path %DIR%/proxy; fastcgi_temp_path %DIR%/fastcgi;
    uwsgi_temp_path %DIR%/uwsgi; scgi_temp_path %DIR%/scgi;
    map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
    server {
        listen %LISTEN% ssl http2;
        ssl_certificate %DIR%/tls/tls.crt; ssl_certificate_key %DIR%/tls/tls.key;
        location / {
            proxy_pass UPSTREAM;
            proxy_buffering off;
            HOLE
        }
    }
}
`

const goodNginx = `proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade; client_max_body_size 0; proxy_read_timeout 1h;`

func without(directive string) string {
	kept := []string{}
	for part := range strings.SplitSeq(goodNginx, "; ") {
		if !strings.HasPrefix(part, directive) {
			kept = append(kept, strings.TrimSuffix(part, ";"))
		}
	}
	return strings.Join(kept, "; ") + ";"
}

// startNginx puts a real nginx in front of the fake and gives a kubeconfig for it.
func startNginx(t *testing.T, f *fake, binary nginxtest.Binary, upstream, hole string) []byte {
	t.Helper()
	certificate, key := f.clientPair(t)
	run, err := nginxtest.Start(t.Context(), binary, nginxtest.Config{
		Dir: t.TempDir(), Listen: quietPort(t), Cert: certificate, Key: key, ClientCA: f.ca.pem,
		Conf: []byte(strings.NewReplacer("UPSTREAM", upstream, "HOLE", hole).Replace(nginxConf)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = run.Stop() })
	return f.kubeconfig(t, func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.Server = "https://" + run.Addr.String() })
}

// nextPort walks through ports below those that the kernel gives out by itself: the
// many servers of the tests beside this one can't take it before nginx does.
var nextPort atomic.Int32

func quietPort(t *testing.T) netip.AddrPort {
	t.Helper()
	for range 1000 {
		port := uint16(20000 + (os.Getpid()*20+int(nextPort.Add(1)))%10000)
		address := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		if listener, err := net.Listen("tcp", address.String()); err == nil {
			_ = listener.Close()
			return address
		}
	}
	t.Fatal("no free port")
	return netip.AddrPort{}
}

func TestEachFaultOfARealNginxIsNamed(t *testing.T) {
	t.Parallel()
	binaries, err := nginxtest.Find(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	for _, binary := range binaries {
		held := "" // over HTTP/2, before 1.26
		if !binary.AtLeast("1.26.0") {
			held = "CW-PROBE-WATCH-HELD"
		}
		for name, c := range map[string]struct {
			upstream, hole, hop, code string
			idle                      time.Duration
		}{
			"nothing wrong":              {hole: goodNginx, hop: HopWatch, code: held},
			"the default body limit":     {hole: without("client_max_body_size"), hop: HopLargeBody, code: "CW-PROBE-BODY-LIMIT"},
			"no upgrade":                 {hole: without("proxy_set_header"), hop: HopExecWebSocket, code: "CW-PROBE-UPGRADE"},
			"a read timeout of 6 s":      {hole: without("proxy_read_timeout") + " proxy_read_timeout 6s;", hop: HopIdle, code: "CW-PROBE-IDLE-CUT", idle: 8 * time.Second}, // a large body on a busy machine takes less
			"nobody upstream":            {upstream: "https://127.0.0.1:1", hole: goodNginx, hop: HopHTTP, code: "CW-PROBE-UPSTREAM"},
			"a client certificate asked": {hole: "if ($ssl_client_verify != SUCCESS) { return 496; } } ssl_verify_client on; ssl_client_certificate %DIR%/tls/client-ca.crt; location /x {", hop: HopHTTP, code: "CW-PROBE-CLIENT-CERT"},
		} {
			t.Run(fmt.Sprintf("%s/%s", binary.Version, name), func(t *testing.T) {
				t.Parallel()
				f, _ := failing{}.start(t)
				kubeconfig := startNginx(t, f, binary, or(c.upstream, f.URL), c.hole)
				if c.idle == 0 {
					c.idle = 4 * time.Second
				}
				options := Options{LargeBody: true, Idle: c.idle, HeaderWait: time.Second}
				withExec(f, &options)
				report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, options, nil)
				wantAt(t, "Go", report, err, c.hop, c.code)
				stdout, stderr, _ := runScript(t, []string{"sh"}, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json",
					"--large-body", "--idle", fmt.Sprint(c.idle.Seconds()), "--exec", "shop/web/nginx")
				script, err := ParseScript([]byte(stdout))
				if err != nil {
					t.Fatalf("%v\n%s%s", err, stdout, stderr)
				}
				wantAt(t, "verify.sh", script, nil, c.hop, c.code)
			})
		}
	}
}

// wantAt wants the code at the hop, and every other hop to be as good as this nginx
// allows: over HTTP/2 an old one holds watches whatever else is wrong.
func wantAt(t *testing.T, tool string, report Report, err error, hop, code string) {
	t.Helper()
	r := report.Hop(hop)
	if r == nil {
		t.Fatalf("%s: no report: %v", tool, err)
	}
	if r.Code != code {
		t.Errorf("%s: %s says %s %q, want %s\n%s", tool, hop, r.Code, r.Detail, code, table(report))
	}
	if code != "" && r.Status != Fail {
		t.Errorf("%s: %s is %s", tool, hop, r.Status)
	}
	for _, other := range report.Results {
		if other.Status == Fail && other.Hop != hop && other.Code != "CW-PROBE-WATCH-HELD" && !strings.HasPrefix(other.Code, "CW-PROBE-UPGRADE") {
			t.Errorf("%s: %s fails too: %s %q", tool, other.Hop, other.Code, other.Detail)
		}
	}
}
