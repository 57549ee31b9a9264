// Package topology holds the lab's names and addresses: the networks of the
// far side, of the cluster's VPC and of Google's VPC, and who has which address
// in them. It only names; package netns builds what is named here.
//
//	far  172.31.0.0/16 --tunnel 169.254.10.0/30-- vpc 10.156.0.0/20 --peering 169.254.20.0/30-- master 192.168.50.0/28
//
// Far has a route to the VPC's subnet, and so to each internal load balancer,
// but none to the control plane; master has none to far. That gap is what the
// product closes.
package topology

import "net/netip"

// The network namespaces, as they are seen in /var/run/netns.
const (
	Prefix = "cw-"
	Far    = "cw-far"    // the third-party cloud or the on-premises network
	VPC    = "cw-vpc"    // the cluster's VPC: the node, the internal load balancers
	Master = "cw-master" // Google's VPC: the control plane
)

// Namespaces lists the lab's network namespaces.
func Namespaces() []string { return []string{Far, VPC, Master} }

// The Google names of what the lab shows: those of the emulator's seed "lab".
const (
	Project  = "lab-project"
	Region   = "europe-west3"
	Location = "europe-west3"
	Cluster  = "private-cluster"
	Network  = "default"
	Subnet   = "default"
	NodeName = "gke-private-cluster-default-pool-1"
)

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

// Links lists the links between the networks.
func Links() []Link {
	return []Link{
		{"tunnel0", End{Far, netip.MustParsePrefix("169.254.10.2/30")}, End{VPC, netip.MustParsePrefix("169.254.10.1/30")}},
		{"peering0", End{VPC, netip.MustParsePrefix("169.254.20.1/30")}, End{Master, netip.MustParsePrefix("169.254.20.2/30")}},
	}
}

// Local is an address that a network's own machine has.
type Local struct {
	Namespace string
	Address   netip.Addr
}

// Locals lists the addresses that lie on each network's loopback device: they
// need no further link, and answer on each of the network's links.
func Locals() []Local {
	return []Local{
		{Far, FarHost},
		{Far, Stranger},
		{VPC, NodeIP},
		{Master, MasterIP},
	}
}

// Route is a route of one network; Source is the sender's address that the
// network's own packets get, when set.
type Route struct {
	Namespace string
	To        netip.Prefix
	Via       netip.Addr
	Source    netip.Addr
}

// Routes lists what each network knows of the others: the subnet's route that
// a Cloud Router announces to far by default, and the peering's subnet routes.
func Routes() []Route {
	vpcFromFar, farFromVPC := Links()[0].B.Address.Addr(), Links()[0].A.Address.Addr()
	vpcFromMaster, masterFromVPC := Links()[1].A.Address.Addr(), Links()[1].B.Address.Addr()
	return []Route{
		{Far, SubnetCIDR, vpcFromFar, FarHost},
		{VPC, FarCIDR, farFromVPC, NodeIP},
		{VPC, netip.PrefixFrom(Stranger, 32), farFromVPC, NodeIP},
		{VPC, MasterCIDR, masterFromVPC, NodeIP},
		{Master, SubnetCIDR, vpcFromMaster, MasterIP},
		{Master, PodCIDR, vpcFromMaster, MasterIP},
	}
}
