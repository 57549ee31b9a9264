package exposer_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/kube"
	"causeway/internal/kubetest"
)

var configMapKind = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}

// configMap is the step of a ConfigMap in a namespace of the test's.
func configMap(t testing.TB) (*exposer.Object, dynamic.ResourceInterface) {
	t.Helper()
	server := kubetest.Start(t)
	kubetest.Workloads(t, server.Config)
	namespace := server.Namespace(t)
	cluster, err := kube.New(server.Config, kube.Env{})
	if err != nil {
		t.Fatal(err)
	}
	client, err := dynamic.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	wanted := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"a": "b"},
		"metadata": map[string]any{"name": "thing", "namespace": namespace, "labels": map[string]any{exposer.ManagedByLabel: "causeway", exposer.ExposureLabel: "prod"}}}}
	return &exposer.Object{Cluster: cluster, Exposure: "prod", Ref: kube.RefOf(wanted), About: "ConfigMap thing",
		Build: func() (*unstructured.Unstructured, string, error) { return wanted.DeepCopy(), "", nil }}, client.Resource(configMapKind).Namespace(namespace)
}

func quiet(string) {}

func TestAnObjectThatIsBeingDeletedIsMadeAnew(t *testing.T) {
	t.Parallel()
	step, client := configMap(t)
	if err := step.Do(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	patch := func(finalizers ...string) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"metadata": map[string]any{"finalizers": finalizers}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Patch(context.Background(), "thing", types.MergePatchType, body, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	patch("example.com/hold")
	if err := client.Delete(t.Context(), "thing", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	seen, err := step.Read(t.Context())
	if err != nil || seen.Action != exposer.Change || !strings.Contains(seen.Why, "being deleted") {
		t.Errorf("%+v %v", seen, err)
	}
	held := make(chan string, 8)
	go func() {
		<-held // it waits, and says so
		patch()
	}()
	if err := step.Do(t.Context(), func(text string) { held <- text }); err != nil {
		t.Fatal(err)
	}
	if seen, err := step.Read(t.Context()); err != nil || seen.Action != exposer.Keep {
		t.Errorf("%+v %v", seen, err)
	}
}

func TestAnObjectAndItsMark(t *testing.T) {
	t.Parallel()
	step, client := configMap(t)
	relabel := func(value any) {
		t.Helper()
		body, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]any{exposer.ExposureLabel: value}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Patch(t.Context(), "thing", types.MergePatchType, body, metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if undone, err := step.Undo(t.Context(), nil, quiet); err != nil || undone.Outcome != exposer.Absent {
		t.Errorf("what is not there: %+v %v", undone, err)
	}
	if err := step.Do(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	for _, other := range []any{"staging", nil} { // another exposure's, nobody's
		relabel(other)
		seen, err := step.Read(t.Context())
		if err != nil || seen.Action != exposer.Refuse || seen.Ours || explain.CodeOf(seen.Cause) != "CW-KUBE-FOREIGN" {
			t.Errorf("%v: %+v %v", other, seen, err)
		}
		wantCode(t, step.Do(t.Context(), quiet), "CW-KUBE-FOREIGN")
		if undone, err := step.Undo(t.Context(), nil, quiet); err != nil || undone.Outcome != exposer.Left || undone.Why == "" {
			t.Errorf("%v: %+v %v", other, undone, err)
		}
		shared := *step
		shared.Shared = true
		if seen, err := shared.Read(t.Context()); err != nil || seen.Action != exposer.Keep || seen.Ours {
			t.Errorf("%v, to be shared: %+v %v", other, seen, err)
		}
		if err := shared.Do(t.Context(), quiet); err != nil {
			t.Error(err)
		}
	}
	relabel("prod")
	step.Guard = func(context.Context) (string, error) { return "it holds more", nil }
	if undone, err := step.Undo(t.Context(), nil, quiet); err != nil || undone.Outcome != exposer.Left || undone.Why != "it holds more" {
		t.Errorf("guarded: %+v %v", undone, err)
	}
	step.Guard = nil
	if undone, err := step.Undo(t.Context(), nil, quiet); err != nil || undone.Outcome != exposer.Removed {
		t.Errorf("ours: %+v %v", undone, err)
	}
}

func TestObjectsOfAClusterThatIsGone(t *testing.T) {
	t.Parallel()
	step := &exposer.Object{Exposure: "prod", Ref: kube.Ref{Version: "v1", Kind: "ConfigMap", Namespace: "a", Name: "b"}}
	if seen, err := step.Read(t.Context()); err != nil || seen.Exists {
		t.Errorf("%+v %v", seen, err)
	}
	if undone, err := step.Undo(t.Context(), nil, quiet); err != nil || undone.Outcome != exposer.Absent || undone.Why == "" {
		t.Errorf("%+v %v", undone, err)
	}
}
