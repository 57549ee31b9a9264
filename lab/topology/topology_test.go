package topology_test

import (
	"net/netip"
	"testing"

	"causeway/lab/topology"
)

// The gap that the product closes: far reaches the VPC, never the control plane.
func TestFarHasNoWayToTheControlPlane(t *testing.T) {
	for _, r := range topology.Routes() {
		if r.Namespace == topology.Far && r.To.Overlaps(topology.MasterCIDR) {
			t.Errorf("far has a route %s to the control plane", r.To)
		}
		if r.Namespace == topology.Master && (r.To.Overlaps(topology.FarCIDR) || r.To.Contains(topology.Stranger)) {
			t.Errorf("master has a route %s back to far", r.To)
		}
	}
}

func TestRangesDoNotOverlap(t *testing.T) {
	ranges := []netip.Prefix{topology.FarCIDR, topology.SubnetCIDR, topology.PodCIDR, topology.ServiceCIDR, topology.MasterCIDR}
	for _, l := range topology.Links() {
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

func TestEachAddressLiesInItsRange(t *testing.T) {
	for name, c := range map[string]struct {
		in   netip.Prefix
		addr netip.Addr
	}{
		"the far host":           {topology.FarCIDR, topology.FarHost},
		"the node":               {topology.SubnetCIDR, topology.NodeIP},
		"the API server":         {topology.MasterCIDR, topology.MasterIP},
		"the kubernetes Service": {topology.ServiceCIDR, topology.ServiceIP},
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
	hops := map[string]map[netip.Addr]bool{}
	for _, l := range topology.Links() {
		if l.A.Address.Masked() != l.B.Address.Masked() {
			t.Errorf("link %s: %s and %s are in different networks", l.Name, l.A.Address, l.B.Address)
		}
		for _, pair := range [][2]topology.End{{l.A, l.B}, {l.B, l.A}} {
			if hops[pair[0].Namespace] == nil {
				hops[pair[0].Namespace] = map[netip.Addr]bool{}
			}
			hops[pair[0].Namespace][pair[1].Address.Addr()] = true
		}
	}
	for _, r := range topology.Routes() {
		if !hops[r.Namespace][r.Via] {
			t.Errorf("route %s in %s goes over %s, which no link of it reaches", r.To, r.Namespace, r.Via)
		}
	}
}
