package mcs

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// The limits of Google's page on multi-cluster Services. None is enforced there:
// past them it gets slower, or leaves endpoints out.
const (
	limitClusters = 5   // that export one Service
	limitPods     = 250 // behind one Service
	limitPorts    = 50  // of all Services that are exported, by namespace and name
)

// remark is what works, and may not for long, or not as people think.
type remark struct {
	name, text, code, fix string
	always                bool // nothing can be done about it: no warning, once it is told
}

// remark collects what is worth a warning before and after an apply.
func (x *exposure) remark(ctx context.Context) error {
	x.remarks = nil
	live, err := x.kube.Get(ctx, x.service)
	if err != nil {
		return err
	}
	x.remarkService(live)
	if err := x.remarkCounts(ctx, live); err != nil {
		return err
	}
	for _, s := range x.sites() {
		if err := x.remarkMasquerade(ctx, s); err != nil {
			return err
		}
	}
	return x.remarkNetworks(ctx)
}

func (x *exposure) add(name, code, fix, format string, args ...any) {
	x.remarks = append(x.remarks, remark{name: name, text: fmt.Sprintf(format, args...), code: code, fix: fix})
}

// remarkService looks at a Service of the user's own.
func (x *exposure) remarkService(live *unstructured.Unstructured) {
	if !x.any() || live == nil {
		return
	}
	if ns := x.service.Namespace; ns == "default" || ns == "kube-system" {
		x.add("namespace", "CW-MCS-NAMESPACE", "export a Service of a namespace that stands for the same in every cluster",
			"namespace %s is in every cluster: others may export another Service of this name from it, and the two would be taken for one", ns)
	}
	ports, _, _ := unstructured.NestedSlice(live.Object, "spec", "ports")
	for _, each := range ports {
		port, _ := each.(map[string]any)
		if named, _ := port["targetPort"].(string); named != "" {
			x.add("target port", "CW-MCS-NAMED-PORT", fmt.Sprintf("give port %v of the Service, and the Pods' readinessProbe.httpGet.port, numbers", port["port"]),
				"targetPort %s of port %v is a name: Google's health checks then ask a default port, and Pods may be left out", named, port["port"])
		}
	}
	if len(ports) > 1 && x.cluster.DataplaneV2 && older(x.cluster.Version, multiPortFixed) {
		x.add("ports", "CW-MCS-LIMIT", "upgrade the cluster, or export a Service for each port",
			"on Dataplane V2 before %s some endpoints of a Service with several ports are not programmed; the cluster runs %s", multiPortFixed, x.cluster.Version)
	}
	if families, _, _ := unstructured.NestedStringSlice(live.Object, "spec", "ipFamilies"); slices.Equal(families, []string{"IPv6"}) {
		x.add("addresses", "CW-MCS-SERVICE", "give the Service an IPv4 address too", "the Service is IPv6 alone, and clients of other clusters get A records only")
	}
}

// multiPortFixed is the version that knows endpoints of several ports on Dataplane V2.
const multiPortFixed = "1.26.3-gke.400"

// older compares versions of GKE by their numbers.
func older(version, than string) bool {
	a, b := numbers(version), numbers(than)
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

func numbers(version string) []int {
	var all []int
	for _, part := range strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' }) {
		n, err := strconv.Atoi(part)
		if err != nil {
			return all
		}
		all = append(all, n)
	}
	return all
}

// remarkCounts compares with the limits what the clusters that can be read tell.
func (x *exposure) remarkCounts(ctx context.Context, live *unstructured.Unstructured) error {
	exporters, err := x.exporters(ctx)
	if err != nil {
		return err
	}
	if m := x.fleet.Member; m == nil || !slices.ContainsFunc(exporters, func(name string) bool { return sameMember(name, *m) }) {
		exporters = append(exporters, "this one")
	}
	if n := len(exporters); n > limitClusters {
		x.add("exporters", "CW-MCS-LIMIT", "export it from at most five clusters", "%d clusters export the Service, and %d are safe: endpoints of some may be left out", n, limitClusters)
	}
	pods, _, err := endpointsOf(ctx, x.kube, x.service.Namespace, x.service.Name)
	if err != nil {
		return err
	}
	if have, err := readImport(ctx, x.kube, x.service); err == nil {
		pods = max(pods, have.addresses)
	}
	if pods > limitPods {
		x.add("Pods", "CW-MCS-LIMIT", "split the Service, or give the nodes of all clusters room", "%d Pods are behind the Service, and %d are safe", pods, limitPods)
	}
	ports, err := x.portsExported(ctx, live)
	if err == nil && ports > limitPorts {
		x.add("Service ports", "CW-MCS-LIMIT", "export fewer Services or ports", "%d Service ports are exported in the fleet, as far as this cluster imports them, and %d are advised", ports, limitPorts)
	}
	return nil
}

// portsExported counts the ports of all imports that this cluster holds, with those
// of the Service itself.
func (x *exposure) portsExported(ctx context.Context, live *unstructured.Unstructured) (int, error) {
	found, err := x.kube.List(ctx, kube.Ref{Group: mcsGroup, Version: "v1", Kind: "ServiceImport"}, "")
	if err != nil {
		return 0, err
	}
	total, own := 0, false
	for i := range found {
		ports, _, _ := unstructured.NestedSlice(found[i].Object, "spec", "ports")
		total += len(ports)
		own = own || found[i].GetNamespace() == x.service.Namespace && found[i].GetName() == x.service.Name
	}
	if !own && live != nil {
		ports, _, _ := unstructured.NestedSlice(live.Object, "spec", "ports")
		total += len(ports)
	}
	return total, nil
}

// remarkMasquerade looks whether a cluster's IP masquerade agent hides the addresses
// of Pods that talk to the exporting cluster's: the fleet's firewall rules let in
// Pods' addresses alone.
func (x *exposure) remarkMasquerade(ctx context.Context, s site) error {
	live, err := s.kube.Get(ctx, kube.Ref{Version: "v1", Kind: "ConfigMap", Namespace: "kube-system", Name: "ip-masq-agent"})
	if exposer.MissingRight(err) || err == nil && live == nil {
		return nil
	}
	if err != nil {
		return err
	}
	data, _, _ := unstructured.NestedStringMap(live.Object, "data")
	var config struct {
		NonMasqueradeCIDRs []string `json:"nonMasqueradeCIDRs"`
	}
	if yaml.Unmarshal([]byte(cmp.Or(data["config"], data["ip-masq-agent"])), &config) != nil || len(config.NonMasqueradeCIDRs) == 0 {
		return nil // the agent's own list, which has all private ranges
	}
	var hidden []string
	for _, pods := range x.cluster.PodRanges() {
		if !slices.ContainsFunc(config.NonMasqueradeCIDRs, func(text string) bool {
			p, err := netip.ParsePrefix(text)
			return err == nil && p.Bits() <= pods.Bits() && p.Contains(pods.Addr())
		}) {
			hidden = append(hidden, pods.String())
		}
	}
	if len(hidden) == 0 {
		return nil
	}
	from := strings.Join(hidden, ", ")
	x.add("masquerading", "CW-MCS-MASQUERADE", fmt.Sprintf("add %s to nonMasqueradeCIDRs of ConfigMap kube-system/ip-masq-agent in cluster %s", from, s.name),
		"the IP masquerade agent of cluster %s hides its Pods' addresses from %s, and the fleet's firewall rules let in Pods' addresses alone", s.name, from)
	return nil
}

// remarkNetworks looks at where the clusters of the fleet lie.
func (x *exposure) remarkNetworks(ctx context.Context) error {
	own := x.cluster.Network
	if own.Project != "" && own.Project != x.spec.Cluster.Project {
		x.add("Shared VPC", "CW-MCS-SHARED-VPC", "keep names of exported Services apart between the fleets of a Shared VPC",
			"network %s is a Shared VPC: fleets that share it see the names and ports of each other's exported Services (known to Google)", own)
		x.remarks[len(x.remarks)-1].always = true
	}
	elsewhere := slices.DeleteFunc(slices.Clone(x.others.clusters), func(c gcp.Cluster) bool { return c.Network == own })
	if len(elsewhere) == 0 {
		return nil
	}
	network, err := x.google.Network(ctx, own.Project, own.Name)
	if err != nil && !exposer.MissingRight(err) && !gcp.NotFound(err) {
		return err
	}
	for _, c := range elsewhere {
		peered := slices.ContainsFunc(network.Peerings, func(p gcp.Peering) bool { return p.Network == c.Network && p.State == "ACTIVE" })
		if !peered {
			x.add("networks", "CW-MCS-VPCS", "peer the two networks; routes of Pods' ranges cross a peering by themselves",
				"cluster %s is in network %s, which is not peered with %s, as far as can be seen: Pods of the one don't reach those of the other", c.Name, c.Network, own)
		}
	}
	return nil
}
