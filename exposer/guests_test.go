package exposer_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/kube"
	"causeway/internal/kubetest"
)

func TestWhatAllGuestsNeedTogether(t *testing.T) {
	t.Parallel()
	guests := exposer.Guests{
		"b": {Method: "psc", Ranges: []string{"10.200.0.0/28", "10.201.0.0/28"}, Names: []string{"api.b.example", "10.156.0.2"}},
		"a": {Method: "psc", Ranges: []string{"10.200.0.0/28", "nonsense"}, Names: []string{"10.156.0.9", "10.156.0.2", "api.b.example"}},
	}
	prefix, ip := netip.MustParsePrefix, netip.MustParseAddr
	if diff := cmp.Diff([]netip.Prefix{prefix("10.200.0.0/28"), prefix("10.201.0.0/28")}, guests.Ranges(), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("ranges (-want +got):\n%s", diff)
	}
	names, ips := guests.Names()
	if diff := cmp.Diff([]string{"api.b.example"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]netip.Addr{ip("10.156.0.9"), ip("10.156.0.2")}, ips, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestAHostWithGuestsDoesNotGo(t *testing.T) {
	t.Parallel()
	host := exposer.Spec{Method: "ilb", Name: "prod", Cluster: exposer.ClusterRef{Project: "p", Location: "l", Name: "c"}}
	if err := (exposer.Guests{}).Refusal(host); err != nil {
		t.Errorf("nobody stands on it: %v", err)
	}
	err := exposer.Guests{"two": {Method: "psc"}, "one": {Method: "psc"}}.Refusal(host)
	wantCode(t, err, "CW-RUN-GUESTS")
	for _, part := range []string{"destroy ilb prod", "exposure one by psc", "exposure two by psc", "causeway destroy psc --project p --location l --cluster c --name two"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the refusal does not say %q: %v", part, err)
		}
	}
}

func TestGuestsAreKeptInTheHostsNamespace(t *testing.T) {
	t.Parallel()
	cluster, err := kube.New(kubetest.Start(t).Config, kube.Env{})
	if err != nil {
		t.Fatal(err)
	}
	host := exposer.Spec{Method: "ilb", Name: "guesthouse", Namespace: "causeway-guesthouse"}
	namespace := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": host.Namespace}}}
	if err := cluster.Apply(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	read := func(want exposer.Guests) {
		t.Helper()
		got, err := exposer.ReadGuests(t.Context(), cluster, host)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	write := func(guests exposer.Guests) {
		t.Helper()
		if err := exposer.WriteGuests(t.Context(), cluster, host, guests); err != nil {
			t.Fatal(err)
		}
	}
	read(nil)
	write(nil) // nobody comes, and nothing is made
	read(nil)
	both := exposer.Guests{"one": {Method: "psc", Ranges: []string{"10.200.0.0/28"}, Names: []string{"api.example.com"}}, "two": {Method: "psc"}}
	write(both)
	read(both)
	delete(both, "one")
	write(both)
	read(both)
	write(exposer.Guests{})
	read(nil)

	broken := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"one": "no JSON"},
		"metadata": map[string]any{"name": "causeway-guests", "namespace": host.Namespace}}}
	if err := cluster.Apply(t.Context(), broken); err != nil {
		t.Fatal(err)
	}
	if _, err := exposer.ReadGuests(t.Context(), cluster, host); err == nil || !strings.Contains(err.Error(), "guest one of exposure guesthouse") {
		t.Errorf("read: %v", err)
	}
}
