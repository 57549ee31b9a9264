package dns

import (
	"context"
	"net"
	"net/netip"
	"os"
	"testing"

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
	return conformance.Fresh(t, spec, o)
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

type authority = conformance.Authority

var newAuthority = conformance.NewAuthority

// served is a world whose DNS endpoint really answers: Google's front end before the
// API server, under its name, with a certificate by signer; the machine trusts public.
func served(t *testing.T, w *conformance.World, public, signer authority) exposer.Job {
	t.Helper()
	front, err := gcptest.NewDNSFront(w.Google, clusterAt, w.Server.URL, w.Behind())
	if err != nil {
		t.Fatal(err)
	}
	front.Token = func(string) string { return kubetest.GoogleToken }
	server := conformance.Front(t, front, name, signer)
	job := jobOf(t, w)
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server.Listener.Addr().String())
	}
	if job.Command, err = os.Executable(); err != nil { // this binary answers as the plugin would
		t.Fatal(err)
	}
	job.Deps.Dial = dial
	job.Probe = probe.Options{Roots: public.Trust(), Dial: dial, Lookup: func(_ context.Context, host string) ([]netip.Addr, error) {
		if host != name {
			return nil, &net.DNSError{Name: host, IsNotFound: true}
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}}
	return job
}

// nowhere is a machine without a way to the endpoint.
var nowhere = conformance.Nowhere
