package dns

import (
	"os"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

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
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: closed(), World: conformance.Options{Seed: "route", NoController: true}, Bare: true})
}

func TestConformanceWithAnAccount(t *testing.T) {
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: accounts(), World: conformance.Options{Seed: "route", NoController: true}})
}

func TestKilledApply(t *testing.T) { conformance.KilledApply(t, Method{}) }
