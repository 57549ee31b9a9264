package kube

import (
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// SlicePorts are the ports that EndpointSlices name, sorted, each once: where a
// Service's traffic ends after its ClusterIP was translated.
func SlicePorts(found []unstructured.Unstructured) []int {
	var ports []int
	for i := range found {
		entries, _, _ := unstructured.NestedSlice(found[i].Object, "ports")
		for _, entry := range entries {
			fields, _ := entry.(map[string]any)
			if port, ok := number(fields["port"]); ok && port > 0 && port < 65536 {
				ports = append(ports, int(port))
			}
		}
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}
