package route

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/internal/gcp"
)

// services are the Google APIs that the method calls.
var services = []string{"compute.googleapis.com", "container.googleapis.com"}

// What each part of the way takes, on the network's project (the host, with a
// Shared VPC); roles/compute.networkAdmin holds all of it.
var (
	networkPermissions = []string{"compute.networks.get", "compute.networks.listPeeringRoutes", "compute.routers.get", "compute.routers.list",
		"compute.routes.list", "compute.subnetworks.list", "compute.vpnTunnels.list", "compute.interconnectAttachments.list"}
	peeringPermissions = []string{"compute.networks.updatePeering", "compute.globalOperations.get"}
	routerPermissions  = []string{"compute.routers.update", "compute.regionOperations.get"}
	vpnPermissions     = []string{"compute.routers.create", "compute.routers.delete", "compute.routers.use", "compute.routers.update",
		"compute.vpnGateways.create", "compute.vpnGateways.get", "compute.vpnGateways.use", "compute.vpnGateways.delete",
		"compute.externalVpnGateways.create", "compute.externalVpnGateways.get", "compute.externalVpnGateways.use", "compute.externalVpnGateways.delete",
		"compute.vpnTunnels.create", "compute.vpnTunnels.get", "compute.vpnTunnels.delete", "compute.regionOperations.get", "compute.globalOperations.get"}
)

// Preflight implements exposer.Exposure: every check runs, whatever the others
// say.
func (x *exposure) Preflight(ctx context.Context, plan exposer.Plan) ([]exposer.Problem, error) {
	checks := append(x.rightsChecks(), x.checkName, x.checkLine, x.checkRegions, x.checkRanges, x.checkKeys, x.checkAccess)
	return append(plan.Refusals(), exposer.RunChecks(ctx, checks...)...), ctx.Err()
}

// blocked turns a right that is missing before a plan can be made into the list
// of all that are missing.
func (x *exposure) blocked(ctx context.Context, err error) error {
	if x.deps.Leaving {
		return err
	}
	return exposer.Blocked(ctx, "expose "+x.spec.Cluster.Name+" by route", err, x.rightsChecks()...)
}

func (x *exposure) rightsChecks() []exposer.Precheck {
	own, host := x.spec.Cluster.Project, cmp.Or(x.facts.ref.Project, x.spec.Cluster.Project)
	on := map[string][]string{own: {"container.clusters.get"}}
	on[host] = append(on[host], networkPermissions...)
	if x.facts.cluster.PeeringName != "" {
		on[host] = append(on[host], peeringPermissions...)
	}
	if x.changesRouters() {
		on[host] = append(on[host], routerPermissions...)
	}
	if x.spec.Route.VPN != nil {
		on[host] = append(on[host], vpnPermissions...)
	}
	if x.facts.enforced() || x.spec.Route.GlobalAccess {
		on[own] = append(on[own], "container.clusters.update", "container.operations.get")
	}
	checks := []exposer.Precheck{exposer.CheckServices(x.google, own, services)}
	if host != own {
		checks = append(checks, exposer.CheckServices(x.google, host, services[:1]))
	}
	for _, project := range distinct(own, host) {
		slices.Sort(on[project]) // several parts need the same one
		checks = append(checks, exposer.CheckPermissions(x.google, project, slices.Compact(on[project])))
	}
	return append(checks, exposer.CheckRights(x.kube, exposer.AccessRights(x.spec)))
}

// changesRouters reports whether a router or one of its peers may have to be told
// what to announce.
func (x *exposure) changesRouters() bool {
	return len(x.unannounced()) > 0 || len(x.facts.unheard(x.routers)) > 0 || slices.ContainsFunc(x.facts.lines.Of(x.routers), func(r gcp.Router) bool {
		return r.Advertise.Mode == "CUSTOM" && !slices.Contains(r.Advertise.Groups, gcp.AllSubnets)
	})
}

// checkRegions finds routers that can't reach the cluster's region. A line that
// stands is no less looked at for it: the trace names it too.
func (x *exposure) checkRegions(context.Context) ([]exposer.Problem, error) {
	return x.facts.regionProblems(x.routers, x.spec.Route.GlobalAccess), nil
}

func distinct(a, b string) []string {
	if a == b {
		return []string{a}
	}
	return []string{a, b}
}

func (x *exposure) checkAccess(ctx context.Context) ([]exposer.Problem, error) {
	if x.kube == nil { // deferred: looked at when the API is reached
		return nil, nil
	}
	return exposer.CheckAccess(ctx, x.kube, x.spec)
}

// checkKeys finds pre-shared keys that a tunnel which is to be made can't have.
func (x *exposure) checkKeys(ctx context.Context) ([]exposer.Problem, error) {
	if !x.line.made() || len(x.line.spec.PeerAddresses) == 0 {
		return nil, nil
	}
	var problems []exposer.Problem
	for _, t := range x.line.tunnels {
		live, err := x.google.Tunnel(ctx, t.ref)
		if exposer.MissingRight(err) {
			return problems, nil // named with all others that are missing
		}
		if err != nil {
			return problems, err
		}
		if live != nil {
			continue
		}
		if _, err := x.keys().read(t); err != nil {
			problems = append(problems, exposer.ProblemOf(err))
		}
	}
	return problems, nil
}

// checkRanges finds client networks that the VPC or the cluster uses itself:
// answers to them would stay inside; and a control plane whose range the far side
// uses itself: requests would stay there.
func (x *exposure) checkRanges(context.Context) ([]exposer.Problem, error) {
	f := x.facts
	used := detect.UsedBy(f.cluster, f.subnets...)
	for _, master := range f.masters {
		if master != f.controlPlane() {
			used = append(used, detect.Used{About: "another cluster's control plane", Prefix: master})
		}
	}
	return append(detect.OverlapProblems(x.clients(), used), x.claimed()...), nil
}

// claimed finds learned routes by which the far side has the control plane's
// range for itself.
func (x *exposure) claimed() []exposer.Problem {
	want := x.facts.controlPlane()
	seen := map[gcp.LearnedRoute]bool{}
	var problems []exposer.Problem
	for ref, status := range x.facts.lines.Status {
		for _, r := range status.BestForRouter {
			if r.Range.Bits() == 0 || !r.Range.Overlaps(want) || seen[r] {
				continue
			}
			seen[r] = true
			fix := "have the far side renumber it or announce narrower ranges, or publish the API server by ilb and psc, whose addresses do not collide"
			if r.Range.Bits() < want.Bits() {
				continue // a wide route of theirs: the narrower one of the control plane wins in the VPC, and theirs in their own network is theirs to judge
			}
			problems = append(problems, exposer.Problem{Code: "CW-NET-OVERLAP",
				Text: fmt.Sprintf("the far side announces %s itself (by %s to router %s): the control plane's range %s is in use there", r.Range, r.NextHop, ref.Name, want), Fix: fix})
		}
	}
	return problems
}
