package gcptest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const (
	homeMember  = "projects/lab-project/locations/europe-west3/memberships/home"
	otherMember = "projects/lab-project/locations/global/memberships/other"
	homeCluster = "projects/lab-project/locations/europe-west3/clusters/private-cluster"
	otherGKE    = "projects/lab-project/locations/europe-west3/clusters/other"
	oldForm     = "serviceAccount:lab-project.svc.id.goog[gke-mcs/gke-mcs-importer]"
	newForm     = "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/lab-project.svc.id.goog/subject/ns/gke-mcs/sa/gke-mcs-importer"
)

// fleetOfTwo is an emulator with two clusters in one fleet, the feature on, and the
// importer's binding.
func fleetOfTwo(t *testing.T) *Server {
	t.Helper()
	google := Serve(t, Options{}, "lab")
	membership := func(cluster string) object {
		return object{"endpoint": object{"gkeCluster": object{"resourceLink": "//container.googleapis.com/" + cluster}}, "state": object{"code": "READY"}}
	}
	other := google.Object(homeCluster)
	for _, field := range []string{"name", "selfLink", "location", "zone"} {
		delete(other, field)
	}
	if err := google.Fill(Seed{Resources: []SeedObject{{Path: otherGKE, Body: other}, {Path: homeMember, Body: membership(homeCluster)}, {Path: otherMember, Body: membership(otherGKE)}}}); err != nil {
		t.Fatal(err)
	}
	for _, cluster := range []string{homeCluster, otherGKE} {
		change(t, google, cluster, func(o map[string]any) {
			o["workloadIdentityConfig"] = object{"workloadPool": "lab-project.svc.id.goog"}
		})
	}
	google.SetFeatureState("lab-project", mcsFeature, "ACTIVE", "", "")
	google.SetPolicy("lab-project", Binding{Role: importerRole, Members: []string{newForm}})
	return google
}

func change(t *testing.T, s *Server, at string, edit func(map[string]any)) {
	t.Helper()
	if err := s.Change(at, edit); err != nil {
		t.Fatal(err)
	}
}

func TestWhoTakesPartInAFleet(t *testing.T) {
	cluster := func(edit func(map[string]any)) func(*testing.T, *Server) {
		return func(t *testing.T, s *Server) { change(t, s, homeCluster, edit) }
	}
	for sentence, test := range map[string]struct {
		edit                    func(*testing.T, *Server)
		active, ok, takes, puts bool
	}{
		"all is well": {func(*testing.T, *Server) {}, true, true, true, true},
		"the binding in its older form": {func(_ *testing.T, s *Server) {
			s.SetPolicy("lab-project", Binding{Role: importerRole, Members: []string{oldForm}})
		}, true, true, true, true},
		"no binding": {func(_ *testing.T, s *Server) { s.SetPolicy("lab-project") }, true, true, false, true},
		"a binding under a condition": {func(_ *testing.T, s *Server) {
			s.SetPolicy("lab-project", Binding{importerRole, []string{newForm}, "false"})
		}, true, true, false, true},
		"another role": {func(_ *testing.T, s *Server) {
			s.SetPolicy("lab-project", Binding{Role: "roles/viewer", Members: []string{newForm}})
		}, true, true, false, true},
		"the feature is being disabled": {func(_ *testing.T, s *Server) { s.SetFeatureState("lab-project", mcsFeature, "DISABLING", "", "") }, false, false, true, true},
		"the member's firewall rules are pending": {func(_ *testing.T, s *Server) {
			s.SetMemberState("lab-project", homeMember, "WARNING", "Firewall creation pending")
		}, true, false, true, true},
		"a cluster without the fleet's workload pool":              {cluster(func(o map[string]any) { delete(o, "workloadIdentityConfig") }), true, true, false, true},
		"a cluster that is not VPC-native":                         {cluster(func(o map[string]any) { o["ipAllocationPolicy"] = object{} }), true, true, true, false},
		"a cluster without the add-on":                             {cluster(func(o map[string]any) { o["addonsConfig"] = object{"httpLoadBalancing": object{"disabled": true}} }), true, true, true, false},
		"a network of another project that the importer can't see": {cluster(func(o map[string]any) { o["networkConfig"].(object)["network"] = "projects/host/global/networks/n" }), true, true, false, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			google := fleetOfTwo(t)
			test.edit(t, google)
			i := &Importer{google: google, project: "lab-project", members: []*member{{path: homeMember}, {path: "projects/lab-project/locations/global/memberships/none"}}}
			view := i.readFleet()
			home := view.members[homeMember]
			if view.active != test.active || home.ok != test.ok || (home.imports == "") != test.takes || (home.exports == "") != test.puts {
				t.Errorf("active %v, member %+v", view.active, home)
			}
			if !home.registered || home.canonical != "projects/123456789012/locations/europe-west3/memberships/home" {
				t.Errorf("the member is %+v", home)
			}
			if view.members["projects/lab-project/locations/global/memberships/none"].registered {
				t.Error("a membership that does not exist takes part")
			}
		})
	}
}

func TestAServiceGoesToTheWholeFleet(t *testing.T) {
	e := newExchange(t, func(i *Importer, google *Server) {
		google.SetFeatureState("lab-project", mcsFeature, "ENABLING", "", "")
	})
	if _, err := e.clients[homeMember].Resource(resourceOf(ServiceExportKind)).List(t.Context(), metav1.ListOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the kinds are there before the feature: %v", err)
	}
	e.google.SetFeatureState("lab-project", mcsFeature, "ACTIVE", "", "")
	e.space("shop", homeMember, otherMember)
	e.space("alone", homeMember)
	e.offer(homeMember, "alone/web", nil)
	e.offer(homeMember, "shop/balanced", object{"type": "LoadBalancer"})
	e.offer(homeMember, "shop/ported", object{"type": "NodePort"})
	e.offer(homeMember, "shop/web", nil)
	e.until("the import has two addresses", func() bool { return len(e.addresses(otherMember, "shop/web")) == 2 })
	for _, member := range []string{homeMember, otherMember} {
		e.until("the ServiceImport is complete", func() bool {
			got := e.get(member, resourceOf(ServiceImportKind), "shop/web")
			return got != nil && got.Object["status"] != nil
		})
		got := e.get(member, resourceOf(ServiceImportKind), "shop/web")
		derived := e.get(member, servicesResource(), "shop/"+got.GetAnnotations()[derivedAnnotation])
		ip, _, _ := unstructured.NestedString(derived.Object, "spec", "clusterIP")
		want := object{
			"spec":   object{"type": "ClusterSetIP", "ips": []any{ip}, "sessionAffinity": "None", "ports": []any{object{"name": "https", "protocol": "TCP", "port": int64(443)}}},
			"status": object{"clusters": []any{object{"cluster": "projects/123456789012/locations/europe-west3/memberships/home"}}},
		}
		if diff := cmp.Diff(want, object{"spec": got.Object["spec"], "status": got.Object["status"]}); diff != "" {
			t.Errorf("the ServiceImport in %s: %s", member, diff)
		}
		if got.GetLabels()[managedByLabel] != managedByImporter || got.GetLabels()["net.gke.io/export-project"] != "123456789012" {
			t.Errorf("labels of the ServiceImport: %v", got.GetLabels())
		}
		e.until("the name resolves", func() bool {
			return slices.Equal(e.importer.Names(member)["web.shop.svc.clusterset.local"], []netip.Addr{netip.MustParseAddr(ip)})
		})
		for _, unsupported := range []string{"shop/balanced", "shop/ported"} {
			if e.get(member, resourceOf(ServiceImportKind), unsupported) != nil {
				t.Errorf("%s came, whose kind is not supported", unsupported)
			}
		}
	}
	if e.get(homeMember, resourceOf(ServiceImportKind), "alone/web") == nil || e.get(otherMember, resourceOf(ServiceImportKind), "alone/web") != nil {
		t.Error("an import comes where its namespace is, and nowhere else")
	}

	e.offer(otherMember, "shop/web", nil)
	for _, member := range []string{homeMember, otherMember} {
		e.until("both members' Pods are behind it", func() bool { return len(e.addresses(member, "shop/web")) == 4 })
	}
	if err := e.clients[homeMember].Resource(resourceOf(ServiceExportKind)).Namespace("shop").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.until("only the other's Pods are left", func() bool {
		left := e.addresses(homeMember, "shop/web")
		return len(left) == 2 && strings.HasPrefix(left[0], "10.53.")
	})
	if err := e.clients[otherMember].Resource(resourceOf(ServiceExportKind)).Namespace("shop").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.until("the import, its Service and the export are gone", func() bool {
		return e.get(homeMember, resourceOf(ServiceImportKind), "shop/web") == nil && e.get(homeMember, servicesResource(), "shop/"+derivedName("shop/web")) == nil &&
			e.get(homeMember, endpointsResource(), "shop/"+derivedName("shop/web")) == nil && e.get(otherMember, resourceOf(ServiceExportKind), "shop/web") == nil &&
			len(e.addresses(otherMember, "shop/web")) == 0
	})
}

func TestAHeadlessServiceHasItsPodsNames(t *testing.T) {
	e := newExchange(t, func(i *Importer, google *Server) { google.SetPolicy("lab-project") })
	e.space("db", homeMember, otherMember)
	pods := podsResource()
	e.create(otherMember, servicesResource(), object{"apiVersion": "v1", "kind": "Service", "metadata": object{"name": "store", "namespace": "db"},
		"spec": object{"clusterIP": "None", "selector": object{"app": "store"}, "ports": []any{object{"port": int64(5432)}}}})
	for _, name := range []string{"store-0", "store-1", "nameless"} {
		spec := object{"schedulerName": "test", "containers": []any{object{"name": "c", "image": "x:1"}}}
		if name != "nameless" {
			spec["hostname"], spec["subdomain"] = name, "store"
		}
		e.create(otherMember, pods, object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": name, "namespace": "db", "labels": object{"app": "store"}}, "spec": spec})
	}
	for at, name := range []string{"store-0", "store-1", "nameless"} {
		pod := e.get(otherMember, pods, "db/"+name)
		pod.Object["status"] = object{"phase": "Running", "podIP": "10.53.200." + string(rune('1'+at)), "conditions": []any{object{"type": "Ready", "status": "True"}}}
		if _, err := e.clients[otherMember].Resource(pods).Namespace("db").UpdateStatus(t.Context(), pod, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	e.export(otherMember, "db/store")
	crashing := func() bool {
		pod := e.get(homeMember, pods, importerNamespace+"/"+importerPod)
		if pod == nil {
			return false
		}
		list := entries(pod.Object["status"].(object), "containerStatuses")
		reason := ""
		if len(list) > 0 {
			reason, _, _ = unstructured.NestedString(list[0], "state", "waiting", "reason")
		}
		return reason == "CrashLoopBackOff"
	}
	e.until("the importer's Pod crashes without its binding", crashing)
	if e.get(homeMember, resourceOf(ServiceImportKind), "db/store") != nil {
		t.Error("an importer without its binding imported")
	}
	e.google.SetPolicy("lab-project", Binding{Role: importerRole, Members: []string{oldForm}})
	e.until("the importer's Pod runs", func() bool { return !crashing() })
	e.until("three addresses have come", func() bool { return len(e.addresses(homeMember, "db/store")) == 3 })
	derived := e.get(homeMember, servicesResource(), "db/"+derivedName("db/store"))
	if ip, _, _ := unstructured.NestedString(derived.Object, "spec", "clusterIP"); ip != "None" {
		t.Errorf("the derived Service of a headless one has ClusterIP %s", ip)
	}
	addr := netip.MustParseAddr
	want := map[string][]netip.Addr{
		"store.db.svc.clusterset.local":                      {addr("10.53.200.1"), addr("10.53.200.2"), addr("10.53.200.3")},
		"store-0.other.global.store.db.svc.clusterset.local": {addr("10.53.200.1")},
		"store-0.other.store.db.svc.clusterset.local":        {addr("10.53.200.1")},
		"store-1.other.global.store.db.svc.clusterset.local": {addr("10.53.200.2")},
		"store-1.other.store.db.svc.clusterset.local":        {addr("10.53.200.2")},
	}
	e.until("all names resolve", func() bool {
		return cmp.Equal(want, e.importer.Names(homeMember), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }))
	})

	e.importer.google.SetFeatureState("lab-project", mcsFeature, "DISABLING", "", "")
	if err := e.clients[otherMember].Resource(resourceOf(ServiceExportKind)).Namespace("db").Delete(t.Context(), "store", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	e.until("the export goes while the feature is there", func() bool { return e.get(otherMember, resourceOf(ServiceExportKind), "db/store") == nil })
}

// TestOneProjectExportsAService checks that a second project's export of the same
// name counts for nothing, and that each export takes its time.
func TestOneProjectExportsAService(t *testing.T) {
	home, away := &member{path: homeMember}, &member{path: otherMember}
	fleet := fleetView{exists: true, active: true, members: map[string]memberView{
		homeMember:  {registered: true, ok: true, canonical: homeMember, project: "lab-project"},
		otherMember: {registered: true, ok: true, canonical: otherMember, project: "far-project"},
	}}
	export := func(uid, created string) map[string]*unstructured.Unstructured {
		return map[string]*unstructured.Unstructured{"shop/web": {Object: object{"metadata": object{"name": "web", "namespace": "shop", "uid": uid,
			"creationTimestamp": created, "finalizers": []any{exportFinalizer}}}}}
	}
	service := map[string]*unstructured.Unstructured{"shop/web": {Object: object{"metadata": object{"name": "web", "namespace": "shop"}, "spec": object{"type": "ClusterIP"}}}}
	seen := sight{
		home: {"serviceexports": export("a", "2026-11-02T10:00:00Z"), "services": service},
		away: {"serviceexports": export("b", "2026-11-01T10:00:00Z"), "services": service},
	}
	i := &Importer{members: []*member{home, away}, exports: map[string]*exports{}, ExportTime: time.Hour}
	if got := i.collect(t.Context(), seen, fleet); len(got) != 0 {
		t.Errorf("exported before its time: %v", got)
	}
	for _, one := range i.exports {
		one.since = one.since.Add(-time.Hour)
	}
	got := i.collect(t.Context(), seen, fleet)["shop/web"]
	if got == nil || got.project != "far-project" || len(got.from) != 1 {
		t.Errorf("the older export's project should be alone: %+v", got)
	}
}
