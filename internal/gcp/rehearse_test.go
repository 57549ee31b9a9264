package gcp

import (
	"net/netip"
	"strings"
	"testing"

	"causeway/internal/gcptest"
)

func TestARehearsalTellsWhatItWouldSendAndSendsNothing(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "route")
	before := string(google.Snapshot())
	var calls []Call
	ctx := Rehearse(t.Context(), func(c Call) { calls = append(calls, c) })
	region := Ref{Project: "lab-project", Region: "europe-west3", Name: "x"}
	_, reserve := cloud.ReserveAddress(ctx, Address{Project: "lab-project", Region: "europe-west3", Name: "x", Subnetwork: "default"}, nil)
	_, gateway := cloud.CreateVPNGateway(ctx, VPNGateway{Project: region.Project, Region: region.Region, Name: "x", Network: "default"}, nil)
	for name, err := range map[string]error{
		"an address, by the generated client": reserve,
		"a VPN gateway":                       gateway,
		"a tunnel": cloud.CreateTunnel(ctx, Tunnel{Project: region.Project, Region: region.Region, Name: "x", Gateway: region, External: region, Router: region,
			Secret: "hunter2"}, nil),
		"a peering": cloud.UpdatePeering(ctx, Ref{Project: "lab-project", Name: "default"}, "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer", PeeringChange{Export: ptr(true)}, nil),
		"a cluster": cloud.SetAuthorizedNetworks(ctx, "lab-project", "europe-west3", "private-cluster", func(a AuthorizedNetworks) AuthorizedNetworks {
			a.CIDRs = append(a.CIDRs, AuthorizedNetwork{CIDR: netip.MustParsePrefix("172.31.0.0/16")})
			return a
		}, nil),
	} {
		if !Rehearsed(err) {
			t.Errorf("%s: %v, want the end of a rehearsal", name, err)
		}
	}
	if _, err := cloud.TestPermissions(ctx, "lab-project", []string{"compute.networks.get"}); err != nil {
		t.Errorf("a POST that only reads: %v", err)
	}
	if len(calls) != 5 {
		t.Errorf("%d calls told, want 5: %v", len(calls), calls)
	}
	for _, c := range calls {
		if body, ok := c.Body.(map[string]any); !ok || len(body) == 0 || !strings.Contains(c.Path, "/v1/projects/lab-project/") {
			t.Errorf("told as %+v", c)
		} else if secret := body["sharedSecret"]; secret != nil && secret != "(not shown)" {
			t.Error("the pre-shared key is told")
		}
	}
	if string(google.Snapshot()) != before {
		t.Error("the rehearsal changed something")
	}
	if _, writes := google.Counts(); writes != 0 {
		t.Errorf("%d writes arrived", writes)
	}
}
