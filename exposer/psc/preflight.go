package psc

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// services are the Google APIs that each half calls.
var services = []string{"compute.googleapis.com"}

// What each half takes, on the project that it is made in (Google's list of
// permissions for Private Service Connect).
var (
	producerPermissions = []string{"compute.serviceAttachments.create", "compute.serviceAttachments.get", "compute.serviceAttachments.update", "compute.serviceAttachments.delete",
		"compute.forwardingRules.get", "compute.forwardingRules.list", "compute.forwardingRules.use", "compute.regionOperations.get", "container.clusters.get"}
	// Where GKE makes the attachment, the producer only looks.
	lookingPermissions  = []string{"compute.serviceAttachments.get", "compute.forwardingRules.get", "compute.forwardingRules.list", "container.clusters.get"}
	natPermissions      = []string{"compute.subnetworks.create", "compute.subnetworks.get", "compute.subnetworks.use", "compute.subnetworks.delete", "compute.networks.updatePolicy", "compute.regionOperations.get"}
	consumerPermissions = []string{"compute.addresses.createInternal", "compute.addresses.get", "compute.addresses.use", "compute.addresses.deleteInternal",
		"compute.forwardingRules.create", "compute.forwardingRules.get", "compute.forwardingRules.delete", "compute.forwardingRules.pscCreate",
		"compute.forwardingRules.pscDelete", "compute.regionOperations.get", "servicedirectory.namespaces.create", "servicedirectory.services.create", "servicedirectory.services.delete"}
	placePermissions  = []string{"compute.networks.use", "compute.subnetworks.get", "compute.subnetworks.use"} // where the network is
	globalPermissions = []string{"compute.forwardingRules.update", "compute.forwardingRules.pscUpdate"}        // to open one that stands
	zonePermissions   = []string{"dns.managedZones.create", "dns.managedZones.get", "dns.managedZones.delete",
		"dns.changes.create", "dns.resourceRecordSets.create", "dns.resourceRecordSets.delete", "dns.resourceRecordSets.get", "dns.resourceRecordSets.list", "dns.resourceRecordSets.update"}
)

// Preflight implements exposer.Exposure.
func (x *exposure) Preflight(ctx context.Context, plan exposer.Plan) ([]exposer.Problem, error) {
	checks := append(x.rightsChecks(), x.checkObject, x.checkLists, x.checkNAT, x.checkSubnet, x.checkAccess)
	changes := func(item exposer.Item) bool { return item.ID == endpointStep{x}.ID() && item.Action == exposer.Change }
	if c := x.spec.PSC.Consumer; c != nil && c.GlobalAccess && slices.ContainsFunc(plan.Items, changes) {
		checks = append(checks, exposer.CheckPermissions(x.consumer, c.Project, globalPermissions))
	}
	return append(plan.Refusals(), exposer.RunChecks(ctx, checks...)...), ctx.Err()
}

func (x *exposure) blocked(ctx context.Context, err error) error {
	if x.deps.Leaving {
		return err
	}
	return exposer.Blocked(ctx, "expose "+x.spec.Cluster.Name+" by psc", err, x.rightsChecks()...)
}

func (x *exposure) rightsChecks() []exposer.Precheck {
	var checks []exposer.Precheck
	if x.producing() {
		own := x.spec.Cluster.Project
		permissions := producerPermissions
		if x.spec.PSC.Through == exposer.ThroughCRD {
			permissions = lookingPermissions
		}
		checks = append(checks, exposer.CheckServices(x.google, own, services), exposer.CheckPermissions(x.google, own, permissions),
			exposer.CheckPermissions(x.google, x.networkProject(), natPermissions), exposer.CheckRights(x.kube, append(exposer.AccessRights(x.spec), x.objectRights()...)))
	}
	c := x.spec.PSC.Consumer
	if c == nil {
		return checks
	}
	needed, apis := slices.Clone(consumerPermissions), []string{"compute.googleapis.com", "servicedirectory.googleapis.com"}
	place := slices.Clone(placePermissions)
	if c.DNSName != "" {
		needed, apis = append(needed, zonePermissions...), append(apis, "dns.googleapis.com")
		place = append(place, "dns.networks.bindPrivateDNSZone")
	}
	checks = append(checks, exposer.CheckServices(x.consumer, c.Project, apis))
	if host := x.consumerNet().Project; host != c.Project {
		return append(checks, exposer.CheckPermissions(x.consumer, c.Project, needed), exposer.CheckPermissions(x.consumer, host, place))
	}
	return append(checks, exposer.CheckPermissions(x.consumer, c.Project, append(needed, place...)))
}

func (x *exposure) checkAccess(ctx context.Context) ([]exposer.Problem, error) {
	if x.kube == nil {
		return nil, nil
	}
	return exposer.CheckAccess(ctx, x.kube, x.spec)
}

// checkNAT finds what the range of a NAT subnet that is to be made collides with.
func (x *exposure) checkNAT(ctx context.Context) ([]exposer.Problem, error) {
	if !x.producing() || x.spec.PSC.NATRange == "" || x.nat.IsValid() {
		return nil, nil
	}
	wanted := netip.MustParsePrefix(x.spec.PSC.NATRange)
	subnets, err := x.google.Subnetworks(ctx, gcp.Ref{Project: x.networkProject(), Name: x.cluster.Network.Name})
	if err != nil {
		return nil, err
	}
	var problems []exposer.Problem
	add := func(about string, r netip.Prefix) {
		if r.IsValid() && r.Overlaps(wanted) {
			problems = append(problems, exposer.Problem{Code: "CW-NET-OVERLAP", Text: fmt.Sprintf("the NAT subnet's range %s overlaps %s (%s)", wanted, about, r),
				Fix: "give another one with --nat-range; a /28 is enough for a few endpoints"})
		}
	}
	for _, subnet := range subnets {
		add("subnet "+subnet.Name, subnet.Range)
		for name, r := range subnet.Secondary {
			add("range "+name+" of subnet "+subnet.Name, r)
		}
	}
	add("the control plane", x.cluster.MasterCIDR)
	return problems, nil
}

// checkSubnet finds a consumer's subnet that can't hold the endpoint.
func (x *exposure) checkSubnet(ctx context.Context) ([]exposer.Problem, error) {
	c := x.spec.PSC.Consumer
	if c == nil {
		return nil, nil
	}
	network := x.consumerNet()
	subnet, err := x.consumer.Subnetwork(ctx, network.Project, x.region, c.Subnet)
	if gcp.NotFound(err) {
		return []exposer.Problem{{Code: "CW-PSC-SUBNET",
			Text: fmt.Sprintf("project %s has no subnet %s in %s, the attachment's region: an endpoint lies there and nowhere else", network.Project, c.Subnet, x.region),
			Fix:  "name a subnet of that region with --consumer-subnet, and one of a Shared VPC with --consumer-network HOSTPROJECT/NETWORK; clients of other regions need --endpoint-global-access"}}, nil
	}
	if err != nil {
		return nil, err
	}
	if subnet.Network != network.Name {
		return []exposer.Problem{{Code: "CW-PSC-SUBNET", Text: fmt.Sprintf("subnet %s belongs to network %s, not to %s", subnet.Name, subnet.Network, network.Name)}}, nil
	}
	return nil, nil
}
