package gcptest

import "strings"

func networkRoutes() map[string]handler {
	return map[string]handler{
		"compute.networks.get":  {getObject, []string{"compute.networks.get"}},
		"compute.networks.list": {listNetworks, []string{"compute.networks.list"}},
	}
}

func listNetworks(c *call) (any, *Error) {
	return c.page("compute#networkList", c.server.list(c.target()), c.server.at)
}

func splitPath(at string) []string { return strings.Split(at, "/") }
