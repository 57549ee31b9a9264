package dataplane

import (
	"fmt"
	"net/netip"
	"strings"

	"causeway/internal/gcptest"
	"causeway/lab/topology"
)

// The chains that the lab owns in the VPC's namespace; kube-proxy has its own beside
// them.
const (
	gate = "CAUSEWAY-GATE" // mangle: who gets to a control plane
	door = "CAUSEWAY-PSC"  // nat: from an endpoint in the subnet to the API server
	mask = "CAUSEWAY-MASK" // nat: and back
)

// hooks say where the chains are entered from: table, chain, own chain.
var hooks = [][3]string{
	{"mangle", "PREROUTING", gate},
	{"nat", "PREROUTING", door}, {"nat", "OUTPUT", door},
	{"nat", "POSTROUTING", mask},
}

// filter is the rules of the VPC's namespace as iptables-restore reads them: both
// tables whole, so that no packet sees half of them.
func filter(f gcptest.Fabric, links []Link) string {
	var gates, doors, masks strings.Builder
	for _, c := range f.Clusters {
		if topology.NamespaceOf(c.Network) != topology.VPC || !c.ControlPlane.IsValid() {
			continue
		}
		// A peered network reaches neither a control plane behind a second peering
		// nor an endpoint of Private Service Connect.
		fmt.Fprintf(&gates, "-A %s -i %s -d %s -j DROP\n", gate, topology.HubPeering.Name, c.ControlPlane)
		for _, l := range links {
			if l.Namespace == topology.VPC && l.Region != c.Region && !c.GlobalAccess {
				fmt.Fprintf(&gates, "-A %s -i %s -d %s -j DROP\n", gate, l.Name, c.ControlPlane)
			}
		}
		if c.AuthorizedOnPrivate {
			// The cluster's own nodes and Pods always get in.
			for _, from := range append([]netip.Prefix{topology.SubnetCIDR, topology.PodCIDR}, c.Authorized...) {
				fmt.Fprintf(&gates, "-A %s -s %s -d %s -j RETURN\n", gate, from.Masked(), c.ControlPlane)
			}
			fmt.Fprintf(&gates, "-A %s -d %s -j DROP\n", gate, c.ControlPlane)
		}
		if c.Peering == "" && c.Endpoint.IsValid() {
			fmt.Fprintf(&doors, "-A %s -d %s/32 -p tcp -m tcp --dport %d -j DNAT --to-destination %s:%d\n", door, c.Endpoint, topology.MasterPort, topology.MasterIP, topology.MasterPort)
			// By the link's own address: the way back needs no route then, and the answers
			// do not look like requests to the endpoint.
			fmt.Fprintf(&masks, "-A %s -d %s/32 -m conntrack --ctorigdst %s -j SNAT --to-source %s\n", mask, topology.MasterIP, c.Endpoint, topology.Peering.A.Address.Addr())
		}
	}
	return fmt.Sprintf("*mangle\n:%s - [0:0]\n%sCOMMIT\n*nat\n:%s - [0:0]\n:%s - [0:0]\n%s%sCOMMIT\n", gate, gates.String(), door, mask, doors.String(), masks.String())
}
