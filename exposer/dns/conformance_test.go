package dns

import (
	"flag"
	"os"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/kubetest"
)

// TestMain lets more tests run at the same time than there are processors: what
// they do is mostly to wait. As the exec plugin of a kubeconfig the binary answers
// with a token instead.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "credential" {
		os.Exit(plugin())
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(kubetest.StartMain(m))
}

// closed is an exposure of the seed's cluster whose DNS endpoint takes nothing yet.
func closed() exposer.Spec {
	return exposer.Spec{Method: "dns", Cluster: exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "private-cluster"},
		DNS: &exposer.DNS{Open: true}}
}

// accounts is one with everything that the method can set and make.
func accounts() exposer.Spec {
	spec := closed()
	spec.DNS = &exposer.DNS{Open: true, Tokens: true, Certificates: true, Identity: exposer.IdentityAccount}
	return spec
}

func TestConformanceWithAGoogleIdentity(t *testing.T) {
	kubetest.Workloads(t, kubetest.Start(t).Config)
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: closed(), World: conformance.Options{Seed: "route", NoController: true}, Bare: true})
}

func TestConformanceWithAnAccount(t *testing.T) {
	kubetest.Workloads(t, kubetest.Start(t).Config)
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: accounts(), World: conformance.Options{Seed: "route", NoController: true}})
}

func TestKilledApply(t *testing.T) { conformance.KilledApply(t, Method{}) }
