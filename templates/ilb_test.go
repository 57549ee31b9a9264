package templates_test

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/templates"
)

var update = flag.Bool("update", false, "write the goldens anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("..", "testdata", "ilb", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (run with -update after a wanted change), -want +got:\n%s", name, diff)
	}
}

// variants are the shapes that the main job can take.
func variants(ca []byte) map[string]templates.ILB {
	terminate := sound(ca)
	http1 := terminate
	http1.HTTP2, http1.Image = false, "registry.example.internal:5000/nginx:1.22"
	http1.IPBy = templates.ByLoadBalancerIP
	mtls := terminate
	mtls.ClientAuth = true
	passthrough := terminate
	passthrough.Mode, passthrough.HTTP2, passthrough.TLSHash = templates.Passthrough, false, ""
	full := mtls
	full.Subnet, full.GlobalAccess, full.Port, full.Replicas = "apps", true, 6443, 3
	full.APIPorts = []int{6443, 443}
	full.ClientCIDRs = append([]netip.Prefix{netip.MustParsePrefix("192.168.7.0/24")}, full.ClientCIDRs...)
	full.DrainSeconds, full.SessionSeconds = 5, 60
	return map[string]templates.ILB{
		"terminate": terminate, "terminate-http1": http1, "terminate-mtls": mtls,
		"passthrough": passthrough, "terminate-full": full,
	}
}

func TestRenderedTextIsTheGolden(t *testing.T) {
	for name, values := range variants(fixedCA(t)) {
		t.Run(name, func(t *testing.T) {
			conf, err := values.NginxConf()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".conf", conf)
			manifests, err := values.Manifests()
			if err != nil {
				t.Fatal(err)
			}
			var text []byte
			for _, m := range manifests {
				text = append(text, "---\n"...)
				text = append(text, m.YAML...)
			}
			golden(t, name+".yaml", text)
		})
	}
}

// object finds one manifest by its ID.
func object(t *testing.T, values templates.ILB, id string) map[string]any {
	t.Helper()
	manifests, err := values.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifests {
		if m.ID == id {
			return m.Object.Object
		}
	}
	t.Fatalf("no manifest %s", id)
	return nil
}

// at follows keys through maps and, by number, lists.
func at(t *testing.T, value any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			next, ok := value.(map[string]any)
			if !ok {
				t.Fatalf("at %v: %T is no map", path, value)
			}
			value = next[step]
		case int:
			next, ok := value.([]any)
			if !ok || step >= len(next) {
				t.Fatalf("at %v: %T has no item %d", path, value, step)
			}
			value = next[step]
		}
	}
	return value
}

func TestManifestsComeInTheOrderInWhichTheyAreApplied(t *testing.T) {
	manifests, err := sound(newCA(t)).Manifests()
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, m := range manifests {
		ids = append(ids, m.ID)
		marks := m.Object.GetLabels()
		if marks[templates.LabelManagedBy] != "causeway" || marks[templates.LabelExposure] != "prod" {
			t.Errorf("%s bears the labels %v, not the exposure's marks", m.ID, marks)
		}
	}
	want := []string{"namespace/causeway-prod", "configmap/causeway-proxy", "serviceaccount/causeway-proxy",
		"deployment/causeway-proxy", "poddisruptionbudget/causeway-proxy", "networkpolicy/causeway-proxy", "service/causeway-proxy"}
	if diff := cmp.Diff(want, ids); diff != "" {
		t.Error(diff)
	}
}

func TestPodsAreReplacedWhenConfigurationOrCertificateChanges(t *testing.T) {
	ca := newCA(t)
	annotations := func(change func(*templates.ILB)) map[string]any {
		values := sound(ca)
		change(&values)
		return at(t, object(t, values, "deployment/causeway-proxy"), "spec", "template", "metadata", "annotations").(map[string]any)
	}
	base := annotations(func(*templates.ILB) {})
	for name, change := range map[string]func(*templates.ILB){
		"another certificate": func(v *templates.ILB) { v.TLSHash = strings.Repeat("cd", 32) },
		"another cluster CA":  func(v *templates.ILB) { v.UpstreamCA = newCA(t) },
		"no HTTP/2":           func(v *templates.ILB) { v.HTTP2 = false },
		"another upstream":    func(v *templates.ILB) { v.Upstream = netip.MustParseAddrPort("10.40.0.2:443") },
	} {
		if cmp.Equal(base, annotations(change)) {
			t.Errorf("%s leaves the pod template's annotations as they were", name)
		}
	}
	for name, change := range map[string]func(*templates.ILB){
		"nothing":                            func(*templates.ILB) {},
		"the layout of another place":        func(v *templates.ILB) { v.Layout.RunDir = "/elsewhere" },
		"the client networks":                func(v *templates.ILB) { v.ClientCIDRs = []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")} },
		"a comment beside the CA's PEM":      func(v *templates.ILB) { v.UpstreamCA = append([]byte("issued by us\n"), v.UpstreamCA...) },
		"the number of replicas":             func(v *templates.ILB) { v.Replicas = 5 },
		"global access of the load balancer": func(v *templates.ILB) { v.GlobalAccess = true },
	} {
		if diff := cmp.Diff(base, annotations(change)); diff != "" {
			t.Errorf("%s would replace the pods:\n%s", name, diff)
		}
	}
}

func TestAPrivateKeyBesideTheCANeverReachesTheConfigMap(t *testing.T) {
	values := sound(newCA(t))
	values.UpstreamCA = append(values.UpstreamCA, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"...)
	ca := at(t, object(t, values, "configmap/causeway-proxy"), "data", "upstream-ca.crt").(string)
	if strings.Contains(ca, "PRIVATE") {
		t.Error("the ConfigMap holds a private key")
	}
}

func TestServiceAsksForTheReservedAddressInTheWayTheClusterReads(t *testing.T) {
	ca := newCA(t)
	byName, byIP := sound(ca), sound(ca)
	byName.Subnet, byIP.Subnet = "apps", "apps"
	byIP.IPBy = templates.ByLoadBalancerIP
	service := object(t, byName, "service/causeway-proxy")
	annotations := at(t, service, "metadata", "annotations").(map[string]any)
	if annotations["networking.gke.io/load-balancer-ip-addresses"] != "causeway-prod" || annotations["networking.gke.io/load-balancer-subnet"] != "apps" {
		t.Errorf("with subsetting the annotations are %v", annotations)
	}
	if ip := at(t, service, "spec", "loadBalancerIP"); ip != nil {
		t.Errorf("both ways at once: spec.loadBalancerIP is %v too", ip)
	}
	service = object(t, byIP, "service/causeway-proxy")
	annotations = at(t, service, "metadata", "annotations").(map[string]any)
	if ip := at(t, service, "spec", "loadBalancerIP"); ip != "10.128.0.28" {
		t.Errorf("without subsetting spec.loadBalancerIP is %v", ip)
	}
	want := map[string]any{"networking.gke.io/load-balancer-type": "Internal", "networking.gke.io/internal-load-balancer-subnet": "apps"}
	if diff := cmp.Diff(want, annotations); diff != "" {
		t.Error(diff)
	}
}

func TestOnlyTheClientNetworksGetInAndOnlyTheAPIServerIsReached(t *testing.T) {
	values := sound(newCA(t))
	values.APIPorts = []int{6443, 443}
	policy := object(t, values, "networkpolicy/causeway-proxy")
	want := []any{map[string]any{
		"from": []any{
			map[string]any{"ipBlock": map[string]any{"cidr": "172.31.0.0/16"}},
			map[string]any{"podSelector": map[string]any{"matchLabels": map[string]any{"causeway.dev/probe": "true"}}},
		},
		"ports": []any{map[string]any{"port": int64(8443), "protocol": "TCP"}},
	}}
	if diff := cmp.Diff(want, at(t, policy, "spec", "ingress")); diff != "" {
		t.Error(diff)
	}
	wantEgress := []any{map[string]any{"ports": []any{
		map[string]any{"port": int64(443), "protocol": "TCP"}, map[string]any{"port": int64(6443), "protocol": "TCP"},
	}}}
	if diff := cmp.Diff(wantEgress, at(t, policy, "spec", "egress")); diff != "" {
		t.Error(diff)
	}
	ranges := at(t, object(t, values, "service/causeway-proxy"), "spec", "loadBalancerSourceRanges")
	if diff := cmp.Diff([]any{"172.31.0.0/16"}, ranges); diff != "" {
		t.Error(diff)
	}
}

func TestThePassthroughPodHoldsNoCertificate(t *testing.T) {
	deployment := object(t, variants(newCA(t))["passthrough"], "deployment/causeway-proxy")
	for _, volume := range at(t, deployment, "spec", "template", "spec", "volumes").([]any) {
		if at(t, volume, "secret") != nil {
			t.Errorf("mode passthrough mounts a Secret: %v", volume)
		}
	}
}

func TestThePodGetsLongerThanItsDrainAndSessions(t *testing.T) {
	values := sound(newCA(t))
	values.DrainSeconds, values.SessionSeconds = 7, 11
	pod := at(t, object(t, values, "deployment/causeway-proxy"), "spec", "template", "spec")
	if grace := at(t, pod, "terminationGracePeriodSeconds"); grace != int64(23) {
		t.Errorf("terminationGracePeriodSeconds is %v, want 23", grace)
	}
	command := at(t, pod, "containers", 0, "lifecycle", "preStop", "exec", "command", 2).(string)
	if !strings.HasPrefix(command, "sleep 7; /usr/sbin/nginx ") || !strings.Contains(command, "-s quit") {
		t.Errorf("preStop is %q", command)
	}
	conf, err := values.NginxConf()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(conf), "worker_shutdown_timeout 11s;") {
		t.Error("the configuration does not bound its shutdown by the sessions' time")
	}
}

// FuzzValues holds that whatever a user typed either is refused or stays inside
// the value that it was given for.
func FuzzValues(f *testing.F) {
	for _, hostile := range []string{"prod", "a\nb", `"`, "'", ";", "}", "{{.}}", "$host", "#", "\\", "a: b", "- a", "&a", "*a", "!!x", "%", "\u2028", "\x00", "\xff", "yes", "null", "1e3", "0x10", "|", ">"} {
		f.Add(hostile, hostile, hostile, hostile, hostile)
	}
	ca := newCA(f)
	want, err := sound(ca).Manifests()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, exposure, namespace, image, name, subnet string) {
		values := sound(ca)
		values.Exposure, values.Namespace, values.Image, values.AddressName, values.Subnet = exposure, namespace, image, name, subnet
		got, err := values.Manifests()
		if err != nil {
			return
		}
		if len(got) != len(want) {
			t.Fatalf("%d objects, want %d", len(got), len(want))
		}
		for i, m := range got {
			if m.Object.GetKind() != want[i].Object.GetKind() {
				t.Fatalf("object %d is a %s", i, m.Object.GetKind())
			}
			if m.Object.GetLabels()[templates.LabelExposure] != exposure {
				t.Fatalf("%s: exposure label %q, want %q", m.ID, m.Object.GetLabels()[templates.LabelExposure], exposure)
			}
			if i > 0 && m.Object.GetNamespace() != namespace {
				t.Fatalf("%s: namespace %q, want %q", m.ID, m.Object.GetNamespace(), namespace)
			}
		}
		containers, _, _ := unstructured.NestedSlice(got[3].Object.Object, "spec", "template", "spec", "containers")
		if len(containers) != 1 || containers[0].(map[string]any)["image"] != image {
			t.Fatalf("containers %v, want one of image %q", containers, image)
		}
		annotations := got[6].Object.GetAnnotations()
		if annotations["networking.gke.io/load-balancer-ip-addresses"] != name || annotations["networking.gke.io/load-balancer-subnet"] != subnet {
			t.Fatalf("annotations %v, want address %q and subnet %q", annotations, name, subnet)
		}
	})
}
