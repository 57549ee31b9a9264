package gcp

import (
	"context"
	"fmt"
)

// NATPurpose is that of subnetworks from which a service attachment takes the
// addresses by which its consumers appear in the producer's network. Nothing else
// can use such a subnetwork, and one attachment alone.
const NATPurpose = "PRIVATE_SERVICE_CONNECT"

// CreateNATSubnet makes a subnetwork of that purpose, with the Range, Network and
// Description of s, and waits until it is there. It fails with AlreadyExists when
// the name is taken and with CW-PSC-NAT-SUBNET when the range overlaps another one
// of the network.
func (c *Cloud) CreateNATSubnet(ctx context.Context, s Subnetwork, note func(string)) error {
	ref := Ref{Project: s.Project, Region: s.Region, Name: s.Name}
	path := subnetworkURL(ref)
	switch {
	case s.Purpose != "" && s.Purpose != NATPurpose:
		return &Error{Verb: "create", Resource: "subnetwork " + path, Message: fmt.Sprintf("its purpose would be %s, not %s", s.Purpose, NATPurpose)}
	case !s.Range.IsValid() || s.Range != s.Range.Masked():
		return &Error{Verb: "create", Resource: "subnetwork " + path, Message: fmt.Sprintf("%s is no range", s.Range)}
	}
	body := document{
		"name": s.Name, "network": networkPath(Ref{Project: s.Project, Name: s.Network}),
		"ipCidrRange": s.Range.String(), "purpose": NATPurpose,
	}
	if s.Description != "" {
		body["description"] = s.Description
	}
	return c.createAt(ctx, "subnetwork", path, ref, fmt.Sprintf("projects/%s/regions/%s/subnetworks", s.Project, s.Region), body, note)
}

// DeleteSubnetwork deletes a subnetwork and waits until it is gone; one that is gone
// already is no error. It fails with CW-GCP-IN-USE while an attachment, an address
// or anything else has it.
func (c *Cloud) DeleteSubnetwork(ctx context.Context, ref Ref, note func(string)) error {
	return c.deleteAt(ctx, "subnetwork", subnetworkURL(ref), ref, note)
}
