package route

import (
	"context"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// Steps implements exposer.Exposure: what the spec wants, and last the end of what
// earlier specs left.
func (x *exposure) Steps() []exposer.Step {
	wanted := x.wanted()
	if x.deferred != nil && !x.deps.Leaving { // what causeway itself may come by stays until the new way is open
		return wanted
	}
	steps := slices.Concat(wanted, x.leftovers)
	return append(steps, x.earlier(steps)...)
}

// wanted are the line, the router's announcement, the peering, admission to the
// control plane, and the client's account. Only what stands on another waits for it.
func (x *exposure) wanted() []exposer.Step {
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
	return append(append(steps, namespace), x.access...)
}

func (x *exposure) advertisement(router gcp.Ref) *routing.Advertisement {
	// Peers of the same name on another router may lead elsewhere.
	peers, _ := x.facts.lines.CustomPeers([]gcp.Ref{router}, x.spec.Route.BGPPeers, x.clients(), nil)
	peers = append(peers, x.stayingPeers(router)...)
	step := &routing.Advertisement{Google: x.google, Exposure: x.spec.Name, Router: router, Ranges: x.ranges, Subnets: x.facts.inSubnets(), Peers: peers,
		About: x.aboutRanges(), Sweep: x.record.Version != 0, Leaving: x.deps.Leaving}
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
		step := x.peering(name)
		step.Export, step.Import, step.Note = asked, asked && x.spec.Route.ImportCustomRoutes, note
		steps = append(steps, step)
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

// peering is the setting of one of the network's peerings.
func (x *exposure) peering(name string) *routing.Peering {
	return &routing.Peering{Google: x.google, Network: x.facts.ref, Name: name, Leaving: x.deps.Leaving, StillNeeded: x.stillNeeded,
		HandOver: x.handOver(func(other exposer.Spec) bool {
			return other.Method == "route" && other.Route != nil && other.Route.Network == x.spec.Route.Network
		})}
}

// handOver gives a setting's old value to the record of another exposure that needs
// the setting.
func (x *exposure) handOver(needs func(exposer.Spec) bool) func(context.Context, string, json.RawMessage) (string, error) {
	return func(ctx context.Context, step string, old json.RawMessage) (string, error) {
		if x.deps.HandOver == nil {
			return "", nil
		}
		x.estate.Lock() // settings are undone at the same time, and a record is written whole
		defer x.estate.Unlock()
		return x.deps.HandOver(ctx, x.kube, x.spec, exposer.Estate{Step: step, Old: old, Needs: needs, At: x.deps.Now()})
	}
}

// stillNeeded names the other exposures by route that come by the same peering:
// what is announced bears their mark, and where others announced it before, the
// records of this cluster's exposures tell.
func (x *exposure) stillNeeded(ctx context.Context) (string, error) {
	lines, err := routing.ReadLines(ctx, x.google, x.facts.ref)
	if err != nil {
		return "", err
	}
	behind := slices.Concat(x.facts.masters, x.facts.service)
	others := lines.Others(x.spec.Name, func(r netip.Prefix) bool { return !x.facts.alone || slices.Contains(behind, r) })
	return x.withSiblings(ctx, others, func(exposer.Spec) bool { return true })
}

// withSiblings adds the other exposures by route of this cluster to a list of names.
func (x *exposure) withSiblings(ctx context.Context, others []string, needs func(exposer.Spec) bool) (string, error) {
	if x.deps.Siblings != nil {
		siblings, err := x.deps.Siblings(ctx, x.kube, x.spec)
		if err != nil {
			return "", err
		}
		for _, other := range siblings {
			if name := "exposure " + other.Name; other.Method == "route" && needs(other) && !slices.Contains(others, name) {
				others = append(others, name)
			}
		}
	}
	return strings.Join(others, ", "), nil
}

func allRanges(router gcp.Router) []gcp.AdvertisedRange {
	all := slices.Clone(router.Advertise.Ranges)
	for _, peer := range router.Peers {
		all = append(all, peer.Advertise.Ranges...)
	}
	return all
}
