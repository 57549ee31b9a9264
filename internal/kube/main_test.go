package kube

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"causeway/internal/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.StartMain(m)) }

// rig is a client of the real API server, with a namespace of the test's own.
type rig struct {
	*testing.T
	server *kubetest.Server
	client *Client
	ns     string
	notes  *noted
}

// noted collects notes.
type noted struct {
	mu    sync.Mutex
	lines []string
}

func (n *noted) note(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, text)
}

func (n *noted) text() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.lines, "\n")
}

func newRig(t *testing.T, env Env) rig {
	t.Helper()
	server := kubetest.Start(t)
	kubetest.Workloads(t, server.Config)
	notes := &noted{}
	env.Note = notes.note
	client, err := New(server.Config, env)
	if err != nil {
		t.Fatal(err)
	}
	r := rig{t, server, client, server.Namespace(t), notes}
	r.until("the namespace's default ServiceAccount", func() bool {
		live, err := client.Get(context.Background(), Ref{Version: "v1", Kind: "ServiceAccount", Namespace: r.ns, Name: "default"})
		return err == nil && live != nil
	})
	return r
}

// fast is a clock that runs many times faster than the wall's.
func fast(times int) Env {
	began := time.Now()
	return Env{
		Now:   func() time.Time { return began.Add(time.Since(began) * time.Duration(times)) },
		After: func(d time.Duration) <-chan time.Time { return time.After(d / time.Duration(times)) },
	}
}

func (r rig) until(what string, holds func() bool) {
	r.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.Fatalf("%s: never came", what)
		}
	}
}

// manifests are the objects of testdata/proxy.yaml in the test's namespace, with
// the mark of the exposure prod.
func (r rig) manifests() []*unstructured.Unstructured {
	r.Helper()
	text, err := os.ReadFile("testdata/proxy.yaml")
	if err != nil {
		r.Fatal(err)
	}
	var objects []*unstructured.Unstructured
	for part := range strings.SplitSeq(strings.ReplaceAll(string(text), "NAMESPACE", r.ns), "\n---\n") {
		objects = append(objects, r.marked(part))
	}
	return objects
}

func (r rig) manifest(kind string) *unstructured.Unstructured {
	r.Helper()
	for _, object := range r.manifests() {
		if object.GetKind() == kind {
			return object
		}
	}
	r.Fatalf("no manifest of kind %s", kind)
	return nil
}

// marked parses one object and marks it.
func (r rig) marked(text string) *unstructured.Unstructured {
	r.Helper()
	o := parse(r.T, strings.ReplaceAll(text, "NAMESPACE", r.ns))
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[ManagedByLabel], labels[ExposureLabel] = "causeway", "prod"
	o.SetLabels(labels)
	return o
}

func parse(t testing.TB, text string) *unstructured.Unstructured {
	t.Helper()
	body, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	o := &unstructured.Unstructured{}
	if err := o.UnmarshalJSON(body); err != nil {
		t.Fatalf("parse object: %v\n%s", err, text)
	}
	return o
}

func (r rig) apply(o *unstructured.Unstructured) {
	r.Helper()
	if err := r.client.Apply(context.Background(), o); err != nil {
		r.Fatal(err)
	}
}

func (r rig) get(ref Ref) *unstructured.Unstructured {
	r.Helper()
	live, err := r.client.Get(context.Background(), ref)
	if err != nil || live == nil {
		r.Fatalf("get %s: %v %v", ref, live, err)
	}
	return live
}

// patch changes an object as somebody else would.
func (r rig) patch(ref Ref, manager, patch string, subresources ...string) {
	r.Helper()
	_, err := r.client.in(ref).Patch(context.Background(), ref.Name, types.MergePatchType, []byte(patch),
		metav1.PatchOptions{FieldManager: manager}, subresources...)
	if err != nil {
		r.Fatalf("patch %s: %v", ref, err)
	}
}

// create makes an object as somebody else would.
func (r rig) create(text string) *unstructured.Unstructured {
	r.Helper()
	o := parse(r.T, strings.ReplaceAll(text, "NAMESPACE", r.ns))
	made, err := r.client.in(RefOf(o)).Create(context.Background(), o, metav1.CreateOptions{FieldManager: "kubectl-create"})
	if err != nil {
		r.Fatalf("create %s: %v", RefOf(o), err)
	}
	return made
}

// event makes one about an object.
func (r rig) event(about *unstructured.Unstructured, kind, reason, message string) {
	r.Helper()
	at := time.Now().UTC().Format(time.RFC3339)
	o := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Event",
		"metadata":       map[string]any{"generateName": about.GetName() + ".", "namespace": r.ns},
		"involvedObject": map[string]any{"kind": about.GetKind(), "name": about.GetName(), "namespace": r.ns, "uid": string(about.GetUID())},
		"type":           kind, "reason": reason, "message": message, "lastTimestamp": at, "firstTimestamp": at}}
	if _, err := r.client.in(RefOf(o)).Create(context.Background(), o, metav1.CreateOptions{}); err != nil {
		r.Fatal(err)
	}
}

// wantError checks an error's code and that its text has all the parts.
func wantError(t *testing.T, err error, code string, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want %s", code)
	}
	coder, isCoder := err.(interface{ Code() string })
	if !isCoder || coder.Code() != code {
		t.Errorf("error has not the code %s: %#v: %v", code, err, err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
}

// jsonOf decodes, or returns the text itself when it is none.
func jsonOf(text string) any {
	var value any
	if json.Unmarshal([]byte(text), &value) != nil {
		return text
	}
	return value
}
