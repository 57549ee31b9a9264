package gateway

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// Permissions that the gateway itself asks IAM for (IAM's reference of GKE Hub).
const (
	mayGet    = "gkehub.gateway.get"
	mayMake   = "gkehub.gateway.generateCredentials"
	mayStream = "gkehub.gateway.stream"
)

// Preflight implements exposer.Exposure: every check runs, whatever the others say.
func (x *exposure) Preflight(ctx context.Context, plan exposer.Plan) ([]exposer.Problem, error) {
	checks := append(x.rightsChecks(), x.fleet.CheckAgent(x.google, x.spec.Gateway.Register), x.checkRole, x.checkOwn, x.checkAgent, x.checkAccess)
	return append(plan.Refusals(), exposer.RunChecks(ctx, checks...)...), ctx.Err()
}

// blocked turns a right that is missing before a plan can be made into the list of
// all that are missing.
func (x *exposure) blocked(ctx context.Context, err error) error {
	if x.deps.Leaving {
		return err
	}
	return exposer.Blocked(ctx, "expose "+x.spec.Cluster.Name+" by gateway", err, x.rightsChecks()...)
}

// rightsChecks are of the rights that the work itself takes. Before the fleet's
// project is known, of those on the cluster alone.
func (x *exposure) rightsChecks() []exposer.Precheck {
	checks := []exposer.Precheck{exposer.CheckPermissions(x.google, x.spec.Cluster.Project, []string{"container.clusters.get"})}
	if x.fleet == nil {
		return checks
	}
	permissions := []string{"gkehub.memberships.get", "gkehub.memberships.list", "serviceusage.services.get"}
	if x.fleet.Member == nil {
		permissions = append(permissions, "gkehub.memberships.create", "gkehub.operations.get")
	}
	if len(x.spec.Gateway.Members) > 0 {
		permissions = append(permissions, "resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy")
	}
	checks = append(checks, x.checkServices, exposer.CheckPermissions(x.google, x.fleet.Project.ID, permissions))
	if x.kube != nil {
		checks = append(checks, exposer.CheckRights(x.kube, x.rights()))
	}
	return checks
}

// checkServices: APIs that are off are turned on, where this identity may.
func (x *exposure) checkServices(ctx context.Context) ([]exposer.Problem, error) {
	missing, err := x.google.MissingServices(ctx, x.fleet.Project.ID, detect.GatewayServices)
	if explain.CodeOf(err) == "CW-GCP-PERMISSION" {
		return nil, nil // told among the rights that are missing
	}
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	problems, err := exposer.CheckPermissions(x.google, x.fleet.Project.ID, []string{"serviceusage.services.enable"})(ctx)
	for i := range problems {
		problems[i].Fix = fmt.Sprintf("have somebody run gcloud services enable %s --project %s", strings.Join(missing, " "), x.fleet.Project.ID)
	}
	return problems, err
}

// rights are those in the cluster.
func (x *exposure) rights() []kube.Access {
	var r exposer.Rights
	const rbac = "rbac.authorization.k8s.io"
	r.Apply("", "namespaces", "")
	r.Apply("", "configmaps", x.spec.Namespace)
	r.Add("coordination.k8s.io", "leases", x.spec.Namespace, "get", "create", "update", "delete")
	if len(x.spec.Access.Namespaces) == 0 || x.spec.Gateway.Agent {
		r.Apply(rbac, "clusterrolebindings", "")
	}
	for _, ns := range x.spec.Access.Namespaces {
		r.Apply(rbac, "rolebindings", ns)
	}
	if x.spec.Gateway.Stream || x.spec.Gateway.Agent || x.spec.Access.Role == "node-reader" {
		r.Apply(rbac, "clusterroles", "")
	}
	return r
}

// checkRole asks IAM whether the role allows what it is given for: a custom role is
// known by its permissions alone.
func (x *exposure) checkRole(ctx context.Context) ([]exposer.Problem, error) {
	if len(x.spec.Gateway.Members) == 0 {
		return nil, nil
	}
	role := x.spec.Gateway.FullRole()
	have, err := x.google.RolePermissions(ctx, role)
	switch {
	case gcp.NotFound(err):
		return []exposer.Problem{{Code: "CW-GATEWAY-ROLE", Text: "IAM knows no role " + role, Fix: "name reader, editor, admin, or a role by its full name, with --gateway-role"}}, nil
	case exposer.MissingRight(err):
		return nil, nil // who may not look can still grant it
	case err != nil:
		return nil, err
	}
	var problems []exposer.Problem
	var lacks []string
	for _, permission := range []string{mayGet, mayMake} {
		if !slices.Contains(have, permission) {
			lacks = append(lacks, permission)
		}
	}
	if len(lacks) > 0 {
		problems = append(problems, exposer.Problem{Code: "CW-GATEWAY-ROLE", Text: fmt.Sprintf("role %s does not hold %s, without which the gateway lets nobody in", role, strings.Join(lacks, " and ")),
			Fix: "take reader, editor or admin (--gateway-role), or add it to the custom role"})
	}
	if x.spec.Gateway.Stream && !slices.Contains(have, mayStream) {
		problems = append(problems, exposer.Problem{Code: "CW-GATEWAY-STREAM", Text: fmt.Sprintf("role %s does not hold %s, which exec, attach, cp and port-forward need", role, mayStream),
			Fix: "take admin (--gateway-role admin), or add it to the custom role"})
	}
	return problems, nil
}

// checkOwn looks whether this identity itself may use the gateway, to get the
// kubeconfig and to prove the way. Where roles are about to be granted it may be
// among those who get one, so nothing is said.
func (x *exposure) checkOwn(ctx context.Context) ([]exposer.Problem, error) {
	if len(x.spec.Gateway.Members) > 0 {
		return nil, nil
	}
	missing, err := x.google.TestPermissions(ctx, x.fleet.Project.ID, []string{mayGet, mayMake})
	if err != nil || len(missing) == 0 {
		return nil, err
	}
	return []exposer.Problem{{Code: "CW-GATEWAY-ROLE",
		Text: fmt.Sprintf("this identity lacks %s in project %s: it can neither get the kubeconfig nor prove the way", strings.Join(missing, " and "), x.fleet.Project.ID),
		Fix:  "have roles/gkehub.gatewayReader granted, or grant it here: --member user:YOU"}}, nil
}

// checkAgent looks for the Connect Agent where the way goes through it.
func (x *exposure) checkAgent(ctx context.Context) ([]exposer.Problem, error) {
	if x.kube == nil || !x.spec.Gateway.Agent {
		return nil, nil
	}
	state, err := x.agent(ctx)
	if err != nil || state.ready {
		return nil, err
	}
	return []exposer.Problem{{Code: "CW-GATEWAY-NO-AGENT", Text: state.text,
		Fix: "leave --use-agent out: a GKE cluster's gateway needs no agent; or have it installed (gcloud container fleet memberships register --install-connect-agent)"}}, nil
}

func (x *exposure) checkAccess(ctx context.Context) ([]exposer.Problem, error) {
	if x.kube == nil || len(x.spec.Gateway.Members) == 0 {
		return nil, nil
	}
	return exposer.CheckAccess(ctx, x.kube, x.spec)
}

// streamProblems are why what is asked for can't be streamed, and rights by groups
// can't be had, on this cluster. They follow from it as it was read.
func (x *exposure) streamProblems() []exposer.Problem {
	var problems []exposer.Problem
	c := x.cluster
	if x.spec.Gateway.Stream && !x.gone && detect.Minor(c.Version) > 0 && detect.Minor(c.Version) < 30 {
		problems = append(problems, exposer.Problem{Code: "CW-GATEWAY-VERSION", Text: fmt.Sprintf("the cluster is at %s: through the gateway exec, attach and cp need 1.30, port-forward 1.31", c.Version),
			Fix: "upgrade its control plane, or leave --stream out"})
	}
	group := slices.IndexFunc(x.spec.Gateway.Members, func(m string) bool { return strings.HasPrefix(m, "group:") })
	if group >= 0 && !x.gone && c.SecurityGroup == "" {
		problems = append(problems, exposer.Problem{Code: "CW-GATEWAY-GROUPS", Text: fmt.Sprintf("the cluster knows no groups of Google's: a binding to %s would give nobody rights", x.spec.Gateway.Members[group]),
			Fix: fmt.Sprintf("gcloud container clusters update %s --location %s --project %s --security-group=gke-security-groups@DOMAIN, with the group in that one", c.Name, c.Location, c.Project)})
	}
	return problems
}

// streamFact is what can be streamed to a cluster of a version.
func streamFact(version string) string {
	return "WebSocket alone: " + detect.GatewayStreams(version) + "; kubectl 1.31 or later"
}
