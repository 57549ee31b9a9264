package psc

import (
	"os"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/ilb"
)

func TestMain(m *testing.M) { os.Exit(conformance.Main(m)) }

var labCluster = exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "private-cluster"}

// bothHalves is an exposure of the seed's cluster to the seed's consumer.
func bothHalves(base string) exposer.Spec {
	return exposer.Spec{Method: "psc", Cluster: labCluster, PSC: &exposer.PSC{Exposure: base, NATRange: "10.200.0.0/28",
		Consumer: &exposer.Consumer{Project: "consumer-project", Network: "consumer-vpc", Subnet: "clients", DNSName: "api.prod.example"}}}
}

// hostName is the exposure by ilb beneath a test's own.
func hostName(name string) string { return "base-" + name }

// withHost makes the exposure by ilb that the world's own publishes.
func withHost(t testing.TB, w *conformance.World) {
	t.Helper()
	own := *w.Spec.PSC
	own.Exposure = hostName(w.Spec.Name)
	w.Spec.PSC = &own
	w.Host(t, ilb.Method{}, hostSpec(own.Exposure)).AtEnd(t, ilb.Method{})
}

func world() conformance.Options {
	return conformance.Options{Seed: "psc-consumer", NoController: true, Others: []exposer.Method{ilb.Method{}}, Before: withHost}
}

func TestConformance(t *testing.T) {
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: bothHalves("base"), World: world(), Requests: 60,
		Steps: func(id string) bool { // the account's have been through the suite with every method
			for _, kind := range []string{"nat-subnet/", "address/", "guest/", "service-attachment/", "endpoint/", "private-zone/"} {
				if strings.HasPrefix(id, kind) {
					return true
				}
			}
			return false
		}})
}

func TestKilledApply(t *testing.T) { conformance.KilledApply(t, Method{}, ilb.Method{}) }

// throughCluster is the same with GKE making the service attachment.
func throughCluster(base string) exposer.Spec {
	spec := bothHalves(base)
	spec.PSC.Through = exposer.ThroughCRD
	return spec
}

// withAttachments is withHost, and GKE's controller beside it.
func withAttachments(t testing.TB, w *conformance.World) {
	t.Helper()
	w.Attach(t, exposer.Spec{Method: "ilb", Name: hostName(w.Spec.Name), Cluster: labCluster}.WithDefaults().Namespace)
	withHost(t, w)
}

func TestConformanceThroughTheCluster(t *testing.T) {
	options := world()
	options.Before = withAttachments
	conformance.Run(t, conformance.Method{Method: Method{}, Spec: throughCluster("base"), World: options, Requests: 70,
		Steps: func(id string) bool { return strings.HasPrefix(id, "serviceattachment/") }})
}
