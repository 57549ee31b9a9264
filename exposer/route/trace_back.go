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

// region is whether the routers' region may reach the control plane's.
func (v view) region() exposer.TraceHop {
	var refs []gcp.Ref
	for _, router := range v.routers {
		refs = append(refs, router.Ref())
	}
	if problems := v.regionProblems(refs, false); len(problems) > 0 {
		p, verdict := problems[0], exposer.Broken
		if len(v.regionProblems(v.reaching(refs, false), false)) == 0 { // another router's region can
			verdict = exposer.Warns
		}
		return because(hop(exposer.Forward, "region", verdict, p.Text), p.Code, p.Fix)
	}
	return hop(exposer.Forward, "region", exposer.Good, fmt.Sprintf("routing mode %s, global access %s", v.network.RoutingMode, onOff(v.cluster.GlobalAccess)))
}

// toControlPlane is the VPC's way to the control plane's address.
func (v view) toControlPlane() exposer.TraceHop {
	if v.cluster.PeeringName == "" {
		for _, subnet := range v.subnets {
			if routing.Covers(subnet.Range, v.controlPlane()) {
				return hop(exposer.Forward, "control plane", exposer.Good, fmt.Sprintf("%s, an endpoint in subnet %s", v.cluster.PrivateEndpoint, subnet.Name))
			}
		}
		return because(hop(exposer.Forward, "control plane", exposer.Broken, v.cluster.PrivateEndpoint+" lies in no subnet of network "+v.ref.String()), "CW-ROUTE-NO-ENDPOINT", "")
	}
	const name = "control plane's peering"
	at := slices.IndexFunc(v.network.Peerings, func(p gcp.Peering) bool { return p.Name == v.cluster.PeeringName })
	if at < 0 {
		return because(hop(exposer.Forward, name, exposer.Broken, v.cluster.PeeringName+" is gone from network "+v.ref.String()), "CW-NET-PEERING-GONE", "")
	}
	if p := v.network.Peerings[at]; p.State != "ACTIVE" {
		return because(hop(exposer.Forward, name, exposer.Broken, p.Name+" is "+p.State+" "+p.StateDetails), "CW-NET-PEERING-GONE", "")
	}
	if v.unseen["incoming"] != nil {
		return v.hidden(exposer.Forward, name, "incoming")
	}
	for _, r := range v.incoming {
		if routing.Covers(r.Range, v.controlPlane()) {
			if r.Imported {
				return hop(exposer.Forward, name, exposer.Good, fmt.Sprintf("brings %s, accepted", r.Range))
			}
			return because(hop(exposer.Forward, name, exposer.Broken, fmt.Sprintf("offers %s, rejected by configuration", r.Range)), "CW-ROUTE-REJECTED", "")
		}
	}
	return because(hop(exposer.Forward, name, exposer.Broken, fmt.Sprintf("does not bring %s", v.controlPlane())), "CW-ROUTE-REJECTED", "")
}

// admitted is the control plane's list of those who may talk to it.
func (v view) admitted() exposer.TraceHop {
	const name = "authorized networks"
	if !v.enforced() {
		return hop(exposer.Forward, name, exposer.Good, v.authorizedFact())
	}
	var missing []netip.Prefix
	for _, client := range v.clients {
		if !slices.ContainsFunc(v.cluster.Authorized.CIDRs, func(n gcp.AuthorizedNetwork) bool { return routing.Covers(n.CIDR, client) }) {
			missing = append(missing, client)
		}
	}
	if len(missing) > 0 {
		return because(hop(exposer.Forward, name, exposer.Broken, "are enforced on the private address and do not hold "+routing.List(missing)), "CW-ROUTE-NOT-AUTHORIZED", "causeway apply route (the arguments of the first time)")
	}
	return hop(exposer.Forward, name, exposer.Good, "hold "+routing.List(v.clients))
}

// backFromControlPlane is whether the control plane's network knows the way back.
func (v view) backFromControlPlane() exposer.TraceHop {
	if v.cluster.PeeringName == "" {
		return hop(exposer.Return, "control plane", exposer.Good, "answers by its endpoint in the VPC")
	}
	const name = "control plane's peering"
	at := slices.IndexFunc(v.network.Peerings, func(p gcp.Peering) bool { return p.Name == v.cluster.PeeringName })
	if at < 0 {
		return because(hop(exposer.Return, name, exposer.Broken, v.cluster.PeeringName+" is gone"), "CW-NET-PEERING-GONE", "")
	}
	if !v.network.Peerings[at].ExportCustomRoutes {
		return because(hop(exposer.Return, name, exposer.Broken, "does not export custom routes: the control plane knows no way back to "+routing.List(v.clients)), "CW-ROUTE-NOT-EXPORTED", "causeway apply route (the arguments of the first time)")
	}
	if v.unseen["outgoing"] != nil {
		return v.hidden(exposer.Return, name, "outgoing")
	}
	var offered, taken, missing, rejected, partly []netip.Prefix
	for _, r := range v.outgoing {
		if r.Type == "SUBNET_PEERING_ROUTE" {
			continue
		}
		if offered = append(offered, r.Range); r.Imported {
			taken = append(taken, r.Range)
		}
	}
	for _, client := range v.clients {
		switch {
		case !routing.Meets(client, offered):
			missing = append(missing, client)
		case !routing.Meets(client, taken):
			rejected = append(rejected, client)
		case !held(client, taken):
			partly = append(partly, client)
		}
	}
	switch {
	case len(rejected) > 0:
		return because(hop(exposer.Return, name, exposer.Broken, routing.List(rejected)+" rejected by the control plane's side"), "CW-ROUTE-REJECTED", "")
	case len(missing) > 0:
		h := because(hop(exposer.Return, name, exposer.Broken, fmt.Sprintf("%s does not go out in %s: the VPC itself does not know it there", routing.List(missing), v.cluster.Region())), "CW-ROUTE-NOT-LEARNED", "")
		if v.waiting() {
			h.Verdict = exposer.Waits
		}
		return h
	case len(partly) > 0:
		return because(hop(exposer.Return, name, exposer.Warns, "only parts of "+routing.List(partly)+" go out and are accepted by the control plane's side"), "CW-ROUTE-NOT-LEARNED", "")
	}
	return hop(exposer.Return, name, exposer.Good, routing.List(v.clients)+" accepted by the control plane's side")
}

// waiting reports whether the line is causeway's and no session is up yet.
func (v view) waiting() bool {
	if !v.own {
		return false
	}
	for _, router := range v.routers {
		for _, peer := range router.Peers {
			if status := v.peerStatus(router, peer); status != nil && status.Up {
				return false
			}
		}
	}
	return true
}

// learned is whether the routers hear of the client networks.
func (v view) learned() exposer.TraceHop {
	const name = "learned"
	var missing, partly []netip.Prefix
	var from []string
	for _, client := range v.clients {
		if r, ok := v.learnedRoute(client); ok {
			from = append(from, fmt.Sprintf("%s from %s", r.Range, r.NextHop))
			continue
		}
		var parts []netip.Prefix
		for _, router := range v.routers {
			for _, r := range v.lines.Status[router.Ref()].BestForRouter {
				if r.Range.Overlaps(client) && !slices.Contains(parts, r.Range) {
					parts, from = append(parts, r.Range), append(from, fmt.Sprintf("%s from %s", r.Range, r.NextHop))
				}
			}
		}
		switch {
		case len(parts) == 0:
			missing = append(missing, client)
		case !held(client, parts):
			partly = append(partly, client)
		}
	}
	if len(missing) > 0 {
		h := because(hop(exposer.Return, name, exposer.Broken, "the far side announces no way to "+routing.List(missing)), "CW-ROUTE-NOT-LEARNED", "have the far side's router announce "+routing.List(missing))
		if v.waiting() {
			h.Verdict, h.Fix = exposer.Waits, "configure the far side: causeway handoff route writes its half"
		}
		return h
	}
	if len(partly) > 0 {
		return because(hop(exposer.Return, name, exposer.Warns, fmt.Sprintf("the far side announces only parts of %s: %s", routing.List(partly), strings.Join(from, ", "))), "CW-ROUTE-NOT-LEARNED",
			"have the far side's router announce the rest, if clients are there")
	}
	return hop(exposer.Return, name, exposer.Good, strings.Join(from, ", "))
}

// held reports whether ranges hold a network whole, one of them or several
// together: far sides announce their subnets one by one.
func held(network netip.Prefix, ranges []netip.Prefix) bool {
	if slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return routing.Covers(r, network) }) {
		return true
	}
	if network.IsSingleIP() || !routing.Meets(network, ranges) {
		return false
	}
	lower := netip.PrefixFrom(network.Addr(), network.Bits()+1)
	return held(lower, ranges) && held(upper(lower), ranges)
}

// upper is the network of the same size behind an even one.
func upper(lower netip.Prefix) netip.Prefix {
	bytes := lower.Addr().AsSlice()
	bytes[(lower.Bits()-1)/8] |= 0x80 >> ((lower.Bits() - 1) % 8)
	addr, _ := netip.AddrFromSlice(bytes)
	return netip.PrefixFrom(addr, lower.Bits())
}

// learnedRoute is the narrowest learned route that holds a network.
func (v view) learnedRoute(client netip.Prefix) (best gcp.LearnedRoute, ok bool) {
	for _, router := range v.routers {
		for _, r := range v.lines.Status[router.Ref()].BestForRouter {
			if routing.Covers(r.Range, client) && (!ok || r.Range.Bits() > best.Range.Bits()) {
				best, ok = r, true
			}
		}
	}
	return best, ok
}

// elsewhere finds routes that win against the wanted ones and lead away: a subnet
// or a static route within the range, or a learned one.
func (v view) elsewhere(way, name string, wanted []netip.Prefix) exposer.TraceHop {
	if v.unseen["routes"] != nil {
		return v.hidden(way, name, "routes")
	}
	var better []string
	for _, want := range wanted {
		if !want.IsValid() {
			continue
		}
		best := gcp.LearnedRoute{Range: want}
		if r, ok := v.learnedRoute(want); way == exposer.Return && ok {
			best = r
		}
		for _, r := range v.routes {
			if !r.Range.Overlaps(want) || len(r.Tags) > 0 || v.expected(way, r) || r.Range.Bits() < best.Range.Bits() {
				continue
			}
			// Among equal ranges the lowest priority wins: the internet gateway's
			// default route loses against one that was learned.
			if r.Kind == gcp.RouteStatic && r.Range == best.Range && best.NextHop.IsValid() && r.Priority > best.Priority {
				continue
			}
			better = append(better, fmt.Sprintf("%s (%s) to %s", r.Range, r.Name, r.NextHop))
		}
		if way == exposer.Forward {
			better = append(better, v.learnedOver(want)...)
		}
	}
	if len(better) == 0 {
		return hop(way, name, exposer.Good, "none leads elsewhere")
	}
	return because(hop(way, name, exposer.Broken, "a better route leads elsewhere: "+strings.Join(better, ", ")), "CW-ROUTE-ELSEWHERE", "remove it, or have the far side use another range")
}

// expected reports whether a route is the way itself: the peering's to the
// control plane, or the subnet of its endpoint. Learned routes are judged by the
// routers' status, which tells more.
func (v view) expected(way string, r gcp.Route) bool {
	return r.Kind == "dynamic" || way == exposer.Forward && (r.Kind == "peering" || v.cluster.PeeringName == "" && r.Kind == "subnet")
}

// learnedOver are routes by which the far side claims the control plane's range
// for itself.
func (v view) learnedOver(want netip.Prefix) []string {
	var out []string
	for _, router := range v.routers {
		for _, r := range v.lines.Status[router.Ref()].Best {
			text := fmt.Sprintf("%s learned from %s", r.Range, r.NextHop)
			if r.Range.Bits() >= want.Bits() && r.Range.Overlaps(want) && !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

// Limits of Cloud Router (docs: network-connectivity/docs/router/quotas) and of
// peering groups (default quota, adjustable), and the share of them at which a
// trace warns.
const (
	maxRangesPerSession  = 200
	maxLearnedPerRegion  = 250
	maxDynamicPerPeering = 300
	nearly               = 0.9
)

// limits are what the way could run out of.
func (v view) limits() []exposer.TraceHop {
	var hops []exposer.TraceHop
	add := func(name string, have, most int, consequence string) {
		h := hop(exposer.Limits, name, exposer.Good, fmt.Sprintf("%d of %d", have, most))
		if float64(have) >= nearly*float64(most) {
			h = because(hop(exposer.Limits, name, exposer.Warns, fmt.Sprintf("%d of %d: %s", have, most, consequence)), "CW-ROUTE-LIMIT", "")
		}
		hops = append(hops, h)
	}
	ranges := 0
	learned := map[string]map[netip.Prefix]bool{}
	for _, router := range v.lines.Routers {
		if slices.ContainsFunc(v.routers, func(r gcp.Router) bool { return r.Ref() == router.Ref() }) {
			ranges = max(ranges, len(router.Advertise.Ranges))
			for _, peer := range router.Peers {
				ranges = max(ranges, len(peer.Advertise.Ranges))
			}
		}
		for _, r := range v.lines.Status[router.Ref()].BestForRouter {
			if learned[router.Region] == nil {
				learned[router.Region] = map[netip.Prefix]bool{}
			}
			learned[router.Region][r.Range] = true
		}
	}
	add("custom ranges a session", ranges, maxRangesPerSession, "further ones are refused")
	most := 0
	for _, prefixes := range learned {
		most = max(most, len(prefixes))
	}
	add("learned prefixes a region", most, maxLearnedPerRegion, "beyond it the narrowest prefixes are dropped first")
	dynamic := 0
	for _, r := range v.outgoing {
		if r.Type == "DYNAMIC_PEERING_ROUTE" {
			dynamic++
		}
	}
	if v.cluster.PeeringName != "" {
		add("dynamic routes of the peering group", dynamic, maxDynamicPerPeering, "beyond it routes are not exchanged")
	}
	return hops
}
