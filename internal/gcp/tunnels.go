package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Tunnel is an HA VPN tunnel from an interface of Google's gateway to one of the
// far side's. It cannot be changed: another key means another tunnel.
type Tunnel struct {
	Project     string
	Region      string
	Name        string
	Description string

	Gateway           Ref
	GatewayInterface  int
	External          Ref
	ExternalInterface int
	Router            Ref
	IKE               int // version: 2 when 0

	Status string // ESTABLISHED, AUTHORIZATION_ERROR, ...: see TunnelProblem
	Detail string // a sentence of Google's
	Secret string // pre-shared key, for CreateTunnel alone; Google never tells it back
}

// Ref names the tunnel for the calls that take one.
func (t Tunnel) Ref() Ref { return Ref{Project: t.Project, Region: t.Region, Name: t.Name} }

// String hides the key.
func (t Tunnel) String() string {
	secret := "none"
	if t.Secret != "" {
		secret = "hidden"
	}
	return fmt.Sprintf("tunnel %s (%s interface %d to %s interface %d, router %s, status %s, key %s)",
		tunnelURL(t.Ref()), t.Gateway.Name, t.GatewayInterface, t.External.Name, t.ExternalInterface, t.Router.Name, first(t.Status, "unknown"), secret)
}

// GoString hides the key from %#v as well.
func (t Tunnel) GoString() string { return t.String() }

// MarshalJSON leaves the key out.
func (t Tunnel) MarshalJSON() ([]byte, error) {
	type plain Tunnel
	t.Secret = ""
	return json.Marshal(plain(t))
}

func tunnelURL(ref Ref) string {
	return fmt.Sprintf("projects/%s/regions/%s/vpnTunnels/%s", ref.Project, ref.Region, ref.Name)
}

type tunnelJSON struct {
	Name, Description, Status, DetailedStatus string
	VPNGateway                                string `json:"vpnGateway"`
	VPNGatewayInterface                       int    `json:"vpnGatewayInterface"`
	PeerExternalGateway, Router               string
	PeerExternalGatewayInterface, IKEVersion  int
}

func (t tunnelJSON) tunnel(project, region string) Tunnel {
	near := Ref{Project: project, Region: region}
	out := Tunnel{
		Project: project, Region: region, Name: t.Name, Description: t.Description, Status: t.Status, Detail: t.DetailedStatus, IKE: t.IKEVersion,
		Gateway: refOf(t.VPNGateway, near), GatewayInterface: t.VPNGatewayInterface, Router: refOf(t.Router, near),
		External: refOf(t.PeerExternalGateway, Ref{Project: project}), ExternalInterface: t.PeerExternalGatewayInterface,
	}
	return out
}

// Tunnel reads one; nil without an error when there is none.
func (c *Cloud) Tunnel(ctx context.Context, ref Ref) (*Tunnel, error) {
	var found tunnelJSON
	if ok, err := c.readAt(ctx, "VPN tunnel", tunnelURL(ref), &found); err != nil || !ok {
		return nil, err
	}
	return ptr(found.tunnel(ref.Project, ref.Region)), nil
}

// NetworkTunnels lists a project's tunnels in all regions: of HA VPN, whose
// networks their routers tell, and older ones, which have no Gateway. It fails with
// CW-GCP-UNAVAILABLE when a region did not answer.
func (c *Cloud) NetworkTunnels(ctx context.Context, project string) ([]Tunnel, error) {
	var out []Tunnel
	err := c.aggregated(ctx, project, "vpnTunnels", "VPN tunnels of projects/"+project, func(region string, text json.RawMessage) error {
		var one tunnelJSON
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		out = append(out, one.tunnel(project, region))
		return nil
	})
	return out, err
}

// CreateTunnel makes a tunnel with the key in Secret and waits until it is there;
// whether it comes up is the far side's to say (Tunnel, TunnelProblem). It fails
// with AlreadyExists when the name is taken, and with CW-GCP-ORG-POLICY where
// constraints/compute.restrictVpnPeerIPs forbids the far side's address. No error
// of it holds the key.
func (c *Cloud) CreateTunnel(ctx context.Context, t Tunnel, note func(string)) error {
	path := tunnelURL(t.Ref())
	ike := t.IKE
	if ike == 0 {
		ike = 2
	}
	body := document{
		"name": t.Name, "sharedSecret": t.Secret, "ikeVersion": ike, "router": routerURL(t.Router),
		"vpnGateway": gatewayURL(t.Gateway), "vpnGatewayInterface": t.GatewayInterface,
		"peerExternalGateway": externalURL(t.External), "peerExternalGatewayInterface": t.ExternalInterface,
	}
	if t.Description != "" {
		body["description"] = t.Description
	}
	err := c.createAt(ctx, "VPN tunnel", path, t.Ref(), fmt.Sprintf("projects/%s/regions/%s/vpnTunnels", t.Project, t.Region), body, note)
	if err != nil && t.Secret != "" && strings.Contains(err.Error(), t.Secret) {
		return &Error{Verb: "create", Resource: "VPN tunnel " + path, Message: "the answer repeats the pre-shared key, so it is not shown", code: codeOf(err)}
	}
	return err
}

// codeOf is the known cause that an error of this package carries.
func codeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.code
	}
	return ""
}

// DeleteTunnel deletes a tunnel and waits until it is gone; one that is gone
// already is no error. It fails with CW-GCP-IN-USE while a router's interface is
// linked to it.
func (c *Cloud) DeleteTunnel(ctx context.Context, ref Ref, note func(string)) error {
	return c.deleteAt(ctx, "VPN tunnel", tunnelURL(ref), ref, note)
}
