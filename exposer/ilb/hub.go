package ilb

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

// hub is the network that the far side's line ends in, where that is another one
// than the cluster's: the load balancer's address is one peering away from it.
// The zero hub is none.
type hub struct {
	ref     gcp.Ref
	spoke   string // the peering's name in the cluster's network
	back    string // and in the hub
	mode    string // its dynamic routing mode
	lines   routing.Lines
	routers []gcp.Ref
	peers   []string // BGP peers with an advertised list of their own that need the subnet too
}

func (h hub) wanted() bool { return h.ref.Name != "" }

// readHub finds the hub, both ends of the peering, and the router that leads to
// the far side.
func (x *exposure) readHub(ctx context.Context) error {
	o := x.spec.ILB.Hub
	if o == nil || x.cluster.Name == "" {
		return nil
	}
	h := hub{ref: gcp.Ref{Project: x.cluster.Network.Project, Name: o.Network}}
	if at := strings.LastIndex(o.Network, "/"); at >= 0 {
		h.ref = gcp.Ref{Project: o.Network[:at], Name: o.Network[at+1:]}
	}
	if h.ref == x.cluster.Network {
		return x.refused(exposer.Problem{Code: "CW-HUB-PEERING", Text: "the hub " + h.ref.String() + " is the cluster's own network: no peering is to be crossed", Fix: "leave --hub-network out"})
	}
	var own, theirs gcp.Network
	if err := routing.Together(
		func() (err error) {
			own, err = x.google.Network(ctx, x.cluster.Network.Project, x.cluster.Network.Name)
			return
		},
		func() (err error) { theirs, err = x.google.Network(ctx, h.ref.Project, h.ref.Name); return },
		func() (err error) { h.lines, err = routing.ReadLines(ctx, x.google, h.ref); return },
	); err != nil {
		if x.deps.Leaving && gcp.NotFound(err) {
			x.deps.Note("the hub " + h.ref.String() + " can't be found any more; its settings went with it")
			return nil
		}
		return err
	}
	h.mode = theirs.RoutingMode
	h.spoke, h.back = detect.PeeringTo(own, h.ref), detect.PeeringTo(theirs, x.cluster.Network)
	if !x.deps.Leaving {
		if problems := detect.HubProblems(x.cluster, h.ref, own, theirs); len(problems) > 0 {
			return x.refused(problems...)
		}
		if err := h.lines.ReadStatus(ctx, x.google); err != nil {
			return err
		}
	}
	return x.chooseHubRouter(h)
}

// chooseHubRouter picks the hub's router that announces the load balancer's subnet.
func (x *exposure) chooseHubRouter(h hub) error {
	clients := x.spec.FarSide.Prefixes()
	routers, problems := h.lines.Pick(x.spec.ILB.Hub.Routers, clients, x.spec.Name, x.deps.Leaving)
	for i, problem := range problems {
		if problem.Code == "CW-ROUTE-NO-LINE" {
			problems[i].Fix = "name the network that the far side's line ends in with --hub-network"
		}
	}
	h.routers = routers
	peers, more := h.lines.CustomPeers(routers, nil, clients, x.hubRanges())
	h.peers, problems = peers, append(problems, more...)
	problems = append(problems, detect.HubRegionProblems(x.region, h.ref, h.mode, routers, x.spec.ILB.GlobalAccess)...)
	if len(problems) > 0 && !x.deps.Leaving {
		return x.refused(problems...)
	}
	kept := *x.spec.ILB.Hub
	kept.Network, kept.Routers = h.ref.String(), nil
	for _, router := range routers {
		kept.Routers = append(kept.Routers, router.Region+"/"+router.Name)
	}
	part := *x.spec.ILB
	part.Hub = &kept
	x.spec.ILB, x.hub = &part, h
	return nil
}

func (x *exposure) refused(problems ...exposer.Problem) error {
	return &exposer.PreconditionError{Verb: "expose " + x.spec.Cluster.Name + " by ilb", Problems: problems}
}

func (x *exposure) hubRanges() []netip.Prefix {
	if !x.subnet.Range.IsValid() {
		return nil // leaving: what bears the mark goes, whatever it was
	}
	return []netip.Prefix{x.subnet.Range}
}

// hubSteps are the settings by which hub and cluster's network tell each other
// their ways, and the far side hears of the load balancer's subnet. Google takes
// one peering operation at a time on a network.
func (x *exposure) hubSteps() []exposer.Step {
	h := x.hub
	if !h.wanted() {
		return nil
	}
	var steps []exposer.Step
	var after []string
	add := func(network gcp.Ref, name, note string) {
		if name == "" {
			return
		}
		step := &routing.Peering{Google: x.google, Network: network, Name: name, Export: true, Import: true, Note: note,
			Leaving: x.deps.Leaving, After: after, StillNeeded: x.hubStillNeeded}
		steps, after = append(steps, step), []string{step.ID()}
	}
	add(h.ref, h.back, "the hub passes on what it learned of the far side")
	add(x.cluster.Network, h.spoke, "answers to the far side find the hub")
	for _, router := range h.routers {
		steps = append(steps, &routing.Advertisement{Google: x.google, Exposure: x.spec.Name, Router: router, Ranges: x.hubRanges(), Peers: h.peers,
			About: "subnets of a peered network are not announced by themselves", Leaving: x.deps.Leaving})
	}
	return steps
}

// hubStillNeeded names other exposures that come by the same hub: the hub's
// routers announce ranges with their mark.
func (x *exposure) hubStillNeeded(ctx context.Context) (string, error) {
	lines, err := routing.ReadLines(ctx, x.google, x.hub.ref)
	if err != nil {
		return "", err
	}
	return strings.Join(lines.Others(x.spec.Name, func(netip.Prefix) bool { return true }), ", "), nil
}

// hubChecks look for rights on the hub's project and on the cluster's network.
func (x *exposure) hubChecks() []exposer.Precheck {
	if !x.hub.wanted() {
		return nil
	}
	peering := []string{"compute.networks.get", "compute.networks.updatePeering", "compute.globalOperations.get"}
	routers := []string{"compute.routers.get", "compute.routers.list", "compute.routers.update", "compute.regionOperations.get"}
	own, theirs := x.cluster.Network.Project, x.hub.ref.Project
	if own == theirs {
		return []exposer.Precheck{exposer.CheckPermissions(x.google, own, slices.Concat(peering, routers))}
	}
	return []exposer.Precheck{exposer.CheckServices(x.google, theirs, services[:1]), exposer.CheckPermissions(x.google, own, peering),
		exposer.CheckPermissions(x.google, theirs, slices.Concat(peering, routers))}
}
