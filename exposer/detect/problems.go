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

// ServicePeering is the name that Google gives to private services access.
const ServicePeering = "servicenetworking-googleapis-com"

// ILBProblems are why a load balancer in a subnet can't lead to the cluster's
// control plane at all. A zero subnet is one that was not read.
func ILBProblems(c gcp.Cluster, subnet gcp.Subnetwork) []exposer.Problem {
	problems := exposer.ClusterStateProblems(c)
	if subnet.Network != "" && subnet.Network != c.Network.Name {
		problems = append(problems, exposer.Problem{Code: "CW-NET-SUBNET",
			Text: fmt.Sprintf("subnet %s belongs to network %s, the cluster to %s", subnet.Name, subnet.Network, c.Network.Name),
			Fix:  "name a subnet of the cluster's network in " + c.Region() + " with --subnet"})
	}
	return problems
}

// ImageProblems: private nodes without NAT reach Google's registries only, and
// those only where their subnet has Private Google Access. covered says that a
// Cloud NAT lets the nodes out.
func ImageProblems(c gcp.Cluster, nodes gcp.Subnetwork, covered bool, image string) []exposer.Problem {
	google := googleRegistry(image)
	switch {
	case !c.PrivateNodes, covered, google && nodes.PrivateGoogleAccess:
		return nil
	case google:
		return []exposer.Problem{{Code: "CW-IMG-UNREACHABLE",
			Text: fmt.Sprintf("the nodes are private, no Cloud NAT covers their subnet %s, and it has no Private Google Access: no image can be pulled", nodes.Name),
			Fix:  fmt.Sprintf("gcloud compute networks subnets update %s --project %s --region %s --enable-private-ip-google-access", nodes.Name, nodes.Project, nodes.Region)}}
	}
	return []exposer.Problem{{Code: "CW-IMG-UNREACHABLE",
		Text: fmt.Sprintf("the nodes are private, no Cloud NAT covers their subnet %s, and image %s is not on a registry that Private Google Access reaches", nodes.Name, image),
		Fix:  "leave --image out (" + exposer.DefaultImage + "), or name a copy in Artifact Registry"}}
}

// googleRegistry reports whether an image is pulled from a Google host, which
// nodes without NAT reach by Private Google Access.
func googleRegistry(image string) bool {
	host, _, _ := strings.Cut(image, "/")
	return host == "gcr.io" || strings.HasSuffix(host, ".gcr.io") || strings.HasSuffix(host, "-docker.pkg.dev")
}

// RouteProblems are why no route can lead to the control plane of the cluster from
// a line that ends in a network; the zero network is the cluster's own.
func RouteProblems(c gcp.Cluster, line gcp.Ref) []exposer.Problem {
	problems := exposer.ClusterStateProblems(c)
	if c.PrivateEndpoint == "" && len(problems) == 0 {
		problems = append(problems, exposer.Problem{Code: "CW-ROUTE-NO-ENDPOINT",
			Text: "the control plane has no private address that a route could lead to",
			Fix:  "use the method dns, which needs none, or gateway"})
	}
	if line.Name != "" && line != c.Network {
		problems = append(problems, transit(line, c))
	}
	return problems
}

// transit is the refusal of a way over two peerings.
func transit(hub gcp.Ref, c gcp.Cluster) exposer.Problem {
	how := "the way from there to the control plane crosses two peerings, and VPC peering is not transitive"
	if c.PeeringName == "" {
		how = "the control plane's endpoint can't be reached from a network that is only peered with its own"
	}
	return exposer.Problem{Code: "CW-ROUTE-TRANSIT",
		Text: fmt.Sprintf("the line ends in network %s, the cluster is in %s: %s", hub, c.Network, how),
		Fix:  fmt.Sprintf("use the method ilb (causeway apply ilb --hub-network %s ...), or psc", hub)}
}

// NoLine adds to the refusal of a network in which no line ends what can be done
// about it.
func NoLine(problem exposer.Problem, network gcp.Network) exposer.Problem {
	problem.Fix = "have causeway make an HA VPN (--vpn), or name the network that the line ends in with --network"
	if hubs := hubsOf(network); len(hubs) > 0 {
		names := make([]string, len(hubs))
		for i, p := range hubs {
			names[i] = p.Network.String()
		}
		problem.Text += fmt.Sprintf("; it is peered with %s, and a line that ends there does not reach the control plane: VPC peering is not transitive", strings.Join(names, ", "))
		problem.Fix += fmt.Sprintf("; for a line that ends in %s use the method ilb (causeway apply ilb --hub-network %s ...), or psc", names[0], names[0])
	}
	return problem
}

// hubsOf are the peerings of a network with others of the user's own.
func hubsOf(network gcp.Network) []gcp.Peering {
	return slices.DeleteFunc(slices.Clone(network.Peerings), func(p gcp.Peering) bool {
		return p.Name == ServicePeering || controlPlanePeering(p.Name) || p.State != "ACTIVE"
	})
}

// controlPlanePeering reports whether a name is of GKE's making: the peering of this
// cluster's control plane or of another one's.
func controlPlanePeering(name string) bool {
	return strings.HasPrefix(name, "gke-") && strings.HasSuffix(name, "-peer")
}

// PeeringTo names the peering of a network with another one, "" where there is none.
func PeeringTo(network gcp.Network, other gcp.Ref) string {
	for _, p := range network.Peerings {
		if p.Network.Project == other.Project && p.Network.Name == other.Name {
			return p.Name
		}
	}
	return ""
}

// HubProblems are why a hub can't lead to the cluster's network: both ends of a
// peering must be there.
func HubProblems(c gcp.Cluster, hub gcp.Ref, own, theirs gcp.Network) []exposer.Problem {
	if PeeringTo(own, hub) != "" && PeeringTo(theirs, c.Network) != "" {
		return nil
	}
	return []exposer.Problem{{Code: "CW-HUB-PEERING",
		Text: fmt.Sprintf("network %s and the hub %s are not peered in both directions", c.Network, hub),
		Fix:  "peer them first (gcloud compute networks peerings create, once in each project), or name another hub"}}
}

// RegionProblems are what keeps a line of another region than the cluster's from
// reaching its control plane. mode is the network's dynamic routing mode.
func RegionProblems(c gcp.Cluster, network gcp.Ref, mode string, routers []gcp.Ref, globalAccess bool) []exposer.Problem {
	var problems []exposer.Problem
	region := c.Region()
	for _, router := range routers {
		if router.Region == region {
			continue
		}
		if mode != "GLOBAL" {
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-REGIONAL",
				Text: fmt.Sprintf("router %s is in %s, the cluster in %s, and network %s has dynamic routing mode %s: what the router learns counts in its own region alone", router.Name, router.Region, region, network, mode),
				Fix:  fmt.Sprintf("%s (it counts for the whole network), or a line that ends in %s", globalRouting(network), region)})
		}
		if !c.GlobalAccess && !globalAccess {
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-GLOBAL-ACCESS",
				Text: fmt.Sprintf("router %s is in %s, the control plane in %s, and its global access is off: it answers its own region alone", router.Name, router.Region, region),
				Fix:  "add --global-access"})
		}
	}
	return problems
}

func globalRouting(network gcp.Ref) string {
	return fmt.Sprintf("gcloud compute networks update %s --project %s --bgp-routing-mode=global", network.Name, network.Project)
}

// HubRegionProblems are what keeps a hub's line of another region than the load
// balancer's from reaching it.
func HubRegionProblems(region string, hub gcp.Ref, mode string, routers []gcp.Ref, globalAccess bool) []exposer.Problem {
	var problems []exposer.Problem
	for _, router := range routers {
		if router.Region == region {
			continue
		}
		if mode != "GLOBAL" {
			problems = append(problems, exposer.Problem{Code: "CW-HUB-REGION",
				Text: fmt.Sprintf("the hub's router %s is in %s, the load balancer in %s, and the hub has dynamic routing mode %s: what it learns counts in its own region alone", router.Name, router.Region, region, mode),
				Fix:  globalRouting(hub) + " (it counts for the whole network)"})
		}
		if !globalAccess {
			problems = append(problems, exposer.Problem{Code: "CW-HUB-REGION",
				Text: fmt.Sprintf("the hub's router %s is in %s, the load balancer in %s: without global access it answers its own region alone", router.Name, router.Region, region),
				Fix:  "add --global-access"})
		}
	}
	return problems
}

// Used is a range that the cluster or its network uses itself.
type Used struct {
	About  string // "the cluster's Pods"
	Prefix netip.Prefix
}

// UsedBy are the ranges of a cluster and of subnets beside it.
func UsedBy(c gcp.Cluster, subnets ...gcp.Subnetwork) []Used {
	used := []Used{{"the cluster's Pods", c.PodCIDR}, {"the cluster's Services", c.ServiceCIDR}, {"its control plane", ControlPlane(c)}}
	for _, pool := range c.PoolPodCIDRs {
		used = append(used, Used{"Pods of a node pool", pool})
	}
	for _, subnet := range subnets {
		used = append(used, Used{"subnet " + subnet.Name + " in " + subnet.Region, subnet.Range})
	}
	return used
}

// OverlapProblems finds client networks that the cluster or the VPC uses itself:
// answers to them would stay inside.
func OverlapProblems(clients []netip.Prefix, used []Used) []exposer.Problem {
	var problems []exposer.Problem
	for _, client := range clients {
		for _, r := range used {
			if r.Prefix.IsValid() && r.Prefix.Overlaps(client) {
				problems = append(problems, exposer.Problem{Code: "CW-NET-OVERLAP",
					Text: fmt.Sprintf("client network %s overlaps %s (%s)", client, r.About, r.Prefix),
					Fix:  "narrow --client-cidr to the far side's real client range; ranges that truly collide need the method psc"})
			}
		}
	}
	return problems
}

// ControlPlane is the range that the control plane's address lies in: the
// cluster's own range behind a peering, the one address in a subnet otherwise.
// Invalid where it has no private address.
func ControlPlane(c gcp.Cluster) netip.Prefix {
	if c.PeeringName != "" && c.MasterCIDR.IsValid() {
		return c.MasterCIDR
	}
	addr, err := netip.ParseAddr(c.PrivateEndpoint)
	if err != nil {
		return netip.Prefix{}
	}
	return netip.PrefixFrom(addr, addr.BitLen())
}

// Unheard is the address of a Private Service Connect control plane where a BGP
// peer's own list leaves its subnet out.
func Unheard(c gcp.Cluster, lines routing.Lines, routers []gcp.Ref) []netip.Prefix {
	address := ControlPlane(c)
	if c.PeeringName != "" || !address.IsValid() {
		return nil
	}
	for _, router := range lines.Of(routers) {
		for _, peer := range router.Peers {
			if a := peer.Advertise; a.Mode == "CUSTOM" && !slices.Contains(a.Groups, gcp.AllSubnets) && !routing.AnnouncesAll(a, []netip.Prefix{address}) {
				return []netip.Prefix{address}
			}
		}
	}
	return nil
}

// Enforced reports whether the authorized networks count for the private
// address: behind a peering they do whenever they are on, at an endpoint in the
// VPC where that is switched on.
func Enforced(c gcp.Cluster) bool {
	return c.Authorized.Enabled && (c.Authorized.PrivateEnforced || c.PeeringName != "")
}

// addOpen is the cure of a DNS endpoint that is closed.
const addOpen = "add --open-dns-endpoint"

// DNSProblems are why clients can't use the cluster's DNS endpoint; open says that
// it is to be opened to users: closed, it answers Google's own services alone.
func DNSProblems(c gcp.Cluster, open bool) []exposer.Problem {
	problems := exposer.ReadyProblems(c)
	switch {
	case c.DNSEndpoint == "":
		problems = append(problems, exposer.Problem{Code: "CW-DNS-ABSENT", Text: "the cluster tells no DNS endpoint",
			Fix: "upgrade the control plane, or take a way that uses the private endpoint"})
	case !c.DNSExternal && !open:
		problems = append(problems, exposer.Problem{Code: "CW-DNS-CLOSED",
			Text: "the DNS endpoint takes no traffic but that of Google's own services", Fix: addOpen})
	}
	return problems
}
