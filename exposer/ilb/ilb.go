// Package ilb is the method that puts nginx behind an internal load balancer
// with a reserved address of the cluster's own VPC: the far side, which has a
// route to that VPC but none to the control plane's, talks to the address, and
// nginx talks to the API server.
//
// It owns what that takes: the address, the certificates, the workload and its
// Service. It must not know other methods. Read ilb.go, then steps.go; the other
// files hold one kind of step each.
//
//	exposure, err := ilb.Method{}.Open(ctx, spec, deps)
package ilb

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"causeway/certs"
	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// Method implements exposer.Method.
type Method struct{}

// Name is the method's word.
func (Method) Name() string { return "ilb" }

// exposure is a spec that has met its cluster. Steps share what they learn
// through it: a step writes a field that only steps behind it read, and the
// engine runs those later.
type exposure struct {
	spec    exposer.Spec
	deps    exposer.Deps
	google  *gcp.Cloud
	cluster gcp.Cluster // zero when the cluster is gone
	subnet  gcp.Subnetwork
	kube    *kube.Client
	via     kube.Via
	region  string

	hub         hub
	guests      exposer.Guests // who stands on the load balancer
	access      []exposer.Step // the ServiceAccount and its rights
	leftovers   []exposer.Step // what earlier specs made and this one does not want
	upstream    netip.AddrPort // the Service default/kubernetes
	apiPorts    []int          // behind it: a NetworkPolicy may see either side of the translation
	serverName  string         // passthrough: a name that the API server's certificate bears
	serverNames []string       // all of them

	addr     netip.Addr       // of the load balancer; invalid until known
	ca       *certs.Authority // signs the leaf; nil until known, or with a leaf of the user's own
	caPEM    []byte           // what clients trust
	caEnded  bool             // the CA in the cluster has expired: only a rotation helps
	clientCA *certs.Authority // mtls: signs those who may come in
	leaf     *certs.Pair      // what nginx serves
	client   *certs.Pair      // mtls: what the kubeconfig carries
	own      own              // the user's own files
}

// Open implements exposer.Method.
func (Method) Open(ctx context.Context, spec exposer.Spec, deps exposer.Deps) (exposer.Exposure, error) {
	x := &exposure{spec: spec, deps: deps, google: deps.Google, region: gcp.RegionOf(spec.Cluster.Location)}
	if err := x.readCluster(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	if x.cluster.Name == "" { // gone; only destroy comes this far
		if err := x.setAccess(); err != nil {
			return x, err
		}
		return x, x.findLeftovers(ctx)
	}
	if problems := x.cannotWork(); len(problems) > 0 && !deps.Leaving {
		return nil, &exposer.PreconditionError{Verb: "expose " + spec.Cluster.Name + " by ilb", Problems: problems}
	}
	if err := x.readHub(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	if err := x.readOwnFiles(); err != nil && !deps.Leaving {
		return nil, err
	}
	client, err := exposer.Connect(ctx, x.cluster, x.spec, deps)
	if err != nil {
		return nil, err
	}
	x.kube, x.via = client, client.Via()
	if x.guests, err = exposer.ReadGuests(ctx, client, x.spec); err != nil {
		return nil, x.blocked(ctx, err)
	}
	if deps.Leaving {
		refusal := x.guests.Refusal(x.spec)
		if refusal == nil {
			refusal = x.publishedBy(ctx)
		}
		if refusal != nil {
			return nil, refusal
		}
	}
	if err := x.setAccess(); err != nil {
		return x, err
	}
	if !deps.Leaving {
		if err := x.readUpstream(ctx); err != nil {
			return nil, x.blocked(ctx, err)
		}
	}
	return x, x.findLeftovers(ctx)
}

func (x *exposure) setAccess() (err error) {
	x.access, err = exposer.AccessSteps(x.kube, x.spec, exposer.NamespaceID(x.spec))
	return err
}

// readCluster asks Google for the cluster and its subnet.
func (x *exposure) readCluster(ctx context.Context) error {
	c := x.spec.Cluster
	cluster, err := x.google.Cluster(ctx, c.Project, c.Location, c.Name)
	if gcp.NotFound(err) && x.deps.Leaving {
		x.deps.Note("the cluster does not exist any more; what it held is gone with it")
		return nil
	}
	if err != nil {
		return err
	}
	x.cluster = cluster
	if x.spec.ILB.Subnet == "" {
		x.spec.ILB.Subnet = cluster.Subnetwork.Name
	}
	if x.deps.Leaving {
		return nil
	}
	x.subnet, err = x.google.Subnetwork(ctx, cluster.Subnetwork.Project, x.region, x.spec.ILB.Subnet)
	return err
}

// cannotWork lists why this method can't work on this cluster at all, each with
// the method that can.
func (x *exposure) cannotWork() []exposer.Problem {
	return detect.ILBProblems(x.cluster, x.subnet)
}

// readUpstream finds what nginx will forward to: the ClusterIP of the Service
// default/kubernetes, which stays when the control plane moves to another address.
func (x *exposure) readUpstream(ctx context.Context) error {
	service, err := x.kube.Get(ctx, kube.Ref{Version: "v1", Kind: "Service", Namespace: "default", Name: "kubernetes"})
	if err != nil {
		return err
	}
	ip, port, err := kube.ClusterIP(service)
	if err != nil {
		return fmt.Errorf("read Service default/kubernetes: %w", err)
	}
	x.upstream = netip.AddrPortFrom(ip, port)
	slices, err := x.kube.List(ctx, kube.Ref{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice", Namespace: "default"}, "kubernetes.io/service-name=kubernetes")
	if err != nil {
		return err
	}
	x.apiPorts = kube.SlicePorts(slices)
	if x.spec.ILB.Mode != exposer.ModePassthrough {
		return nil
	}
	x.serverNames, err = x.kube.ServerNames(ctx)
	if err != nil {
		return err
	}
	x.serverName = exposer.BestServerName(x.serverNames)
	if x.serverName == "" {
		return &exposer.PreconditionError{Verb: "expose " + x.cluster.Name + " by ilb", Problems: []exposer.Problem{{Code: "CW-TLS-SERVER-NAME",
			Text: "the API server's certificate bears no DNS name that a client could ask for: " + strings.Join(x.serverNames, ", "),
			Fix:  "use --mode terminate"}}}
	}
	return nil
}

// Spec, Cluster and Lock implement exposer.Exposure.
func (x *exposure) Spec() exposer.Spec    { return x.spec }
func (x *exposure) Cluster() *kube.Client { return x.kube }

// Facts implements exposer.Exposure.
func (x *exposure) Facts() []exposer.Fact {
	c := x.cluster
	if c.Name == "" {
		return nil
	}
	how := "spec.loadBalancerIP (ILB subsetting is off)"
	if c.L4ILBSubsetting {
		how = "annotation with the address's name (ILB subsetting is on)"
	}
	facts := []exposer.Fact{
		{Name: "cluster", Value: fmt.Sprintf("%s, %s, %s", c.Name, c.Version, c.Status)},
		exposer.ControlPlaneFact(c),
		{Name: "network", Value: fmt.Sprintf("%s, subnet %s %s", c.Network, x.subnet.Name, x.subnet.Range)},
		{Name: "reserved address", Value: how},
		{Name: "reached via", Value: string(x.via)},
	}
	if x.hub.wanted() {
		facts = append(facts, exposer.Fact{Name: "line ends in", Value: fmt.Sprintf("hub %s, router %s", x.hub.ref, routing.Names(x.hub.routers))})
	}
	if c.Network.Project != x.spec.Cluster.Project {
		facts = append(facts, exposer.Fact{Name: "shared VPC host", Value: c.Network.Project})
	}
	return facts
}
