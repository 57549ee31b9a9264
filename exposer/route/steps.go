package route

import (
	"context"
	"net/netip"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// Steps implements exposer.Exposure: the line, the router's announcement, the
// peering, admission to the control plane, and the client's account. Only what
// stands on another waits for it.
func (x *exposure) Steps() []exposer.Step {
	steps := x.line.steps(x)
	for _, router := range x.routers {
		steps = append(steps, x.advertisement(router))
	}
	if x.line.made() && (len(x.line.spec.PeerAddresses) > 0 || x.deps.Leaving) {
		steps = append(steps, x.sessions())
	}
	steps = append(steps, x.peerings()...)
	steps = append(steps, x.admission()...)
	if x.deferred != nil {
		return steps
	}
	// Where causeway itself comes by this way, the cluster's part is made when it
	// is open, and taken away before it closes.
	namespace := exposer.NamespaceStep(x.kube, x.spec)
	for _, step := range steps {
		namespace.After = append(namespace.After, step.ID())
	}
	return slices.Concat(append(steps, namespace), x.access, x.leftovers)
}

func (x *exposure) advertisement(router gcp.Ref) *routing.Advertisement {
	// Peers of the same name on another router may lead elsewhere.
	peers, _ := x.facts.lines.CustomPeers([]gcp.Ref{router}, x.spec.Route.BGPPeers, x.clients(), nil)
	step := &routing.Advertisement{Google: x.google, Exposure: x.spec.Name, Router: router, Ranges: x.ranges, Subnets: x.facts.inSubnets(), Peers: peers,
		About: x.aboutRanges(), Leaving: x.deps.Leaving}
	if x.line.made() {
		step.Own, step.After = true, []string{x.routerID()}
		step.Goes = func(router gcp.Router) bool {
			return x.marked(router.Description) && len(onRouter(router, x.spec.Name)) == 0
		}
	}
	return step
}

func (x *exposure) aboutRanges() string {
	about := "routes learned over a peering are not announced by themselves"
	if x.facts.cluster.PeeringName == "" {
		about = "the subnets are not announced there"
	}
	return about
}

// peerings are the settings of the control plane's peering and, when asked for,
// of private services access.
func (x *exposure) peerings() []exposer.Step {
	var steps []exposer.Step
	add := func(name, note string, asked bool) {
		steps = append(steps, &routing.Peering{Google: x.google, Network: x.facts.ref, Name: name, Export: asked, Import: asked && x.spec.Route.ImportCustomRoutes,
			Note: note, Leaving: x.deps.Leaving, StillNeeded: x.stillNeeded})
	}
	if name := x.facts.cluster.PeeringName; name != "" {
		note := "without it the control plane knows no way back"
		if len(x.facts.sharing) > 0 {
			note += "; shared with " + strings.Join(x.facts.sharing, ", ") + ", for which it counts too"
		}
		add(name, note, true)
	}
	if x.spec.Route.ServicePeering || x.deps.Leaving && x.facts.hasPeering(detect.ServicePeering) { // an earlier spec may have asked
		add(detect.ServicePeering, "without it the managed services know no way back", x.spec.Route.ServicePeering)
	}
	return steps
}

// stillNeeded names another exposure by route whose range is behind the same
// peering: what is announced bears its mark.
func (x *exposure) stillNeeded(ctx context.Context) (string, error) {
	lines, err := routing.ReadLines(ctx, x.google, x.facts.ref)
	if err != nil {
		return "", err
	}
	behind := slices.Concat(x.facts.masters, x.facts.service)
	others := lines.Others(x.spec.Name, func(r netip.Prefix) bool { return !x.facts.alone || slices.Contains(behind, r) })
	return strings.Join(others, ", "), nil
}

func allRanges(router gcp.Router) []gcp.AdvertisedRange {
	all := slices.Clone(router.Advertise.Ranges)
	for _, peer := range router.Peers {
		all = append(all, peer.Advertise.Ranges...)
	}
	return all
}
