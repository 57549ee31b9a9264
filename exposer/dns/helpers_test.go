package dns

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"hash/fnv"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"syscall"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
	"causeway/probe"
)

const (
	clusterAt = "projects/lab-project/locations/europe-west3/clusters/private-cluster"
	name      = "gke-5f0c2d7e9b1a4c3d8e6f-123456789012.europe-west3.gke.goog"
	external  = "dns-endpoint/private-cluster/external"
	tokens    = "dns-endpoint/private-cluster/tokens"
	certs     = "dns-endpoint/private-cluster/certs"
)

// world is the seed with an exposure whose name is the test's.
func world(t *testing.T, spec exposer.Spec) *conformance.World {
	t.Helper()
	return worldOf(t, spec, conformance.Options{Seed: "route", NoController: true})
}

func worldOf(t *testing.T, spec exposer.Spec, o conformance.Options) *conformance.World {
	t.Helper()
	sum := fnv.New32a()
	fmt.Fprint(sum, t.Name())
	spec.Name = fmt.Sprintf("t%08x", sum.Sum32())
	kubetest.Workloads(t, kubetest.Start(t).Config)
	return conformance.New(t, spec, o)
}

// set turns a switch of the cluster's DNS endpoint, as somebody else would.
func set(t testing.TB, w *conformance.World, field string, on bool) {
	t.Helper()
	change(t, w, func(dns map[string]any) { dns[field] = on })
}

func change(t testing.TB, w *conformance.World, edit func(dns map[string]any)) {
	t.Helper()
	if err := w.Google.Change(clusterAt, func(o map[string]any) {
		edit(o["controlPlaneEndpointsConfig"].(map[string]any)["dnsEndpointConfig"].(map[string]any))
	}); err != nil {
		t.Fatal(err)
	}
}

// is reads a switch.
func is(w *conformance.World, field string) bool {
	endpoints := w.Google.Object(clusterAt)["controlPlaneEndpointsConfig"].(map[string]any)
	return endpoints["dnsEndpointConfig"].(map[string]any)[field] == true
}

func apply(t testing.TB, w *conformance.World) exposer.Plan {
	t.Helper()
	return w.Applied(t, Method{})
}

func destroy(t testing.TB, w *conformance.World) map[string]exposer.DestroyItem {
	t.Helper()
	return w.Destroyed(t, Method{})
}

func jobOf(t testing.TB, w *conformance.World) exposer.Job {
	t.Helper()
	return w.JobOf(t, Method{})
}

// authority is a CA that stands for a public one, or for a proxy's.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB, name string) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// leaf is a certificate for the DNS endpoint's name.
func (a authority) leaf(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// served is a world whose DNS endpoint really answers: Google's front end before the
// API server, under its name, with a certificate by signer; the machine trusts public.
func served(t *testing.T, w *conformance.World, public, signer authority) exposer.Job {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.Server.CA)
	front, err := gcptest.NewDNSFront(w.Google, clusterAt, w.Server.URL, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	front.Token = func(string) string { return kubetest.GoogleToken }
	server := httptest.NewUnstartedServer(front)
	server.EnableHTTP2, server.TLS = true, &tls.Config{Certificates: []tls.Certificate{signer.leaf(t)}}
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)

	job := jobOf(t, w)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	if job.Command, err = os.Executable(); err != nil { // this binary answers as the plugin would
		t.Fatal(err)
	}
	job.Deps.Dial = dial
	job.Probe = probe.Options{Roots: public.pem, Dial: dial, Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != name {
			return nil, &net.DNSError{Name: host, IsNotFound: true}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
	return job
}

// nowhere is a machine without a way to the endpoint.
func nowhere(context.Context, string, string) (net.Conn, error) { return nil, syscall.ENETUNREACH }
