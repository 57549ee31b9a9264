// Package gateway is the method that takes Connect Gateway: a front end of Google's
// that knows a cluster by its membership in a fleet, asks IAM who may connect, and
// passes requests on to the API server in the caller's name. No network is routed,
// and for a GKE cluster nothing runs in it.
//
// It owns the grants of IAM's roles and the members' rights in the cluster; the
// membership and the APIs are package fleet's. It must not know other methods. Read
// gateway.go, then steps.go, then trace.go, which says how the way stands.
//
//	exposure, err := gateway.Method{}.Open(ctx, spec, deps)
package gateway

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"

	"causeway/exposer"
	"causeway/exposer/fleet"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/kube"
	"causeway/kubeconfig"
)

// Method implements exposer.Method.
type Method struct{}

// Name is the method's word.
func (Method) Name() string { return "gateway" }

// exposure is a spec that has met its cluster.
type exposure struct {
	spec    exposer.Spec
	deps    exposer.Deps
	google  *gcp.Cloud
	cluster gcp.Cluster // without a status when it is gone
	gone    bool
	fleet   *fleet.Fleet
	kube    *kube.Client // nil when the cluster is gone, and where nothing is made in it

	members   []exposer.Step // their rights in the cluster
	leftovers []exposer.Step // what earlier specs made there and this one does not want
	dropped   []exposer.Step // grants of earlier specs
	deferred  error          // why the cluster's API can't be reached yet; nil when it can
	made      *gcp.GatewayCredentials
	estate    sync.Mutex // held while what was granted is left to another exposure
}

// Open implements exposer.Method.
func (Method) Open(ctx context.Context, spec exposer.Spec, deps exposer.Deps) (exposer.Exposure, error) {
	x := &exposure{spec: spec, deps: deps, google: deps.Google}
	own := exposer.Gateway{}
	if spec.Gateway != nil { // nil: a destroy that knows the names alone
		own = *spec.Gateway
	}
	x.spec.Gateway = &own
	if err := x.read(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	// The record says whose fleet it is, when the cluster is gone or out of it.
	own.FleetProject = x.fleet.Asked(own.FleetProject)
	problems := append(exposer.ReadyProblems(x.cluster), x.fleet.Problems(own.Register, own.Membership)...)
	problems = append(problems, x.streamProblems()...)
	if len(problems) > 0 && !deps.Leaving {
		return nil, &exposer.PreconditionError{Verb: "expose " + x.spec.Cluster.Name + " by gateway", Problems: problems}
	}
	x.name()
	if err := x.connect(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	return x, x.setMembers(ctx)
}

// read reads the cluster and its fleet.
func (x *exposure) read(ctx context.Context) error {
	var err error
	x.cluster, x.gone, x.fleet, err = fleet.ReadCluster(ctx, x.spec.Cluster, x.spec.Gateway.FleetProject, x.deps)
	return err
}

// name gives the kubeconfig's entries the name that Google gives them, once there
// is a membership (gcloud's gateway.py).
func (x *exposure) name() {
	location, id := x.cluster.Region(), cmp.Or(x.spec.Gateway.Membership, x.cluster.Name)
	if m := x.fleet.Member; m != nil {
		location, id = m.Location, m.ID
	}
	x.spec.Gateway.Context = strings.Join([]string{"connectgateway", x.fleet.Project.ID, location, id}, "_")
}

// connect finds a way to the cluster's API, where members get rights in it; the
// gateway itself is one of the ways. On destroy it is looked all the same what a
// spec of before, or of a colleague, made.
func (x *exposure) connect(ctx context.Context) error {
	if x.gone || len(x.spec.Gateway.Members) == 0 && !x.deps.Leaving {
		return nil
	}
	by := ""
	if x.fleet.Member != nil {
		if made, err := x.credentials(ctx); err == nil {
			by = made.Endpoint
		}
	}
	client, err := exposer.ConnectBy(ctx, x.cluster, by, x.spec, x.deps)
	switch {
	case err == nil:
		x.kube = client
	case explain.CodeOf(err) != "CW-KUBE-UNREACHABLE" && !strings.HasPrefix(explain.CodeOf(err), "CW-GATEWAY-"):
		return err
	case x.deps.Leaving && len(x.spec.Gateway.Members) == 0:
		x.deps.Note("the cluster's API can't be reached from here: whether members of this exposure have rights in it was not looked at")
	default:
		x.deferred = err
	}
	return nil
}

// setMembers makes the steps in the cluster, and finds what earlier specs left.
func (x *exposure) setMembers(ctx context.Context) (err error) {
	if x.deferred != nil || x.kube == nil {
		return nil
	}
	if x.members, err = x.memberSteps(); err != nil {
		return err
	}
	own := append([]exposer.Step{exposer.NamespaceStep(x.kube, x.spec)}, x.members...)
	sweep := exposer.Sweep{Cluster: x.kube, Exposure: x.spec.Name, Namespace: x.spec.Namespace, Leaving: x.deps.Leaving, Note: x.deps.Note}
	x.leftovers, err = sweep.Steps(ctx, own)
	return err
}

// Spec and Cluster implement exposer.Exposure.
func (x *exposure) Spec() exposer.Spec { return x.spec }

// Cluster implements exposer.Exposure.
func (x *exposure) Cluster() *kube.Client { return x.kube }

// Deferred implements exposer.Deferring.
func (x *exposure) Deferred() error { return x.deferred }

// Lock implements exposer.Exposure. Where nothing is made in the cluster there is
// no place for one; IAM's policies are guarded by their etag.
func (x *exposure) Lock(ctx context.Context) (func(), error) {
	return exposer.LockNamespace(ctx, x.kube, x.spec, x.deps.Leaving)
}

// credentials asks Google for the gateway's kubeconfig, once.
func (x *exposure) credentials(ctx context.Context) (gcp.GatewayCredentials, error) {
	if x.made != nil {
		return *x.made, nil
	}
	if x.fleet.Member == nil { // made since
		if err := x.read(ctx); err != nil {
			return gcp.GatewayCredentials{}, err
		}
	}
	if x.fleet.Member == nil {
		return gcp.GatewayCredentials{}, &exposer.RunError{Code_: "CW-FLEET-MEMBER", Text: "find endpoint: cluster " + x.spec.Cluster.Name + " is in no fleet"}
	}
	made, err := x.google.GatewayCredentials(ctx, x.fleet.Path(*x.fleet.Member), x.spec.Gateway.Agent, "")
	if err != nil {
		return made, err
	}
	// The server of the kubeconfig is where clients go; the answer's endpoint is said
	// to be the same.
	have, err := kubeconfig.Inspect(made.Kubeconfig, "")
	if err != nil {
		return made, fmt.Errorf("read Google's kubeconfig: %w", err)
	}
	made.Endpoint = cmp.Or(have.Server, made.Endpoint)
	x.made = &made
	return made, nil
}

// Endpoint implements exposer.Exposure: the URL of Google's kubeconfig, under a
// name with a public certificate. What was granted or turned on a moment ago may take
// a while to be known everywhere.
func (x *exposure) Endpoint(ctx context.Context) (exposer.Endpoint, error) {
	var made gcp.GatewayCredentials
	err := x.await(ctx, func(ctx context.Context) (err error) {
		made, err = x.credentials(ctx)
		return err
	})
	if err != nil {
		return exposer.Endpoint{}, err
	}
	return exposer.Endpoint{URL: made.Endpoint}, nil
}

// Facts implements exposer.Exposure. They say aloud what this way is and is not.
func (x *exposure) Facts() []exposer.Fact {
	if x.gone {
		return nil
	}
	c := x.cluster
	return []exposer.Fact{
		{Name: "cluster", Value: fmt.Sprintf("%s, %s, %s, %s", c.Name, c.Location, c.Version, c.Status)},
		{Name: "fleet", Value: x.fleetFact()},
		{Name: "guarded by", Value: "IAM in project " + x.fleet.Project.ID + " (gkehub.gateway.*), then by rights in the cluster; authorized networks do not count for it"},
		{Name: "clients are", Value: "Google identities, each with his own rights"},
		{Name: "streams", Value: streamFact(c.Version)},
		{Name: "far side needs", Value: "a way to Google's APIs, TCP 443: over the internet, or privately by private Google access over the line"},
	}
}

func (x *exposure) fleetFact() string {
	m := x.fleet.Member
	if m == nil {
		return "of project " + x.fleet.Project.ID + ", which the cluster is to join"
	}
	return fmt.Sprintf("of project %s, membership %s in %s, %s", x.fleet.Project.ID, m.ID, m.Location, m.State)
}
