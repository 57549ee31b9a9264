package gcp

import (
	"context"
	"fmt"

	"cloud.google.com/go/compute/apiv1/computepb"
)

// Network is a VPC network with its peerings.
type Network struct {
	Project     string
	Name        string
	RoutingMode string // REGIONAL or GLOBAL
	Peerings    []Peering
}

// Peering is a link to another network, as seen from this side.
type Peering struct {
	Name               string
	Network            Ref    // the other side
	State              string // ACTIVE or INACTIVE
	ExportCustomRoutes bool
	ImportCustomRoutes bool
}

// Network reads one. In a Shared VPC, project is the host project.
func (c *Cloud) Network(ctx context.Context, project, name string) (Network, error) {
	found, err := c.networks.Get(ctx, &computepb.GetNetworkRequest{Project: project, Network: name})
	if err != nil {
		return Network{}, wrap("read", fmt.Sprintf("network projects/%s/global/networks/%s", project, name), err)
	}
	out := Network{Project: project, Name: found.GetName(), RoutingMode: found.GetRoutingConfig().GetRoutingMode()}
	for _, one := range found.GetPeerings() {
		out.Peerings = append(out.Peerings, Peering{
			Name: one.GetName(), Network: parseRef(one.GetNetwork(), project, ""), State: one.GetState(),
			ExportCustomRoutes: one.GetExportCustomRoutes(), ImportCustomRoutes: one.GetImportCustomRoutes(),
		})
	}
	return out, nil
}
