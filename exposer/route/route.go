// Package route is the method that opens the routed way: the far side's router
// learns the control plane's range by BGP from a Cloud Router, and the control
// plane's network learns the far side's ranges over its VPC peering. Nothing
// runs in the cluster; packets reach the API server on its own address.
//
// It owns what that takes: the settings of peering, router and authorized
// networks, and, when asked for, the line itself (HA VPN). It must not know other
// methods. Read route.go, then steps.go, then trace.go, which says hop by hop
// what the way looks like.
//
//	exposure, err := route.Method{}.Open(ctx, spec, deps)
package route

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/exposer/routing"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// Method implements exposer.Method.
type Method struct{}

// Name is the method's word.
func (Method) Name() string { return "route" }

// exposure is a spec that has met its cluster and its network.
type exposure struct {
	spec   exposer.Spec
	deps   exposer.Deps
	google *gcp.Cloud
	kube   *kube.Client // nil when the cluster is gone
	facts  facts

	line      line             // the line that causeway makes; zero where it uses one that is there
	routers   []gcp.Ref        // that announce the ranges
	ranges    []netip.Prefix   // what the far side has to hear of
	access    []exposer.Step   // the ServiceAccount and its rights
	leftovers []exposer.Step   // what earlier specs made in the cluster and this one does not want
	record    exposer.Record   // of earlier applies; zero where there was none
	endpoint  exposer.Endpoint // known from the cluster alone

	deferred   error // why the cluster's API can't be reached yet; nil when it can
	rehearsing bool  // nothing is sent: keys are not read

	estate sync.Mutex // held while another exposure's record is written
}

// Open implements exposer.Method.
func (Method) Open(ctx context.Context, spec exposer.Spec, deps exposer.Deps) (exposer.Exposure, error) {
	if deps.Getenv == nil {
		deps.Getenv = func(string) string { return "" }
	}
	x := &exposure{spec: spec, deps: deps, google: deps.Google}
	if spec.Route != nil { // what the network decides is written into the spec: keep the caller's as it is
		own := *spec.Route
		if own.VPN != nil {
			vpn := *own.VPN
			own.VPN = &vpn
		}
		x.spec.Route = &own
	}
	if err := x.readCluster(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	if problems := x.cannotWork(); len(problems) > 0 && !deps.Leaving {
		return nil, x.refused(problems)
	}
	if err := x.readNetwork(ctx); err != nil {
		return nil, x.blocked(ctx, err)
	}
	if err := x.findLine(ctx); err != nil {
		return nil, err
	}
	if err := x.choose(); err != nil && !deps.Leaving {
		return nil, err
	}
	if x.facts.cluster.Name == "" {
		return x, x.setAccess(ctx)
	}
	client, err := exposer.Connect(ctx, x.facts.cluster, x.spec, deps)
	if explain.CodeOf(err) == "CW-KUBE-UNREACHABLE" {
		// On the far side that is how it begins: the way to the API is what is made.
		x.deferred = err
		return x, x.setEndpoint(ctx)
	}
	if err != nil {
		return nil, err
	}
	x.kube = client
	if err := x.setEndpoint(ctx); err != nil && !deps.Leaving {
		return nil, x.blocked(ctx, err)
	}
	return x, x.setAccess(ctx)
}

// setAccess makes the steps in the cluster, and finds what earlier specs left.
func (x *exposure) setAccess(ctx context.Context) (err error) {
	x.access, x.leftovers, err = exposer.AccountParts(ctx, x.kube, x.spec, x.deps)
	return err
}

func (x *exposure) refused(problems []exposer.Problem) error {
	return &exposer.PreconditionError{Verb: "expose " + x.spec.Cluster.Name + " by route", Problems: problems}
}

// choose decides what is to be announced by which routers, or says why it can't.
func (x *exposure) choose() error {
	var problems []exposer.Problem
	x.ranges = x.facts.toAnnounce()
	if x.spec.Route.VPN != nil {
		x.line, problems = x.planLine()
		x.routers = []gcp.Ref{x.line.router}
		if x.deps.Leaving { // a spec of before may have used lines that were there
			marked, _ := x.facts.lines.Pick(nil, nil, x.spec.Name, true)
			x.routers = append(x.routers, slices.DeleteFunc(marked, func(ref gcp.Ref) bool { return ref == x.line.router })...)
		}
	} else {
		x.routers, problems = x.facts.lines.Pick(x.spec.Route.Routers, x.clients(), x.spec.Name, x.deps.Leaving)
		if n := len(x.spec.Route.Routers) - len(x.routers); n > 0 && !x.deps.Leaving && len(problems) == 0 {
			x.deps.Note(fmt.Sprintf("of the routers %s, %d are not there any more: what is left is %s", strings.Join(x.spec.Route.Routers, ", "), n, routing.Names(x.routers)))
		}
		if len(x.spec.Route.Routers) == 0 && !x.deps.Leaving {
			x.routers = x.facts.reaching(x.routers, x.spec.Route.GlobalAccess)
		}
		for i, problem := range problems {
			if problem.Code == "CW-ROUTE-NO-LINE" {
				problems[i] = detect.NoLine(problem, x.facts.network)
			}
		}
	}
	x.spec.Route.Network = x.facts.network.Project + "/" + x.facts.network.Name
	if x.spec.Route.VPN == nil {
		x.spec.Route.Routers = nil
		for _, ref := range x.routers {
			x.spec.Route.Routers = append(x.spec.Route.Routers, ref.Region+"/"+ref.Name)
		}
	}
	_, more := x.facts.lines.CustomPeers(x.routers, x.spec.Route.BGPPeers, x.clients(), append(x.unannounced(), x.facts.unheard(x.routers)...))
	if problems = append(problems, more...); len(problems) > 0 {
		return x.refused(problems)
	}
	return nil
}

func (x *exposure) clients() []netip.Prefix { return x.spec.FarSide.Prefixes() }

// cannotWork lists why this method can't work on this cluster at all, each with
// the method that can.
func (x *exposure) cannotWork() []exposer.Problem {
	return detect.RouteProblems(x.facts.cluster, x.facts.ref)
}

// Spec and Cluster implement exposer.Exposure.
func (x *exposure) Spec() exposer.Spec { return x.spec }

// Cluster implements exposer.Exposure.
func (x *exposure) Cluster() *kube.Client { return x.kube }

// Lock implements exposer.Exposure.
func (x *exposure) Lock(ctx context.Context) (func(), error) {
	return exposer.LockNamespace(ctx, x.kube, x.spec, x.deps.Leaving)
}

// Endpoint implements exposer.Exposure: the control plane's own address.
func (x *exposure) Endpoint(context.Context) (exposer.Endpoint, error) {
	if !x.endpoint.Address.IsValid() {
		return exposer.Endpoint{}, refusal("CW-ROUTE-NO-ENDPOINT", "find endpoint: the control plane's private address %q is none", x.facts.cluster.PrivateEndpoint)
	}
	return x.endpoint, nil
}

// setEndpoint reads what the API server's certificate bears: clients must ask for
// another name where that is not its address.
func (x *exposure) setEndpoint(ctx context.Context) error {
	addr, err := netip.ParseAddr(x.facts.cluster.PrivateEndpoint)
	if err != nil {
		return fmt.Errorf("read the control plane's private address: %w", err)
	}
	x.endpoint = exposer.Endpoint{URL: "https://" + addr.String(), Address: netip.AddrPortFrom(addr, 443), CA: x.facts.cluster.CA}
	if x.deps.Leaving || x.deferred != nil {
		return nil
	}
	names, err := x.kube.ServerNames(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == addr.String() {
			return nil
		}
	}
	if x.endpoint.TLSServerName = exposer.BestServerName(names); x.endpoint.TLSServerName == "" {
		return x.refused([]exposer.Problem{{Code: "CW-TLS-SERVER-NAME",
			Text: "the API server's certificate bears neither its private address nor a DNS name that a client could ask for: " + strings.Join(names, ", ")}})
	}
	return nil
}

// Deferred implements exposer.Deferring.
func (x *exposure) Deferred() error { return x.deferred }

// Facts implements exposer.Exposure.
func (x *exposure) Facts() []exposer.Fact {
	f := x.facts
	if f.cluster.Name == "" {
		return nil
	}
	out := []exposer.Fact{
		{Name: "cluster", Value: fmt.Sprintf("%s, %s, %s, %s", f.cluster.Name, f.cluster.Location, f.cluster.Version, f.cluster.Status)},
		exposer.ControlPlaneFact(f.cluster),
		{Name: "network", Value: fmt.Sprintf("%s, dynamic routing %s", f.ref, f.network.RoutingMode)},
		{Name: "line", Value: x.lineFact()},
		{Name: "global access", Value: onOff(f.cluster.GlobalAccess)},
		{Name: "authorized", Value: f.authorizedFact()},
	}
	if f.ref.Project != x.spec.Cluster.Project {
		out = append(out, exposer.Fact{Name: "shared VPC host", Value: f.ref.Project})
	}
	if x.deferred != nil {
		out = append(out, exposer.Fact{Name: "cluster's API", Value: "can't be reached from here yet: its part (account, kubeconfig) follows when the way is open"})
	}
	if len(f.sharing) > 0 {
		out = append(out, exposer.Fact{Name: "peering shared", Value: "with " + strings.Join(f.sharing, ", ") + ": its flags count for them too"})
	}
	return out
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func (x *exposure) lineFact() string {
	if vpn := x.spec.Route.VPN; vpn != nil {
		text := fmt.Sprintf("HA VPN that causeway makes: gateway %s and router %s in %s", vpn.Gateway, vpn.Router, vpn.Region)
		if len(vpn.PeerAddresses) == 0 {
			text += "; its tunnels follow when --peer-address names the far side's gateway"
		}
		return text
	}
	var names []string
	for _, ref := range x.routers {
		names = append(names, ref.Name+" in "+ref.Region)
	}
	return "there already: router " + strings.Join(names, ", ")
}

// refusal is an error with its code.
func refusal(code, format string, args ...any) error {
	return &exposer.RunError{Code_: code, Text: fmt.Sprintf(format, args...)}
}
