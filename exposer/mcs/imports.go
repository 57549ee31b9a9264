package mcs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"causeway/internal/kube"
)

// Kinds of the API of multi-cluster Services on GKE.
const mcsGroup = "net.gke.io"

func exportOf(service kube.Ref) kube.Ref {
	return kube.Ref{Group: mcsGroup, Version: "v1", Kind: "ServiceExport", Namespace: service.Namespace, Name: service.Name}
}

func importOf(service kube.Ref) kube.Ref {
	return kube.Ref{Group: mcsGroup, Version: "v1", Kind: "ServiceImport", Namespace: service.Namespace, Name: service.Name}
}

// derivedService is the annotation by which an import names the Service that stands
// for it in its cluster.
const derivedService = "net.gke.io/derived-service"

// imported is what a cluster holds of an exported Service.
type imported struct {
	exists    bool
	headless  bool
	ips       []string // ClusterSetIP
	exporters []string // memberships, as Google wrote them
	derived   string   // name of the Service that stands for it; "" until told
	service   bool     // and that Service is there
	addresses int      // Pods behind it
	hosts     []string // their host names, where they have any
}

// readImport looks at what a cluster imported.
func readImport(ctx context.Context, client *kube.Client, service kube.Ref) (imported, error) {
	var out imported
	live, err := client.Get(ctx, importOf(service))
	if err != nil || live == nil {
		return out, err
	}
	out.exists = true
	kind, _, _ := unstructured.NestedString(live.Object, "spec", "type")
	out.headless = kind == "Headless"
	out.ips, _, _ = unstructured.NestedStringSlice(live.Object, "spec", "ips")
	clusters, _, _ := unstructured.NestedSlice(live.Object, "status", "clusters")
	for _, each := range clusters {
		entry, _ := each.(map[string]any)
		if name, _ := entry["cluster"].(string); name != "" {
			out.exporters = append(out.exporters, name)
		}
	}
	out.derived = live.GetAnnotations()[derivedService]
	if out.derived == "" {
		return out, nil
	}
	behind, err := client.Get(ctx, kube.Ref{Version: "v1", Kind: "Service", Namespace: service.Namespace, Name: out.derived})
	if err != nil || behind == nil {
		return out, err
	}
	out.service = true
	out.addresses, out.hosts, err = endpointsOf(ctx, client, service.Namespace, out.derived)
	return out, err
}

// endpointsOf counts the Pods that are ready behind a Service, and lists their host
// names.
func endpointsOf(ctx context.Context, client *kube.Client, namespace, service string) (int, []string, error) {
	found, err := client.List(ctx, kube.Ref{Group: "discovery.k8s.io", Version: "v1", Kind: "EndpointSlice", Namespace: namespace}, "kubernetes.io/service-name="+service)
	if err != nil {
		return 0, nil, err
	}
	if len(found) == 0 { // the Service is new, and nobody has written them yet
		n, err := podsOf(ctx, client, kube.Ref{Version: "v1", Kind: "Service", Namespace: namespace, Name: service})
		return n, nil, err
	}
	var addresses, hosts []string
	for i := range found {
		entries, _, _ := unstructured.NestedSlice(found[i].Object, "endpoints")
		for _, each := range entries {
			entry, _ := each.(map[string]any)
			if ready, ok, _ := unstructured.NestedBool(entry, "conditions", "ready"); ok && !ready {
				continue
			}
			list, _, _ := unstructured.NestedStringSlice(entry, "addresses")
			addresses = append(addresses, list...)
			if host, _ := entry["hostname"].(string); host != "" {
				hosts = append(hosts, host)
			}
		}
	}
	slices.Sort(addresses)
	slices.Sort(hosts)
	return len(slices.Compact(addresses)), slices.Compact(hosts), nil
}

// podsOf counts the ready Pods that a Service selects.
func podsOf(ctx context.Context, client *kube.Client, service kube.Ref) (int, error) {
	live, err := client.Get(ctx, service)
	if err != nil || live == nil {
		return 0, err
	}
	selector, _, _ := unstructured.NestedStringMap(live.Object, "spec", "selector")
	if len(selector) == 0 {
		return 0, nil
	}
	pods, err := client.List(ctx, kube.Ref{Version: "v1", Kind: "Pod", Namespace: service.Namespace}, labels.FormatLabels(selector))
	if err != nil {
		return 0, err
	}
	ready := 0
	for i := range pods {
		conditions, _, _ := unstructured.NestedSlice(pods[i].Object, "status", "conditions")
		for _, each := range conditions {
			if c, _ := each.(map[string]any); c["type"] == "Ready" && c["status"] == "True" {
				ready++
			}
		}
	}
	return ready, nil
}

// lacks says what is missing for the import to work; "" when nothing is. pods says
// whether the Service has Pods that could be behind it.
func (i imported) lacks(pods bool) string {
	switch {
	case !i.exists:
		return "no ServiceImport"
	case i.derived == "":
		return "a ServiceImport, without a derived Service"
	case !i.service:
		return "a ServiceImport; its derived Service " + i.derived + " is not there"
	case i.addresses == 0 && pods:
		return "a ServiceImport; its derived Service " + i.derived + " has no endpoints"
	}
	return ""
}

// text says what is there.
func (i imported) text() string {
	kind := "ClusterSetIP " + strings.Join(i.ips, ", ")
	if i.headless {
		kind = "headless"
	}
	return fmt.Sprintf("%s, %s of %s", kind, count(i.addresses, "endpoint"), i.derived)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
