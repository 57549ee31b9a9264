// Package psc is the method that publishes an exposure by ilb to other networks,
// projects or organisations by Private Service Connect: no routes are exchanged,
// so overlapping ranges don't matter. The producer's half is a service attachment
// on the load balancer, the consumer's an endpoint in a network of the consumer's
// own; each can be made alone, since they are often two people.
//
// It must not know other methods: the exposure that it stands on is opened by its
// name, through exposer.Deps.Open. Read psc.go, then producer.go, attachment.go (or
// object.go, where GKE makes the attachment) and consumer.go.
//
//	exposure, err := psc.Method{}.Open(ctx, spec, deps)
package psc

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// Method implements exposer.Method.
type Method struct{}

// Name is the method's word.
func (Method) Name() string { return "psc" }

// exposure is a spec that has met its cluster.
type exposure struct {
	spec     exposer.Spec
	deps     exposer.Deps
	google   *gcp.Cloud // the producer's door
	consumer *gcp.Cloud // the consumer's
	cluster  gcp.Cluster
	kube     *kube.Client
	region   string

	host      exposer.Spec // the exposure by ilb that is published
	hostPlan  exposer.Plan // what it lacks, as it was found
	guest     *exposer.GuestStep
	balancer  exposer.Endpoint // its endpoint
	rule      string           // path of its forwarding rule
	nat       netip.Prefix     // of the NAT subnet; invalid until known
	natOthers []netip.Prefix   // of further ones that the attachment has
	published exposer.Published
	address   netip.Addr     // of the consumer's endpoint; invalid until known
	object    *clusterObject //  the cluster's, where the attachment is made through it; nil otherwise
	oldNAT    []gcp.Ref      // NAT subnets of this exposure's that the spec has no more; when leaving

	netProject string                  // of the NAT subnet, where no cluster tells it any more
	orphans    []gcp.ServiceAttachment // that GKE made and left; when leaving
	recorded   bool                    // the record says that this exposure had an object in the cluster

	access    []exposer.Step
	leftovers []exposer.Step
}

// Open implements exposer.Method.
func (Method) Open(ctx context.Context, spec exposer.Spec, deps exposer.Deps) (exposer.Exposure, error) {
	x := &exposure{spec: spec, deps: deps, google: deps.Google, consumer: deps.Consumer}
	if x.consumer == nil {
		x.consumer = deps.Google
	}
	if spec.PSC.Consume != "" {
		return x, x.openConsumer(ctx)
	}
	c := spec.Cluster
	cluster, err := x.google.Cluster(ctx, c.Project, c.Location, c.Name)
	if gcp.NotFound(err) && deps.Leaving {
		deps.Note("the cluster does not exist any more; what it held is gone with it")
		cluster, err = gcp.Cluster{}, nil
	}
	if err != nil {
		return nil, x.blocked(ctx, err)
	}
	x.cluster, x.region = cluster, gcp.RegionOf(c.Location)
	if cluster.Name == "" {
		x.readGone(ctx)
		return x, x.setAccess(ctx)
	}
	if problems := exposer.ClusterStateProblems(cluster); len(problems) > 0 && !deps.Leaving {
		return nil, x.refused(problems...)
	}
	if !deps.Leaving {
		x.nameConsumers(ctx)
	}
	if x.kube, err = exposer.Connect(ctx, cluster, spec, deps); err != nil {
		return nil, err
	}
	if err := x.readHost(ctx); err != nil && !deps.Leaving {
		return nil, x.blocked(ctx, err)
	}
	if deps.Leaving {
		x.readLeaving(ctx)
	}
	return x, x.setAccess(ctx)
}

// readLeaving finds what stands, whatever the spec says by now: the object of an
// attachment that was made through the cluster, and NAT subnets of earlier specs.
// What can't be read is not there for destroy, as without it.
func (x *exposure) readLeaving(ctx context.Context) {
	if x.object == nil {
		o := x.newObject()
		switch live, err := x.kube.Get(ctx, o.Ref); {
		case err != nil:
		case live != nil && o.ours(live):
			x.object = o
		case live == nil && x.spec.PSC.Through == exposer.ThroughCRD: // this cluster is another one, of the old one's name
			x.readGone(ctx)
		}
	}
	subnets, err := x.google.Subnetworks(ctx, gcp.Ref{Project: x.networkProject(), Name: x.cluster.Network.Name})
	if err != nil {
		return
	}
	for _, subnet := range subnets {
		ref := gcp.Ref{Project: x.networkProject(), Region: subnet.Region, Name: subnet.Name}
		if x.marked(subnet.Description) && subnet.Purpose == purposeNAT && ref != x.natRef() {
			x.oldNAT = append(x.oldNAT, ref)
		}
	}
}

func (x *exposure) setAccess(ctx context.Context) (err error) {
	x.access, x.leftovers, err = exposer.AccountParts(ctx, x.kube, x.spec, x.deps)
	return err
}

// readHost finds the exposure that is published, and its forwarding rule.
func (x *exposure) readHost(ctx context.Context) error {
	record, err := exposer.RecordOf(ctx, x.kube, x.spec.PSC.Exposure)
	if err != nil {
		return err
	}
	if record.Version == 0 || record.Spec.Method != "ilb" {
		return x.refused(exposer.Problem{Code: "CW-PSC-NO-ILB",
			Text: fmt.Sprintf("cluster %s has no exposure %s by ilb that could be published", x.spec.Cluster.Name, x.spec.PSC.Exposure),
			Fix:  fmt.Sprintf("causeway apply ilb %s --client-cidr ... first, or name another with --exposure", x.clusterFlags())})
	}
	x.host = record.Spec
	x.host.Reach = x.spec.Reach
	host, err := x.openHost(ctx)
	if err != nil {
		return err
	}
	if x.hostPlan, err = exposer.MakePlan(ctx, host.Steps()); err != nil {
		return err
	}
	if x.balancer, err = host.Endpoint(ctx); err != nil {
		return err
	}
	if x.spec.PSC.Through == exposer.ThroughCRD {
		x.object = x.newObject()
		if err := x.object.findService(ctx); err != nil {
			return err
		}
	}
	if err := x.readOtherNAT(ctx); err != nil {
		return err
	}
	rules, err := x.google.ForwardingRulesByIP(ctx, x.spec.Cluster.Project, x.region, x.balancer.Address.Addr())
	if err != nil {
		return err
	}
	for _, rule := range rules {
		if strings.HasPrefix(rule.Scheme, "INTERNAL") && rule.Network == x.cluster.Network.Name {
			x.rule = fmt.Sprintf("projects/%s/regions/%s/forwardingRules/%s", rule.Project, rule.Region, rule.Name)
			return nil
		}
	}
	return x.refused(exposer.Problem{Code: "CW-PSC-TARGET",
		Text: fmt.Sprintf("the load balancer %s of exposure %s has no forwarding rule", x.balancer.Address.Addr(), x.host.Name),
		Fix:  "causeway status ilb says what it lacks"})
}

// readOtherNAT finds the NAT subnets that an attachment has beside the spec's: of an
// earlier spec, or added by a colleague. Consumers come from their addresses too.
func (x *exposure) readOtherNAT(ctx context.Context) error {
	attachment, err := x.attachment(ctx)
	if err != nil || attachment == nil {
		return err
	}
	for _, ref := range attachment.NATSubnets {
		if ref == x.natRef() {
			continue
		}
		subnet, err := x.google.Subnetwork(ctx, ref.Project, ref.Region, ref.Name)
		if err != nil {
			return err
		}
		x.natOthers = append(x.natOthers, subnet.Range)
	}
	return nil
}

func (x *exposure) openHost(ctx context.Context) (exposer.Exposure, error) {
	if x.deps.Open == nil {
		return nil, fmt.Errorf("open exposure %s: this program can open no other exposure", x.host.Name)
	}
	return x.deps.Open(ctx, x.host, false)
}

func (x *exposure) clusterFlags() string {
	c := x.spec.Cluster
	return fmt.Sprintf("--project %s --location %s --cluster %s", c.Project, c.Location, c.Name)
}

func (x *exposure) refused(problems ...exposer.Problem) error {
	return &exposer.PreconditionError{Verb: "expose " + x.spec.Cluster.Name + " by psc", Problems: problems}
}

// producing and consuming say which halves are this run's.
func (x *exposure) producing() bool { return x.spec.PSC.Consume == "" }
func (x *exposure) consuming() bool { return x.spec.PSC.Consumer != nil }

// Spec, Cluster and Lock implement exposer.Exposure.
func (x *exposure) Spec() exposer.Spec    { return x.spec }
func (x *exposure) Cluster() *kube.Client { return x.kube }

// Lock implements exposer.Exposure.
func (x *exposure) Lock(ctx context.Context) (func(), error) {
	return exposer.LockNamespace(ctx, x.kube, x.spec, x.deps.Leaving)
}

// Steps implements exposer.Exposure: the producer's half, the consumer's, what the
// published exposure must let in and bear, and the client's account.
func (x *exposure) Steps() []exposer.Step {
	var steps []exposer.Step
	if x.producing() {
		steps = append(steps, x.natSubnet(x.natRef()))
		for _, old := range x.oldNAT {
			steps = append(steps, x.natSubnet(old))
		}
	}
	if x.consuming() {
		steps = append(steps, x.addressStep())
	}
	if x.producing() {
		steps = append(steps, x.guestStep(), x.attachmentStep())
		for _, made := range x.orphans {
			steps = append(steps, orphan{x, made})
		}
	}
	if x.consuming() {
		steps = append(steps, endpointStep{x})
		if x.spec.PSC.Consumer.DNSName != "" {
			steps = append(steps, x.zoneStep())
		}
	}
	if x.producing() {
		steps = append(append(append(steps, exposer.NamespaceStep(x.kube, x.spec)), x.access...), x.leftovers...)
	}
	return steps
}

// Endpoint implements exposer.Exposure: the consumer's endpoint, by its name where
// it has one.
func (x *exposure) Endpoint(context.Context) (exposer.Endpoint, error) {
	if !x.consuming() {
		return exposer.Endpoint{}, &exposer.RunError{Code_: "CW-PSC-NO-CONSUMER", Text: "find endpoint: it is the consumer's to make; causeway handoff psc writes what the consumer needs"}
	}
	if !x.address.IsValid() {
		return exposer.Endpoint{}, &exposer.RunError{Code_: "CW-RUN-ABSENT", Text: "find endpoint: its address is not reserved; run causeway apply psc first"}
	}
	from := x.balancer
	if !x.producing() {
		from = x.published.Endpoint()
	}
	endpoint := exposer.Endpoint{Address: netip.AddrPortFrom(x.address, from.Address.Port()), CA: from.CA, TLSServerName: from.TLSServerName,
		ClientCert: from.ClientCert, ClientKey: from.ClientKey, ServerCert: from.ServerCert}
	host := x.address.String()
	if name := x.spec.PSC.Consumer.DNSName; name != "" {
		host = name
	}
	endpoint.URL = "https://" + host
	if port := endpoint.Address.Port(); port != 443 {
		endpoint.URL += fmt.Sprintf(":%d", port)
	}
	return endpoint, nil
}

// Half implements exposer.Halved: the producer's half alone has no endpoint. What
// is handed over meanwhile goes by the load balancer's own.
func (x *exposure) Half() (string, exposer.Endpoint) {
	if x.consuming() {
		return "", exposer.Endpoint{}
	}
	return "the producer's half stands; the consumer makes the endpoint, from what causeway handoff psc writes", x.balancer
}

// Carried implements exposer.Carrying: the consumer's half alone goes on with the
// identity that the producer handed over.
func (x *exposure) Carried() []byte {
	if x.producing() {
		return nil
	}
	return x.published.Kubeconfig()
}

// Facts implements exposer.Exposure.
func (x *exposure) Facts() []exposer.Fact {
	var facts []exposer.Fact
	add := func(name, format string, args ...any) {
		facts = append(facts, exposer.Fact{Name: name, Value: fmt.Sprintf(format, args...)})
	}
	if x.producing() && x.cluster.Name != "" {
		add("cluster", "%s, %s, %s", x.cluster.Name, x.cluster.Version, x.cluster.Status)
		add("published", "exposure %s by ilb, %s", x.spec.PSC.Exposure, x.balancer.Address)
		add("consumers", "%s", x.consumersFact())
	}
	if !x.producing() {
		add("published", "%s, by %s", x.published.Attachment, x.published.Cluster.Name)
	}
	if c := x.spec.PSC.Consumer; c != nil {
		add("endpoint in", "network %s, subnet %s, region %s", x.consumerNet(), c.Subnet, x.region)
	}
	return facts
}

func (x *exposure) consumersFact() string {
	if x.spec.PSC.Accept == exposer.AcceptAutomatic {
		return "whoever knows the attachment's name is let in"
	}
	if len(x.spec.PSC.Consumers) == 0 && !x.consuming() {
		return "nobody yet: name them with --consumer"
	}
	return "let in: " + strings.Join(x.accepted(), ", ")
}

// description is the mark of what the method makes.
func (x *exposure) description() string { return routing.Description(x.spec.Name) }

func (x *exposure) marked(description string) bool { return description == x.description() }

// refusal is an error with its code.
func refusal(code, format string, args ...any) error {
	return &exposer.RunError{Code_: code, Text: fmt.Sprintf(format, args...)}
}
