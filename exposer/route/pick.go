package route

import (
	"net/netip"
	"slices"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/internal/gcp"
)

// unannounced are the ranges that no router announces by itself: those behind
// peerings.
func (x *exposure) unannounced() []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(x.ranges), func(r netip.Prefix) bool { return slices.Contains(x.facts.inSubnets(), r) })
}

// unheard is the address of a Private Service Connect control plane where a BGP
// peer's own list leaves its subnet out.
func (f facts) unheard(routers []gcp.Ref) []netip.Prefix {
	return detect.Unheard(f.cluster, f.lines, routers)
}

// reaching leaves out the routers whose region can't reach the cluster's, where
// others can: what they announce would draw packets to where they are dropped.
func (f facts) reaching(routers []gcp.Ref, globalAccess bool) []gcp.Ref {
	can := slices.DeleteFunc(slices.Clone(routers), func(router gcp.Ref) bool { return len(f.regionProblems([]gcp.Ref{router}, globalAccess)) > 0 })
	if len(can) == 0 {
		return routers
	}
	return can
}

// regionProblems are what keeps a line of another region than the cluster's from
// reaching it.
func (f facts) regionProblems(routers []gcp.Ref, globalAccess bool) []exposer.Problem {
	return detect.RegionProblems(f.cluster, f.ref, f.network.RoutingMode, routers, globalAccess)
}
