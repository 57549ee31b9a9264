package ilb

import (
	"context"

	"causeway/exposer"
	"causeway/internal/kube"
)

// rights are what apply, its probe and destroy do in the cluster.
func (x *exposure) rights() []kube.Access {
	own, rights := x.spec.Namespace, exposer.AccessRights(x.spec)
	rights = append(rights, kube.Access{Verb: "get", Resource: "services", Namespace: "default", Name: "kubernetes"})
	rights.Add("discovery.k8s.io", "endpointslices", "default", "list")
	rights.Apply("", "services", own)
	rights.Add("", "events", own, "list")
	rights.Apply("apps", "deployments", own)
	rights.Add("apps", "replicasets", own, "list", "delete")
	rights.Add("", "pods", own, "get", "list", "create", "delete")
	rights = append(rights, kube.Access{Verb: "get", Resource: "pods", Subresource: "log", Namespace: own})
	rights.Apply("policy", "poddisruptionbudgets", own)
	rights.Apply("networking.k8s.io", "networkpolicies", own)
	return rights
}

// checkAccess is the part of the preflight that every method has.
func (x *exposure) checkAccess(ctx context.Context) ([]exposer.Problem, error) {
	return exposer.CheckAccess(ctx, x.kube, x.spec)
}
