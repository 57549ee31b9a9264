package route

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// change edits something of Google's as somebody else would.
func change(t testing.TB, w *conformance.World, at string, edit func(map[string]any)) {
	t.Helper()
	if err := w.Google.Change(at, edit); err != nil {
		t.Fatal(err)
	}
}

// setPeering edits the control plane's peering.
func setPeering(t testing.TB, w *conformance.World, fields map[string]any) {
	t.Helper()
	change(t, w, networkAt, func(network map[string]any) {
		maps.Copy(network["peerings"].([]any)[0].(map[string]any), fields)
	})
}

// exports reports whether the control plane's peering exports custom routes.
func exports(w *conformance.World) bool {
	one, _ := w.Google.Object(networkAt)["peerings"].([]any)[0].(map[string]any)
	return one["exportCustomRoutes"] == true
}

// setRouter edits what a router announces.
func setRouter(t testing.TB, w *conformance.World, at, mode string, groups []any, ranges ...string) {
	t.Helper()
	change(t, w, at, func(router map[string]any) { advertise(router["bgp"].(map[string]any), mode, groups, ranges...) })
}

// setPeer gives a BGP peer of the seeds' router a list of its own.
func setPeer(t testing.TB, w *conformance.World, name string, groups []any, ranges ...string) {
	t.Helper()
	change(t, w, routerAt, func(router map[string]any) {
		for _, one := range router["bgpPeers"].([]any) {
			if peer := one.(map[string]any); peer["name"] == name {
				advertise(peer, "CUSTOM", groups, ranges...)
			}
		}
	})
}

// advertise writes a list; a range may have a description behind a blank.
func advertise(to map[string]any, mode string, groups []any, ranges ...string) {
	delete(to, "advertisedGroups")
	delete(to, "advertisedIpRanges")
	to["advertiseMode"] = mode
	if len(groups) > 0 {
		to["advertisedGroups"] = groups
	}
	var list []any
	for _, text := range ranges {
		cidr, about, _ := strings.Cut(text, " ")
		one := map[string]any{"range": cidr}
		if about != "" {
			one["description"] = about
		}
		list = append(list, one)
	}
	if len(list) > 0 {
		to["advertisedIpRanges"] = list
	}
}

var allOfThem = []any{"ALL_SUBNETS"}

// announces tells what a router's list or that of a BGP peer ("" for the router's
// own) says: "CUSTOM ALL_SUBNETS 10.0.0.0/8 (about)".
func announces(w *conformance.World, at, peer string) string {
	router := w.Google.Object(at)
	from, _ := router["bgp"].(map[string]any)
	if peer != "" {
		for _, one := range router["bgpPeers"].([]any) {
			if p := one.(map[string]any); p["name"] == peer {
				from = p
			}
		}
	}
	words := []string{fmt.Sprint(from["advertiseMode"])}
	groups, _ := from["advertisedGroups"].([]any)
	for _, group := range groups {
		words = append(words, fmt.Sprint(group))
	}
	ranges, _ := from["advertisedIpRanges"].([]any)
	for _, one := range ranges {
		r := one.(map[string]any)
		word := fmt.Sprint(r["range"])
		if r["description"] != nil {
			word += fmt.Sprintf(" (%s)", r["description"])
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// authorized lists a cluster's authorized networks: "172.31.0.0/16 (name)".
func authorized(w *conformance.World, at string) []string {
	config, _ := w.Google.Object(at)["masterAuthorizedNetworksConfig"].(map[string]any)
	blocks, _ := config["cidrBlocks"].([]any)
	var all []string
	for _, one := range blocks {
		block := one.(map[string]any)
		text := fmt.Sprint(block["cidrBlock"])
		if block["displayName"] != nil {
			text += fmt.Sprintf(" (%s)", block["displayName"])
		}
		all = append(all, text)
	}
	return all
}

// setAuthorized writes the list of a cluster.
func setAuthorized(t testing.TB, w *conformance.World, at string, blocks ...map[string]any) {
	t.Helper()
	change(t, w, at, func(cluster map[string]any) {
		list := []any{}
		for _, block := range blocks {
			list = append(list, block)
		}
		ip := cluster["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)
		for _, config := range []map[string]any{cluster["masterAuthorizedNetworksConfig"].(map[string]any), ip["authorizedNetworksConfig"].(map[string]any)} {
			config["cidrBlocks"] = slices.Clone(list)
		}
	})
}

// globalAccess reports whether a control plane answers other regions.
func globalAccessOf(w *conformance.World, at string) bool {
	endpoints, _ := w.Google.Object(at)["controlPlaneEndpointsConfig"].(map[string]any)
	return endpoints["ipEndpointsConfig"].(map[string]any)["globalAccess"] == true
}

// fillLine puts somebody's HA VPN with one tunnel and a router of the name into a
// region; the far side is at the address.
func fillLine(t testing.TB, w *conformance.World, in, network, name, address string, link int) {
	t.Helper()
	project := strings.Join(strings.Split(in, "/")[:2], "/")
	tunnel := in + "/vpnTunnels/" + name
	far := project + "/global/externalVpnGateways/" + name
	seed := gcptest.Seed{Resources: []gcptest.SeedObject{
		{Path: in + "/vpnGateways/" + name, Body: map[string]any{"network": network}},
		{Path: far, Body: map[string]any{"redundancyType": "SINGLE_IP_INTERNALLY_REDUNDANT", "interfaces": []any{map[string]any{"id": 0, "ipAddress": address}}}},
		{Path: tunnel, Body: map[string]any{"vpnGateway": in + "/vpnGateways/" + name, "vpnGatewayInterface": 0, "peerExternalGateway": far,
			"peerExternalGatewayInterface": 0, "router": in + "/routers/" + name, "ikeVersion": 2, "peerIp": address, "status": "ESTABLISHED"}},
		{Path: in + "/routers/" + name, Body: map[string]any{"network": network, "description": "somebody else's",
			"bgp":        map[string]any{"asn": 64700 + link, "advertiseMode": "DEFAULT", "keepaliveInterval": 20},
			"interfaces": []any{map[string]any{"name": name, "linkedVpnTunnel": tunnel, "ipRange": fmt.Sprintf("169.254.99.%d/30", 4*link+1)}},
			"bgpPeers": []any{map[string]any{"name": name, "interfaceName": name, "ipAddress": fmt.Sprintf("169.254.99.%d", 4*link+1),
				"peerIpAddress": fmt.Sprintf("169.254.99.%d", 4*link+2), "peerAsn": 65001, "advertiseMode": "DEFAULT", "enable": "TRUE"}}}},
	}}
	if err := w.Google.Fill(seed); err != nil {
		t.Fatal(err)
	}
}

// remote is a far router that announces.
func remote(address string, prefixes ...string) gcptest.Remote {
	r := gcptest.Remote{Address: netip.MustParseAddr(address), ASN: 65001}
	for _, text := range prefixes {
		r.Prefixes = append(r.Prefixes, netip.MustParsePrefix(text))
	}
	return r
}
