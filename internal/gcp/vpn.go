package gcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
)

// VPNGateway is Google's end of an HA VPN.
type VPNGateway struct {
	Project     string
	Region      string
	Name        string
	Description string
	Network     string       // name; it lies in the same project
	Interfaces  []netip.Addr // public addresses by interface id; Google gives two
}

// Ref names the gateway for the calls that take one.
func (g VPNGateway) Ref() Ref { return Ref{Project: g.Project, Region: g.Region, Name: g.Name} }

// ExternalGateway is what Google knows of the far side's end. It is global, and
// nothing but its labels can be changed.
type ExternalGateway struct {
	Project     string
	Name        string
	Description string
	Redundancy  string       // read: SINGLE_IP_INTERNALLY_REDUNDANT, TWO_IPS_REDUNDANCY, FOUR_IPS_REDUNDANCY
	Interfaces  []netip.Addr // outside addresses by interface id: one, two or four
}

// Ref names the gateway for the calls that take one.
func (g ExternalGateway) Ref() Ref { return Ref{Project: g.Project, Name: g.Name} }

// Redundancy is the type of an external gateway with that many addresses; "" when
// there is none (Google knows one, two and four).
func Redundancy(addresses int) string {
	switch addresses {
	case 1:
		return "SINGLE_IP_INTERNALLY_REDUNDANT"
	case 2:
		return "TWO_IPS_REDUNDANCY"
	case 4:
		return "FOUR_IPS_REDUNDANCY"
	}
	return ""
}

func gatewayURL(ref Ref) string {
	return fmt.Sprintf("projects/%s/regions/%s/vpnGateways/%s", ref.Project, ref.Region, ref.Name)
}

func externalURL(ref Ref) string {
	return fmt.Sprintf("projects/%s/global/externalVpnGateways/%s", ref.Project, ref.Name)
}

// interfaceJSON is an interface of either kind of gateway.
type interfaceJSON struct {
	ID        int    `json:"id"`
	IPAddress string `json:"ipAddress"`
}

// byID puts addresses at the index of their interface's id.
func byID(from []interfaceJSON) []netip.Addr {
	var out []netip.Addr
	for _, one := range from {
		for one.ID >= 0 && one.ID < 4 && len(out) <= one.ID {
			out = append(out, netip.Addr{})
		}
		if one.ID >= 0 && one.ID < len(out) {
			out[one.ID] = address(one.IPAddress)
		}
	}
	return out
}

// readAt reads a resource of compute into a struct; false when there is none.
func (c *Cloud) readAt(ctx context.Context, kind, path string, into any) (bool, error) {
	text, err := c.rawCompute.call(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		if err := wrap("read", kind+" "+path, err); !NotFound(err) {
			return false, err
		}
		return false, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, garbled("read", kind+" "+path, err)
	}
	return true, nil
}

// createAt creates a resource and waits until it is there.
func (c *Cloud) createAt(ctx context.Context, kind, path string, ref Ref, collection string, body document, note func(string)) error {
	resource := kind + " " + path
	op, err := c.change(ctx, http.MethodPost, collection, body)
	if err != nil {
		return wrap("create", resource, err)
	}
	if ref.Region == "" {
		return c.waitGlobal(ctx, "create", resource, ref.Project, op, note)
	}
	return c.waitRegion(ctx, "create", resource, ref.Project, ref.Region, op, note)
}

// VPNGateway reads one; nil without an error when there is none.
func (c *Cloud) VPNGateway(ctx context.Context, ref Ref) (*VPNGateway, error) {
	var found struct {
		Description, Network string
		VPNInterfaces        []interfaceJSON `json:"vpnInterfaces"`
	}
	if ok, err := c.readAt(ctx, "VPN gateway", gatewayURL(ref), &found); err != nil || !ok {
		return nil, err
	}
	return &VPNGateway{
		Project: ref.Project, Region: ref.Region, Name: ref.Name, Description: found.Description,
		Network: parseRef(found.Network, ref.Project, "").Name, Interfaces: byID(found.VPNInterfaces),
	}, nil
}

// CreateVPNGateway makes an HA VPN gateway, waits until it is there, and returns it
// with the two addresses that Google gave it. It fails with AlreadyExists when the
// name is taken.
func (c *Cloud) CreateVPNGateway(ctx context.Context, g VPNGateway, note func(string)) (*VPNGateway, error) {
	body := document{"name": g.Name, "network": fmt.Sprintf("projects/%s/global/networks/%s", g.Project, g.Network)}
	if g.Description != "" {
		body["description"] = g.Description
	}
	path := gatewayURL(g.Ref())
	err := c.createAt(ctx, "VPN gateway", path, g.Ref(), fmt.Sprintf("projects/%s/regions/%s/vpnGateways", g.Project, g.Region), body, note)
	if err != nil {
		return nil, err
	}
	made, err := c.VPNGateway(ctx, g.Ref())
	if err == nil && made == nil {
		err = &Error{Verb: "create", Resource: "VPN gateway " + path, Message: "it is gone again", code: codeConflict}
	}
	return made, err
}

// DeleteVPNGateway deletes a gateway and waits until it is gone; one that is gone
// already is no error. It fails with CW-GCP-IN-USE while a tunnel has it.
func (c *Cloud) DeleteVPNGateway(ctx context.Context, ref Ref, note func(string)) error {
	return c.deleteAt(ctx, "VPN gateway", gatewayURL(ref), ref, note)
}

// ExternalGateway reads one; nil without an error when there is none. The region
// of ref does not count.
func (c *Cloud) ExternalGateway(ctx context.Context, ref Ref) (*ExternalGateway, error) {
	var found struct {
		Description, RedundancyType string
		Interfaces                  []interfaceJSON
	}
	if ok, err := c.readAt(ctx, "external VPN gateway", externalURL(ref), &found); err != nil || !ok {
		return nil, err
	}
	return &ExternalGateway{
		Project: ref.Project, Name: ref.Name, Description: found.Description, Redundancy: found.RedundancyType, Interfaces: byID(found.Interfaces),
	}, nil
}

// CreateExternalGateway tells Google the far side's addresses, one, two or four,
// and waits until that is done. It fails with CW-GCP-ORG-POLICY where
// constraints/compute.restrictVpnPeerIPs forbids one of them.
func (c *Cloud) CreateExternalGateway(ctx context.Context, g ExternalGateway, note func(string)) error {
	path := externalURL(g.Ref())
	redundancy := Redundancy(len(g.Interfaces))
	if redundancy == "" {
		return &Error{Verb: "create", Resource: "external VPN gateway " + path, Message: fmt.Sprintf("it has %d addresses; one, two or four can be", len(g.Interfaces))}
	}
	interfaces := []any{}
	for id, ip := range g.Interfaces {
		interfaces = append(interfaces, document{"id": id, "ipAddress": ip.String()})
	}
	body := document{"name": g.Name, "redundancyType": redundancy, "interfaces": interfaces}
	if g.Description != "" {
		body["description"] = g.Description
	}
	return c.createAt(ctx, "external VPN gateway", path, g.Ref(), fmt.Sprintf("projects/%s/global/externalVpnGateways", g.Project), body, note)
}

// DeleteExternalGateway deletes one and waits until it is gone; one that is gone
// already is no error. It fails with CW-GCP-IN-USE while a tunnel leads to it.
func (c *Cloud) DeleteExternalGateway(ctx context.Context, ref Ref, note func(string)) error {
	return c.deleteAt(ctx, "external VPN gateway", externalURL(ref), Ref{Project: ref.Project, Name: ref.Name}, note)
}

// GatewayStatus says whether the tunnels of a gateway use enough interfaces of both
// sides for Google's availability promise, and if not, why, in Google's words
// ("" when there is no tunnel).
func (c *Cloud) GatewayStatus(ctx context.Context, ref Ref) (met bool, reason string, err error) {
	var found struct {
		Result struct {
			VPNConnections []struct {
				State struct{ State, UnsatisfiedReason string }
			} `json:"vpnConnections"`
		}
	}
	ok, err := c.readAt(ctx, "status of VPN gateway", gatewayURL(ref)+"/getStatus", &found)
	if err != nil || !ok {
		return false, "", err
	}
	for _, one := range found.Result.VPNConnections {
		if one.State.State != "CONNECTION_REDUNDANCY_MET" {
			return false, first(one.State.UnsatisfiedReason, one.State.State), nil
		}
	}
	return len(found.Result.VPNConnections) > 0, "", nil
}
