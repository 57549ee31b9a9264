package kube

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestSlicePortsAreSortedAndOnce(t *testing.T) {
	t.Parallel()
	slice := func(ports ...any) unstructured.Unstructured {
		entries := []any{}
		for _, port := range ports {
			entries = append(entries, map[string]any{"port": port})
		}
		return unstructured.Unstructured{Object: map[string]any{"ports": entries}}
	}
	got := SlicePorts([]unstructured.Unstructured{slice(int64(6443), int64(443)), slice(int64(443)), slice(nil), {}})
	if diff := cmp.Diff([]int{443, 6443}, got); diff != "" {
		t.Errorf("ports (-want +got):\n%s", diff)
	}
}
