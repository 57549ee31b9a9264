package kube

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"causeway/internal/kubetest"
)

// front is a server with a certificate that no cluster's CA signed.
func front(t *testing.T, status int) (host string, ca []byte) {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are the point
	server.StartTLS()
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "https://"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
}

// silent is an address that takes connections and never answers; refused is one
// that does not take any.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener.Addr().String()
}

func refused(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func google(token string) oauth2.TokenSource {
	return oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
}

// kubeconfig writes entries "name: server CA" with the admin's token, the first
// one current, and returns the path.
func kubeconfig(t *testing.T, token string, entries ...contextEntry) string {
	t.Helper()
	type named map[string]any
	config := map[string]any{"apiVersion": "v1", "kind": "Config"}
	var clusters, contexts, users []named
	for _, e := range entries {
		cluster := map[string]any{"server": e.server}
		if e.ca != nil {
			cluster["certificate-authority-data"] = base64.StdEncoding.EncodeToString(e.ca)
		}
		if e.insecure {
			cluster["insecure-skip-tls-verify"] = true
		}
		if e.tlsName != "" {
			cluster["tls-server-name"] = e.tlsName
		}
		clusters = append(clusters, named{"name": e.name, "cluster": cluster})
		users = append(users, named{"name": e.name, "user": map[string]any{"token": token}})
		contexts = append(contexts, named{"name": e.name, "context": map[string]any{"cluster": e.name, "user": e.name}})
	}
	if len(entries) > 0 {
		config["current-context"] = entries[0].name
	}
	config["clusters"], config["users"], config["contexts"] = clusters, users, contexts
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

type contextEntry struct {
	name, server string
	ca           []byte
	insecure     bool
	tlsName      string
}

func direct(*http.Request) (*url.URL, error) { return nil, nil }

func TestConnectTakesAWayThatWorks(t *testing.T) {
	server := kubetest.Start(t)
	here := server.AddrPort().String()
	token := google(kubetest.GoogleToken)
	tests := map[string]struct {
		options ConnectOptions
		via     Via
		note    string
	}{
		"the private endpoint": {ConnectOptions{Via: ByPrivate, Tokens: token, Endpoints: Endpoints{Private: here, CA: server.CA}}, ByPrivate,
			"reaches the cluster by private endpoint " + here + ", as owner@example.com"},
		"the public endpoint": {ConnectOptions{Via: ByPublic, Tokens: token, Endpoints: Endpoints{Public: server.URL, CA: server.CA}}, ByPublic, "by public endpoint"},
		"the DNS endpoint, verified by public CAs": {ConnectOptions{Via: ByDNS, Tokens: token, PublicCA: server.CA,
			Endpoints: Endpoints{DNS: "localhost:" + fmt.Sprint(server.AddrPort().Port())}}, ByDNS, "by dns endpoint localhost"},
		"a context by its endpoint": {ConnectOptions{Via: ByContext, Endpoints: Endpoints{Private: here},
			Kubeconfig: kubeconfig(t, kubetest.GoogleToken, contextEntry{name: "gke_x", server: server.URL, ca: server.CA})}, ByContext, "by context gke_x, as owner"},
		"a context by its CA, through a tunnel": {ConnectOptions{Via: ByContext, Endpoints: Endpoints{Private: "192.0.2.1", CA: server.CA},
			Kubeconfig: kubeconfig(t, kubetest.GoogleToken, contextEntry{name: "tunnel", server: server.URL, ca: server.CA, tlsName: "kubernetes"})}, ByContext, "by context tunnel"},
		"auto: a context before the rest": {ConnectOptions{Tokens: token, Endpoints: Endpoints{Private: here, CA: server.CA},
			Kubeconfig: kubeconfig(t, kubetest.GoogleToken, contextEntry{name: "a", server: "https://192.0.2.9"}, contextEntry{name: "b", server: server.URL, ca: server.CA})}, ByContext, "by context b"},
		"auto: the private endpoint before the public one":   {ConnectOptions{Via: Auto, Tokens: token, Endpoints: Endpoints{Private: here, Public: here, CA: server.CA}}, ByPrivate, "by private"},
		"auto: the public one where the private one refuses": {ConnectOptions{Via: Auto, Tokens: token, Endpoints: Endpoints{Private: refused(t), Public: here, CA: server.CA}}, ByPublic, "by public"},
		"auto: the DNS endpoint as the last":                 {ConnectOptions{Via: Auto, Tokens: token, PublicCA: server.CA, Endpoints: Endpoints{Private: refused(t), DNS: here, CA: server.CA}}, ByDNS, "by dns"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			notes := &noted{}
			test.options.Note, test.options.Proxy = notes.note, direct
			client, err := Connect(context.Background(), test.options)
			if err != nil {
				t.Fatal(err)
			}
			if client.Via() != test.via || !strings.Contains(notes.text(), test.note) {
				t.Errorf("took %s, noted %q; want %s, %q", client.Via(), notes.text(), test.via, test.note)
			}
			if version, err := client.ServerVersion(context.Background()); err != nil || !strings.HasPrefix(version, "v1.") {
				t.Errorf("version %q, %v", version, err)
			}
		})
	}
}

func TestASilentContextIsNotWaitedForLong(t *testing.T) {
	server := kubetest.Start(t)
	quiet := silent(t)
	began := time.Now()
	client, err := Connect(context.Background(), ConnectOptions{Tokens: google(kubetest.GoogleToken), Proxy: direct, Env: fast(10),
		Endpoints:  Endpoints{Private: server.AddrPort().String(), CA: server.CA},
		Kubeconfig: kubeconfig(t, "t", contextEntry{name: "stale", server: "https://" + quiet, ca: server.CA})})
	if err != nil || client.Via() != ByPrivate {
		t.Fatalf("%v, %v", client, err)
	}
	if took := time.Since(began); took > 15*time.Second { // a dialler by itself waits for 30
		t.Errorf("it took %s", took)
	}
}

func TestConnectRefusesWhatIsNotThisCluster(t *testing.T) {
	server := kubetest.Start(t)
	ours := Endpoints{Private: "192.0.2.1", CA: server.CA}
	_, other := front(t, 200)
	tests := map[string]struct {
		name  string
		entry contextEntry
		code  string
		parts []string
	}{
		"another cluster under the right name": {"gke_p_l_c", contextEntry{name: "gke_p_l_c", server: "https://192.0.2.7", ca: other}, "CW-CFG-CONTEXT-OTHER",
			[]string{"context gke_p_l_c", "https://192.0.2.7", "neither an endpoint of this cluster nor signed by its CA"}},
		"one that verifies nothing": {"lax", contextEntry{name: "lax", server: "https://192.0.2.1", insecure: true}, "CW-CFG-CONTEXT-INSECURE", []string{"insecure-skip-tls-verify"}},
		"a name that is none":       {"missing", contextEntry{name: "x", server: "https://192.0.2.1"}, "CW-CFG-CONTEXT", []string{"there is no such context"}},
		"none that is this cluster": {"", contextEntry{name: "x", server: "https://192.0.2.8"}, "CW-KUBE-UNREACHABLE", []string{"by endpoint or CA (1 looked at)"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Connect(context.Background(), ConnectOptions{Via: ByContext, Context: test.name, Endpoints: ours,
				Kubeconfig: kubeconfig(t, "t", test.entry)})
			wantError(t, err, test.code, test.parts...)
		})
	}
	t.Run("a file that is damaged", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(path, []byte("{clusters: ["), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Connect(context.Background(), ConnectOptions{Via: ByContext, Endpoints: ours, Kubeconfig: path})
		wantError(t, err, "CW-CFG-CONTEXT", path)
	})
	t.Run("a file that is missing", func(t *testing.T) {
		_, err := Connect(context.Background(), ConnectOptions{Via: ByContext, Endpoints: ours, Kubeconfig: "/nonexistent/config"})
		wantError(t, err, "CW-KUBE-UNREACHABLE", "there is no file /nonexistent/config")
	})
}

func TestUnreachableListsEachAttempt(t *testing.T) {
	server := kubetest.Start(t)
	front403, frontCA := front(t, 403)
	dead := refused(t)
	quiet := silent(t)
	began := time.Now()
	_, err := Connect(context.Background(), ConnectOptions{Tokens: google("t"), Proxy: direct,
		Endpoints: Endpoints{Private: quiet, Public: dead, CA: server.CA}})
	wantError(t, err, "CW-KUBE-UNREACHABLE", "connect cluster: no way to its API works:",
		"\n  context: no kubeconfig file is named", "\n  private endpoint "+quiet+": no answer within 3s",
		"\n  public endpoint "+dead+": ", "connection refused", "\n  dns: the cluster has none")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s: the attempts do not run at the same time", took)
	}
	t.Run("a refusal gives the code", func(t *testing.T) {
		_, err := Connect(context.Background(), ConnectOptions{Tokens: google("t"), Proxy: direct, PublicCA: frontCA,
			Endpoints: Endpoints{Public: dead, DNS: front403, CA: server.CA}})
		wantError(t, err, "CW-KUBE-DNS-ENDPOINT", "connection refused", "dns endpoint "+front403)
	})
	t.Run("without credentials", func(t *testing.T) {
		_, err := Connect(context.Background(), ConnectOptions{Via: ByPrivate, Endpoints: Endpoints{Private: dead, CA: server.CA}})
		wantError(t, err, "CW-KUBE-UNREACHABLE", "there are no Google credentials")
	})
	t.Run("an expired token", func(t *testing.T) {
		_, err := Connect(context.Background(), ConnectOptions{Via: ByPrivate, Proxy: direct, Tokens: google("expired"),
			Endpoints: Endpoints{Private: server.AddrPort().String(), CA: server.CA}})
		wantError(t, err, "CW-KUBE-UNAUTHORIZED", "does not accept the credentials")
	})
	t.Run("a certificate of another CA", func(t *testing.T) {
		_, err := Connect(context.Background(), ConnectOptions{Via: ByPrivate, Proxy: direct, Tokens: google("t"),
			Endpoints: Endpoints{Private: server.AddrPort().String(), CA: frontCA}})
		wantError(t, err, "CW-KUBE-UNTRUSTED", "x509:")
	})
	t.Run("the DNS endpoint is not verified by the cluster's CA", func(t *testing.T) {
		_, err := Connect(context.Background(), ConnectOptions{Via: ByDNS, Proxy: direct, Tokens: google(kubetest.GoogleToken),
			Endpoints: Endpoints{DNS: server.AddrPort().String(), CA: server.CA}})
		wantError(t, err, "CW-KUBE-UNTRUSTED", "x509:")
	})
	t.Run("a way that is none", func(t *testing.T) {
		_, err := Connect(context.Background(), ConnectOptions{Via: "tunnel"})
		wantError(t, err, "CW-SPEC-INVALID", "tunnel")
	})
	t.Run("a proxy in the way is named, without its password", func(t *testing.T) {
		proxy := func(*http.Request) (*url.URL, error) { return url.Parse("http://me:secret@" + dead) }
		_, err := Connect(context.Background(), ConnectOptions{Via: ByPrivate, Proxy: proxy, Tokens: google("t"),
			Endpoints: Endpoints{Private: server.AddrPort().String(), CA: server.CA}})
		wantError(t, err, "CW-KUBE-UNREACHABLE", "through the proxy http://me:xxxxx@"+dead, "NO_PROXY")
		if strings.Contains(err.Error(), "secret") {
			t.Error("the proxy's password is told")
		}
	})
	t.Run("a source of tokens that fails, with its own code", func(t *testing.T) {
		_, err := Connect(context.Background(), ConnectOptions{Via: ByPrivate, Proxy: direct, Tokens: failing{},
			Endpoints: Endpoints{Private: server.AddrPort().String(), CA: server.CA}})
		wantError(t, err, "CW-GCP-CREDENTIALS", "no credentials at all")
	})
	t.Run("interrupted", func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(context.Background())
		stop := errors.New("interrupted")
		cancel(stop)
		if _, err := Connect(ctx, ConnectOptions{Via: ByPrivate, Proxy: direct, Tokens: google("t"),
			Endpoints: Endpoints{Private: quiet, CA: server.CA}}); !errors.Is(err, stop) {
			t.Errorf("error is %v", err)
		}
	})
}

type failing struct{}

func (failing) Token() (*oauth2.Token, error) { return nil, coded{} }

type coded struct{}

func (coded) Error() string { return "no credentials at all" }
func (coded) Code() string  { return "CW-GCP-CREDENTIALS" }

func TestServerNamesAreTheCertificates(t *testing.T) {
	server := kubetest.Start(t)
	here := server.AddrPort().String()
	frontHost, _ := front(t, 200)
	connect := func(options ConnectOptions) *Client {
		t.Helper()
		options.Tokens, options.Proxy = google(kubetest.GoogleToken), direct
		client, err := Connect(context.Background(), options)
		if err != nil {
			t.Fatal(err)
		}
		return client
	}
	want := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", server.ServiceIP.String()}
	t.Run("over the endpoint", func(t *testing.T) {
		names, err := connect(ConnectOptions{Via: ByPrivate, Endpoints: Endpoints{Private: here, CA: server.CA}}).ServerNames(context.Background())
		for _, name := range want {
			if !slices.Contains(names, name) || err != nil {
				t.Errorf("%v lacks %s: %v", names, name, err)
			}
		}
	})
	t.Run("over the DNS endpoint, from the private one", func(t *testing.T) {
		// A front end that answers anything: its own certificate must not count.
		client, err := New(kubetest.Start(t).Config, Env{})
		if err != nil {
			t.Fatal(err)
		}
		client.via, client.clusterCA = ByDNS, server.CA
		client.tlsOf = []string{serverURL(frontHost), serverURL(here)}
		names, err := client.ServerNames(context.Background())
		if !slices.Contains(names, "kubernetes.default.svc") || err != nil {
			t.Errorf("names %v, %v", names, err)
		}
	})
	t.Run("over the DNS endpoint alone", func(t *testing.T) {
		client := connect(ConnectOptions{Via: ByDNS, PublicCA: server.CA, Endpoints: Endpoints{DNS: here, CA: server.CA}})
		_, err := client.ServerNames(context.Background())
		wantError(t, err, "CW-TLS-SERVER-NAME", "only Google's certificate is seen")
	})
}

func TestSameCA(t *testing.T) {
	_, one := front(t, 200)
	two := kubetest.Start(t).CA
	for name, test := range map[string]struct {
		a, b []byte
		same bool
	}{
		"the same":              {one, one, true},
		"others":                {one, two, false},
		"one of two (rotation)": {slices.Concat(one, two), two, true},
		"none":                  {nil, nil, false},
		"garbage":               {[]byte("x"), []byte("x"), false},
		"the same, more blanks": {append([]byte("\n\n"), one...), one, true},
	} {
		if got := sameCA(test.a, test.b); got != test.same {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestHostPort(t *testing.T) {
	for server, want := range map[string]string{
		"https://10.0.0.1": "10.0.0.1:443", "https://10.0.0.1:443/": "10.0.0.1:443", "https://X.gke.goog": "x.gke.goog:443",
		"https://[fd00::1]": "[fd00::1]:443", "https://h:6443": "h:6443", "": "",
	} {
		if got := hostPort(server); got != want {
			t.Errorf("%q gives %q, want %q", server, got, want)
		}
	}
}

func TestTransientErrorsAreTriedAgain(t *testing.T) {
	calls := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if calls++; calls < 3 {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"}}`)
	}))
	defer server.Close()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	client, err := FromBearer(Bearer{Server: server.URL, CA: ca, Token: "t"}, Env{})
	if err != nil {
		t.Fatal(err)
	}
	live, err := client.Get(context.Background(), Ref{Version: "v1", Kind: "ConfigMap", Namespace: "n", Name: "c"})
	if err != nil || live.GetName() != "c" {
		t.Errorf("after %d calls: %v %v", calls, live, err)
	}
	if string(client.CA()) != string(ca) {
		t.Error("CA is not the given one")
	}
}
