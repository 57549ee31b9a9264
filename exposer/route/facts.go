package route

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// facts are what Google says of the cluster's network; reading them changes
// nothing.
type facts struct {
	cluster gcp.Cluster // zero when it is gone
	ref     gcp.Ref     // of the network that the line ends in
	network gcp.Network
	subnets []gcp.Subnetwork
	lines   routing.Lines
	sharing []string       // other clusters behind the same peering
	alone   bool           // it is known whether there are any
	masters []netip.Prefix // the ranges of all clusters behind it
	service []netip.Prefix // what lies behind the service peering, when it is asked for
	hubs    []string       // peered networks, as PROJECT/NAME
}

// readCluster asks for the cluster, and so for the network.
func (x *exposure) readCluster(ctx context.Context) error {
	c, f := x.spec.Cluster, &x.facts
	cluster, err := x.google.Cluster(ctx, c.Project, c.Location, c.Name)
	if gcp.NotFound(err) && x.deps.Leaving {
		x.deps.Note("the cluster does not exist any more; what it held is gone with it")
		cluster, err = gcp.Cluster{}, nil
	}
	if err != nil {
		return err
	}
	f.cluster, f.ref = cluster, cluster.Network
	if x.spec.Route.Network != "" {
		f.ref = networkRef(x.spec.Route.Network, cmp.Or(cluster.Network.Project, c.Project))
	}
	if f.ref.Name == "" {
		return refusal("CW-GCP-NOT-FOUND", "find network: the cluster is gone, and no record says which network it was in; name it with --network PROJECT/NAME")
	}
	return nil
}

// networkRef reads PROJECT/NAME or NAME.
func networkRef(text, project string) gcp.Ref {
	if at := strings.LastIndex(text, "/"); at >= 0 {
		return gcp.Ref{Project: text[:at], Name: text[at+1:]}
	}
	return gcp.Ref{Project: project, Name: text}
}

// readNetwork reads everything else, at the same time where nothing waits for
// another.
func (x *exposure) readNetwork(ctx context.Context) error {
	f := &x.facts
	err := routing.Together(
		func() (err error) { f.network, err = x.google.Network(ctx, f.ref.Project, f.ref.Name); return },
		func() (err error) { f.lines, err = routing.ReadLines(ctx, x.google, f.ref); return },
		func() (err error) { f.subnets, err = x.google.Subnetworks(ctx, f.ref); return },
		func() error { return x.readSharing(ctx) },
	)
	if err != nil {
		return err
	}
	for _, peering := range f.network.Peerings {
		f.hubs = append(f.hubs, peering.Network.String())
	}
	if x.deps.Leaving {
		return nil
	}
	return routing.Together(func() error { return f.lines.ReadStatus(ctx, x.google) }, func() error { return x.readService(ctx) })
}

// readSharing finds who else is behind the control plane's peering. Who may not
// list clusters is told nothing, not stopped.
func (x *exposure) readSharing(ctx context.Context) error {
	f := &x.facts
	if f.cluster.PeeringName == "" {
		return nil
	}
	clusters, _, err := x.google.Clusters(ctx, f.cluster.Project, "-")
	if exposer.MissingRight(err) {
		x.deps.Note("may not list the project's clusters: whether others share the control plane's peering is not known")
		f.alone = false
		f.masters = append(f.masters, f.cluster.MasterCIDR)
		return nil
	}
	f.alone = err == nil
	for _, c := range clusters {
		if c.PeeringName != f.cluster.PeeringName || c.Network != f.cluster.Network {
			continue
		}
		f.masters = append(f.masters, c.MasterCIDR)
		if c.Name != f.cluster.Name || c.Location != f.cluster.Location {
			f.sharing = append(f.sharing, c.Name+" ("+c.Location+")")
		}
	}
	return err
}

// readService asks what lies behind the service peering: to be of use to the far
// side, it must be announced too.
func (x *exposure) readService(ctx context.Context) error {
	f := &x.facts
	if !x.spec.Route.ServicePeering || f.cluster.Name == "" || !f.hasPeering(detect.ServicePeering) {
		return nil
	}
	routes, err := x.google.PeeringRoutes(ctx, f.ref, detect.ServicePeering, f.cluster.Region(), "INCOMING")
	for _, r := range routes {
		if !slices.Contains(f.service, r.Range) {
			f.service = append(f.service, r.Range)
		}
	}
	return err
}

func (f facts) hasPeering(name string) bool {
	return slices.ContainsFunc(f.network.Peerings, func(p gcp.Peering) bool { return p.Name == name })
}

// controlPlane is the range that the control plane's address lies in: the
// cluster's own range behind a peering, the one address in a subnet otherwise.
func (f facts) controlPlane() netip.Prefix {
	return detect.ControlPlane(f.cluster)
}

// inSubnets is the control plane's address where it lies in a subnet of the
// network, which a router announces unless it was told otherwise; ranges behind
// peerings no router announces by itself.
func (f facts) inSubnets() []netip.Prefix {
	if f.cluster.PeeringName != "" || !f.controlPlane().IsValid() {
		return nil
	}
	return []netip.Prefix{f.controlPlane()}
}

// toAnnounce are the ranges that the far side has to hear of.
func (f facts) toAnnounce() []netip.Prefix {
	var ranges []netip.Prefix
	if f.controlPlane().IsValid() {
		ranges = append(ranges, f.controlPlane())
	}
	return append(ranges, f.service...)
}

// enforced reports whether the authorized networks count for the private
// address: behind a peering they do whenever they are on, at an endpoint in the
// VPC where that is switched on.
func (f facts) enforced() bool {
	return detect.Enforced(f.cluster)
}

func (f facts) authorizedFact() string {
	a := f.cluster.Authorized
	switch {
	case !a.Enabled:
		return "networks are not limited"
	case !f.enforced():
		return fmt.Sprintf("networks in the list: %d, not enforced on the private address", len(a.CIDRs))
	}
	return fmt.Sprintf("networks in the list: %d, enforced on the private address", len(a.CIDRs))
}

// prefixOf is an address with its link's mask, which Google wants untruncated.
func prefixOf(addr netip.Addr, link netip.Prefix) netip.Prefix {
	return netip.PrefixFrom(addr, link.Bits())
}
