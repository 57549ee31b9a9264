package kubetest

import (
	"context"
	"net/netip"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// TestASecondServerIsAnotherCluster shares no object, no Pod address and no key
// with the first; a Pod with a scheduler of its own is nobody's there.
func TestASecondServerIsAnotherCluster(t *testing.T) {
	first := newRig(t)
	other := StartSecond(t)
	if other == first.server || other != StartSecond(t) {
		t.Fatal("the second server is the first, or made anew each time")
	}
	client, err := dynamic.NewForConfig(other.Config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Resource(namespaces).Get(context.Background(), first.ns, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the first one's namespace is in the second: %v", err)
	}
	Workloads(t, other.Config)
	second := rig{t, other, client, other.Namespace(t)}
	seen := map[netip.Addr]bool{}
	for _, r := range []rig{first, second} {
		r.create(deployments, testDeployment("web", "nginx:1"))
		r.until("two available replicas", deployments, "web", func(o *unstructured.Unstructured, err error) bool {
			return err == nil && statusInt(o, "availableReplicas") == 2
		})
		list, err := r.client.Resource(pods).Namespace(r.ns).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			text, _, _ := unstructured.NestedString(list.Items[i].Object, "status", "podIP")
			seen[netip.MustParseAddr(text)] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("four Pods of two clusters have the addresses %v", seen)
	}
	own := second.create(pods, map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "own"},
		"spec": map[string]any{"schedulerName": "another", "serviceAccountName": "default", "containers": []any{map[string]any{"name": "c", "image": "x:1"}}}})
	second.create(pods, map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "lone"},
		"spec": map[string]any{"restartPolicy": "Never", "containers": []any{map[string]any{"name": "c", "image": "x:1"}}}})
	second.until("the lone Pod's end", pods, "lone", func(o *unstructured.Unstructured, err error) bool {
		phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
		return err == nil && phase == "Succeeded"
	})
	second.until("the other Pod as it was", pods, "own", func(o *unstructured.Unstructured, err error) bool {
		node, _, _ := unstructured.NestedString(o.Object, "spec", "nodeName")
		return err == nil && node == "" && o.GetUID() == own.GetUID()
	})
}
