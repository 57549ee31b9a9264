package route

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// view is what a trace looks at: the facts, and what only a standing line has.
type view struct {
	facts
	clients  []netip.Prefix
	routers  []gcp.Router // that lead to the far side
	own      bool         // causeway made the line: what is not up yet waits for the far side
	router   gcp.Ref      // of that line
	wanted   []tunnel     // of that line, as far as the far side's addresses are known
	tunnels  []gcp.Tunnel
	attached []gcp.Attachment
	incoming []gcp.PeeringRoute // of the control plane's peering, in the cluster's region
	outgoing []gcp.PeeringRoute
	routes   []gcp.Route
	unseen   map[string]error // what this identity may not look at
}

// Trace implements exposer.Traced: it reads everything anew.
func (x *exposure) Trace(ctx context.Context) (exposer.Trace, error) {
	if err := x.readCluster(ctx); err != nil {
		return exposer.Trace{}, err
	}
	if err := x.readNetwork(ctx); err != nil {
		return exposer.Trace{}, err
	}
	v := view{facts: x.facts, clients: x.clients(), routers: x.facts.lines.Of(x.routers), own: x.line.made(), router: x.line.router, wanted: x.line.known(), unseen: map[string]error{}}
	read := func(what string, ask func() error) func() error {
		return func() error {
			err := ask()
			if exposer.MissingRight(err) {
				v.unseen[what] = err
				return nil
			}
			return err
		}
	}
	ref, region, peering := x.facts.ref, x.facts.cluster.Region(), x.facts.cluster.PeeringName
	asks := []func() error{
		read("tunnels", func() (err error) { v.tunnels, err = x.google.NetworkTunnels(ctx, ref.Project); return }),
		read("attachments", func() (err error) { v.attached, err = x.google.Attachments(ctx, ref.Project); return }),
		read("routes", func() (err error) { v.routes, err = x.google.Routes(ctx, ref); return }),
	}
	if peering != "" && x.facts.hasPeering(peering) {
		asks = append(asks,
			read("incoming", func() (err error) {
				v.incoming, err = x.google.PeeringRoutes(ctx, ref, peering, region, "INCOMING")
				return
			}),
			read("outgoing", func() (err error) {
				v.outgoing, err = x.google.PeeringRoutes(ctx, ref, peering, region, "OUTGOING")
				return
			}))
	}
	for _, ask := range asks { // one after the other: they share the map
		if err := ask(); err != nil {
			return exposer.Trace{}, err
		}
	}
	return v.trace(), nil
}

// trace judges; it makes no call.
func (v view) trace() exposer.Trace {
	var hops []exposer.TraceHop
	hops = append(hops, v.line()...)
	hops = append(hops, v.sessions()...)
	hops = append(hops, v.announced()...)
	hops = append(hops, v.region(), v.toControlPlane(), v.elsewhere(exposer.Forward, "routes of the VPC", []netip.Prefix{v.controlPlane()}), v.admitted())
	hops = append(hops, v.backFromControlPlane(), v.learned(), v.elsewhere(exposer.Return, "routes of the VPC", v.clients))
	hops = append(hops, v.limits()...)
	return exposer.Trace{Hops: slices.DeleteFunc(hops, func(h exposer.TraceHop) bool { return h.Name == "" })}
}

func hop(way, name string, verdict exposer.Verdict, text string) exposer.TraceHop {
	return exposer.TraceHop{Way: way, Name: name, Verdict: verdict, Text: text}
}

func because(h exposer.TraceHop, code, fix string) exposer.TraceHop {
	h.Code, h.Fix = code, fix
	return h
}

// hidden is the hop of what may not be looked at.
func (v view) hidden(way, name, what string) exposer.TraceHop {
	return because(hop(way, name, exposer.Unknown, "can't be looked at: "+v.unseen[what].Error()), "CW-GCP-PERMISSION", "have roles/compute.networkViewer granted on project "+v.ref.Project)
}

// line is the tunnels and attachments that the routers' interfaces stand on.
func (v view) line() []exposer.TraceHop {
	if len(v.routers) == 0 {
		return []exposer.TraceHop{because(hop(exposer.Forward, "line", exposer.Broken, "no router of network "+v.ref.String()+" leads to the far side"), "CW-ROUTE-NO-LINE", "")}
	}
	var hops []exposer.TraceHop
	for _, router := range v.routers {
		for _, i := range router.Interfaces {
			switch {
			case i.Tunnel.Name != "":
				hops = append(hops, v.tunnel(router, i))
			case i.Attachment.Name != "":
				hops = append(hops, v.attachment(i))
			}
		}
		lost := v.lost(router)
		hops = append(hops, lost...)
		if len(router.Interfaces)+len(lost) == 0 {
			h := because(hop(exposer.Forward, "line", exposer.Broken, fmt.Sprintf("router %s has no interface", router.Name)), "CW-ROUTE-NO-LINE", "")
			if v.own {
				h = hop(exposer.Forward, "line", exposer.Waits, "for the far side's addresses: give them to apply with --peer-address")
			}
			hops = append(hops, h)
		}
	}
	return severally(hops, "tunnels")
}

// lost are the tunnels of causeway's own line that somebody took away with their
// interfaces: nothing on the router tells of them any more.
func (v view) lost(router gcp.Router) []exposer.TraceHop {
	var hops []exposer.TraceHop
	for _, t := range v.wanted {
		if router.Ref() != v.router || slices.ContainsFunc(router.Interfaces, func(i gcp.RouterInterface) bool { return i.Tunnel.Name == t.ref.Name }) {
			continue
		}
		hops = append(hops, because(hop(exposer.Forward, "tunnel "+t.ref.Name, exposer.Broken, "no interface of router "+router.Name+" stands on it: it was not made yet, or somebody took it away"),
			"CW-VPN-STATE", "causeway apply route (the arguments of the first time)"))
	}
	return hops
}

// severally lets a line stand on what is up of it: where one tunnel works, those
// that do not are a loss of redundancy, not the end of the way.
func severally(hops []exposer.TraceHop, what string) []exposer.TraceHop {
	if !slices.ContainsFunc(hops, func(h exposer.TraceHop) bool { return h.Verdict == exposer.Good }) {
		return hops
	}
	for i, h := range hops {
		if h.Verdict == exposer.Broken {
			hops[i].Verdict = exposer.Warns
			hops[i].Text += " (others of the " + what + " carry the traffic)"
		}
	}
	return hops
}

func (v view) tunnel(router gcp.Router, i gcp.RouterInterface) exposer.TraceHop {
	name := "tunnel " + i.Tunnel.Name
	if v.unseen["tunnels"] != nil {
		return v.hidden(exposer.Forward, name, "tunnels")
	}
	at := slices.IndexFunc(v.tunnels, func(t gcp.Tunnel) bool { return t.Name == i.Tunnel.Name && t.Region == router.Region })
	if at < 0 {
		return because(hop(exposer.Forward, name, exposer.Broken, "does not exist, and interface "+i.Name+" of router "+router.Name+" stands on it"), "CW-VPN-STATE", "causeway apply route makes it again, where causeway made it")
	}
	t := v.tunnels[at]
	if t.Status == "ESTABLISHED" {
		return hop(exposer.Forward, name, exposer.Good, "established")
	}
	code, why, fix := gcp.TunnelProblem(t.Status, t.Detail)
	h := because(hop(exposer.Forward, name, exposer.Broken, cmp.Or(t.Status, "no status")+": "+why), code, fix)
	if code == "" || v.own && code == "CW-VPN-SILENT" {
		h.Verdict = exposer.Waits
	}
	return h
}

func (v view) attachment(i gcp.RouterInterface) exposer.TraceHop {
	name := "attachment " + i.Attachment.Name
	if v.unseen["attachments"] != nil {
		return v.hidden(exposer.Forward, name, "attachments")
	}
	for _, a := range v.attached {
		if a.Ref != i.Attachment {
			continue
		}
		if a.Up() {
			return hop(exposer.Forward, name, exposer.Good, "active")
		}
		return because(hop(exposer.Forward, name, exposer.Broken, strings.TrimSpace(a.State+" "+a.OperationalStatus)), "CW-ROUTE-ATTACHMENT", "finish it with the provider, then run verify again")
	}
	return because(hop(exposer.Forward, name, exposer.Broken, "does not exist"), "CW-ROUTE-ATTACHMENT", "")
}

// sessions are the routers' BGP sessions.
func (v view) sessions() []exposer.TraceHop {
	var hops []exposer.TraceHop
	for _, router := range v.routers {
		for _, peer := range router.Peers {
			hops = append(hops, v.session(router, peer))
		}
		if len(router.Peers) == 0 && len(router.Interfaces) > 0 {
			hops = append(hops, because(hop(exposer.Forward, "BGP", exposer.Broken, "router "+router.Name+" has no BGP peer"), "CW-ROUTE-NO-LINE", "causeway apply route makes them again, where causeway made the line"))
		}
	}
	return severally(hops, "sessions")
}

func (v view) session(router gcp.Router, peer gcp.BGPPeer) exposer.TraceHop {
	name := "BGP " + peer.Name
	status := v.peerStatus(router, peer)
	if status == nil && peer.Enabled {
		return hop(exposer.Forward, name, exposer.Waits, "Google does not tell its status yet")
	}
	if status == nil {
		status = &gcp.PeerStatus{}
	}
	code, why, fix := gcp.SessionProblem(peer, *status, v.tunnelUp(router, peer))
	if code == "" {
		return hop(exposer.Forward, name, exposer.Good, fmt.Sprintf("up for %s with ASN %d at %s, routes learned: %d", status.Uptime, peer.PeerASN, peer.PeerIP, status.Learned))
	}
	fix = strings.NewReplacer("ROUTER", router.Name, "REGION", router.Region).Replace(fix)
	h := because(hop(exposer.Forward, name, exposer.Broken, why), code, fix)
	switch {
	case !v.own || !peer.Enabled:
	case v.unseen["tunnels"] != nil: // the far side may not be there yet
		h.Verdict, h.Text = exposer.Unknown, fmt.Sprintf("down (%s), and its tunnel can't be looked at", cmp.Or(status.State, "no state"))
	case v.farIsMissing(router, peer):
		h.Verdict, h.Fix = exposer.Waits, "configure the far side: causeway handoff route writes its half"
	}
	return h
}

// tunnelUp reports whether what carries a session lets packets through.
func (v view) tunnelUp(router gcp.Router, peer gcp.BGPPeer) bool {
	for _, i := range router.Interfaces {
		if i.Name != peer.Interface {
			continue
		}
		for _, t := range v.tunnels {
			if t.Name == i.Tunnel.Name && t.Region == router.Region {
				return t.Status == "ESTABLISHED"
			}
		}
		for _, a := range v.attached {
			if a.Ref == i.Attachment {
				return a.Up()
			}
		}
	}
	return true // not seen: the session speaks for itself
}

// farIsMissing reports whether a session's tunnel shows no sign of the far side.
func (v view) farIsMissing(router gcp.Router, peer gcp.BGPPeer) bool {
	for _, i := range router.Interfaces {
		if i.Name != peer.Interface {
			continue
		}
		for _, t := range v.tunnels {
			code, _, _ := gcp.TunnelProblem(t.Status, t.Detail)
			if t.Name == i.Tunnel.Name && t.Region == router.Region && t.Status != "ESTABLISHED" && (code == "" || code == "CW-VPN-SILENT") {
				return true
			}
		}
	}
	return false
}

func (v view) peerStatus(router gcp.Router, peer gcp.BGPPeer) *gcp.PeerStatus {
	for _, status := range v.lines.Status[router.Ref()].Peers {
		if status.Name == peer.Name {
			return &status
		}
	}
	return nil
}

// announced says, for each session that is up, whether the far side hears of the
// control plane's address.
func (v view) announced() []exposer.TraceHop {
	var hops []exposer.TraceHop
	for _, router := range v.routers {
		for _, peer := range router.Peers {
			status := v.peerStatus(router, peer)
			if status == nil || !status.Up {
				continue
			}
			name := "announced to " + peer.Name
			if r, ok := holding(status.Advertised, v.controlPlane()); ok {
				hops = append(hops, hop(exposer.Forward, name, exposer.Good, fmt.Sprintf("%s, priority %d", r.Range, r.Priority)))
				continue
			}
			hops = append(hops, v.unannouncedHop(router, peer, name))
		}
	}
	return severally(hops, "sessions")
}

// unannouncedHop says why a session does not carry the control plane's range.
func (v view) unannouncedHop(router gcp.Router, peer gcp.BGPPeer, name string) exposer.TraceHop {
	want := v.controlPlane()
	text := fmt.Sprintf("%s is not among the announced ranges", want)
	fix := "causeway apply route (the arguments of the first time)"
	switch {
	case peer.Advertise.Mode == "CUSTOM" && !routing.AnnouncesAll(peer.Advertise, []netip.Prefix{want}):
		return because(hop(exposer.Forward, name, exposer.Broken, text+": the peer has an advertised list of its own, which overrides the router's"), "CW-BGP-PEER-CUSTOM", fix+" --bgp-peer "+peer.Name)
	case v.cluster.PeeringName == "" && router.Region != v.cluster.Region() && v.network.RoutingMode != "GLOBAL":
		p := v.regionProblems([]gcp.Ref{router.Ref()}, true)[0]
		return because(hop(exposer.Forward, name, exposer.Broken, text+": with this routing mode a router announces the subnets of its own region alone"), p.Code, p.Fix)
	case router.Advertise.Mode != "CUSTOM":
		text += ": router " + router.Name + " is in mode DEFAULT, which announces the VPC's own subnets alone"
	}
	return because(hop(exposer.Forward, name, exposer.Broken, text), "CW-ROUTE-NOT-ANNOUNCED", fix)
}

// holding finds the announced route whose range holds a prefix.
func holding(routes []gcp.AdvertisedRoute, want netip.Prefix) (gcp.AdvertisedRoute, bool) {
	for _, r := range routes {
		if want.IsValid() && routing.Covers(r.Range, want) {
			return r, true
		}
	}
	return gcp.AdvertisedRoute{}, false
}
