package topology

import "net/netip"

// The namespaces of Private Service Connect: consumers' networks, and Google's own
// between them and the producer's.
//
//	consumer 10.156.0.0/20 --endpoint0--+
//	                                    exchange --attach0-- vpc 10.156.0.0/20
//	partner  10.156.0.0/20 --endpoint1--+
//
// All three networks have the same range, and nobody has a route to another's. The
// exchange translates, for as long as the emulator says that a connection is accepted.
const (
	ConsumerSpace = "cw-consumer"
	PartnerSpace  = "cw-partner"
	Exchange      = "cw-exchange"
)

// Consumer is a network that has no way to the cluster's but by an endpoint.
type Consumer struct {
	Namespace                string
	Project, Network, Subnet string // in the emulator's seed, the subnet in Region
	CIDR                     netip.Prefix
	Host                     netip.Addr // its machine
	Link                     Link       // A is the consumer's end, B the exchange's
}

// NetworkPath is the network as the emulator calls it.
func (c Consumer) NetworkPath() string {
	return "projects/" + c.Project + "/global/networks/" + c.Network
}

// TheConsumer and ThePartner are two customers of one producer, who have nothing to
// do with each other. Their machines have the very address of the cluster's node.
var (
	TheConsumer = Consumer{
		Namespace: ConsumerSpace, Project: "consumer-project", Network: "consumer-vpc", Subnet: "clients", CIDR: SubnetCIDR, Host: NodeIP,
		Link: Link{"endpoint0", End{ConsumerSpace, netip.MustParsePrefix("100.64.40.2/30")}, End{Exchange, netip.MustParsePrefix("100.64.40.1/30")}},
	}
	ThePartner = Consumer{
		Namespace: PartnerSpace, Project: "partner-project", Network: "partner-vpc", Subnet: "clients", CIDR: SubnetCIDR, Host: NodeIP,
		Link: Link{"endpoint1", End{PartnerSpace, netip.MustParsePrefix("100.64.41.2/30")}, End{Exchange, netip.MustParsePrefix("100.64.41.1/30")}},
	}
	consumers = []Consumer{TheConsumer, ThePartner}
)

// Attachment is the link of the exchange with the producer's network.
var Attachment = Link{"attach0", End{Exchange, netip.MustParsePrefix("100.64.50.2/30")}, End{VPC, netip.MustParsePrefix("100.64.50.1/30")}}

// Consumers lists the consumers' networks: none where packets follow routers and
// peerings, for that is another matter.
func (l Line) Consumers() []Consumer {
	if l.Moves() {
		return nil
	}
	return consumers
}
