package mcs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// checkService looks whether a Service of the user's own can be exported: MCS takes
// type ClusterIP, headless ones among them.
func (x *exposure) checkService(ctx context.Context) error {
	if !x.any() {
		return nil
	}
	live, err := x.kube.Get(ctx, x.service)
	if err != nil {
		return err
	}
	if live == nil {
		return x.refused(exposer.Problem{Code: "CW-MCS-SERVICE", Text: fmt.Sprintf("Service %s does not exist in cluster %s", x.spec.MCS.Service, x.spec.Cluster.Name),
			Fix: "make it first: an export is of the same namespace and name"})
	}
	if kind := typeOf(live); kind != "ClusterIP" {
		return x.refused(exposer.Problem{Code: "CW-MCS-SERVICE", Text: fmt.Sprintf("Service %s is of type %s, and multi-cluster Services take ClusterIP and headless ones alone", x.spec.MCS.Service, kind),
			Fix: "make a second Service of type ClusterIP on the same Pods, and export that"})
	}
	return nil
}

func typeOf(service *unstructured.Unstructured) string {
	kind, _, _ := unstructured.NestedString(service.Object, "spec", "type")
	if kind == "" {
		return "ClusterIP"
	}
	return kind
}

// sameMember reports whether a name as Google writes it is a membership's: the
// project stands there by number or by ID.
func sameMember(name string, m gcp.Membership) bool {
	return strings.HasSuffix(name, fmt.Sprintf("/locations/%s/memberships/%s", m.Location, m.ID)) || name == m.ID
}

// memberOf finds a membership by a name as Google writes it.
func (x *exposure) memberOf(name string) *gcp.Membership {
	at := slices.IndexFunc(x.fleet.Members, func(m gcp.Membership) bool { return sameMember(name, m) })
	if at < 0 {
		return nil
	}
	return &x.fleet.Members[at]
}

// exporters are the memberships that export the Service already, as far as the
// imports in the clusters that can be looked at tell.
func (x *exposure) exporters(ctx context.Context) ([]string, error) {
	var names []string
	for _, s := range x.sites() {
		have, err := readImport(ctx, s.kube, x.service)
		if exposer.MissingRight(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		names = append(names, have.exporters...)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// checkElsewhere refuses a Service that a cluster of another project exports: a fleet
// takes one of a name from one project only.
func (x *exposure) checkElsewhere(ctx context.Context) error {
	exporters, err := x.exporters(ctx)
	if err != nil {
		return err
	}
	for _, name := range exporters {
		m := x.memberOf(name)
		if m == nil || m.Cluster == "" || x.inProject(m.Cluster) {
			continue
		}
		return x.refused(exposer.Problem{Code: "CW-MCS-OTHER-PROJECT",
			Text: fmt.Sprintf("Service %s/%s is exported by %s already, and a fleet takes one of that name from one project only", x.service.Namespace, x.service.Name, m.Cluster),
			Fix:  "give the Service another name or namespace, or export it from clusters of that project"})
	}
	return nil
}

// inProject reports whether a cluster's path is of this cluster's project, which
// stands there by ID or by number.
func (x *exposure) inProject(cluster string) bool {
	project := strings.Split(cluster, "/")[1]
	own := x.spec.Cluster.Project
	if project == own || own == x.fleet.Project.ID && project == fmt.Sprint(x.fleet.Project.Number) {
		return true
	}
	return x.fleet.Member != nil && strings.Split(x.fleet.Member.Cluster+"/", "/")[1] == project
}

// shownPods is how many Pods' names are told; there may be hundreds.
const shownPods = 10

// podNames are the names of a headless Service's Pods, of those that have a host
// name; with a membership at location global the location may be left out.
func (x *exposure) podNames() []string {
	m := x.fleet.Member
	if x.kube == nil || m == nil {
		return nil
	}
	ctx := context.Background() // Half has none; the client bounds each request
	live, err := x.kube.Get(ctx, x.service)
	if err != nil || live == nil {
		return nil
	}
	if ip, _, _ := unstructured.NestedString(live.Object, "spec", "clusterIP"); ip != "None" {
		return nil
	}
	_, hosts, err := endpointsOf(ctx, x.kube, x.service.Namespace, x.service.Name)
	if err != nil {
		return nil
	}
	if len(hosts) == 0 {
		hosts = []string{"HOSTNAME"}
	}
	var names []string
	for _, host := range hosts[:min(len(hosts), shownPods)] {
		names = append(names, fmt.Sprintf("%s.%s.%s.%s", host, m.ID, m.Location, x.name()))
		if m.Location == "global" {
			names = append(names, fmt.Sprintf("%s.%s.%s", host, m.ID, x.name()))
		}
	}
	return names
}
