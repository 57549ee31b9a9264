// Package discovery owns what Google's discovery documents say about the calls
// that causeway makes: routes, parameters, fields, types and enum values.
//
// The documents ship inside the module google.golang.org/api and are large, so
// an extract (only the methods in Wanted and the schemas they reach, without
// prose) is embedded here; a test compares it with the module's documents, and
// `go test ./internal/gcptest/discovery -update` writes it anew. The emulator
// checks every request and every answer against it, so that neither the product
// nor the emulator can say what Google's APIs do not.
//
// It must not know the emulator, the product or the network.
//
//	catalog, err := discovery.Load()
//	doc := catalog.Service("compute")
//	method, params := doc.Match("GET", "projects/p/regions/r/addresses")
//	problems := doc.CheckBody(method.Response, answer)
package discovery

// Wanted returns the methods that causeway, its tests and gcloud in its tests
// call, keyed by the document's path below the module google.golang.org/api.
func Wanted() map[string][]string {
	return map[string][]string{
		"compute/v1/compute-api.json": {
			"compute.addresses.aggregatedList", "compute.addresses.delete", "compute.addresses.get",
			"compute.addresses.insert", "compute.addresses.list", "compute.addresses.setLabels",
			"compute.addresses.testIamPermissions",
			"compute.forwardingRules.aggregatedList", "compute.forwardingRules.delete",
			"compute.forwardingRules.get", "compute.forwardingRules.insert", "compute.forwardingRules.list",
			"compute.forwardingRules.patch", "compute.forwardingRules.setLabels",
			"compute.externalVpnGateways.delete", "compute.externalVpnGateways.get", "compute.externalVpnGateways.insert",
			"compute.externalVpnGateways.list", "compute.externalVpnGateways.setLabels",
			"compute.globalOperations.get", "compute.globalOperations.wait",
			"compute.interconnectAttachments.aggregatedList", "compute.interconnectAttachments.get", "compute.interconnectAttachments.list",
			"compute.networks.addPeering", "compute.networks.get", "compute.networks.list", "compute.networks.listPeeringRoutes",
			"compute.networks.patch", "compute.networks.removePeering", "compute.networks.updatePeering",
			"compute.regionOperations.get", "compute.regionOperations.list", "compute.regionOperations.wait",
			"compute.regions.get", "compute.regions.list",
			"compute.routers.aggregatedList", "compute.routers.delete", "compute.routers.get", "compute.routers.getRouterStatus",
			"compute.routers.insert", "compute.routers.list", "compute.routers.patch", "compute.routers.update",
			"compute.routes.delete", "compute.routes.get", "compute.routes.insert", "compute.routes.list",
			"compute.serviceAttachments.aggregatedList", "compute.serviceAttachments.delete", "compute.serviceAttachments.get",
			"compute.serviceAttachments.insert", "compute.serviceAttachments.list", "compute.serviceAttachments.patch",
			"compute.serviceAttachments.testIamPermissions",
			"compute.subnetworks.aggregatedList", "compute.subnetworks.delete", "compute.subnetworks.get",
			"compute.subnetworks.insert", "compute.subnetworks.list", "compute.subnetworks.testIamPermissions",
			"compute.vpnGateways.aggregatedList", "compute.vpnGateways.delete", "compute.vpnGateways.get", "compute.vpnGateways.getStatus",
			"compute.vpnGateways.insert", "compute.vpnGateways.list", "compute.vpnGateways.setLabels",
			"compute.vpnTunnels.aggregatedList", "compute.vpnTunnels.delete", "compute.vpnTunnels.get",
			"compute.vpnTunnels.insert", "compute.vpnTunnels.list", "compute.vpnTunnels.setLabels",
		},
		"container/v1/container-api.json": {
			"container.projects.locations.clusters.get", "container.projects.locations.clusters.list",
			"container.projects.locations.clusters.update",
			"container.projects.locations.operations.get", "container.projects.locations.operations.list",
			"container.projects.locations.getServerConfig",
		},
		"dns/v1/dns-api.json": {
			"dns.managedZones.create", "dns.managedZones.delete", "dns.managedZones.get", "dns.managedZones.list",
			"dns.resourceRecordSets.create", "dns.resourceRecordSets.delete", "dns.resourceRecordSets.get",
			"dns.resourceRecordSets.list", "dns.resourceRecordSets.patch",
		},
		"cloudresourcemanager/v1/cloudresourcemanager-api.json": {
			"cloudresourcemanager.projects.get", "cloudresourcemanager.projects.testIamPermissions",
			"cloudresourcemanager.projects.getIamPolicy", "cloudresourcemanager.projects.setIamPolicy",
		},
		"serviceusage/v1/serviceusage-api.json": {
			"serviceusage.services.get", "serviceusage.services.batchGet", "serviceusage.services.list",
			"serviceusage.services.enable", "serviceusage.services.batchEnable", "serviceusage.services.disable",
			"serviceusage.operations.get",
		},
		"iam/v1/iam-api.json": {
			"iam.roles.get", "iam.projects.roles.get", "iam.organizations.roles.get",
		},
		"gkehub/v1/gkehub-api.json": {
			"gkehub.projects.locations.memberships.list", "gkehub.projects.locations.memberships.get",
			"gkehub.projects.locations.memberships.create", "gkehub.projects.locations.memberships.delete",
			"gkehub.projects.locations.memberships.patch",
			"gkehub.projects.locations.features.list", "gkehub.projects.locations.features.get",
			"gkehub.projects.locations.features.create", "gkehub.projects.locations.features.delete",
			"gkehub.projects.locations.features.patch",
			"gkehub.projects.locations.operations.get",
		},
		"iamcredentials/v1/iamcredentials-api.json": {
			"iamcredentials.projects.serviceAccounts.generateAccessToken",
		},
	}
}
