package detect

import (
	"slices"
	"strings"
	"testing"

	"causeway/internal/gcp"
)

// TestWhereLinesEnd: what a line means for ilb and for route.
func TestWhereLinesEnd(t *testing.T) {
	there := line{name: "cr", region: "europe-west1", learns: []string{"172.31.0.0/16"}}
	for name, c := range map[string]struct {
		facts           Facts
		ask             Ask
		ilb, route      Verdict
		ilbCode, rtCode string
		flags           string // of ilb's command
	}{
		"a line in the cluster's network and region": {facts: world(lines(here)), ask: Ask{Clients: clients}, ilb: Works, route: Works},
		"the same behind a peering":                  {facts: world(peered, lines(here)), ask: Ask{Clients: clients}, ilb: Works, route: Works},
		"no line at all":                             {facts: world(), ilb: After, ilbCode: "CW-ROUTE-NO-LINE", route: After, rtCode: "CW-ROUTE-NO-LINE"},
		"a router that only carries a NAT is no line": {facts: world(func(f *Facts) {
			f.Own.Lines.Routers = []gcp.Router{{Project: "p", Region: region, Name: "nat"}}
		}), ilb: After, ilbCode: "CW-ROUTE-NO-LINE", route: After, rtCode: "CW-ROUTE-NO-LINE"},
		"in another region, routed by region": {facts: world(lines(there)), ask: Ask{Clients: clients},
			ilb: After, ilbCode: "CW-ROUTE-REGIONAL", route: After, rtCode: "CW-ROUTE-REGIONAL", flags: "--global-access"},
		"in another region, routed globally": {facts: world(global, lines(there)), ask: Ask{Clients: clients}, ilb: Works, route: Works, flags: "--global-access"},
		"in both regions: the near one counts": {facts: world(lines(there, line{name: "near", region: region, learns: []string{"172.16.0.0/12"}})),
			ask: Ask{Clients: clients}, ilb: Works, route: Works},
		"from another region than the line's": {facts: world(lines(here)), ask: Ask{Clients: clients, FromRegion: "europe-west1"},
			ilb: After, ilbCode: "CW-ROUTE-NO-LINE", route: After, rtCode: "CW-ROUTE-NO-LINE"},
		"a line that is down": {facts: world(lines(line{name: "cr", region: region, down: true})), ilb: After, ilbCode: "CW-BGP-DOWN", route: After, rtCode: "CW-BGP-DOWN"},
		"a line over which the clients' network does not come": {facts: world(lines(line{name: "cr", region: region, learns: []string{"172.30.0.0/16"}})), ask: Ask{Clients: clients},
			ilb: After, ilbCode: "CW-ROUTE-NOT-LEARNED", route: After, rtCode: "CW-ROUTE-NOT-LEARNED"},
		"two lines, and none brings the clients' network": {facts: world(lines(line{name: "a", region: region, learns: []string{"10.99.0.0/16"}}, line{name: "b", region: region})), ask: Ask{Clients: clients},
			ilb: After, ilbCode: "CW-ROUTE-ROUTER", route: After, rtCode: "CW-ROUTE-ROUTER"},
		"two lines, and nobody said who the clients are": {facts: world(lines(here, line{name: "b", region: region})), ilb: Works, route: Works},
		"a default route brings all clients": {facts: world(lines(line{name: "cr", region: region, learns: []string{"0.0.0.0/0"}})),
			ask: Ask{Clients: clients}, ilb: Works, route: Works},
		"a hub's line":                      {facts: world(hub("REGIONAL", here)), ask: Ask{Clients: clients}, ilb: Works, route: After, rtCode: "CW-ROUTE-TRANSIT", flags: "--hub-network h/hub"},
		"a hub's line behind a peering":     {facts: world(peered, hub("REGIONAL", here)), ask: Ask{Clients: clients}, ilb: Works, route: After, rtCode: "CW-ROUTE-TRANSIT", flags: "--hub-network h/hub"},
		"a hub's line in another region":    {facts: world(hub("REGIONAL", there)), ask: Ask{Clients: clients}, ilb: After, ilbCode: "CW-HUB-REGION", route: After, rtCode: "CW-ROUTE-TRANSIT", flags: "--hub-network h/hub --global-access"},
		"a hub that routes globally":        {facts: world(hub("GLOBAL", there)), ask: Ask{Clients: clients}, ilb: Works, route: After, rtCode: "CW-ROUTE-TRANSIT", flags: "--hub-network h/hub --global-access"},
		"a hub without a line":              {facts: world(hub("GLOBAL")), ilb: After, ilbCode: "CW-ROUTE-NO-LINE", route: After, rtCode: "CW-ROUTE-NO-LINE"},
		"a hub that does not peer back":     {facts: world(hub("GLOBAL", here), func(f *Facts) { f.Hubs[0].Network.Peerings = nil }), ilb: After, ilbCode: "CW-HUB-PEERING", route: After, rtCode: "CW-ROUTE-TRANSIT", flags: "--hub-network h/hub"},
		"the own line before the hub's":     {facts: world(lines(here), hub("GLOBAL", here)), ask: Ask{Clients: clients}, ilb: Works, route: Works},
		"a good hub before a bad own line":  {facts: world(lines(there), hub("GLOBAL", here)), ask: Ask{Clients: clients}, ilb: Works, route: After, rtCode: "CW-ROUTE-REGIONAL", flags: "--hub-network h/hub"},
		"routers that can't be seen":        {facts: world(func(f *Facts) { f.Own.Routers = false }), ilb: Unknown, route: Unknown},
		"a hub's routers that can't":        {facts: world(hub("", here), func(f *Facts) { f.Hubs[0].Routers = false }), ilb: Unknown, route: After, rtCode: "CW-ROUTE-NO-LINE", flags: "--hub-network h/hub"},
		"sessions that can't be seen":       {facts: world(lines(here), func(f *Facts) { f.Own.Lines.Status = nil }), ask: Ask{Clients: clients}, ilb: Works, route: Works},
		"a routing mode that can't be seen": {facts: world(lines(there), func(f *Facts) { f.Own.Network = gcp.Network{} }), ask: Ask{Clients: clients}, ilb: Unknown, route: Unknown, flags: "--global-access"},
		"a static route over a VPN": {facts: world(func(f *Facts) {
			f.Routes = []gcp.Route{{Name: "r", Range: clients[0], Kind: gcp.RouteStatic, NextHop: "next hop tunnel classic"}}
		}), ask: Ask{Clients: clients}, ilb: Works, route: After, rtCode: "CW-ROUTE-NO-LINE"},
		"a static route that leads elsewhere": {facts: world(func(f *Facts) {
			f.Routes = []gcp.Route{{Name: "r", Range: prefixes("10.99.0.0/16")[0], Kind: gcp.RouteStatic, NextHop: "next hop tunnel classic"}}
		}), ask: Ask{Clients: clients}, ilb: After, ilbCode: "CW-ROUTE-NO-LINE", route: After, rtCode: "CW-ROUTE-NO-LINE"},
		"a router that does not announce the subnet": {facts: world(lines(line{name: "cr", region: region, learns: []string{"172.31.0.0/16"}, list: []string{"10.99.0.0/16"}})), ask: Ask{Clients: clients},
			ilb: After, ilbCode: "CW-ROUTE-NOT-ANNOUNCED", route: Works},
		"a peer that does": {facts: world(lines(line{name: "cr", region: region, learns: []string{"172.31.0.0/16"}, list: []string{"10.99.0.0/16"}, peerList: []string{"10.0.0.0/16"}})), ask: Ask{Clients: clients},
			ilb: Works, route: Works},
		"peers with lists of their own before a peering, and none is known to lead there": {
			facts: world(peered, lines(line{name: "cr", region: region, learns: []string{"172.31.0.0/16"}, peerList: []string{"10.0.0.0/16"}}), func(f *Facts) {
				f.Own.Lines.Routers[0].Peers[0].PeerIP = prefixes("169.254.9.9/32")[0].Addr() // another one brought the route
			}), ask: Ask{Clients: clients}, ilb: Works, route: After, rtCode: "CW-BGP-PEER-CUSTOM"},
		"the same at an endpoint in the VPC, which goes with its subnet": {
			facts: world(lines(line{name: "cr", region: region, learns: []string{"172.31.0.0/16"}, peerList: []string{"10.0.0.0/16"}}), func(f *Facts) {
				f.Own.Lines.Routers[0].Peers[0].PeerIP = prefixes("169.254.9.9/32")[0].Addr()
			}), ask: Ask{Clients: clients}, ilb: Works, route: Works},
		"a list that leaves the subnet out": {
			facts: world(lines(line{name: "cr", region: region, learns: []string{"172.31.0.0/16"}, peerList: []string{"10.99.0.0/16"}}), func(f *Facts) {
				f.Own.Lines.Routers[0].Peers[0].PeerIP = prefixes("169.254.9.9/32")[0].Addr()
			}), ask: Ask{Clients: clients}, ilb: After, ilbCode: "CW-ROUTE-NOT-ANNOUNCED", route: After, rtCode: "CW-BGP-PEER-CUSTOM"},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.facts.Assess(c.ask)
			holds(t, r, "ilb", c.ilb, c.ilbCode)
			holds(t, r, "route", c.route, c.rtCode)
			_, flags, _ := strings.Cut(strings.TrimSuffix(r.Method("ilb").Command, " --client-cidr CLIENT_CIDR"), "--client-cidr 172.31.0.0/16 ")
			if !strings.HasSuffix(r.Method("ilb").Command, c.flags) || c.flags == "" && flags != "" && strings.Contains(flags, "--hub") {
				t.Errorf("command %q, want it to end with %q", r.Method("ilb").Command, c.flags)
			}
			if made := strings.Contains(r.Method("route").Command, "--vpn"); made != (c.rtCode == "CW-ROUTE-NO-LINE" || c.rtCode == "CW-ROUTE-TRANSIT") {
				t.Errorf("route makes a line: %v", r.Method("route").Command)
			}
		})
	}
}

// TestStatesOfTheCluster: what the cluster itself decides, for each method.
func TestStatesOfTheCluster(t *testing.T) {
	for name, c := range map[string]struct {
		facts Facts
		ask   Ask
		want  map[string][2]string // method: verdict, code
	}{
		"a cluster of today, alone": {facts: world(lines(here)), want: map[string][2]string{"psc": {"after", "CW-PSC-NO-ILB"}, "gateway": {"after", "CW-FLEET-MEMBER"}, "mcs": {"after", "CW-FLEET-MEMBER"}, "dns": {"after", "CW-DNS-CLOSED"}}},
		"IP endpoints that are off": {facts: world(lines(here), func(f *Facts) {
			f.Cluster.IPEndpointsOff, f.Cluster.PrivateEndpoint, f.Cluster.DNSExternal = true, "", true
		}),
			want: map[string][2]string{"ilb": {"after", "CW-GCP-IP-ENDPOINTS-OFF"}, "route": {"after", "CW-GCP-IP-ENDPOINTS-OFF"}, "psc": {"after", "CW-GCP-IP-ENDPOINTS-OFF"}, "dns": {"works", ""}}},
		"a public cluster without a private address": {facts: world(lines(here), func(f *Facts) { f.Cluster.PrivateEndpoint, f.Cluster.PublicEndpoint = "", "34.1.2.3" }),
			want: map[string][2]string{"ilb": {"works", ""}, "route": {"cannot", "CW-ROUTE-NO-ENDPOINT"}}},
		"one that is being made": {facts: world(lines(here), func(f *Facts) { f.Cluster.Status = "PROVISIONING" }),
			want: map[string][2]string{"ilb": {"after", "CW-GCP-CLUSTER-STATE"}, "route": {"after", "CW-GCP-CLUSTER-STATE"}, "dns": {"after", "CW-GCP-CLUSTER-STATE"}, "gateway": {"after", "CW-GCP-CLUSTER-STATE"}}},
		"one that is being deleted": {facts: world(lines(here), func(f *Facts) { f.Cluster.Status = "STOPPING" }),
			want: map[string][2]string{"ilb": {"cannot", "CW-GCP-CLUSTER-STATE"}, "dns": {"cannot", "CW-GCP-CLUSTER-STATE"}, "mcs": {"cannot", "CW-GCP-CLUSTER-STATE"}}},
		"one that is being changed serves": {facts: world(lines(here), func(f *Facts) { f.Cluster.Status = "RECONCILING" }), want: map[string][2]string{"ilb": {"works", ""}}},
		"no DNS endpoint":                  {facts: world(func(f *Facts) { f.Cluster.DNSEndpoint = "" }), want: map[string][2]string{"dns": {"cannot", "CW-DNS-ABSENT"}}},
		"clients out of the Pods' range": {facts: world(lines(here)), ask: Ask{Clients: prefixes("10.5.0.0/16")},
			want: map[string][2]string{"ilb": {"cannot", "CW-NET-OVERLAP"}, "route": {"cannot", "CW-NET-OVERLAP"}, "psc": {"after", "CW-PSC-NO-ILB"}, "mcs": {"cannot", "CW-MCS-FAR-SIDE"}}},
		"clients out of another subnet of the network": {facts: world(lines(here), func(f *Facts) {
			f.Subnets = append(f.Subnets, gcp.Subnetwork{Project: "p", Region: "us-east1", Name: "far", Network: "vpc", Range: clients[0]})
		}), ask: Ask{Clients: clients}, want: map[string][2]string{"ilb": {"cannot", "CW-NET-OVERLAP"}, "route": {"cannot", "CW-NET-OVERLAP"}}},
		"nodes that can pull no image": {facts: world(lines(here), func(f *Facts) { f.Subnets[0].PrivateGoogleAccess = false }),
			want: map[string][2]string{"ilb": {"after", "CW-IMG-UNREACHABLE"}, "route": {"works", ""}, "psc": {"after", "CW-IMG-UNREACHABLE"}}},
		"nodes behind a NAT": {facts: world(lines(here), func(f *Facts) {
			f.Subnets[0].PrivateGoogleAccess, f.Own.Lines.Routers[0].NATs = false, []gcp.NAT{{Name: "nat", All: true}}
		}), want: map[string][2]string{"ilb": {"works", ""}}},
		"an exposure by ilb that stands":     {facts: world(func(f *Facts) { f.Balanced = []Balanced{{Exposure: "c"}} }), want: map[string][2]string{"psc": {"works", ""}}},
		"one of another name":                {facts: world(func(f *Facts) { f.Balanced = []Balanced{{Exposure: "other"}} }), want: map[string][2]string{"psc": {"after", "CW-PSC-NO-ILB"}}},
		"addresses that can't be seen":       {facts: world(func(f *Facts) { f.Balanced = nil }), want: map[string][2]string{"psc": {"unknown", ""}}},
		"a member of a fleet, with all APIs": {facts: world(fleet), want: map[string][2]string{"gateway": {"works", ""}, "mcs": {"after", "CW-MCS-NO-ILB"}}},
		"a member with an exposure by ilb":   {facts: world(fleet, standing), want: map[string][2]string{"psc": {"works", ""}, "mcs": {"works", ""}}},
		"a member, for a far side":           {facts: world(fleet), ask: Ask{Clients: clients}, want: map[string][2]string{"gateway": {"works", ""}, "mcs": {"cannot", "CW-MCS-FAR-SIDE"}}},
		"a member being registered":          {facts: world(fleet, func(f *Facts) { f.Cluster.Fleet.Membership = "" }), want: map[string][2]string{"gateway": {"after", "CW-FLEET-MEMBER"}}},
		"a member, an API off":               {facts: world(fleet, standing, func(f *Facts) { f.Services["connectgateway.googleapis.com"] = false }), want: map[string][2]string{"gateway": {"after", "CW-GCP-API-DISABLED"}, "mcs": {"works", ""}}},
		"a member, APIs unseen":              {facts: world(fleet, standing, func(f *Facts) { f.Services = nil }), want: map[string][2]string{"gateway": {"unknown", ""}, "mcs": {"unknown", ""}}},
		"a member without IP endpoints":      {facts: world(fleet, func(f *Facts) { f.Cluster.IPEndpointsOff = true }), want: map[string][2]string{"gateway": {"unknown", ""}}},
		"a member without Workload Identity": {facts: world(fleet, func(f *Facts) { f.Cluster.WorkloadPool = "" }), want: map[string][2]string{"mcs": {"after", "CW-MCS-CLUSTER"}}},
		"a member without the add-on":        {facts: world(fleet, func(f *Facts) { f.Cluster.HTTPLoadBalancing = false }), want: map[string][2]string{"mcs": {"after", "CW-MCS-CLUSTER"}}},
		"a member that is routes-based":      {facts: world(fleet, func(f *Facts) { f.Cluster.VPCNative = false }), want: map[string][2]string{"mcs": {"cannot", "CW-MCS-VPC-NATIVE"}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.facts.Assess(c.ask)
			for method, want := range c.want {
				holds(t, r, method, Verdict(want[0]), want[1])
			}
		})
	}
}

// standing has an exposure by ilb.
func standing(f *Facts) { f.Balanced = []Balanced{{Exposure: "c"}} }

func fleet(f *Facts) {
	f.Cluster.Fleet = gcp.Fleet{Project: "fleet-project", Membership: "projects/fleet-project/locations/europe-west3/memberships/c"}
	f.Cluster.WorkloadPool, f.Services = "fleet-project.svc.id.goog", map[string]bool{}
	for _, name := range slices.Concat(GatewayServices, MCSServices) {
		f.Services[name] = true
	}
}

// TestTheDecisionList holds each rule of the package's list.
func TestTheDecisionList(t *testing.T) {
	open := func(f *Facts) { f.Cluster.DNSExternal = true }
	blind := func(f *Facts) { f.Own.Routers = false }
	noImage := func(f *Facts) { f.Subnets[0].PrivateGoogleAccess = false }
	for name, c := range map[string]struct {
		facts         Facts
		ask           Ask
		want, instead string
		says          string
	}{
		"2 ranges that collide: psc":                                                {facts: world(lines(here)), ask: Ask{Clients: prefixes("10.5.0.0/16")}, want: "psc", says: "collide"},
		"2 the same, dns works at once: dns":                                        {facts: world(lines(here), open), ask: Ask{Clients: prefixes("10.5.0.0/16")}, want: "dns", says: "collide"},
		"2 the same, psc works at once too: psc":                                    {facts: world(lines(here), open, standing), ask: Ask{Clients: prefixes("10.5.0.0/16")}, want: "psc", says: "collide"},
		"3 IP endpoints off: dns, though a line is there":                           {facts: world(lines(here), open, func(f *Facts) { f.Cluster.IPEndpointsOff = true }), want: "dns", says: "owner chose"},
		"4 a line: ilb, with route beside it":                                       {facts: world(lines(here), open), ask: Ask{Clients: clients}, want: "ilb", instead: "route", says: "a line ends"},
		"4 a hub's line: ilb, and route is no choice":                               {facts: world(hub("REGIONAL", here), open), ask: Ask{Clients: clients}, want: "ilb", says: "the hub h/hub"},
		"4 only ilb is in the way: route":                                           {facts: world(lines(here), noImage), ask: Ask{Clients: clients}, want: "route", says: "at once"},
		"4 in a hub, ilb after something":                                           {facts: world(hub("REGIONAL", here), noImage), ask: Ask{Clients: clients}, want: "ilb"},
		"4 a line that needs something is not left for a public name":               {facts: world(lines(line{name: "cr", region: region, down: true}), open), want: "ilb"},
		"5 no line: dns that is open":                                               {facts: world(open), want: "dns", instead: "route", says: "needs none"},
		"5 no line: dns that is to be opened":                                       {facts: world(), want: "dns", instead: "route"},
		"5 no line, no DNS endpoint: gateway":                                       {facts: world(fleet, func(f *Facts) { f.Cluster.DNSEndpoint = "" }), want: "gateway", instead: "route"},
		"5 no line, no DNS endpoint, a gateway that can't be seen: route makes one": {facts: world(fleet, func(f *Facts) { f.Cluster.DNSEndpoint, f.Services = "", nil }), want: "route", says: "make one"},
		"3 IP endpoints off, and no way by name is certain: what is left":           {facts: world(fleet, func(f *Facts) { f.Cluster.IPEndpointsOff, f.Cluster.DNSEndpoint = true, "" }), want: "ilb", says: "what can work"},
		"1 a cluster that is going: nothing, and no waiting":                        {facts: world(lines(here), func(f *Facts) { f.Cluster.Status = "STOPPING" }), want: "", says: "does not come back"},
		"6 unseen, dns is open":                                                     {facts: world(blind, open), want: "dns", says: "can't be seen"},
		"6 unseen, dns is closed: ilb with an if":                                   {facts: world(blind), want: "ilb", says: "if a line"},
		"never mcs, though it alone works at once": {facts: world(fleet, standing, func(f *Facts) {
			f.Cluster.DNSEndpoint, f.Services["connectgateway.googleapis.com"] = "", false
		}), want: "gateway", instead: "route"},
		"1 a cluster that is not ready: nothing": {facts: world(lines(here), func(f *Facts) { f.Cluster.Status = "PROVISIONING" }), want: "", says: "PROVISIONING"},
	} {
		t.Run(name, func(t *testing.T) {
			r := c.facts.Assess(c.ask)
			instead := ""
			if r.Instead != nil {
				instead = r.Instead.Method
			}
			if r.Recommended != c.want || instead != c.instead || !strings.Contains(r.Because, c.says) {
				t.Errorf("%q (%s), instead %q", r.Recommended, r.Because, instead)
			}
			if r.Recommended != "" && !strings.HasPrefix(r.Command, "causeway apply "+c.want+" --project p --location europe-west3 --cluster c") {
				t.Errorf("command %q", r.Command)
			}
		})
	}
}

func TestAClosedDNSEndpointIsOpenedByTheVeryApply(t *testing.T) {
	if got := world().Assess(Ask{}).Method("dns"); got.First[0].Flag != "--open-dns-endpoint" || got.First[0].Command != "" || !strings.HasSuffix(got.Command, "--open-dns-endpoint") {
		t.Errorf("%+v", got)
	}
	if got := world(func(f *Facts) { f.Cluster.DNSExternal = true }).Assess(Ask{}).Method("dns"); len(got.First) > 0 || strings.Contains(got.Command, "--open") {
		t.Errorf("%+v", got)
	}
}

func TestPossibleIsWhatOneOfTheMethodsCan(t *testing.T) {
	for name, c := range map[string]struct {
		facts Facts
		ask   Ask
		want  bool
	}{
		"works after":                      {world(), Ask{}, true},
		"ilb and route cannot, others can": {world(), Ask{Clients: prefixes("10.5.0.0/16")}, true},
		"one that is being made":           {world(func(f *Facts) { f.Cluster.Status = "PROVISIONING" }), Ask{}, true},
		"one that is going":                {world(fleet, standing, func(f *Facts) { f.Cluster.Status = "STOPPING" }), Ask{}, false},
		"one that is broken for good":      {world(lines(here), func(f *Facts) { f.Cluster.Status = "ERROR" }), Ask{Clients: clients}, false},
	} {
		if got := c.facts.Assess(c.ask).Possible(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	unseen := Report{Methods: []Assessment{{Method: "ilb", Verdict: Unknown}, {Method: "dns", Verdict: Cannot}}}
	if !unseen.Possible() {
		t.Error("what is unknown may work")
	}
}

func TestStreamsOfConnectGatewayByVersion(t *testing.T) {
	for version, want := range map[string]string{
		"1.29.14-gke.1": "no exec before 1.30", "1.30.1-gke.1": "exec, cp; port-forward from 1.31;", "1.31.0": "exec, cp, port-forward;", "1.36.3-gke.1": "exec, cp, port-forward;",
		"": "exec from 1.30, port-forward from 1.31;", "x.y": "exec from 1.30", "2.1.0": "exec from 1.30", "1.": "exec from 1.30",
	} {
		if got := GatewayStreams(version); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q", version, got)
		}
	}
}
