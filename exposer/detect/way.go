package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// What is known of a line into a network.
type presence int

const (
	absent presence = iota // there is none
	hidden                 // it can't be seen whether there is one
	there
)

// way is a line that may lead from the far side to the cluster's network, or to a
// hub beside it.
type way struct {
	net      Net
	hub      bool
	presence presence
	routers  []gcp.Ref         // that it ends at
	static   string            // without a router: the static route over a VPN tunnel
	global   bool              // it enters in another region than the cluster's alone
	problems []exposer.Problem // what keeps it from leading to the cluster's region
	clue     string            // hidden: what could not be looked at
}

// ways are the cluster's own network's, then its hubs'.
func (j judge) ways() (own way, hubs []way) {
	own = j.way(j.Own, false)
	for _, hub := range j.Hubs {
		hubs = append(hubs, j.way(hub, true))
	}
	return own, hubs
}

// way judges the routers of one network.
func (j judge) way(net Net, hub bool) way {
	w := way{net: net, hub: hub}
	if !net.Routers {
		w.presence, w.clue = hidden, "the routers of network "+net.Ref.String()+" can't be seen"
		return w
	}
	lines := net.Lines
	lines.Routers = slices.DeleteFunc(slices.Clone(lines.Routers), func(r gcp.Router) bool {
		return len(r.Peers) == 0 || j.ask.FromRegion != "" && r.Region != j.ask.FromRegion
	})
	if len(lines.Routers) == 0 {
		if w.static = j.staticLine(); !hub && w.static != "" {
			w.presence = there
		}
		return w
	}
	w.presence = there
	w.choose(lines, j.ask.Clients)
	w.regions(j.Cluster)
	if hub && net.Network.Name != "" {
		w.problems = append(w.problems, HubProblems(j.Cluster, net.Ref, j.Own.Network, net.Network)...)
	}
	w.problems = append(w.problems, w.silent(j.ask.Clients)...)
	return w
}

// choose picks the routers as an apply does: those that learn the client networks,
// else the only one. Where nobody said who the clients are, any may lead to them.
func (w *way) choose(lines routing.Lines, clients []netip.Prefix) {
	if len(clients) > 0 && lines.Status != nil {
		routers, problems := lines.Pick(nil, clients, "", false)
		if w.routers, w.problems = routers, problems; len(routers) > 0 {
			return
		}
	}
	for _, router := range lines.Routers {
		w.routers = append(w.routers, router.Ref())
	}
}

// regions leaves the routers whose region reaches the cluster's, and says what is
// in the way where none does. Global access is counted as on: it is a flag of the
// very command that is told.
func (w *way) regions(c gcp.Cluster) {
	mode := w.net.Network.RoutingMode
	judged := func(routers []gcp.Ref) []exposer.Problem {
		if w.hub {
			return HubRegionProblems(c.Region(), w.net.Ref, mode, routers, true)
		}
		return RegionProblems(c, w.net.Ref, mode, routers, true)
	}
	near := func(r gcp.Ref) bool { return r.Region == c.Region() }
	if slices.ContainsFunc(w.routers, near) {
		w.routers = slices.DeleteFunc(w.routers, func(r gcp.Ref) bool { return !near(r) && len(judged([]gcp.Ref{r})) > 0 })
		return
	}
	w.global = true
	if w.net.Network.Name == "" { // the routing mode decides, and may not be read
		w.presence, w.clue = hidden, "the routing mode of network "+w.net.Ref.String()+" can't be seen, and its routers are in other regions than the cluster"
		return
	}
	w.problems = append(w.problems, judged(w.routers[:1])...)
}

// silent are lines over which nothing comes: no session is up, or the far side does
// not announce where clients are.
func (w way) silent(clients []netip.Prefix) []exposer.Problem {
	status := w.net.Lines.Status
	if status == nil || len(w.problems) > 0 && w.problems[0].Code == "CW-ROUTE-ROUTER" {
		return nil
	}
	up, learns := false, len(clients) == 0
	for _, ref := range w.routers {
		up = up || slices.ContainsFunc(status[ref].Peers, func(p gcp.PeerStatus) bool { return p.Up })
		learns = learns || slices.ContainsFunc(status[ref].BestForRouter, func(r gcp.LearnedRoute) bool { return routing.Meets(r.Range, clients) })
	}
	switch {
	case !up:
		return []exposer.Problem{{Code: "CW-BGP-DOWN", Text: fmt.Sprintf("no BGP session of router %s is up", routing.Names(w.routers)),
			Fix: "bring the line up with the far side's engineer"}}
	case !learns:
		return []exposer.Problem{{Code: "CW-ROUTE-NOT-LEARNED",
			Text: fmt.Sprintf("the far side announces no way to %s to router %s", routing.List(clients), routing.Names(w.routers)),
			Fix:  "have the far side's router announce " + routing.List(clients)}}
	}
	return nil
}

// staticLine is a static route of the cluster's network over a VPN tunnel, as older
// VPNs without BGP have it.
func (j judge) staticLine() string {
	for _, r := range j.Routes {
		tunnel, ok := strings.CutPrefix(r.NextHop, "next hop tunnel ")
		if ok && r.Kind == gcp.RouteStatic && (len(j.ask.Clients) == 0 || routing.Meets(r.Range, j.ask.Clients)) {
			return fmt.Sprintf("%s over VPN tunnel %s", r.Range, tunnel)
		}
	}
	return ""
}

// best is the line that a load balancer in the cluster's network is reached by:
// one without problems before one with, the cluster's own network before a hub.
func best(own way, hubs []way) way {
	all := append([]way{own}, hubs...)
	for _, is := range []func(way) bool{
		func(w way) bool { return w.presence == there && len(w.problems) == 0 },
		func(w way) bool { return w.presence == there },
		func(w way) bool { return w.presence == hidden },
	} {
		if at := slices.IndexFunc(all, is); at >= 0 {
			return all[at]
		}
	}
	return own
}

// text names where the line ends.
func (w way) text() string {
	switch {
	case w.static != "":
		return "a line without BGP ends in the cluster's network (static route " + w.static + ")"
	case w.hub:
		return fmt.Sprintf("a line ends in the hub %s (router %s)", w.net.Ref, routing.Names(w.routers))
	}
	return fmt.Sprintf("a line ends in the cluster's network (router %s)", routing.Names(w.routers))
}
