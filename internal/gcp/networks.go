package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"cloud.google.com/go/compute/apiv1/computepb"
	"google.golang.org/api/iterator"
)

// Network is a VPC network with its peerings.
type Network struct {
	Project     string
	Name        string
	RoutingMode string // REGIONAL or GLOBAL
	Peerings    []Peering
}

// Ref names the network for the calls that take one.
func (n Network) Ref() Ref { return Ref{Project: n.Project, Name: n.Name} }

// Peering finds a peering by its name.
func (n Network) Peering(name string) (Peering, bool) {
	for _, one := range n.Peerings {
		if one.Name == name {
			return one, true
		}
	}
	return Peering{}, false
}

// Peering is a link to another network, as seen from this side.
type Peering struct {
	Name               string
	Network            Ref    // the other side
	State              string // ACTIVE or INACTIVE
	StateDetails       string // why, in Google's words
	ExportCustomRoutes bool
	ImportCustomRoutes bool

	ExchangeSubnetRoutes           bool // always, by Google's own word
	ExportSubnetRoutesWithPublicIP bool
	ImportSubnetRoutesWithPublicIP bool
}

func networkPath(network Ref) string {
	return fmt.Sprintf("projects/%s/global/networks/%s", network.Project, network.Name)
}

// Network reads one. In a Shared VPC, project is the host project.
func (c *Cloud) Network(ctx context.Context, project, name string) (Network, error) {
	found, err := c.networks.Get(ctx, &computepb.GetNetworkRequest{Project: project, Network: name})
	if err != nil {
		return Network{}, wrap("read", "network "+networkPath(Ref{Project: project, Name: name}), err)
	}
	out := Network{Project: project, Name: found.GetName(), RoutingMode: found.GetRoutingConfig().GetRoutingMode()}
	for _, one := range found.GetPeerings() {
		out.Peerings = append(out.Peerings, Peering{
			Name: one.GetName(), Network: parseRef(one.GetNetwork(), project, ""), State: one.GetState(), StateDetails: one.GetStateDetails(),
			ExportCustomRoutes: one.GetExportCustomRoutes(), ImportCustomRoutes: one.GetImportCustomRoutes(),
			ExchangeSubnetRoutes:           one.GetExchangeSubnetRoutes(),
			ExportSubnetRoutesWithPublicIP: one.GetExportSubnetRoutesWithPublicIp(),
			ImportSubnetRoutesWithPublicIP: one.GetImportSubnetRoutesWithPublicIp(),
		})
	}
	return out, nil
}

// PeeringRoute is a route that crosses a peering.
type PeeringRoute struct {
	Range         netip.Prefix
	Type          string // SUBNET_PEERING_ROUTE, STATIC_PEERING_ROUTE, DYNAMIC_PEERING_ROUTE
	NextHopRegion string // of dynamic routes
	Priority      uint32
	Imported      bool // the side that it goes to took it
}

// PeeringRoutes lists what crosses a peering in a region. direction is INCOMING
// (from the other side) or OUTGOING (to it).
func (c *Cloud) PeeringRoutes(ctx context.Context, network Ref, peering, region, direction string) ([]PeeringRoute, error) {
	request := &computepb.ListPeeringRoutesNetworksRequest{
		Project: network.Project, Network: network.Name, PeeringName: &peering, Region: &region, Direction: &direction,
	}
	var out []PeeringRoute
	for items := c.networks.ListPeeringRoutes(ctx, request); ; {
		one, err := items.Next()
		if errors.Is(err, iterator.Done) {
			return out, nil
		}
		if err != nil {
			return nil, wrap("list "+strings.ToLower(direction)+" routes of", peeringPath(network, peering), err)
		}
		out = append(out, PeeringRoute{
			Range: prefix(one.GetDestRange()), Type: one.GetType(), NextHopRegion: one.GetNextHopRegion(),
			Priority: one.GetPriority(), Imported: one.GetImported(),
		})
	}
}
