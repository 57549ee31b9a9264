package conformance

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"causeway/certs"
)

// Authority is a CA that stands for a public one, or for a proxy's.
type Authority struct{ *certs.Authority }

// NewAuthority makes one of that name.
func NewAuthority(t testing.TB, name string) Authority {
	t.Helper()
	ca, err := certs.NewAuthority(certs.Env{Now: time.Now, Rand: rand.Reader}, certs.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	return Authority{ca}
}

// leaf is a server's certificate for a DNS name or an IP address.
func (a Authority) leaf(t testing.TB, host string) tls.Certificate {
	t.Helper()
	request := certs.ServerRequest{DNSNames: []string{host}}
	if ip, err := netip.ParseAddr(host); err == nil {
		request = certs.ServerRequest{IPs: []netip.Addr{ip}}
	}
	pair, err := a.IssueServer(request)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

// Behind is the way of Google's front ends to the world's API server.
func (w *World) Behind() *http.Transport {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.Server.CA)
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
}

// Front runs one of Google's front ends until the test ends, as host (a DNS name or an
// IP address), by a certificate that a CA signs.
func Front(t testing.TB, front http.Handler, host string, signer Authority) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(front)
	server.EnableHTTP2, server.TLS = true, &tls.Config{Certificates: []tls.Certificate{signer.leaf(t, host)}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // clients break off on purpose
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// Nowhere dials from a machine without a way to an endpoint.
func Nowhere(context.Context, string, string) (net.Conn, error) { return nil, syscall.ENETUNREACH }
