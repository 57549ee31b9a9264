// Package dataplane makes packets go as the emulator's configuration says: it
// follows the emulator's Fabric and has links, BGP speakers, routes and filters in
// the network namespaces match, and as the emulator's Line it tells how tunnels and
// sessions really do. It decides nothing about the configuration itself.
//
// A Plan is pure: from a Fabric and the far side's half to what there is to be. A
// Plane puts it in place.
//
//	p := dataplane.New(dataplane.Options{Line: topology.LineVPN, Google: server, Spaces: spaces, ...})
//	server.SetLine(p)
//	go p.Run(ctx)
package dataplane

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"causeway/internal/gcptest"
	"causeway/lab/netns"
	"causeway/lab/topology"
)

// Far is the far side's half, as its engineer configured it from what was handed
// over.
type Far struct {
	// Bird is the configuration of the far side's router.
	Bird string `json:"bird"`
	// Keys are the pre-shared keys, by the tunnel's name or Google's outside
	// address; the name counts first.
	Keys map[string]string `json:"keys"`
	// Addresses are the far side's outside addresses; none stands for all.
	Addresses []netip.Addr `json:"addresses,omitempty"`
}

// Link is a tunnel as a link between far and a network; both ends bear its name.
type Link struct {
	Name        string
	Tunnel      string // path
	Namespace   string // of Google's end
	Region      string
	Google, Far netip.Prefix // inside addresses; invalid until the router has the interface
}

// Want is what there is to be in the namespaces.
type Want struct {
	Links   []Link
	Routers map[string]string        // bird's configuration, by namespace
	Routes  map[string][]netns.Route // by namespace
	Filters map[string]string        // iptables-restore's input, by namespace
}

// Plan says what the Fabric and the far side's half (nil: none) mean. numbers says
// which tunnel has which link (see Number).
func Plan(line topology.Line, f gcptest.Fabric, far *Far, numbers map[string]int) Want {
	w := Want{Routers: map[string]string{}, Routes: map[string][]netns.Route{}, Filters: map[string]string{}}
	for _, t := range f.Tunnels {
		n, numbered := numbers[t.Path]
		namespace := topology.NamespaceOf(t.Network)
		if !numbered || !slices.Contains(line.Namespaces(), namespace) || match(far, t.TunnelView) != matched {
			continue
		}
		l := Link{Name: topology.TunnelName(n), Tunnel: t.Path, Namespace: namespace, Region: t.Region}
		for _, s := range f.Sessions {
			if s.Tunnel == t.Path && s.Link.IsValid() {
				l.Google = s.Link
				l.Far = netip.PrefixFrom(s.PeerIP, s.Link.Bits())
			}
		}
		w.Links = append(w.Links, l)
	}
	for _, namespace := range line.Namespaces() {
		if namespace == topology.VPC || namespace == topology.Hub {
			w.Routers[namespace] = routerConfig(namespace, w.sessions(f, namespace))
		}
	}
	w.routes(line, f)
	w.Filters[topology.VPC] = filter(f, w.Links)
	return w
}

// Number gives each tunnel the number of its link: the one at the end of its name
// where it is free (tunnel "x-2" is cw2, as the far side's configuration has it),
// else the lowest that is. A tunnel keeps its number; had is what they had before.
func Number(had map[string]int, tunnels []gcptest.TunnelLive) map[string]int {
	numbers, taken := map[string]int{}, map[int]bool{}
	give := func(path string, n int) { numbers[path], taken[n] = n, true }
	for _, t := range tunnels {
		if n, ok := had[t.Path]; ok {
			give(t.Path, n)
		}
	}
	for _, t := range tunnels {
		_, done := numbers[t.Path]
		if n, ok := ending(t.Name); ok && !done && !taken[n] {
			give(t.Path, n)
		}
	}
	for _, t := range tunnels {
		if _, done := numbers[t.Path]; done {
			continue
		}
		n := 0
		for taken[n] {
			n++
		}
		give(t.Path, n)
	}
	return numbers
}

// ending reads "-N" at the end of a name, of one digit.
func ending(name string) (int, bool) {
	at := len(name) - 2
	if at < 0 || name[at] != '-' || name[at+1] < '0' || name[at+1] > '9' {
		return 0, false
	}
	return int(name[at+1] - '0'), true
}

// sessions are those that run in a namespace: enabled, over a link that is there.
func (w Want) sessions(f gcptest.Fabric, namespace string) []session {
	var list []session
	for _, s := range f.Sessions {
		for _, l := range w.Links {
			if s.Enabled && l.Tunnel == s.Tunnel && l.Namespace == namespace && s.LocalIP.IsValid() && s.PeerIP.IsValid() {
				list = append(list, session{s.SessionView, l.Name})
			}
		}
	}
	return list
}

// routes says what each network's kernel knows of the others beyond what it always
// knows.
func (w *Want) routes(line topology.Line, f gcptest.Fabric) {
	vpc, hub := networkAt(f, topology.VPC), networkAt(f, topology.Hub)
	// Subnet routes go before dynamic ones, whatever their length: what the far side
	// announces within them does not count.
	fixed := append(slices.Clone(vpc.Subnets), topology.MasterCIDR)
	var shared gcptest.PeeringView // of the VPC with the hub
	var back gcptest.PeeringView   // of the hub with the VPC
	if line == topology.LineHub {
		shared, back = peeringTo(vpc, hub.Path), peeringTo(hub, vpc.Path)
		if shared.Active && back.Active {
			fixed = append(fixed, hub.Subnets...)
		}
	}
	learned := w.learned(f, vpc, fixed)
	away := elsewhere(vpc, learned, fixed)
	w.add(topology.VPC, away, netip.Addr{}) // before what was learned to the same range
	w.add(topology.VPC, learned, topology.NodeIP)
	if exported(f, vpc) {
		w.add(topology.Master, through(learned, topology.Peering.A.Address.Addr()), topology.MasterIP)
	}
	if line != topology.LineHub {
		return
	}
	ofHub := w.learned(f, hub, append(slices.Clone(hub.Subnets), vpc.Subnets...))
	w.add(topology.Hub, ofHub, topology.HubHost)
	if !shared.Active || !back.Active {
		return
	}
	hubEnd, vpcEnd := topology.HubPeering.A.Address.Addr(), topology.HubPeering.B.Address.Addr()
	w.add(topology.Hub, through(over(vpc.Subnets), vpcEnd), topology.HubHost)
	w.add(topology.VPC, through(over(hub.Subnets), hubEnd), topology.NodeIP)
	if back.Export && shared.Import {
		w.add(topology.VPC, through(without(ofHub, fixed), hubEnd), topology.NodeIP)
	}
}

// add adds routes to a namespace, but for prefixes that it has a route to already:
// the first is the nearest.
func (w *Want) add(namespace string, routes []netns.Route, source netip.Addr) {
	for _, r := range routes {
		r.Source = source
		if !slices.ContainsFunc(w.Routes[namespace], func(had netns.Route) bool { return had.To == r.To }) {
			w.Routes[namespace] = append(w.Routes[namespace], r)
		}
	}
}

// learned are the dynamic routes of a network that count in the region of the
// cluster and of its node, without those within its subnet routes. Routes of the
// region itself go before those of others.
func (w *Want) learned(f gcptest.Fabric, n gcptest.NetworkView, fixed []netip.Prefix) []netns.Route {
	own, other := map[netip.Prefix][]netip.Addr{}, map[netip.Prefix][]netip.Addr{}
	for _, d := range n.Dynamic {
		hop, ok := w.hop(f, d.Session)
		switch {
		case !ok:
		case d.Region == topology.Region:
			own[d.Range.Masked()] = append(own[d.Range.Masked()], hop)
		case n.RoutingMode == "GLOBAL":
			other[d.Range.Masked()] = append(other[d.Range.Masked()], hop)
		}
	}
	for to, hops := range own {
		other[to] = hops
	}
	var routes []netns.Route
	for _, to := range slices.SortedFunc(maps.Keys(other), netip.Prefix.Compare) {
		hops := other[to]
		slices.SortFunc(hops, netip.Addr.Compare)
		routes = append(routes, netns.Route{To: to, Via: slices.Compact(hops)})
	}
	return without(routes, fixed)
}

// learnedPriority is what a learned route has against a static one's priority: the
// MED that far sides send when they send none.
const learnedPriority = 100

// elsewhere are the static routes that count: where they lead nobody of the lab is.
// Among routes to the same range the lower priority goes before, and at equal ones
// the static one. Those to everywhere count for nothing that is learned.
func elsewhere(n gcptest.NetworkView, learned []netns.Route, fixed []netip.Prefix) []netns.Route {
	var list []netns.Route
	for _, s := range n.Static {
		loses := s.Priority > learnedPriority && slices.ContainsFunc(learned, func(r netns.Route) bool { return r.To == s.Range })
		if s.Range.Bits() > 0 && !loses {
			list = append(list, netns.Route{To: s.Range})
		}
	}
	return without(list, fixed)
}

// hop is the far end of the link that a session goes over.
func (w *Want) hop(f gcptest.Fabric, key string) (netip.Addr, bool) {
	for _, s := range f.Sessions {
		for _, l := range w.Links {
			if s.Key() == key && l.Tunnel == s.Tunnel {
				return s.PeerIP, s.PeerIP.IsValid()
			}
		}
	}
	return netip.Addr{}, false
}

// exported tells whether the control plane learns the network's dynamic routes: the
// cluster's own peering exports custom routes (Google's side always imports them).
func exported(f gcptest.Fabric, n gcptest.NetworkView) bool {
	for _, c := range f.Clusters {
		for _, p := range n.Peerings {
			if c.Network == n.Path && c.Peering != "" && p.Name == c.Peering && p.Export && p.Active {
				return true
			}
		}
	}
	return false
}

func networkAt(f gcptest.Fabric, namespace string) gcptest.NetworkView {
	for _, n := range f.Networks {
		if topology.NamespaceOf(n.Path) == namespace {
			return n
		}
	}
	return gcptest.NetworkView{}
}

func peeringTo(n gcptest.NetworkView, network string) gcptest.PeeringView {
	for _, p := range n.Peerings {
		if p.Network == network && network != "" {
			return p
		}
	}
	return gcptest.PeeringView{}
}

func over(ranges []netip.Prefix) []netns.Route {
	var routes []netns.Route
	for _, r := range ranges {
		routes = append(routes, netns.Route{To: r.Masked()})
	}
	return routes
}

func through(routes []netns.Route, via netip.Addr) []netns.Route {
	var list []netns.Route
	for _, r := range routes {
		list = append(list, netns.Route{To: r.To, Via: []netip.Addr{via}})
	}
	return list
}

func without(routes []netns.Route, fixed []netip.Prefix) []netns.Route {
	return slices.DeleteFunc(slices.Clone(routes), func(r netns.Route) bool {
		return slices.ContainsFunc(fixed, func(p netip.Prefix) bool { return p.Overlaps(r.To) && p.Bits() <= r.To.Bits() })
	})
}

// The ways in which the two halves of a tunnel can stand to each other.
const (
	matched  = "ESTABLISHED"
	otherKey = "AUTHORIZATION_ERROR"
	nobody   = "NO_INCOMING_PACKETS"
)

// match compares a tunnel with the far side's half.
func match(far *Far, t gcptest.TunnelView) string {
	if far == nil || len(far.Addresses) > 0 && !slices.Contains(far.Addresses, t.PeerIP) {
		return nobody
	}
	key, ok := far.Keys[t.Name]
	if !ok {
		if key, ok = far.Keys[t.GatewayIP.String()]; !ok {
			return nobody
		}
	}
	if strings.TrimSpace(key) != t.Secret {
		return otherKey
	}
	return matched
}
