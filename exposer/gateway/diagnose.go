package gateway

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/internal/explain"
	"causeway/internal/kube"
)

// Diagnose looks up what a text about Connect Gateway leaves open: whether a role
// is missing, the agent runs, rights in the cluster are missing. It only reads; what
// can't be looked at is said, and stops nothing. Findings without anything to look
// up get no evidence. The error is that the cluster itself can't be read.
func Diagnose(ctx context.Context, spec exposer.Spec, deps exposer.Deps, findings []explain.Finding) ([]explain.Evidence, error) {
	x := &exposure{spec: spec, deps: deps, google: deps.Google}
	if x.spec.Gateway == nil {
		x.spec.Gateway = &exposer.Gateway{}
	}
	if err := x.read(ctx); err != nil {
		return nil, err
	}
	var unreached error
	x.kube, unreached = exposer.Connect(ctx, x.cluster, x.spec, deps)
	var all []explain.Evidence
	for _, finding := range findings {
		d := diagnosis{x: x, finding: finding, unreached: unreached}
		d.look(ctx)
		all = append(all, d.evidence...)
	}
	return all, nil
}

// diagnosis collects what is looked up for one finding.
type diagnosis struct {
	x         *exposure
	finding   explain.Finding
	unreached error // why the cluster's API can't be asked
	evidence  []explain.Evidence
}

func (d *diagnosis) say(fix, format string, args ...any) {
	d.evidence = append(d.evidence, explain.Evidence{Code: d.finding.Code, Text: fmt.Sprintf(format, args...), Fix: fix})
}

func (d *diagnosis) look(ctx context.Context) {
	switch d.finding.Code {
	case "CW-GATEWAY-ROLE":
		d.role(ctx, cmp.Or(d.finding.Evidence["permission"], mayGet))
	case "CW-GATEWAY-STREAM":
		d.role(ctx, mayStream)
	case "CW-GATEWAY-RBAC":
		for _, sub := range []string{"exec", "attach", "portforward"} {
			d.right(ctx, kube.Access{Verb: "get", Resource: "pods", Subresource: sub, Namespace: d.finding.Evidence["namespace"]})
		}
	case "CW-GATEWAY-FORBIDDEN":
		resource, sub, _ := strings.Cut(d.finding.Evidence["resource"], "/")
		if verb := d.finding.Evidence["verb"]; verb != "" && resource != "" {
			d.right(ctx, kube.Access{Verb: verb, Resource: resource, Subresource: sub, Namespace: d.finding.Evidence["namespace"]})
		}
	case "CW-GATEWAY-IMPERSONATE":
		d.impersonation(ctx)
	case "CW-GATEWAY-NO-AGENT", "CW-GATEWAY-AGENT", "CW-GATEWAY-WEBSOCKET":
		d.agent(ctx)
	case "CW-GATEWAY-VERSION", "CW-GATEWAY-CLIENT":
		d.say("", "the cluster is at %s: %s", d.x.cluster.Version, detect.GatewayStreams(d.x.cluster.Version))
	case "CW-GATEWAY-GROUPS", "CW-GATEWAY-HEADER":
		d.groups()
	case "CW-GATEWAY-ADDRESS":
		d.address(ctx)
	case "CW-GCP-API-DISABLED":
		d.apis(ctx)
	}
	if slices.Contains([]string{"CW-GATEWAY-ADDRESS", "CW-GATEWAY-NO-AGENT", "CW-GATEWAY-RESOURCE-TYPE", "CW-FLEET-MEMBER"}, d.finding.Code) {
		d.membership()
	}
}

// role looks whether the user, or else this identity, has a permission of IAM's.
func (d *diagnosis) role(ctx context.Context, permission string) {
	x, project := d.x, d.x.fleet.Project.ID
	user := d.finding.Evidence["user"]
	if user == "" {
		missing, err := x.google.TestPermissions(ctx, project, []string{permission})
		switch {
		case err != nil:
			d.say("", "whether this identity has %s can't be asked: %v", permission, err)
		case len(missing) > 0:
			d.say(d.grantCommand("user:YOU", permission), "this identity lacks %s in project %s", permission, project)
		default:
			d.say("", "this identity has %s in project %s: the one of the text is another, or got it a moment ago", permission, project)
		}
		return
	}
	policy, err := x.google.Policy(ctx, project)
	if err != nil {
		d.say("", "the policy of project %s can't be read: %v", project, err)
		return
	}
	member := memberOf(user)
	var roles []string
	for _, binding := range policy.Bindings {
		if slices.Contains(binding.Members, member) {
			roles = append(roles, binding.Role)
			some, err := x.google.RolePermissions(ctx, binding.Role)
			if err == nil && slices.Contains(some, permission) && binding.Condition == "" {
				d.say("", "%s has %s by %s: the denial was before that, or comes from a deny policy", member, permission, binding.Role)
				return
			}
		}
	}
	has := "has no role"
	if len(roles) > 0 {
		has = "has " + strings.Join(roles, ", ")
	}
	d.say(d.grantCommand(member, permission), "%s %s in project %s of his own, and so no %s (roles by groups, folders and the organisation are not seen here)", member, has, project, permission)
}

// memberOf is how IAM writes a user of Kubernetes'.
func memberOf(user string) string {
	if strings.HasSuffix(user, ".gserviceaccount.com") {
		return "serviceAccount:" + user
	}
	return "user:" + user
}

func (d *diagnosis) grantCommand(member, permission string) string {
	role := "reader"
	switch permission {
	case mayGet, mayMake:
	case mayStream:
		role = "admin"
	default:
		role = "editor"
	}
	return fmt.Sprintf("%s --member %s --gateway-role %s", d.applyCommand(), member, role)
}

func (d *diagnosis) applyCommand() string {
	c := d.x.spec.Cluster
	return fmt.Sprintf("causeway apply gateway --project %s --location %s --cluster %s", c.Project, c.Location, c.Name)
}

// right asks the cluster whether the user has a right there.
func (d *diagnosis) right(ctx context.Context, right kube.Access) {
	user := d.finding.Evidence["user"]
	switch {
	case d.x.kube == nil:
		d.say("", "rights in the cluster were not looked at: %v", d.unreached)
		return
	case user == "":
		d.say("", "the text names no user: `kubectl auth can-i %s %s --as USER` asks the cluster", right.Verb, right.Resource)
		return
	}
	decision, err := d.x.kube.Can(ctx, user, right)
	switch {
	case err != nil:
		d.say("", "rights of %s can't be asked for: %v", user, err)
	case decision.Allowed:
		d.say("", "the cluster says that %s may %s", user, right)
	default:
		stream := ""
		if slices.Contains([]string{"exec", "attach", "portforward"}, right.Subresource) {
			stream = " --stream"
		}
		d.say(fmt.Sprintf("%s --member %s --role ROLE%s", d.applyCommand(), memberOf(user), stream), "the cluster says that %s may not %s", user, right)
	}
}

// impersonation asks whether the agent may speak for the user.
func (d *diagnosis) impersonation(ctx context.Context) {
	user := d.finding.Evidence["user"]
	switch {
	case user == "":
		d.say("", "the text does not say for whom the agent may not speak")
		return
	case d.x.kube == nil:
		d.say("", "the agent's rights were not looked at: %v", d.unreached)
		return
	}
	agent := "system:serviceaccount:" + agentNamespace + ":connect-agent-sa"
	decision, err := d.x.kube.Can(ctx, agent, kube.Access{Verb: "impersonate", Resource: "users", Name: user})
	switch {
	case err != nil:
		d.say("", "the agent's rights can't be asked for: %v", err)
	case decision.Allowed:
		d.say("", "the agent may speak for %s now", user)
	default:
		d.say(fmt.Sprintf("%s --member %s --use-agent", d.applyCommand(), memberOf(user)), "the agent may not speak for %s: no impersonation policy names him", user)
	}
}

func (d *diagnosis) agent(ctx context.Context) {
	if d.x.kube == nil {
		d.say("", "the agent was not looked at: %v", d.unreached)
		return
	}
	state, err := d.x.agent(ctx)
	switch {
	case err != nil:
		d.say("", "the agent can't be looked at: %v", err)
	case state.ready:
		d.say("kubectl logs -n gke-connect -l app=gke-connect-agent --tail -1", "the Connect Agent runs: %s", state.text)
	default:
		d.say("", "%s", state.text)
	}
}

func (d *diagnosis) groups() {
	if group := d.x.cluster.SecurityGroup; group != "" {
		d.say("", "the cluster takes groups below %s", group)
		return
	}
	d.say("", "the cluster takes no groups of Google's: it has no security group")
}

func (d *diagnosis) membership() {
	f := d.x.fleet
	switch {
	case f.Off:
		d.say("", "GKE Hub's API is off in project %s: there is no fleet", f.Project.ID)
	case f.Member == nil:
		d.say(d.applyCommand()+" --register", "no membership of project %s's fleet leads to the cluster", f.Project.ID)
	default:
		d.say("", "the cluster's membership is %s in %s, %s", f.Member.ID, f.Member.Location, f.Member.State)
	}
}

// address says which server a kubeconfig must have.
func (d *diagnosis) address(ctx context.Context) {
	if d.x.fleet.Member == nil {
		return
	}
	made, err := d.x.credentials(ctx)
	if err != nil {
		d.say("", "the right address can't be asked for: %v", err)
		return
	}
	d.say(strings.Replace(d.applyCommand(), "apply", "kubeconfig", 1), "the server of a kubeconfig must be %s", made.Endpoint)
}

func (d *diagnosis) apis(ctx context.Context) {
	project := d.x.fleet.Project.ID
	missing, err := d.x.google.MissingServices(ctx, project, detect.GatewayServices)
	switch {
	case err != nil:
		d.say("", "which APIs are on can't be asked: %v", err)
	case len(missing) > 0:
		d.say(fmt.Sprintf("gcloud services enable %s --project %s", strings.Join(missing, " "), project), "off in project %s: %s", project, strings.Join(missing, ", "))
	default:
		d.say("", "the APIs of the gateway are all on in project %s", project)
	}
}
