package detect

import (
	"net/netip"
	"testing"

	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

const region = "europe-west3"

var (
	own     = gcp.Ref{Project: "p", Name: "vpc"}
	hubRef  = gcp.Ref{Project: "h", Name: "hub"}
	clients = prefixes("172.31.0.0/16")
)

func prefixes(texts ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// line is a router of a network with one session.
type line struct {
	name, region string
	down         bool
	learns       []string
	list         []string // a list of the router's own that it announces
	peerList     []string // a list of its peer's own
}

// world are facts of a private cluster of today, with Private Service Connect and
// no line anywhere.
func world(changes ...func(*Facts)) Facts {
	f := Facts{
		Cluster: gcp.Cluster{Project: "p", Location: region, Name: "c", Status: "RUNNING", Version: "1.33.5-gke.1", PrivateEndpoint: "10.0.0.2",
			DNSEndpoint: "gke-x.europe-west3.gke.goog", PrivateNodes: true, Network: own, Subnetwork: gcp.Ref{Project: "p", Region: region, Name: "nodes"},
			PodCIDR: netip.MustParsePrefix("10.4.0.0/14"), ServiceCIDR: netip.MustParsePrefix("10.8.0.0/20"), VPCNative: true, HTTPLoadBalancing: true},
		Own:      Net{Ref: own, Network: gcp.Network{Project: "p", Name: "vpc", RoutingMode: "REGIONAL"}, Lines: routing.Lines{Network: own, Status: map[gcp.Ref]gcp.RouterStatus{}}, Routers: true},
		Subnets:  []gcp.Subnetwork{{Project: "p", Region: region, Name: "nodes", Network: "vpc", Range: netip.MustParsePrefix("10.0.0.0/20"), PrivateGoogleAccess: true}},
		Services: map[string]bool{}, Balanced: []Balanced{},
	}
	for _, change := range changes {
		change(&f)
	}
	return f
}

func peered(f *Facts) {
	f.Cluster.PeeringName, f.Cluster.MasterCIDR, f.Cluster.PrivateEndpoint = "gke-x-peer", netip.MustParsePrefix("192.168.50.0/28"), "192.168.50.2"
	f.Own.Network.Peerings = append(f.Own.Network.Peerings, gcp.Peering{Name: "gke-x-peer", Network: gcp.Ref{Project: "g", Name: "gke-net"}, State: "ACTIVE"})
}

func global(f *Facts) { f.Own.Network.RoutingMode = "GLOBAL" }

// lines let lines end in the cluster's network.
func lines(all ...line) func(*Facts) {
	return func(f *Facts) { end(&f.Own, all...) }
}

// hub is a network that is peered with the cluster's, with the lines that end there.
func hub(mode string, all ...line) func(*Facts) {
	return func(f *Facts) {
		f.Own.Network.Peerings = append(f.Own.Network.Peerings, gcp.Peering{Name: "to-hub", Network: hubRef, State: "ACTIVE"})
		net := Net{Ref: hubRef, Routers: true, Lines: routing.Lines{Network: hubRef, Status: map[gcp.Ref]gcp.RouterStatus{}},
			Network: gcp.Network{Project: "h", Name: "hub", RoutingMode: mode, Peerings: []gcp.Peering{{Name: "to-spoke", Network: own, State: "ACTIVE"}}}}
		end(&net, all...)
		f.Hubs = append(f.Hubs, net)
	}
}

func end(net *Net, all ...line) {
	for _, l := range all {
		peer := gcp.BGPPeer{Name: "peer", PeerIP: netip.MustParseAddr("169.254.0.2"), Enabled: true, Advertise: gcp.Advertisement{Mode: "DEFAULT"}}
		router := gcp.Router{Project: net.Ref.Project, Region: l.region, Name: l.name, Network: net.Ref.Name, Advertise: gcp.Advertisement{Mode: "DEFAULT"}}
		custom := func(texts []string) (a gcp.Advertisement) {
			a.Mode = "CUSTOM"
			for _, p := range prefixes(texts...) {
				a.Ranges = append(a.Ranges, gcp.AdvertisedRange{Range: p})
			}
			return a
		}
		if l.list != nil {
			router.Advertise = custom(l.list)
		}
		if l.peerList != nil {
			peer.Advertise = custom(l.peerList)
		}
		router.Peers = []gcp.BGPPeer{peer}
		status := gcp.RouterStatus{Peers: []gcp.PeerStatus{{Name: "peer", Up: !l.down}}}
		for _, p := range prefixes(l.learns...) {
			status.BestForRouter = append(status.BestForRouter, gcp.LearnedRoute{Range: p, NextHop: peer.PeerIP})
		}
		net.Lines.Routers = append(net.Lines.Routers, router)
		net.Lines.Status[router.Ref()] = status
	}
}

// here is a line in the cluster's region that brings the client networks.
var here = line{name: "cr", region: region, learns: []string{"172.31.0.0/16"}}

// holds fails the test unless a method has a verdict and a code.
func holds(t *testing.T, r Report, method string, verdict Verdict, code string) {
	t.Helper()
	if m := r.Method(method); m.Verdict != verdict || m.Code != code {
		t.Errorf("%s: %s %q, want %s %q\n%s", method, m.Verdict, m.Code, verdict, code, m.Reason)
	}
}
