package templates

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Subject is who gets rights in a cluster, as Kubernetes knows Google identities: a
// User or a Group, by e-mail address.
type Subject struct{ Kind, Name string }

// GatewayAccess is what members of an exposure by gateway may do in the cluster,
// and by whose mouth their requests come.
type GatewayAccess struct {
	Exposure   string
	Subjects   []Subject
	Role       string   // RoleNodeReader, or the name of a ClusterRole that exists
	Namespaces []string // where; empty: the whole cluster
	Stream     bool     // exec, attach, cp and port-forward, whatever the role allows
	Agent      bool     // the Connect Agent may speak for the users
}

// Service account of the Connect Agent (gcloud's generate-gateway-rbac).
const (
	agentNamespace = "gke-connect"
	agentAccount   = "connect-agent-sa"
)

// Manifests returns the ClusterRoles that causeway defines and the bindings: one
// ClusterRoleBinding each, or a RoleBinding in each namespace. Groups are not
// impersonated: the agent sends them beside the user.
func (a GatewayAccess) Manifests() ([]Manifest, error) {
	if err := a.validate(); err != nil {
		return nil, fmt.Errorf("render members' rights: %w", err)
	}
	name := "causeway-" + a.Exposure
	role := Access{Exposure: a.Exposure, Role: a.Role}.ClusterRoleName()
	var objects []map[string]any
	if a.Role == RoleNodeReader {
		objects = append(objects, a.role(role, rule([]string{""}, []string{"nodes"}, []string{"get", "list", "watch"})))
	}
	objects = append(objects, a.bindings(name+"-members", role)...)
	if a.Stream {
		objects = append(objects, a.role(name+"-stream", rule([]string{""}, []string{"pods/exec", "pods/attach", "pods/portforward"}, []string{"get", "create"})))
		objects = append(objects, a.bindings(name+"-stream", name+"-stream")...)
	}
	if users := a.users(); a.Agent && len(users) > 0 {
		speak := rule([]string{""}, []string{"users"}, []string{"impersonate"})
		speak["resourceNames"] = anys(users)
		objects = append(objects, a.role(name+"-impersonate", speak))
		objects = append(objects, a.binding("", name+"-impersonate", name+"-impersonate",
			[]any{map[string]any{"kind": "ServiceAccount", "name": agentAccount, "namespace": agentNamespace}}))
	}
	manifests, err := fromObjects(objects)
	for i, m := range manifests {
		if m.Object.GetKind() == "RoleBinding" { // one name in several namespaces
			manifests[i].ID = "rolebinding/" + m.Object.GetNamespace() + "/" + m.Object.GetName()
		}
	}
	return manifests, err
}

func (a GatewayAccess) validate() error {
	var problems []error
	if !label.MatchString(a.Exposure) || len(a.Exposure) > 40 {
		problems = append(problems, fmt.Errorf("exposure: %q is not a name of at most 40 lower-case letters, digits and dashes", a.Exposure))
	}
	if !roleName.MatchString(a.Role) {
		problems = append(problems, fmt.Errorf("role: %q is not a ClusterRole's name", a.Role))
	}
	if len(a.Subjects) == 0 {
		problems = append(problems, errors.New("subjects: there are none"))
	}
	for _, s := range a.Subjects {
		if s.Kind != "User" && s.Kind != "Group" || !strings.Contains(s.Name, "@") {
			problems = append(problems, fmt.Errorf("subjects: %s %q is no User or Group with an e-mail address", s.Kind, s.Name))
		}
	}
	for _, namespace := range a.Namespaces {
		if !label.MatchString(namespace) {
			problems = append(problems, fmt.Errorf("namespaces: %q is not a Kubernetes namespace name", namespace))
		}
	}
	return errors.Join(problems...)
}

// users are the e-mail addresses that the agent must be able to speak for.
func (a GatewayAccess) users() []string {
	var users []string
	for _, s := range a.Subjects {
		if s.Kind == "User" {
			users = append(users, s.Name)
		}
	}
	return users
}

func (a GatewayAccess) role(name string, rules map[string]any) map[string]any {
	return map[string]any{"apiVersion": rbacVersion, "kind": "ClusterRole",
		"metadata": Access{Exposure: a.Exposure}.meta(name, ""), "rules": []any{rules}}
}

// bindings bind all members to a role, in the whole cluster or in each namespace.
func (a GatewayAccess) bindings(name, role string) []map[string]any {
	var subjects []any
	for _, s := range a.Subjects {
		subjects = append(subjects, map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": s.Kind, "name": s.Name})
	}
	if len(a.Namespaces) == 0 {
		return []map[string]any{a.binding("", name, role, subjects)}
	}
	var bindings []map[string]any
	for _, namespace := range slices.Compact(slices.Sorted(slices.Values(a.Namespaces))) {
		bindings = append(bindings, a.binding(namespace, name, role, subjects))
	}
	return bindings
}

func (a GatewayAccess) binding(namespace, name, role string, subjects []any) map[string]any {
	kind := "ClusterRoleBinding"
	if namespace != "" {
		kind = "RoleBinding"
	}
	return map[string]any{"apiVersion": rbacVersion, "kind": kind, "metadata": Access{Exposure: a.Exposure}.meta(name, namespace),
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
		"subjects": subjects}
}

func rule(groups, resources, verbs []string) map[string]any {
	return map[string]any{"apiGroups": anys(groups), "resources": anys(resources), "verbs": anys(verbs)}
}

func anys(list []string) []any {
	out := make([]any, len(list))
	for i, one := range list {
		out[i] = one
	}
	return out
}
