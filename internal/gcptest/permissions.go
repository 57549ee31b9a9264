package gcptest

import "regexp"

var permissionForm = regexp.MustCompile(`^[a-z]+(\.[a-zA-Z]+){2,}$`)

func permissionRoutes() map[string]handler {
	return map[string]handler{
		"cloudresourcemanager.projects.get":                {getProject, []string{"resourcemanager.projects.get"}},
		"cloudresourcemanager.projects.testIamPermissions": {testProjectPermissions, nil},
	}
}

func getProject(c *call) (any, *Error) { return clone(c.server.projectObject(c.project())), nil }

func testProjectPermissions(c *call) (any, *Error) { return testPermissions(c) }

func testResourcePermissions(c *call) (any, *Error) {
	if _, ok := c.server.objects[c.target()]; !ok {
		return nil, notFound(c.target())
	}
	return testPermissions(c)
}

// testPermissions answers with those of the named permissions that are granted; a
// name that is none, or that was made unknown, spoils the whole call.
func testPermissions(c *call) (any, *Error) {
	asked, _ := c.body["permissions"].([]any)
	granted := []any{}
	for _, one := range asked {
		permission, _ := one.(string)
		if !permissionForm.MatchString(permission) || c.server.unknown[permission] {
			return nil, &Error{Status: 400, Reason: "badRequest", Message: "Permission " + permission + " is not valid for this resource."}
		}
		if c.server.may(c.token, c.project(), permission) {
			granted = append(granted, permission)
		}
	}
	if len(granted) == 0 {
		return object{}, nil
	}
	return object{"permissions": granted}, nil
}
