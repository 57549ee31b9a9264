package gcptest

import (
	"maps"
	"path"
	"slices"
	"strings"
)

func serviceRoutes() map[string]handler {
	return map[string]handler{
		"serviceusage.services.get":      {getService, []string{"serviceusage.services.get"}},
		"serviceusage.services.batchGet": {batchGetServices, []string{"serviceusage.services.get"}},
		"serviceusage.services.list":     {listServices, []string{"serviceusage.services.list"}},
	}
}

// service is what Service Usage says of an API; it tells projects by number.
func (c *call) usage(name string) object {
	project := c.server.projectObject(c.project())
	state := "DISABLED"
	if c.server.services[text(project, "projectId")][name] {
		state = "ENABLED"
	}
	parent := "projects/" + text(project, "projectNumber")
	return object{"name": parent + "/services/" + name, "parent": parent, "state": state, "config": object{"name": name}}
}

func getService(c *call) (any, *Error) { return c.usage(path.Base(c.target())), nil }

func batchGetServices(c *call) (any, *Error) {
	names := c.query["names"]
	if len(names) > 30 { // discovery: "A single request can get a maximum of 30 services at a time."
		return nil, invalid("A single request can get a maximum of 30 services at a time.")
	}
	services := []any{}
	for _, name := range names {
		parts := strings.Split(name, "/")
		if len(parts) != 4 || parts[0] != "projects" || parts[2] != "services" {
			return nil, invalid("Invalid service name: " + name)
		}
		services = append(services, c.usage(parts[3]))
	}
	return object{"services": services}, nil
}

func listServices(c *call) (any, *Error) {
	services := []any{}
	project := text(c.server.projectObject(c.project()), "projectId")
	for _, name := range slices.Sorted(maps.Keys(c.server.services[project])) {
		if one := c.usage(name); c.query.Get("filter") != "state:ENABLED" || one["state"] == "ENABLED" {
			services = append(services, one)
		}
	}
	return object{"services": services}, nil
}
