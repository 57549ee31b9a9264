package exposer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// Precheck is one part of a preflight.
type Precheck func(context.Context) ([]Problem, error)

// RunChecks runs all at once; the problems stand in the order of the checks. A
// check that can't be made is a problem too, not silence.
func RunChecks(ctx context.Context, checks ...Precheck) []Problem {
	found := make([][]Problem, len(checks))
	var wait sync.WaitGroup
	for i, check := range checks {
		wait.Go(func() {
			problems, err := check(ctx)
			if err != nil {
				problems = append(problems, ProblemOf(err))
			}
			found[i] = problems
		})
	}
	wait.Wait()
	return slices.Concat(found...)
}

// Blocked turns a right that is missing before a plan can be made into the list
// of all that are missing; another error stays as it is.
func Blocked(ctx context.Context, verb string, err error, checks ...Precheck) error {
	if !MissingRight(err) {
		return err
	}
	problems := RunChecks(ctx, checks...)
	met := ProblemOf(err)
	if !slices.ContainsFunc(problems, func(p Problem) bool { return p.Code == met.Code }) {
		problems = append(problems, met)
	}
	return &PreconditionError{Verb: verb, Problems: problems}
}

// CheckServices looks for Google APIs ("compute.googleapis.com") that are off.
func CheckServices(google *gcp.Cloud, project string, names []string) Precheck {
	return func(ctx context.Context) ([]Problem, error) {
		missing, err := google.MissingServices(ctx, project, names)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, name := range missing {
			problems = append(problems, Problem{Code: "CW-GCP-API-DISABLED",
				Text: fmt.Sprintf("the API %s is not enabled in project %s", name, project),
				Fix:  fmt.Sprintf("gcloud services enable %s --project %s", name, project)})
		}
		return problems, nil
	}
}

// CheckPermissions looks for Google permissions that this identity lacks on a
// project.
func CheckPermissions(google *gcp.Cloud, project string, permissions []string) Precheck {
	return func(ctx context.Context) ([]Problem, error) {
		missing, err := google.TestPermissions(ctx, project, permissions)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, permission := range missing {
			problems = append(problems, Problem{Code: "CW-GCP-PERMISSION",
				Text: fmt.Sprintf("permission %s is missing on project %s", permission, project),
				Fix:  "have a role granted there that holds it, such as " + roleFor(permission)})
		}
		return problems, nil
	}
}

// roleFor names a predefined role that holds a permission.
func roleFor(permission string) string {
	for _, one := range rolesFor {
		if strings.HasPrefix(permission, one.prefix) {
			return one.role
		}
	}
	return "roles/compute.networkAdmin"
}

// rolesFor are the roles by what a permission begins with; the first one that fits
// counts (IAM's reference of predefined roles).
var rolesFor = []struct{ prefix, role string }{
	{"container.clusters.connect", "roles/container.viewer"},
	{"container.clusters.update", "roles/container.clusterAdmin"},
	{"container.", "roles/container.clusterViewer"},
	{"compute.subnetworks.", "roles/compute.networkUser"},
	{"gkehub.gateway.stream", "roles/gkehub.gatewayAdmin"},
	{"gkehub.gateway.", "roles/gkehub.gatewayEditor"},
	{"gkehub.memberships.get", "roles/gkehub.viewer"},
	{"gkehub.memberships.list", "roles/gkehub.viewer"},
	{"gkehub.features.get", "roles/gkehub.viewer"},
	{"gkehub.", "roles/gkehub.editor"},
	{"serviceusage.services.enable", "roles/serviceusage.serviceUsageAdmin"},
	{"serviceusage.", "roles/serviceusage.serviceUsageViewer"},
	{"resourcemanager.projects.setIamPolicy", "roles/resourcemanager.projectIamAdmin"},
	{"resourcemanager.projects.getIamPolicy", "roles/iam.securityReviewer"},
	{"resourcemanager.", "roles/browser"},
}

// CheckRights asks the cluster what this identity may do there.
func CheckRights(cluster *kube.Client, rights []kube.Access) Precheck {
	return func(ctx context.Context) ([]Problem, error) {
		if cluster == nil {
			return nil, nil
		}
		missing, err := cluster.Missing(ctx, rights)
		if err != nil {
			return nil, err
		}
		var problems []Problem
		for _, right := range missing {
			problems = append(problems, Problem{Code: "CW-KUBE-FORBIDDEN",
				Text: fmt.Sprintf("no right in the cluster to %s", right),
				Fix:  "have roles/container.admin granted on the project, or a ClusterRole with this right"})
		}
		return problems, nil
	}
}

// Rights collects what a run does in the cluster.
type Rights []kube.Access

// Applied are the verbs of an object that is made, changed and removed. An apply
// on the server's side that makes an object needs create beside patch.
var applied = []string{"get", "create", "patch", "delete"}

// Add adds verbs on a resource; an empty namespace means the whole cluster.
func (r *Rights) Add(group, resource, namespace string, verbs ...string) {
	for _, verb := range verbs {
		*r = append(*r, kube.Access{Verb: verb, Group: group, Resource: resource, Namespace: namespace})
	}
}

// Apply adds the verbs of an object that is made, changed and removed.
func (r *Rights) Apply(group, resource, namespace string) {
	r.Add(group, resource, namespace, applied...)
}

// AccessRights are the rights behind AccessSteps, the record and the lock: the
// same for every method.
func AccessRights(spec Spec) Rights {
	var r Rights
	own := spec.Namespace
	r.Apply("", "namespaces", "")
	for _, resource := range []string{"secrets", "configmaps", "serviceaccounts"} {
		r.Apply("", resource, own)
	}
	r = append(r, kube.Access{Verb: "create", Resource: "serviceaccounts", Subresource: "token", Namespace: own})
	r.Add("coordination.k8s.io", "leases", own, "get", "create", "update", "delete")
	if len(spec.Access.Namespaces) == 0 {
		r.Apply(rbacGroup, "clusterrolebindings", "")
	}
	for _, ns := range spec.Access.Namespaces {
		r.Apply(rbacGroup, "rolebindings", ns)
	}
	if accessOf(spec).OwnsRole() {
		r.Apply(rbacGroup, "clusterroles", "")
	}
	if spec.Access.Token == TokenRenewing {
		r.Apply(rbacGroup, "roles", own)
		r.Apply(rbacGroup, "rolebindings", own)
	}
	return r
}
