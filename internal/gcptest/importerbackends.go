package gcptest

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
)

// backend is one Pod that an exported Service leads to.
type backend struct {
	ip, hostname string
	ports        []any // of an EndpointSlice: name, protocol, port
}

// backendsOf finds a Service's ready Pods: by its EndpointSlices where the cluster
// has somebody who writes them, else by its selector.
func backendsOf(seen map[string]map[string]*unstructured.Unstructured, service *unstructured.Unstructured) []backend {
	var out []backend
	sliced := false
	for _, slice := range seen["endpointslices"] {
		if slice.GetNamespace() == service.GetNamespace() && slice.GetLabels()["kubernetes.io/service-name"] == service.GetName() {
			sliced = true
			out = append(out, fromSlice(slice)...)
		}
	}
	selector, _, _ := unstructured.NestedStringMap(service.Object, "spec", "selector")
	if !sliced && len(selector) > 0 {
		for _, pod := range seen["pods"] {
			if pod.GetNamespace() == service.GetNamespace() && labels.SelectorFromSet(selector).Matches(labels.Set(pod.GetLabels())) {
				out = append(out, fromPod(pod, service)...)
			}
		}
	}
	slices.SortFunc(out, func(a, b backend) int { return strings.Compare(a.ip, b.ip) })
	return slices.CompactFunc(out, func(a, b backend) bool { return a.ip == b.ip && signature(a.ports) == signature(b.ports) })
}

func fromSlice(slice *unstructured.Unstructured) []backend {
	ports, _, _ := unstructured.NestedSlice(slice.Object, "ports")
	endpoints, _, _ := unstructured.NestedSlice(slice.Object, "endpoints")
	var out []backend
	for _, one := range endpoints {
		endpoint, _ := one.(map[string]any)
		ready, told, _ := unstructured.NestedBool(endpoint, "conditions", "ready")
		addresses, _, _ := unstructured.NestedStringSlice(endpoint, "addresses")
		if told && !ready || len(addresses) == 0 {
			continue
		}
		hostname, _ := endpoint["hostname"].(string)
		out = append(out, backend{addresses[0], hostname, ports})
	}
	return out
}

func fromPod(pod, service *unstructured.Unstructured) []backend {
	ip, _, _ := unstructured.NestedString(pod.Object, "status", "podIP")
	if _, err := netip.ParseAddr(ip); err != nil || !podIsReady(pod) {
		return nil
	}
	hostname, _, _ := unstructured.NestedString(pod.Object, "spec", "hostname")
	if subdomain, _, _ := unstructured.NestedString(pod.Object, "spec", "subdomain"); subdomain != service.GetName() {
		hostname = ""
	}
	list, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	var ports []any
	for _, one := range list {
		port, _ := one.(map[string]any)
		if number := targetOf(pod, port); number != 0 {
			ports = append(ports, map[string]any{"name": textOr(port["name"], ""), "protocol": textOr(port["protocol"], "TCP"), "port": number})
		}
	}
	return []backend{{ip, hostname, ports}}
}

// targetOf is the Pod's port behind a Service's, by number or by name; 0 for none.
func targetOf(pod *unstructured.Unstructured, port map[string]any) int64 {
	switch target := port["targetPort"].(type) {
	case int64:
		return target
	case string:
		containers, _, _ := unstructured.NestedSlice(pod.Object, "spec", "containers")
		for _, one := range containers {
			container, _ := one.(map[string]any)
			open, _, _ := unstructured.NestedSlice(container, "ports")
			for _, each := range open {
				if fields, _ := each.(map[string]any); fields["name"] == target {
					number, _ := fields["containerPort"].(int64)
					return number
				}
			}
		}
		return 0
	}
	number, _ := port["port"].(int64)
	return number
}

func podIsReady(pod *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(pod.Object, "status", "conditions")
	for _, one := range conditions {
		if condition, _ := one.(map[string]any); condition["type"] == "Ready" {
			return condition["status"] == "True" && pod.GetDeletionTimestamp() == nil
		}
	}
	return false
}

func textOr(value any, other string) string {
	if given, ok := value.(string); ok && given != "" {
		return given
	}
	return other
}

// portsOf are a Service's ports as an import tells them, or as the derived Service
// needs them: its targetPort means nothing, as it selects no Pods.
func portsOf(service *unstructured.Unstructured, derived bool) []any {
	list, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	out := []any{}
	for _, one := range list {
		port, _ := one.(map[string]any)
		entry := object{"protocol": textOr(port["protocol"], "TCP"), "port": port["port"]}
		for _, field := range []string{"name", "appProtocol"} {
			if given := textOr(port[field], ""); given != "" {
				entry[field] = given
			}
		}
		if derived {
			entry["targetPort"] = port["port"]
		}
		out = append(out, entry)
	}
	return out
}

// bundled are backends that have the same ports.
type bundled struct {
	signature string
	ports     []any
	backends  []backend
}

func signature(ports []any) string {
	text, err := json.Marshal(ports)
	if err != nil {
		return "" // they come from JSON
	}
	return string(text)
}

// bundle sorts backends by their ports, as an EndpointSlice has one set of them.
func bundle(backends []backend) []bundled {
	var out []bundled
	for _, one := range backends {
		sign := signature(one.ports)
		at := slices.IndexFunc(out, func(b bundled) bool { return b.signature == sign })
		if at < 0 {
			at = len(out)
			out = append(out, bundled{signature: sign, ports: one.ports})
		}
		out[at].backends = append(out[at].backends, one)
	}
	return out
}
