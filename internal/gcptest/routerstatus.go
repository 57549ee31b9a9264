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

// routeAnswer is a Route of an answer. There may be 128 times 200 of them in one,
// which as maps would cost a multiple.
type routeAnswer struct {
	Kind      string `json:"kind"`
	DestRange string `json:"destRange"`
	NextHopIP string `json:"nextHopIp"`
	Priority  uint32 `json:"priority"`
}

func advertisedRoutes(one SessionLive) []routeAnswer {
	routes := make([]routeAnswer, len(one.Advertised))
	hop := one.LocalIP.String()
	for i, route := range one.Advertised {
		routes[i] = routeAnswer{"compute#route", route.Range.String(), hop, route.Priority}
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
