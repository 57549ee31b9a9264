package gcptest

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"

	"causeway/internal/kubetest"
)

func TestMain(m *testing.M) { os.Exit(kubetest.StartMain(m)) }

const addresses = "projects/lab-project/regions/europe-west3/addresses/"

// bench is an emulator, a namespace of a real API server, and the controller between.
type bench struct {
	t      *testing.T
	google *Server
	client dynamic.ResourceInterface
	events dynamic.ResourceInterface
}

func newBench(t *testing.T, seed string) *bench {
	t.Helper()
	google := Serve(t, Options{}, seed)
	err := google.Fill(Seed{Resources: []SeedObject{{Path: addresses + "mine", Body: object{
		"address": "10.156.0.26", "addressType": "INTERNAL", "purpose": "GCE_ENDPOINT", "status": "RESERVED",
		"subnetwork": "projects/lab-project/regions/europe-west3/subnetworks/default",
	}}, {Path: addresses + "external", Body: object{"address": "203.0.113.77", "addressType": "EXTERNAL", "status": "RESERVED"}}}})
	if err != nil {
		t.Fatal(err)
	}
	cluster := kubetest.Start(t)
	namespace := cluster.Namespace(t)
	controller, err := NewILBController(google, "lab-project", "europe-west3", cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	controller.Namespace, controller.RetryInterval = namespace, 50*time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := controller.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	client, err := dynamic.NewForConfig(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{t: t, google: google, client: client.Resource(servicesResource()).Namespace(namespace), events: client.Resource(eventsResource()).Namespace(namespace)}
}

func (b *bench) create(annotations map[string]string, spec object) *unstructured.Unstructured {
	b.t.Helper()
	full := object{"type": "LoadBalancer", "selector": object{"app": "x"}, "ports": []any{object{"name": "https", "port": int64(443)}}}
	for name, value := range spec {
		full[name] = value
	}
	notes := object{typeAnnotation: "Internal"}
	for name, value := range annotations {
		notes[name] = value
	}
	service := &unstructured.Unstructured{Object: object{
		"apiVersion": "v1", "kind": "Service", "metadata": object{"name": "web", "annotations": notes}, "spec": full,
	}}
	made, err := b.client.Create(b.t.Context(), service, metav1.CreateOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return made
}

// until polls for up to 20 s.
func (b *bench) until(what string, done func() bool) {
	b.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			b.t.Fatalf("after 20 s still not: %s", what)
		}
		pause(b.t.Context(), 20*time.Millisecond)
	}
}

// ip waits for the Service's IP.
func (b *bench) ip() string {
	b.t.Helper()
	var ip string
	b.until("the Service has an IP", func() bool {
		service, err := b.client.Get(b.t.Context(), "web", metav1.GetOptions{})
		if err != nil {
			b.t.Fatal(err)
		}
		ip = current(service)
		return ip != ""
	})
	return ip
}

// event waits for an event of that reason whose message has the part.
func (b *bench) event(reason, part string) {
	b.t.Helper()
	b.until("event "+reason+" saying "+part, func() bool {
		list, err := b.events.List(b.t.Context(), metav1.ListOptions{})
		if err != nil {
			b.t.Fatal(err)
		}
		for _, one := range list.Items {
			if one.Object["reason"] == reason && strings.Contains(text(one.Object, "message"), part) {
				return true
			}
		}
		return false
	})
}

func (b *bench) rules() []string {
	b.google.mu.Lock()
	defer b.google.mu.Unlock()
	return b.google.list("projects/lab-project/regions/europe-west3/forwardingRules")
}

func TestWhichAddressAServiceGets(t *testing.T) {
	for sentence, test := range map[string]struct {
		seed        string
		annotations map[string]string
		spec        object
		want        string
	}{
		"the annotation's, with subsetting":             {"lab", map[string]string{addressAnnotation: "mine"}, nil, "10.156.0.26"},
		"another, when the name does not exist":         {"lab", map[string]string{addressAnnotation: "misspelt"}, nil, "10.156.0.3"},
		"another, when the annotation holds an IP":      {"lab", map[string]string{addressAnnotation: "10.156.0.26"}, nil, "10.156.0.3"},
		"the spec's, with subsetting":                   {"lab", nil, object{"loadBalancerIP": "10.156.0.26"}, "10.156.0.26"},
		"another, by annotation without subsetting":     {"nosubsetting", map[string]string{addressAnnotation: "mine"}, nil, "10.156.0.3"},
		"the spec's, without subsetting":                {"nosubsetting", nil, object{"loadBalancerIP": "10.156.0.26"}, "10.156.0.26"},
		"an unreserved one that is free":                {"lab", nil, object{"loadBalancerIP": "10.156.0.99"}, "10.156.0.99"},
		"the annotation's, by class without subsetting": {"nosubsetting", map[string]string{addressAnnotation: "mine"}, object{"loadBalancerClass": subsettingClass}, "10.156.0.26"},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := newBench(t, test.seed)
			b.create(test.annotations, test.spec)
			if got := b.ip(); got != test.want {
				t.Errorf("IP %s, want %s", got, test.want)
			}
			if address := b.google.Object(addresses + "mine"); (address["status"] == "IN_USE") != (test.want == "10.156.0.26") {
				t.Errorf("the reserved address is %v", address)
			}
		})
	}
}

func TestAServiceFromBeginningToEnd(t *testing.T) {
	b := newBench(t, "lab")
	before := string(b.google.Snapshot())
	made := b.create(map[string]string{addressAnnotation: "mine", globalAnnotation: "true"}, object{"loadBalancerIP": "10.156.0.26"})
	b.ip()
	b.event("MixedStaticIP", "annotation")
	b.event("SyncLoadBalancerSuccessful", "ensured")
	rules := b.rules()
	if len(rules) != 1 {
		t.Fatalf("rules %v", rules)
	}
	rule := b.google.Object(rules[0])
	want := object{"IPAddress": "10.156.0.26", "loadBalancingScheme": "INTERNAL", "allowGlobalAccess": true,
		"description": `{"networking.gke.io/service-name":"` + key(made) + `"}`}
	for field, want := range want {
		if diff := cmp.Diff(want, rule[field]); diff != "" {
			t.Errorf("%s: %s", field, diff)
		}
	}
	if diff := cmp.Diff([]any{"443"}, rule["ports"]); diff != "" {
		t.Error(diff)
	}
	if err := b.client.Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	b.until("the Service is gone", func() bool {
		list, err := b.client.List(t.Context(), metav1.ListOptions{})
		return err == nil && len(list.Items) == 0
	})
	if diff := cmp.Diff(before, string(b.google.Snapshot())); diff != "" {
		t.Errorf("something is left: %s", diff)
	}
}

func TestWhatAServiceMayNotHave(t *testing.T) {
	for sentence, test := range map[string]struct {
		annotations map[string]string
		spec        object
		part        string
	}{
		"an IP outside the subnet":   {nil, object{"loadBalancerIP": "10.99.0.1"}, "Requested internal IP address is outside the network/subnetwork range"},
		"a node's IP":                {nil, object{"loadBalancerIP": "10.156.0.2"}, "in-use"},
		"an external address":        {map[string]string{addressAnnotation: "external"}, nil, `address type mismatch, expected "INTERNAL", actual: "EXTERNAL"`},
		"a subnet that is not there": {map[string]string{subnetAnnotation: "nowhere"}, nil, `Subnetwork "nowhere" can't be found for project lab-project`},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := newBench(t, "lab")
			b.create(test.annotations, test.spec)
			b.event("SyncLoadBalancerFailed", test.part)
			if rules := b.rules(); len(rules) != 0 {
				t.Errorf("rules %v", rules)
			}
		})
	}
}

func TestAServiceThatChanges(t *testing.T) {
	b := newBench(t, "lab")
	b.create(map[string]string{addressAnnotation: "misspelt"}, nil)
	if got := b.ip(); got == "10.156.0.26" {
		t.Fatal("the reserved address was taken at once")
	}
	patch := func(text string) {
		t.Helper()
		if _, err := b.client.Patch(t.Context(), "web", types.MergePatchType, []byte(text), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	patch(`{"metadata":{"annotations":{"` + addressAnnotation + `":"mine"}}}`)
	b.until("it has the reserved address", func() bool { return b.ip() == "10.156.0.26" })
	patch(`{"metadata":{"annotations":{"` + globalAnnotation + `":"true"}}}`)
	b.until("its rule is global", func() bool {
		rules := b.rules()
		return len(rules) == 1 && b.google.Object(rules[0])["allowGlobalAccess"] == true
	})
	patch(`{"spec":{"type":"ClusterIP"}}`)
	b.until("its rule is gone", func() bool { return len(b.rules()) == 0 })
	b.until("its finalizer is gone", func() bool {
		service, err := b.client.Get(t.Context(), "web", metav1.GetOptions{})
		return err == nil && !hasFinalizer(service)
	})
}

func TestOtherServicesAreLeftAlone(t *testing.T) {
	b := newBench(t, "lab")
	b.create(map[string]string{typeAnnotation: "External"}, nil)
	marker := &unstructured.Unstructured{Object: object{"apiVersion": "v1", "kind": "Service",
		"metadata": object{"name": "marker", "annotations": object{typeAnnotation: "Internal"}},
		"spec":     object{"type": "LoadBalancer", "ports": []any{object{"port": int64(1)}}}}}
	if _, err := b.client.Create(t.Context(), marker, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	b.until("the marker, made later, is served", func() bool { return len(b.rules()) == 1 })
	service, err := b.client.Get(t.Context(), "web", metav1.GetOptions{})
	if err != nil || hasFinalizer(service) || current(service) != "" {
		t.Errorf("the external Service was touched: %v, %v", service, err)
	}
}

func TestALoadBalancerTakesItsTime(t *testing.T) {
	google := Serve(t, Options{}, "lab")
	controller := &ILBController{CreateTime: time.Hour, google: google, project: "lab-project", region: "europe-west3", seen: map[string]*balanced{}}
	service := &unstructured.Unstructured{Object: object{
		"metadata": object{"name": "web", "namespace": "x", "uid": "u", "annotations": object{typeAnnotation: "Internal"}, "finalizers": []any{subsettingFinalizer}},
		"spec":     object{"type": "LoadBalancer"},
	}}
	controller.note(service)
	if left := time.Until(controller.work(t.Context())); left <= 0 || left > relist {
		t.Errorf("looks again in %s", left)
	}
	if due := time.Until(controller.seen["x/web"].due); due < 59*time.Minute {
		t.Errorf("due in %s", due)
	}
}
