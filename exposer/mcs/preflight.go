package mcs

import (
	"context"
	"slices"
	"strings"

	"causeway/exposer"
)

// What the method takes in the fleet's project (IAM's reference of GKE Hub, Resource
// Manager and Service Usage); on the cluster's own, that it be read.
var (
	readPermissions    = []string{"gkehub.features.get", "gkehub.memberships.list", "gkehub.memberships.get", "resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy", "serviceusage.services.get"}
	apiPermissions     = []string{"serviceusage.services.enable"}
	featurePermissions = []string{"gkehub.features.create", "gkehub.features.delete", "gkehub.operations.get"}
	memberPermissions  = []string{"gkehub.memberships.create", "gkehub.memberships.delete", "gkehub.operations.get"}
	grantPermissions   = []string{"resourcemanager.projects.setIamPolicy"}
)

// Preflight implements exposer.Exposure.
func (x *exposure) Preflight(ctx context.Context, plan exposer.Plan) ([]exposer.Problem, error) {
	checks := append(x.rightsChecks(plan), x.fleet.CheckAgent(x.google, x.spec.MCS.Register))
	if !x.any() {
		checks = append(checks, x.checkAccess)
	}
	return append(plan.Refusals(), exposer.RunChecks(ctx, checks...)...), ctx.Err()
}

// blocked turns a right that is missing before a plan can be made into the list of
// all that are missing.
func (x *exposure) blocked(ctx context.Context, err error) error {
	if x.deps.Leaving || x.fleet == nil {
		return err
	}
	return exposer.Blocked(ctx, "expose "+x.spec.Cluster.Name+" by mcs", err, x.rightsChecks(exposer.Plan{})...)
}

// rightsChecks ask for what is read, and for what the plan changes.
func (x *exposure) rightsChecks(plan exposer.Plan) []exposer.Precheck {
	host, own := x.fleet.Project.ID, x.spec.Cluster.Project
	needed := map[string][]string{host: slices.Clone(readPermissions)}
	needed[own] = append(needed[own], "container.clusters.get")
	for _, item := range plan.Items {
		if item.Action == exposer.Keep || item.Action == exposer.Refuse {
			continue
		}
		parts := strings.Split(item.ID, "/")
		switch parts[0] {
		case "apis":
			needed[parts[1]] = append(needed[parts[1]], apiPermissions...)
		case "feature":
			needed[host] = append(needed[host], featurePermissions...)
		case "membership":
			needed[host] = append(needed[host], memberPermissions...)
		case "grant":
			needed[parts[1]] = append(needed[parts[1]], grantPermissions...)
		}
	}
	checks := []exposer.Precheck{exposer.CheckRights(x.kube, x.rights())}
	for _, i := range x.importers {
		if i.kube != nil {
			checks = append(checks, exposer.CheckRights(i.kube, x.importerRights()))
		}
	}
	for _, project := range projects(needed) {
		names := needed[project]
		slices.Sort(names)
		checks = append(checks, exposer.CheckPermissions(x.google, project, slices.Compact(names)))
	}
	return checks
}

func projects(needed map[string][]string) []string {
	var all []string
	for project := range needed {
		all = append(all, project)
	}
	slices.Sort(all)
	return all
}

// rights are what the run does in the exporting cluster.
func (x *exposure) rights() exposer.Rights {
	ns := x.service.Namespace
	var r exposer.Rights
	if x.any() {
		r.Apply("", "namespaces", "")
		r.Apply("", "configmaps", x.spec.Namespace)
		r.Add("coordination.k8s.io", "leases", x.spec.Namespace, "get", "create", "update", "delete")
		r.Add("", "services", ns, "get")
	} else {
		r = exposer.AccessRights(x.spec)
		r.Apply("", "services", ns)
	}
	r.Apply(mcsGroup, "serviceexports", ns)
	r.Add(mcsGroup, "serviceimports", ns, "get")
	r.Add("discovery.k8s.io", "endpointslices", ns, "list")
	return r
}

// importerRights are what it does in the clusters that import.
func (x *exposure) importerRights() exposer.Rights {
	var r exposer.Rights
	r.Apply("", "namespaces", "")
	r.Add(mcsGroup, "serviceimports", x.service.Namespace, "get")
	r.Add("", "services", x.service.Namespace, "get")
	r.Add("discovery.k8s.io", "endpointslices", x.service.Namespace, "list")
	return r
}

func (x *exposure) checkAccess(ctx context.Context) ([]exposer.Problem, error) {
	if x.kube == nil {
		return nil, nil
	}
	return exposer.CheckAccess(ctx, x.kube, x.spec)
}
