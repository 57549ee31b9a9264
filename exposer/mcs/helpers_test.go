package mcs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/ilb"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
)

const (
	clusterAt = "projects/lab-project/locations/europe-west3/clusters/private-cluster"
	clientAt  = "projects/lab-project/locations/europe-west3/clusters/client-cluster"
	principal = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/lab-project.svc.id.goog/subject/ns/gke-mcs/sa/gke-mcs-importer"
	account   = "serviceAccount:lab-project.svc.id.goog[gke-mcs/gke-mcs-importer]"
	grantID   = "grant/lab-project/gke-mcs-importer"
	featureID = "feature/lab-project/multiclusterservicediscovery"
)

// newWorld is the fleet's project with the client's cluster as a member, and the
// exposure of that name; nothing runs between the clusters.
func newWorld(t testing.TB, name string, o conformance.Options) *conformance.World {
	t.Helper()
	kubetest.Workloads(t, kubetest.Start(t).Config)
	o.Seed, o.NoController, o.Others = "fleet", true, []exposer.Method{ilb.Method{}}
	spec := exported(hostName(name))
	spec.Name = name
	w := conformance.New(t, spec, o)
	settled(t, w)
	return w
}

// newStage is newWorld with an exposure by ilb beneath, and Google's importer.
func newStage(t *testing.T, name string, o conformance.Options) (w, host *conformance.World) {
	t.Helper()
	w = newWorld(t, name, o)
	host = addHost(t, w)
	importing(t, w, host.Spec.Namespace)
	return w, host
}

// importing runs Google's importer between the two clusters, for some namespaces.
func importing(t testing.TB, w *conformance.World, namespaces ...string) {
	t.Helper()
	w.Import(t, map[string]*kubetest.Server{ownMember: w.Server, clientMember: w.Clusters[clientPlane]}, namespaces...)
	w.Answer = func(r *http.Request, answer *http.Response) error { return ownExports(r, answer, namespaces[0]) }
}

func addHost(t testing.TB, w *conformance.World) *conformance.World {
	t.Helper()
	return w.Host(t, ilb.Method{}, exposer.Spec{Method: "ilb", Name: w.Spec.MCS.Exposure, Cluster: labCluster,
		FarSide: exposer.FarSide{CIDRs: []string{"172.31.0.0/16"}}, ILB: &exposer.ILB{}})
}

func apply(t testing.TB, w *conformance.World) exposer.Plan {
	t.Helper()
	plan, err := run(t, w)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return plan
}

// run is an apply; a Service that is no API server has no endpoint, which is no failure.
func run(t testing.TB, w *conformance.World) (exposer.Plan, error) {
	t.Helper()
	plan, err := w.Apply(t.Context(), Method{})
	if explain.CodeOf(err) == "CW-MCS-NO-API" {
		err = nil
	}
	return plan, err
}

func destroy(t testing.TB, w *conformance.World) map[string]exposer.DestroyItem {
	t.Helper()
	return w.Destroyed(t, Method{})
}

// todo lists what a plan does: "change guest".
var todo = conformance.TodoKinds

func planned(t testing.TB, w *conformance.World) []string {
	t.Helper()
	_, plan, problems, err := jobOf(t, w).Plan(t.Context(), w.Spec)
	if err != nil || len(problems) > 0 {
		t.Fatalf("plan: %v %+v", err, problems)
	}
	return todo(plan)
}

func jobOf(t testing.TB, w *conformance.World) exposer.Job {
	t.Helper()
	return w.JobOf(t, Method{})
}

func open(t testing.TB, w *conformance.World) *exposure {
	t.Helper()
	return w.Opened(t, Method{}).(*exposure)
}

func hops(t testing.TB, w *conformance.World) []string {
	t.Helper()
	return conformance.Hops(t, open(t, w))
}

func wantHop(t testing.TB, w *conformance.World, want string) {
	t.Helper()
	if got := hops(t, w); !slices.Contains(got, want) {
		t.Errorf("hops %q, want %q among them", got, want)
	}
}

var wantCode = conformance.WantCode

// refused applies and wants exactly these problems; nothing may have changed.
func refused(t testing.TB, w *conformance.World, codes ...string) []exposer.Problem {
	t.Helper()
	problems := w.Refused(t, Method{})
	var got []string
	for _, p := range problems {
		got = append(got, p.Code)
		if p.Fix == "" && p.Code != "CW-MCS-VPC-NATIVE" {
			t.Errorf("a problem without a cure: %+v", p)
		}
	}
	if !slices.Equal(got, codes) {
		t.Errorf("problems %q, want %q: %+v", got, codes, problems)
	}
	return problems
}

// in is a client of a cluster for what tests do there.
func in(t testing.TB, s *kubetest.Server, group, resource, namespace string) dynamic.ResourceInterface {
	t.Helper()
	config := rest.CopyConfig(s.Config)
	config.WarningHandler = rest.NoWarnings{}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	kind := client.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource})
	if namespace == "" {
		return kind
	}
	return kind.Namespace(namespace)
}

func create(t testing.TB, s *kubetest.Server, group, resource string, o map[string]any) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{Object: o}
	made, err := in(t, s, group, resource, object.GetNamespace()).Create(context.Background(), object, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// service makes a Service of the user's own; edit changes its spec.
func service(t testing.TB, s *kubetest.Server, namespace, name string, edit func(spec map[string]any)) {
	t.Helper()
	spec := map[string]any{"selector": map[string]any{"app": name}, "ports": []any{map[string]any{"name": "http", "port": int64(80), "targetPort": int64(8080)}}}
	if edit != nil {
		edit(spec)
	}
	create(t, s, "", "services", map[string]any{"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": name, "namespace": namespace}, "spec": spec})
}

// endpoints gives a Service ready Pods, with host names where there are some.
func endpoints(t testing.TB, s *kubetest.Server, namespace, name string, n int, hosts ...string) {
	t.Helper()
	var list []any
	for i := range n {
		one := map[string]any{"addresses": []any{fmt.Sprintf("10.36.%d.%d", 1+i/200, 1+i%200)}, "conditions": map[string]any{"ready": true}}
		if i < len(hosts) {
			one["hostname"] = hosts[i]
		}
		list = append(list, one)
	}
	create(t, s, "discovery.k8s.io", "endpointslices", map[string]any{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
		"metadata": map[string]any{"name": name + "-1", "namespace": namespace, "labels": map[string]any{"kubernetes.io/service-name": name}},
		"ports":    []any{map[string]any{"name": "http", "port": int64(8080), "protocol": "TCP"}}, "endpoints": list})
}

// equip brings the kinds into both clusters, where no importer has yet.
func equip(t testing.TB, w *conformance.World) {
	t.Helper()
	for _, s := range []*kubetest.Server{w.Server, w.Clusters[clientPlane]} {
		if err := gcptest.InstallCRDs(t.Context(), s.Config, gcptest.ServiceExportKind, gcptest.ServiceImportKind); err != nil {
			t.Fatal(err)
		}
	}
}

func change(t testing.TB, w *conformance.World, path string, edit func(map[string]any)) {
	t.Helper()
	if err := w.Google.Change(path, edit); err != nil {
		t.Fatal(err)
	}
}

func until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s still not: %s", what)
		}
	}
}

// refusedAs is refused where Open finds more than one reason.
func refusedAs(t testing.TB, w *conformance.World, code string) {
	t.Helper()
	_, err := w.Apply(t.Context(), Method{})
	var missing *exposer.PreconditionError
	if !errors.As(err, &missing) {
		t.Fatalf("apply: %v, want a *PreconditionError", err)
	}
	wantCode(t, err, code)
}
