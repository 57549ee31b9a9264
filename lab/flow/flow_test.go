package flow

import (
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serve starts a TLS server over both HTTP versions and a kubeconfig for it.
func serve(t *testing.T, handler http.HandlerFunc) []byte {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: c}}]
clusters: [{name: c, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: c, user: {token: t0ken}}]
`, server.URL, base64.StdEncoding.EncodeToString(ca))
}

func await(t *testing.T, f *Flow, requests int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); f.Requests() < requests; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d requests, want %d", f.Requests(), requests)
		}
	}
}

func TestFlowAsksOverBothVersionsWithItsToken(t *testing.T) {
	var strange atomic.Int32
	text := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" || r.URL.Path != "/api/v1/namespaces" {
			strange.Add(1)
		}
	})
	f, err := Start(t.Context(), Config{Kubeconfig: text, Workers: 4})
	if err != nil {
		t.Fatal(err)
	}
	await(t, f, 100)
	r := f.Stop()
	if r.Failed != 0 || r.Requests < 100 || strings.Join(r.Versions, " ") != "HTTP/1.1 HTTP/2.0" || strange.Load() > 0 {
		t.Errorf("%s; %v; %d strange requests", r, r.Failures, strange.Load())
	}
}

func TestFlowCountsWhatFails(t *testing.T) {
	var n atomic.Int32
	text := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusBadGateway)
		}
	})
	f, err := Start(t.Context(), Config{Kubeconfig: text, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	await(t, f, 60)
	r := f.Stop()
	if r.Failed < 25 || r.Failed > r.Requests-25 || len(r.Failures) != failureLimit || !strings.Contains(r.Failures[0], "502") {
		t.Errorf("%s; %v", r, r.Failures)
	}
}

func TestFlowRefusesWhatIsNoKubeconfig(t *testing.T) {
	if _, err := Start(t.Context(), Config{Kubeconfig: []byte("{")}); err == nil || !strings.Contains(err.Error(), "read kubeconfig") {
		t.Errorf("got %v", err)
	}
}
