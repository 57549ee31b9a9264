package mcs

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/ilb"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

// The seed's clusters, and the addresses of their control planes.
var (
	labCluster    = exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "private-cluster"}
	clientCluster = exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "client-cluster"}
)

const (
	clientPlane  = "192.168.51.2"
	ownMember    = "projects/lab-project/locations/europe-west3/memberships/private-cluster"
	clientMember = "projects/lab-project/locations/europe-west3/memberships/client-cluster"
)

// exported is an exposure of the seed's cluster to the seed's client cluster, which
// is to be registered for it.
func exported(base string) exposer.Spec {
	return exposer.Spec{Method: "mcs", Cluster: labCluster, MCS: &exposer.MCS{Exposure: base, Register: true, Importers: []string{"europe-west3/client-cluster"}}}
}

// hostName is the exposure by ilb beneath a test's own.
func hostName(name string) string { return "base-" + name }

// settled is the client's cluster, registered, and a project with a policy.
func settled(t testing.TB, w *conformance.World) {
	t.Helper()
	second := kubetest.StartSecond(t)
	kubetest.Workloads(t, second.Config)
	w.Clusters = map[string]*kubetest.Server{clientPlane: second}
	m := gcp.Membership{Name: clientMember, Project: "lab-project", Location: "europe-west3", ID: "client-cluster", Cluster: clientCluster.String(), Issuer: gcp.WorkloadIssuer(clientCluster.String())}
	if err := jobOf(t, w).Deps.Google.CreateMembership(t.Context(), m, func(string) {}); err != nil {
		t.Fatal(err)
	}
	w.Google.SetPolicy("lab-project", gcptest.Binding{Role: "roles/owner", Members: []string{gcptest.Owner}})
}

// withHost makes the exposure by ilb that the world's own exports, and the other
// cluster, with Google's importer between the two.
func withHost(t testing.TB, w *conformance.World) {
	t.Helper()
	settled(t, w)
	own := *w.Spec.MCS
	own.Exposure = hostName(w.Spec.Name)
	w.Spec.MCS = &own
	host := addHost(t, w)
	importing(t, w, host.Spec.Namespace)
	for _, api := range []string{"multiclusterservicediscovery", "trafficdirector", "dns"} { // the fleet itself is there
		w.Google.Disable("lab-project", api+".googleapis.com")
	}
	host.AtEnd(t, ilb.Method{})
}

// ownExports leaves the exports of tests that run at the same time out of an answer:
// they have the cluster in common, and a fleet each.
func ownExports(r *http.Request, answer *http.Response, namespace string) error {
	if r.URL.Path != "/apis/net.gke.io/v1/serviceexports" || answer.StatusCode != http.StatusOK {
		return nil
	}
	defer answer.Body.Close()
	var list map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		return err
	}
	items, _ := list["items"].([]any)
	list["items"] = slices.DeleteFunc(items, func(one any) bool {
		space, _, _ := unstructured.NestedString(one.(map[string]any), "metadata", "namespace")
		return space != namespace
	})
	text, err := json.Marshal(list)
	answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	return err
}

func world() conformance.Options {
	return conformance.Options{Seed: "fleet", NoController: true, Others: []exposer.Method{ilb.Method{}}, Before: withHost}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: exported("base"), World: world(), Requests: 90,
		Steps: func(id string) bool { // the others have been through the suite with other methods
			for _, kind := range []string{"feature/", "namespace/lab-project/", "guest/", "export/"} {
				if strings.HasPrefix(id, kind) {
					return true
				}
			}
			return false
		}})
}

func TestKilledApply(t *testing.T) { conformance.KilledApply(t, Method{}, ilb.Method{}) }
