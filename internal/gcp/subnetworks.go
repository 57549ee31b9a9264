package gcp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"
)

// Subnetwork is a subnet with its ranges.
type Subnetwork struct {
	Project string
	Region  string
	Name    string
	// Description is kept for life.
	Description string
	Network     string // name; it lies in the same project
	Purpose     string // PRIVATE, REGIONAL_MANAGED_PROXY, PRIVATE_SERVICE_CONNECT, ...
	Range       netip.Prefix
	Secondary   map[string]netip.Prefix // by name
	// PrivateGoogleAccess: machines without an external address reach Google's
	// APIs and registries.
	PrivateGoogleAccess bool
}

// Subnetwork reads one. In a Shared VPC, project is the host project.
func (c *Cloud) Subnetwork(ctx context.Context, project, region, name string) (Subnetwork, error) {
	found, err := c.subnetworks.Get(ctx, &computepb.GetSubnetworkRequest{Project: project, Region: region, Subnetwork: name})
	if err != nil {
		return Subnetwork{}, wrap("read", fmt.Sprintf("subnetwork projects/%s/regions/%s/subnetworks/%s", project, region, name), err)
	}
	return toSubnetwork(project, region, found), nil
}

// Subnetworks lists those of a network in all regions, sorted by region and name.
// It fails with CW-GCP-UNAVAILABLE when a region did not answer: a list with a
// hole would hide ranges that overlap.
func (c *Cloud) Subnetworks(ctx context.Context, network Ref) ([]Subnetwork, error) {
	filter, resource := networkFilter(network), "subnetworks of "+networkPath(network)
	var out []Subnetwork
	for items := c.subnetworks.AggregatedList(ctx, &computepb.AggregatedListSubnetworksRequest{Project: network.Project, Filter: &filter}); ; {
		scope, err := items.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return nil, wrap("list", resource, err)
		}
		if scope.Value.GetWarning().GetCode() == "UNREACHABLE" {
			return nil, &Error{Verb: "list", Resource: resource, Message: scope.Key + " does not answer: " + scope.Value.GetWarning().GetMessage(), code: codeUnavailable}
		}
		for _, one := range scope.Value.GetSubnetworks() {
			if parseRef(one.GetNetwork(), network.Project, "") == network {
				out = append(out, toSubnetwork(network.Project, parseRef(one.GetRegion(), "", "").Name, one))
			}
		}
	}
	slices.SortFunc(out, func(a, b Subnetwork) int { return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Name, b.Name)) })
	return out, nil
}

func toSubnetwork(project, region string, s *computepb.Subnetwork) Subnetwork {
	out := Subnetwork{
		Project: project, Region: region, Name: s.GetName(), Purpose: s.GetPurpose(), Description: s.GetDescription(),
		Network: parseRef(s.GetNetwork(), project, "").Name, PrivateGoogleAccess: s.GetPrivateIpGoogleAccess(),
		Range: prefix(s.GetIpCidrRange()), Secondary: map[string]netip.Prefix{},
	}
	for _, one := range s.GetSecondaryIpRanges() {
		out.Secondary[one.GetRangeName()] = prefix(one.GetIpCidrRange())
	}
	return out
}

// prefix reads a CIDR of Google's; what is empty or malformed is the invalid prefix.
func prefix(text string) netip.Prefix {
	out, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}
	}
	return out
}
