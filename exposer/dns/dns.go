// Package dns is the method that takes the cluster's DNS endpoint: a public name
// under gke.goog at which Google's front ends ask IAM who may connect, and pass
// requests on to the API server. Nothing runs in the cluster, and no network is
// routed; it is private only as far as the far side reaches Google's APIs privately.
//
// It owns the three switches of that endpoint. It must not know other methods. Read
// dns.go, then switches.go, then trace.go, which says how the endpoint stands.
//
//	exposure, err := dns.Method{}.Open(ctx, spec, deps)
package dns

import (
	"context"
	"fmt"
	"slices"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// Method implements exposer.Method.
type Method struct{}

// Name is the method's word.
func (Method) Name() string { return "dns" }

// exposure is a spec that has met its cluster.
type exposure struct {
	spec    exposer.Spec
	deps    exposer.Deps
	google  *gcp.Cloud
	cluster gcp.Cluster  // zero when it is gone
	kube    *kube.Client // nil when the cluster is gone, and where nothing is made in it

	access    []exposer.Step // the ServiceAccount and its rights
	leftovers []exposer.Step // what earlier specs made and this one does not want
	deferred  error          // why the cluster's API can't be reached yet; nil when it can
}

// Open implements exposer.Method.
func (Method) Open(ctx context.Context, spec exposer.Spec, deps exposer.Deps) (exposer.Exposure, error) {
	x := &exposure{spec: spec, deps: deps, google: deps.Google}
	if x.spec.DNS == nil { // a destroy that knows the names alone
		x.spec.DNS = &exposer.DNS{Identity: exposer.IdentityGoogle}
	}
	var err error
	x.cluster, err = x.readCluster(ctx)
	if gcp.NotFound(err) && deps.Leaving {
		deps.Note("the cluster does not exist any more; what it held is gone with it")
		return x, x.setAccess(ctx)
	}
	if err != nil {
		return nil, x.blocked(ctx, err)
	}
	if problems := x.problems(x.cluster, *x.spec.DNS); len(problems) > 0 && !deps.Leaving {
		return nil, &exposer.PreconditionError{Verb: "expose " + x.spec.Cluster.Name + " by dns", Problems: problems}
	}
	if err := x.connect(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	return x, x.setAccess(ctx)
}

func (x *exposure) readCluster(ctx context.Context) (gcp.Cluster, error) {
	c := x.spec.Cluster
	return x.google.Cluster(ctx, c.Project, c.Location, c.Name)
}

// connect finds the way to the cluster's API where something is made in it. A
// Google identity needs nothing there; on destroy it is looked all the same what a
// spec of before, or of a colleague, made.
func (x *exposure) connect(ctx context.Context) error {
	if x.spec.ByGoogle() && !x.deps.Leaving {
		return nil
	}
	client, err := exposer.Connect(ctx, x.cluster, x.spec, x.deps)
	switch code := explain.CodeOf(err); {
	case err == nil:
		x.kube = client
	case x.spec.ByGoogle():
		x.deps.Note("the cluster's API can't be reached from here: whether an account of this exposure stands in it was not looked at")
	case code == "CW-KUBE-UNREACHABLE", code == "CW-KUBE-DNS-ENDPOINT" && (x.spec.DNS.Open || x.spec.DNS.Tokens):
		// The endpoint that is to be opened may be the only way from here; and it may
		// go on refusing for a moment after it was opened.
		x.deferred = err
	default:
		return err
	}
	return nil
}

// setAccess makes the steps in the cluster, and finds what earlier specs left.
func (x *exposure) setAccess(ctx context.Context) (err error) {
	if x.deferred != nil {
		return nil
	}
	var own []exposer.Step
	if !x.spec.ByGoogle() {
		if x.access, err = exposer.AccessSteps(x.kube, x.spec, exposer.NamespaceID(x.spec)); err != nil {
			return err
		}
		own = append([]exposer.Step{exposer.NamespaceStep(x.kube, x.spec)}, x.access...)
	}
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
// no place for one; Google itself takes one change of a cluster at a time.
func (x *exposure) Lock(ctx context.Context) (func(), error) {
	return exposer.LockNamespace(ctx, x.kube, x.spec, x.deps.Leaving)
}

// Endpoint implements exposer.Exposure: the public name, whose certificate is a
// public one. The cluster's own CA did not sign it, so none is given.
func (x *exposure) Endpoint(context.Context) (exposer.Endpoint, error) {
	if x.cluster.DNSEndpoint == "" {
		return exposer.Endpoint{}, &exposer.RunError{Code_: "CW-DNS-ABSENT", Text: "find endpoint: cluster " + x.spec.Cluster.Name + " is missing DNSEndpointConfig"}
	}
	return exposer.Endpoint{URL: "https://" + x.cluster.DNSEndpoint}, nil
}

// Facts implements exposer.Exposure. They say aloud what this way is and is not.
func (x *exposure) Facts() []exposer.Fact {
	c, want := x.cluster, x.spec.DNS
	if c.Name == "" {
		return nil
	}
	facts := []exposer.Fact{
		{Name: "cluster", Value: fmt.Sprintf("%s, %s, %s, %s", c.Name, c.Location, c.Version, c.Status)},
		{Name: "DNS endpoint", Value: c.DNSEndpoint + ", a name that everybody can resolve"},
		{Name: "guarded by", Value: x.guardFact()},
		{Name: "external traffic", Value: onOff(c.DNSExternal, want.Open)},
		{Name: "Kubernetes tokens", Value: onOff(c.DNSTokens, want.Tokens)},
		{Name: "client certs", Value: onOff(c.DNSCerts, want.Certificates)},
		{Name: "clients are", Value: x.identityFact()},
		{Name: "far side needs", Value: "a way to Google's APIs, TCP 443: over the internet, or privately by private Google access over the line"},
	}
	if x.deferred != nil {
		facts = append(facts, exposer.Fact{Name: "cluster's API", Value: "can't be reached from here yet: its part (account, kubeconfig) follows when the endpoint is open"})
	}
	return facts
}

// guardFact says who decides about callers: more than IAM where Kubernetes' own
// credentials are taken.
func (x *exposure) guardFact() string {
	text := "IAM alone (" + connectPermission + ")"
	if c, want := x.cluster, x.spec.DNS; c.DNSTokens || c.DNSCerts || want.Tokens || want.Certificates {
		text = "IAM (" + connectPermission + "), but for the cluster's own tokens or client certificates"
	}
	return text + "; authorized networks do not count for it"
}

func onOff(on, asked bool) string {
	switch {
	case on:
		return "on"
	case asked:
		return "off, to be turned on"
	}
	return "off"
}

func (x *exposure) identityFact() string {
	if x.spec.ByGoogle() {
		return "Google identities, with the rights that IAM and their own bindings give them; nothing is made in the cluster"
	}
	return "the ServiceAccount causeway-client, by its token: whoever holds that gets in from anywhere, IAM is not asked"
}

// Steps implements exposer.Exposure: the switches, one after another, then the
// client's account. On destroy the account goes before the endpoint is closed.
func (x *exposure) Steps() []exposer.Step {
	steps := x.switches()
	if x.deferred != nil {
		return steps
	}
	leftovers := x.leftovers
	if x.deps.Leaving {
		leftovers = behind(steps, leftovers)
	}
	if x.spec.ByGoogle() {
		return append(steps, leftovers...)
	}
	namespace := exposer.NamespaceStep(x.kube, x.spec)
	for _, step := range steps {
		namespace.After = append(namespace.After, step.ID())
	}
	return slices.Concat(append(steps, namespace), x.access, leftovers)
}

// late is a step that needs others beside its own.
type late struct {
	exposer.Step
	after []string
}

// Needs implements exposer.Step.
func (l late) Needs() []string { return slices.Concat(l.Step.Needs(), l.after) }

// behind puts steps behind the switches, so that destroy takes them away while the
// endpoint, which may be the way to them, is still open.
func behind(switches, steps []exposer.Step) []exposer.Step {
	var after []string
	for _, s := range switches {
		after = append(after, s.ID())
	}
	var all []exposer.Step
	for _, step := range steps {
		all = append(all, late{step, after})
	}
	return all
}
