package detect

import (
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// Kinds of control plane.
const (
	KindPeering = "peering" // in a network of Google's, by VPC peering
	KindPSC     = "psc"     // at an endpoint in the cluster's own network
	KindDNS     = "dns"     // its IP endpoints are off
	KindPublic  = "public"  // without a private address
)

// Cluster is what there is to know of the cluster itself.
type Cluster struct {
	Project        string     `json:"project"`
	Location       string     `json:"location"`
	Name           string     `json:"name"`
	Status         string     `json:"status"`
	Version        string     `json:"version"`
	ReleaseChannel string     `json:"releaseChannel,omitempty"`
	Autopilot      bool       `json:"autopilot"`
	ControlPlane   string     `json:"controlPlane"` // peering, psc, dns or public
	Peering        string     `json:"peering,omitempty"`
	Range          string     `json:"range,omitempty"` // that its private address lies in
	Endpoints      []Endpoint `json:"endpoints"`
	Fleet          string     `json:"fleet,omitempty"` // its membership
}

// Endpoint is an address or a name of the control plane.
type Endpoint struct {
	Kind    string `json:"kind"` // private, public or dns
	Address string `json:"address,omitempty"`
	Open    bool   `json:"open"`
	For     string `json:"for"` // who may use it
}

// Network is what there is to know of the cluster's network.
type Network struct {
	Project     string     `json:"project"`
	Name        string     `json:"name"`
	Shared      bool       `json:"shared"` // a Shared VPC: its project is the host
	RoutingMode string     `json:"routingMode,omitempty"`
	Subnet      string     `json:"subnet"`
	Range       string     `json:"range,omitempty"`
	Lines       []Line     `json:"lines"` // of its own and of its hubs
	Static      string     `json:"staticLine,omitempty"`
	Hubs        []string   `json:"hubs"` // PROJECT/NAME
	Balanced    []Balanced `json:"exposuresByILB,omitempty"`
	hidden      []string   // networks, as PROJECT/NAME, whose routers can't be seen
}

// Line is a Cloud Router with BGP peers.
type Line struct {
	Network  string   `json:"network"` // PROJECT/NAME
	Hub      bool     `json:"hub"`
	Router   string   `json:"router"`
	Region   string   `json:"region"`
	Sessions int      `json:"sessions"`
	Up       int      `json:"up"`
	Learns   []string `json:"learns"`
	Known    bool     `json:"known"`             // whether up and learns could be read
	Clients  *bool    `json:"clients,omitempty"` // whether it learns the client networks, where they were named
}

// describeCluster sorts a cluster's fields for people.
func (f Facts) describeCluster() Cluster {
	c := f.Cluster
	out := Cluster{Project: c.Project, Location: c.Location, Name: c.Name, Status: c.Status, Version: c.Version, ReleaseChannel: c.ReleaseChannel,
		Autopilot: c.Autopilot, ControlPlane: KindPublic, Peering: c.PeeringName, Fleet: c.Fleet.Membership}
	switch {
	case c.IPEndpointsOff:
		out.ControlPlane = KindDNS
	case c.PeeringName != "":
		out.ControlPlane = KindPeering
	case c.PrivateEndpoint != "":
		out.ControlPlane = KindPSC
	}
	if r := ControlPlane(c); r.IsValid() && !c.IPEndpointsOff {
		out.Range = r.String()
	}
	private := Endpoint{Kind: "private", Address: c.PrivateEndpoint, Open: c.PrivateEndpoint != "" && !c.IPEndpointsOff, For: "nobody: none"}
	public := Endpoint{Kind: "public", Address: c.PublicEndpoint, Open: c.PublicEndpoint != "" && !c.IPEndpointsOff, For: "nobody: off"}
	dns := Endpoint{Kind: "dns", Address: c.DNSEndpoint, Open: c.DNSEndpoint != "", For: "nobody: none"}
	if c.IPEndpointsOff {
		private.For, public.For = "nobody: off", "nobody: off"
	}
	if private.Open {
		private.For = f.privateFor()
	}
	if public.Open {
		public.For = "the whole internet: authorized networks are off"
		if c.Authorized.Enabled {
			public.For = "the authorized networks: " + authorizedList(c)
		}
	}
	if dns.Open {
		dns.For = "Google's own services alone: closed to users, wherever they are"
		if c.DNSExternal {
			dns.For = "whoever has container.clusters.connect, from anywhere"
		}
	}
	out.Endpoints = []Endpoint{private, public, dns}
	return out
}

// privateFor is who reaches the private address, and is let in there.
func (f Facts) privateFor() string {
	c := f.Cluster
	who := "whoever has a route to it"
	switch {
	case Enforced(c):
		who = "the cluster's nodes and Pods, and the authorized networks: " + authorizedList(c)
	case c.Authorized.Enabled:
		who += " (authorized networks are on, and not enforced here)"
	}
	if c.GlobalAccess {
		return who + "; from all regions"
	}
	return who + "; from " + c.Region() + " alone (global access is off)"
}

// few is how many entries of a list people are shown.
const few = 4

func authorizedList(c gcp.Cluster) string {
	if len(c.Authorized.CIDRs) == 0 {
		return "none"
	}
	texts := make([]string, len(c.Authorized.CIDRs))
	for i, n := range c.Authorized.CIDRs {
		texts[i] = n.CIDR.String()
	}
	return shorten(texts)
}

// shorten lists the first of many.
func shorten(texts []string) string {
	if len(texts) <= few {
		return strings.Join(texts, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(texts[:few], ", "), len(texts)-few)
}

// describeNetwork sorts the network's facts for people.
func (j judge) describeNetwork() Network {
	c, ref := j.Cluster, j.Own.Ref
	out := Network{Project: ref.Project, Name: ref.Name, Shared: ref.Project != c.Project, RoutingMode: j.Own.Network.RoutingMode,
		Subnet: c.Subnetwork.Name, Lines: []Line{}, Hubs: []string{}, Balanced: j.Balanced, Static: j.staticLine()}
	if s := j.subnet(); s.Range.IsValid() {
		out.Range = s.Range.String()
	}
	for _, net := range append([]Net{j.Own}, j.Hubs...) {
		if !net.Routers {
			out.hidden = append(out.hidden, net.Ref.String())
		}
		if hub := net.Ref != ref; hub {
			out.Hubs = append(out.Hubs, net.Ref.String())
		}
		for _, router := range net.Lines.Routers {
			if len(router.Peers) > 0 {
				out.Lines = append(out.Lines, j.describeLine(net, router))
			}
		}
	}
	return out
}

func (j judge) describeLine(net Net, router gcp.Router) Line {
	status, known := net.Lines.Status[router.Ref()]
	line := Line{Network: net.Ref.String(), Hub: net.Ref != j.Own.Ref, Router: router.Name, Region: router.Region, Sessions: len(router.Peers), Learns: []string{}, Known: known}
	for _, peer := range status.Peers {
		if peer.Up {
			line.Up++
		}
	}
	var clients bool
	for _, r := range status.BestForRouter {
		if text := r.Range.String(); !slices.Contains(line.Learns, text) {
			line.Learns = append(line.Learns, text)
		}
		clients = clients || routing.Meets(r.Range, j.ask.Clients)
	}
	if known && len(j.ask.Clients) > 0 {
		line.Clients = &clients
	}
	return line
}

// Facts are the report's head, for people: name and value.
func (r Report) Facts() []exposer.Fact {
	c, n := r.Cluster, r.Network
	kind := map[string]string{
		KindPeering: fmt.Sprintf("in a network of Google's, range %s, by VPC peering %s", c.Range, c.Peering),
		KindPSC:     "Private Service Connect: an endpoint in the cluster's own network, no peering",
		KindDNS:     "DNS endpoint only: the IP endpoints are off",
		KindPublic:  "a public address, no private one",
	}[c.ControlPlane]
	what := []string{c.Name, c.Location, c.Version}
	if c.ReleaseChannel != "" {
		what = append(what, "channel "+c.ReleaseChannel)
	}
	if c.Autopilot {
		what = append(what, "Autopilot")
	}
	facts := []exposer.Fact{{Name: "cluster", Value: strings.Join(append(what, c.Status), ", ")}, {Name: "control plane", Value: kind}}
	for _, e := range c.Endpoints {
		value := "for " + e.For
		if e.Address != "" && e.Open {
			value = e.Address + ", for " + e.For
		} else if strings.HasPrefix(e.For, "nobody: ") {
			value = strings.TrimPrefix(e.For, "nobody: ")
		}
		facts = append(facts, exposer.Fact{Name: map[string]string{"private": "private endpoint", "public": "public endpoint", "dns": "DNS endpoint"}[e.Kind], Value: value})
	}
	facts = append(facts, n.facts()...)
	fleet := "none"
	if c.Fleet != "" {
		fleet = "member " + strings.TrimPrefix(c.Fleet, "projects/")
	}
	return append(facts, exposer.Fact{Name: "fleet", Value: fleet})
}

func (n Network) facts() []exposer.Fact {
	name := n.Project + "/" + n.Name
	if n.Shared {
		name += " (Shared VPC)"
	}
	mode := "dynamic routing " + n.RoutingMode
	if n.RoutingMode == "" {
		mode = "dynamic routing can't be seen"
	}
	facts := []exposer.Fact{{Name: "network", Value: fmt.Sprintf("%s, %s, subnet %s", name, mode, strings.TrimSpace(n.Subnet+" "+n.Range))}}
	var own, hubs []string
	for _, line := range n.Lines {
		if text := line.text(); line.Hub {
			hubs = append(hubs, "hub "+line.Network+": "+text)
		} else {
			own = append(own, text)
		}
	}
	if n.Static != "" {
		own = append(own, "static route "+n.Static)
	}
	if len(own) == 0 {
		own = []string{"none ends in this network"}
		if slices.Contains(n.hidden, n.Project+"/"+n.Name) {
			own = []string{"can't be seen"}
		}
	}
	for _, hub := range n.Hubs {
		if !slices.ContainsFunc(n.Lines, func(l Line) bool { return l.Network == hub }) {
			text := "none ends there"
			if slices.Contains(n.hidden, hub) {
				text = "can't be seen"
			}
			hubs = append(hubs, "hub "+hub+": "+text)
		}
	}
	facts = append(facts, exposer.Fact{Name: "lines", Value: strings.Join(append(own, hubs...), "\n")})
	var balanced []string
	for _, b := range n.Balanced {
		balanced = append(balanced, b.Exposure+" at "+b.Address.String())
	}
	if len(balanced) > 0 {
		facts = append(facts, exposer.Fact{Name: "exposures by ilb", Value: strings.Join(balanced, ", ")})
	}
	return facts
}

// text says how a line does.
func (l Line) text() string {
	text := fmt.Sprintf("router %s in %s, BGP sessions: ", l.Router, l.Region)
	if !l.Known {
		return fmt.Sprintf("%s%d (how they are can't be seen)", text, l.Sessions)
	}
	text += fmt.Sprintf("%d of %d up", l.Up, l.Sessions)
	switch {
	case len(l.Learns) == 0:
		text += ", learns nothing"
	default:
		text += ", learns " + shorten(l.Learns)
	}
	if l.Clients != nil && !*l.Clients {
		text += " (not the client networks)"
	}
	return text
}
