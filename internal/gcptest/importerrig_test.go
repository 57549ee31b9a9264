package gcptest

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"causeway/internal/kubetest"
)

// exchange is a running importer between two real API servers.
type exchange struct {
	*testing.T
	google   *Server
	importer *Importer
	clients  map[string]dynamic.Interface
}

func clusterOf(t *testing.T, config *rest.Config) dynamic.Interface {
	t.Helper()
	quiet := rest.CopyConfig(config)
	quiet.WarningHandler = rest.NoWarnings{} // Endpoints are deprecated; Google's importer writes them
	client, err := dynamic.NewForConfig(quiet)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func newExchange(t *testing.T, edit func(*Importer, *Server)) *exchange {
	t.Helper()
	first, second := kubetest.Start(t), kubetest.StartSecond(t)
	e := &exchange{T: t, google: fleetOfTwo(t), clients: map[string]dynamic.Interface{}}
	configs := map[string]*rest.Config{homeMember: first.Config, otherMember: second.Config}
	for member, config := range configs {
		e.clients[member] = clusterOf(t, config)
		kubetest.Workloads(t, config)
		e.dropKinds(member)
	}
	importer, err := NewImporter(e.google, "lab-project", configs)
	if err != nil {
		t.Fatal(err)
	}
	importer.RetryInterval = 50 * time.Millisecond
	edit(importer, e.google)
	e.importer = importer
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := importer.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() {
		for member := range configs { // so that no finalizer waits for an importer that is gone
			e.dropKinds(member)
		}
		cancel()
		<-ended
	})
	return e
}

// dropKinds takes the fleet's kinds out of a cluster, with all objects.
func (e *exchange) dropKinds(member string) {
	e.Helper()
	for _, kind := range []string{ServiceExportKind, ServiceImportKind} {
		name := resourceOf(kind).Resource + "." + fleetGroup
		list, err := e.clients[member].Resource(resourceOf(kind)).List(context.Background(), metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		for i := range list.Items {
			setFinalizers(context.Background(), e.clients[member], resourceOf(kind), &list.Items[i], nil)
		}
		err = e.clients[member].Resource(definitionsResource()).Delete(context.Background(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			e.Fatal(err)
		}
		e.until("kind "+kind+" is gone", func() bool {
			_, err := e.clients[member].Resource(resourceOf(kind)).List(context.Background(), metav1.ListOptions{})
			return apierrors.IsNotFound(err)
		})
	}
}

func (e *exchange) until(what string, done func() bool) {
	e.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			e.Fatalf("after 20 s still not: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (e *exchange) create(member string, resource schema.GroupVersionResource, body object) *unstructured.Unstructured {
	e.Helper()
	o := &unstructured.Unstructured{Object: body}
	made, err := e.clients[member].Resource(resource).Namespace(o.GetNamespace()).Create(context.Background(), o, metav1.CreateOptions{})
	if err != nil {
		e.Fatalf("create %s in %s: %v", o.GetName(), member, err)
	}
	return made
}

func (e *exchange) get(member string, resource schema.GroupVersionResource, at string) *unstructured.Unstructured {
	e.Helper()
	space, name, _ := strings.Cut(at, "/")
	found, err := e.clients[member].Resource(resource).Namespace(space).Get(context.Background(), name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		e.Fatal(err)
	}
	if err != nil {
		return nil
	}
	return found
}

// space makes a namespace in members and deletes it at the end.
func (e *exchange) space(name string, members ...string) {
	e.Helper()
	resource := schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	for _, member := range members {
		e.create(member, resource, object{"apiVersion": "v1", "kind": "Namespace", "metadata": object{"name": name}})
		e.Cleanup(func() {
			_ = e.clients[member].Resource(resource).Delete(context.Background(), name, metav1.DeleteOptions{})
		})
		e.until("namespace "+name+" has its account", func() bool {
			return e.get(member, schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, name+"/default") != nil
		})
	}
}

// offer makes a Service of two Pods and exports it.
func (e *exchange) offer(member, at string, spec object) {
	e.Helper()
	space, name, _ := strings.Cut(at, "/")
	full := object{"selector": object{"app": name}, "ports": []any{object{"name": "https", "port": int64(443), "targetPort": "web"}}}
	maps.Copy(full, spec)
	e.create(member, servicesResource(), object{"apiVersion": "v1", "kind": "Service", "metadata": object{"name": name, "namespace": space}, "spec": full})
	e.create(member, schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}, object{"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": object{"name": name, "namespace": space}, "spec": object{"replicas": int64(2), "selector": object{"matchLabels": object{"app": name}},
			"template": object{"metadata": object{"labels": object{"app": name}}, "spec": object{"containers": []any{object{"name": "c", "image": "x:1",
				"ports": []any{object{"name": "web", "containerPort": int64(8443)}}}}}}}})
	e.export(member, at)
}

func (e *exchange) export(member, at string) {
	e.Helper()
	space, name, _ := strings.Cut(at, "/")
	e.until("kind ServiceExport is served", func() bool {
		_, err := e.clients[member].Resource(resourceOf(ServiceExportKind)).List(context.Background(), metav1.ListOptions{})
		return err == nil
	})
	e.create(member, resourceOf(ServiceExportKind), object{"apiVersion": "net.gke.io/v1", "kind": ServiceExportKind, "metadata": object{"name": name, "namespace": space}})
}

// addresses are those that a member's Endpoints and EndpointSlices of an import give;
// they must agree.
func (e *exchange) addresses(member, at string) []string {
	e.Helper()
	space, _, _ := strings.Cut(at, "/")
	derived := derivedName(at)
	var ready []string
	list, err := e.clients[member].Resource(slicesResource()).Namespace(space).List(context.Background(), metav1.ListOptions{LabelSelector: "kubernetes.io/service-name=" + derived})
	if err != nil {
		e.Fatal(err)
	}
	for i := range list.Items {
		for _, one := range fromSlice(&list.Items[i]) {
			ready = append(ready, one.ip)
		}
	}
	var plain []string
	if endpoints := e.get(member, endpointsResource(), space+"/"+derived); endpoints != nil {
		for _, subset := range entries(endpoints.Object, "subsets") {
			for _, one := range entries(subset, "addresses") {
				plain = append(plain, text(one, "ip"))
			}
		}
	}
	slices.Sort(ready)
	slices.Sort(plain)
	if !slices.Equal(ready, plain) {
		return nil // under way
	}
	return ready
}
