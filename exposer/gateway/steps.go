package gateway

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/exposer/fleet"
	"causeway/internal/explain"
	"causeway/templates"
)

// Steps implements exposer.Exposure: the APIs, the membership and the grants, then
// the members' rights in the cluster. On destroy their rights go before their way.
func (x *exposure) Steps() []exposer.Step {
	apis := &fleet.APIs{Google: x.google, Project: x.fleet.Project.ID, Names: detect.GatewayServices, Leaving: x.deps.Leaving}
	registration := &fleet.Registration{Google: x.google, Deps: x.deps, Exposure: x.spec.Name, Cluster: x.cluster, Fleet: x.fleet,
		Name: x.spec.Gateway.Membership, Leaving: x.deps.Leaving, After: []string{apis.ID()},
		StillNeeded: fleet.Needed(x.deps, x.kube, x.spec, fleet.UsesMembership), Heirs: fleet.Others(x.deps, x.kube, x.spec, fleet.UsesMembership)}
	member := registration.Step()
	steps := []exposer.Step{apis, member}
	for _, grant := range x.grants(apis.ID()) {
		steps = append(steps, grant)
	}
	steps = append(steps, x.dropped...)
	if x.kube == nil {
		return steps
	}
	namespace := exposer.NamespaceStep(x.kube, x.spec)
	namespace.After = []string{member.ID()}
	return slices.Concat(append(steps, namespace), x.members, x.leftovers)
}

// grants are the roles of the spec's members.
func (x *exposure) grants(after string) []*fleet.Grant {
	var grants []*fleet.Grant
	for _, member := range x.spec.Gateway.Members {
		grants = append(grants, x.grant(x.spec.Gateway.FullRole(), member, after))
	}
	return grants
}

func (x *exposure) grant(role, member, after string) *fleet.Grant {
	needs := func(other exposer.Spec) bool {
		return other.Method == "gateway" && other.Gateway != nil && other.Gateway.FullRole() == role && slices.Contains(other.Gateway.Members, member)
	}
	return &fleet.Grant{Google: x.google, Project: x.fleet.Project.ID, Role: role, Member: member, Why: allows(role), Leaving: x.deps.Leaving, After: []string{after},
		StillNeeded: fleet.Needed(x.deps, x.kube, x.spec, needs), HandOver: x.handOver(needs)}
}

// handOver leaves what was granted to the record of another exposure that needs it.
func (x *exposure) handOver(needs func(exposer.Spec) bool) func(context.Context, string, json.RawMessage) (string, error) {
	return func(ctx context.Context, step string, old json.RawMessage) (string, error) {
		if x.deps.HandOver == nil {
			return "", nil
		}
		x.estate.Lock() // grants are undone at the same time, and a record is written whole
		defer x.estate.Unlock()
		return x.deps.HandOver(ctx, x.kube, x.spec, exposer.Estate{Step: step, Old: old, Needs: needs, At: x.deps.Now()})
	}
}

// allows says what a role of Google's lets its holder do (IAM's reference of GKE Hub).
func allows(role string) string {
	switch role {
	case "roles/gkehub.gatewayReader":
		return "lets the member read through the gateway, in every cluster of the fleet in which he has rights"
	case "roles/gkehub.gatewayEditor":
		return "lets the member read and write through the gateway, in every cluster of the fleet in which he has rights; no exec, attach, cp, port-forward"
	case "roles/gkehub.gatewayAdmin":
		return "lets the member read, write and stream through the gateway, in every cluster of the fleet in which he has rights"
	}
	return ""
}

// memberSteps are the members' rights in the cluster.
func (x *exposure) memberSteps() ([]exposer.Step, error) {
	o := x.spec.Gateway
	if len(o.Members) == 0 {
		return nil, nil
	}
	access := templates.GatewayAccess{Exposure: x.spec.Name, Role: x.spec.Access.Role, Namespaces: x.spec.Access.Namespaces, Stream: o.Stream, Agent: o.Agent}
	for _, member := range o.Members {
		kind, name := exposer.Subject(member)
		access.Subjects = append(access.Subjects, templates.Subject{Kind: kind, Name: name})
	}
	manifests, err := access.Manifests()
	if err != nil {
		return nil, err
	}
	return exposer.ObjectSteps(x.kube, x.spec.Name, exposer.NamespaceID(x.spec), manifests), nil
}

// Remember implements exposer.Remembering: grants of earlier specs that this one
// does not want are taken away again.
func (x *exposure) Remember(record exposer.Record) {
	x.dropped = nil
	wanted := x.grants("")
	prefix := "grant/" + x.fleet.Project.ID + "/"
	for _, step := range record.Steps {
		rest, ok := strings.CutPrefix(step.ID, prefix)
		if !ok || step.Old == nil || slices.ContainsFunc(wanted, func(g *fleet.Grant) bool { return g.ID() == step.ID }) {
			continue
		}
		at := strings.LastIndex(rest, "/") // members have none
		old := &droppedGrant{Grant: x.grant(rest[:at], rest[at+1:], "apis/"+x.fleet.Project.ID), old: step.Old}
		x.dropped = append(x.dropped, old)
	}
}

// droppedGrant is the step whose end is that a grant is not there any more. It
// comes last, so that nobody loses his way before he has the new one.
type droppedGrant struct {
	*fleet.Grant
	old  json.RawMessage
	left string // why it was left to another exposure, which has it in its record now
}

// Read implements exposer.Step.
func (d *droppedGrant) Read(ctx context.Context) (exposer.Observed, error) {
	policy, err := d.Google.Policy(ctx, d.Project)
	if err != nil || !policy.Has(d.Role, d.Member) {
		return exposer.Observed{Action: exposer.Keep, Why: "is not granted"}, err
	}
	if d.left != "" {
		return exposer.Observed{Action: exposer.Keep, Exists: true, Why: d.left}, nil
	}
	seen := exposer.Observed{Action: exposer.Change, Exists: true, Old: d.old, Why: "an earlier spec granted it: it is taken away",
		Changes: []exposer.FieldChange{{Field: d.Role, From: d.Member}}}
	if d.Leaving {
		seen.Action, seen.Changes = exposer.Keep, nil
		return seen, nil
	}
	if who, err := d.StillNeeded(ctx); err != nil || who != "" {
		seen.Action, seen.Changes, seen.Why = exposer.Keep, nil, who
		return seen, err
	}
	return seen, nil
}

// Closes implements exposer.Closing.
func (d *droppedGrant) Closes() {}

// Do implements exposer.Step.
func (d *droppedGrant) Do(ctx context.Context, note func(string)) error {
	undone, err := d.Undo(ctx, d.old, note)
	if err == nil && undone.Outcome == exposer.Left {
		d.left = undone.Why
		note("left: " + d.left)
	}
	return err
}

const (
	// iamBound is how long a role that was just granted may take to be known
	// everywhere: two minutes, typically (IAM's page on access change propagation).
	iamBound = 2 * time.Minute
	// apiBound is how long an API that was just turned on may say that it is off: "a
	// few minutes", in its own words.
	apiBound = 5 * time.Minute
)

// await does something that needs a right, and the gateway's API, again where what
// this run changed is not known everywhere yet.
func (x *exposure) await(ctx context.Context, do func(context.Context) error) error {
	begin := x.deps.Now()
	var last error
	err := x.deps.Poll(ctx, apiBound, func(ctx context.Context) (bool, error) {
		last = do(ctx)
		waited := x.deps.Now().Sub(begin)
		why := x.pending(last, waited)
		if why == "" {
			return true, last
		}
		x.deps.Note(why + ", waited " + waited.Round(time.Second).String())
		return false, nil
	})
	if exposer.TimedOut(err) {
		err = last
	}
	if len(x.spec.Gateway.Members) > 0 && unlet(err) {
		return &exposer.RunError{Code_: "CW-GATEWAY-ROLE", Text: "get the gateway's kubeconfig: this identity lacks gkehub.gateway.generateCredentials in project " + x.fleet.Project.ID, Err: err}
	}
	return err
}

// pending says why something that failed is worth another try; "" when it is not.
func (x *exposure) pending(err error, waited time.Duration) string {
	switch {
	case explain.CodeOf(err) == "CW-GCP-API-DISABLED" && x.google.JustEnabled(x.fleet.Project.ID, gatewayAPI):
		return "Connect Gateway's API was turned on a moment ago and says that it is off"
	case unlet(err) && len(x.spec.Gateway.Members) > 0 && waited < iamBound:
		return "IAM does not let this identity ask for the kubeconfig yet"
	}
	return ""
}

// gatewayAPI is Connect Gateway's own.
const gatewayAPI = "connectgateway.googleapis.com"

// unlet reports an error for want of a right.
func unlet(err error) bool {
	return slices.Contains([]string{"CW-GCP-PERMISSION", "CW-GATEWAY-ROLE"}, explain.CodeOf(err))
}
