package mcs

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/fleet"
	"causeway/exposer/ilb"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
)

// TestTheWay looks at one exposure from all sides: what it makes, what others do to
// it, and in which order it goes.
func TestTheWay(t *testing.T) {
	w, host := newStage(t, "way", conformance.Options{})
	apply(t, w)
	if got := planned(t, w); len(got) > 0 {
		t.Fatalf("a plan after the apply: %q", got)
	}
	t.Run("what stands", func(t *testing.T) { whatStands(t, w, host) })
	t.Run("what the trace says", func(t *testing.T) {
		want := []string{"feature ok", "membership ok", "importer ok", "export ok", "import private-cluster ok", "import client-cluster ok", "proxy ok"}
		if got := hops(t, w); !slices.Equal(got, want) {
			t.Errorf("hops %q, want %q", got, want)
		}
	})
	t.Run("the importer's right, in its other form", func(t *testing.T) { otherForm(t, w) })
	t.Run("what others do to the fleet", func(t *testing.T) { fleetChanges(t, w) })
	t.Run("what others do in the clusters", func(t *testing.T) { clusterChanges(t, w) })
	t.Run("the exposure beneath stays while this one stands", func(t *testing.T) {
		_, err := host.Destroy(t.Context(), ilb.Method{})
		wantCode(t, err, "CW-RUN-GUESTS", "the exposure way by mcs stands on it")
	})
	t.Run("another Service under the same name", func(t *testing.T) {
		other := *w
		other.Spec.MCS = &exposer.MCS{Service: "default/kubernetes"}
		refusedAs(t, &other, "CW-RUN-NAME")
	})
	t.Run("destroyed while somebody else exports", func(t *testing.T) { leftBehind(t, w, host) })
}

func whatStands(t *testing.T, w, host *conformance.World) {
	name := ServiceName(labCluster)
	endpoint, err := open(t, w).Endpoint(t.Context())
	if err != nil || endpoint.URL != "https://"+name+".causeway-base-way.svc.clusterset.local" || endpoint.Address.IsValid() || len(endpoint.CA) == 0 {
		t.Errorf("endpoint %+v %v", endpoint, err)
	}
	made, err := in(t, w.Server, "", "services", host.Spec.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ports, _, _ := unstructured.NestedSlice(made.Object, "spec", "ports")
	if port := ports[0].(map[string]any); port["targetPort"] != int64(8443) || port["port"] != int64(443) {
		t.Errorf("ports %v", ports)
	}
	ranges := letIn(t, w)
	if want := []string{"10.44.0.0/16", "35.191.0.0/16", "130.211.0.0/22", "172.31.0.0/16"}; !slices.Equal(ranges, want) {
		t.Errorf("the proxy lets in %v, want %v", ranges, want)
	}
	secret, err := in(t, w.Server, "", "secrets", host.Spec.Namespace).Get(t.Context(), "causeway-tls", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, _, _ := unstructured.NestedStringMap(secret.Object, "data")
	text, err := base64.StdEncoding.DecodeString(data["tls.crt"])
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !slices.Contains(leaf.DNSNames, name+".causeway-base-way.svc.clusterset.local") {
		t.Errorf("the certificate bears %v %v", leaf.DNSNames, err)
	}
	feature := w.Google.Object("projects/lab-project/locations/global/features/multiclusterservicediscovery")
	if labels, _ := feature["labels"].(map[string]any); labels[fleet.Label] != "way" {
		t.Errorf("the feature bears %v", labels)
	}
}

// otherForm has the right granted as older guides do.
func otherForm(t *testing.T, w *conformance.World) {
	t.Cleanup(func() { bindTo(t, w, principal) })
	bindTo(t, w, account)
	if got := planned(t, w); len(got) > 0 {
		t.Errorf("a plan beside the older form: %q", got)
	}
	wantHop(t, w, "importer ok")
	report := reportOf(t, w)
	if report.Importer.Verdict != exposer.Good || !strings.Contains(report.Importer.Means, account) {
		t.Errorf("the report says %+v", report.Importer)
	}
	bindTo(t, w)
	wantHop(t, w, "importer broken CW-MCS-IMPORTER")
	if got := planned(t, w); !slices.Equal(got, []string{"change grant"}) {
		t.Errorf("without the right: %q", got)
	}
	if report := reportOf(t, w); !report.Failed() || report.Importer.Explain != "CW-MCS-IMPORTER" {
		t.Errorf("the report says %+v", report.Importer)
	}
}

func bindTo(t testing.TB, w *conformance.World, members ...string) {
	t.Helper()
	bindings := []gcptest.Binding{{Role: "roles/owner", Members: []string{gcptest.Owner}}}
	if len(members) > 0 {
		bindings = append(bindings, gcptest.Binding{Role: importerRole, Members: members})
	}
	w.Google.SetPolicy("lab-project", bindings...)
}

func reportOf(t testing.TB, w *conformance.World) Report {
	t.Helper()
	job := jobOf(t, w)
	cluster, err := job.Deps.Google.Cluster(t.Context(), "lab-project", "europe-west3", "private-cluster")
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Read(t.Context(), job.Deps.Google, cluster, "")
	if err != nil {
		t.Fatal(err)
	}
	report, err := ReadReport(t.Context(), job.Deps.Google, f, false)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// fleetChanges goes through what the feature may say while the exposure stands.
func fleetChanges(t *testing.T, w *conformance.World) {
	for _, c := range []struct{ code, description, hop string }{
		{"WARNING", "Firewall creation pending", "membership waits CW-MCS-FIREWALL"},
		{"ERROR", "GKE Cluster missing", "membership broken CW-MCS-CLUSTER-GONE"},
		{"FAILED", forbidden, "membership broken CW-MCS-PROJECT"},
		{"OK", "Multiple VPCs detected in the hub - VPC must be peered with other VPCs for successful connectivity", "membership ok"}, // both are in one network
		{"OK", "Member does not exist in the same project as hub - additional setup steps are required, errors may occur if not completed.", "membership ok"},
		{"", "", "membership ok"},
	} {
		w.Google.SetMemberState("lab-project", ownMember, c.code, c.description)
		wantHop(t, w, c.hop)
	}
	w.Google.SetFeatureState("lab-project", "multiclusterservicediscovery", "SERVICE_UPDATING", "", "")
	wantHop(t, w, "feature waits CW-MCS-FEATURE")
	if got := planned(t, w); len(got) > 0 {
		t.Errorf("while Google changes the feature: %q", got)
	}
	w.Google.SetFeatureState("lab-project", "multiclusterservicediscovery", "DISABLING", "", "")
	wantHop(t, w, "feature broken CW-MCS-FEATURE")
	w.Google.SetFeatureState("lab-project", "multiclusterservicediscovery", "ACTIVE", "", "")
}

// clusterChanges goes through what people do in clusters while the exposure stands.
func clusterChanges(t *testing.T, w *conformance.World) {
	ns := "causeway-base-way"
	masq := func(list string) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "ip-masq-agent", "namespace": "kube-system"}, "data": map[string]any{"config": list}}
	}
	second := w.Clusters[clientPlane]
	create(t, second, "", "configmaps", masq("nonMasqueradeCIDRs: [10.44.0.0/16]\n"))
	wantHop(t, w, "masquerading warns CW-MCS-MASQUERADE")
	if err := in(t, second, "", "configmaps", "kube-system").Delete(t.Context(), "ip-masq-agent", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	create(t, second, "", "configmaps", masq("nonMasqueradeCIDRs: [10.0.0.0/8]\n"))
	if got := hops(t, w); slices.Contains(got, "masquerading warns CW-MCS-MASQUERADE") {
		t.Errorf("the exporting range is left alone, and the trace says %q", got)
	}
	if err := in(t, second, "", "configmaps", "kube-system").Delete(t.Context(), "ip-masq-agent", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	guests := in(t, w.Server, "", "configmaps", ns)
	if err := guests.Delete(t.Context(), "causeway-guests", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	wantHop(t, w, "proxy broken CW-MCS-GUEST")
	if got := planned(t, w); !slices.Equal(got, []string{"create guest"}) {
		t.Errorf("without the guests: %q", got)
	}
	apply(t, w)
	wantHop(t, w, "proxy ok")
	poolOfItsOwn(t, w)

	change(t, w, clientAt, func(o map[string]any) {
		o["networkConfig"].(map[string]any)["network"] = "projects/lab-project/global/networks/elsewhere"
	})
	wantHop(t, w, "networks warns CW-MCS-VPCS")
	change(t, w, clientAt, func(o map[string]any) {
		o["networkConfig"].(map[string]any)["network"] = "projects/lab-project/global/networks/default"
	})
}

// poolOfItsOwn gives the client's cluster a node pool with a Pod range of its own, and
// the exporting one too.
func poolOfItsOwn(t *testing.T, w *conformance.World) {
	add := func(at, block string) {
		before := w.Google.Object(at)["nodePools"]
		change(t, w, at, func(o map[string]any) {
			o["nodePools"] = append(slices.Clone(before.([]any)), map[string]any{"name": "ci", "networkConfig": map[string]any{"podRange": "ci", "podIpv4CidrBlock": block}})
		})
		t.Cleanup(func() { change(t, w, at, func(o map[string]any) { o["nodePools"] = before }) })
	}
	add(clientAt, "100.64.0.0/20")
	wantHop(t, w, "proxy broken CW-MCS-GUEST")
	if got := planned(t, w); !slices.Equal(got, []string{"change guest"}) {
		t.Errorf("with a new node pool: %q", got)
	}
	apply(t, w)
	wantHop(t, w, "proxy ok")
	if got := letIn(t, w); !slices.Contains(got, "100.64.0.0/20") || !slices.Contains(got, "10.44.0.0/16") {
		t.Errorf("the proxy lets in %v", got)
	}
	add(clusterAt, "100.65.0.0/20")
	second := w.Clusters[clientPlane]
	create(t, second, "", "configmaps", map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "ip-masq-agent", "namespace": "kube-system"},
		"data": map[string]any{"config": "nonMasqueradeCIDRs: [10.0.0.0/8]\n"}})
	way, err := open(t, w).Trace(t.Context())
	if err := in(t, second, "", "configmaps", "kube-system").Delete(t.Context(), "ip-masq-agent", metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
	if err != nil || !slices.ContainsFunc(way.Hops, func(h exposer.TraceHop) bool {
		return h.Code == "CW-MCS-MASQUERADE" && strings.Contains(h.Text, "hides its Pods' addresses from 100.65.0.0/20,")
	}) {
		t.Errorf("hops %+v %v", way.Hops, err)
	}
}

// letIn are the ranges that the proxy's Service lets in.
func letIn(t testing.TB, w *conformance.World) []string {
	t.Helper()
	proxy, err := in(t, w.Server, "", "services", "causeway-"+w.Spec.MCS.Exposure).Get(t.Context(), "causeway-proxy", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ranges, _, _ := unstructured.NestedStringSlice(proxy.Object, "spec", "loadBalancerSourceRanges")
	return ranges
}

// leftBehind destroys the exposure beside an export of somebody else's: the feature
// and the importer's right stay, and are told. Then everything is turned off.
func leftBehind(t *testing.T, w, host *conformance.World) {
	second := w.Clusters[clientPlane]
	ns := host.Spec.Namespace
	service(t, second, ns, "foreign", nil)
	create(t, second, "net.gke.io", "serviceexports", map[string]any{"apiVersion": "net.gke.io/v1", "kind": "ServiceExport", "metadata": map[string]any{"name": "foreign", "namespace": ns}})
	job := jobOf(t, w)
	todo := disabling(t, w)
	if len(todo.Problems) != 1 || todo.Problems[0].Code != "CW-MCS-EXPORTS" || !strings.Contains(todo.Problems[0].Text, "client-cluster exports Service causeway-base-way/foreign") {
		t.Errorf("disabling beside another's export: %+v", todo.Problems)
	}
	gone := destroy(t, w)
	for id, why := range map[string]string{featureID: "cluster client-cluster exports causeway-base-way/foreign; afterwards causeway mcs disable --project lab-project turns it off",
		grantID: "gcloud projects remove-iam-policy-binding", "namespace/lab-project/europe-west3/client-cluster/" + ns: "serviceexports/foreign"} {
		if item := gone[id]; item.Outcome != exposer.Left || !strings.Contains(item.Why, why) {
			t.Errorf("%s: %+v, want left with %q", id, item, why)
		}
	}
	for _, id := range []string{"export/" + ns + "/" + ServiceName(labCluster), "membership/europe-west3/private-cluster"} {
		if gone[id].Outcome != exposer.Removed {
			t.Errorf("%s: %+v", id, gone[id])
		}
	}
	exports := in(t, second, "net.gke.io", "serviceexports", ns)
	if err := exports.Delete(t.Context(), "foreign", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the export is gone", func() bool {
		_, err := exports.Get(t.Context(), "foreign", metav1.GetOptions{})
		return err != nil
	})
	todo = disabling(t, w)
	if len(todo.Problems) > 0 {
		t.Fatalf("disabling: %+v", todo.Problems)
	}
	items, err := exposer.Destroy(t.Context(), todo.Steps, exposer.Record{}, exposer.Run{Records: exposer.Unrecorded{}, Progress: exposer.Quiet{}, Now: job.Deps.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range items {
		if item.Outcome != exposer.Removed {
			t.Errorf("disabling: %+v", item)
		}
	}
	if off, err := job.Deps.Google.MissingServices(t.Context(), "lab-project", []string{mcsAPI}); err != nil || len(off) != 1 {
		t.Errorf("the API is on still: %v %v", off, err)
	}
	if _, err := host.Destroy(t.Context(), ilb.Method{}); err != nil {
		t.Error(err)
	}
	if err := in(t, second, "", "namespaces", "").Delete(context.Background(), ns, metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

func disabling(t testing.TB, w *conformance.World) Disabling {
	t.Helper()
	job := jobOf(t, w)
	cluster, err := job.Deps.Google.Cluster(t.Context(), "lab-project", "europe-west3", "private-cluster")
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Read(t.Context(), job.Deps.Google, cluster, "")
	if err != nil {
		t.Fatal(err)
	}
	todo, err := Disable(t.Context(), job.Deps.Google, job.Deps, f)
	if err != nil {
		t.Fatal(err)
	}
	return todo
}

// TestTurningEverythingOff takes an exposure's export with it, and leaves memberships
// that somebody else lives of.
func TestTurningEverythingOff(t *testing.T) {
	t.Parallel()
	w, host := newStage(t, "off", conformance.Options{})
	w.Spec.MCS.Importers = nil
	apply(t, w)
	todo := disabling(t, w)
	if len(todo.Problems) > 0 || !slices.Equal(todo.Loses, []string{"off of cluster private-cluster"}) {
		t.Fatalf("disabling: %+v", todo)
	}
	var order []string
	items, err := exposer.Destroy(t.Context(), todo.Steps, exposer.Record{}, exposer.Run{Records: exposer.Unrecorded{}, Now: w.Now, Progress: ended{&order}})
	if err != nil {
		t.Fatal(err, items)
	}
	want := []string{"export/private-cluster/causeway-base-off/" + ServiceName(labCluster), "membership/europe-west3/private-cluster", featureID, "api/lab-project/" + mcsAPI}
	if !slices.Equal(order, want) {
		t.Errorf("in the order %q, want %q", order, want)
	}
	if again := disabling(t, w); len(again.Problems) > 0 || len(again.Loses) > 0 {
		t.Errorf("disabling again: %+v", again)
	}
	destroy(t, w)
	if _, err := host.Destroy(t.Context(), ilb.Method{}); err != nil {
		t.Error(err)
	}
}

// ended notes the order in which steps end; they wait for each other.
type ended struct{ order *[]string }

func (ended) Start(string, string) {}
func (ended) Note(string, string)  {}
func (e ended) Done(id string, _ time.Duration, _ string) {
	*e.order = append(*e.order, id)
}
func (ended) Fail(string, error) {}

// TestAClusterThatCantBeRead keeps the feature on, and stops nothing else.
func TestAClusterThatCantBeRead(t *testing.T) {
	t.Parallel()
	w, host := newStage(t, "unread", conformance.Options{})
	w.Clusters = map[string]*kubetest.Server{clientPlane: nil}
	apply(t, w)
	wantHop(t, w, "import client-cluster unknown CW-MCS-UNREACHED")
	facts := open(t, w).Facts()
	if !slices.ContainsFunc(facts, func(f exposer.Fact) bool {
		return f.Name == "imported by" && strings.Contains(f.Value, "kubectl create namespace causeway-base-unread")
	}) {
		t.Errorf("facts %+v", facts)
	}
	if todo := disabling(t, w); len(todo.Problems) != 1 || todo.Problems[0].Code != "CW-MCS-UNREACHED" {
		t.Errorf("disabling: %+v", todo.Problems)
	}
	if item := destroy(t, w)[featureID]; item.Outcome != exposer.Left || !strings.Contains(item.Why, "cluster client-cluster can't be read, and may export") {
		t.Errorf("the feature: %+v", item)
	}
	if _, err := host.Destroy(t.Context(), ilb.Method{}); err != nil {
		t.Error(err)
	}
}
