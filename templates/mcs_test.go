package templates_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/templates"
)

// TestTheServiceForTheFleet leads to the proxy's own Pods, by a number.
func TestTheServiceForTheFleet(t *testing.T) {
	m, err := templates.FleetService("fleet", "prod", "causeway-prod", "causeway-prod-abc", 8443)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"type":     "ClusterIP",
		"selector": map[string]any{"app.kubernetes.io/name": "causeway-proxy", "causeway.dev/exposure": "prod"},
		"ports":    []any{map[string]any{"name": "https", "port": int64(8443), "protocol": "TCP", "targetPort": int64(8443)}},
	}
	if diff := cmp.Diff(want, at(t, m.Object.Object, "spec")); diff != "" {
		t.Error(diff)
	}
	if mark := at(t, m.Object.Object, "metadata", "labels", "causeway.dev/exposure"); mark != "fleet" {
		t.Errorf("marked as %v's", mark)
	}
}

func TestAnExportHasTheNameOfItsService(t *testing.T) {
	m, err := templates.ServiceExport("fleet", "shop", "web")
	if err != nil {
		t.Fatal(err)
	}
	if m.ID != "serviceexport/web" || m.Object.GetNamespace() != "shop" || m.Object.GetAPIVersion() != "net.gke.io/v1" {
		t.Errorf("%s", m.YAML)
	}
}

func TestServicesForTheFleetThatAreRefused(t *testing.T) {
	for name, make := range map[string]func() (templates.Manifest, error){
		"an exposure that is no name": func() (templates.Manifest, error) { return templates.FleetService("a b", "prod", "ns", "n", 443) },
		"a host that is no name":      func() (templates.Manifest, error) { return templates.FleetService("fleet", "p\nq", "ns", "n", 443) },
		"a namespace that is none":    func() (templates.Manifest, error) { return templates.FleetService("fleet", "prod", "N S", "n", 443) },
		"a name that is none":         func() (templates.Manifest, error) { return templates.FleetService("fleet", "prod", "ns", "N", 443) },
		"no port":                     func() (templates.Manifest, error) { return templates.FleetService("fleet", "prod", "ns", "n", 0) },
		"a port too many":             func() (templates.Manifest, error) { return templates.FleetService("fleet", "prod", "ns", "n", 65536) },
		"an export of nobody's":       func() (templates.Manifest, error) { return templates.ServiceExport("", "ns", "n") },
	} {
		if m, err := make(); err == nil {
			t.Errorf("%s: %s", name, m.YAML)
		}
	}
}
