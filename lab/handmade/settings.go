package handmade

import (
	"context"
	"net/netip"

	"causeway/lab/site"
	"causeway/lab/topology"
)

// The names of the seeds' peerings.
const (
	ClusterPeering = "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer" // with the cluster's control plane
	ToHub          = "to-hub"                                  // of the cluster's VPC with the hub
	ToSpoke        = "to-spoke"                                // of the hub with the cluster's VPC
)

// ExchangeRoutes sets whether a peering exports and imports custom routes.
func ExchangeRoutes(ctx context.Context, s *site.Site, project, network, peering string, exports, imports bool) error {
	_, err := s.GoogleCall(ctx, "PATCH", "compute/v1/projects/"+project+"/global/networks/"+network+"/updatePeering", map[string]any{
		"networkPeering": map[string]any{"name": peering, "exportCustomRoutes": exports, "importCustomRoutes": imports},
	})
	return err
}

// SetRouting sets the routing mode of the clusters' network, REGIONAL or GLOBAL.
func SetRouting(ctx context.Context, s *site.Site, mode string) error {
	_, err := s.GoogleCall(ctx, "PATCH", "compute/v1/projects/"+topology.Project+"/global/networks/"+topology.Network,
		map[string]any{"routingConfig": map[string]any{"routingMode": mode}})
	return err
}

// Authorize makes the networks a cluster's authorized ones. They hold for the
// private endpoint, as in the seeds.
func Authorize(ctx context.Context, s *site.Site, cluster string, networks ...netip.Prefix) error {
	config := map[string]any{"enabled": true}
	if cluster == topology.PSCCluster {
		config["privateEndpointEnforcementEnabled"] = true
	}
	var blocks []any
	for _, one := range networks {
		blocks = append(blocks, map[string]any{"displayName": "far", "cidrBlock": one.String()})
	}
	if len(blocks) > 0 {
		config["cidrBlocks"] = blocks
	}
	return updateCluster(ctx, s, cluster, map[string]any{"authorizedNetworksConfig": config})
}

// SetGlobalAccess sets a cluster's control-plane global access.
func SetGlobalAccess(ctx context.Context, s *site.Site, cluster string, on bool) error {
	return updateCluster(ctx, s, cluster, map[string]any{"globalAccess": on})
}

func updateCluster(ctx context.Context, s *site.Site, cluster string, ip map[string]any) error {
	_, err := s.GoogleCall(ctx, "PUT", "container/v1/projects/"+topology.Project+"/locations/"+topology.Location+"/clusters/"+cluster, map[string]any{
		"update": map[string]any{"desiredControlPlaneEndpointsConfig": map[string]any{"ipEndpointsConfig": ip}},
	})
	return err
}

// StaticRoute makes a static route of the clusters' network that leads to a machine
// which is not there.
func StaticRoute(ctx context.Context, s *site.Site, name string, to netip.Prefix) error {
	_, err := s.GoogleCall(ctx, "POST", "compute/v1/projects/"+topology.Project+"/global/routes", map[string]any{
		"name": name, "network": "projects/" + topology.Project + "/global/networks/" + topology.Network, "destRange": to.String(), "nextHopIp": "10.156.0.99",
	})
	return err
}

// DropRoute deletes it.
func DropRoute(ctx context.Context, s *site.Site, name string) error {
	_, err := s.GoogleCall(ctx, "DELETE", "compute/v1/projects/"+topology.Project+"/global/routes/"+name, nil)
	return err
}
