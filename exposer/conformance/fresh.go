package conformance

import (
	"context"
	"fmt"
	"hash/fnv"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/internal/kubetest"
)

// NameOf is an exposure's name that is the test's alone.
func NameOf(t testing.TB) string {
	sum := fnv.New32a()
	fmt.Fprint(sum, t.Name())
	return fmt.Sprintf("t%08x", sum.Sum32())
}

// Fresh is New for an exposure of the test's own name, with the stand-in for the
// cluster's own controllers. What is left of the exposure when the test ends is removed
// from the cluster, which all tests of the binary share.
func Fresh(t testing.TB, spec exposer.Spec, o Options, edit ...func(*exposer.Spec)) *World {
	t.Helper()
	spec.Name = NameOf(t)
	for _, change := range edit {
		change(&spec)
	}
	kubetest.Workloads(t, kubetest.Start(t).Config)
	w := New(t, spec, o)
	t.Cleanup(func() { w.Clear(t) })
	return w
}

// Clear removes the exposure's namespace, and what bears its mark and lies in none.
func (w *World) Clear(t testing.TB) {
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		switch kind.Resource {
		case "namespaces":
			_ = client.Resource(kind).Delete(context.Background(), w.Spec.Namespace, metav1.DeleteOptions{})
		case "clusterroles", "clusterrolebindings":
			_ = client.Resource(kind).DeleteCollection(context.Background(), metav1.DeleteOptions{},
				metav1.ListOptions{LabelSelector: exposer.ExposureLabel + "=" + w.Spec.Name})
		}
	}
}
