package gcptest

import (
	"slices"
	"strings"
)

func regionRoutes() map[string]handler {
	return map[string]handler{
		"compute.regions.get":  {getRegion, []string{"compute.regions.get"}},
		"compute.regions.list": {listRegions, []string{"compute.regions.list"}},
	}
}

// regions are those in which the project, or any other, has a subnetwork.
func (s *Server) regions() []string {
	var out []string
	for at := range s.objects {
		if parts := strings.Split(at, "/"); len(parts) == 6 && parts[4] == "subnetworks" && !slices.Contains(out, parts[3]) {
			out = append(out, parts[3])
		}
	}
	slices.Sort(out)
	return out
}

func (s *Server) hasRegion(_, region string) bool { return slices.Contains(s.regions(), region) }

func (s *Server) region(project, name string) object {
	at := "projects/" + project + "/regions/" + name
	return object{"kind": "compute#region", "id": "1000", "name": name, "description": name, "status": "UP", "selfLink": link(at)}
}

func getRegion(c *call) (any, *Error) {
	if !c.server.hasRegion(c.project(), c.params["region"]) {
		return nil, notFound(c.target())
	}
	return c.server.region(c.project(), c.params["region"]), nil
}

func listRegions(c *call) (any, *Error) {
	return c.page("compute#regionList", c.server.regions(), func(name string) object { return c.server.region(c.project(), name) })
}
