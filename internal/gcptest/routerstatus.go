package gcptest

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// statusReasons are those that the API can tell of a session (discovery:
// RouterStatusBgpPeerStatus.statusReason); others only show in the state.
var statusReasons = []string{"IPV4_PEER_ON_IPV6_ONLY_CONNECTION", "IPV6_PEER_ON_IPV4_ONLY_CONNECTION", "MD5_AUTH_INTERNAL_PROBLEM"}

func getRouterStatus(c *call) (any, *Error) {
	at := c.target()
	router, ok := c.server.objects[at]
	if !ok {
		return nil, notFound(at)
	}
	network := relative(text(router, "network"), c.project())
	fabric := c.server.fabric()
	result := object{"network": link(network)}
	sessions := map[string]SessionLive{}
	var peers []any
	for _, one := range fabric.Sessions {
		sessions[one.Key()] = one
		if one.Router == at {
			peers = append(peers, peerStatus(one, c.server.options.Now()))
		}
	}
	if len(peers) > 0 {
		result["bgpPeerStatus"] = peers
	}
	for _, view := range fabric.Networks {
		if view.Path != network {
			continue
		}
		if best := bestRoutes(view.effective(c.params["region"]), c.params["region"], sessions); len(best) > 0 {
			result["bestRoutes"] = best
		}
		own := slices.DeleteFunc(slices.Clone(view.Dynamic), func(d Dynamic) bool { return sessions[d.Session].Router != at })
		if best := bestRoutes(own, c.params["region"], sessions); len(best) > 0 {
			result["bestRoutesForRouter"] = best
		}
	}
	return object{"kind": "compute#routerStatusResponse", "result": result}, nil
}

// peerStatus tells one session.
func peerStatus(one SessionLive, now time.Time) object {
	out := object{
		"name": one.Peer, "ipAddress": one.LocalIP.String(), "peerIpAddress": one.PeerIP.String(), "enableIpv4": true, "enableIpv6": false,
		"status": "DOWN", "state": one.State, "numLearnedRoutes": 0,
	}
	if !one.LocalIP.IsValid() || !one.PeerIP.IsValid() { // a peer without addresses
		delete(out, "ipAddress")
		delete(out, "peerIpAddress")
	}
	if one.Tunnel != "" {
		out["linkedVpnTunnel"] = link(one.Tunnel)
	}
	if slices.Contains(statusReasons, one.Reason) {
		out["statusReason"] = one.Reason
	}
	if !one.Up {
		return out
	}
	up := max(now.Sub(one.Since), 0)
	out["status"], out["numLearnedRoutes"] = "UP", len(one.Learned)
	out["uptimeSeconds"], out["uptime"] = strconv.Itoa(int(up.Seconds())), spell(up)
	if len(one.Advertised) > 0 {
		out["advertisedRoutes"] = advertisedRoutes(one)
	}
	return out
}

func advertisedRoutes(one SessionLive) []any {
	routes := make([]any, len(one.Advertised))
	for i, route := range one.Advertised {
		routes[i] = object{"kind": "compute#route", "destRange": route.Range.String(), "nextHopIp": one.LocalIP.String(), "priority": route.Priority}
	}
	return routes
}

// spell writes a duration as the API does: "1 hours, 2 minutes, 3 seconds".
func spell(d time.Duration) string {
	seconds := int(d.Seconds())
	var out []string
	for _, unit := range []struct {
		name    string
		seconds int
	}{{"weeks", 604800}, {"days", 86400}, {"hours", 3600}, {"minutes", 60}, {"seconds", 1}} {
		if n := seconds / unit.seconds; n > 0 || unit.seconds == 1 {
			out = append(out, fmt.Sprintf("%d %s", n, unit.name))
		}
		seconds %= unit.seconds
	}
	return strings.Join(out, ", ")
}

// bestRoutes keeps the routes of lowest priority for each range, all of them where
// several are equal.
func bestRoutes(routes []Dynamic, region string, sessions map[string]SessionLive) []any {
	lowest := map[netip.Prefix]uint32{}
	for _, route := range routes {
		if have, ok := lowest[route.Range]; !ok || dynamicPriority(route, region) < have {
			lowest[route.Range] = dynamicPriority(route, region)
		}
	}
	var out []any
	for _, route := range routes {
		if dynamicPriority(route, region) != lowest[route.Range] {
			continue
		}
		via := sessions[route.Session]
		one := object{"kind": "compute#route", "routeType": "BGP", "network": link(via.Network), "destRange": route.Range.String(),
			"nextHopIp": via.PeerIP.String(), "priority": lowest[route.Range]}
		if via.Tunnel != "" {
			one["nextHopVpnTunnel"] = link(via.Tunnel)
		}
		if via.Attachment != "" {
			one["nextHopInterconnectAttachment"] = link(via.Attachment)
		}
		out = append(out, one)
	}
	return out
}

// dynamicPriority is what a learned route weighs in a region.
func dynamicPriority(route Dynamic, region string) uint32 {
	if route.Region == region {
		return defaultPriority
	}
	return defaultPriority + crossRegionCost
}

// peeringRoutes answers listPeeringRoutes: what a peering of a network (a path)
// brings in (INCOMING) or takes out (OUTGOING), as it counts in a region. nil when
// there is no such peering or it is not active. The caller holds mu, which is let
// go of while the line is asked.
func (s *Server) peeringRoutes(network, peering, region, direction string) []object {
	fabric := s.fabric()
	views := map[string]NetworkView{}
	for _, view := range fabric.Networks {
		views[view.Path] = view
	}
	ours := views[network]
	at := slices.IndexFunc(ours.Peerings, func(p PeeringView) bool { return p.Name == peering })
	if at < 0 || !ours.Peerings[at].Active {
		return nil
	}
	peer := ours.Peerings[at]
	theirs, emulated := views[peer.Network]
	back := slices.IndexFunc(theirs.Peerings, func(p PeeringView) bool { return p.Network == network && p.Active })
	switch {
	case direction == "OUTGOING":
		// Google's own networks, which are not emulated, import what they are offered.
		imported := !emulated || back >= 0 && theirs.Peerings[back].Import
		return s.exchanged(ours, region, peer.Export, imported)
	case emulated:
		return s.exchanged(theirs, region, back >= 0 && theirs.Peerings[back].Export, peer.Import)
	}
	var out []object
	for _, cluster := range fabric.Clusters {
		if cluster.Peering == peering && cluster.Network == network && cluster.ControlPlane.IsValid() {
			out = append(out, peeringRoute("SUBNET", cluster.ControlPlane, cluster.Region, 0, true))
		}
	}
	return out
}

// exchanged is what a network offers over a peering: its subnets always, its
// dynamic routes when it exports custom routes. What it learned by other peerings
// is not passed on.
func (s *Server) exchanged(from NetworkView, region string, export, imported bool) []object {
	var out []object
	for _, one := range s.subnetRanges(from.Path) {
		out = append(out, peeringRoute("SUBNET", one.prefix, one.region, 0, true))
	}
	if !export {
		return out
	}
	seen := map[netip.Prefix]bool{}
	for _, route := range from.effective(region) { // those of the region itself come first
		if !seen[route.Range] {
			seen[route.Range] = true
			out = append(out, peeringRoute("DYNAMIC", route.Range, route.Region, dynamicPriority(route, region), imported))
		}
	}
	return out
}

func peeringRoute(kind string, to netip.Prefix, region string, priority uint32, imported bool) object {
	return object{"type": kind + "_PEERING_ROUTE", "destRange": to.String(), "nextHopRegion": region, "priority": priority, "imported": imported}
}
