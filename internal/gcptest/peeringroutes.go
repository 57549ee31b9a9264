package gcptest

import (
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
)

// listPeeringRoutes answers what crosses a peering in a region. What that is, the
// fabric knows, by which the lab moves packets.
func listPeeringRoutes(c *call) (any, *Error) {
	s, at := c.server, c.target()
	network, ok := s.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	name, region, direction := c.query.Get("peeringName"), c.query.Get("region"), c.query.Get("direction")
	if peering(network, name) == nil {
		return nil, noPeering(name, at)
	}
	if !slices.Contains([]string{"INCOMING", "OUTGOING"}, direction) {
		return nil, invalid("Invalid value for field 'direction': '" + direction + "'. It must be INCOMING or OUTGOING.")
	}
	if !s.hasRegion(c.project(), region) {
		return nil, invalid("Invalid value for field 'region': '" + region + "'. Unknown region.")
	}
	items := map[string]object{}
	var keys []string
	for i, one := range s.fabric().exchanged(at, name, region, direction, s.staticRoutes) {
		key := fmt.Sprintf("%06d", i)
		items[key], keys = one, append(keys, key)
	}
	return c.page("compute#exchangedPeeringRoutesList", keys, func(key string) object { return items[key] })
}

// exchanged lists the routes that a peering carries in a region: subnets always,
// custom routes when their side exports them. The emulator knows no networks of
// Google's own, so of those it takes for granted what is so in life: they import.
func (f Fabric) exchanged(network, name, region, direction string, static func(network string) []object) []object {
	at := slices.IndexFunc(f.Networks, func(n NetworkView) bool { return n.Path == network })
	if at < 0 {
		return nil
	}
	here := f.Networks[at]
	peer, ok := here.peering(func(p PeeringView) bool { return p.Name == name })
	if !ok || !peer.Active {
		return nil
	}
	there, back, emulated := f.answering(network, peer)
	if direction == "INCOMING" {
		out := subnetRoutes(f.behind(network, peer))
		if back.Export {
			out = append(out, staticRoutes(static(there.Path), peer.Import)...)
			out = append(out, dynamicRoutes(there.effective(region), peer.Import)...)
		}
		return out
	}
	out := subnetRoutes(here.Subnets)
	if peer.Export {
		imported := back.Import || !emulated
		out = append(out, staticRoutes(static(network), imported)...)
		out = append(out, dynamicRoutes(here.effective(region), imported)...)
	}
	return out
}

func (n NetworkView) peering(match func(PeeringView) bool) (PeeringView, bool) {
	if at := slices.IndexFunc(n.Peerings, match); at >= 0 {
		return n.Peerings[at], true
	}
	return PeeringView{}, false
}

// answering is the other side of a peering and its peering back, when the
// emulator has that network.
func (f Fabric) answering(network string, peer PeeringView) (there NetworkView, back PeeringView, emulated bool) {
	for _, there := range f.Networks {
		if there.Path != peer.Network {
			continue
		}
		back, ok := there.peering(func(p PeeringView) bool { return p.Network == network && p.Active })
		return there, back, ok
	}
	return NetworkView{}, PeeringView{}, false
}

// behind lists the subnet ranges that a network has from the other side of one of
// its peerings: the peer's own when it is emulated, the control planes of the
// clusters that name the peering when it is GKE's.
func (f Fabric) behind(network string, peer PeeringView) []netip.Prefix {
	if !peer.Active {
		return nil
	}
	there, _, _ := f.answering(network, peer)
	out := slices.Clone(there.Subnets)
	for _, cluster := range f.Clusters {
		if cluster.Network == network && cluster.Peering == peer.Name && cluster.ControlPlane.IsValid() {
			out = append(out, cluster.ControlPlane)
		}
	}
	slices.SortFunc(out, netip.Prefix.Compare)
	return slices.Compact(out)
}

func subnetRoutes(ranges []netip.Prefix) []object {
	var out []object
	for _, dest := range ranges {
		out = append(out, object{"destRange": dest.String(), "type": "SUBNET_PEERING_ROUTE", "priority": 0, "imported": true})
	}
	return out
}

func dynamicRoutes(routes []Dynamic, imported bool) []object {
	var out []object
	for _, route := range routes {
		one := object{"destRange": route.Range.String(), "type": "DYNAMIC_PEERING_ROUTE", "nextHopRegion": route.Region, "priority": defaultPriority, "imported": imported}
		// Several sessions with the same route are one route with several hops.
		if !slices.ContainsFunc(out, func(other object) bool { return maps.Equal(one, other) }) {
			out = append(out, one)
		}
	}
	return out
}

// staticRoutes leaves out what no peering carries: routes of tagged machines
// alone, and those to the internet.
func staticRoutes(routes []object, imported bool) []object {
	var out []object
	for _, route := range routes {
		if tags, _ := route["tags"].([]any); len(tags) > 0 || text(route, "nextHopGateway") != "" {
			continue
		}
		out = append(out, object{"destRange": text(route, "destRange"), "type": "STATIC_PEERING_ROUTE", "priority": route["priority"], "imported": imported})
	}
	return out
}

// staticRoutes are those of a network.
func (s *Server) staticRoutes(network string) []object {
	var out []object
	for _, at := range s.list(path.Join(path.Dir(path.Dir(network)), "routes")) {
		if relative(text(s.objects[at], "network"), "") == network {
			out = append(out, s.objects[at])
		}
	}
	return out
}
