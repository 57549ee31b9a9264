package gcptest

import (
	"maps"
	"slices"
	"strings"
)

func networkRoutes() map[string]handler {
	return map[string]handler{
		"compute.networks.get":               {getObject, []string{"compute.networks.get"}},
		"compute.networks.list":              {listNetworks, []string{"compute.networks.list"}},
		"compute.networks.patch":             {patchNetwork, []string{"compute.networks.update"}},
		"compute.networks.addPeering":        {addPeering, []string{"compute.networks.addPeering"}},
		"compute.networks.updatePeering":     {updatePeering, []string{"compute.networks.updatePeering"}},
		"compute.networks.removePeering":     {removePeering, []string{"compute.networks.removePeering"}},
		"compute.networks.listPeeringRoutes": {listPeeringRoutes, []string{"compute.networks.listPeeringRoutes"}},
	}
}

func listNetworks(c *call) (any, *Error) {
	return c.page("compute#networkList", c.server.list(c.target()), c.server.at)
}

// patchNetwork takes routingConfig alone: nothing else of a network is changed
// by what the emulator serves.
func patchNetwork(c *call) (any, *Error) {
	at := c.target()
	if answer, ok := c.repeated(); ok {
		return answer, nil
	}
	if _, ok := c.server.objects[at]; !ok {
		return nil, notFound(at)
	}
	for _, field := range slices.Sorted(maps.Keys(c.body)) {
		if field != "routingConfig" {
			return nil, invalid("Invalid value for field 'resource." + field + "'. Only routingConfig is emulated as changeable.")
		}
	}
	config := clone(c.body)["routingConfig"]
	return c.start("patch", at, func() {
		network, ok := c.server.objects[at]
		routing, given := config.(object)
		if !ok || !given {
			return
		}
		before, _ := network["routingConfig"].(object)
		merged := maps.Clone(before)
		if merged == nil {
			merged = object{}
		}
		maps.Copy(merged, routing)
		network["routingConfig"] = merged
		c.server.touch()
	}, nil), nil
}

func splitPath(at string) []string { return strings.Split(at, "/") }
