package exposer

import (
	"errors"
	"strings"
	"testing"
)

func mcsSpec(edit func(*Spec)) Spec {
	s := Spec{Method: "mcs", Cluster: ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "prod"}}
	edit(&s)
	return s.WithDefaults()
}

// TestMCSDefaults: an exposure of ilb unless a Service is named, and the cluster's
// name for what is to be made.
func TestMCSDefaults(t *testing.T) {
	proxy := mcsSpec(func(*Spec) {})
	if proxy.Name != "prod-mcs" || proxy.MCS.Exposure != "prod" || proxy.MCS.Membership != "prod" || proxy.Access.Role != "view" {
		t.Errorf("the defaults are %+v %+v", proxy, proxy.MCS)
	}
	own := mcsSpec(func(s *Spec) { s.MCS = &MCS{Service: "shop/web"} })
	if own.MCS.Exposure != "" || own.Validate([]string{"mcs"}) != nil {
		t.Errorf("with a Service: %+v %v", own.MCS, own.Validate([]string{"mcs"}))
	}
}

func TestMCSSpecsThatAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		edit func(*Spec)
		want string
	}{
		"two things to export":          {func(s *Spec) { s.MCS = &MCS{Service: "a/b", Exposure: "c"} }, "mcs.service can't go with mcs.exposure"},
		"a Service without a namespace": {func(s *Spec) { s.MCS = &MCS{Service: "web"} }, "mcs.service must be NAMESPACE/NAME"},
		"a Service in capitals":         {func(s *Spec) { s.MCS = &MCS{Service: "shop/Web"} }, "mcs.service must be NAMESPACE/NAME"},
		"a Service with a digit first":  {func(s *Spec) { s.MCS = &MCS{Service: "shop/1web"} }, "mcs.service must be NAMESPACE/NAME"},
		"an exposure that is no name":   {func(s *Spec) { s.MCS = &MCS{Exposure: "A B"} }, "mcs.exposure must be the name of an exposure by ilb"},
		"a project's number":            {func(s *Spec) { s.MCS = &MCS{FleetProject: "123456789012"} }, "mcs.fleetProject must be a Google project ID"},
		"a membership that is no name":  {func(s *Spec) { s.MCS = &MCS{Membership: "a/b"} }, "mcs.membership must be a membership's name"},
		"an importer that is a path":    {func(s *Spec) { s.MCS = &MCS{Importers: []string{"projects/p/locations/l/clusters/c"}} }, "mcs.importers[0] is not well-formed"},
		"an importer without a place":   {func(s *Spec) { s.MCS = &MCS{Importers: []string{"client"}} }, "mcs.importers[0] is not well-formed"},
		"the exporting cluster":         {func(s *Spec) { s.MCS = &MCS{Importers: []string{"lab-project/europe-west3/prod"}} }, "mcs.importers[0] is the exporting cluster"},
		"an importer twice": {func(s *Spec) {
			s.MCS = &MCS{Importers: []string{"europe-west3/client", "lab-project/europe-west3/client"}}
		}, "mcs.importers[1] is the exporting cluster, or in the list twice"},
		"networks":               {func(s *Spec) { s.FarSide.CIDRs = []string{"172.31.0.0/16"} }, "farSide.cidrs has no meaning for the method mcs"},
		"a role that is no name": {func(s *Spec) { s.Access.Role = "view all" }, "access.role"},
	} {
		t.Run(name, func(t *testing.T) {
			err := mcsSpec(test.edit).Validate([]string{"mcs"})
			var wrong *SpecError
			if !errors.As(err, &wrong) || len(wrong.Problems) != 1 || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q alone", err, test.want)
			}
		})
	}
}

func TestImporters(t *testing.T) {
	for entry, want := range map[string]ClusterRef{
		"europe-west3/client":           {Project: "own", Location: "europe-west3", Name: "client"},
		"other/europe-west3-b/client":   {Project: "other", Location: "europe-west3-b", Name: "client"},
		"example.com:o/us-east1/client": {Project: "example.com:o", Location: "us-east1", Name: "client"},
	} {
		if got, err := ImporterOf(entry, "own"); err != nil || got != want {
			t.Errorf("%s: %+v %v", entry, got, err)
		}
	}
	for _, entry := range []string{"", "client", "a/b/c/d", "/europe-west3/client", "europe/client", "europe-west3/Client"} {
		if got, err := ImporterOf(entry, "own"); err == nil {
			t.Errorf("%q is taken for %+v", entry, got)
		}
	}
}
