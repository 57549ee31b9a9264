package gcptest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"
)

const (
	rangesPerSession = 200 // custom advertised routes (docs/router/quotas)
	peersPerRouter   = 128 // the same page
)

// checkRouter refuses what Google refuses of a router. Where Google's own words are
// not known, the sentence names the field in Google's form.
func (s *Server) checkRouter(at string, router object) *Error {
	bgp, _ := router["bgp"].(object)
	if bgp != nil {
		if asn, ok := number(bgp, "asn"); !ok || !privateASN(asn) {
			return invalid(fmt.Sprintf("Invalid value for field 'resource.bgp.asn': '%v'. Router ASN must be a private ASN as described in RFC 6996.", bgp["asn"]))
		}
		if failure := checkAdvertisement("resource.bgp", bgp); failure != nil {
			return failure
		}
	}
	interfaces, failure := s.checkInterfaces(at, router)
	if failure != nil {
		return failure
	}
	peers := entries(router, "bgpPeers")
	if len(peers) > peersPerRouter {
		return invalid(fmt.Sprintf("Invalid value for field 'resource.bgpPeers': ''. Router has %d BGP peers, at most %d are allowed.", len(peers), peersPerRouter))
	}
	names := map[string]bool{}
	for i, peer := range peers {
		name := text(peer, "name")
		if name == "" || names[name] {
			return invalid(fmt.Sprintf("Invalid value for field 'resource.bgpPeers[%d].name': '%s'. BGP peer names must be unique within the router.", i, name))
		}
		names[name] = true
		if failure := checkPeer(i, peer, bgp != nil, interfaces); failure != nil {
			return failure
		}
	}
	return checkKeys(router)
}

// privateASN: RFC 6996, and 16550, which Partner Interconnect prescribes.
func privateASN(asn uint32) bool {
	return asn >= 64512 && asn <= 65534 || asn >= 4200000000 && asn <= 4294967294 || asn == 16550
}

func checkAdvertisement(at string, from object) *Error {
	ranges := entries(from, "advertisedIpRanges")
	groups, _ := from["advertisedGroups"].([]any)
	if text(from, "advertiseMode") != "CUSTOM" && len(ranges)+len(groups) > 0 {
		return invalid(fmt.Sprintf("Invalid value for field '%s.advertiseMode': 'DEFAULT'. Router cannot have a custom advertisement configuration in default mode.", at))
	}
	if len(ranges) > rangesPerSession {
		return invalid(fmt.Sprintf("Invalid value for field '%s.advertisedIpRanges': ''. The number of advertised IP ranges (%d) exceeds the maximum of %d.", at, len(ranges), rangesPerSession))
	}
	seen := map[netip.Prefix]bool{}
	for i, one := range ranges {
		prefix, ok := parseRange(text(one, "range"))
		if !ok || prefix != prefix.Masked() || seen[prefix] {
			return invalid(fmt.Sprintf("Invalid value for field '%s.advertisedIpRanges[%d].range': '%s'. Must be a CIDR address range.", at, i, text(one, "range")))
		}
		seen[prefix] = true
	}
	return nil
}

// checkInterfaces returns the links by interface name.
func (s *Server) checkInterfaces(at string, router object) (map[string]netip.Prefix, *Error) {
	out, carriers := map[string]netip.Prefix{}, map[string]bool{}
	others := s.linkRanges(at, relative(text(router, "network"), ""))
	for i, one := range entries(router, "interfaces") {
		name, field := text(one, "name"), fmt.Sprintf("resource.interfaces[%d]", i)
		if _, twice := out[name]; name == "" || twice {
			return nil, invalid(fmt.Sprintf("Invalid value for field '%s.name': '%s'. Interface names must be unique within the router.", field, name))
		}
		if failure := s.checkCarrier(at, field, one, carriers); failure != nil {
			return nil, failure
		}
		given := text(one, "ipRange")
		if given == "" {
			out[name] = netip.Prefix{}
			continue
		}
		prefix, err := netip.ParsePrefix(given)
		if err != nil || !linkLocal.Contains(prefix.Addr()) && prefix.Addr().Is4() || prefix.Addr().Is4() && (prefix.Bits() < 16 || !hostOf(prefix)) {
			return nil, invalid(fmt.Sprintf("Invalid value for field '%s.ipRange': '%s'. IP range must be a link-local address (169.254.0.0/16) with a mask, and not its network or broadcast address.", field, given))
		}
		for other, holder := range others {
			if other.Overlaps(prefix) {
				return nil, invalid(fmt.Sprintf("Invalid value for field '%s.ipRange': '%s'. IP range overlaps with the IP range '%s' of interface '%s' in the same network.", field, given, other, holder))
			}
		}
		out[name] = prefix
	}
	return out, nil
}

var linkLocal = netip.MustParsePrefix("169.254.0.0/16")

// hostOf says whether an address is one of a host in its range.
func hostOf(prefix netip.Prefix) bool {
	if prefix.Bits() >= 31 {
		return prefix.Bits() == 31
	}
	return prefix.Addr() != prefix.Masked().Addr() && prefix.Contains(prefix.Addr().Next())
}

// linkRanges are the link-local ranges of all other routers of a network, which
// has each of them once, whatever the region.
func (s *Server) linkRanges(except, network string) map[netip.Prefix]string {
	out := map[netip.Prefix]string{}
	for at, o := range s.objects {
		if !strings.Contains(at, "/routers/") || at == except || relative(text(o, "network"), "") != network {
			continue
		}
		for _, one := range entries(o, "interfaces") {
			if prefix, err := netip.ParsePrefix(text(one, "ipRange")); err == nil {
				out[prefix] = path.Base(at) + "/" + text(one, "name")
			}
		}
	}
	return out
}

// checkCarrier holds an interface's tunnel or attachment to the router: it is
// there, it names this router, and no other interface has it.
func (s *Server) checkCarrier(at, field string, one object, taken map[string]bool) *Error {
	for name, collection := range map[string]string{"linkedVpnTunnel": "vpnTunnels", "linkedInterconnectAttachment": "interconnectAttachments"} {
		carrier := relative(text(one, name), "")
		if carrier == "" {
			continue
		}
		found, ok := s.objects[carrier]
		if !ok || !strings.Contains(carrier, "/"+collection+"/") {
			return notFound(carrier)
		}
		if path.Dir(path.Dir(carrier)) != path.Dir(path.Dir(at)) || relative(text(found, "router"), splitPath(at)[1]) != at {
			return invalid(fmt.Sprintf("Invalid value for field '%s.%s': '%s'. It is not attached to router '%s'.", field, name, link(carrier), path.Base(at)))
		}
		if taken[carrier] {
			return invalid(fmt.Sprintf("Invalid value for field '%s.%s': '%s'. It is already linked to another interface.", field, name, link(carrier)))
		}
		taken[carrier] = true
	}
	return nil
}

// short is how Google quotes an object in an error.
func short(o object) string {
	text, err := json.Marshal(o)
	if err != nil || len(text) <= 64 {
		return string(text)
	}
	return string(text[:64]) + "..."
}

// multiple refuses a peer whose address lies in the links of several interfaces of
// its router, in Google's words.
func multiple(i int, peer object, interfaces map[string]netip.Prefix) *Error {
	far, err := netip.ParseAddr(text(peer, "peerIpAddress"))
	if err != nil {
		return nil
	}
	var holders []string
	for name, link := range interfaces {
		if link.IsValid() && link.Masked().Contains(far) {
			holders = append(holders, name)
		}
	}
	if len(holders) < 2 {
		return nil
	}
	slices.Sort(holders)
	return invalid(fmt.Sprintf("Invalid value for field 'resource.bgpPeers[%d]': '%s'. BGP peer \"%s\" associated with multiple interfaces: %s", i, short(peer), text(peer, "name"), strings.Join(holders, "; ")))
}

// checkPeer: the sentences on two addresses on addresses are Google's own.
func checkPeer(i int, peer object, speaks bool, interfaces map[string]netip.Prefix) *Error {
	name, field := text(peer, "name"), fmt.Sprintf("resource.bgpPeers[%d]", i)
	if !speaks {
		return invalid("Invalid value for field 'resource.bgp': ''. A router with BGP peers must have a BGP configuration.")
	}
	if _, ok := number(peer, "peerAsn"); !ok {
		return required(fmt.Sprintf("bgpPeers[%d].peerAsn", i))
	}
	linked, ok := interfaces[text(peer, "interfaceName")]
	if !ok {
		return invalid(fmt.Sprintf("Invalid value for field '%s.interfaceName': '%s'. Interface is not specified in the router.", field, text(peer, "interfaceName")))
	}
	if failure := multiple(i, peer, interfaces); failure != nil {
		return failure
	}
	local, remote := text(peer, "ipAddress"), text(peer, "peerIpAddress")
	far, err := netip.ParseAddr(remote)
	switch {
	case remote != "" && local == "":
		return invalid(fmt.Sprintf("Invalid value for field '"+field+"': '%s'. In BGP Peer \"%s\", peer IP address %s is specified, but IP address is not specified.", short(peer), name, remote))
	case linked.IsValid() && local != "" && local != linked.Addr().String():
		return invalid(fmt.Sprintf("BGP Peer \"%s\" has IP address %s different from interface IP address %s", name, local, linked.Addr()))
	case remote != "" && (err != nil || !linked.Contains(far) || far == linked.Addr() || !hostOf(netip.PrefixFrom(far, linked.Bits()))):
		return invalid(fmt.Sprintf("Invalid value for field '%s.peerIpAddress': '%s'. Peer IP address must be another host address within the interface IP range %s.", field, remote, linked))
	}
	return checkAdvertisement(field, peer)
}

// checkKeys: each MD5 key belongs to exactly one peer (discovery: RouterMd5AuthenticationKey.name).
func checkKeys(router object) *Error {
	users := map[string]int{}
	for _, peer := range entries(router, "bgpPeers") {
		if key := text(peer, "md5AuthenticationKeyName"); key != "" {
			users[key]++
		}
	}
	for i, key := range entries(router, "md5AuthenticationKeys") {
		name := text(key, "name")
		if users[name] != 1 {
			return invalid(fmt.Sprintf("Invalid value for field 'resource.md5AuthenticationKeys[%d].name': '%s'. An MD5 authentication key must be referenced by exactly one BGP peer.", i, name))
		}
		delete(users, name)
	}
	for name := range users {
		return invalid(fmt.Sprintf("Invalid value for field 'resource.bgpPeers.md5AuthenticationKeyName': '%s'. There is no such MD5 authentication key.", name))
	}
	return nil
}
