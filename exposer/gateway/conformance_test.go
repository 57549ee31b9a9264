package gateway

import (
	"os"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/detect"
	"causeway/internal/gcptest"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

// plain is an exposure of a cluster that is to be registered, for nobody new.
func plain() exposer.Spec {
	return exposer.Spec{Method: "gateway", Cluster: exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "private-cluster"},
		Gateway: &exposer.Gateway{Register: true}}
}

// everything is one with all that the method can set and make: members of each
// kind, streams, and rights in one namespace.
func everything() exposer.Spec {
	spec := plain()
	spec.Gateway = &exposer.Gateway{Register: true, Stream: true, Members: []string{alice, "group:ops@example.com", "serviceAccount:ci@lab-project.iam.gserviceaccount.com"}}
	spec.Access = exposer.Access{Role: "edit", Namespaces: []string{"default"}}
	return spec
}

// bare is a project in which nothing is ready: the APIs are off; its policy and the
// cluster's security group are there.
func bare(t testing.TB, w *conformance.World) {
	t.Helper()
	for _, name := range detect.GatewayServices {
		if name != "cloudresourcemanager.googleapis.com" { // without it not even the project can be read
			w.Google.Disable("lab-project", name)
		}
	}
	settled(t, w)
}

// settled gives the project a policy and the cluster a security group.
func settled(t testing.TB, w *conformance.World) {
	t.Helper()
	w.Google.SetPolicy("lab-project", gcptest.Binding{Role: "roles/owner", Members: []string{gcptest.Owner}},
		gcptest.Binding{Role: reader, Members: []string{"user:carol@example.com"}, Condition: "request.time < timestamp('2030-01-01T00:00:00Z')"})
	if err := w.Google.Change(clusterAt, func(o map[string]any) {
		o["authenticatorGroupsConfig"] = map[string]any{"enabled": true, "securityGroup": "gke-security-groups@example.com"}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestConformanceWithMembers(t *testing.T) {
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: everything(), World: conformance.Options{Seed: "fleet", NoController: true, Before: bare}})
}

// TestConformanceForNobodyNew is the exposure of people who have their roles and
// rights already: nothing is made in the cluster.
func TestConformanceForNobodyNew(t *testing.T) {
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: plain(), World: conformance.Options{Seed: "fleet", NoController: true, Before: bare}, Bare: true})
}

func TestKilledApply(t *testing.T) { conformance.KilledApply(t, Method{}) }
