package gcp

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

func TestNATSubnetsThatGoogleRefuses(t *testing.T) {
	for sentence, test := range map[string]struct {
		subnet     Subnetwork
		code, part string
	}{
		"a range that overlaps a primary":   {Subnetwork{Range: cidr("10.156.8.0/24")}, "CW-PSC-NAT-SUBNET", "conflicts with existing subnetwork 'default'"},
		"a range that overlaps a secondary": {Subnetwork{Range: cidr("10.36.8.0/24")}, "CW-PSC-NAT-SUBNET", "conflicts with existing subnetwork 'default'"},
		"a range that is too small":         {Subnetwork{Range: cidr("10.160.0.0/30")}, "", "/29 or larger"},
		"a range with host bits":            {Subnetwork{Range: cidr("10.160.0.1/24")}, "", "10.160.0.1/24 is no range"},
		"no range":                          {Subnetwork{}, "", "is no range"},
		"another purpose":                   {Subnetwork{Range: cidr("10.160.0.0/24"), Purpose: "PRIVATE"}, "", "its purpose would be PRIVATE"},
		"a network that is not there":       {Subnetwork{Range: cidr("10.160.0.0/24"), Network: "none"}, "CW-GCP-NOT-FOUND", "networks/none"},
		"a name that is taken":              {Subnetwork{Range: cidr("10.160.0.0/24"), Name: "nat"}, "CW-GCP-CONFLICT", "already exists"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := both(t, gcptest.Options{})
			before := string(google.Snapshot())
			s := test.subnet
			s.Project, s.Region, s.Name, s.Network = project, area, first(s.Name, "demo"), first(s.Network, "default")
			expect(t, cloud.CreateNATSubnet(t.Context(), s, nil), test.code, test.part)
			if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
				t.Error(diff)
			}
		})
	}
	cloud, _ := both(t, gcptest.Options{})
	expect(t, cloud.DeleteSubnetwork(t.Context(), ref("default"), nil), "CW-GCP-IN-USE", "already being used by")
}
