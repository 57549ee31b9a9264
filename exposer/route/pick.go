package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// noLine adds to the refusal of a network in which no line ends what can be done
// about it.
func (f facts) noLine(problem exposer.Problem) exposer.Problem {
	problem.Fix = "have causeway make an HA VPN (--vpn), or name the network that the line ends in with --network"
	var hubs []string
	for _, p := range f.network.Peerings {
		if p.Name != servicePeering && !controlPlanePeering(p.Name) && p.State == "ACTIVE" {
			hubs = append(hubs, p.Network.String())
		}
	}
	if len(hubs) > 0 {
		problem.Text += fmt.Sprintf("; it is peered with %s, and a line that ends there does not reach the control plane: VPC peering is not transitive", strings.Join(hubs, ", "))
		problem.Fix += fmt.Sprintf("; for a line that ends in %s use the method ilb (causeway apply ilb --hub-network %s ...), or psc", hubs[0], hubs[0])
	}
	return problem
}

// controlPlanePeering reports whether a name is of GKE's making: the peering of this
// cluster's control plane or of another one's.
func controlPlanePeering(name string) bool {
	return strings.HasPrefix(name, "gke-") && strings.HasSuffix(name, "-peer")
}

// unannounced are the ranges that no router announces by itself: those behind
// peerings.
func (x *exposure) unannounced() []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(x.ranges), func(r netip.Prefix) bool { return slices.Contains(x.facts.inSubnets(), r) })
}

// unheard is the address of a Private Service Connect control plane where a BGP
// peer's own list leaves its subnet out.
func (f facts) unheard(routers []gcp.Ref) []netip.Prefix {
	for _, router := range f.lines.Of(routers) {
		for _, peer := range router.Peers {
			if a := peer.Advertise; a.Mode == "CUSTOM" && !slices.Contains(a.Groups, gcp.AllSubnets) && !routing.AnnouncesAll(a, f.inSubnets()) {
				return f.inSubnets()
			}
		}
	}
	return nil
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
	var problems []exposer.Problem
	region := f.cluster.Region()
	for _, router := range routers {
		if router.Region == region {
			continue
		}
		if f.network.RoutingMode != "GLOBAL" {
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-REGIONAL",
				Text: fmt.Sprintf("router %s is in %s, the cluster in %s, and network %s has dynamic routing mode %s: what the router learns counts in its own region alone", router.Name, router.Region, region, f.ref, f.network.RoutingMode),
				Fix:  fmt.Sprintf("gcloud compute networks update %s --project %s --bgp-routing-mode=global (it counts for the whole network), or a line that ends in %s", f.ref.Name, f.ref.Project, region)})
		}
		if !f.cluster.GlobalAccess && !globalAccess {
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-GLOBAL-ACCESS",
				Text: fmt.Sprintf("router %s is in %s, the control plane in %s, and its global access is off: it answers its own region alone", router.Name, router.Region, region),
				Fix:  "add --global-access"})
		}
	}
	return problems
}
