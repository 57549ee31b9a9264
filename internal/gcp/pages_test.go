package gcp

import (
	"fmt"
	"testing"

	"causeway/internal/gcptest"
)

// TestListsAreReadToTheirEnd: each list that a verdict rests on is read to its end, be it cut
// into pages of one.
func TestListsAreReadToTheirEnd(t *testing.T) {
	const regional = "projects/lab-project/regions/"
	cloud, google := open(t, gcptest.Options{PageSize: 1}, "hub")
	var objects []gcptest.SeedObject
	add := func(path string, body map[string]any) {
		objects = append(objects, gcptest.SeedObject{Path: path, Body: body})
	}
	for i := range 3 {
		for _, region := range []string{"europe-west3", "europe-west4"} {
			add(fmt.Sprintf("%s%s/vpnTunnels/t%d", regional, region, i), map[string]any{"targetVpnGateway": regional + region + "/targetVpnGateways/old"})
			add(fmt.Sprintf("%s%s/interconnectAttachments/a%d", regional, region, i), map[string]any{"router": regional + region + "/routers/x"})
		}
		network := "projects/lab-project/global/networks/" + []string{"default", "x", "y"}[i]
		if i > 0 {
			add(network, map[string]any{})
			add(fmt.Sprintf("%seurope-west3/subnetworks/s%d", regional, i), map[string]any{"network": network, "ipCidrRange": "10.156.0.0/20"})
		}
		subnetwork := regional + "europe-west3/subnetworks/" + []string{"default", "s1", "s2"}[i]
		add(fmt.Sprintf("%seurope-west3/forwardingRules/r%d", regional, i), map[string]any{
			"IPAddress": "10.156.0.77", "loadBalancingScheme": "INTERNAL", "subnetwork": subnetwork, "network": network})
	}
	if err := google.Fill(gcptest.Seed{Resources: objects}); err != nil {
		t.Fatal(err)
	}
	tunnels, err := cloud.NetworkTunnels(t.Context(), project)
	if err != nil || len(tunnels) != 6 {
		t.Errorf("%d tunnels, %v", len(tunnels), err)
	}
	attachments, err := cloud.Attachments(t.Context(), project)
	if err != nil || len(attachments) != 6 {
		t.Errorf("%d interconnect attachments, %v", len(attachments), err)
	}
	rules, err := cloud.ForwardingRulesByIP(t.Context(), project, area, ip("10.156.0.77"))
	if err != nil || len(rules) != 3 {
		t.Errorf("%d forwarding rules, %v", len(rules), err)
	}
}
