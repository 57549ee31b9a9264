package ilb

import (
	"os"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

// labSpec is an exposure of the seed's cluster.
func labSpec() exposer.Spec {
	return exposer.Spec{Method: "ilb",
		Cluster: exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "private-cluster"},
		FarSide: exposer.FarSide{CIDRs: []string{"172.31.0.0/16"}}}
}

func TestConformance(t *testing.T) {
	spec := labSpec()
	spec.ILB = &exposer.ILB{ClientAuth: "mtls"} // the most steps
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: spec})
}

// TestConformanceBehindAHub is the part of the suite that is the hub's: settings
// on two networks and a router that are not causeway's.
func TestConformanceBehindAHub(t *testing.T) {
	spec := labSpec()
	spec.ILB = &exposer.ILB{Mode: exposer.ModePassthrough, Hub: &exposer.Hub{Network: "hub-project/hub-vpc"}}
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: spec, World: conformance.Options{Seed: "hub-line"},
		Steps: func(id string) bool {
			return strings.HasPrefix(id, "peering/") || strings.HasPrefix(id, "advertisement/")
		}})
}

func TestKilledApply(t *testing.T) { conformance.KilledApply(t, Method{}) }
