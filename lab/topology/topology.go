// Package topology holds the lab's names and addresses: the networks of the
// far side, of the cluster's VPC and of Google's VPC, and who has which address
// in them. It only names; package netns builds what is named here, and package
// dataplane what follows the emulator.
//
//	far  172.31.0.0/16 --tunnel 169.254.10.0/30-- vpc 10.156.0.0/20 --peering 100.64.20.0/30-- master 192.168.50.0/28
//
// Far has a route to the VPC's subnet, and so to each internal load balancer,
// but none to the control plane; master has none to far. That gap is what the
// product closes. Which line lies between far and the VPC is the lab's Line.
// Consumers of a published service are in consumers.go, the fleet's second cluster is
// in fleet.go.
package topology

import (
	"fmt"
	"net/netip"
)

// The network namespaces, as they are seen in /var/run/netns.
const (
	Prefix = "cw-"
	Far    = "cw-far"    // the third-party cloud or the on-premises network
	Hub    = "cw-hub"    // a VPC between far and the cluster's, where the line ends
	VPC    = "cw-vpc"    // the cluster's VPC: the node, the internal load balancers
	Master = "cw-master" // Google's VPC: the control plane
)

// Line says what lies between far and the cluster's VPC.
type Line string

const (
	// LineStatic is a tunnel that is there, with routes that nobody changes.
	LineStatic Line = ""
	// LineFleet is LineStatic with a second cluster in the VPC, both to be of one fleet.
	LineFleet Line = "fleet"
	// LineVPN is nothing at first: tunnels, BGP sessions and routes come and go
	// as the emulator's configuration says.
	LineVPN Line = "vpn"
	// LineHub is LineVPN with a hub VPC, where the line ends, peered with the
	// cluster's.
	LineHub Line = "hub"
)

// ParseLine reads a line's name: static, fleet, vpn or hub.
func ParseLine(text string) (Line, error) {
	for _, l := range []Line{LineStatic, LineFleet, LineVPN, LineHub} {
		if l.String() == text {
			return l, nil
		}
	}
	return LineStatic, fmt.Errorf("read line %q: it is static, fleet, vpn or hub", text)
}

func (l Line) String() string {
	if l == LineStatic {
		return "static"
	}
	return string(l)
}

// Moves tells whether packets follow the emulator's configuration.
func (l Line) Moves() bool { return l == LineVPN || l == LineHub }

// Seeds name the emulator's first state: files in testdata/gcptest, one upon the other.
func (l Line) Seeds() []string {
	switch l {
	case LineVPN:
		return []string{"route"}
	case LineHub:
		return []string{"hub"}
	case LineFleet:
		return []string{"fleet", "lab-fleet", "lab-consumers"}
	}
	return []string{"lab", "lab-consumers"}
}

// Clusters names the clusters of the seed for which the first control plane stands:
// all but the second of a fleet.
func (l Line) Clusters() []string {
	if l.Moves() {
		return []string{Cluster, PSCCluster}
	}
	return []string{Cluster}
}

// Namespaces lists the network namespaces.
func (l Line) Namespaces() []string {
	if l == LineHub {
		return []string{Far, Hub, VPC, Master}
	}
	names := []string{Far, VPC, Master}
	if list := l.Consumers(); len(list) > 0 {
		names = append(names, Exchange)
		for _, c := range list {
			names = append(names, c.Namespace)
		}
	}
	if l.Fleet() {
		names = append(names, SecondSpace, SecondMaster)
	}
	return names
}

// The Google names of what the lab shows: those of the emulator's seeds.
const (
	Project  = "lab-project"
	Region   = "europe-west3"
	Location = "europe-west3"
	Cluster  = "private-cluster"
	Network  = "default"
	Subnet   = "default"
	NodeName = "gke-private-cluster-default-pool-1"

	SecondCluster = "client-cluster" // of the fleet
	PSCCluster    = "psc-cluster"    // by Private Service Connect, without a peering
	FarRegion     = "europe-west4"   // another region of the project
	HubProject    = "hub-project"
	HubNetwork    = "hub-vpc"
)

// NamespaceOf names the namespace that stands for a network of the emulator, by
// its path, or "" when none does.
func NamespaceOf(network string) string {
	switch network {
	case "projects/" + Project + "/global/networks/" + Network:
		return VPC
	case "projects/" + HubProject + "/global/networks/" + HubNetwork:
		return Hub
	}
	for _, c := range consumers {
		if network == c.NetworkPath() {
			return c.Namespace
		}
	}
	return ""
}

// Addresses. All are variables of the topology, not of the machine: they live
// in the lab's own namespaces only.
var (
	FarCIDR  = netip.MustParsePrefix("172.31.0.0/16")
	FarHost  = netip.MustParseAddr("172.31.23.209")
	Stranger = netip.MustParseAddr("172.30.0.9") // routed like far, but outside the client CIDRs

	SubnetCIDR = netip.MustParsePrefix("10.156.0.0/20")
	NodeIP     = netip.MustParseAddr("10.156.0.2") // the seed says that it is taken

	PodCIDR     = netip.MustParsePrefix("10.36.0.0/14")
	NodePodCIDR = netip.MustParsePrefix("10.36.0.0/24") // the node's share of PodCIDR
	ServiceCIDR = netip.MustParsePrefix("10.40.0.0/20")
	ServiceIP   = netip.MustParseAddr("10.40.0.1") // the Service `kubernetes`: the first of ServiceCIDR

	MasterCIDR = netip.MustParsePrefix("192.168.50.0/28")
	MasterIP   = netip.MustParseAddr("192.168.50.2")
	// PSCEndpoint is the address of the control plane in the VPC's own subnet.
	PSCEndpoint = netip.MustParseAddr("10.156.0.14")

	FarRegionCIDR = netip.MustParsePrefix("10.164.0.0/20") // the subnet in FarRegion
	HubCIDR       = netip.MustParsePrefix("10.200.0.0/20")
	HubHost       = netip.MustParseAddr("10.200.0.2")

	// GoogleFronts are Google's front ends for private Google access
	// (private.googleapis.com), and GoogleFront the one that answers in the lab.
	GoogleFronts = netip.MustParsePrefix("199.36.153.8/30")
	GoogleFront  = netip.MustParseAddr("199.36.153.8")
)

// MasterPort is where kube-apiserver listens on MasterIP.
const MasterPort = 443

// End is one end of a link between two networks.
type End struct {
	Namespace string
	Address   netip.Prefix
}

// Link is a veth pair; both ends bear its name.
type Link struct {
	Name string
	A, B End
}

// The links that are always there. TunnelName names the others. The peerings' own
// ranges are not link-local: those are the tunnels' to choose from.
var (
	tunnel0 = Link{"tunnel0", End{Far, netip.MustParsePrefix("169.254.10.2/30")}, End{VPC, netip.MustParsePrefix("169.254.10.1/30")}}
	// Peering is the peering of the cluster's VPC with Google's.
	Peering = Link{"peering0", End{VPC, netip.MustParsePrefix("100.64.20.1/30")}, End{Master, netip.MustParsePrefix("100.64.20.2/30")}}
	// HubPeering is the peering of the hub with the cluster's VPC.
	HubPeering = Link{"hub0", End{Hub, netip.MustParsePrefix("100.64.30.1/30")}, End{VPC, netip.MustParsePrefix("100.64.30.2/30")}}
)

// TunnelName is the name of a tunnel's link, which the far side's own
// configuration uses: cw0, cw1 and so on.
func TunnelName(n int) string { return fmt.Sprintf("cw%d", n) }

// Links lists the links between the networks that are always there.
func (l Line) Links() []Link {
	switch l {
	case LineVPN:
		return []Link{Peering}
	case LineHub:
		return []Link{HubPeering, Peering}
	}
	links := []Link{tunnel0, Peering}
	for _, c := range l.Consumers() {
		links = append(links, c.Link)
	}
	if l.Fleet() {
		links = append(links, secondLinks()...)
	}
	return append(links, Attachment)
}

// Local is an address that a network's own machine has.
type Local struct {
	Namespace string
	Address   netip.Addr
}

// Locals lists the addresses that lie on each network's loopback device: they
// need no further link, and answer on each of the network's links.
func (l Line) Locals() []Local {
	locals := []Local{
		{Far, FarHost},
		{Far, Stranger},
		{VPC, NodeIP},
		{Master, MasterIP},
	}
	if l.Moves() {
		locals = append(locals, Local{VPC, PSCEndpoint})
	} else {
		locals = append(locals, Local{VPC, GoogleFront})
	}
	for _, c := range l.Consumers() {
		locals = append(locals, Local{c.Namespace, c.Host})
	}
	if l == LineHub {
		locals = append(locals, Local{Hub, HubHost})
	}
	if l.Fleet() {
		locals = append(locals, secondLocals()...)
	}
	return locals
}

// Route is a route of one network; Source is the sender's address that the
// network's own packets get, when set.
type Route struct {
	Namespace string
	To        netip.Prefix
	Via       netip.Addr
	Source    netip.Addr
}

// Routes lists what each network always knows of the others: the peering's
// subnet routes, and on the static line what a Cloud Router announces to far: the
// subnet, by default, and the way to Google's APIs, as for private Google access. A
// consumer's network knows its own range alone.
func (l Line) Routes() []Route {
	vpcFromMaster, masterFromVPC := Peering.A.Address.Addr(), Peering.B.Address.Addr()
	routes := []Route{
		{VPC, MasterCIDR, masterFromVPC, NodeIP},
		{Master, SubnetCIDR, vpcFromMaster, MasterIP},
		{Master, PodCIDR, vpcFromMaster, MasterIP},
	}
	if l.Moves() {
		return routes
	}
	for _, c := range l.Consumers() {
		routes = append(routes, Route{c.Namespace, c.CIDR, c.Link.B.Address.Addr(), c.Host})
	}
	if l.Fleet() {
		routes = append(routes, secondRoutes()...)
	}
	vpcFromFar, farFromVPC := tunnel0.B.Address.Addr(), tunnel0.A.Address.Addr()
	return append(routes,
		Route{Exchange, SubnetCIDR, Attachment.B.Address.Addr(), netip.Addr{}},
		Route{Far, SubnetCIDR, vpcFromFar, FarHost},
		Route{Far, GoogleFronts, vpcFromFar, FarHost},
		Route{VPC, FarCIDR, farFromVPC, NodeIP},
		Route{VPC, netip.PrefixFrom(Stranger, 32), farFromVPC, NodeIP},
	)
}
