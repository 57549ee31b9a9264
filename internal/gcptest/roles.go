package gcptest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

func roleRoutes() map[string]handler {
	return map[string]handler{
		"iam.roles.get":               {getRole, nil}, // for everybody
		"iam.projects.roles.get":      {getRole, []string{"iam.roles.get"}},
		"iam.organizations.roles.get": {getRole, nil},
	}
}

// permissionsOf lists what the emulator knows that can be allowed, by type of
// resource (docs: iam/docs/roles-permissions). Compute's are in it as far as
// networkViewer has them; the basic roles know the others by their form.
var permissionsOf = map[string]string{
	"gkehub.endpoints":          "connect",
	"gkehub.features":           "create delete get getIamPolicy list setIamPolicy update",
	"gkehub.fleet":              "create createFreeTrial delete get getFreeTrial update updateFreeTrial",
	"gkehub.gateway":            "delete generateCredentials get patch post put stream",
	"gkehub.locations":          "get list",
	"gkehub.membershipbindings": "create delete get list update",
	"gkehub.membershipfeatures": "create delete get list update",
	"gkehub.memberships":        "create delete generateConnectManifest get getIamPolicy list setIamPolicy update",
	"gkehub.operations":         "cancel delete get list",

	"container.clusters":          "connect create delete get list update",
	"container.operations":        "get list",
	"container.thirdPartyObjects": "create delete get list update",
	// What GKE asks for inside of a cluster, as far as somebody meets it here.
	"container.clusterRoleBindings": "create delete get list update", "container.clusterRoles": "bind create delete escalate get list update",
	"container.configMaps": "create delete get list update", "container.deployments": "create delete get list update",
	"container.namespaces": "create delete get list update", "container.nodes": "get list",
	"container.pods":         "attach create delete exec get getLogs list portForward update",
	"container.roleBindings": "create delete get list update", "container.roles": "bind create delete escalate get list update",
	"container.secrets": "create delete get list update", "container.serviceAccounts": "create createToken delete get list update",
	"container.services": "create delete get list proxy update",

	"compute.addresses": "get list", "compute.firewalls": "get list", "compute.forwardingRules": "get list", "compute.networks": "get list",
	"compute.routers": "get list", "compute.routes": "get list", "compute.subnetworks": "get list",

	"resourcemanager.projects": "get getIamPolicy list setIamPolicy",
	"serviceusage.operations":  "get list",
	"serviceusage.services":    "disable enable get list use",
	"iam.roles":                "get list",
}

// predefined are roles of Google's: types with the verbs that the role has of them,
// "*" for all.
var predefined = map[string]map[string]string{
	"roles/gkehub.admin": {"gkehub.endpoints": "*", "gkehub.features": "*", "gkehub.fleet": "*", "gkehub.locations": "*", "gkehub.membershipbindings": "*",
		"gkehub.membershipfeatures": "*", "gkehub.memberships": "*", "gkehub.operations": "*", "resourcemanager.projects": "get list"},
	"roles/gkehub.editor": {"gkehub.features": "create delete get getIamPolicy list update", "gkehub.fleet": "*", "gkehub.locations": "*",
		"gkehub.membershipbindings": "*", "gkehub.membershipfeatures": "*",
		"gkehub.memberships": "create delete generateConnectManifest get getIamPolicy list update", "gkehub.operations": "*", "resourcemanager.projects": "get list"},
	"roles/gkehub.viewer": {"gkehub.features": "get getIamPolicy list", "gkehub.fleet": "get getFreeTrial", "gkehub.locations": "*",
		"gkehub.membershipbindings": "get list", "gkehub.membershipfeatures": "get list",
		"gkehub.memberships": "generateConnectManifest get getIamPolicy list", "gkehub.operations": "get list", "resourcemanager.projects": "get list"},
	"roles/gkehub.serviceAgent":  {}, // more than is told here
	"roles/gkehub.connect":       {"gkehub.endpoints": "connect"},
	"roles/gkehub.gatewayAdmin":  {"gkehub.gateway": "*", "gkehub.memberships": "get", "serviceusage.services": "get"},
	"roles/gkehub.gatewayEditor": {"gkehub.gateway": "delete generateCredentials get patch post put", "gkehub.memberships": "get", "serviceusage.services": "get"},
	"roles/gkehub.gatewayReader": {"gkehub.gateway": "generateCredentials get", "gkehub.memberships": "get", "serviceusage.services": "get"},

	"roles/container.admin": {"container.clusters": "*", "container.operations": "*", "container.thirdPartyObjects": "*",
		"container.configMaps": "*", "container.deployments": "*", "container.namespaces": "*", "container.nodes": "*", "container.pods": "*", "container.secrets": "*", "container.serviceAccounts": "*", "container.services": "*",
		"container.clusterRoleBindings": "*", "container.clusterRoles": "*", "container.roleBindings": "*", "container.roles": "*", "resourcemanager.projects": "get list"},
	"roles/container.clusterAdmin":  {"container.clusters": "create delete get list update", "container.operations": "*", "resourcemanager.projects": "get list"},
	"roles/container.clusterViewer": {"container.clusters": "get list", "resourcemanager.projects": "get list"},
	"roles/container.developer": {"container.clusters": "connect get list", "container.operations": "*", "container.thirdPartyObjects": "*",
		"container.configMaps": "*", "container.deployments": "*", "container.namespaces": "*", "container.nodes": "*", "container.pods": "*", "container.secrets": "*", "container.serviceAccounts": "*", "container.services": "*", "resourcemanager.projects": "get list"},
	"roles/container.viewer": {"container.clusters": "connect get list", "container.operations": "*", "container.thirdPartyObjects": "get list",
		"container.configMaps": "get list", "container.deployments": "get list", "container.namespaces": "get list", "container.nodes": "get list", "container.pods": "get list", "container.serviceAccounts": "get list", "container.services": "get list", "resourcemanager.projects": "get list"},

	"roles/compute.networkViewer": {"compute.addresses": "*", "compute.firewalls": "*", "compute.forwardingRules": "*", "compute.networks": "*",
		"compute.routers": "*", "compute.routes": "*", "compute.subnetworks": "*", "resourcemanager.projects": "get list", "serviceusage.services": "get list"},
	"roles/resourcemanager.projectIamAdmin":   {"resourcemanager.projects": "get getIamPolicy setIamPolicy"},
	"roles/serviceusage.serviceUsageAdmin":    {"serviceusage.operations": "*", "serviceusage.services": "*"},
	"roles/serviceusage.serviceUsageConsumer": {"serviceusage.operations": "*", "serviceusage.services": "get list use"},
	"roles/iam.roleViewer":                    {"iam.roles": "*", "resourcemanager.projects": "get getIamPolicy"},

	"roles/owner": nil, "roles/editor": nil, "roles/viewer": nil, // by form: basicAllows
}

// basicAllows says what the basic roles allow. Whether Editor and Viewer have the
// gateway's permissions is not settled, so they have none here.
func basicAllows(role, permission string) bool {
	parts := strings.Split(permission, ".")
	verb := parts[len(parts)-1]
	reads := verb == "list" || verb == "get" || verb == "getIamPolicy" || parts[0] == "compute" && strings.HasPrefix(verb, "get")
	switch role {
	case "roles/owner":
		return true
	case "roles/editor":
		return verb != "setIamPolicy" && !strings.HasPrefix(permission, "gkehub.gateway.") && (parts[0] != "iam" || reads)
	case "roles/viewer":
		return reads && !strings.HasPrefix(permission, "gkehub.gateway.")
	}
	return false
}

// roleAllows asks a predefined role, or a custom one of the store.
func (s *Server) roleAllows(role, permission string) bool {
	return basicAllows(role, permission) || slices.Contains(s.rolePermissions(role), permission)
}

// rolePermissions lists what a role allows, nil when there is no such role or it
// allows nothing.
func (s *Server) rolePermissions(role string) []string {
	if custom, ok := s.objects[role]; ok && custom["deleted"] != true {
		var out []string
		listed, _ := custom["includedPermissions"].([]any)
		for _, one := range listed {
			if permission, ok := one.(string); ok {
				out = append(out, permission)
			}
		}
		return out
	}
	var out []string
	types, known := predefined[role]
	for _, kind := range slices.Sorted(maps.Keys(permissionsOf)) {
		for verb := range strings.FieldsSeq(permissionsOf[kind]) {
			permission := kind + "." + verb
			if known && (types[kind] == "*" || slices.Contains(strings.Fields(types[kind]), verb) || types == nil && basicAllows(role, permission)) {
				out = append(out, permission)
			}
		}
	}
	return out
}

// knowsRole says whether a role exists, so that it can be granted.
func (s *Server) knowsRole(role string) bool {
	custom, ok := s.objects[role]
	if _, predefinedRole := predefined[role]; predefinedRole {
		return true
	}
	return ok && custom["deleted"] != true
}

func getRole(c *call) (any, *Error) {
	role := c.target()
	if strings.HasPrefix(role, "projects/") {
		role = c.hubTarget()
	}
	if custom, ok := c.server.objects[role]; ok {
		return clone(custom), nil
	}
	if _, ok := predefined[role]; !ok {
		return nil, &Error{Status: http.StatusNotFound, Reason: "notFound", Message: "The role named " + role + " was not found."}
	}
	listed := []any{}
	for _, permission := range c.server.rolePermissions(role) {
		listed = append(listed, permission)
	}
	return object{"name": role, "title": role, "stage": "GA", "etag": "AA==", "includedPermissions": listed}, nil
}
