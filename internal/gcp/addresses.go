package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"
)

// Address is a regional address resource.
type Address struct {
	Project     string
	Region      string
	Name        string
	Description string
	IP          netip.Addr // invalid: Google chooses
	Type        string     // INTERNAL or EXTERNAL
	Purpose     string     // GCE_ENDPOINT, SHARED_LOADBALANCER_VIP, ...
	Status      string     // RESERVING, RESERVED, IN_USE
	Labels      map[string]string
	Users       []string // links of what uses it

	Subnetwork        string // name
	SubnetworkProject string // the host project of a Shared VPC; Project when empty

	fingerprint string // of the labels, for setLabels
}

func addressPath(project, region, name string) string {
	return fmt.Sprintf("address projects/%s/regions/%s/addresses/%s", project, region, name)
}

// Address reads one address; nil without an error when there is none.
func (c *Cloud) Address(ctx context.Context, project, region, name string) (*Address, error) {
	found, err := c.addresses.Get(ctx, &computepb.GetAddressRequest{Project: project, Region: region, Address: name})
	if err != nil {
		if err := wrap("read", addressPath(project, region, name), err); !NotFound(err) {
			return nil, err
		}
		return nil, nil
	}
	return toAddress(project, region, found), nil
}

// Addresses lists a region's addresses. filter is in compute's filter language
// (`labels.managed-by = "causeway"`); "" lists all.
func (c *Cloud) Addresses(ctx context.Context, project, region, filter string) ([]Address, error) {
	request := &computepb.ListAddressesRequest{Project: project, Region: region}
	if filter != "" {
		request.Filter = &filter
	}
	var out []Address
	for items := c.addresses.List(ctx, request); ; {
		one, err := items.Next()
		if errors.Is(err, iterator.Done) {
			return out, nil
		}
		if err != nil {
			return nil, wrap("list", fmt.Sprintf("addresses projects/%s/regions/%s", project, region), err)
		}
		out = append(out, *toAddress(project, region, one))
	}
}

// AddressUser says who has an IP of the region: the path of an address resource or
// of a forwarding rule; "" when neither has. Virtual machines are not looked at:
// Google refuses their addresses when one is reserved.
func (c *Cloud) AddressUser(ctx context.Context, project, region string, ip netip.Addr) (string, error) {
	addresses, err := c.Addresses(ctx, project, region, fmt.Sprintf("address = %q", ip))
	if err != nil {
		return "", err
	}
	for _, one := range addresses {
		if one.IP == ip {
			return addressPath(project, region, one.Name), nil
		}
	}
	rules, err := c.ForwardingRulesByIP(ctx, project, region, ip)
	if err != nil || len(rules) == 0 {
		return "", err
	}
	return fmt.Sprintf("forwarding rule projects/%s/regions/%s/forwardingRules/%s", project, region, rules[0].Name), nil
}

// ReserveAddress reserves an internal address and waits until it is there. Labels
// are not sent: Google takes them by LabelAddress alone. It fails with
// AlreadyExists when the name is taken, with CW-NET-OUTSIDE-SUBNET and
// CW-NET-ADDRESS-TAKEN when the IP cannot be had.
func (c *Cloud) ReserveAddress(ctx context.Context, a Address, note func(string)) (*Address, error) {
	path := addressPath(a.Project, a.Region, a.Name)
	if a.SubnetworkProject == "" {
		a.SubnetworkProject = a.Project
	}
	body := &computepb.Address{
		Name:        &a.Name,
		AddressType: ptr("INTERNAL"), // the default is EXTERNAL
		Subnetwork:  ptr(fmt.Sprintf("projects/%s/regions/%s/subnetworks/%s", a.SubnetworkProject, a.Region, a.Subnetwork)),
	}
	if a.Description != "" {
		body.Description = &a.Description
	}
	if a.Purpose != "" {
		body.Purpose = &a.Purpose
	}
	if a.IP.IsValid() {
		body.Address = ptr(a.IP.String())
	}
	op, err := c.addresses.Insert(ctx, &computepb.InsertAddressRequest{Project: a.Project, Region: a.Region, RequestId: ptr(c.requestID()), AddressResource: body})
	if err != nil {
		return nil, wrap("reserve", path, err)
	}
	if err := c.waitRegion(ctx, "reserve", path, a.Project, a.Region, op.Proto(), note); err != nil {
		return nil, err
	}
	made, err := c.Address(ctx, a.Project, a.Region, a.Name)
	if err == nil && made == nil {
		err = &Error{Verb: "reserve", Resource: path, Message: "it is gone again", code: codeConflict}
	}
	return made, err
}

// LabelAddress adds labels to those that a has and waits until they are there. It
// fails with CW-GCP-PRECONDITION when the labels were changed since a was read.
func (c *Cloud) LabelAddress(ctx context.Context, a Address, labels map[string]string, note func(string)) error {
	path := addressPath(a.Project, a.Region, a.Name)
	all := map[string]string{}
	for _, part := range []map[string]string{a.Labels, labels} {
		for key, value := range part {
			all[key] = value
		}
	}
	op, err := c.addresses.SetLabels(ctx, &computepb.SetLabelsAddressRequest{
		Project: a.Project, Region: a.Region, Resource: a.Name, RequestId: ptr(c.requestID()),
		RegionSetLabelsRequestResource: &computepb.RegionSetLabelsRequest{LabelFingerprint: &a.fingerprint, Labels: all},
	})
	if err != nil {
		return wrap("label", path, err)
	}
	return c.waitRegion(ctx, "label", path, a.Project, a.Region, op.Proto(), note)
}

// ReleaseAddress deletes the address and waits until it is gone; one that is gone
// already is no error. It fails with CW-NET-ADDRESS-IN-USE while a forwarding rule
// has it.
func (c *Cloud) ReleaseAddress(ctx context.Context, a Address, note func(string)) error {
	path := addressPath(a.Project, a.Region, a.Name)
	op, err := c.addresses.Delete(ctx, &computepb.DeleteAddressRequest{Project: a.Project, Region: a.Region, Address: a.Name, RequestId: ptr(c.requestID())})
	if err != nil {
		if err := wrap("release", path, err); !NotFound(err) {
			return err
		}
		return nil
	}
	return c.waitRegion(ctx, "release", path, a.Project, a.Region, op.Proto(), note)
}

func toAddress(project, region string, a *computepb.Address) *Address {
	out := &Address{
		Project: project, Region: region, Name: a.GetName(), Description: a.GetDescription(),
		Type: a.GetAddressType(), Purpose: a.GetPurpose(), Status: a.GetStatus(),
		Labels: a.GetLabels(), Users: a.GetUsers(), fingerprint: a.GetLabelFingerprint(),
	}
	out.IP, _ = netip.ParseAddr(a.GetAddress()) // empty while the address is being made
	if link := a.GetSubnetwork(); link != "" {
		ref := parseRef(link, project, region)
		out.Subnetwork, out.SubnetworkProject = ref.Name, ref.Project
	}
	return out
}

func ptr[T any](value T) *T { return &value }
