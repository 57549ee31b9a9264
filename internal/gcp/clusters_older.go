package gcp

//lint:file-ignore SA1019 clusters made before controlPlaneEndpointsConfig tell these things only here

import "cloud.google.com/go/container/apiv1/containerpb"

// olderFields are those of a cluster that controlPlaneEndpointsConfig replaces.
// Google still fills them, and for older clusters it may fill only them.
type olderFields struct {
	privateEndpoint string
	publicEndpoint  string
	publicOff       bool
	globalAccess    bool
	privateNodes    bool
	// privateEndpointSubnet is a link.
	privateEndpointSubnet string
	authorized            *containerpb.MasterAuthorizedNetworksConfig
}

func readOlder(c *containerpb.Cluster) olderFields {
	private := c.GetPrivateClusterConfig()
	return olderFields{
		privateEndpoint:       private.GetPrivateEndpoint(),
		publicEndpoint:        private.GetPublicEndpoint(),
		publicOff:             private.GetEnablePrivateEndpoint(),
		globalAccess:          private.GetMasterGlobalAccessConfig().GetEnabled(),
		privateNodes:          private.GetEnablePrivateNodes(),
		privateEndpointSubnet: private.GetPrivateEndpointSubnetwork(),
		authorized:            c.GetMasterAuthorizedNetworksConfig(),
	}
}
