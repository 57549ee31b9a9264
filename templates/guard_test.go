package templates_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/nginxtest"
	"causeway/templates"
)

func TestAClientCannotForgeWhereItComesFromOrWhoItIs(t *testing.T) {
	forged := map[string]string{
		"X-Forwarded-For": "10.9.9.9", "X-Real-Ip": "10.9.9.9", "Forwarded": "for=10.9.9.9", "X-Forwarded-Host": "evil", "X-Forwarded-Port": "1",
		"X-Forwarded-Proto": "http", "X-Remote-User": "system:admin", "X-Remote-Group": "system:masters", "X-Remote-Uid": "0",
	}
	want := map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Real-Ip": "127.0.0.1", "Forwarded": "", "X-Forwarded-Host": "", "X-Forwarded-Port": "",
		"X-Forwarded-Proto": "https", "X-Remote-User": "", "X-Remote-Group": "", "X-Remote-Uid": "",
		// These are the client's to send.
		"Authorization": "Bearer secret-token", "Impersonate-User": "jane", "Impersonate-Extra-Acme.com%2fproject": "x",
	}
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		b := start(t, binary, values(binary, templates.Terminate, api.addr(), api.ca.PEM), api.trusted())
		for version, client := range b.clients(t) {
			get(t, client, b.url+"/forged", func(r *http.Request) {
				for name, value := range forged {
					r.Header.Set(name, value)
				}
				r.Header.Add("X-Forwarded-For", "10.8.8.8")
				r.Header.Set("Authorization", "Bearer secret-token")
				r.Header.Set("Impersonate-User", "jane")
				r.Header["Impersonate-Extra-acme.com%2fproject"] = []string{"x"}
			})
			got := map[string]string{}
			for name := range want {
				got[name] = strings.Join(api.last("/forged").Header.Values(name), ",")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: what the API server got, -want +got:\n%s", version, diff)
			}
		}
	})
}

func TestTheLogHasTheRequestAndNeverAToken(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		b := start(t, binary, values(binary, templates.Terminate, api.addr(), api.ca.PEM), api.trusted())
		connection, _, _ := upgraded(t, b, "websocket") // its subprotocol holds a token
		connection.Close()
		client := b.http1(t)
		get(t, client, b.url+"/logged?access_token=secret-token&watch=1", func(r *http.Request) {
			r.Header.Set("Authorization", "Bearer secret-token")
			r.Header.Set("User-Agent", `kubectl/v1.36 "quoted"`)
			r.Header.Set("Cookie", "token=secret-token")
		})
		// An error, too: nginx would write the whole request line beside it.
		api.CloseClientConnections()
		api.Close()
		failed := get(t, client, b.url+"/failed?access_token=secret-token")
		if failed.StatusCode != http.StatusBadGateway {
			t.Fatalf("with the API server away the status is %d", failed.StatusCode)
		}
		eventually(t, "three lines in the access log", func() bool { return strings.Count(b.AccessLog(), "\n") >= 3 })
		for _, secret := range []string{"secret-token", "c2VjcmV0LXRva2Vu", "access_token"} {
			if strings.Contains(b.AccessLog(), secret) || strings.Contains(b.ErrorLog(), secret) {
				t.Errorf("%q is logged:\n%s%s", secret, b.AccessLog(), b.ErrorLog())
			}
		}
		line := logged(t, b, "/logged")
		want := map[string]string{
			"client": "127.0.0.1", "user_agent": `kubectl/v1.36 "quoted"`, "verb": "GET", "path": "/logged", "protocol": "HTTP/1.1",
			"upgrade": "", "status": "200", "bytes": "2", "upstream_status": "200", "audit_id": "audit-1",
		}
		for _, measured := range []string{"time", "seconds", "upstream_seconds"} {
			if line[measured] == "" {
				t.Errorf("the line has no %s", measured)
			}
			delete(line, measured)
		}
		if diff := cmp.Diff(want, line); diff != "" {
			t.Error(diff)
		}
		if status := logged(t, b, "/failed")["status"]; status != "502" {
			t.Errorf("the failed request is logged with status %s", status)
		}
	})
}

// logged finds the line of a path.
func logged(t *testing.T, b *bed, path string) map[string]string {
	t.Helper()
	for line := range strings.Lines(b.AccessLog()) {
		var fields map[string]string
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if fields["path"] == path {
			return fields
		}
	}
	t.Fatalf("no line of %s in:\n%s", path, b.AccessLog())
	return nil
}

func TestAPodBehindTheAPIServerCannotSteerNginx(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		b := start(t, binary, values(binary, templates.Terminate, api.addr(), api.ca.PEM), api.trusted())
		response := get(t, b.http1(t), b.url+"/steer", func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret-token") })
		if got := text(t, response); got != strings.Repeat("the pod's own answer ", 100) {
			t.Errorf("answer %.60q", got)
		}
		if n := api.seen("/api/v1/namespaces/kube-system/secrets"); n != 0 {
			t.Error("nginx followed X-Accel-Redirect with the client's token")
		}
		if location := response.Header.Get("Location"); location != "https://elsewhere.example/" {
			t.Errorf("Location became %q", location)
		}
	})
}

func TestWithoutAClientCertificateNothingGetsThrough(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		v := values(binary, templates.Terminate, api.addr(), api.ca.PEM)
		v.ClientAuth = true
		b := start(t, binary, v, api.trusted())
		stranger, err := nginxtest.NewCA("stranger")
		if err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			ca   *nginxtest.CA
			want int
		}{
			"no certificate":              {nil, http.StatusBadRequest},
			"a certificate of another CA": {stranger, http.StatusBadRequest},
			"a certificate of the CA":     {b.ca, http.StatusOK},
		} {
			for version := range b.clients(t) {
				with := *b
				with.client = b.client.Clone()
				if test.ca != nil {
					with.client.Certificates = []tls.Certificate{pair(t, test.ca, "far-side")}
				}
				before := api.seen("/guarded")
				response := get(t, with.clients(t)[version], b.url+"/guarded")
				if response.StatusCode != test.want {
					t.Errorf("%s, %s: status %d, want %d", name, version, response.StatusCode, test.want)
				}
				if arrived := api.seen("/guarded") - before; (arrived > 0) != (test.want == http.StatusOK) {
					t.Errorf("%s, %s: %d requests reached the API server", name, version, arrived)
				}
			}
		}
		eventually(t, "the certificate's subject in the log", func() bool { return strings.Contains(b.AccessLog(), `"client_certificate":"CN=far-side"`) })
	})
}

func pair(t *testing.T, ca *nginxtest.CA, name string) tls.Certificate {
	t.Helper()
	cert, key, err := ca.Issue(name)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

func TestPassthroughLeavesClientCertificatesToTheAPIServer(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		b := start(t, binary, values(binary, templates.Passthrough, api.addr(), api.ca.PEM), api.trusted())
		b.client.Certificates = []tls.Certificate{pair(t, api.ca, "jane")}
		for version, client := range map[string]*http.Client{"HTTP/1.1": b.http1(t), "HTTP/2": b.http2(t)} {
			if who := text(t, get(t, client, b.url+"/whoami")); who != "jane" {
				t.Errorf("%s: the API server saw %q", version, who)
			}
		}
		b.http1(t).CloseIdleConnections()
	})
}

func TestOldTLSIsRefused(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		b := start(t, binary, values(binary, templates.Terminate, api.addr(), api.ca.PEM), api.trusted())
		for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
			asked := b.client.Clone()
			asked.MinVersion, asked.MaxVersion = version, version
			connection, err := tls.Dial("tcp", b.Addr.String(), asked)
			if (err == nil) != want {
				t.Errorf("%s: error %v, want success %v", tls.VersionName(version), err, want)
			}
			if err == nil {
				if suite := tls.CipherSuiteName(connection.ConnectionState().CipherSuite); !strings.Contains(suite, "AES_128_GCM") {
					t.Errorf("%s: %s was chosen", tls.VersionName(version), suite)
				}
				connection.Close()
			}
		}
	})
}

func TestAnUpstreamThatCannotProveItselfIsNotTalkedTo(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for name, test := range map[string]struct {
			api *apiLike
			ca  func(*apiLike) []byte
		}{
			"another name": {newAPI(t, "elsewhere.example", "127.0.0.1"), func(a *apiLike) []byte { return a.ca.PEM }},
			"another CA":   {newAPI(t), func(*apiLike) []byte { return newCA(t) }},
		} {
			t.Run(name, func(t *testing.T) {
				b := start(t, binary, values(binary, templates.Terminate, test.api.addr(), test.ca(test.api)), nil)
				response := get(t, b.http1(t), b.url+"/secret", func(r *http.Request) { r.Header.Set("Authorization", "Bearer secret-token") })
				if response.StatusCode != http.StatusBadGateway || test.api.seen("/secret") != 0 {
					t.Errorf("status %d, and %d requests with a token arrived", response.StatusCode, test.api.seen("/secret"))
				}
				// Nor is the pod ready, and the log says why.
				ready := get(t, http.DefaultClient, "http://"+b.Health.String()+"/readyz")
				if ready.StatusCode != http.StatusBadGateway {
					t.Errorf("/readyz answers %d", ready.StatusCode)
				}
				if !strings.Contains(b.ErrorLog(), "upstream SSL certificate") {
					t.Errorf("the error log does not say why:\n%s", b.ErrorLog())
				}
			})
		}
	})
}

func TestHealthFollowsNginxAndReadinessTheAPIServer(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for _, mode := range []string{templates.Terminate, templates.Passthrough} {
			api := newAPI(t) // answers /readyz with 401: that is an answer
			b := start(t, binary, values(binary, mode, api.addr(), api.ca.PEM), api.trusted())
			status := func(path string) int {
				response := get(t, http.DefaultClient, "http://"+b.Health.String()+path, func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") })
				io.Copy(io.Discard, response.Body)
				return response.StatusCode
			}
			if got := fmt.Sprint(status("/healthz"), status("/readyz"), status("/api")); got != "200 200 404" {
				t.Errorf("%s: /healthz, /readyz and /api answer %s", mode, got)
			}
			if header := api.last("/readyz").Header; header.Get("Authorization") != "" {
				t.Errorf("%s: the check passes on headers: %v", mode, header)
			}
			api.CloseClientConnections()
			api.Close()
			if got := fmt.Sprint(status("/healthz"), status("/readyz")); got != "200 502" {
				t.Errorf("%s, the API server away: /healthz and /readyz answer %s", mode, got)
			}
		}
	})
}

func TestATokenOfThirtyTwoKilobytesFits(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		b := start(t, binary, values(binary, templates.Terminate, api.addr(), api.ca.PEM), api.trusted())
		long := "Bearer " + strings.Repeat("t", 31<<10)
		for version, client := range b.clients(t) {
			response := get(t, client, b.url+"/long", func(r *http.Request) { r.Header.Set("Authorization", long) })
			if response.StatusCode != http.StatusOK || api.last("/long").Header.Get("Authorization") != long {
				t.Errorf("%s: status %d", version, response.StatusCode)
			}
		}
	})
}
