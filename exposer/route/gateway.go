package route

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// routerStep is the Cloud Router that the line's sessions end at; one that is
// there already is used and left.
func (x *exposure) routerStep() *exposer.Resource {
	ref := x.line.router
	return &exposer.Resource{
		Name: x.routerID(), Leaving: x.deps.Leaving, Adopt: true,
		About: fmt.Sprintf("Cloud Router %s in %s, ASN %d", ref.Name, ref.Region, x.spec.Route.VPN.ASN),
		Find: func(ctx context.Context) (*exposer.Found, error) {
			router, err := x.google.Router(ctx, ref)
			if err != nil || router == nil {
				return nil, err
			}
			found := &exposer.Found{Ours: x.marked(router.Description)}
			if router.Network != x.facts.ref.Name {
				found.Unfit = refusal("CW-ROUTE-ROUTER", "router %s belongs to network %s, not to %s", router.Name, router.Network, x.facts.ref.Name)
			}
			if others := onRouter(*router, x.spec.Name); len(others) > 0 {
				found.Keep = "it carries what causeway did not put there: " + strings.Join(others, ", ")
			}
			return found, nil
		},
		Make: func(ctx context.Context, note func(string)) error {
			return x.google.CreateRouter(ctx, x.wantedRouter(), note)
		},
		Remove: func(ctx context.Context, note func(string)) error { return x.google.DeleteRouter(ctx, ref, note) },
	}
}

func (x *exposure) routerID() string {
	return "router/" + x.line.router.Region + "/" + x.line.router.Name
}

// wantedRouter is the router as it is made: what it announces is there from the
// start.
func (x *exposure) wantedRouter() gcp.Router {
	ref := x.line.router
	router := gcp.Router{Project: ref.Project, Region: ref.Region, Name: ref.Name, Network: x.facts.ref.Name,
		Description: x.description(), ASN: x.spec.Route.VPN.ASN, Advertise: gcp.Advertisement{Mode: "DEFAULT"}}
	ranges := x.unannounced()
	if len(ranges) > 0 {
		router.Advertise = gcp.Advertisement{Mode: "CUSTOM", Groups: []string{"ALL_SUBNETS"}}
	}
	for _, r := range ranges {
		router.Advertise.Ranges = append(router.Advertise.Ranges, gcp.AdvertisedRange{Range: r, Description: x.description()})
	}
	return router
}

// onRouter lists what is on a router that is not this exposure's: with it, the
// router is not deleted.
func onRouter(router gcp.Router, exposure string) []string {
	var others []string
	for _, nat := range router.NATs {
		others = append(others, "Cloud NAT "+nat.Name)
	}
	for _, i := range router.Interfaces {
		if !ownTunnel(i, exposure, 4) {
			others = append(others, "interface "+i.Name)
		}
	}
	for _, r := range allRanges(router) {
		if mark := routing.ParseMark(r.Description); len(mark.Without(exposure).Exposures) > 0 || len(mark.Exposures) == 0 {
			others = append(others, "advertised range "+r.Range.String())
		}
	}
	return others
}

// gatewayStep is Google's end of the VPN.
func (x *exposure) gatewayStep() *exposer.Resource {
	ref := x.line.gateway
	return &exposer.Resource{
		Name: x.gatewayID(), Leaving: x.deps.Leaving, Adopt: true,
		About: fmt.Sprintf("HA VPN gateway %s in %s", ref.Name, ref.Region),
		Why:   "Google gives it two outside addresses, which the far side needs",
		Find: func(ctx context.Context) (*exposer.Found, error) {
			gateway, err := x.google.VPNGateway(ctx, ref)
			if err != nil || gateway == nil {
				return nil, err
			}
			found := &exposer.Found{Ours: x.marked(gateway.Description), Why: addrs(gateway.Interfaces)}
			if gateway.Network != x.facts.ref.Name {
				found.Unfit = refusal("CW-RUN-FOREIGN", "VPN gateway %s belongs to network %s, not to %s", gateway.Name, gateway.Network, x.facts.ref.Name)
			}
			return found, nil
		},
		Make: func(ctx context.Context, note func(string)) error {
			_, err := x.google.CreateVPNGateway(ctx, gcp.VPNGateway{Project: ref.Project, Region: ref.Region, Name: ref.Name,
				Network: x.facts.ref.Name, Description: x.description()}, note)
			return err
		},
		Remove: func(ctx context.Context, note func(string)) error { return x.google.DeleteVPNGateway(ctx, ref, note) },
	}
}

func (x *exposure) gatewayID() string {
	return "vpn-gateway/" + x.line.gateway.Region + "/" + x.line.gateway.Name
}

// externalStep tells Google of the far side's gateway.
func (x *exposure) externalStep() *exposer.Resource {
	ref := x.line.external
	return &exposer.Resource{
		Name: x.externalID(), Leaving: x.deps.Leaving,
		About: fmt.Sprintf("the far side's gateway %s: %s", ref.Name, strings.Join(x.line.spec.PeerAddresses, ", ")),
		Find: func(ctx context.Context) (*exposer.Found, error) {
			gateway, err := x.google.ExternalGateway(ctx, ref)
			if err != nil || gateway == nil {
				return nil, err
			}
			found := &exposer.Found{Ours: x.marked(gateway.Description)}
			if found.Ours && !sameAddrs(gateway.Interfaces, x.line.spec.PeerAddresses) {
				found.Unfit = fixed("the far side's gateway %s has the addresses %s", gateway.Name, addrs(gateway.Interfaces))
			}
			return found, nil
		},
		Make: func(ctx context.Context, note func(string)) error {
			wanted := gcp.ExternalGateway{Project: ref.Project, Name: ref.Name, Description: x.description()}
			for _, text := range x.line.spec.PeerAddresses {
				wanted.Interfaces = append(wanted.Interfaces, netip.MustParseAddr(text))
			}
			return x.google.CreateExternalGateway(ctx, wanted, note)
		},
		Remove: func(ctx context.Context, note func(string)) error {
			return x.google.DeleteExternalGateway(ctx, ref, note)
		},
	}
}

func (x *exposure) externalID() string { return "external-vpn-gateway/" + x.line.external.Name }

// fixed is the refusal to change what Google can't change.
func fixed(format string, args ...any) error {
	return refusal("CW-VPN-FIXED", format+": Google can't change that in place; destroy the exposure and apply it again", args...)
}

func addrs(list []netip.Addr) string {
	texts := make([]string, len(list))
	for i, addr := range list {
		texts[i] = addr.String()
	}
	return strings.Join(texts, ", ")
}
