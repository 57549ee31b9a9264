package templates

import (
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// RoleNodeReader is the role that causeway defines itself: it may read nodes,
// which Kubernetes' own role view may not.
const RoleNodeReader = "node-reader"

// roleName is what Kubernetes allows as a ClusterRole's name: a path segment.
var roleName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9:._-]{0,251}[A-Za-z0-9])?$`)

// Access is the far side's identity and what it may do.
type Access struct {
	Exposure   string
	Namespace  string   // of the ServiceAccount
	Account    string   // its name; empty: ClientName. Further ones begin with "causeway-client-"
	Role       string   // RoleNodeReader, or the name of a ClusterRole that exists
	Namespaces []string // where; empty: the whole cluster
}

// Validate reports every value that cannot be rendered.
func (a Access) Validate() error {
	var problems []error
	if !label.MatchString(a.Exposure) || len(a.Exposure) > 40 {
		problems = append(problems, fmt.Errorf("exposure: %q is not a name of at most 40 lower-case letters, digits and dashes", a.Exposure))
	}
	if !label.MatchString(a.Namespace) {
		problems = append(problems, fmt.Errorf("namespace: %q is not a Kubernetes namespace name", a.Namespace))
	}
	if !roleName.MatchString(a.Role) {
		problems = append(problems, fmt.Errorf("role: %q is not a ClusterRole's name", a.Role))
	}
	if a.Role == RoleNodeReader && len(a.Namespaces) > 0 {
		problems = append(problems, errors.New("role: node-reader reads nodes, which belong to no namespace; leave the namespaces out"))
	}
	if a.Account != "" && a.Account != ClientName && (!strings.HasPrefix(a.Account, ClientName+"-") || !label.MatchString(a.Account)) {
		problems = append(problems, fmt.Errorf("account: %q does not begin with %s-, or is no name", a.Account, ClientName))
	}
	for _, namespace := range a.Namespaces {
		if !label.MatchString(namespace) {
			problems = append(problems, fmt.Errorf("namespaces: %q is not a Kubernetes namespace name", namespace))
		}
	}
	return errors.Join(problems...)
}

// ClusterRoleName is the role that the far side is bound to: node-reader is
// defined for each exposure and account under a name of its own, so that
// destroying one exposure leaves the others theirs.
func (a Access) ClusterRoleName() string {
	switch {
	case a.Role != RoleNodeReader:
		return a.Role
	case a.further() != "":
		return a.bindingName()
	}
	return "causeway-" + a.Exposure + "-" + RoleNodeReader
}

// OwnsRole reports whether causeway defines the role itself.
func (a Access) OwnsRole() bool { return a.Role == RoleNodeReader }

// further is what an account's name has beyond ClientName: "-edit", "" for the
// exposure's own account.
func (a Access) further() string { return strings.TrimPrefix(a.account(), ClientName) }

func (a Access) account() string {
	if a.Account == "" {
		return ClientName
	}
	return a.Account
}

func (a Access) bindingName() string { return "causeway-" + a.Exposure + "-client" + a.further() }

// TokenSecretName is the name of the account's long-lived token.
func (a Access) TokenSecretName() string { return TokenSecretName + a.further() }

// Manifests returns the ServiceAccount, the ClusterRole where causeway defines
// it, and the binding: one ClusterRoleBinding named causeway-<exposure>-client,
// or a RoleBinding of that name in each namespace (ID rolebinding/NAMESPACE/NAME).
func (a Access) Manifests() ([]Manifest, error) {
	if err := a.Validate(); err != nil {
		return nil, fmt.Errorf("render access: %w", err)
	}
	objects := []map[string]any{{
		"apiVersion": "v1", "kind": "ServiceAccount",
		"metadata": a.meta(a.account(), a.Namespace),
		// Nothing runs as it inside the cluster.
		"automountServiceAccountToken": false,
	}}
	if a.OwnsRole() {
		objects = append(objects, map[string]any{
			"apiVersion": rbacVersion, "kind": "ClusterRole",
			"metadata": a.meta(a.ClusterRoleName(), ""),
			"rules": []any{map[string]any{
				"apiGroups": []any{""}, "resources": []any{"nodes"}, "verbs": []any{"get", "list", "watch"},
			}},
		})
	}
	name := a.bindingName()
	if len(a.Namespaces) == 0 {
		objects = append(objects, a.binding("ClusterRoleBinding", name, "", "ClusterRole", a.ClusterRoleName()))
	}
	namespaces := slices.Clone(a.Namespaces)
	slices.Sort(namespaces)
	for _, namespace := range slices.Compact(namespaces) {
		objects = append(objects, a.binding("RoleBinding", name, namespace, "ClusterRole", a.ClusterRoleName()))
	}
	manifests, err := fromObjects(objects)
	for i, m := range manifests {
		// One name in several namespaces: only both together tell them apart.
		if m.Object.GetKind() == "RoleBinding" {
			manifests[i].ID = "rolebinding/" + m.Object.GetNamespace() + "/" + name
		}
	}
	return manifests, err
}

// Renewer returns the Role and the RoleBinding by which the far side's identity
// may ask for tokens of itself and of nobody else.
func (a Access) Renewer() ([]Manifest, error) {
	if err := a.Validate(); err != nil {
		return nil, fmt.Errorf("render token renewal: %w", err)
	}
	return fromObjects([]map[string]any{
		{
			"apiVersion": rbacVersion, "kind": "Role",
			"metadata": a.meta(RenewerName+a.further(), a.Namespace),
			"rules": []any{map[string]any{
				"apiGroups": []any{""}, "resources": []any{"serviceaccounts/token"},
				"resourceNames": []any{a.account()}, "verbs": []any{"create"},
			}},
		},
		a.binding("RoleBinding", RenewerName+a.further(), a.Namespace, "Role", RenewerName+a.further()),
	})
}

// TokenSecret returns the Secret that Kubernetes fills with a token that never
// ends. Its data is the cluster's to write.
func (a Access) TokenSecret() (Manifest, error) {
	if err := a.Validate(); err != nil {
		return Manifest{}, fmt.Errorf("render token secret: %w", err)
	}
	meta := a.meta(a.TokenSecretName(), a.Namespace)
	meta["annotations"] = map[string]any{"kubernetes.io/service-account.name": a.account()}
	return fromObject(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": meta,
		"type": "kubernetes.io/service-account-token",
	})
}

const rbacVersion = "rbac.authorization.k8s.io/v1"

func (a Access) meta(name, namespace string) map[string]any {
	marks := labels(a.Exposure)
	if a.further() != "" {
		marks[LabelClient] = a.account()
	}
	meta := map[string]any{"name": name, "labels": marks}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	return meta
}

func (a Access) binding(kind, name, namespace, roleKind, role string) map[string]any {
	return map[string]any{
		"apiVersion": rbacVersion, "kind": kind,
		"metadata": a.meta(name, namespace),
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": roleKind, "name": role},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": a.account(), "namespace": a.Namespace}},
	}
}

func fromObjects(objects []map[string]any) ([]Manifest, error) {
	var manifests []Manifest
	for _, object := range objects {
		manifest, err := fromObject(object)
		if err != nil {
			return nil, err
		}
		manifests = append(manifests, manifest)
	}
	return manifests, nil
}

// Secret returns a Secret of the exposure: kind is its type ("Opaque",
// "kubernetes.io/tls"), contents its values by key. An empty value is an error:
// what reads it would fail later, in the cluster.
func Secret(exposure, namespace, name, kind string, contents map[string][]byte) (Manifest, error) {
	access := Access{Exposure: exposure, Namespace: namespace, Role: "none"}
	if err := access.Validate(); err != nil {
		return Manifest{}, fmt.Errorf("render secret %s: %w", name, err)
	}
	data := map[string]any{}
	for key, content := range contents {
		if len(content) == 0 {
			return Manifest{}, fmt.Errorf("render secret %s: %s is empty", name, key)
		}
		data[key] = base64.StdEncoding.EncodeToString(content)
	}
	return fromObject(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": kind,
		"metadata": access.meta(name, namespace), "data": data,
	})
}
