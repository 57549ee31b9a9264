package gcp

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"cloud.google.com/go/container/apiv1/containerpb"
)

// Cluster is a GKE cluster, as far as exposing its API server needs it.
type Cluster struct {
	Project  string
	Location string // region or zone
	Name     string
	Status   string // RUNNING, PROVISIONING, RECONCILING, ...
	Version  string // of the control plane: 1.36.3-gke.1

	PrivateEndpoint string // IP inside the VPC or Google's peered network, "" without
	// PrivateEndpointSubnet is where the private endpoint of a cluster behind Private
	// Service Connect lies; the zero Ref when it is not told.
	PrivateEndpointSubnet Ref
	PublicEndpoint        string
	DNSEndpoint           string // name under gke.goog; "" without
	DNSExternal           bool   // the DNS endpoint takes traffic from outside
	DNSTokens             bool   // the DNS endpoint takes Kubernetes tokens
	DNSCerts              bool   // the DNS endpoint takes Kubernetes client certificates
	IPEndpointsOff        bool   // only the DNS endpoint is left
	GlobalAccess          bool   // the private endpoint answers other regions
	CA                    []byte // PEM

	PeeringName  string       // VPC peering to the control plane; "" means Private Service Connect
	MasterCIDR   netip.Prefix // of the control plane, peering type only
	PrivateNodes bool

	Network     Ref
	Subnetwork  Ref
	PodCIDR     netip.Prefix
	ServiceCIDR netip.Prefix
	// PoolPodCIDRs are further ranges of Pods, which node pools have of their own: each
	// once, sorted, without PodCIDR.
	PoolPodCIDRs []netip.Prefix

	L4ILBSubsetting bool // decides by what a Service asks for its address
	Authorized      AuthorizedNetworks
	// NewEndpointsConfig: the cluster tells ipEndpointsConfig, by which its control
	// plane is then changed as well; older ones only tell what it replaces.
	NewEndpointsConfig bool

	ReleaseChannel    string // RAPID, REGULAR, STABLE or EXTENDED; "" in none
	Autopilot         bool
	VPCNative         bool   // Pods have addresses of the VPC (alias ranges)
	DataplaneV2       bool   // nodes program Services by eBPF
	StackType         string // IPV4 or IPV4_IPV6; "" where it is not told
	HTTPLoadBalancing bool   // the add-on of that name, on unless it was turned off
	WorkloadPool      string // PROJECT.svc.id.goog; "" without Workload Identity
	SecurityGroup     string // gke-security-groups@DOMAIN, whose groups the cluster knows; "" for none
	Fleet             Fleet
}

// Fleet is where a cluster is registered; the zero Fleet is nowhere.
type Fleet struct {
	Project    string // the fleet's host project, by ID or number
	Membership string // projects/P/locations/L/memberships/M; "" while it is being registered
}

// PodRanges are all ranges that the cluster's Pods have addresses of, the main one
// first.
func (c Cluster) PodRanges() []netip.Prefix {
	if !c.PodCIDR.IsValid() {
		return c.PoolPodCIDRs
	}
	return append([]netip.Prefix{c.PodCIDR}, c.PoolPodCIDRs...)
}

// Region is the region in which the control plane is.
func (c Cluster) Region() string { return RegionOf(c.Location) }

// AuthorizedNetworks is who may talk to the control plane's IP endpoints.
type AuthorizedNetworks struct {
	Enabled         bool
	PrivateEnforced bool // the list counts for the private endpoint as well
	CIDRs           []AuthorizedNetwork
}

// AuthorizedNetwork is one of the list.
type AuthorizedNetwork struct {
	CIDR netip.Prefix
	Name string // its displayName, "" without
}

// Covers says whether one of the list holds all of a range.
func (a AuthorizedNetworks) Covers(wanted netip.Prefix) bool {
	return slices.ContainsFunc(a.CIDRs, func(one AuthorizedNetwork) bool {
		return one.CIDR.Bits() <= wanted.Bits() && one.CIDR.Overlaps(wanted)
	})
}

// Ready says whether the control plane serves: a cluster that is being changed
// (RECONCILING) or has a fault in its nodes (DEGRADED) does.
func (c Cluster) Ready() bool {
	return c.Status == "RUNNING" || c.Status == "RECONCILING" || c.Status == "DEGRADED"
}

func clusterPath(project, location, name string) string {
	return fmt.Sprintf("projects/%s/locations/%s/clusters/%s", project, location, name)
}

// Cluster reads one.
func (c *Cloud) Cluster(ctx context.Context, project, location, name string) (Cluster, error) {
	path := clusterPath(project, location, name)
	found, err := c.clusters.GetCluster(ctx, &containerpb.GetClusterRequest{Name: path})
	if err != nil {
		return Cluster{}, wrap("read", "cluster "+path, err)
	}
	return toCluster(project, found)
}

// Clusters lists those of a project; location "-" means everywhere. unreached
// names the locations that did not answer.
func (c *Cloud) Clusters(ctx context.Context, project, location string) (clusters []Cluster, unreached []string, err error) {
	path := fmt.Sprintf("projects/%s/locations/%s", project, location)
	found, err := c.clusters.ListClusters(ctx, &containerpb.ListClustersRequest{Parent: path})
	if err != nil {
		return nil, nil, wrap("list", "clusters "+path, err)
	}
	for _, one := range found.GetClusters() {
		cluster, err := toCluster(project, one)
		if err != nil {
			return nil, nil, err
		}
		clusters = append(clusters, cluster)
	}
	return clusters, found.GetMissingZones(), nil
}

func toCluster(project string, c *containerpb.Cluster) (Cluster, error) {
	location, older := c.GetLocation(), readOlder(c)
	out := Cluster{
		Project: project, Location: location, Name: c.GetName(), Status: c.GetStatus().String(), Version: c.GetCurrentMasterVersion(),
		PeeringName: c.GetPrivateClusterConfig().GetPeeringName(), MasterCIDR: prefix(c.GetPrivateClusterConfig().GetMasterIpv4CidrBlock()),
		PrivateNodes: older.privateNodes || c.GetNetworkConfig().GetDefaultEnablePrivateNodes(),
		PodCIDR:      prefix(first(c.GetIpAllocationPolicy().GetClusterIpv4CidrBlock(), c.GetClusterIpv4Cidr())),
		ServiceCIDR:  prefix(first(c.GetIpAllocationPolicy().GetServicesIpv4CidrBlock(), c.GetServicesIpv4Cidr())),

		L4ILBSubsetting: c.GetNetworkConfig().GetEnableL4IlbSubsetting(),

		Autopilot: c.GetAutopilot().GetEnabled(), VPCNative: c.GetIpAllocationPolicy().GetUseIpAliases(),
		DataplaneV2:       c.GetNetworkConfig().GetDatapathProvider() == containerpb.DatapathProvider_ADVANCED_DATAPATH,
		HTTPLoadBalancing: !c.GetAddonsConfig().GetHttpLoadBalancing().GetDisabled(),
		WorkloadPool:      c.GetWorkloadIdentityConfig().GetWorkloadPool(),
		SecurityGroup:     c.GetAuthenticatorGroupsConfig().GetSecurityGroup(),
		Fleet: Fleet{Project: c.GetFleet().GetProject(),
			Membership: strings.TrimPrefix(c.GetFleet().GetMembership(), "//gkehub.googleapis.com/")},
	}
	if channel := c.GetReleaseChannel().GetChannel(); channel != 0 { // the unspecified one
		out.ReleaseChannel = channel.String()
	}
	if stack := c.GetIpAllocationPolicy().GetStackType(); stack != containerpb.StackType_STACK_TYPE_UNSPECIFIED {
		out.StackType = stack.String()
	}
	// networkConfig has the project, which a Shared VPC needs; network and
	// subnetwork of the cluster itself are bare names.
	out.Network = parseRef(first(c.GetNetworkConfig().GetNetwork(), c.GetNetwork()), project, "")
	out.Subnetwork = parseRef(first(c.GetNetworkConfig().GetSubnetwork(), c.GetSubnetwork()), out.Network.Project, RegionOf(location))
	endpoints(&out, c, older)
	out.Authorized = authorized(c, older)
	out.PoolPodCIDRs = poolRanges(c, out.PodCIDR)
	ca, err := base64.StdEncoding.DecodeString(c.GetMasterAuth().GetClusterCaCertificate())
	if err != nil {
		return Cluster{}, &Error{Verb: "read", Resource: "cluster " + out.Name, Message: "its CA certificate is not base64: " + err.Error()}
	}
	out.CA = ca
	return out, nil
}

// poolRanges are the ranges of node pools whose Pods are not in the main one. A pool
// without a range of its own tells the main one, or none.
func poolRanges(c *containerpb.Cluster, main netip.Prefix) []netip.Prefix {
	var ranges []netip.Prefix
	for _, pool := range c.GetNodePools() {
		if one := prefix(pool.GetNetworkConfig().GetPodIpv4CidrBlock()); one.IsValid() && one != main {
			ranges = append(ranges, one)
		}
	}
	slices.SortFunc(ranges, netip.Prefix.Compare)
	return slices.Compact(ranges)
}

// endpoints reads the newer block where it is and the older one where not.
func endpoints(out *Cluster, c *containerpb.Cluster, older olderFields) {
	ip, dns := c.GetControlPlaneEndpointsConfig().GetIpEndpointsConfig(), c.GetControlPlaneEndpointsConfig().GetDnsEndpointConfig()
	out.PrivateEndpoint = first(ip.GetPrivateEndpoint(), older.privateEndpoint)
	out.PublicEndpoint = first(ip.GetPublicEndpoint(), older.publicEndpoint)
	out.NewEndpointsConfig = ip != nil
	if link := first(ip.GetPrivateEndpointSubnetwork(), older.privateEndpointSubnet); link != "" {
		out.PrivateEndpointSubnet = parseRef(link, out.Network.Project, out.Region())
	}
	out.GlobalAccess = ip.GetGlobalAccess() || older.globalAccess
	out.IPEndpointsOff = ip != nil && ip.Enabled != nil && !ip.GetEnabled()
	out.DNSEndpoint, out.DNSExternal = dns.GetEndpoint(), dns.GetAllowExternalTraffic()
	out.DNSTokens, out.DNSCerts = dns.GetEnableK8STokensViaDns(), dns.GetEnableK8SCertsViaDns()
	publicOff := older.publicOff || ip != nil && ip.EnablePublicEndpoint != nil && !ip.GetEnablePublicEndpoint()
	if publicOff {
		out.PublicEndpoint = ""
	}
	if endpoint := c.GetEndpoint(); endpoint != out.PrivateEndpoint && out.PublicEndpoint == "" && !publicOff {
		out.PublicEndpoint = endpoint
	}
}

func authorized(c *containerpb.Cluster, older olderFields) AuthorizedNetworks {
	from := c.GetControlPlaneEndpointsConfig().GetIpEndpointsConfig().GetAuthorizedNetworksConfig()
	if from == nil {
		from = older.authorized
	}
	out := AuthorizedNetworks{Enabled: from.GetEnabled(), PrivateEnforced: from.GetPrivateEndpointEnforcementEnabled()}
	for _, block := range from.GetCidrBlocks() {
		if cidr := prefix(block.GetCidrBlock()); cidr.IsValid() {
			out.CIDRs = append(out.CIDRs, AuthorizedNetwork{CIDR: cidr, Name: block.GetDisplayName()})
		}
	}
	return out
}
