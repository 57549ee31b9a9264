package exposer

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Gateway is what the method gateway can be told. Rights in the cluster are
// access.role and access.namespaces; IAM's are here.
type Gateway struct {
	FleetProject string   `json:"fleetProject,omitempty"` // default: of the fleet that the cluster is in, else its own
	Membership   string   `json:"membership,omitempty"`   // of the one to be made; default: the cluster's name
	Register     bool     `json:"register,omitempty"`     // in the fleet, where the cluster is in none
	Members      []string `json:"members,omitempty"`      // user:, group: or serviceAccount:EMAIL, who get the roles
	Role         string   `json:"role,omitempty"`         // reader, editor, admin, or a role's full name
	Stream       bool     `json:"stream,omitempty"`       // exec, attach, cp, port-forward
	Agent        bool     `json:"agent,omitempty"`        // by the Connect Agent in the cluster
	AuthPlugin   string   `json:"authPlugin,omitempty"`   // causeway or gcloud

	// Context is the name that Google gives the kubeconfig's entries; empty in every
	// spec: the method fills it in.
	Context string `json:"-"`
}

// Roles of Connect Gateway by their short names (IAM's reference of GKE Hub roles).
var gatewayRoles = map[string]string{
	"reader": "roles/gkehub.gatewayReader", "editor": "roles/gkehub.gatewayEditor", "admin": "roles/gkehub.gatewayAdmin",
}

// FullRole is IAM's name of the role that members get.
func (o Gateway) FullRole() string {
	if full, ok := gatewayRoles[o.Role]; ok {
		return full
	}
	return o.Role
}

// withDefaults fills what was left open; o may be nil. Only admin may stream.
func (o *Gateway) withDefaults(cluster string) Gateway {
	part := Gateway{}
	if o != nil {
		part = *o
	}
	fill(&part.Membership, cluster)
	fill(&part.AuthPlugin, PluginCauseway)
	switch {
	case len(part.Members) == 0:
	case part.Stream:
		fill(&part.Role, "admin")
	default:
		fill(&part.Role, "reader")
	}
	return part
}

var (
	memberForm = regexp.MustCompile(`^(user|group|serviceAccount):[^@\s:]+@[^@\s]+\.[^@\s]+$`)
	roleName   = regexp.MustCompile(`^(roles|projects/[^/]+/roles|organizations/[0-9]+/roles)/[A-Za-z0-9_.]+$`)
)

func (v *validator) gateway(s Spec) {
	o := *s.Gateway
	if o.FleetProject != "" {
		v.form("gateway.fleetProject", o.FleetProject, projectForm, "must be a Google project ID (not its number)")
	}
	v.form("gateway.membership", o.Membership, resourceForm, "must be a membership's name")
	v.one("gateway.authPlugin", o.AuthPlugin, []string{PluginCauseway, PluginGcloud})
	var seen []string
	for i, member := range o.Members {
		field := fmt.Sprintf("gateway.members[%d]", i)
		v.form(field, member, memberForm, "must be user:, group: or serviceAccount: and an e-mail address")
		if slices.Contains(seen, member) {
			v.add(field, "is in the list twice")
		}
		seen = append(seen, member)
	}
	switch {
	case len(o.Members) == 0 && o.Role != "":
		v.add("gateway.role", "is for members, and there are none: --member names them")
	case len(o.Members) > 0 && !roleName.MatchString(o.FullRole()):
		v.add("gateway.role", fmt.Sprintf("must be reader, editor, admin or a role's full name, %q is not", o.Role))
	case o.Stream && (o.Role == "reader" || o.Role == "editor"):
		v.coded("gateway.role", "can't stream: of Google's roles only admin (roles/gkehub.gatewayAdmin) holds gkehub.gateway.stream", "CW-GATEWAY-STREAM")
	}
	if len(s.FarSide.CIDRs) > 0 {
		v.add("farSide.cidrs", "has no meaning for the method gateway: no network is let in or kept out at Google's front end, IAM decides who may connect")
	}
	v.gatewayAccess(s)
}

// gatewayAccess looks at the members' rights in the cluster: by a binding to their
// e-mail addresses, so no token is theirs.
func (v *validator) gatewayAccess(s Spec) {
	const why = "is a ServiceAccount's, and clients of Connect Gateway are Google identities"
	if s.Access.Token != "" {
		v.add("access.token", why)
	}
	if s.Access.TokenTTL != "" {
		v.add("access.tokenTTL", why)
	}
	if len(s.Gateway.Members) == 0 {
		if s.Access.Role != "" || len(s.Access.Namespaces) > 0 {
			v.add("access.role", "is for members, and there are none: --member names them")
		}
		return
	}
	v.form("access.role", s.Access.Role, roleForm, "must be a ClusterRole's name")
	for i, ns := range s.Access.Namespaces {
		v.form(fmt.Sprintf("access.namespaces[%d]", i), ns, labelForm, "must be a namespace's name")
	}
	if len(s.Access.Namespaces) > 0 && s.Access.Role == "node-reader" {
		v.add("access.namespaces", "can't narrow node-reader: nodes belong to no namespace")
	}
}

// Subject is a member as Kubernetes knows it: a User or Group, by e-mail address.
func Subject(member string) (kind, name string) {
	sort, email, _ := strings.Cut(member, ":")
	if sort == "group" {
		return "Group", email
	}
	return "User", email
}
