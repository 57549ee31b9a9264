package ilb

import (
	"context"
	"fmt"

	"causeway/exposer"
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

// checkAccess is the part of the preflight that every method has.
func (x *exposure) checkAccess(ctx context.Context) ([]exposer.Problem, error) {
	return exposer.CheckAccess(ctx, x.kube, x.spec)
}
