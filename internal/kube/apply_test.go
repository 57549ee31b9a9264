package kube

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"

	"causeway/internal/kubetest"
)

func TestApplyThenDiffIsEmpty(t *testing.T) {
	r := newRig(t, Env{})
	for _, object := range r.manifests() {
		ref := RefOf(object)
		t.Run(object.GetKind()+" "+object.GetName(), func(t *testing.T) {
			if object.GetKind() == "Namespace" {
				r.patch(ref, "test", `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"causeway","causeway.dev/exposure":"prod"}}}`)
			}
			r.apply(object)
			live := r.get(ref)
			if changes := Diff(object, live); len(changes) > 0 {
				t.Errorf("differs right after the apply: %v", changes)
			}
			version := live.GetResourceVersion()
			r.apply(object)
			if again := r.get(ref); object.GetKind() != "Deployment" && object.GetKind() != "PodDisruptionBudget" && again.GetResourceVersion() != version {
				t.Errorf("a second apply wrote: version %s, then %s", version, again.GetResourceVersion())
			}
			if object.GetNamespace() == "" && object.GetKind() != "Namespace" {
				if err := r.client.Delete(context.Background(), live); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestDriftIsSeenAndTakenBack(t *testing.T) {
	r := newRig(t, Env{})
	tests := map[string]struct {
		kind, patch string
		path        string // of the change
		from, to    string
	}{
		"an image changed by hand": {"Deployment", `{"spec":{"template":{"spec":{"containers":[{"name":"nginx","image":"nginx:evil","resources":{"limits":{"memory":"256Mi"}}}]}}}}`,
			"spec.template.spec.containers[nginx].image", `"nginx:evil"`, `"nginx:1.28"`},
		"replicas scaled": {"Deployment", `{"spec":{"replicas":1}}`, "spec.replicas", "1", "2"},
		"a configuration edited": {"ConfigMap", `{"data":{"nginx.conf":"worker_processes auto;\nevents { worker_connections 4096; }\nhttp {\n  proxy_read_timeout 90s;\n}\n"}}`,
			`data["nginx.conf"]`, "line 4: proxy_read_timeout 90s;", "line 4: proxy_read_timeout 3700s;"},
		"a key replaced":        {"Secret", `{"data":{"tls.key":"b3RoZXI="}}`, `data["tls.key"]`, "(secret, sha256:", "(secret, sha256:"},
		"source ranges widened": {"Service", `{"spec":{"loadBalancerSourceRanges":["0.0.0.0/0"]}}`, "spec.loadBalancerSourceRanges[0]", `"0.0.0.0/0"`, `"172.31.0.0/16"`},
		"source ranges removed": {"Service", `{"spec":{"loadBalancerSourceRanges":null}}`, "spec.loadBalancerSourceRanges", "", `["172.31.0.0/16"]`},
		"a policy opened":       {"NetworkPolicy", `{"spec":{"ingress":[{}]}}`, "spec.ingress", "[{}]", ""},
		"an annotation removed": {"Service", `{"metadata":{"annotations":{"networking.gke.io/load-balancer-type":null}}}`,
			`metadata.annotations["networking.gke.io/load-balancer-type"]`, "", `"Internal"`},
		"a right added":     {"Role", `{"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["*"]}]}`, "rules[0].resources[0]", `"secrets"`, `"serviceaccounts/token"`},
		"a budget weakened": {"PodDisruptionBudget", `{"spec":{"minAvailable":0}}`, "spec.minAvailable", "0", "1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			object := r.manifest(test.kind)
			ref := RefOf(object)
			r.apply(object)
			r.patch(ref, "kubectl-edit", test.patch)
			changes := Diff(object, r.get(ref))
			found := false
			for _, c := range changes {
				found = found || c.Path == test.path && strings.HasPrefix(c.From, test.from) && strings.HasPrefix(c.To, test.to)
			}
			if !found {
				t.Errorf("want %s from %s to %s, got %q", test.path, test.from, test.to, changes)
			}
			if text := fmt.Sprint(changes); strings.Contains(text, "dmVyeS1zZWNyZXQ") || strings.Contains(text, "b3RoZXI") {
				t.Errorf("the changes tell a secret: %s", text)
			}
			r.apply(object)
			if changes := Diff(object, r.get(ref)); len(changes) > 0 {
				t.Errorf("an apply does not take it back: %v", changes)
			}
		})
	}
	if !strings.Contains(r.notes.text(), "takes back spec.replicas from kubectl-edit") {
		t.Errorf("nobody is told from whom a field was taken: %s", r.notes.text())
	}
}

func TestWhatIsNoLongerWantedIsAChange(t *testing.T) {
	r := newRig(t, Env{})
	object := r.manifest("Deployment")
	r.apply(object)
	less := object.DeepCopy()
	volumes, _, _ := unstructured.NestedSlice(less.Object, "spec", "template", "spec", "volumes")
	_ = unstructured.SetNestedSlice(less.Object, volumes[:2], "spec", "template", "spec", "volumes")
	containers, _, _ := unstructured.NestedSlice(less.Object, "spec", "template", "spec", "containers")
	container := containers[0].(map[string]any)
	container["volumeMounts"] = container["volumeMounts"].([]any)[:2]
	delete(container, "lifecycle")
	_ = unstructured.SetNestedSlice(less.Object, containers, "spec", "template", "spec", "containers")

	var paths []string
	for _, change := range Diff(less, r.get(RefOf(object))) {
		if change.To != "" {
			t.Errorf("%s should go, but becomes %s", change.Path, change.To)
		}
		paths = append(paths, change.Path)
	}
	want := "[spec.template.spec.containers[nginx].lifecycle.preStop.exec.command spec.template.spec.containers[nginx].volumeMounts[/tmp] spec.template.spec.volumes[tmp]]"
	if fmt.Sprint(paths) != want {
		t.Errorf("changes at %v, want %s", paths, want)
	}
	r.apply(less)
	if changes := Diff(less, r.get(RefOf(object))); len(changes) > 0 {
		t.Errorf("still differs: %v", changes)
	}
}

func TestWhatOthersAddIsNoChange(t *testing.T) {
	r := newRig(t, Env{})
	object := r.manifest("Service")
	r.apply(object)
	r.patch(RefOf(object), "gke", `{"metadata":{"annotations":{"cloud.google.com/neg":"{}"},"finalizers":["gke.networking.io/l4-ilb-v2"]}}`)
	if changes := Diff(object, r.get(RefOf(object))); len(changes) > 0 {
		t.Errorf("a controller's annotation counts as a change: %v", changes)
	}
	r.patch(RefOf(object), "gke", `{"metadata":{"finalizers":null}}`)
}

func TestForeignObjectsAreLeftAlone(t *testing.T) {
	r := newRig(t, Env{})
	tests := map[string]struct{ labels, says string }{
		"one without a mark":         {"{}", "kubectl-create"},
		"another exposure's":         {"{app.kubernetes.io/managed-by: causeway, causeway.dev/exposure: other}", "causeway's exposure other"},
		"one of another tool's":      {"{app.kubernetes.io/managed-by: Helm}", "kubectl-create"},
		"a mark without an exposure": {"{app.kubernetes.io/managed-by: causeway}", "kubectl-create"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			made := r.create("{apiVersion: v1, kind: ConfigMap, metadata: {generateName: x-, namespace: NAMESPACE, labels: " + test.labels + "}, data: {a: theirs}}")
			want := r.marked("{apiVersion: v1, kind: ConfigMap, metadata: {name: " + made.GetName() + ", namespace: NAMESPACE}, data: {b: ours}}")
			err := r.client.Apply(context.Background(), want)
			wantError(t, err, "CW-KUBE-FOREIGN", "apply ConfigMap", made.GetName(), test.says, "nothing was changed")
			if now := r.get(RefOf(made)); now.GetResourceVersion() != made.GetResourceVersion() {
				t.Error("it was changed")
			}
		})
	}
}

func TestConflictNamesTheOtherManager(t *testing.T) {
	r := newRig(t, Env{})
	// An object that appears between the look and the apply: the wanted one is
	// sent without the look that Apply does first.
	r.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: NAMESPACE}, data: {a: theirs}}")
	want := r.marked("{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: NAMESPACE}, data: {a: ours}}")
	err := r.client.patch(context.Background(), RefOf(want), want, false)
	if got := conflicts(err); len(got) != 1 || got[0] != "data.a from kubectl-create" {
		t.Errorf("conflicts are %q of %v", got, err)
	}
	wantError(t, wrap("apply", RefOf(want).String(), err), "CW-KUBE-CONFLICT", "kubectl-create", "data.a")
}

func TestDeleteRemovesOnlyWhatWasRead(t *testing.T) {
	r := newRig(t, Env{})
	const text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: NAMESPACE}}"
	old := r.create(text)
	if err := r.client.Delete(context.Background(), old); err != nil {
		t.Fatal(err)
	}
	if err := r.client.Delete(context.Background(), old); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
	fresh := r.create(text)
	if err := r.client.Delete(context.Background(), old); err != nil {
		t.Errorf("deleting what has been replaced: %v", err)
	}
	if now := r.get(RefOf(old)); now.GetUID() != fresh.GetUID() {
		t.Error("the object of the same name was deleted")
	}
}

func TestErrorsNameVerbResourceAndCode(t *testing.T) {
	r := newRig(t, Env{})
	plain, err := New(r.server.ConfigFor(kubetest.PlainToken), Env{})
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := New(r.server.ConfigFor("no such token"), Env{})
	if err != nil {
		t.Fatal(err)
	}
	strict := r.manifest("Namespace")
	r.patch(RefOf(strict), "test", `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"restricted"}}}`)
	configMap := r.manifest("ConfigMap")
	ctx := context.Background()
	tests := map[string]struct {
		do    func() error
		code  string
		parts []string
	}{
		"a right that is missing": {func() error { return plain.Apply(ctx, configMap) }, "CW-KUBE-FORBIDDEN",
			[]string{"get ConfigMap " + r.ns + "/causeway-proxy", `User "plain@example.com" cannot get resource "configmaps"`}},
		"a list that is not allowed": {func() error { _, err := plain.List(ctx, RefOf(configMap), ""); return err }, "CW-KUBE-FORBIDDEN",
			[]string{"list configmaps in " + r.ns, "cannot list resource"}},
		"credentials that are not accepted": {func() error { _, err := nobody.Get(ctx, RefOf(configMap)); return err }, "CW-KUBE-UNAUTHORIZED",
			[]string{"does not accept the credentials (401)"}},
		"a value that is none": {func() error {
			return r.client.Apply(ctx, r.marked("{apiVersion: v1, kind: Service, metadata: {name: s, namespace: NAMESPACE}, spec: {ports: [{port: 99999}]}}"))
		}, "CW-KUBE-INVALID", []string{"apply Service " + r.ns + "/s", "99999"}},
		"a field that is none": {func() error {
			return r.client.Apply(ctx, r.marked("{apiVersion: v1, kind: Service, metadata: {name: s, namespace: NAMESPACE}, spec: {ports: [{port: 443}], nosuch: 1}}"))
		}, "CW-KUBE-INVALID", []string{"nosuch"}},
		"a Pod that the namespace refuses": {func() error {
			return r.client.Apply(ctx, r.marked("{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: NAMESPACE}, spec: {containers: [{name: c, image: i, securityContext: {privileged: true}}]}}"))
		}, "CW-KUBE-POD-SECURITY", []string{"privileged"}},
		"a quota that is used up": {func() error {
			r.create("{apiVersion: v1, kind: ResourceQuota, metadata: {name: q, namespace: NAMESPACE}, spec: {hard: {secrets: 0}}}")
			r.patch(Ref{Version: "v1", Kind: "ResourceQuota", Namespace: r.ns, Name: "q"}, "test", `{"status":{"hard":{"secrets":"0"},"used":{"secrets":"0"}}}`, "status")
			return r.client.Apply(ctx, r.manifest("Secret"))
		}, "CW-KUBE-QUOTA", []string{"exceeded quota"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { wantError(t, test.do(), test.code, test.parts...) })
	}
}

func TestNamespaceOnItsWayOut(t *testing.T) {
	r := newRig(t, Env{})
	held := r.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: held, namespace: NAMESPACE, finalizers: [test.causeway.dev/hold]}}")
	ns := r.get(Ref{Version: "v1", Kind: "Namespace", Name: r.ns})
	if err := r.client.Delete(context.Background(), ns); err != nil {
		t.Fatal(err)
	}
	wantError(t, r.client.Apply(context.Background(), r.manifest("ConfigMap")), "CW-KUBE-TERMINATING", "being terminated")
	r.patch(RefOf(held), "test", `{"metadata":{"finalizers":null}}`)
	if err := r.client.WaitGone(context.Background(), RefOf(ns), r.notes.note); err != nil {
		t.Error(err)
	}
}

func TestAbsentIsNilWithoutError(t *testing.T) {
	r := newRig(t, Env{})
	live, err := r.client.Get(context.Background(), Ref{Version: "v1", Kind: "Secret", Namespace: r.ns, Name: "none"})
	if live != nil || err != nil {
		t.Errorf("got %v, %v", live, err)
	}
}

func TestListReadsAllPages(t *testing.T) {
	r := newRig(t, Env{})
	for _, name := range []string{"a", "b", "c"} {
		r.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: " + name + ", namespace: NAMESPACE, labels: {x: \"1\"}}}")
	}
	items, err := r.client.List(context.Background(), Ref{Version: "v1", Kind: "ConfigMap", Namespace: r.ns}, "x=1")
	if err != nil || len(items) != 3 {
		t.Errorf("listed %d, %v", len(items), err)
	}
}

func TestImpersonationIsKept(t *testing.T) {
	r := newRig(t, Env{})
	config := rest.CopyConfig(r.server.Config)
	config.Impersonate.UserName = "someone@example.com"
	client, err := New(config, Env{})
	if err != nil {
		t.Fatal(err)
	}
	if user, err := client.WhoAmI(context.Background()); err != nil || user != "someone@example.com" {
		t.Errorf("the server knows us as %q, %v", user, err)
	}
}
