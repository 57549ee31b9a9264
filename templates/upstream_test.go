package templates_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"causeway/internal/nginxtest"
)

// apiLike is an HTTPS server that behaves like the API server where a proxy can
// spoil things.
type apiLike struct {
	*httptest.Server
	ca     *nginxtest.CA
	events chan string // each is sent to the watch that is open

	lock     sync.Mutex
	requests []*http.Request // as they arrived
	opened   int             // connections so far
}

// newAPI starts one whose certificate bears the names; kubernetes.default.svc
// when none are given.
func newAPI(t *testing.T, names ...string) *apiLike {
	t.Helper()
	ca, err := nginxtest.NewCA("cluster")
	if err != nil {
		t.Fatal(err)
	}
	if names == nil {
		names = []string{"kubernetes.default.svc"}
	}
	cert, key, err := ca.Issue("kube-apiserver", names...)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	api := &apiLike{ca: ca, events: make(chan string)}
	mux := http.NewServeMux()
	mux.HandleFunc("/watch", api.watch)
	mux.HandleFunc("/exec", upgrade)
	mux.HandleFunc("/body", body)
	mux.HandleFunc("/steer", steer)
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "Unauthorized", http.StatusUnauthorized) })
	mux.HandleFunc("/whoami", func(w http.ResponseWriter, r *http.Request) {
		for _, peer := range r.TLS.PeerCertificates {
			fmt.Fprint(w, peer.Subject.CommonName)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") })
	api.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.lock.Lock()
		api.requests = append(api.requests, r)
		api.lock.Unlock()
		w.Header().Set("Audit-Id", "audit-1")
		mux.ServeHTTP(w, r)
	}))
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(ca.PEM)
	api.TLS = &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: clients}
	api.Config.ConnState = api.count
	// A look whether the port listens, through mode passthrough, is no handshake.
	api.Config.ErrorLog = log.New(io.Discard, "", 0)
	api.EnableHTTP2 = true
	api.StartTLS()
	t.Cleanup(api.Close)
	return api
}

func (a *apiLike) addr() netip.AddrPort {
	return netip.MustParseAddrPort(a.Listener.Addr().String())
}

// trusted is what a client needs that talks to it end to end.
func (a *apiLike) trusted() *tls.Config { return a.ca.ClientTLS("kubernetes.default.svc") }

// last is the newest request to that path.
func (a *apiLike) last(path string) *http.Request {
	a.lock.Lock()
	defer a.lock.Unlock()
	for i := len(a.requests) - 1; i >= 0; i-- {
		if a.requests[i].URL.Path == path {
			return a.requests[i]
		}
	}
	return nil
}

func (a *apiLike) seen(path string) int {
	a.lock.Lock()
	defer a.lock.Unlock()
	n := 0
	for _, r := range a.requests {
		if r.URL.Path == path {
			n++
		}
	}
	return n
}

// watch answers with its headers at once and then with each event as it comes.
func (a *apiLike) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	w.(http.Flusher).Flush()
	for {
		select {
		case event := <-a.events:
			fmt.Fprintln(w, event)
			w.(http.Flusher).Flush()
		case <-r.Context().Done():
			return
		}
	}
}

// upgrade switches protocols and echoes lines, and refuses as the API server does
// when the headers are not right.
func upgrade(w http.ResponseWriter, r *http.Request) {
	protocol := r.Header.Get("Upgrade")
	if !strings.EqualFold(r.Header.Get("Connection"), "upgrade") || protocol == "" {
		http.Error(w, "Upgrade request required", http.StatusBadRequest)
		return
	}
	connection, stream, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	fmt.Fprintf(stream, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", protocol)
	stream.Flush()
	for {
		line, err := stream.ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprintf(stream, "echo %s", line)
		stream.Flush()
	}
}

// body tells how much arrived. It answers as soon as the first byte is there, so
// that a proxy that waits for the whole body is found out.
func body(w http.ResponseWriter, r *http.Request) {
	reader := bufio.NewReader(r.Body)
	if _, err := reader.Peek(1); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	n, err := io.Copy(io.Discard, reader)
	if err != nil {
		return
	}
	fmt.Fprint(w, n)
}

// steer is a pod behind the API server's proxy that wants to lead nginx astray.
func steer(w http.ResponseWriter, _ *http.Request) {
	for name, value := range map[string]string{
		"X-Accel-Redirect": "/api/v1/namespaces/kube-system/secrets", "X-Accel-Limit-Rate": "1", "X-Accel-Buffering": "yes",
		"X-Accel-Charset": "koi8-r", "X-Accel-Expires": "1000", "Location": "https://elsewhere.example/",
	} {
		w.Header().Set(name, value)
	}
	w.WriteHeader(http.StatusOK)
	fmt.Fprint(w, strings.Repeat("the pod's own answer ", 100))
}

func (a *apiLike) count(_ net.Conn, state http.ConnState) {
	if state == http.StateNew {
		a.lock.Lock()
		defer a.lock.Unlock()
		a.opened++
	}
}

// connections that were opened to it so far.
func (a *apiLike) connections() int {
	a.lock.Lock()
	defer a.lock.Unlock()
	return a.opened
}
