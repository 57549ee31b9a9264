package dataplane

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"causeway/internal/gcptest"
	"causeway/lab/netns"
	"causeway/lab/topology"
)

// The chains of the networks of Private Service Connect. In the exchange packets pass
// for whom they are meant for and no others; a consumer's own network only hides its
// machine behind its end of the link, since the exchange knows several of one address.
const (
	endpointIn   = "CAUSEWAY-ENDPOINT" // nat: from an endpoint to its target
	endpointMask = "CAUSEWAY-NAT"      // nat: from an address of the NAT subnet
	endpointPass = "CAUSEWAY-ACCEPTED" // filter: accepted connections alone
	consumerMask = "CAUSEWAY-LEAVE"    // nat, of a consumer
)

var (
	exchangeHooks = [][3]string{{"nat", "PREROUTING", endpointIn}, {"nat", "POSTROUTING", endpointMask}, {"filter", "FORWARD", endpointPass}}
	consumerHooks = [][3]string{{"nat", "POSTROUTING", consumerMask}}
)

// everyPort is what a target without a list of ports takes.
const everyPort = "1:65535"

// googleKeeps is how many addresses at either end of a subnet are Google's own.
const googleKeeps = 2

// Translation is how the exchange translates.
type Translation struct {
	Rules  string                // iptables-restore's input for the exchange
	Routes []netns.Route         // of the producer's network: back to the NAT subnets
	NAT    map[string]netip.Addr // by pscConnectionId: the address that an endpoint's packets come from
}

// Translate says what the connections of Private Service Connect mean for packets.
// had is the NAT of the one before: a connection keeps its address. Whoever is not
// accepted, has clients of other regions alone, or has no address left, passes nothing.
func Translate(consumers []topology.Consumer, connections []gcptest.Connection, had map[string]netip.Addr) Translation {
	t := Translation{NAT: map[string]netip.Addr{}}
	connections = slices.DeleteFunc(slices.Clone(connections), func(c gcptest.Connection) bool {
		return !c.Accepted || topology.NamespaceOf(c.ProducerNetwork) != topology.VPC || !slices.Contains(c.Regions, topology.Region)
	})
	for _, c := range connections {
		if at, ok := had[c.ID]; ok && within(at, c.NAT) {
			t.NAT[c.ID] = at
		}
	}
	var in, mask, pass strings.Builder
	for _, c := range connections {
		i := slices.IndexFunc(consumers, func(one topology.Consumer) bool { return one.NetworkPath() == c.ConsumerNetwork })
		if i < 0 || !t.give(c) {
			continue
		}
		link, ports := consumers[i].Link, c.Ports
		if len(ports) == 0 {
			ports = []string{everyPort}
		}
		flow := fmt.Sprintf("-m conntrack --ctorigsrc %s --ctorigdst %s", link.A.Address.Addr(), c.EndpointIP)
		fmt.Fprintf(&in, "-A %s -i %s -d %s/32 -p tcp -j DNAT --to-destination %s\n", endpointIn, link.Name, c.EndpointIP, c.TargetIP)
		fmt.Fprintf(&mask, "-A %s -o %s %s -j SNAT --to-source %s\n", endpointMask, topology.Attachment.Name, flow, t.NAT[c.ID])
		// Both ways, and established ones too: what is no longer accepted stops. By the
		// ports again, since a target may have the endpoint's very address: nothing is
		// translated then that one could go by.
		for _, port := range ports {
			fmt.Fprintf(&pass, "-A %s -p tcp %s --ctorigdstport %s -j ACCEPT\n", endpointPass, flow, port)
		}
		for _, back := range through(over(c.NAT), topology.Attachment.A.Address.Addr()) {
			if !slices.ContainsFunc(t.Routes, func(r netns.Route) bool { return r.To == back.To }) {
				t.Routes = append(t.Routes, back)
			}
		}
	}
	t.Rules = fmt.Sprintf("*nat\n:%s - [0:0]\n:%s - [0:0]\n%s%sCOMMIT\n*filter\n:%s - [0:0]\n%s-A %s -j DROP\nCOMMIT\n",
		endpointIn, endpointMask, in.String(), mask.String(), endpointPass, pass.String(), endpointPass)
	return t
}

// give gives a connection an address of its NAT subnets, which nobody else has; false
// when none is left.
func (t *Translation) give(c gcptest.Connection) bool {
	if t.NAT[c.ID].IsValid() {
		return true
	}
	for _, subnet := range c.NAT {
		at := subnet.Masked().Addr()
		for n := range 1<<(32-subnet.Bits()) - googleKeeps {
			if n >= googleKeeps && !t.taken(at) {
				t.NAT[c.ID] = at
				return true
			}
			at = at.Next()
		}
	}
	return false
}

func (t *Translation) taken(at netip.Addr) bool {
	for _, had := range t.NAT {
		if had == at {
			return true
		}
	}
	return false
}

func within(at netip.Addr, ranges []netip.Prefix) bool {
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(at) })
}

// leave is the rules of a consumer's namespace.
func leave(c topology.Consumer) string {
	return fmt.Sprintf("*nat\n:%s - [0:0]\n-A %s -o %s -j SNAT --to-source %s\nCOMMIT\n", consumerMask, consumerMask, c.Link.Name, c.Link.A.Address.Addr())
}
