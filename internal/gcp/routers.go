package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"
)

// Router is a Cloud Router: what it announces, its interfaces and BGP peers, and
// its NATs, as far as these tell whether private nodes get out.
type Router struct {
	Project     string
	Region      string
	Name        string
	Network     string // name; it lies in the same project
	Description string
	NATs        []NAT

	ASN        uint32 // 0: the router speaks no BGP, it only carries NATs
	Advertise  Advertisement
	Interfaces []RouterInterface
	Peers      []BGPPeer
}

// Ref names the router for the calls that take one.
func (r Router) Ref() Ref { return Ref{Project: r.Project, Region: r.Region, Name: r.Name} }

// Advertisement is what a router, or a peer with a list of its own, announces.
// In DEFAULT mode it is all subnets of the network (a peer: what the router says),
// in CUSTOM mode the groups and ranges alone.
type Advertisement struct {
	Mode   string   // DEFAULT or CUSTOM
	Groups []string // ALL_SUBNETS
	Ranges []AdvertisedRange
}

// AdvertisedRange is a range of the list.
type AdvertisedRange struct {
	Range       netip.Prefix
	Description string
}

// AllSubnets is the group of the network's own subnets. It holds none that came
// over a peering, a control plane's for one.
const AllSubnets = "ALL_SUBNETS"

// RouterInterface is the router's end of a tunnel or of an attachment.
type RouterInterface struct {
	Name       string
	Link       netip.Prefix // own address with its mask: 169.254.x.y/30
	Tunnel     Ref
	Attachment Ref // of an Interconnect
}

// BGPPeer is a session that the router is to hold.
type BGPPeer struct {
	Name      string
	Interface string
	LocalIP   netip.Addr
	PeerIP    netip.Addr
	PeerASN   uint32
	Enabled   bool
	Priority  *uint32 // MED of what is announced; nil: Google's default
	Advertise Advertisement
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

func routerURL(ref Ref) string {
	return fmt.Sprintf("projects/%s/regions/%s/routers/%s", ref.Project, ref.Region, ref.Name)
}

// Router reads one; nil without an error when there is none.
func (c *Cloud) Router(ctx context.Context, ref Ref) (*Router, error) {
	found, err := c.routers.Get(ctx, &computepb.GetRouterRequest{Project: ref.Project, Region: ref.Region, Router: ref.Name})
	if err != nil {
		if err := wrap("read", "router "+routerURL(ref), err); !NotFound(err) {
			return nil, err
		}
		return nil, nil
	}
	return ptr(toRouter(ref.Project, ref.Region, found)), nil
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

// NetworkRouters lists the routers of a network in all regions, sorted by region
// and name. It fails with CW-GCP-UNAVAILABLE when a region did not answer.
func (c *Cloud) NetworkRouters(ctx context.Context, network Ref) ([]Router, error) {
	resource := fmt.Sprintf("routers of projects/%s/global/networks/%s", network.Project, network.Name)
	var out []Router
	for items := c.routers.AggregatedList(ctx, &computepb.AggregatedListRoutersRequest{Project: network.Project}); ; {
		scope, err := items.Next()
		if errors.Is(err, iterator.Done) {
			break
		}
		if err != nil {
			return nil, wrap("list", resource, err)
		}
		if scope.Value.GetWarning().GetCode() == "UNREACHABLE" {
			return nil, unreached(resource, scope.Key, scope.Value.GetWarning().GetMessage())
		}
		for _, one := range scope.Value.GetRouters() {
			if ref := parseRef(one.GetNetwork(), network.Project, ""); ref.Project == network.Project && ref.Name == network.Name {
				out = append(out, toRouter(network.Project, strings.TrimPrefix(scope.Key, "regions/"), one))
			}
		}
	}
	slices.SortFunc(out, func(a, b Router) int { return strings.Compare(a.Region+"/"+a.Name, b.Region+"/"+b.Name) })
	return out, nil
}

// unreached is a list with a hole: what is not known to be there must not be taken
// for absent.
func unreached(resource, scope, message string) error {
	return &Error{Verb: "list", Resource: resource, Message: strings.TrimSpace(scope + " does not answer: " + message), code: codeUnavailable}
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

// CreateRouter makes a router for BGP and waits until it is there: Name, Network,
// ASN (private, RFC 6996), Description and Advertise are taken, the rest is for
// EditRouter. It fails with AlreadyExists when the name is taken, and with
// CW-BGP-RANGES when more ranges are asked for than a session takes.
func (c *Cloud) CreateRouter(ctx context.Context, router Router, note func(string)) error {
	resource := "router " + routerURL(router.Ref())
	bgp := document{"asn": router.ASN}
	if err := advertise(bgp, resource, router.Advertise); err != nil {
		return err
	}
	body := document{"name": router.Name, "network": fmt.Sprintf("projects/%s/global/networks/%s", router.Project, router.Network), "bgp": bgp}
	if router.Description != "" {
		body["description"] = router.Description
	}
	op, err := c.change(ctx, http.MethodPost, fmt.Sprintf("projects/%s/regions/%s/routers", router.Project, router.Region), body)
	if err != nil {
		return wrap("create", resource, err)
	}
	return c.waitRegion(ctx, "create", resource, router.Project, router.Region, op, note)
}

// DeleteRouter deletes a router and waits until it is gone; one that is gone
// already is no error. It fails with CW-GCP-IN-USE while a tunnel or an attachment
// refers to it.
func (c *Cloud) DeleteRouter(ctx context.Context, ref Ref, note func(string)) error {
	return c.deleteAt(ctx, "router", routerURL(ref), ref, note)
}

// deleteAt deletes a resource of compute and waits until it is gone.
func (c *Cloud) deleteAt(ctx context.Context, kind, path string, ref Ref, note func(string)) error {
	resource := kind + " " + path
	op, err := c.change(ctx, http.MethodDelete, path, nil)
	if err != nil {
		if err := wrap("delete", resource, err); !NotFound(err) {
			return err
		}
		return nil
	}
	if ref.Region == "" {
		return c.waitGlobal(ctx, "delete", resource, ref.Project, op, note)
	}
	return c.waitRegion(ctx, "delete", resource, ref.Project, ref.Region, op, note)
}
