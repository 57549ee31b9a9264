// Package handmade is somebody's hand on Google's REST APIs, behind causeway's back:
// it turns the switches that packets follow, and makes a line that causeway finds
// there, with the far side's half of it.
//
//	l := handmade.Line{Router: handmade.Router{Site: s, Project: topology.HubProject, Region: topology.Region, Name: "office"}, Network: topology.HubNetwork, ASN: 64515, FarASN: 65010}
//	err := l.Make(ctx)
//	err = l.FarUp(ctx, handmade.RightKey)
package handmade

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"

	"causeway/lab/topology"
)

// Tunnels is how many tunnels a Line has, one on each interface of the gateways.
const Tunnels = 2

// Line is a VPN line: router, HA VPN gateway, external gateway, and two tunnels
// with their BGP sessions. All bear the router's name, tunnels with "-0" and "-1"
// behind it.
type Line struct {
	Router
	Network     string
	ASN, FarASN uint32
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
	parts := []func() error{}
	for _, one := range []struct {
		collection string
		body       map[string]any
	}{
		{l.region() + "/routers", map[string]any{"name": l.Name, "network": network, "bgp": map[string]any{"asn": l.ASN}}},
		{l.region() + "/vpnGateways", map[string]any{"name": l.Name, "network": network}},
		{l.project() + "/global/externalVpnGateways", map[string]any{"name": l.Name, "redundancyType": "TWO_IPS_REDUNDANCY", "interfaces": interfaces}},
	} {
		parts = append(parts, func() error { return l.post(ctx, one.collection, one.body) })
	}
	if err := together(parts...); err != nil {
		return err
	}
	parts = nil
	for i := range Tunnels {
		parts = append(parts, func() error {
			return l.post(ctx, l.region()+"/vpnTunnels", map[string]any{
				"name": l.Tunnel(i), "vpnGateway": l.region() + "/vpnGateways/" + l.Name, "vpnGatewayInterface": i,
				"peerExternalGateway": l.project() + "/global/externalVpnGateways/" + l.Name, "peerExternalGatewayInterface": i,
				"router": l.region() + "/routers/" + l.Name, "sharedSecret": key(l.Tunnel(i)), "ikeVersion": 2,
			})
		})
	}
	if err := together(parts...); err != nil {
		return err
	}
	return l.sessions(ctx)
}

// together does what does not depend on each other.
func together(parts ...func() error) error {
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { errs[i] = part() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Remove deletes the line, as far as it is there.
func (l Line) Remove(ctx context.Context) error {
	absent := func(err error) error {
		if err != nil && strings.Contains(err.Error(), "404") {
			return nil
		}
		return err
	}
	var errs []error
	for i := range Tunnels {
		errs = append(errs, absent(l.Cut(ctx, l.Tunnel(i))))
	}
	var parts []func() error
	for _, at := range []string{
		l.At("vpnGateways", l.Name), "compute/v1/" + l.project() + "/global/externalVpnGateways/" + l.Name, l.At("routers", l.Name),
	} {
		parts = append(parts, func() error {
			_, err := l.GoogleCall(ctx, "DELETE", at, nil)
			return absent(err)
		})
	}
	return errors.Join(append(errs, together(parts...))...)
}

// sessions gives the router interfaces and peers for all tunnels.
func (l Line) sessions(ctx context.Context) error {
	interfaces, peers := []any{}, []any{}
	for i := range Tunnels {
		interfaces = append(interfaces, map[string]any{
			"name": l.Tunnel(i), "ipRange": links[i].String(), "linkedVpnTunnel": l.region() + "/vpnTunnels/" + l.Tunnel(i),
		})
		peers = append(peers, map[string]any{
			"name": l.Tunnel(i), "interfaceName": l.Tunnel(i), "ipAddress": links[i].Addr().String(),
			"peerIpAddress": links[i].Addr().Next().String(), "peerAsn": l.FarASN,
		})
	}
	_, err := l.GoogleCall(ctx, "PATCH", l.At("routers", l.Name), map[string]any{"interfaces": interfaces, "bgpPeers": peers})
	return err
}

// key is a tunnel's pre-shared key.
func key(tunnel string) string { return "the key of " + tunnel }

// RightKey and WrongKey are ways to hand a key over.
func RightKey(key string) string { return key }
func WrongKey(key string) string { return "x" + key }

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
