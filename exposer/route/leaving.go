package route

import (
	"context"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// findLine looks, for a destroy that no record tells of a line, whether one stands
// that bears this exposure's mark: what Google holds decides, not a file.
func (x *exposure) findLine(ctx context.Context) error {
	if !x.deps.Leaving || x.spec.Route.VPN != nil {
		return nil
	}
	project, name := x.facts.ref.Project, "causeway-"+x.spec.Name
	found := exposer.VPN{Region: x.facts.cluster.Region(), Gateway: name, Router: name, Peer: exposer.PeerOther, ASN: exposer.DefaultASN, PeerASN: exposer.FarASN}
	seen := false
	for _, router := range x.facts.lines.Routers {
		if x.marked(router.Description) {
			seen, found.Region, found.Router = true, router.Region, router.Name
		}
	}
	tunnels, err := x.google.NetworkTunnels(ctx, project)
	if err != nil && !exposer.MissingRight(err) {
		return err
	}
	for _, t := range tunnels {
		if x.marked(t.Description) {
			seen, found.Region, found.Router, found.Gateway = true, t.Region, t.Router.Name, t.Gateway.Name
		}
	}
	if !seen {
		if seen, err = x.findGateways(ctx, gcp.Ref{Project: project, Region: found.Region, Name: name}); err != nil {
			return err
		}
	}
	if seen {
		x.spec.Route.VPN = &found
	}
	return nil
}

// findGateways looks for what a line begins with and ends with.
func (x *exposure) findGateways(ctx context.Context, ref gcp.Ref) (bool, error) {
	if ref.Region != "" {
		gateway, err := x.google.VPNGateway(ctx, ref)
		if exposer.MissingRight(err) {
			return false, nil // who may not look made none
		}
		if err != nil || gateway != nil && x.marked(gateway.Description) {
			return err == nil, err
		}
	}
	external, err := x.google.ExternalGateway(ctx, gcp.Ref{Project: ref.Project, Name: ref.Name})
	if exposer.MissingRight(err) {
		return false, nil
	}
	return external != nil && x.marked(external.Description), err
}
