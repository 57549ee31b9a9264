// Package handmade makes a VPN line and its settings over Google's REST APIs, as an
// operator with curl would, and the far side's half of it: without causeway, to
// prove the lab itself, and to have something that causeway finds there.
//
//	l := handmade.Line{Site: s, Project: topology.Project, Network: topology.Network, Region: topology.Region, Name: "office", ASN: 64514, FarASN: 65010}
//	err := l.Make(ctx)
//	err = l.FarUp(ctx, handmade.RightKey)
package handmade

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"causeway/lab/site"
	"causeway/lab/topology"
	"causeway/templates"
)

// Tunnels is how many tunnels a Line has, one on each interface of the gateways.
const Tunnels = 2

// Line is a VPN line: router, HA VPN gateway, external gateway, and two tunnels
// with their BGP sessions.
type Line struct {
	*site.Site
	Project, Network, Region string
	Name                     string // of everything; tunnels have "-0" and "-1" behind it
	ASN, FarASN              uint32
}

// links are Google's inside addresses. The far side's are the next ones.
var links = [Tunnels]netip.Prefix{netip.MustParsePrefix("169.254.8.1/30"), netip.MustParsePrefix("169.254.9.1/30")}

// outside are the far side's outside addresses, of a range for documentation
// (RFC 5737).
var outside = [Tunnels]string{"198.51.100.1", "198.51.100.2"}

func (l Line) project() string { return "projects/" + l.Project }

func (l Line) region() string { return l.project() + "/regions/" + l.Region }

// Tunnel is the name of the i-th tunnel, its router interface and its BGP peer.
func (l Line) Tunnel(i int) string { return fmt.Sprintf("%s-%d", l.Name, i) }

// At is the path of the line's resource of a regional collection, for GoogleCall.
func (l Line) At(collection, name string) string {
	return "compute/v1/" + l.region() + "/" + collection + "/" + name
}

func (l Line) post(ctx context.Context, collection string, body map[string]any) error {
	_, err := l.GoogleCall(ctx, "POST", "compute/v1/"+collection, body)
	return err
}

// Make makes the line, with both sessions enabled. Its router announces what a
// router announces by default.
func (l Line) Make(ctx context.Context) error {
	network := l.project() + "/global/networks/" + l.Network
	var interfaces []any
	for i, address := range outside {
		interfaces = append(interfaces, map[string]any{"id": i, "ipAddress": address})
	}
	for _, one := range []struct {
		collection string
		body       map[string]any
	}{
		{l.region() + "/routers", map[string]any{"name": l.Name, "network": network, "bgp": map[string]any{"asn": l.ASN}}},
		{l.region() + "/vpnGateways", map[string]any{"name": l.Name, "network": network}},
		{l.project() + "/global/externalVpnGateways", map[string]any{"name": l.Name, "redundancyType": "TWO_IPS_REDUNDANCY", "interfaces": interfaces}},
	} {
		if err := l.post(ctx, one.collection, one.body); err != nil {
			return err
		}
	}
	return l.Mend(ctx, 0, 1)
}

// Mend makes tunnels that are not there, and the sessions of all.
func (l Line) Mend(ctx context.Context, which ...int) error {
	for _, i := range which {
		err := l.post(ctx, l.region()+"/vpnTunnels", map[string]any{
			"name": l.Tunnel(i), "vpnGateway": l.region() + "/vpnGateways/" + l.Name, "vpnGatewayInterface": i,
			"peerExternalGateway": l.project() + "/global/externalVpnGateways/" + l.Name, "peerExternalGatewayInterface": i,
			"router": l.region() + "/routers/" + l.Name, "sharedSecret": key(l.Tunnel(i)), "ikeVersion": 2,
		})
		if err != nil {
			return err
		}
	}
	return l.Sessions(ctx, true, 0, 1)
}

// Cut deletes tunnels, and before them the sessions over them, which hold them.
func (l Line) Cut(ctx context.Context, which ...int) error {
	var rest []int
	for i := range Tunnels {
		if !slices.Contains(which, i) {
			rest = append(rest, i)
		}
	}
	if err := l.Sessions(ctx, true, rest...); err != nil {
		return err
	}
	for _, i := range which {
		if _, err := l.GoogleCall(ctx, "DELETE", l.At("vpnTunnels", l.Tunnel(i)), nil); err != nil {
			return err
		}
	}
	return nil
}

// Remove deletes the line, as far as it is there.
func (l Line) Remove(ctx context.Context) error {
	absent := func(err error) error {
		if err != nil && strings.Contains(err.Error(), "404") {
			return nil
		}
		return err
	}
	errs := []error{absent(l.Sessions(ctx, true))}
	for _, at := range []string{
		l.At("vpnTunnels", l.Tunnel(0)), l.At("vpnTunnels", l.Tunnel(1)), l.At("vpnGateways", l.Name),
		"compute/v1/" + l.project() + "/global/externalVpnGateways/" + l.Name, l.At("routers", l.Name),
	} {
		_, err := l.GoogleCall(ctx, "DELETE", at, nil)
		errs = append(errs, absent(err))
	}
	return errors.Join(errs...)
}

// Sessions gives the router interfaces and peers for the tunnels named, and no
// others; the peers are enabled or disabled.
func (l Line) Sessions(ctx context.Context, enabled bool, which ...int) error {
	interfaces, peers := []any{}, []any{}
	for _, i := range which {
		interfaces = append(interfaces, map[string]any{
			"name": l.Tunnel(i), "ipRange": links[i].String(), "linkedVpnTunnel": l.region() + "/vpnTunnels/" + l.Tunnel(i),
		})
		peers = append(peers, map[string]any{
			"name": l.Tunnel(i), "interfaceName": l.Tunnel(i), "ipAddress": links[i].Addr().String(),
			"peerIpAddress": links[i].Addr().Next().String(), "peerAsn": l.FarASN,
			"enable": map[bool]string{true: "TRUE", false: "FALSE"}[enabled],
		})
	}
	return l.patch(ctx, map[string]any{"interfaces": interfaces, "bgpPeers": peers})
}

// Advertise sets what the router announces: its subnets when all is set, and ranges.
func (l Line) Advertise(ctx context.Context, all bool, ranges ...netip.Prefix) error {
	groups, list := []any{}, []any{}
	if all {
		groups = append(groups, "ALL_SUBNETS")
	}
	for _, one := range ranges {
		list = append(list, map[string]any{"range": one.String()})
	}
	return l.patch(ctx, map[string]any{"bgp": map[string]any{"advertiseMode": "CUSTOM", "advertisedGroups": groups, "advertisedIpRanges": list}})
}

func (l Line) patch(ctx context.Context, body map[string]any) error {
	_, err := l.GoogleCall(ctx, "PATCH", l.At("routers", l.Name), body)
	return err
}

// key is a tunnel's pre-shared key.
func key(tunnel string) string { return "the key of " + tunnel }

// RightKey and WrongKey are ways to hand a key over.
func RightKey(key string) string { return key }
func WrongKey(key string) string { return strings.ToUpper(key) }

// FarUp starts the far side's half, with keys as they were handed over.
func (l Line) FarUp(ctx context.Context, handed func(key string) string) error {
	keys := map[string]string{}
	for i := range Tunnels {
		keys[l.Tunnel(i)] = handed(key(l.Tunnel(i)))
	}
	return l.FarUpWith(ctx, l.FarConf(), keys)
}

// FarConf is a far engineer's bird.conf, with the source address option still to be
// set, and no timer that is not Cloud Router's.
func (l Line) FarConf() string {
	text := `router id ` + links[0].Addr().Next().String() + `;
protocol device { }
protocol static far_networks { ipv4; route ` + topology.FarCIDR.String() + ` unreachable; }
protocol kernel { ipv4 { import none; export filter {
	if source != RTS_BGP then reject;
	# krt_prefsrc = 192.0.2.1;
	accept;
}; }; merge paths on; }
`
	for i, link := range links {
		text += fmt.Sprintf(`protocol bgp %s {
	local %s as %d;
	neighbor %s as %d;
	keepalive time 20; hold time 60;
	ipv4 { import all; export where proto = "far_networks"; };
}
`, topology.TunnelName(i), link.Addr().Next(), l.FarASN, link.Addr(), l.ASN)
	}
	return text
}

// Outside are Google's addresses of the gateway, one a tunnel.
func (l Line) Outside(ctx context.Context) ([Tunnels]netip.Addr, error) {
	var list [Tunnels]netip.Addr
	answer, err := l.GoogleCall(ctx, "GET", l.At("vpnGateways", l.Name), nil)
	if err != nil {
		return list, err
	}
	interfaces, _ := answer["vpnInterfaces"].([]any)
	for i := range list {
		if i >= len(interfaces) {
			return list, fmt.Errorf("read gateway %s: %d interfaces, %d wanted", l.Name, len(interfaces), Tunnels)
		}
		one, _ := interfaces[i].(map[string]any)
		text, _ := one["ipAddress"].(string)
		if list[i], err = netip.ParseAddr(text); err != nil {
			return list, fmt.Errorf("read gateway %s: %w", l.Name, err)
		}
	}
	return list, nil
}

// FarUpBy starts the far side's half from the files that causeway renders for it,
// laid into dir as a colleague would get them; the keys are handed over by Google's
// address. expect is what Google is to announce.
func (l Line) FarUpBy(ctx context.Context, dir string, expect ...netip.Prefix) error {
	google, err := l.Outside(ctx)
	if err != nil {
		return err
	}
	far := templates.FarSide{
		Exposure: l.Name, Peer: templates.PeerOther, GoogleASN: l.ASN, PeerASN: l.FarASN,
		Expect: expect, Announce: []netip.Prefix{topology.FarCIDR}, Endpoint: site.ByPeering,
	}
	keys := map[string]string{}
	for i, link := range links {
		far.Tunnels = append(far.Tunnels, templates.FarTunnel{
			Name: l.Tunnel(i), GoogleInterface: i, GoogleAddress: google[i], PeerAddress: netip.MustParseAddr(outside[i]), Link: link.Masked(),
			GoogleIP: link.Addr(), PeerIP: link.Addr().Next(), SecretName: l.Tunnel(i) + ".psk",
		})
		keys[google[i].String()] = key(l.Tunnel(i))
	}
	files, err := far.Files()
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.Content, 0o600); err != nil {
			return err
		}
	}
	return l.Site.FarUp(ctx, dir, keys)
}

// AwaitTunnels waits until all tunnels tell the same status.
func (l Line) AwaitTunnels(ctx context.Context, status string, bound time.Duration) error {
	for i := range Tunnels {
		err := l.Await(ctx, "tunnel "+l.Tunnel(i)+" to be "+status, bound, func(ctx context.Context) error {
			answer, err := l.GoogleCall(ctx, "GET", l.At("vpnTunnels", l.Tunnel(i)), nil)
			if err == nil && answer["status"] != status {
				err = fmt.Errorf("it is %v", answer["status"])
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
