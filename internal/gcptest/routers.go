package gcptest

func routerRoutes() map[string]handler {
	return map[string]handler{
		"compute.routers.get":            {getObject, []string{"compute.routers.get"}},
		"compute.routers.list":           {listRouters, []string{"compute.routers.list"}},
		"compute.routers.aggregatedList": {aggregateRouters, []string{"compute.routers.list"}},
	}
}

func listRouters(c *call) (any, *Error) {
	return c.page("compute#routerList", c.server.list(c.target()), c.server.at)
}

func aggregateRouters(c *call) (any, *Error) {
	return c.aggregate("compute#routerAggregatedList", "routers", c.regional("routers"))
}
