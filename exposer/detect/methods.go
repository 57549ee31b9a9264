package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// ilb judges nginx behind an internal load balancer.
func (j judge) ilb() Assessment {
	problems := append(j.workload(), OverlapProblems(j.ask.Clients, UsedBy(j.Cluster, j.Subnets...))...)
	w := best(j.own, j.hubs)
	good := w.text()
	var clue string
	var flags []string
	switch w.presence {
	case there:
		problems = append(problems, w.problems...)
		problems = append(problems, j.unheard(w)...)
	case absent:
		problems = append(problems, j.noLine("", "have a VPN or an Interconnect end there (route --vpn makes one)"))
	case hidden:
		clue = "whether a line leads here is not known: " + w.clue
	}
	if w.hub {
		flags = append(flags, "--hub-network "+w.net.Ref.String())
		good += "; what changes: both ends of the peering exchange custom routes, that router announces " + j.subnetText()
	}
	if w.global {
		flags = append(flags, "--global-access")
		good += "; it is in another region, hence --global-access"
	}
	out := j.verdict("ilb", good, clue, problems)
	out.FarSide = "a line; a route to " + j.subnetText() + "; TCP 443"
	out.Streaming = "all, by WebSocket and SPDY"
	out.Identity = "ServiceAccount token; mTLS beside it on request"
	out.Cost = "load balancer and its traffic, 2 Pods"
	out.Exposes = "one address, to the client networks alone"
	out.Command = j.apply("ilb", append([]string{j.clientFlags()}, flags...)...)
	return out
}

// workload is what keeps nginx from running in the cluster, or from its upstream.
func (j judge) workload() []exposer.Problem {
	subnet := j.subnet()
	problems := ILBProblems(j.Cluster, subnet)
	if subnet.Name == "" || !j.Own.Routers {
		return problems
	}
	covered := slices.ContainsFunc(j.Own.Lines.Routers, func(r gcp.Router) bool {
		return r.Region == subnet.Region && slices.ContainsFunc(r.NATs, func(n gcp.NAT) bool { return n.Covers(subnet.Name) })
	})
	return append(problems, ImageProblems(j.Cluster, subnet, covered, exposer.DefaultImage)...)
}

// overridden are BGP peers whose own lists leave out what the far side has to
// hear of, where none is known to lead to it.
func (j judge) overridden(w way, want ...netip.Prefix) []exposer.Problem {
	want = slices.DeleteFunc(want, func(p netip.Prefix) bool { return !p.IsValid() })
	if w.net.Lines.Status == nil || len(j.ask.Clients) == 0 || len(want) == 0 {
		return nil
	}
	_, problems := w.net.Lines.CustomPeers(w.routers, nil, j.ask.Clients, want)
	return problems
}

// unheard is a subnet of the load balancer's that the far side is not told of. In a
// hub an apply announces it; in the cluster's network it leaves the routers alone.
func (j judge) unheard(w way) []exposer.Problem {
	subnet := j.subnet()
	if w.hub {
		return j.overridden(w, subnet.Range)
	}
	if !subnet.Range.IsValid() || w.static != "" {
		return nil
	}
	for _, router := range w.net.Lines.Of(w.routers) {
		if slices.ContainsFunc(router.Peers, func(p gcp.BGPPeer) bool { return tells(router, p, subnet.Range) }) {
			return nil
		}
	}
	at := w.routers[0]
	return []exposer.Problem{{Code: "CW-ROUTE-NOT-ANNOUNCED",
		Text: fmt.Sprintf("router %s announces a list of its own, without subnet %s (%s)", routing.Names(w.routers), subnet.Name, subnet.Range),
		Fix: fmt.Sprintf("gcloud compute routers update %s --region %s --project %s --add-advertisement-ranges=%s (a BGP peer with a list of its own: update-bgp-peer)",
			at.Name, at.Region, at.Project, subnet.Range)}}
}

// tells reports whether a session announces a subnet: by its own list where it has
// one, else by its router's.
func tells(router gcp.Router, peer gcp.BGPPeer, subnet netip.Prefix) bool {
	a := peer.Advertise
	if a.Mode != "CUSTOM" {
		a = router.Advertise
	}
	return a.Mode != "CUSTOM" || slices.Contains(a.Groups, gcp.AllSubnets) || routing.AnnouncesAll(a, []netip.Prefix{subnet})
}

// noLine is the refusal where no line is seen at all; more is what is to be said of
// other networks.
func (j judge) noLine(more, fix string) exposer.Problem {
	where := fmt.Sprintf("no line ends in network %s", j.Own.Ref)
	if names := hubNames(j.hubs); more == "" && names != "" {
		where += " or in " + names
	}
	if j.ask.FromRegion != "" {
		where += " in " + j.ask.FromRegion
	}
	return exposer.Problem{Code: "CW-ROUTE-NO-LINE", Text: where + more, Fix: fix}
}

// hubNames are the hubs in which no line ends.
func hubNames(hubs []way) string {
	var names []string
	for _, hub := range hubs {
		if hub.presence == absent {
			names = append(names, hub.net.Ref.String())
		}
	}
	return strings.Join(names, ", ")
}

// route judges the control plane's own address.
func (j judge) route() Assessment {
	c, w := j.Cluster, j.own
	problems := RouteProblems(c, gcp.Ref{})
	problems = append(problems, OverlapProblems(j.ask.Clients, UsedBy(c, j.Subnets...))...)
	good, clue := w.text(), ""
	flags := []string{j.clientFlags()}
	switch {
	case w.presence == hidden:
		clue = "whether a line ends in the cluster's network is not known: " + w.clue
	case w.presence == absent || w.static != "":
		const fix = "have causeway make an HA VPN (--vpn)"
		if at := slices.IndexFunc(j.hubs, func(h way) bool { return h.presence == there }); at >= 0 && w.static == "" {
			p := transit(j.hubs[at].net.Ref, c)
			p.Fix = fix
			problems = append(problems, p)
		} else if w.static != "" {
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-NO-LINE", Text: "only a line without BGP ends in network " + w.net.Ref.String() + " (static route " + w.static + ")", Fix: fix})
		} else {
			problems = append(problems, j.noLine("", fix))
		}
		flags = append(flags, "--vpn")
	default:
		problems = append(problems, w.problems...)
		want := []netip.Prefix{ControlPlane(c)}
		if c.PeeringName == "" { // an endpoint in the VPC goes with its subnet
			want = Unheard(c, w.net.Lines, w.routers)
		}
		problems = append(problems, j.overridden(w, want...)...)
	}
	good += j.routeMore()
	if w.global && w.presence == there && !c.GlobalAccess {
		flags = append(flags, "--global-access")
	}
	out := j.verdict("route", good, clue, problems)
	for i, step := range out.First {
		if strings.HasSuffix(step.What, "(--vpn)") {
			out.First[i].Flag = "--vpn"
		}
	}
	out.FarSide = "a line with BGP; a route to " + text(ControlPlane(c)) + "; TCP 443"
	out.Streaming = "all, end to end"
	out.Identity = "ServiceAccount token"
	out.Cost = "none; with --vpn its tunnels"
	out.Exposes = "the control plane, to all behind the line"
	if Enforced(c) {
		out.Exposes = "the control plane, to authorized networks"
	}
	out.Command = j.apply("route", flags...)
	return out
}

// routeMore is what an apply by route changes on the way.
func (j judge) routeMore() string {
	var changes []string
	if j.Cluster.PeeringName != "" {
		changes = append(changes, "the peering exports custom routes", "the router announces "+text(ControlPlane(j.Cluster)))
	}
	if missing := j.unauthorized(); Enforced(j.Cluster) && len(missing) > 0 {
		changes = append(changes, "authorized networks are given "+routing.List(missing))
	} else if Enforced(j.Cluster) && len(j.ask.Clients) == 0 {
		changes = append(changes, "authorized networks are given the client networks")
	}
	if j.own.global && !j.Cluster.GlobalAccess {
		changes = append(changes, "the control plane's global access is turned on, since the line ends in another region")
	}
	if len(changes) == 0 {
		return "; nothing is to be changed: the control plane's address is one of the VPC's own"
	}
	return "; what changes: " + strings.Join(changes, ", ")
}

// unauthorized are the client networks that the list does not hold.
func (j judge) unauthorized() []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(j.ask.Clients), j.Cluster.Authorized.Covers)
}

// psc judges an exposure by ilb that is published.
func (j judge) psc() Assessment {
	problems, natRange := j.workload(), "--nat-range FREE_CIDR"
	good := "publishes a load balancer of the cluster's: no routes between the two sides, so ranges may overlap"
	var clue string
	standing := slices.IndexFunc(j.Balanced, func(b Balanced) bool { return b.Exposure == j.Cluster.Name })
	switch {
	case standing >= 0:
		good += fmt.Sprintf("; exposure %s by ilb stands at %s", j.Cluster.Name, j.Balanced[standing].Address)
	case j.Balanced == nil:
		clue = "stands on an exposure by ilb, and whether there is one can't be seen"
	default:
		clients := j.clientFlags()
		if len(OverlapProblems(j.ask.Clients, UsedBy(j.Cluster, j.Subnets...))) > 0 {
			clients = "--client-cidr FREE_CIDR" // whoever comes by psc has an address of the NAT subnet
		}
		text := "stands on an exposure by ilb, and none of the name " + j.Cluster.Name + " has an address here yet"
		for i, other := range j.Balanced {
			text += []string{"; of others --exposure names one: ", ", "}[min(i, 1)] + other.Exposure
		}
		problems = append(problems, exposer.Problem{Code: "CW-PSC-NO-ILB", Text: text,
			Fix: j.apply("ilb", clients)})
	}
	out := j.verdict("psc", good, clue, problems)
	out.FarSide = "a VPC of its own in " + j.Cluster.Region() + ", where clients come in"
	out.Streaming = "as ilb"
	out.Identity = "as ilb"
	out.Cost = "as ilb; endpoint and its traffic"
	out.Exposes = "one address in each network let in"
	out.Command = j.apply("psc", natRange, "--consumer CONSUMER_PROJECT")
	return out
}

// text writes a range, or what is said where there is none.
func text(p netip.Prefix) string {
	if !p.IsValid() {
		return "the control plane's address"
	}
	return p.String()
}

func (j judge) subnetText() string {
	if s := j.subnet(); s.Range.IsValid() {
		return s.Range.String()
	}
	return "subnet " + j.Cluster.Subnetwork.Name
}

// Minor is the minor version of a control plane (1.36.3-gke.1: 36); 0 where its
// text is of another form.
func Minor(version string) int {
	parts := strings.Split(version, ".")
	if len(parts) < 2 || parts[0] != "1" {
		return 0
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0
	}
	return n
}
