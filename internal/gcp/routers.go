package gcp

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"
)

// Router is a Cloud Router, as far as its NATs tell whether private nodes get out.
type Router struct {
	Project string
	Region  string
	Name    string
	Network string
	NATs    []NAT
}

// NAT is a Cloud NAT of a router.
type NAT struct {
	Name        string
	All         bool     // every subnetwork of the region
	Subnetworks []string // those that it lists, when not All
}

// Covers says whether the NAT lets the nodes of a subnetwork out.
func (n NAT) Covers(subnetwork string) bool {
	return n.All || slices.Contains(n.Subnetworks, subnetwork)
}

// Routers lists the Cloud Routers of a region. In a Shared VPC, project is the
// host project.
func (c *Cloud) Routers(ctx context.Context, project, region string) ([]Router, error) {
	var out []Router
	for items := c.routers.List(ctx, &computepb.ListRoutersRequest{Project: project, Region: region}); ; {
		one, err := items.Next()
		if errors.Is(err, iterator.Done) {
			return out, nil
		}
		if err != nil {
			return nil, wrap("list", fmt.Sprintf("routers projects/%s/regions/%s", project, region), err)
		}
		out = append(out, toRouter(project, region, one))
	}
}

// NATFor says whether a Cloud NAT covers the subnetwork: without one, private
// nodes reach nothing outside but Google, so they cannot pull from Docker Hub.
func (c *Cloud) NATFor(ctx context.Context, subnetwork Subnetwork) (bool, error) {
	routers, err := c.Routers(ctx, subnetwork.Project, subnetwork.Region)
	if err != nil {
		return false, err
	}
	for _, router := range routers {
		covers := func(nat NAT) bool { return nat.Covers(subnetwork.Name) }
		if router.Network == subnetwork.Network && slices.ContainsFunc(router.NATs, covers) {
			return true, nil
		}
	}
	return false, nil
}

func toRouter(project, region string, r *computepb.Router) Router {
	out := Router{Project: project, Region: region, Name: r.GetName(), Network: parseRef(r.GetNetwork(), project, "").Name}
	for _, nat := range r.GetNats() {
		if nat.GetType() == "PRIVATE" {
			continue // leads to other private networks, not out
		}
		one := NAT{Name: nat.GetName()}
		switch nat.GetSourceSubnetworkIpRangesToNat() {
		case "ALL_SUBNETWORKS_ALL_IP_RANGES", "ALL_SUBNETWORKS_ALL_PRIMARY_IP_RANGES":
			one.All = true
		}
		for _, subnetwork := range nat.GetSubnetworks() {
			one.Subnetworks = append(one.Subnetworks, parseRef(subnetwork.GetName(), project, region).Name)
		}
		out.NATs = append(out.NATs, one)
	}
	return out
}
