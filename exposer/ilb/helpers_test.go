package ilb

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

// The lab's region and what lies in it.
const (
	labRegion = "projects/lab-project/regions/europe-west3"
	labAt     = "projects/lab-project/locations/europe-west3/clusters/private-cluster"
)

// world makes a project and a cluster for the test, with an exposure of its name.
func world(t *testing.T, o conformance.Options, edit ...func(*exposer.Spec)) *conformance.World {
	t.Helper()
	spec := labSpec()
	spec.ILB = &exposer.ILB{}
	return conformance.Fresh(t, spec, o, edit...)
}

// The kinds that tests look at by hand.
var (
	namespaces      = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	serviceKind     = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	secrets         = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMaps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	accounts        = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	leases          = schema.GroupVersionResource{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"}
	deployments     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	policies        = schema.GroupVersionResource{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"}
	clusterRoles    = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}
	clusterBindings = schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"}
)

func objects(t testing.TB, w *conformance.World) dynamic.Interface {
	t.Helper()
	config := rest.CopyConfig(w.Server.Config)
	config.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// get reads one object; nil when there is none.
func get(t testing.TB, w *conformance.World, resource schema.GroupVersionResource, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	live, err := objects(t, w).Resource(resource).Namespace(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		if !strings.Contains(err.Error(), "not found") {
			t.Fatal(err)
		}
		return nil
	}
	return live
}

// put makes an object as somebody else would, by kubectl create.
func put(t testing.TB, w *conformance.World, resource schema.GroupVersionResource, object map[string]any) {
	t.Helper()
	u := &unstructured.Unstructured{Object: object}
	if _, err := objects(t, w).Resource(resource).Namespace(u.GetNamespace()).Create(t.Context(), u, metav1.CreateOptions{FieldManager: "kubectl"}); err != nil {
		t.Fatal(err)
	}
	accessor, err := meta.Accessor(u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = objects(t, w).Resource(resource).Namespace(accessor.GetNamespace()).Delete(context.Background(), accessor.GetName(), metav1.DeleteOptions{})
	})
}

// edit merges a change into an object as somebody else would, by kubectl edit.
func edit(t testing.TB, w *conformance.World, resource schema.GroupVersionResource, namespace, name string, change map[string]any, sub ...string) {
	t.Helper()
	patch, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := objects(t, w).Resource(resource).Namespace(namespace).Patch(t.Context(), name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "kubectl-edit"}, sub...); err != nil {
		t.Fatal(err)
	}
}

// unlabel takes the exposure's mark off an object.
func unlabel() map[string]any {
	return map[string]any{"metadata": map[string]any{"labels": map[string]any{exposer.ExposureLabel: nil}}}
}

func named(kind, version, namespace, name string, more map[string]any) map[string]any {
	object := map[string]any{"apiVersion": version, "kind": kind, "metadata": map[string]any{"name": name}}
	if namespace != "" {
		object["metadata"].(map[string]any)["namespace"] = namespace
	}
	for key, value := range more {
		object[key] = value
	}
	return object
}

// wantError fails the test unless err is of type T, has the code and says each text.
func wantError[T error](t testing.TB, err error, code string, texts ...string) T {
	t.Helper()
	var kind T
	if !errors.As(err, &kind) {
		t.Fatalf("error is no %T but %T: %v", kind, err, err)
	}
	wantCode(t, err, code, texts...)
	return kind
}

var wantCode = conformance.WantCode

// plain fails the test when err ends in an exit code other than 1.
func plain(t testing.TB, err error) {
	t.Helper()
	var spec *exposer.SpecError
	var missing *exposer.PreconditionError
	var interrupted *exposer.Interrupted
	if errors.As(err, &spec) || errors.As(err, &missing) || errors.As(err, &interrupted) {
		t.Errorf("error of the wrong kind: %v", err)
	}
}

func apply(t testing.TB, w *conformance.World) exposer.Plan {
	t.Helper()
	return w.Applied(t, Method{})
}

func destroy(t testing.TB, w *conformance.World) map[string]exposer.DestroyItem {
	t.Helper()
	return w.Destroyed(t, Method{})
}

func byID(items []exposer.DestroyItem) map[string]exposer.DestroyItem {
	all := map[string]exposer.DestroyItem{}
	for _, item := range items {
		all[item.ID] = item
	}
	return all
}

// unchanged applies again and fails the test when there was anything to do.
func unchanged(t testing.TB, w *conformance.World) {
	t.Helper()
	w.Unchanged(t, Method{})
}

// todo lists what a plan does: "change service/causeway-proxy".
var todo = conformance.Todo

// untouched fails the test when anything was made in the cloud or the cluster.
func untouched(t testing.TB, w *conformance.World, state string) {
	t.Helper()
	w.Untouched(t, state)
}

var quotas = schema.GroupVersionResource{Version: "v1", Resource: "resourcequotas"}

// onStart is a Progress that acts when a step starts.
type onStart struct{ do func(id string) }

func (o onStart) Start(id, _ string)               { o.do(id) }
func (onStart) Note(string, string)                {}
func (onStart) Done(string, time.Duration, string) {}
func (onStart) Fail(string, error)                 {}

// pause lets another goroutine go on before one looks again.
func pause(t testing.TB) {
	select {
	case <-t.Context().Done():
	case <-time.After(10 * time.Millisecond):
	}
}
