package gcp

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"cloud.google.com/go/compute/apiv1/computepb"
	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

func TestRoutesOfEveryKind(t *testing.T) {
	cloud, google := open(t, gcptest.Options{PageSize: 2}, "hub")
	const network = "projects/lab-project/global/networks/default"
	err := google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{
		{Path: "projects/lab-project/global/routes/a-internet", Body: map[string]any{"network": network, "destRange": "0.0.0.0/0", "nextHopGateway": "projects/lab-project/global/gateways/default-internet-gateway"}},
		{Path: "projects/lab-project/global/routes/b-machine", Body: map[string]any{"network": network, "destRange": "10.99.0.0/16", "nextHopIp": "10.156.0.9", "priority": 7, "tags": []any{"a", "b"}}},
		{Path: "projects/lab-project/global/networks/default-2", Body: map[string]any{}},
		{Path: "projects/lab-project/global/routes/c-other", Body: map[string]any{"network": network + "-2", "destRange": "10.1.0.0/16", "nextHopIp": "10.2.0.1"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	routes, err := cloud.Routes(t.Context(), labNetwork())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, one := range routes {
		line := one.Kind + " " + one.Range.String() + " " + one.NextHop
		if len(one.Tags) > 0 {
			line += " " + strings.Join(one.Tags, ",")
		}
		if one.Kind != RouteStatic && (one.Priority != 0 || one.Name == "") {
			t.Errorf("%+v", one)
		}
		got = append(got, line)
	}
	if len(got) != 10 || routes[0].Priority != 1000 || routes[1].Priority != 7 {
		t.Fatalf("%d routes: %v", len(got), got)
	}
	for _, want := range []string{
		"static 0.0.0.0/0 next hop gateway default-internet-gateway", "static 10.99.0.0/16 next hop address 10.156.0.9 a,b",
		"subnet 10.164.0.0/20 next hop network default", "subnet 10.36.0.0/14 next hop network default",
		"peering 192.168.50.0/28 next hop peering " + gkePeering, "peering 10.200.0.0/20 next hop peering to-hub",
	} {
		if !strings.Contains(strings.Join(got, "\n")+"\n", want+"\n") {
			t.Errorf("no %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
	_, err = cloud.Routes(t.Context(), Ref{Project: "no-project", Name: "n"})
	expect(t, err, "CW-GCP-NOT-FOUND", "list routes of projects/no-project/global/networks/n")
}

func TestNextHopsOfEveryKind(t *testing.T) {
	for want, route := range map[string]*computepb.Route{
		"static next hop instance i":      {NextHopInstance: ptr("projects/p/zones/z/instances/i"), NextHopIp: ptr("10.0.0.1")},
		"static next hop load balancer f": {NextHopIlb: ptr("projects/p/regions/r/forwardingRules/f")},
		"static next hop tunnel v":        {NextHopVpnTunnel: ptr("projects/p/regions/r/vpnTunnels/v")},
		"dynamic next hop tunnel v":       {NextHopVpnTunnel: ptr("projects/p/regions/r/vpnTunnels/v"), RouteType: ptr("BGP")},
		"dynamic next hop attachment a":   {NextHopInterconnectAttachment: ptr("projects/p/regions/r/interconnectAttachments/a"), RouteType: ptr("BGP")},
		"static next hop hub h":           {NextHopHub: ptr("projects/p/locations/global/hubs/h")},
		"static ":                         {},
	} {
		if got := toRoute(route); got.Kind+" "+got.NextHop != want {
			t.Errorf("%q, want %q", got.Kind+" "+got.NextHop, want)
		}
	}
}

func TestSubnetworksOfANetwork(t *testing.T) {
	cloud, google := open(t, gcptest.Options{PageSize: 1}, "hub")
	err := google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{
		{Path: "projects/lab-project/regions/europe-west1/subnetworks/foreign", Body: map[string]any{"network": "projects/lab-project/global/networks/other", "ipCidrRange": "10.9.0.0/24"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := cloud.Subnetworks(t.Context(), labNetwork())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != "default" || got[1].Name != "west4" || got[1].Region != "europe-west4" || got[1].Range != netip.MustParsePrefix("10.164.0.0/20") {
		t.Fatalf("%+v", got)
	}
	alone, err := cloud.Subnetwork(t.Context(), project, area, "default")
	if diff := cmp.Diff(alone, got[0], comparers()); err != nil || diff != "" {
		t.Errorf("%v: the list tells another subnet than get: %s", err, diff)
	}
	if none, err := cloud.Subnetworks(t.Context(), Ref{Project: project, Name: "defaul"}); err != nil || len(none) != 0 {
		t.Errorf("a network without any: %v, %v", none, err)
	}
}

// TestARegionThatDoesNotAnswer is no region without subnetworks.
func TestARegionThatDoesNotAnswer(t *testing.T) {
	answer := `{"kind":"compute#subnetworkAggregatedList","items":{
		"regions/europe-west1":{"warning":{"code":"NO_RESULTS_ON_PAGE","message":"none"}},
		"regions/europe-west3":{"warning":{"code":"UNREACHABLE","message":"try later"}}}}`
	base := roundTripper(func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(answer)), Request: r}, nil
	})
	cloud, err := New(t.Context(), Config{HTTPClient: &http.Client{Transport: base}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = cloud.Subnetworks(t.Context(), labNetwork())
	expect(t, err, "CW-GCP-UNAVAILABLE", "list subnetworks of projects/lab-project/global/networks/default: regions/europe-west3 does not answer: try later")
}

func TestRoutesThatCrossAPeering(t *testing.T) {
	cloud, google := open(t, gcptest.Options{PageSize: 2}, "lab")
	got, err := cloud.PeeringRoutes(t.Context(), labNetwork(), gkePeering, area, "INCOMING")
	want := []PeeringRoute{{Range: netip.MustParsePrefix("192.168.50.0/28"), Type: "SUBNET_PEERING_ROUTE", Imported: true}}
	if diff := cmp.Diff(want, got, comparers()); err != nil || diff != "" {
		t.Error(err, diff)
	}
	err = google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{
		{Path: "projects/lab-project/global/routes/far", Body: map[string]any{"network": "projects/lab-project/global/networks/default", "destRange": "10.99.0.0/16", "nextHopIp": "10.156.0.9", "priority": 7}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for exported, count := range map[bool]int{false: 3, true: 4} {
		if err := cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, PeeringChange{Export: &exported}, nil); err != nil {
			t.Fatal(err)
		}
		got, err := cloud.PeeringRoutes(t.Context(), labNetwork(), gkePeering, area, "OUTGOING")
		if err != nil || len(got) != count {
			t.Errorf("exported %t: %+v, %v", exported, got, err)
		}
		if last := got[len(got)-1]; exported && last != (PeeringRoute{Range: netip.MustParsePrefix("10.99.0.0/16"), Type: "STATIC_PEERING_ROUTE", Priority: 7, Imported: true}) {
			t.Errorf("%+v", last)
		}
	}
	_, err = cloud.PeeringRoutes(t.Context(), labNetwork(), "none", area, "OUTGOING")
	expect(t, err, "", "list outgoing routes of peering projects/lab-project/global/networks/default/peerings/none")
}
