package topology

import "net/netip"

// The second cluster of the fleet: its node is in the same VPC, in a subnet of its own,
// and its control plane in another network of Google's.
//
//	second 10.158.0.0/20 --second0-- vpc --peering1-- master2 192.168.51.0/28
//
// Pods of the two clusters reach each other by the VPC, as those of VPC-native clusters
// do. The node runs kube-proxy and no containers: whoever stands in its namespace stands
// for a Pod.
const (
	SecondSpace  = "cw-second"
	SecondMaster = "cw-master2"
)

// ControlPlane is a cluster of the lab, as its processes know it.
type ControlPlane struct {
	Name          string // Google's
	Master, Nodes string // namespaces
	Address       netip.Addr
	CIDR          netip.Prefix // Google's network with Address
	NodeName      string
	NodeIP        netip.Addr
	SubnetCIDR    netip.Prefix
	PodCIDR       netip.Prefix
	ServiceCIDR   netip.Prefix
	ServiceIP     netip.Addr // the Service `kubernetes`: the first of ServiceCIDR
}

// TheFirst is the cluster of every line; TheSecond the fleet's other one.
var (
	TheFirst = ControlPlane{
		Name: Cluster, Master: Master, Nodes: VPC, Address: MasterIP, CIDR: MasterCIDR, NodeName: NodeName, NodeIP: NodeIP,
		SubnetCIDR: SubnetCIDR, PodCIDR: PodCIDR, ServiceCIDR: ServiceCIDR, ServiceIP: ServiceIP,
	}
	TheSecond = ControlPlane{
		Name: SecondCluster, Master: SecondMaster, Nodes: SecondSpace,
		Address: netip.MustParseAddr("192.168.51.2"), CIDR: netip.MustParsePrefix("192.168.51.0/28"),
		NodeName: "gke-client-cluster-default-pool-1", NodeIP: netip.MustParseAddr("10.158.0.2"), // the seed says that it is taken
		SubnetCIDR: netip.MustParsePrefix("10.158.0.0/20"), PodCIDR: netip.MustParsePrefix("10.44.0.0/16"),
		ServiceCIDR: netip.MustParsePrefix("10.41.0.0/20"), ServiceIP: netip.MustParseAddr("10.41.0.1"),
	}
	// SecondPod is the address of whoever stands for a Pod of the second cluster.
	SecondPod = netip.MustParseAddr("10.44.0.2")
	// Resolver is where Pods of a cluster with Cloud DNS ask for names: the metadata
	// server of their node.
	Resolver = netip.MustParseAddr("169.254.169.254")

	second0  = Link{"second0", End{VPC, netip.MustParsePrefix("100.64.60.1/30")}, End{SecondSpace, netip.MustParsePrefix("100.64.60.2/30")}}
	peering1 = Link{"peering1", End{VPC, netip.MustParsePrefix("100.64.61.1/30")}, End{SecondMaster, netip.MustParsePrefix("100.64.61.2/30")}}
)

// Fleet tells whether the line has the second cluster.
func (l Line) Fleet() bool { return l == LineFleet }

func secondLinks() []Link { return []Link{second0, peering1} }

func secondLocals() []Local {
	return []Local{{SecondSpace, TheSecond.NodeIP}, {SecondSpace, SecondPod}, {SecondSpace, Resolver}, {SecondMaster, TheSecond.Address}}
}

// secondRoutes: the VPC knows both clusters' Pods; the Services of a cluster are known
// to its own node alone, whose route to them only gives packets a Pod's address before
// kube-proxy leads them elsewhere.
func secondRoutes() []Route {
	s, fromVPC, fromSecond := TheSecond, second0.A.Address.Addr(), second0.B.Address.Addr()
	toMaster, fromMaster := peering1.B.Address.Addr(), peering1.A.Address.Addr()
	return []Route{
		{VPC, s.SubnetCIDR, fromSecond, NodeIP},
		{VPC, s.PodCIDR, fromSecond, NodeIP},
		{VPC, s.CIDR, toMaster, NodeIP},
		{SecondSpace, SubnetCIDR, fromVPC, SecondPod},
		{SecondSpace, PodCIDR, fromVPC, SecondPod},
		{SecondSpace, s.ServiceCIDR, fromVPC, SecondPod},
		{SecondSpace, s.CIDR, fromVPC, s.NodeIP},
		{SecondMaster, s.SubnetCIDR, fromMaster, s.Address},
		{SecondMaster, s.PodCIDR, fromMaster, s.Address},
		{SecondMaster, SubnetCIDR, fromMaster, s.Address},
	}
}
