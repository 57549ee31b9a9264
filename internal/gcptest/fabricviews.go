package gcptest

import (
	"cmp"
	"encoding/json"
	"net/netip"
	"path"
	"slices"
	"strings"
)

// crossRegionCost is what Google adds to the priority of a route between regions;
// the real figure lies between 201 and 9999, by distance.
const crossRegionCost = 201

// defaultPriority is the MED of routes where a peer sets none.
const defaultPriority = 100

// subnetRange is a range of a network's subnet.
type subnetRange struct {
	prefix netip.Prefix
	region string
}

// subnetRanges lists the primary and secondary ranges of a network, sorted. Ranges
// that only Google's own machinery uses are none that a router announces.
func (s *Server) subnetRanges(network string) []subnetRange {
	var out []subnetRange
	for at, o := range s.objects {
		parts := strings.Split(at, "/")
		if len(parts) != 6 || parts[4] != "subnetworks" || relative(text(o, "network"), parts[1]) != network {
			continue
		}
		if purpose := text(o, "purpose"); purpose == "PRIVATE_SERVICE_CONNECT" || purpose == "PRIVATE_NAT" {
			continue
		}
		ranges := []string{text(o, "ipCidrRange")}
		for _, one := range entries(o, "secondaryIpRanges") {
			ranges = append(ranges, text(one, "ipCidrRange"))
		}
		for _, one := range ranges {
			if prefix, err := netip.ParsePrefix(one); err == nil {
				out = append(out, subnetRange{prefix, parts[3]})
			}
		}
	}
	slices.SortFunc(out, func(a, b subnetRange) int {
		return cmp.Or(a.prefix.Addr().Compare(b.prefix.Addr()), a.prefix.Bits()-b.prefix.Bits(), strings.Compare(a.region, b.region))
	})
	return out
}

// entries reads a field that is an array of objects.
func entries(o object, field string) []object {
	var out []object
	array, _ := o[field].([]any)
	for _, element := range array {
		if one, ok := element.(object); ok {
			out = append(out, one)
		}
	}
	return out
}

// number reads a field that is a number, whether a seed, a request or clone wrote it.
func number(o object, field string) (uint32, bool) {
	switch value := o[field].(type) {
	case float64:
		return uint32(value), true
	case json.Number:
		n, err := value.Int64()
		return uint32(n), err == nil
	case int:
		return uint32(value), true
	}
	return 0, false
}

func routingMode(network object) string {
	routing, _ := network["routingConfig"].(object)
	return cmp.Or(text(routing, "routingMode"), "REGIONAL")
}

func (s *Server) networkView(at string, o object) NetworkView {
	out := NetworkView{Path: at, RoutingMode: routingMode(o)}
	for _, one := range s.subnetRanges(at) {
		out.Subnets = append(out.Subnets, one.prefix)
	}
	for _, route := range s.staticRoutes(at) {
		tags, _ := route["tags"].([]any)
		dest, err := netip.ParsePrefix(text(route, "destRange"))
		if err == nil && len(tags) == 0 {
			priority, _ := number(route, "priority")
			out.Static = append(out.Static, Static{dest, priority})
		}
	}
	for _, peering := range entries(o, "peerings") {
		export, _ := peering["exportCustomRoutes"].(bool)
		imports, _ := peering["importCustomRoutes"].(bool)
		out.Peerings = append(out.Peerings, PeeringView{
			Name: text(peering, "name"), Network: relative(text(peering, "network"), splitPath(at)[1]),
			Export: export, Import: imports, Active: text(peering, "state") == "ACTIVE",
		})
	}
	return out
}

func (s *Server) tunnelView(at string, o object) TunnelView {
	project := splitPath(at)[1]
	out := TunnelView{Path: at, Name: path.Base(at), Region: splitPath(at)[3], Secret: s.secrets[at]}
	gateway := s.objects[relative(text(o, "vpnGateway"), project)]
	out.Network = relative(text(gateway, "network"), project)
	out.GatewayIP = interfaceIP(gateway, "vpnInterfaces", o["vpnGatewayInterface"])
	far := s.objects[relative(text(o, "peerExternalGateway"), project)]
	out.PeerIP = interfaceIP(far, "interfaces", o["peerExternalGatewayInterface"])
	return out
}

// interfaceIP is the address of a gateway's interface, invalid when there is none.
func interfaceIP(gateway object, field string, id any) netip.Addr {
	wanted, _ := number(object{"id": id}, "id")
	for _, one := range entries(gateway, field) {
		if have, ok := number(one, "id"); ok && have == wanted {
			ip, _ := netip.ParseAddr(text(one, "ipAddress"))
			return ip
		}
	}
	return netip.Addr{}
}

// wireRouter adds a router's sessions to w. Peers that announce the same share one
// list, so that many peers with many ranges cost little.
func (s *Server) wireRouter(w *wiring, at string, router object) {
	parts := splitPath(at)
	network := relative(text(router, "network"), parts[1])
	bgp, _ := router["bgp"].(object)
	asn, _ := number(bgp, "asn")
	announce := s.announcer(network, parts[3], bgp)
	interfaces := map[string]object{}
	for _, one := range entries(router, "interfaces") {
		interfaces[text(one, "name")] = one
	}
	for _, peer := range entries(router, "bgpPeers") {
		one := SessionView{
			Router: at, Region: parts[3], Network: network, Peer: text(peer, "name"), Interface: text(peer, "interfaceName"),
			LocalASN: asn, Enabled: text(peer, "enable") != "FALSE", Advertised: announce(peer),
		}
		one.PeerASN, _ = number(peer, "peerAsn")
		one.PeerIP, _ = netip.ParseAddr(text(peer, "peerIpAddress"))
		if end := interfaces[one.Interface]; end != nil {
			one.Tunnel = relative(text(end, "linkedVpnTunnel"), parts[1])
			one.Attachment = relative(text(end, "linkedInterconnectAttachment"), parts[1])
			one.Link, _ = netip.ParsePrefix(text(end, "ipRange"))
			one.LocalIP = one.Link.Addr()
		}
		if ip, err := netip.ParseAddr(text(peer, "ipAddress")); err == nil {
			one.LocalIP = ip
		}
		w.Sessions = append(w.Sessions, SessionLive{SessionView: one})
		for _, learned := range entries(peer, "customLearnedIpRanges") {
			if prefix, ok := parseRange(text(learned, "range")); ok {
				w.custom[one.Key()] = append(w.custom[one.Key()], prefix)
			}
		}
	}
}

// announcer returns what each peer of a router announces: by its own list when it
// is in CUSTOM mode, by the router's otherwise.
func (s *Server) announcer(network, region string, bgp object) func(peer object) []Advertised {
	subnets := s.subnetRanges(network)
	global := routingMode(s.objects[network]) == "GLOBAL"
	build := func(from object, priority uint32) []Advertised {
		var out []Advertised
		groups, _ := from["advertisedGroups"].([]any)
		custom := text(from, "advertiseMode") == "CUSTOM"
		if !custom || slices.Contains(groups, any("ALL_SUBNETS")) {
			for _, one := range subnets {
				if one.region == region {
					out = append(out, Advertised{one.prefix, priority})
				} else if global {
					out = append(out, Advertised{one.prefix, priority + crossRegionCost})
				}
			}
		}
		if !custom {
			return out
		}
		for _, one := range entries(from, "advertisedIpRanges") {
			if prefix, ok := parseRange(text(one, "range")); ok {
				out = append(out, Advertised{prefix, priority})
			}
		}
		return out
	}
	shared := map[uint32][]Advertised{}
	return func(peer object) []Advertised {
		priority, ok := number(peer, "advertisedRoutePriority")
		if !ok {
			priority = defaultPriority
		}
		if text(peer, "advertiseMode") == "CUSTOM" {
			return build(peer, priority)
		}
		if _, known := shared[priority]; !known {
			shared[priority] = build(bgp, priority)
		}
		return shared[priority]
	}
}

// parseRange reads a CIDR, or an address as the range of itself alone.
func parseRange(text string) (netip.Prefix, bool) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, true
	}
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	return netip.PrefixFrom(ip, ip.BitLen()), true
}

// clusterView reads the newer control-plane block where it is, the older ones where not.
func clusterView(at string, o object) ClusterView {
	parts := splitPath(at)
	private, _ := o["privateClusterConfig"].(object)
	control, _ := o["controlPlaneEndpointsConfig"].(object)
	ip, _ := control["ipEndpointsConfig"].(object)
	network, _ := o["networkConfig"].(object)
	out := ClusterView{Path: at, Region: regionOf(parts[3]), Peering: text(private, "peeringName")}
	out.Network = relative(text(network, "network"), parts[1])
	if out.Network == "" {
		out.Network = "projects/" + parts[1] + "/global/networks/" + path.Base(text(o, "network"))
	}
	out.Endpoint, _ = netip.ParseAddr(cmp.Or(text(ip, "privateEndpoint"), text(private, "privateEndpoint")))
	if master, err := netip.ParsePrefix(text(private, "masterIpv4CidrBlock")); err == nil && out.Peering != "" {
		out.ControlPlane = master
	} else if out.Endpoint.IsValid() {
		out.ControlPlane = netip.PrefixFrom(out.Endpoint, out.Endpoint.BitLen())
	}
	access, _ := private["masterGlobalAccessConfig"].(object)
	older, _ := access["enabled"].(bool)
	newer, _ := ip["globalAccess"].(bool)
	out.GlobalAccess = older || newer
	authorized, ok := ip["authorizedNetworksConfig"].(object)
	if legacy, has := o["masterAuthorizedNetworksConfig"].(object); has && (!ok || len(entries(authorized, "cidrBlocks")) == 0) {
		authorized = legacy
	}
	enabled, _ := authorized["enabled"].(bool)
	enforced, _ := authorized["privateEndpointEnforcementEnabled"].(bool)
	// Behind a peering the list always counts; with Private Service Connect it does
	// on request.
	out.AuthorizedOnPrivate = enabled && (out.Peering != "" || enforced)
	for _, block := range entries(authorized, "cidrBlocks") {
		if prefix, err := netip.ParsePrefix(text(block, "cidrBlock")); err == nil {
			out.Authorized = append(out.Authorized, prefix)
		}
	}
	return out
}

// regionOf is the region of a location: "europe-west3-a" lies in "europe-west3".
func regionOf(location string) string {
	if parts := strings.Split(location, "-"); len(parts) == 3 {
		return strings.Join(parts[:2], "-")
	}
	return location
}
