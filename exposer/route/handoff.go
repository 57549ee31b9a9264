package route

import (
	"context"
	"net/netip"
	"slices"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/templates"
)

// FarHalf implements exposer.FarHalf: what the far side's router and VPN gateway
// are configured with, ready to paste, and the pre-shared keys beside it.
func (x *exposure) FarHalf(ctx context.Context) (exposer.Half, error) {
	if !x.line.made() {
		return exposer.Half{Expect: x.expected()}, nil
	}
	far, err := x.farSide(ctx)
	if err != nil {
		return exposer.Half{}, err
	}
	files, err := far.Files()
	if err != nil {
		return exposer.Half{}, err
	}
	half := exposer.Half{Expect: x.expected()}
	for _, f := range files {
		half.Files = append(half.Files, exposer.HalfFile{Name: f.Name, About: f.About, Content: f.Content})
	}
	for _, t := range x.line.tunnels {
		// Where a directory has none yet it is made now: AWS wants the keys before
		// Google's tunnels can be made.
		key, err := x.keys().take(t)
		if x.spec.Route.VPN.Secrets.Directory != "" && err != nil {
			return exposer.Half{}, err
		}
		if err != nil {
			continue // the page says that it reaches the far side by another way
		}
		half.Keys = append(half.Keys, exposer.HalfFile{Name: t.ref.Name + ".psk", About: "pre-shared key of tunnel " + t.ref.Name, Content: []byte(key + "\n")})
	}
	return half, nil
}

// farSide is the line as the far side sees it.
func (x *exposure) farSide(ctx context.Context) (templates.FarSide, error) {
	gateway, err := x.google.VPNGateway(ctx, x.line.gateway)
	if err != nil {
		return templates.FarSide{}, err
	}
	if gateway == nil || len(gateway.Interfaces) < 2 {
		return templates.FarSide{}, refusal("CW-RUN-ABSENT", "hand off: the VPN gateway %s is not there; run causeway apply route first", x.line.gateway)
	}
	vpn := x.line.spec
	far := templates.FarSide{Exposure: x.spec.Name, Peer: vpn.Peer, GoogleASN: x.spec.Route.VPN.ASN, PeerASN: vpn.PeerASN,
		Expect: x.expected(), Announce: x.clients(), Endpoint: x.endpoint.Address, SecretBy: x.secretBy()}
	for _, t := range x.line.tunnels {
		far.Tunnels = append(far.Tunnels, templates.FarTunnel{Name: t.ref.Name, GoogleInterface: t.local, GoogleAddress: gateway.Interfaces[t.local],
			PeerAddress: t.peerOuter, Link: t.link, GoogleIP: t.google, PeerIP: t.peer, SecretName: t.ref.Name + ".psk"})
	}
	return far, nil
}

func (x *exposure) secretBy() string {
	if x.spec.Route.VPN.Secrets.Directory != "" {
		return "beside this file, or by another way"
	}
	return "by another way"
}

// expected are the prefixes that the far side will learn: the control plane's
// range, the VPC's subnets that the routers announce, and what other exposures
// send over a line of causeway's own.
func (x *exposure) expected() []netip.Prefix {
	out := x.outgoing()
	for _, router := range x.routers {
		for _, subnet := range x.facts.subnets {
			if !x.announcesSubnets(router.Name, router.Region) || subnet.Region != router.Region && x.facts.network.RoutingMode != "GLOBAL" {
				continue
			}
			if subnet.Range.IsValid() && !slices.Contains(out, subnet.Range) {
				out = append(out, subnet.Range)
			}
		}
	}
	for _, router := range x.facts.lines.Routers {
		if router.Ref() != x.line.router {
			continue
		}
		for _, custom := range router.Advertise.Ranges {
			if len(routing.ParseMark(custom.Description).Exposures) > 0 && !slices.Contains(out, custom.Range) {
				out = append(out, custom.Range)
			}
		}
	}
	if want := x.facts.controlPlane(); !slices.ContainsFunc(out, func(p netip.Prefix) bool { return routing.Covers(p, want) }) {
		out = append(out, want)
	}
	return out
}

// outgoing are the ranges that no router announces by itself, as they go out: where
// somebody announces a wider one, that one does.
func (x *exposure) outgoing() []netip.Prefix {
	var out []netip.Prefix
	for _, want := range x.unannounced() {
		exact := false
		var wider []netip.Prefix
		for _, router := range x.facts.lines.Of(x.routers) {
			for _, r := range allRanges(router) {
				switch {
				case r.Range == want:
					exact = true
				case routing.Covers(r.Range, want) && len(routing.ParseMark(r.Description).Exposures) == 0:
					wider = append(wider, r.Range)
				}
			}
		}
		if exact || len(wider) == 0 {
			out = append(out, want)
		}
		for _, r := range wider {
			if !slices.Contains(out, r) {
				out = append(out, r)
			}
		}
	}
	return out
}

// announcesSubnets reports whether a router announces the VPC's own subnets.
func (x *exposure) announcesSubnets(name, region string) bool {
	for _, router := range x.facts.lines.Routers {
		if router.Name == name && router.Region == region {
			return router.Advertise.Mode != "CUSTOM" || slices.Contains(router.Advertise.Groups, "ALL_SUBNETS")
		}
	}
	return true // as it will be made
}
