package gcp

import (
	"context"
	"fmt"
	"net/netip"

	"cloud.google.com/go/compute/apiv1/computepb"
)

// Subnetwork is a subnet with its ranges.
type Subnetwork struct {
	Project   string
	Region    string
	Name      string
	Network   string // name; it lies in the same project
	Purpose   string // PRIVATE, REGIONAL_MANAGED_PROXY, PRIVATE_SERVICE_CONNECT, ...
	Range     netip.Prefix
	Secondary map[string]netip.Prefix // by name
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
	out := Subnetwork{
		Project: project, Region: region, Name: found.GetName(), Purpose: found.GetPurpose(),
		Network: parseRef(found.GetNetwork(), project, "").Name, PrivateGoogleAccess: found.GetPrivateIpGoogleAccess(),
		Range: prefix(found.GetIpCidrRange()), Secondary: map[string]netip.Prefix{},
	}
	for _, one := range found.GetSecondaryIpRanges() {
		out.Secondary[one.GetRangeName()] = prefix(one.GetIpCidrRange())
	}
	return out, nil
}

// prefix reads a CIDR of Google's; what is empty or malformed is the invalid prefix.
func prefix(text string) netip.Prefix {
	out, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}
	}
	return out
}
