package mcs

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/kubetest"
)

// anyService is a world whose exposure exports a Service of the user's own.
func anyService(t *testing.T, name, namespace, service string, o conformance.Options) *conformance.World {
	t.Helper()
	w := newWorld(t, name, o)
	w.Spec.MCS = &exposer.MCS{Service: namespace + "/" + service, Register: true, Importers: []string{"europe-west3/client-cluster"}, Membership: "private-cluster"}
	return w
}

func facts(x *exposure, name string) string {
	var texts []string
	for _, f := range x.Facts() {
		if f.Name == name {
			texts = append(texts, f.Value)
		}
	}
	return strings.Join(texts, "\n")
}

// TestAServiceOfTheUsersOwn exports a headless Service: with names for its Pods, and
// without a kubeconfig.
func TestAServiceOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	w := anyService(t, "own", "shop-own", "db", conformance.Options{})
	create(t, w.Server, "", "namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop-own"}})
	importing(t, w, "shop-own")
	service(t, w.Server, "shop-own", "db", func(spec map[string]any) {
		spec["clusterIP"] = "None"
		spec["ports"] = []any{map[string]any{"name": "sql", "port": int64(5432), "targetPort": "sql"}}
	})
	endpoints(t, w.Server, "shop-own", "db", 2, "db-0", "db-1")
	apply(t, w)
	if got := planned(t, w); len(got) > 0 {
		t.Fatalf("a plan after the apply: %q", got)
	}
	want := []string{"feature ok", "membership ok", "export ok", "import private-cluster ok", "import client-cluster ok", "target port warns CW-MCS-NAMED-PORT"}
	// The importer's Pod is one for all fleets of the binary's tests.
	if got := slices.DeleteFunc(hops(t, w), func(h string) bool { return strings.HasPrefix(h, "importer ") }); !slices.Equal(got, want) {
		t.Errorf("hops %q, want %q", got, want)
	}
	x := open(t, w)
	missing, meanwhile := x.Half()
	for _, text := range []string{"db.shop-own.svc.clusterset.local", "db-0.private-cluster.europe-west3.db.shop-own.svc.clusterset.local", "db-1.private-cluster.", "There is no kubeconfig"} {
		if !strings.Contains(missing, text) {
			t.Errorf("what is told does not say %q: %s", text, missing)
		}
	}
	if meanwhile.URL != "" || !strings.Contains(facts(x, "mind"), "targetPort sql of port 5432 is a name") {
		t.Errorf("%+v, mind %q", meanwhile, facts(x, "mind"))
	}
	_, _, err := jobOf(t, w).KubeconfigStanding(t.Context(), w.Spec)
	wantCode(t, err, "CW-MCS-NO-API", "no API server is behind db.shop-own.svc.clusterset.local")
	if made, err := in(t, w.Server, "", "serviceaccounts", w.Spec.Namespace).List(t.Context(), metav1.ListOptions{}); err != nil || len(made.Items) > 1 {
		t.Errorf("an account was made for a Service without an API: %v %v", made, err)
	}
	for id, item := range destroy(t, w) {
		if item.Outcome == exposer.Left && !strings.HasPrefix(id, "apis/") {
			t.Errorf("%s: %+v", id, item)
		}
	}
	if _, err := in(t, w.Server, "", "services", "shop-own").Get(t.Context(), "db", metav1.GetOptions{}); err != nil {
		t.Errorf("the user's Service: %v", err)
	}
}

// TestAnExportOfTheUsersOwn is used as it is, and left.
func TestAnExportOfTheUsersOwn(t *testing.T) {
	t.Parallel()
	w := anyService(t, "kept", "shop-kept", "web", conformance.Options{})
	equip(t, w)
	create(t, w.Server, "", "namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop-kept"}})
	service(t, w.Server, "shop-kept", "web", nil)
	endpoints(t, w.Server, "shop-kept", "web", 1)
	create(t, w.Server, "net.gke.io", "serviceexports", map[string]any{"apiVersion": "net.gke.io/v1", "kind": "ServiceExport", "metadata": map[string]any{"name": "web", "namespace": "shop-kept"}})
	importing(t, w, "shop-kept")
	apply(t, w)
	if item := destroy(t, w)["export/shop-kept/web"]; item.Outcome != exposer.Left || item.Why != "not made by this exposure" {
		t.Errorf("the user's export: %+v", item)
	}
}

// TestServicesThatCantBeExported, and those that can, with a warning.
func TestServicesThatCantBeExported(t *testing.T) {
	w := newWorld(t, "kinds", conformance.Options{})
	equip(t, w)
	create(t, w.Server, "", "namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop-kinds"}})
	ns := "shop-kinds"
	as := func(kind string) func(map[string]any) { return func(spec map[string]any) { spec["type"] = kind } }
	service(t, w.Server, ns, "node", as("NodePort"))
	service(t, w.Server, ns, "balanced", as("LoadBalancer"))
	service(t, w.Server, ns, "elsewhere", func(spec map[string]any) {
		spec["type"], spec["externalName"] = "ExternalName", "example.com"
		delete(spec, "selector")
	})
	service(t, w.Server, ns, "plain", nil)
	service(t, w.Server, ns, "crowded", nil)
	endpoints(t, w.Server, ns, "crowded", 251)
	service(t, w.Server, ns, "ports", func(spec map[string]any) {
		spec["ports"] = []any{map[string]any{"name": "a", "port": int64(1), "targetPort": int64(1)}, map[string]any{"name": "b", "port": int64(2), "targetPort": int64(2)}}
	})
	for name, test := range map[string]struct{ service, says string }{
		"one that is not there":   {"none", "does not exist"},
		"of type NodePort":        {"node", "is of type NodePort"},
		"of type LoadBalancer":    {"balanced", "is of type LoadBalancer"},
		"a name of somebody else": {"elsewhere", "is of type ExternalName"},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.Spec.MCS = &exposer.MCS{Service: ns + "/" + test.service, Register: true, Membership: "private-cluster"}
			if problems := refused(t, &w, "CW-MCS-SERVICE"); !strings.Contains(problems[0].Text, test.says) {
				t.Errorf("%+v", problems)
			}
		})
	}
	for name, test := range map[string]struct {
		service string
		edit    func(o map[string]any)
		says    string
	}{
		"nothing to mind":       {ns + "/plain", nil, ""},
		"too many Pods":         {ns + "/crowded", nil, "251 Pods are behind the Service, and 250 are safe"},
		"of a shared namespace": {"default/kubernetes", nil, "namespace default is in every cluster"},
		"ports, on an old Dataplane V2": {ns + "/ports", func(o map[string]any) {
			o["currentMasterVersion"] = "1.26.2-gke.1000"
			o["networkConfig"].(map[string]any)["datapathProvider"] = "ADVANCED_DATAPATH"
		}, "on Dataplane V2 before 1.26.3-gke.400"},
		"a Shared VPC": {ns + "/plain", func(o map[string]any) {
			o["networkConfig"].(map[string]any)["network"] = "projects/other-project/global/networks/default"
		}, "fleets that share it see the names and ports"},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.Spec.MCS = &exposer.MCS{Service: test.service, Register: true, Membership: "private-cluster"}
			if test.edit != nil {
				before := w.Google.Object(clusterAt)
				change(t, &w, clusterAt, test.edit)
				defer change(t, &w, clusterAt, func(o map[string]any) {
					o["currentMasterVersion"], o["networkConfig"] = before["currentMasterVersion"], before["networkConfig"]
				})
			}
			if mind := facts(open(t, &w), "mind"); !strings.Contains(mind, test.says) || test.says == "" && mind != "" {
				t.Errorf("to mind: %q, want %q", mind, test.says)
			}
		})
	}
	t.Run("more clusters and ports than are safe", func(t *testing.T) { passedLimits(t, w) })
	t.Run("the same from another project", func(t *testing.T) { otherProject(t, w) })
}

// imported writes an import as Google's importer would.
func importedBy(t *testing.T, s *kubetest.Server, namespace, name string, ports int, members ...string) {
	t.Helper()
	var list, clusters []any
	for i := range ports {
		list = append(list, map[string]any{"port": int64(1 + i), "protocol": "TCP"})
	}
	for _, m := range members {
		clusters = append(clusters, map[string]any{"cluster": m})
	}
	kind := in(t, s, "net.gke.io", "serviceimports", namespace)
	made := create(t, s, "net.gke.io", "serviceimports", map[string]any{"apiVersion": "net.gke.io/v1", "kind": "ServiceImport",
		"metadata": map[string]any{"name": name, "namespace": namespace}, "spec": map[string]any{"type": "ClusterSetIP", "ports": list}})
	made.Object["status"] = map[string]any{"clusters": clusters}
	if _, err := kind.UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kind.Delete(t.Context(), name, metav1.DeleteOptions{}) })
}

func passedLimits(t *testing.T, w *conformance.World) {
	other := *w
	other.Spec.MCS = &exposer.MCS{Service: "shop-kinds/plain", Register: true, Membership: "private-cluster"}
	var members []string
	for _, location := range []string{"a", "b", "c", "d", "e"} {
		members = append(members, "projects/123456789012/locations/"+location+"/memberships/m")
	}
	importedBy(t, w.Server, "shop-kinds", "plain", 51, members...)
	mind := facts(open(t, &other), "mind")
	for _, text := range []string{"6 clusters export the Service, and 5 are safe", "51 Service ports are exported"} {
		if !strings.Contains(mind, text) {
			t.Errorf("to mind: %q, want %q", mind, text)
		}
	}
	if err := in(t, w.Server, "net.gke.io", "serviceimports", "shop-kinds").Delete(t.Context(), "plain", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
}

// otherProject has the Service exported by a member whose cluster lies in another
// project.
func otherProject(t *testing.T, w *conformance.World) {
	other := *w
	other.Spec.MCS = &exposer.MCS{Service: "shop-kinds/plain", Register: true, Membership: "private-cluster"}
	register(t, w, "projects/lab-project/locations/global/memberships/theirs", "projects/other-project/locations/europe-west3/clusters/theirs")
	importedBy(t, w.Server, "shop-kinds", "plain", 1, "projects/123456789012/locations/global/memberships/theirs")
	problems := refused(t, &other, "CW-MCS-OTHER-PROJECT")
	if !strings.Contains(problems[0].Text, "is exported by projects/other-project/locations/europe-west3/clusters/theirs already") {
		t.Errorf("%+v", problems)
	}
}
