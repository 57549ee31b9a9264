// Package mcs is the method that exports a Service to the other clusters of a fleet
// by multi-cluster Services: there it answers under a name of its own,
// SERVICE.NAMESPACE.svc.clusterset.local. What is exported is nginx of an exposure by
// ilb, so that clients in those clusters reach this cluster's API server; or any
// Service. Nothing outside the fleet is reached by it.
//
// It owns the fleet's feature, the importer's right, the export and what has to stand
// for it in other clusters. It must not know other methods: the exposure that it
// stands on is opened by its name, through exposer.Deps.Open. Read mcs.go, then
// steps.go and export.go; states.go says what Google's states ask for; report.go and
// disable.go are about a whole fleet.
//
//	exposure, err := mcs.Method{}.Open(ctx, spec, deps)
package mcs

import (
	"context"
	"fmt"
	"strings"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/exposer/fleet"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// Method implements exposer.Method.
type Method struct{}

// Name is the method's word.
func (Method) Name() string { return "mcs" }

// exposure is a spec that has met its cluster.
type exposure struct {
	spec    exposer.Spec
	deps    exposer.Deps
	google  *gcp.Cloud
	cluster gcp.Cluster // without a status when it is gone
	gone    bool
	fleet   *fleet.Fleet
	kube    *kube.Client // nil when the cluster is gone

	service   kube.Ref    // that is exported
	exports   []kube.Ref  // to be withdrawn on destroy
	host      beneath     // the exposure by ilb; empty for any other Service
	importers []*importer // clusters that the spec names
	others    others      // the fleet's other clusters

	guest     *exposer.GuestStep
	remarks   []remark
	access    []exposer.Step
	leftovers []exposer.Step
	probes    []exposer.Step // what probes left in importing clusters
}

// Open implements exposer.Method.
func (Method) Open(ctx context.Context, spec exposer.Spec, deps exposer.Deps) (exposer.Exposure, error) {
	x := &exposure{spec: spec, deps: deps, google: deps.Google}
	own := exposer.MCS{}
	if spec.MCS != nil {
		own = *spec.MCS
	}
	x.spec.MCS = &own
	if err := x.read(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	// The record says whose fleet it is, when the cluster is gone or out of it.
	own.FleetProject = x.fleet.Asked(own.FleetProject)
	if problems := x.problems(); len(problems) > 0 && !deps.Leaving {
		return nil, x.refused(problems...)
	}
	x.service = x.exported()
	if x.gone {
		x.exports = []kube.Ref{exportOf(x.service)}
		return x, x.setAccess(ctx)
	}
	var err error
	if x.kube, err = exposer.Connect(ctx, x.cluster, x.spec, deps); err != nil {
		return nil, err
	}
	if err := x.readService(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	if err := x.readFleet(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	x.setGuest()
	return x, x.setAccess(ctx)
}

// read reads the cluster and its fleet.
func (x *exposure) read(ctx context.Context) error {
	var err error
	x.cluster, x.gone, x.fleet, err = fleet.ReadCluster(ctx, x.spec.Cluster, x.spec.MCS.FleetProject, x.deps)
	return err
}

// problems are why the cluster can export nothing at all.
func (x *exposure) problems() []exposer.Problem {
	problems := detect.MCSClusterProblems(x.cluster, !x.any())
	return append(problems, x.fleet.Problems(x.spec.MCS.Register, x.spec.MCS.Membership)...)
}

// readService finds what is exported, and what it was exported as before.
func (x *exposure) readService(ctx context.Context) error {
	err := x.readHost(ctx)
	if err == nil {
		err = x.checkService(ctx)
	}
	if err != nil && !x.deps.Leaving {
		return err
	}
	marked, err := x.marked(ctx)
	if err != nil {
		return err
	}
	x.exports = marked
	if x.deps.Leaving {
		return nil
	}
	for _, before := range marked {
		if before != exportOf(x.service) {
			return x.refused(exposer.Problem{Code: "CW-RUN-NAME",
				Text: fmt.Sprintf("the exposure %s exports Service %s/%s already, and what it exports can't be changed", x.spec.Name, before.Namespace, before.Name),
				Fix:  "destroy it first, or give this one another name with --name"})
		}
	}
	return nil
}

// readFleet looks at the fleet's other clusters.
func (x *exposure) readFleet(ctx context.Context) error {
	if err := x.openImporters(ctx); err != nil {
		return err
	}
	if x.deps.Leaving {
		return x.probeLeftovers(ctx)
	}
	if err := x.readOthers(ctx); err != nil {
		return err
	}
	if err := x.checkElsewhere(ctx); err != nil {
		return err
	}
	return x.remark(ctx)
}

// setAccess makes the steps of the client's account, which any other Service has
// none of, and finds what earlier specs left.
func (x *exposure) setAccess(ctx context.Context) (err error) {
	own := append([]exposer.Step{exposer.NamespaceStep(x.kube, x.spec)}, x.serviceSteps()...)
	if !x.any() {
		if x.access, err = exposer.AccessSteps(x.kube, x.spec, exposer.NamespaceID(x.spec)); err != nil {
			return err
		}
		own = append(own, x.access...)
	}
	sweep := exposer.Sweep{Cluster: x.kube, Exposure: x.spec.Name, Namespace: x.spec.Namespace, Leaving: x.deps.Leaving, Note: x.deps.Note}
	x.leftovers, err = sweep.Steps(ctx, own)
	return err
}

// any reports whether another Service than causeway's own proxy is exported.
func (x *exposure) any() bool { return x.spec.MCS.Service != "" }

// Spec, Cluster and Lock implement exposer.Exposure.
func (x *exposure) Spec() exposer.Spec { return x.spec }

// Cluster implements exposer.Exposure.
func (x *exposure) Cluster() *kube.Client { return x.kube }

// Lock implements exposer.Exposure.
func (x *exposure) Lock(ctx context.Context) (func(), error) {
	return exposer.LockNamespace(ctx, x.kube, x.spec, x.deps.Leaving)
}

// Facts implements exposer.Exposure.
func (x *exposure) Facts() []exposer.Fact {
	if x.gone {
		return nil
	}
	c := x.cluster
	facts := []exposer.Fact{
		{Name: "cluster", Value: fmt.Sprintf("%s, %s, %s, %s", c.Name, c.Location, c.Version, c.Status)},
		{Name: "fleet", Value: x.fleetFact()},
		{Name: "exported", Value: x.exportedFact()},
		{Name: "answers as", Value: x.name() + ", in other clusters of the fleet alone"},
		{Name: "imported by", Value: x.importersFact()},
	}
	if !x.any() {
		facts = append(facts, exposer.Fact{Name: "lets in", Value: x.letsInFact()})
	}
	for _, r := range x.remarks {
		facts = append(facts, exposer.Fact{Name: "mind", Value: r.text})
	}
	return facts
}

func (x *exposure) fleetFact() string {
	if m := x.fleet.Member; m != nil {
		return fmt.Sprintf("of project %s, membership %s in %s", x.fleet.Project.ID, m.ID, m.Location)
	}
	return "of project " + x.fleet.Project.ID + ", which the cluster is to join"
}

func (x *exposure) exportedFact() string {
	if x.any() {
		return "Service " + x.spec.MCS.Service
	}
	return fmt.Sprintf("nginx of exposure %s by ilb, as Service %s in namespace %s", x.spec.MCS.Exposure, x.service.Name, x.service.Namespace)
}

// name is the one under which the Service answers in every member of the fleet.
func (x *exposure) name() string {
	return x.service.Name + "." + x.service.Namespace + ".svc.clusterset.local"
}

// Endpoint implements exposer.Exposure: the name that other clusters of the fleet
// resolve. Its address differs from cluster to cluster, so none is given.
func (x *exposure) Endpoint(context.Context) (exposer.Endpoint, error) {
	if x.any() {
		return exposer.Endpoint{}, &exposer.RunError{Code_: "CW-MCS-NO-API",
			Text: fmt.Sprintf("find endpoint: Service %s is not causeway's proxy, so no API server is behind %s", x.spec.MCS.Service, x.name())}
	}
	if !x.host.endpoint.Address.IsValid() {
		return exposer.Endpoint{}, &exposer.RunError{Code_: "CW-RUN-ABSENT", Text: "find endpoint: exposure " + x.spec.MCS.Exposure + " has none; run causeway apply ilb first"}
	}
	from := x.host.endpoint
	endpoint := exposer.Endpoint{URL: "https://" + x.name(), CA: from.CA, TLSServerName: from.TLSServerName,
		ClientCert: from.ClientCert, ClientKey: from.ClientKey, ServerCert: from.ServerCert}
	if port := from.Address.Port(); port != 443 {
		endpoint.URL += fmt.Sprintf(":%d", port)
	}
	return endpoint, nil
}

// Half implements exposer.Halved: any other Service than causeway's own has a name
// and an address, and no kubeconfig.
func (x *exposure) Half() (string, exposer.Endpoint) {
	if !x.any() {
		return "", exposer.Endpoint{}
	}
	text := fmt.Sprintf("Service %s is exported: in other clusters of the fleet it answers as\n  %s", x.spec.MCS.Service, x.name())
	if names := x.podNames(); len(names) > 0 {
		text += "\nand its Pods as\n  " + strings.Join(names, "\n  ")
	}
	return text + "\nThere is no kubeconfig for it: it is not the proxy of an exposure by ilb.", exposer.Endpoint{}
}

func (x *exposure) clusterFlags() string {
	c := x.spec.Cluster
	return fmt.Sprintf("--project %s --location %s --cluster %s", c.Project, c.Location, c.Name)
}

func (x *exposure) refused(problems ...exposer.Problem) error {
	return &exposer.PreconditionError{Verb: "expose " + x.spec.Cluster.Name + " by mcs", Problems: problems}
}
