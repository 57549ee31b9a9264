package gcptest

import (
	"slices"
	"strings"
)

const importerRole = "roles/compute.networkViewer"

// fleetView is what the importer reads of the fleet at Google.
type fleetView struct {
	exists, active  bool // the feature
	project, number string
	members         map[string]memberView // by path, the project by its ID
}

// memberView is one member, as far as the feature needs it.
type memberView struct {
	registered       bool
	ok               bool   // the feature's state of the member
	canonical        string // path, the project by its number
	project, network string // of the cluster
	exports, imports string // why it can't; "" when it can
}

// readFleet reads the feature, the memberships, their clusters and the policies.
func (i *Importer) readFleet() fleetView {
	s := i.google
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	project := s.projectObject(i.project)
	view := fleetView{project: text(project, "projectId"), number: text(project, "projectNumber"), members: map[string]memberView{}}
	at := "projects/" + view.project + "/locations/global/features/" + mcsFeature
	view.exists = s.objects[at] != nil
	feature := s.featureView(at)
	resource, _ := feature["resourceState"].(object)
	view.active = text(resource, "state") == "ACTIVE"
	states, _ := feature["membershipStates"].(object)
	for _, m := range i.members {
		view.members[m.path] = s.memberView(m.path, states, view)
	}
	return view
}

func (s *Server) memberView(at string, states object, fleet fleetView) memberView {
	membership := s.objects[at]
	parts := splitPath(at)
	if membership == nil || len(parts) != 6 || parts[1] != fleet.project {
		return memberView{}
	}
	tail := strings.Join(parts[2:], "/")
	view := memberView{registered: true, canonical: "projects/" + fleet.number + "/" + tail}
	for _, name := range []string{view.canonical, at} {
		one, _ := states[name].(object)
		inner, _ := one["state"].(object)
		view.ok = view.ok || text(inner, "code") == "OK"
	}
	endpoint, _ := membership["endpoint"].(object)
	gke, _ := endpoint["gkeCluster"].(object)
	clusterAt := strings.Replace(relative(text(gke, "resourceLink"), ""), "/zones/", "/locations/", 1)
	cluster := s.objects[clusterAt]
	if cluster == nil {
		view.exports, view.imports = "its cluster is gone", "its cluster is gone"
		return view
	}
	view.project = splitPath(clusterAt)[1]
	config, _ := cluster["networkConfig"].(object)
	view.network = relative(text(config, "network"), view.project)
	view.exports = whyNoExports(cluster)
	view.imports = s.whyNoImports(cluster, view, fleet)
	return view
}

// whyNoExports is what a cluster lacks whose Services are to be exported.
func whyNoExports(cluster object) string {
	addresses, _ := cluster["ipAllocationPolicy"].(object)
	addons, _ := cluster["addonsConfig"].(object)
	balancing, _ := addons["httpLoadBalancing"].(object)
	switch {
	case addresses["useIpAliases"] != true:
		return "its cluster is not VPC-native"
	case balancing["disabled"] == true:
		return "its cluster's add-on HttpLoadBalancing is off"
	}
	return ""
}

// whyNoImports is what the importer of a cluster lacks: it acts as a Kubernetes
// account of the fleet's workload pool, which has to see the fleet's network, and
// the cluster's own where that belongs to another project.
func (s *Server) whyNoImports(cluster object, view memberView, fleet fleetView) string {
	identity, _ := cluster["workloadIdentityConfig"].(object)
	if text(identity, "workloadPool") != fleet.project+".svc.id.goog" {
		return "its cluster does not use the workload pool " + fleet.project + ".svc.id.goog"
	}
	projects := []string{fleet.project}
	if parts := splitPath(view.network); len(parts) > 1 && parts[1] != fleet.project {
		projects = append(projects, parts[1])
	}
	for _, project := range projects {
		if !s.importerBound(project, fleet) {
			return "its importer lacks " + importerRole + " in project " + project
		}
	}
	return ""
}

// importerBound looks for the importer's binding in either of its forms.
func (s *Server) importerBound(project string, fleet fleetView) bool {
	pool := fleet.project + ".svc.id.goog"
	forms := []string{
		"serviceAccount:" + pool + "[gke-mcs/gke-mcs-importer]",
		"principal://iam.googleapis.com/projects/" + fleet.number + "/locations/global/workloadIdentityPools/" + pool + "/subject/ns/gke-mcs/sa/gke-mcs-importer",
	}
	for _, binding := range entries(s.policyOf(project), "bindings") {
		members, _ := binding["members"].([]any)
		if text(binding, "role") == importerRole && binding["condition"] == nil && slices.ContainsFunc(members, func(one any) bool {
			return slices.ContainsFunc(forms, func(form string) bool { return s.isOf(one, form) })
		}) {
			return true
		}
	}
	return false
}
