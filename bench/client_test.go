package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// server is a way to a Go server.
func server(t *testing.T, handler http.HandlerFunc) way {
	t.Helper()
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return way{name: "test", addr: netip.MustParseAddrPort(s.Listener.Addr().String()), tls: &tls.Config{RootCAs: pool, ServerName: "example.com"}}
}

func TestTheClientReadsEachKindOfResponse(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    int64
		fails   string
	}{
		"one with a length":         {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") }, 5, ""},
		"one in chunks":             {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 100_000)) }, 100_000, ""},
		"one without a body":        {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }, 0, ""},
		"one that is not a success": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) }, 0, "403"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := dial(t.Context(), server(t, test.handler))
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for range 2 { // the second shows that the first was read to its end
				got, err := c.do(get("/path", "token"))
				if test.fails != "" {
					if err == nil || !strings.Contains(err.Error(), test.fails) {
						t.Fatalf("error %v, want %q", err, test.fails)
					}
					return
				}
				if err != nil || got != test.want {
					t.Fatalf("%d bytes, %v; want %d", got, err, test.want)
				}
			}
		})
	}
}

func TestTheClientSendsItsTokenAndPath(t *testing.T) {
	seen := make(chan *http.Request, 1)
	c, err := dial(t.Context(), server(t, func(_ http.ResponseWriter, r *http.Request) { seen <- r }))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.do(get("/api?x=1", "abc")); err != nil {
		t.Fatal(err)
	}
	if r := <-seen; r.URL.String() != "/api?x=1" || r.Header.Get("Authorization") != "Bearer abc" {
		t.Errorf("%s with %q", r.URL, r.Header.Get("Authorization"))
	}
}

func TestAWatchGivesItsEventsOneByOne(t *testing.T) {
	next := make(chan string)
	c, err := dial(t.Context(), server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		for event := range next {
			fmt.Fprint(w, event)
			w.(http.Flusher).Flush()
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.send(get("/watch", "t")); err != nil {
		t.Fatal(err)
	}
	if length, err := c.head(); err != nil || length != -1 {
		t.Fatalf("length %d, %v", length, err)
	}
	next <- "one\n"
	if n, err := c.event(); n != 4 || err != nil {
		t.Fatalf("event of %d bytes, %v", n, err)
	}
	next <- "cut in "
	next <- "two\n"
	if n, err := c.event(); n != 11 || err != nil {
		t.Fatalf("event of %d bytes, %v", n, err)
	}
	close(next)
	if _, err := c.event(); err == nil {
		t.Error("the end of the watch is no error")
	}
}

func TestAConnectionThatCannotBeMadeNamesItsWay(t *testing.T) {
	w := way{name: "nowhere", addr: netip.MustParseAddrPort("127.0.0.1:1"), tls: &tls.Config{}}
	if _, err := dial(t.Context(), w); err == nil || !strings.Contains(err.Error(), "connect to nowhere") {
		t.Errorf("error %v", err)
	}
}

func TestPacedRequestsKeepTheirRate(t *testing.T) {
	w := server(t, func(http.ResponseWriter, *http.Request) {})
	s, err := pace(t.Context(), w, get("/", "t"), 5, 200, 500*time.Millisecond)
	if err != nil || s.p50 <= 0 || s.p99 < s.p50 {
		t.Errorf("%+v, %v", s, err)
	}
}
