package gcptest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const frontCluster = "projects/lab-project/locations/europe-west3/clusters/psc-cluster"

// accountJWT has the form of a ServiceAccount's token.
const accountJWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"

// behind is an API server that tells what reached it, and takes upgrades.
func behind(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") == "" {
		_, _ = fmt.Fprint(w, r.Header.Get("Authorization"), " ", r.URL.Path)
		return
	}
	conn, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
	line, _ := buffered.ReadString('\n')
	_, _ = io.WriteString(conn, "echo "+line)
}

func startFront(t *testing.T) (*Server, *DNSFront, *httptest.Server) {
	t.Helper()
	google := Serve(t, Options{}, "psc")
	api := httptest.NewServer(http.HandlerFunc(behind))
	t.Cleanup(api.Close)
	front, err := NewDNSFront(google, frontCluster, api.URL, &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	return google, front, server
}

func TestTheFrontEndAsksIAM(t *testing.T) {
	t.Parallel()
	set := func(field string, on bool) func(*Server) {
		return func(s *Server) {
			if err := s.Change(frontCluster, func(o map[string]any) {
				o["controlPlaneEndpointsConfig"].(object)["dnsEndpointConfig"].(object)[field] = on
			}); err != nil {
				t.Error(err)
			}
		}
	}
	for name, c := range map[string]struct {
		change func(*Server)
		token  string
		code   int
		says   string
	}{
		"a Google identity that may connect":      {nil, Token, 200, "Bearer ya29.gcptest /version"},
		"one that may not":                        {func(s *Server) { s.Deny(connectPermission) }, Token, 403, "container.clusters.connect"},
		"one that may not in another project":     {func(s *Server) { s.Deny(connectPermission, "other-project") }, Token, 200, "/version"},
		"a token that nobody knows":               {nil, "ya29.unknown", 401, "UNAUTHENTICATED"},
		"a token that has ended":                  {func(s *Server) { s.AddToken("ya29.old", time.Unix(1, 0)) }, "ya29.old", 401, "UNAUTHENTICATED"},
		"no token":                                {nil, "", 401, "UNAUTHENTICATED"},
		"external traffic off":                    {set("allowExternalTraffic", false), Token, 403, "External traffic"},
		"a ServiceAccount's token":                {nil, accountJWT, 401, "UNAUTHENTICATED"},
		"the same, where tokens are taken":        {set("enableK8sTokensViaDns", true), accountJWT, 200, "Bearer " + accountJWT},
		"tokens are taken, external traffic off":  {func(s *Server) { set("enableK8sTokensViaDns", true)(s); set("allowExternalTraffic", false)(s) }, accountJWT, 403, "External traffic"},
		"a cluster that is gone behind its front": {func(s *Server) { s.Remove(frontCluster) }, Token, 404, "NOT_FOUND"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			google, _, server := startFront(t)
			if c.change != nil {
				c.change(google)
			}
			request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/version", nil)
			if err != nil {
				t.Fatal(err)
			}
			if c.token != "" {
				request.Header.Set("Authorization", "Bearer "+c.token)
			}
			response, err := server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil || response.StatusCode != c.code || !strings.Contains(string(body), c.says) {
				t.Errorf("%d %s %v, want %d and %q", response.StatusCode, body, err, c.code, c.says)
			}
		})
	}
}

func TestTheFrontEndPassesUpgradesAndKnowsTheOwner(t *testing.T) {
	t.Parallel()
	_, front, server := startFront(t)
	front.Token = func(google string) string { return "known-as-" + google }
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /api/v1/namespaces/shop/pods/web/exec HTTP/1.1\r\nHost: x.gke.goog\r\nAuthorization: Bearer "+Token+
		"\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", response, err)
	}
	if _, err := io.WriteString(conn, "hello\n"); err != nil {
		t.Fatal(err)
	}
	if line, err := reader.ReadString('\n'); err != nil || line != "echo hello\n" {
		t.Errorf("%q %v", line, err)
	}

	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/version", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+Token)
	plain, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Body.Close()
	if body, err := io.ReadAll(plain.Body); err != nil || string(body) != "Bearer known-as-"+Token+" /version" {
		t.Errorf("%s %v", body, err)
	}
	front.Upstream.Host = "127.0.0.1:1" // where nobody listens
	down, err := server.Client().Do(request.Clone(t.Context()))
	if err != nil || down.StatusCode != http.StatusBadGateway {
		t.Errorf("with the API server away: %v %v", down, err)
	}
	if err == nil {
		_ = down.Body.Close()
	}
}
