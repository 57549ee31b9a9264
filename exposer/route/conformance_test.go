package route

import (
	"os"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

// labSpec is an exposure of the seeds' cluster behind a peering.
func labSpec() exposer.Spec {
	return exposer.Spec{Method: "route",
		Cluster: exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "private-cluster"},
		FarSide: exposer.FarSide{CIDRs: []string{"172.31.0.0/16"}}, Route: &exposer.Route{}}
}

// newLine is one that makes the line too.
func newLine() exposer.Spec {
	spec := labSpec()
	spec.Route.GlobalAccess = true // the most steps
	spec.Route.VPN = &exposer.VPN{Peer: exposer.PeerAWS, PeerASN: 65001,
		PeerAddresses: []string{"203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.14"}, Secrets: exposer.Secrets{Env: "PSK"}}
	return spec
}

func TestConformanceOnALineThatIsThere(t *testing.T) {
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: labSpec(), World: conformance.Options{Seed: "route-line", NoController: true}})
}

func TestConformanceWithALineOfItsOwn(t *testing.T) {
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: newLine(), World: conformance.Options{Seed: "route", NoController: true}})
}

func TestKilledApply(t *testing.T) { conformance.KilledApply(t, Method{}) }
