package gcptest

import (
	"net/netip"
	"slices"
	"strings"
)

// Fabric is what the configuration means for packets: which tunnels and sessions
// there are and how they do, which routes each network has, and what each control
// plane lets in. getRouterStatus and listPeeringRoutes answer from it; a lab acts
// on it.
type Fabric struct {
	Tunnels  []TunnelLive
	Sessions []SessionLive
	Networks []NetworkView
	Clusters []ClusterView
}

// TunnelLive is a tunnel whose creation has ended, and its state.
type TunnelLive struct {
	TunnelView
	TunnelState
}

// SessionLive is a BGP session and its state.
type SessionLive struct {
	SessionView
	SessionState
}

// NetworkView is a VPC network.
type NetworkView struct {
	Path        string
	RoutingMode string         // REGIONAL or GLOBAL
	Subnets     []netip.Prefix // primary and secondary ranges
	Dynamic     []Dynamic
	Static      []Static // for all machines: without tags
	Peerings    []PeeringView
}

// Static is a static route; the route of the lower priority goes before others to
// the same range.
type Static struct {
	Range    netip.Prefix
	Priority uint32
}

// Dynamic is a route that a session has learned. In a REGIONAL network it counts
// in Region alone, in a GLOBAL one everywhere.
type Dynamic struct {
	Range   netip.Prefix
	Region  string // of the router
	Session string // SessionView.Key
}

// PeeringView is one side of a VPC peering.
type PeeringView struct {
	Name                   string
	Network                string // path of the other side
	Export, Import, Active bool   // custom routes
}

// ClusterView is who may reach a control plane, and where it is.
type ClusterView struct {
	Path, Region        string
	Network             string       // path
	Peering             string       // "" means Private Service Connect
	ControlPlane        netip.Prefix // peering: the master range; PSC: the endpoint alone
	Endpoint            netip.Addr
	GlobalAccess        bool
	AuthorizedOnPrivate bool // Authorized counts for the private endpoint
	Authorized          []netip.Prefix
}

// learnedLimit is how many unique learned prefixes count in a region, those of its
// own routers and those of other regions' each; of more, the longest masks are
// dropped (cloud.google.com/network-connectivity/docs/router/quotas).
const learnedLimit = 250

// Fabric tells what the state means for packets just now.
func (s *Server) Fabric() Fabric {
	s.mu.Lock()
	s.settle()
	w := s.wiring()
	s.mu.Unlock()
	return w.ask()
}

// Changed is closed at the next change of state.
func (s *Server) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// fabric is Fabric for a handler, which holds mu: it lets go of it while it asks
// the line.
func (s *Server) fabric() Fabric {
	w := s.wiring()
	s.mu.Unlock()
	defer s.mu.Lock()
	return w.ask()
}

// wiring is a Fabric before the line was asked.
type wiring struct {
	Fabric
	line   Line
	up     map[string]bool           // attachments that carry packets
	custom map[string][]netip.Prefix // session -> what counts as learned by configuration
}

// wiring copies what Line has to be asked about. The caller holds mu.
func (s *Server) wiring() wiring {
	w := wiring{line: s.line, up: map[string]bool{}, custom: map[string][]netip.Prefix{}}
	var routers []string
	for at, o := range s.objects {
		switch parts := strings.Split(at, "/"); {
		case len(parts) == 5 && parts[3] == "networks":
			w.Networks = append(w.Networks, s.networkView(at, o))
		case len(parts) != 6:
		case parts[4] == "vpnTunnels" && text(o, "status") != provisioning:
			w.Tunnels = append(w.Tunnels, TunnelLive{TunnelView: s.tunnelView(at, o)})
		case parts[4] == "interconnectAttachments":
			w.up[at] = text(o, "state") == "ACTIVE" && text(o, "operationalStatus") == "OS_ACTIVE"
		case parts[4] == "clusters":
			w.Clusters = append(w.Clusters, clusterView(at, o))
		case parts[4] == "routers":
			routers = append(routers, at)
		}
	}
	slices.SortFunc(w.Networks, func(a, b NetworkView) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(w.Tunnels, func(a, b TunnelLive) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(w.Clusters, func(a, b ClusterView) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(routers)
	for _, at := range routers {
		s.wireRouter(&w, at, s.objects[at])
	}
	return w
}

// ask asks the line how each tunnel and session does, and adds what follows.
func (w wiring) ask() Fabric {
	for i, one := range w.Tunnels {
		w.Tunnels[i].TunnelState = w.line.Tunnel(one.TunnelView)
		w.up[one.Path] = w.Tunnels[i].Status == established
	}
	learned := map[string][]Dynamic{} // by network
	for i := range w.Sessions {
		one := &w.Sessions[i]
		one.TunnelUp = w.up[one.Tunnel+one.Attachment]
		one.SessionState = w.line.Session(one.SessionView)
		if !one.Up || !one.Enabled {
			continue
		}
		for _, prefix := range slices.Concat(one.Learned, w.custom[one.Key()]) {
			learned[one.Network] = append(learned[one.Network], Dynamic{prefix, one.Region, one.Key()})
		}
	}
	for i, network := range w.Networks {
		w.Networks[i].Dynamic = limit(learned[network.Path], func(d Dynamic) string { return d.Region })
	}
	return w.Fabric
}

// limit keeps what the quota of unique prefixes leaves in each group.
func limit(routes []Dynamic, group func(Dynamic) string) []Dynamic {
	unique := map[string][]netip.Prefix{}
	seen := map[Dynamic]bool{}
	for _, route := range routes {
		if key := (Dynamic{route.Range, group(route), ""}); !seen[key] {
			seen[key] = true
			unique[group(route)] = append(unique[group(route)], route.Range)
		}
	}
	for name, ranges := range unique {
		if len(ranges) <= learnedLimit {
			continue
		}
		slices.SortFunc(ranges, func(a, b netip.Prefix) int {
			if a.Bits() != b.Bits() {
				return a.Bits() - b.Bits()
			}
			return a.Addr().Compare(b.Addr())
		})
		for _, dropped := range ranges[learnedLimit:] {
			delete(seen, Dynamic{dropped, name, ""})
		}
	}
	return slices.DeleteFunc(slices.Clone(routes), func(d Dynamic) bool { return !seen[Dynamic{d.Range, group(d), ""}] })
}

// effective are the dynamic routes that count in a region of the network.
func (n NetworkView) effective(region string) []Dynamic {
	var own, other []Dynamic
	for _, route := range n.Dynamic {
		switch {
		case route.Region == region:
			own = append(own, route)
		case n.RoutingMode == "GLOBAL":
			other = append(other, route)
		}
	}
	return append(own, limit(other, func(Dynamic) string { return "" })...)
}
