package gcptest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const networkPath = "projects/lab-project/global/networks/default"

// wide is the lab with a second region, a hub network and a line.
func wide(t *testing.T, mode string) *Server {
	t.Helper()
	s := Serve(t, Options{}, "lab")
	err := s.Fill(Seed{
		Remotes: []Remote{farRouter()},
		Resources: []SeedObject{
			{Path: "projects/lab-project/regions/us-east1/subnetworks/us", Body: object{"network": networkPath, "ipCidrRange": "10.142.0.0/20"}},
			{Path: "projects/lab-project/regions/europe-west3/subnetworks/psc", Body: object{"network": networkPath, "ipCidrRange": "10.157.0.0/24", "purpose": "PRIVATE_SERVICE_CONNECT"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Change(networkPath, func(o map[string]any) { o["routingConfig"] = object{"routingMode": mode} }); err != nil {
		t.Fatal(err)
	}
	layLine(t, s)
	return s
}

func TestWhatASessionAnnounces(t *testing.T) {
	own := []Advertised{{prefix("10.36.0.0/14"), 100}, {prefix("10.40.0.0/20"), 100}, {prefix("10.156.0.0/20"), 100}}
	everywhere := slices.Insert(slices.Clone(own), 2, Advertised{prefix("10.142.0.0/20"), 301})
	for sentence, test := range map[string]struct {
		mode, patch string
		want        []Advertised
	}{
		"by default, the region's subnets":             {"REGIONAL", `{}`, own},
		"in a global network, all subnets":             {"GLOBAL", `{}`, everywhere},
		"custom ranges beside the subnets":             {"REGIONAL", `{"bgp":{"advertiseMode":"CUSTOM","advertisedGroups":["ALL_SUBNETS"],"advertisedIpRanges":[{"range":"192.168.50.0/28"}]}}`, append(slices.Clone(own), Advertised{prefix("192.168.50.0/28"), 100})},
		"custom ranges alone":                          {"GLOBAL", `{"bgp":{"advertiseMode":"CUSTOM","advertisedIpRanges":[{"range":"192.0.2.1"}]}}`, []Advertised{{prefix("192.0.2.1/32"), 100}}},
		"nothing":                                      {"GLOBAL", `{"bgp":{"advertiseMode":"CUSTOM"}}`, nil},
		"a peer's own list hides the router's":         {"GLOBAL", `{"bgp":{"advertiseMode":"CUSTOM","advertisedGroups":["ALL_SUBNETS"]},"bgpPeers":[{"name":"p","interfaceName":"i","peerIpAddress":"169.254.1.2","peerAsn":65010,"advertiseMode":"CUSTOM","advertisedIpRanges":[{"range":"192.168.50.0/28"}]}]}`, []Advertised{{prefix("192.168.50.0/28"), 100}}},
		"a peer with a priority, by the router's list": {"REGIONAL", `{"bgp":{"advertiseMode":"CUSTOM","advertisedIpRanges":[{"range":"192.168.50.0/28"}]},"bgpPeers":[{"name":"p","interfaceName":"i","peerIpAddress":"169.254.1.2","peerAsn":65010,"advertisedRoutePriority":7}]}`, []Advertised{{prefix("192.168.50.0/28"), 7}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := wide(t, test.mode)
			must(t, s, "PATCH", regionPath+"/routers/r", test.patch)
			must(t, s, "GET", regionPath+"/routers/r", "")
			sessions := s.Fabric().Sessions
			if len(sessions) != 1 || !sessions[0].Up {
				t.Fatalf("sessions %+v", sessions)
			}
			if diff := cmp.Diff(test.want, sessions[0].Advertised, equalIP); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTheWholeFabric(t *testing.T) {
	s := wide(t, "GLOBAL")
	if err := s.Change(linePath+"/routers/r", func(o map[string]any) {
		o["bgpPeers"].([]any)[0].(object)["customLearnedIpRanges"] = []any{object{"range": "10.201.0.0/16"}}
	}); err != nil {
		t.Fatal(err)
	}
	got := s.Fabric()
	tunnel := TunnelView{Path: linePath + "/vpnTunnels/t", Name: "t", Region: "europe-west3", Network: networkPath,
		GatewayIP: got.Tunnels[0].GatewayIP, PeerIP: address("203.0.113.10"), Secret: farSecret}
	session := SessionView{Router: linePath + "/routers/r", Region: "europe-west3", Network: networkPath, Peer: "p", Interface: "i", Tunnel: tunnel.Path,
		LocalASN: 64512, PeerASN: 65010, LocalIP: address("169.254.1.1"), PeerIP: address("169.254.1.2"), Link: prefix("169.254.1.1/30"),
		Enabled: true, TunnelUp: true, Advertised: got.Sessions[0].Advertised}
	peering := "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer"
	want := Fabric{
		Tunnels:  []TunnelLive{{tunnel, TunnelState{"ESTABLISHED", "Tunnel is up and running."}}},
		Sessions: []SessionLive{{session, SessionState{Up: true, State: "Established", Since: got.Sessions[0].Since, Learned: farRouter().Prefixes}}},
		Networks: []NetworkView{{
			Path: networkPath, RoutingMode: "GLOBAL",
			Subnets:  []netip.Prefix{prefix("10.36.0.0/14"), prefix("10.40.0.0/20"), prefix("10.142.0.0/20"), prefix("10.156.0.0/20")},
			Dynamic:  []Dynamic{{prefix("10.200.0.0/16"), "europe-west3", session.Key()}, {prefix("10.201.0.0/16"), "europe-west3", session.Key()}},
			Peerings: []PeeringView{{Name: peering, Network: "projects/gke-prod-europe-west3-1a2b/global/networks/gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-net", Active: true}},
		}},
		Clusters: []ClusterView{{
			Path: "projects/lab-project/locations/europe-west3/clusters/private-cluster", Region: "europe-west3", Network: networkPath, Peering: peering,
			ControlPlane: prefix("192.168.50.0/28"), Endpoint: address("192.168.50.2"), AuthorizedOnPrivate: true,
		}},
	}
	if diff := cmp.Diff(want, got, equalIP); diff != "" {
		t.Error(diff)
	}
	if !strings.HasPrefix(tunnel.GatewayIP.String(), "35.242.") || session.Key() != linePath+"/routers/r/p" {
		t.Errorf("gateway %s, session %s", tunnel.GatewayIP, session.Key())
	}
}

func TestClustersOfBothKinds(t *testing.T) {
	s := Serve(t, Options{}, "psc")
	at := "projects/lab-project/locations/europe-west3/clusters/psc-cluster"
	view := func() ClusterView { return s.Fabric().Clusters[0] }
	first := view()
	if first.Peering != "" || first.ControlPlane != netip.PrefixFrom(first.Endpoint, 32) || first.Network != networkPath {
		t.Errorf("cluster %+v", first)
	}
	for sentence, test := range map[string]struct {
		body string
		want func(ClusterView) bool
	}{
		"global access": {`{"ipEndpointsConfig":{"globalAccess":true}}`, func(v ClusterView) bool { return v.GlobalAccess }},
		"a list that is enforced": {`{"ipEndpointsConfig":{"authorizedNetworksConfig":{"enabled":true,"privateEndpointEnforcementEnabled":true,"cidrBlocks":[{"cidrBlock":"10.200.0.0/16"}]}}}`, func(v ClusterView) bool {
			return v.AuthorizedOnPrivate && slices.Contains(v.Authorized, prefix("10.200.0.0/16"))
		}},
		"a list that is not": {`{"ipEndpointsConfig":{"authorizedNetworksConfig":{"enabled":true,"cidrBlocks":[{"cidrBlock":"10.200.0.0/16"}]}}}`, func(v ClusterView) bool { return !v.AuthorizedOnPrivate }},
	} {
		if err := s.Change(at, func(o map[string]any) { o["controlPlaneEndpointsConfig"] = parse(t, test.body) }); err != nil {
			t.Fatal(err)
		}
		if got := view(); !test.want(got) {
			t.Errorf("%s: %+v", sentence, got)
		}
	}
	if regionOf("europe-west3-a") != "europe-west3" || regionOf("europe-west3") != "europe-west3" {
		t.Error("the region of a zone")
	}
}

// parse reads an object that a test writes as JSON.
func parse(t *testing.T, text string) object {
	t.Helper()
	var out object
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDynamicRoutesCountWhereTheyShould(t *testing.T) {
	for mode, want := range map[string]int{"REGIONAL": 0, "GLOBAL": 1} {
		s := wide(t, mode)
		must(t, s, "POST", strings.Replace(regionPath, "europe-west3", "us-east1", 1)+"/routers", `{"name":"far","network":"global/networks/default","bgp":{"asn":64513}}`)
		here := must(t, s, "GET", regionPath+"/routers/r/getRouterStatus", "")["result"].(object)
		there := must(t, s, "GET", strings.Replace(regionPath, "europe-west3", "us-east1", 1)+"/routers/far/getRouterStatus", "")["result"].(object)
		if best := entries(here, "bestRoutes"); len(best) != 1 || best[0]["priority"] != 100.0 || best[0]["nextHopVpnTunnel"] != link(linePath+"/vpnTunnels/t") {
			t.Errorf("%s: in the region %v", mode, best)
		}
		best := entries(there, "bestRoutes")
		if len(best) != want || len(entries(there, "bestRoutesForRouter")) != 0 || want == 1 && best[0]["priority"] != 301.0 {
			t.Errorf("%s: in the other region %v", mode, best)
		}
	}
}

// TestTooManyLearnedPrefixes: of more than 250 the longest masks are dropped first.
func TestTooManyLearnedPrefixes(t *testing.T) {
	far := farRouter()
	far.Prefixes = []netip.Prefix{prefix("10.201.7.7/32")}
	for i := range 250 {
		far.Prefixes = append(far.Prefixes, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 202, byte(i), 0}), 24))
	}
	s := wide(t, "GLOBAL")
	s.SetRemotes(far)
	network := s.Fabric().Networks[0]
	lost := func(routes []Dynamic) bool {
		return !slices.ContainsFunc(routes, func(d Dynamic) bool { return d.Range.Bits() == 32 })
	}
	if len(network.Dynamic) != 250 || !lost(network.Dynamic) || len(network.effective("us-east1")) != 250 {
		t.Errorf("%d routes, %d elsewhere", len(network.Dynamic), len(network.effective("us-east1")))
	}
	far.Prefixes = far.Prefixes[:250]
	s.SetRemotes(far)
	if network := s.Fabric().Networks[0]; len(network.Dynamic) != 250 || lost(network.Dynamic) {
		t.Errorf("of just 250, %d are left", len(network.Dynamic))
	}
}

// TestChangesAreTold: who waits for a change hears of each.
func TestChangesAreTold(t *testing.T) {
	s := wide(t, "REGIONAL")
	for sentence, change := range map[string]func(){
		"a patch":              func() { must(t, s, "PATCH", regionPath+"/routers/r", `{"description":"x"}`) },
		"the end of a patch":   func() { must(t, s, "GET", regionPath+"/routers/r", "") },
		"other remotes":        func() { s.SetRemotes() },
		"another line":         func() { s.SetLine(nil) },
		"a change from behind": func() { s.Remove(linePath + "/addresses/none") },
	} {
		if sentence == "the end of a patch" {
			must(t, s, "PATCH", regionPath+"/routers/r", `{"description":"y"}`)
		}
		told := s.Changed()
		change()
		select {
		case <-told:
		default:
			t.Errorf("%s is not told", sentence)
		}
	}
}

func TestGatewaysHaveAddressesOfTheirOwn(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	seen := map[string]bool{}
	for i := range 260 {
		must(t, s, "POST", regionPath+"/vpnGateways", fmt.Sprintf(`{"name":"g%d","network":"global/networks/default"}`, i))
	}
	for _, at := range s.list(linePath + "/vpnGateways") {
		for _, end := range entries(s.Object(at), "vpnInterfaces") {
			ip, err := netip.ParseAddr(text(end, "ipAddress"))
			if err != nil || seen[ip.String()] {
				t.Fatalf("%s has %v", at, end)
			}
			seen[ip.String()] = true
		}
	}
	if len(seen) != 520 {
		t.Errorf("%d addresses", len(seen))
	}
}
