package ilb

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

var deleteNow = metav1.DeleteOptions{}

func TestDestroyWithThingsGoneAlready(t *testing.T) {
	t.Parallel()
	for id, c := range map[string]struct {
		resource schema.GroupVersionResource
		name     string
	}{
		"service/causeway-proxy":         {serviceKind, proxyName},
		"deployment/causeway-proxy":      {deployments, proxyName},
		"configmap/causeway-proxy":       {configMaps, proxyName},
		"secret/causeway-ca":             {secrets, "causeway-ca"},
		"secret/causeway-tls":            {secrets, "causeway-tls"},
		"serviceaccount/causeway-client": {accounts, "causeway-client"},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			w := world(t, conformance.Options{})
			before := w.State()
			apply(t, w)
			remove(t, w, c.resource, w.Spec.Namespace, c.name)
			if item := destroy(t, w)[id]; item.Outcome != exposer.Absent {
				t.Errorf("%+v", item)
			}
			w.Gone(t, before)
		})
	}
	t.Run("the namespace with all in it", func(t *testing.T) {
		t.Parallel()
		w := world(t, conformance.Options{})
		before := w.State()
		apply(t, w)
		remove(t, w, namespaces, "", w.Spec.Namespace)
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("the binding", func(t *testing.T) {
		t.Parallel()
		w := world(t, conformance.Options{})
		before := w.State()
		apply(t, w)
		remove(t, w, clusterBindings, "", "causeway-"+w.Spec.Name+"-client")
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("the address", func(t *testing.T) {
		t.Parallel()
		w := world(t, conformance.Options{})
		before := w.State()
		apply(t, w)
		w.Google.Remove(labRegion + "/addresses/" + w.Spec.ILB.AddressName)
		if item := destroy(t, w)["address/"+w.Spec.ILB.AddressName]; item.Outcome != exposer.Absent {
			t.Errorf("%+v", item)
		}
		w.Gone(t, before)
	})
}

// remove deletes an object by hand and waits until it is gone.
func remove(t testing.TB, w *conformance.World, resource schema.GroupVersionResource, namespace, name string) {
	t.Helper()
	if err := objects(t, w).Resource(resource).Namespace(namespace).Delete(t.Context(), name, deleteNow); err != nil {
		t.Fatal(err)
	}
	for t.Context().Err() == nil && get(t, w, resource, namespace, name) != nil {
		pause(t)
	}
}

func TestDestroyWhenTheClusterIsGone(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true, Speed: fast})
	w.Balance(t, w.Spec.Namespace, 0)
	apply(t, w)
	w.Google.Remove(labAt)
	address := "address/" + w.Spec.ILB.AddressName
	// What the cluster's controller left holds the address: told, and kept.
	items, err := w.Destroy(t.Context(), Method{})
	wantCode(t, err, "CW-NET-ADDRESS-IN-USE", "still in use by", "k8s2-tcp-")
	plain(t, err)
	if item := byID(items)[address]; item.Outcome != exposer.Left {
		t.Errorf("the address: %+v", item)
	}
	for at := range rulesOf(w) {
		w.Google.Remove(at)
	}
	change(t, w, labRegion+"/addresses/"+w.Spec.ILB.AddressName, func(o map[string]any) { delete(o, "users") })
	items2 := destroy(t, w)
	if items2[address].Outcome != exposer.Removed || items2["service/causeway-proxy"].Outcome != exposer.Absent || items2["service/causeway-proxy"].Why != "went with the cluster" {
		t.Errorf("%+v %+v", items2[address], items2["service/causeway-proxy"])
	}
	if strings.Contains(w.State(), w.Spec.Name) {
		t.Errorf("left in Google:\n%s", w.State())
	}
}

// rulesOf are the paths of the forwarding rules that Google's controller made.
func rulesOf(w *conformance.World) map[string]bool {
	found := map[string]bool{}
	for _, line := range strings.Split(w.State(), "\n") {
		if at := strings.TrimSuffix(strings.TrimSpace(line), ": {"); strings.Contains(at, "/forwardingRules/k8s2-") && strings.HasPrefix(at, `"projects/`) {
			found[strings.Trim(at, `"`)] = true
		}
	}
	return found
}

func TestWhatSomebodyTookTheMarkOffStays(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{})
	before := w.State()
	apply(t, w)
	edit(t, w, configMaps, w.Spec.Namespace, proxyName, unlabel())
	items := destroy(t, w)
	if item := items["configmap/causeway-proxy"]; item.Outcome != exposer.Left || item.Why != "not made by this exposure" {
		t.Errorf("the ConfigMap: %+v", item)
	}
	if item := items["namespace/"+w.Spec.Namespace]; item.Outcome != exposer.Left || !strings.Contains(item.Why, "configmaps/causeway-proxy") {
		t.Errorf("its namespace: %+v", item)
	}
	if get(t, w, configMaps, w.Spec.Namespace, proxyName) == nil {
		t.Error("it is gone")
	}
	if w.State() != before {
		t.Error("something is left in Google")
	}
	// Once it is gone, the namespace, which is still ours, goes too.
	remove(t, w, configMaps, w.Spec.Namespace, proxyName)
	destroy(t, w)
	w.Gone(t, before)
}

// A Service that is not ours any more holds the address: both stay, and it is told.
func TestAServiceThatSomebodyTookOver(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{Speed: fast})
	before := w.State()
	apply(t, w)
	edit(t, w, serviceKind, w.Spec.Namespace, proxyName, unlabel())
	items, err := w.Destroy(t.Context(), Method{})
	wantCode(t, err, "CW-NET-ADDRESS-IN-USE", "release address "+w.Spec.ILB.AddressName)
	if item := byID(items)["service/causeway-proxy"]; item.Outcome != exposer.Left {
		t.Errorf("the Service: %+v", item)
	}
	if get(t, w, serviceKind, w.Spec.Namespace, proxyName) == nil {
		t.Error("the Service is gone")
	}
	remove(t, w, serviceKind, w.Spec.Namespace, proxyName)
	destroy(t, w)
	w.Gone(t, before)
}

func TestANamespaceThatWasThereIsKept(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.ClientAuth, s.Access.Token = "mtls", exposer.TokenRenewing })
	before := w.State()
	put(t, w, namespaces, named("Namespace", "v1", "", w.Spec.Namespace, nil))
	put(t, w, configMaps, named("ConfigMap", "v1", w.Spec.Namespace, "theirs", map[string]any{"data": map[string]any{"a": "b"}}))
	theirs, ns := get(t, w, configMaps, w.Spec.Namespace, "theirs"), get(t, w, namespaces, "", w.Spec.Namespace)
	apply(t, w)
	unchanged(t, w)
	// An earlier spec's leftovers lie in it as well.
	w.Spec.ILB.ClientAuth, w.Spec.Access.Token = "none", exposer.TokenBound
	apply(t, w)
	if item := destroy(t, w)["namespace/"+w.Spec.Namespace]; item.Outcome != exposer.Left {
		t.Errorf("the namespace: %+v", item)
	}
	if now := get(t, w, configMaps, w.Spec.Namespace, "theirs"); now == nil || now.GetResourceVersion() != theirs.GetResourceVersion() {
		t.Error("what was in it was touched")
	}
	if now := get(t, w, namespaces, "", w.Spec.Namespace); now == nil || len(now.GetLabels()) != len(ns.GetLabels()) {
		t.Errorf("the namespace was touched: %v", now.GetLabels())
	}
	left, err := w.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range left {
		if !strings.HasSuffix(object, "/theirs") && !strings.HasSuffix(object, "/default") && !strings.HasSuffix(object, "/kube-root-ca.crt") && !strings.HasPrefix(object, "namespaces/") {
			t.Errorf("%s is left", object)
		}
	}
	if w.State() != before {
		t.Error("something is left in Google")
	}
}

func TestANamespaceOfOursWithSomebodysObjectsIsLeft(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{})
	before := w.State()
	apply(t, w)
	put(t, w, configMaps, named("ConfigMap", "v1", w.Spec.Namespace, "theirs", nil))
	if item := destroy(t, w)["namespace/"+w.Spec.Namespace]; item.Outcome != exposer.Left || !strings.Contains(item.Why, "configmaps/theirs") {
		t.Errorf("the namespace: %+v", item)
	}
	if get(t, w, configMaps, w.Spec.Namespace, "theirs") == nil || get(t, w, deployments, w.Spec.Namespace, proxyName) != nil {
		t.Error("what is not causeway's is gone, or what is causeway's is left")
	}
	remove(t, w, configMaps, w.Spec.Namespace, "theirs")
	destroy(t, w)
	w.Gone(t, before)
}

// A record that is somebody else's ConfigMap is neither read nor deleted.
func TestAConfigMapOfTheRecordsName(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{})
	before := w.State()
	put(t, w, namespaces, named("Namespace", "v1", "", w.Spec.Namespace, nil))
	put(t, w, configMaps, named("ConfigMap", "v1", w.Spec.Namespace, "causeway-record", map[string]any{"data": map[string]any{"record.json": "{"}}))
	_, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-KUBE-FOREIGN", "ConfigMap "+w.Spec.Namespace+"/causeway-record")
	plain(t, err)
	destroy(t, w)
	if get(t, w, configMaps, w.Spec.Namespace, "causeway-record") == nil {
		t.Error("the ConfigMap was deleted")
	}
	if w.State() != before {
		t.Error("something was reserved")
	}
}

func TestObjectsOfSomebodyElse(t *testing.T) {
	t.Parallel()
	port := map[string]any{"ports": []any{map[string]any{"port": int64(80)}}}
	for kind, c := range map[string]struct {
		resource schema.GroupVersionResource
		version  string
		name     string
		more     map[string]any
	}{
		"Service":        {serviceKind, "v1", proxyName, map[string]any{"spec": port}},
		"ConfigMap":      {configMaps, "v1", proxyName, nil},
		"Secret":         {secrets, "v1", "causeway-tls", nil},
		"ServiceAccount": {accounts, "v1", "causeway-client", nil},
		"NetworkPolicy":  {policies, "networking.k8s.io/v1", proxyName, map[string]any{"spec": map[string]any{"podSelector": map[string]any{}}}},
		"Deployment": {deployments, "apps/v1", proxyName, map[string]any{"spec": map[string]any{"replicas": int64(0), "selector": map[string]any{"matchLabels": map[string]any{"a": "b"}},
			"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"a": "b"}}, "spec": map[string]any{"containers": []any{map[string]any{"name": "a", "image": "b"}}}}}}},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := world(t, conformance.Options{})
			before := w.State()
			put(t, w, namespaces, named("Namespace", "v1", "", w.Spec.Namespace, nil))
			create := func() { put(t, w, c.resource, named(kind, c.version, w.Spec.Namespace, c.name, c.more)) }
			create()
			theirs := get(t, w, c.resource, w.Spec.Namespace, c.name).GetUID()
			_, err := w.Apply(t.Context(), Method{})
			wantError[*exposer.PreconditionError](t, err, "CW-KUBE-FOREIGN", kind, "not this exposure's")
			if w.State() != before {
				t.Error("something was reserved")
			}
			if get(t, w, configMaps, w.Spec.Namespace, "causeway-record") != nil {
				t.Error("the run began")
			}
			// One that appears between plan and apply.
			remove(t, w, c.resource, w.Spec.Namespace, c.name)
			w.Progress = onStart{func(id string) {
				if strings.HasPrefix(id, "namespace/") {
					create()
					theirs = get(t, w, c.resource, w.Spec.Namespace, c.name).GetUID()
				}
			}}
			remove(t, w, namespaces, "", w.Spec.Namespace) // so that the step runs
			_, err = w.Apply(t.Context(), Method{})
			wantCode(t, err, "CW-KUBE-FOREIGN")
			wantStopped(t, err)
			w.Progress = exposer.Quiet{}
			items := destroy(t, w)
			if now := get(t, w, c.resource, w.Spec.Namespace, c.name); now == nil || now.GetUID() != theirs {
				t.Error("somebody else's object is gone")
			}
			if item := items["namespace/"+w.Spec.Namespace]; item.Outcome != exposer.Left {
				t.Errorf("its namespace: %+v", item)
			}
			if w.State() != before {
				t.Error("something is left in Google")
			}
		})
	}
}
