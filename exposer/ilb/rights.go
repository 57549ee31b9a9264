package ilb

import (
	"context"
	"fmt"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/kube"
	"causeway/templates"
)

const rbacGroup = "rbac.authorization.k8s.io"

// checkRights asks the cluster what this identity may do there.
func (x *exposure) checkRights(ctx context.Context) ([]exposer.Problem, error) {
	missing, err := x.kube.Missing(ctx, x.rights())
	if err != nil {
		return nil, err
	}
	var problems []exposer.Problem
	for _, right := range missing {
		problems = append(problems, exposer.Problem{Code: "CW-KUBE-FORBIDDEN",
			Text: fmt.Sprintf("no right in the cluster to %s", right),
			Fix:  "have roles/container.admin granted on the project, or a ClusterRole with this right"})
	}
	return problems, nil
}

// rights are what apply, its probe and destroy do in the cluster. An apply on
// the server's side that makes an object needs create beside patch.
func (x *exposure) rights() []kube.Access {
	var rights []kube.Access
	add := func(group, resource, namespace string, verbs ...string) {
		for _, verb := range verbs {
			rights = append(rights, kube.Access{Verb: verb, Group: group, Resource: resource, Namespace: namespace})
		}
	}
	own, applied := x.spec.Namespace, []string{"get", "create", "patch", "delete"}
	rights = append(rights, kube.Access{Verb: "get", Resource: "services", Namespace: "default", Name: "kubernetes"})
	add("discovery.k8s.io", "endpointslices", "default", "list")
	add("", "namespaces", "", applied...)
	for _, resource := range []string{"secrets", "configmaps", "serviceaccounts", "services"} {
		add("", resource, own, applied...)
	}
	rights = append(rights, kube.Access{Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: own})
	add("", "events", own, "list")
	add("apps", "deployments", own, applied...)
	add("apps", "replicasets", own, "list", "delete")
	add("", "pods", own, "get", "list", "create", "delete")
	rights = append(rights, kube.Access{Verb: "get", Resource: "pods", Subresource: "log", Namespace: own})
	add("policy", "poddisruptionbudgets", own, applied...)
	add("networking.k8s.io", "networkpolicies", own, applied...)
	add("coordination.k8s.io", "leases", own, "get", "create", "update", "delete")
	if len(x.spec.Access.Namespaces) == 0 {
		add(rbacGroup, "clusterrolebindings", "", applied...)
	}
	for _, ns := range x.spec.Access.Namespaces {
		add(rbacGroup, "rolebindings", ns, applied...)
	}
	if x.spec.Access.Role == templates.RoleNodeReader {
		add(rbacGroup, "clusterroles", "", applied...)
	}
	if x.spec.Access.Token == exposer.TokenRenewing {
		add(rbacGroup, "roles", own, applied...)
		add(rbacGroup, "rolebindings", own, applied...)
	}
	return rights
}

// checkAccess looks for the role and the namespaces that the far side is to get
// rights by and in: Kubernetes takes a binding to a role that does not exist, and
// it gives nothing.
func (x *exposure) checkAccess(ctx context.Context) ([]exposer.Problem, error) {
	var problems []exposer.Problem
	absent := func(ref kube.Ref, code, fix string) error {
		live, err := x.kube.Get(ctx, ref)
		if explain.CodeOf(err) == "CW-KUBE-FORBIDDEN" {
			return nil // who may not look can still bind it
		}
		if err == nil && live == nil {
			problems = append(problems, exposer.Problem{Code: code, Text: ref.String() + " does not exist in the cluster", Fix: fix})
		}
		return err
	}
	access := x.spec.Access
	if access.Role != templates.RoleNodeReader {
		if err := absent(kube.Ref{Group: rbacGroup, Version: "v1", Kind: "ClusterRole", Name: access.Role}, "CW-KUBE-ROLE",
			"name one of `kubectl get clusterroles` with --role"); err != nil {
			return problems, err
		}
	}
	for _, ns := range access.Namespaces {
		if ns == x.spec.Namespace {
			continue
		}
		if err := absent(kube.Ref{Version: "v1", Kind: "Namespace", Name: ns}, "CW-KUBE-NAMESPACE",
			"make it first, or leave it out of access.namespaces"); err != nil {
			return problems, err
		}
	}
	return problems, nil
}
