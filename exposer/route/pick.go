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

// pickRouters chooses the routers that announce the ranges: those that are named,
// else those that learn the client networks, else the only one with BGP peers.
// Leaving, it is those that were chosen then and those that bear the mark.
func (f facts) pickRouters(o exposer.Route, clients []netip.Prefix, exposure string, leaving bool) ([]gcp.Ref, []exposer.Problem) {
	if len(o.Routers) > 0 || leaving {
		return f.named(o.Routers, exposure, leaving)
	}
	var withPeers, learn []gcp.Ref
	for _, router := range f.routers {
		if len(router.Peers) == 0 {
			continue
		}
		withPeers = append(withPeers, refOf(router))
		if slices.ContainsFunc(f.status[refOf(router)].BestForRouter, func(r gcp.LearnedRoute) bool { return meets(r.Range, clients) }) {
			learn = append(learn, refOf(router))
		}
	}
	switch {
	case len(learn) > 0:
		return learn, nil
	case len(withPeers) == 1:
		return withPeers, nil
	case len(withPeers) == 0:
		return nil, []exposer.Problem{f.noLine()}
	}
	return nil, []exposer.Problem{{Code: "CW-ROUTE-ROUTER",
		Text: fmt.Sprintf("network %s has %d routers with BGP peers (%s), and none learns %s", f.ref, len(withPeers), names(withPeers), list(clients)),
		Fix:  "name the one that the far side's line ends at with --router REGION/NAME"}}
}

// noLine is the refusal where no line ends in the network.
func (f facts) noLine() exposer.Problem {
	problem := exposer.Problem{Code: "CW-ROUTE-NO-LINE",
		Text: fmt.Sprintf("network %s has no Cloud Router with BGP peers: no VPN and no Interconnect ends there", f.ref),
		Fix:  "have causeway make an HA VPN (--vpn), or name the network that the line ends in with --network"}
	var hubs []string
	for _, p := range f.network.Peerings {
		if p.Name != f.cluster.PeeringName && p.Name != servicePeering && p.State == "ACTIVE" {
			hubs = append(hubs, p.Network.String())
		}
	}
	if len(hubs) > 0 {
		problem.Text += fmt.Sprintf("; it is peered with %s, and a line that ends there does not reach the control plane: VPC peering is not transitive", strings.Join(hubs, ", "))
		problem.Fix += fmt.Sprintf("; for a line that ends in %s use the method ilb (causeway apply ilb --hub-network %s ...), or psc", hubs[0], hubs[0])
	}
	return problem
}

// named finds routers by NAME or REGION/NAME.
func (f facts) named(wanted []string, exposure string, leaving bool) ([]gcp.Ref, []exposer.Problem) {
	var found []gcp.Ref
	var problems []exposer.Problem
	for _, text := range wanted {
		region, name, ok := strings.Cut(text, "/")
		if !ok {
			region, name = "", text
		}
		var matches []gcp.Ref
		for _, router := range f.routers {
			if router.Name == name && (region == "" || router.Region == region) {
				matches = append(matches, refOf(router))
			}
		}
		switch {
		case len(matches) == 1:
			found = append(found, matches[0])
		case len(matches) > 1:
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-ROUTER",
				Text: fmt.Sprintf("routers of the name %s are in several regions: %s", name, names(matches)), Fix: "name it as REGION/NAME"})
		case !leaving:
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-ROUTER",
				Text: fmt.Sprintf("network %s has no router %s", f.ref, text), Fix: fmt.Sprintf("gcloud compute routers list --project %s lists them", f.ref.Project)})
		}
	}
	if !leaving {
		return found, problems
	}
	for _, router := range f.routers {
		if !slices.Contains(found, refOf(router)) && markedFor(router, func(m routing.Mark) bool { return m.Has(exposure) }) {
			found = append(found, refOf(router))
		}
	}
	return found, nil
}

// markedFor reports whether a range of the router bears a mark for which is true.
func markedFor(router gcp.Router, is func(routing.Mark) bool) bool {
	has := func(a gcp.Advertisement) bool {
		return slices.ContainsFunc(a.Ranges, func(r gcp.AdvertisedRange) bool { return is(routing.ParseMark(r.Description)) })
	}
	return has(router.Advertise) || slices.ContainsFunc(router.Peers, func(p gcp.BGPPeer) bool { return has(p.Advertise) })
}

// customPeers are the BGP peers with an advertised list of their own that lead to
// the far side: a list of a router does not count for them. Those of other
// parties stay as they are. Where nothing tells which lead there, it is a problem.
func (f facts) customPeers(routers []gcp.Ref, named []string, clients, ranges []netip.Prefix) ([]string, []exposer.Problem) {
	var take, unsure []string
	inherits := false
	for _, router := range f.of(routers) {
		for _, peer := range router.Peers {
			switch {
			case peer.Advertise.Mode != "CUSTOM":
				inherits = inherits || peer.Enabled
			case slices.Contains(named, peer.Name) || f.leads(router, peer, clients):
				take = append(take, peer.Name)
			case len(ranges) > 0 && !announcesAll(peer.Advertise, ranges):
				unsure = append(unsure, router.Name+"/"+peer.Name)
			}
		}
	}
	var problems []exposer.Problem
	for _, name := range named {
		if !slices.Contains(take, name) && !f.hasPeer(routers, name) {
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-ROUTER", Text: fmt.Sprintf("none of the routers %s has a BGP peer %s", names(routers), name)})
		}
	}
	if len(unsure) > 0 && len(take) == 0 && !inherits {
		problems = append(problems, exposer.Problem{Code: "CW-BGP-PEER-CUSTOM",
			Text: fmt.Sprintf("every BGP peer has an advertised list of its own (%s), which overrides the router's, and none of them learns the client networks: which one leads to the far side is not known", strings.Join(unsure, ", ")),
			Fix:  "name it with --bgp-peer"})
	}
	return take, problems
}

// leads reports whether the router learned a client network from the peer.
func (f facts) leads(router gcp.Router, peer gcp.BGPPeer, clients []netip.Prefix) bool {
	return slices.ContainsFunc(f.status[refOf(router)].BestForRouter, func(r gcp.LearnedRoute) bool {
		return r.NextHop == peer.PeerIP && meets(r.Range, clients)
	})
}

func (f facts) hasPeer(routers []gcp.Ref, name string) bool {
	return slices.ContainsFunc(f.of(routers), func(r gcp.Router) bool {
		return slices.ContainsFunc(r.Peers, func(p gcp.BGPPeer) bool { return p.Name == name })
	})
}

// of are the routers of these names, as they were read.
func (f facts) of(refs []gcp.Ref) []gcp.Router {
	var out []gcp.Router
	for _, router := range f.routers {
		if slices.Contains(refs, refOf(router)) {
			out = append(out, router)
		}
	}
	return out
}

// announcesAll reports whether custom ranges hold all of the wanted ones.
func announcesAll(a gcp.Advertisement, wanted []netip.Prefix) bool {
	for _, want := range wanted {
		if !slices.ContainsFunc(a.Ranges, func(r gcp.AdvertisedRange) bool { return covers(r.Range, want) }) {
			return false
		}
	}
	return true
}

// unannounced are the ranges of a Private Service Connect control plane that the
// routers were told not to announce: its address, where its subnet is left out.
func (f facts) unannounced(routers []gcp.Ref) []netip.Prefix {
	if f.cluster.PeeringName != "" || !f.controlPlane().IsValid() {
		return nil
	}
	for _, router := range f.of(routers) {
		levels := []gcp.Advertisement{router.Advertise}
		for _, peer := range router.Peers {
			if peer.Advertise.Mode == "CUSTOM" {
				levels = append(levels, peer.Advertise)
			}
		}
		for _, a := range levels {
			if a.Mode == "CUSTOM" && !slices.Contains(a.Groups, "ALL_SUBNETS") && !announcesAll(a, []netip.Prefix{f.controlPlane()}) {
				return []netip.Prefix{f.controlPlane()}
			}
		}
	}
	return nil
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

// meets reports whether a range overlaps one of the list.
func meets(r netip.Prefix, list []netip.Prefix) bool {
	return slices.ContainsFunc(list, r.Overlaps)
}

func covers(wide, narrow netip.Prefix) bool {
	return wide.Bits() <= narrow.Bits() && wide.Contains(narrow.Addr())
}

func names(refs []gcp.Ref) string {
	texts := make([]string, len(refs))
	for i, ref := range refs {
		texts[i] = ref.Region + "/" + ref.Name
	}
	return strings.Join(texts, ", ")
}

func list(prefixes []netip.Prefix) string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}
