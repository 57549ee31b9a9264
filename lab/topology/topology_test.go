package topology_test

import (
	"net/netip"
	"testing"

	"causeway/lab/topology"
)

var lines = []topology.Line{topology.LineStatic, topology.LineFleet, topology.LineVPN, topology.LineHub}

// The gap that the product closes: far reaches the VPC, never the control plane.
func TestFarHasNoWayToTheControlPlane(t *testing.T) {
	for _, line := range lines {
		for _, r := range line.Routes() {
			if r.Namespace == topology.Far && (line.Moves() || r.To.Overlaps(topology.MasterCIDR)) {
				t.Errorf("%s: far has a route %s from the start", line, r.To)
			}
			if r.Namespace != topology.Far && line.Moves() && r.To.Overlaps(topology.FarCIDR) {
				t.Errorf("%s: %s has a route %s to far from the start", line, r.Namespace, r.To)
			}
			if r.Namespace == topology.Master && (r.To.Overlaps(topology.FarCIDR) || r.To.Contains(topology.Stranger)) {
				t.Errorf("%s: master has a route %s back to far", line, r.To)
			}
		}
	}
}

func TestALineIsReadByTheNameThatItTells(t *testing.T) {
	for _, line := range lines {
		if got, err := topology.ParseLine(line.String()); err != nil || got != line {
			t.Errorf("%s: read as %q, %v", line, got, err)
		}
	}
	for _, text := range []string{"", "VPN", "interconnect"} {
		if got, err := topology.ParseLine(text); err == nil {
			t.Errorf("%q is read as the line %q", text, got)
		}
	}
}

func TestRangesDoNotOverlap(t *testing.T) {
	ranges := []netip.Prefix{topology.FarCIDR, topology.SubnetCIDR, topology.PodCIDR, topology.ServiceCIDR, topology.MasterCIDR, topology.FarRegionCIDR, topology.HubCIDR, topology.GoogleFronts,
		topology.TheSecond.SubnetCIDR, topology.TheSecond.PodCIDR, topology.TheSecond.ServiceCIDR, topology.TheSecond.CIDR}
	for _, l := range append(topology.LineFleet.Links(), topology.HubPeering) {
		ranges = append(ranges, l.A.Address.Masked())
	}
	for i, a := range ranges {
		for _, b := range ranges[i+1:] {
			if a.Overlaps(b) {
				t.Errorf("%s overlaps %s", a, b)
			}
		}
	}
}

// Overlap is the point: consumers have the cluster's own range, and the node's
// address, and each network knows nothing but itself.
func TestConsumersOverlapTheClusterAndHaveNoWayToIt(t *testing.T) {
	list := topology.LineStatic.Consumers()
	if len(list) != 2 || len(topology.LineVPN.Consumers())+len(topology.LineHub.Consumers()) > 0 {
		t.Fatalf("%d consumers", len(list))
	}
	for _, c := range list {
		if c.CIDR != topology.SubnetCIDR || c.Host != topology.NodeIP || topology.NamespaceOf(c.NetworkPath()) != c.Namespace {
			t.Errorf("%s: %s and %s do not overlap the cluster's", c.Namespace, c.CIDR, c.Host)
		}
		for _, r := range topology.LineStatic.Routes() {
			if r.Namespace == c.Namespace && r.To != c.CIDR {
				t.Errorf("%s has a route to %s", c.Namespace, r.To)
			}
			if other := topology.NamespaceOf(c.NetworkPath()); r.Namespace != other && r.Via == c.Link.A.Address.Addr() {
				t.Errorf("%s has a route to %s", r.Namespace, c.Namespace)
			}
		}
	}
}

func TestEachAddressLiesInItsRange(t *testing.T) {
	for name, c := range map[string]struct {
		in   netip.Prefix
		addr netip.Addr
	}{
		"the far host":           {topology.FarCIDR, topology.FarHost},
		"the node":               {topology.SubnetCIDR, topology.NodeIP},
		"the API server":         {topology.MasterCIDR, topology.MasterIP},
		"the kubernetes Service": {topology.ServiceCIDR, topology.ServiceIP},
		"the PSC endpoint":       {topology.SubnetCIDR, topology.PSCEndpoint},
		"the hub's host":         {topology.HubCIDR, topology.HubHost},
		"Google's front end":     {topology.GoogleFronts, topology.GoogleFront},
		"the second's node":      {topology.TheSecond.SubnetCIDR, topology.TheSecond.NodeIP},
		"the second's Pod":       {topology.TheSecond.PodCIDR, topology.SecondPod},
		"the second API server":  {topology.TheSecond.CIDR, topology.TheSecond.Address},
		"the second's Services":  {topology.TheSecond.ServiceCIDR, topology.TheSecond.ServiceIP},
		"the node's Pods":        {topology.PodCIDR, topology.NodePodCIDR.Addr()},
	} {
		if !c.in.Contains(c.addr) {
			t.Errorf("%s: %s is not in %s", name, c.addr, c.in)
		}
	}
	if topology.FarCIDR.Contains(topology.Stranger) {
		t.Errorf("the stranger %s is inside the client CIDRs", topology.Stranger)
	}
}

// Both ends of each link are in one network, and each route's next hop is the
// other end of a link of that namespace.
func TestRoutesGoOverLinks(t *testing.T) {
	for _, line := range lines {
		hops := map[string]map[netip.Addr]bool{}
		for _, name := range line.Namespaces() {
			hops[name] = map[netip.Addr]bool{}
		}
		for _, l := range line.Links() {
			if l.A.Address.Masked() != l.B.Address.Masked() {
				t.Errorf("%s: link %s: %s and %s are in different networks", line, l.Name, l.A.Address, l.B.Address)
			}
			for _, pair := range [][2]topology.End{{l.A, l.B}, {l.B, l.A}} {
				if hops[pair[0].Namespace] == nil {
					t.Fatalf("%s: link %s ends in %s, which is not there", line, l.Name, pair[0].Namespace)
				}
				hops[pair[0].Namespace][pair[1].Address.Addr()] = true
			}
		}
		for _, r := range line.Routes() {
			if !hops[r.Namespace][r.Via] {
				t.Errorf("%s: route %s in %s goes over %s, which no link of it reaches", line, r.To, r.Namespace, r.Via)
			}
		}
		for _, a := range line.Locals() {
			if hops[a.Namespace] == nil {
				t.Errorf("%s: %s lies in %s, which is not there", line, a.Address, a.Namespace)
			}
		}
	}
}
