package gcptest

import "fmt"

func subnetworkRoutes() map[string]handler {
	return map[string]handler{
		"compute.subnetworks.get":                {getObject, []string{"compute.subnetworks.get"}},
		"compute.subnetworks.list":               {listSubnetworks, []string{"compute.subnetworks.list"}},
		"compute.subnetworks.aggregatedList":     {aggregateSubnetworks, []string{"compute.subnetworks.list"}},
		"compute.subnetworks.testIamPermissions": {testResourcePermissions, nil},
	}
}

func listSubnetworks(c *call) (any, *Error) {
	return c.page("compute#subnetworkList", c.server.list(c.target()), c.server.at)
}

func aggregateSubnetworks(c *call) (any, *Error) {
	return c.aggregate("compute#subnetworkAggregatedList", "subnetworks", c.regional("subnetworks"))
}

// subnetwork resolves the subnetwork that a body names and checks the right to use
// it, in the project that has it (the host project of a Shared VPC).
func (c *call) subnetwork(reference string) (string, object, *Error) {
	if reference == "" {
		return "", nil, invalid("Invalid value for field 'resource.subnetwork': ''. An internal address needs a subnetwork.")
	}
	at := relative(reference, c.project())
	parts := splitPath(at)
	if len(parts) != 6 || parts[2] != "regions" || parts[4] != "subnetworks" {
		return "", nil, invalid(fmt.Sprintf("Invalid value for field 'resource.subnetwork': '%s'. The URL is malformed.", reference))
	}
	if region := c.params["region"]; region != "" && parts[3] != region {
		return "", nil, invalid(fmt.Sprintf("Invalid value for field 'resource.subnetwork': '%s'. Cross-region references for this resource are not allowed.", reference))
	}
	body, ok := c.server.objects[at]
	if !ok {
		return "", nil, notFound(at)
	}
	if failure := c.need(parts[1], "compute.subnetworks.use", at); failure != nil {
		return "", nil, failure
	}
	if text(body, "purpose") == natPurpose {
		return "", nil, invalid(fmt.Sprintf("Invalid value for field 'resource.subnetwork': '%s'. Subnetwork must have purpose=PRIVATE.", reference))
	}
	if failure := c.server.ready(at); failure != nil {
		return "", nil, failure
	}
	return at, body, nil
}
