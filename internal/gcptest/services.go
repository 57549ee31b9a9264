package gcptest

import (
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
)

func serviceRoutes() map[string]handler {
	return map[string]handler{
		"serviceusage.services.get":      {getService, []string{"serviceusage.services.get"}},
		"serviceusage.services.batchGet": {batchGetServices, []string{"serviceusage.services.get"}},
		"serviceusage.services.list":     {listServices, []string{"serviceusage.services.list"}},

		"serviceusage.services.enable":      {enableService, []string{"serviceusage.services.enable"}},
		"serviceusage.services.batchEnable": {batchEnableServices, []string{"serviceusage.services.enable"}},
		"serviceusage.services.disable":     {disableService, []string{"serviceusage.services.disable"}},
		"serviceusage.operations.get":       {getServiceOperation, nil},
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

// AddDependency says that an API needs another one, which then is not disabled alone.
func (s *Server) AddDependency(service, needs string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.needs[needs] = append(s.needs[needs], service)
}

func enableService(c *call) (any, *Error) {
	name := path.Base(c.target())
	return c.enable([]string{name}, func() object {
		return object{"@type": "type.googleapis.com/google.api.serviceusage.v1.EnableServiceResponse", "service": c.usage(name)}
	})
}

func batchEnableServices(c *call) (any, *Error) {
	listed, _ := c.body["serviceIds"].([]any)
	if len(listed) == 0 || len(listed) > 20 { // discovery: BatchEnableServicesRequest.serviceIds
		return nil, invalid("A single request can enable between 1 and 20 services at a time.")
	}
	var names []string
	for _, one := range listed {
		name, _ := one.(string)
		names = append(names, name)
	}
	return c.enable(names, func() object {
		services := []any{}
		for _, name := range names {
			services = append(services, c.usage(name))
		}
		return object{"@type": "type.googleapis.com/google.api.serviceusage.v1.BatchEnableServicesResponse", "services": services}
	})
}

// enable turns APIs on, all or none; those that are on already need no operation.
func (c *call) enable(names []string, response func() object) (any, *Error) {
	on := c.server.services[c.server.idOf(c.project())]
	all := true
	for _, name := range names {
		if !strings.HasSuffix(name, ".googleapis.com") {
			return nil, &Error{Status: http.StatusNotFound, Reason: "notFound", Message: "Service '" + name + "' was not found or permission denied."}
		}
		all = all && on[name]
	}
	if all && c.operationError == nil {
		return object{"name": "operations/noop.DONE_OPERATION", "done": true, "response": response()}, nil
	}
	return c.usageOperation(names, func() {
		for _, name := range names {
			on[name] = true
		}
	}, response), nil
}

// usageOperation begins one of Service Usage, whose names tell no project's id.
func (c *call) usageOperation(names []string, finish func(), response func() object) object {
	c.server.serial++
	number := text(c.server.projectObject(c.project()), "projectNumber")
	listed := []any{}
	for _, name := range names {
		listed = append(listed, "projects/"+number+"/services/"+name)
	}
	return c.long(fmt.Sprintf("operations/acf.p2-%s-%s", number, uuid(fmt.Sprint(c.server.serial))),
		object{"@type": "type.googleapis.com/google.api.serviceusage.v1.OperationMetadata", "resourceNames": listed}, finish, nil, response)
}

func getServiceOperation(c *call) (any, *Error) {
	o, ok := c.server.operations[c.target()]
	if !ok || !o.long {
		return nil, &Error{Status: http.StatusNotFound, Reason: "notFound", Message: "Operation '" + c.target() + "' was not found."}
	}
	return clone(o.fields), nil
}

// disableService refuses an API that is not on, as its documentation says, and one
// that others need, unless they are to go with it.
func disableService(c *call) (any, *Error) {
	name, on := path.Base(c.target()), c.server.services[c.server.idOf(c.project())]
	if !on[name] {
		return nil, failedPrecondition("Service " + name + " is not enabled.")
	}
	gone := []string{name}
	for _, other := range c.server.needs[name] {
		if on[other] {
			gone = append(gone, other)
		}
	}
	if len(gone) > 1 && c.body["disableDependentServices"] != true {
		return nil, failedPrecondition("The service " + name + " is depended on by the following active service(s): " + strings.Join(gone[1:], ",") +
			" . Please specify disable_dependent_services=true if you want to proceed with disabling all services.")
	}
	return c.usageOperation(gone, func() {
		for _, one := range gone {
			on[one] = false
		}
	}, func() object {
		return object{"@type": "type.googleapis.com/google.api.serviceusage.v1.DisableServiceResponse", "service": c.usage(name)}
	}), nil
}
