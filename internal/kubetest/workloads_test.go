package kubetest

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// rig is what each test of the stand-in needs.
type rig struct {
	*testing.T
	server *Server
	client dynamic.Interface
	ns     string
}

func newRig(t *testing.T) rig {
	t.Helper()
	server := Start(t)
	client, err := dynamic.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	Workloads(t, server.Config)
	return rig{t, server, client, server.Namespace(t)}
}

func (r rig) create(resource schema.GroupVersionResource, object map[string]any) *unstructured.Unstructured {
	r.Helper()
	made, err := r.client.Resource(resource).Namespace(r.ns).Create(context.Background(), &unstructured.Unstructured{Object: object}, metav1.CreateOptions{})
	if err != nil {
		r.Fatalf("create %s: %v", resource.Resource, err)
	}
	return made
}

// until polls an object until the condition holds.
func (r rig) until(what string, resource schema.GroupVersionResource, name string, holds func(*unstructured.Unstructured, error) bool) {
	r.Helper()
	in := dynamic.ResourceInterface(r.client.Resource(resource))
	if resource != namespaces {
		in = r.client.Resource(resource).Namespace(r.ns)
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		got, err := in.Get(context.Background(), name, metav1.GetOptions{})
		if holds(got, err) {
			return
		}
		if time.Now().After(deadline) {
			r.Fatalf("%s: never came; last: %v %v", what, got, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func testDeployment(name, image string) map[string]any {
	return map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"replicas": int64(2), "selector": map[string]any{"matchLabels": map[string]any{"app": name}},
			"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": name}},
				"spec": map[string]any{"containers": []any{map[string]any{"name": "c", "image": image}}}}}}
}

func statusInt(o *unstructured.Unstructured, field string) int64 {
	n, _, _ := unstructured.NestedInt64(o.Object, "status", field)
	return n
}

func TestDeploymentRollsOut(t *testing.T) {
	r := newRig(t)
	r.create(deployments, testDeployment("web", "nginx:1"))
	r.create(budgets, map[string]any{"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": map[string]any{"name": "web"},
		"spec": map[string]any{"minAvailable": int64(1), "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}}}})
	r.until("two available replicas", deployments, "web", func(o *unstructured.Unstructured, err error) bool {
		return err == nil && statusInt(o, "availableReplicas") == 2 && statusInt(o, "observedGeneration") == o.GetGeneration()
	})
	r.until("one disruption allowed", budgets, "web", func(o *unstructured.Unstructured, err error) bool {
		return err == nil && statusInt(o, "disruptionsAllowed") == 1
	})
	if err := r.client.Resource(deployments).Namespace(r.ns).Delete(context.Background(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(10 * time.Second)
	for {
		list, err := r.client.Resource(pods).Namespace(r.ns).List(context.Background(), metav1.ListOptions{})
		if err == nil && len(list.Items) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the Deployment's pods stay: %v %v", list, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestDeploymentThatCannotRun(t *testing.T) {
	r := newRig(t)
	r.create(deployments, testDeployment("web", "nginx:missing"))
	deadline := time.Now().Add(10 * time.Second)
	for {
		list, err := r.client.Resource(pods).Namespace(r.ns).List(context.Background(), metav1.ListOptions{})
		if err == nil && len(list.Items) == 2 && strings.Contains(fmt.Sprint(list.Items[0].Object["status"]), "ImagePullBackOff") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no pod tells that its image does not pull: %v %v", list, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestTokenSecretIsFilled(t *testing.T) {
	r := newRig(t)
	account := r.create(serviceAccounts, map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "far"}})
	r.create(secrets, map[string]any{"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
		"metadata": map[string]any{"name": "far", "annotations": map[string]any{"kubernetes.io/service-account.name": "far"}}})
	var token string
	r.until("a token in the Secret", secrets, "far", func(o *unstructured.Unstructured, err error) bool {
		if err != nil {
			return false
		}
		text, _, _ := unstructured.NestedString(o.Object, "data", "token")
		decoded, _ := base64.StdEncoding.DecodeString(text)
		token = string(decoded)
		return token != ""
	})
	if who := r.whoAmI(r.server.ConfigFor(token)); who != "system:serviceaccount:"+r.ns+":far" {
		t.Errorf("the token authenticates as %q", who)
	}
	if err := r.client.Resource(serviceAccounts).Namespace(r.ns).Delete(context.Background(), account.GetName(), metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until("the Secret going with its account", secrets, "far", func(_ *unstructured.Unstructured, err error) bool {
		return apierrors.IsNotFound(err)
	})
}

func (r rig) whoAmI(config *rest.Config) string {
	r.Helper()
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		r.Fatal(err)
	}
	review := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}}
	made, err := client.Resource(schema.GroupVersionResource{Group: "authentication.k8s.io", Version: "v1", Resource: "selfsubjectreviews"}).
		Create(context.Background(), review, metav1.CreateOptions{})
	if err != nil {
		r.Fatalf("ask who I am: %v", err)
	}
	name, _, _ := unstructured.NestedString(made.Object, "status", "userInfo", "username")
	return name
}

func TestNamespaceGoesWithAllInIt(t *testing.T) {
	r := newRig(t)
	r.create(configMaps, map[string]any{"apiVersion": "v1", "kind": "ConfigMap",
		"metadata": map[string]any{"name": "held", "finalizers": []any{"test.causeway.dev/hold"}}})
	r.create(deployments, testDeployment("web", "nginx:1"))
	if err := r.client.Resource(namespaces).Delete(context.Background(), r.ns, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until("the Deployment going", deployments, "web", func(_ *unstructured.Unstructured, err error) bool { return apierrors.IsNotFound(err) })
	held, err := r.client.Resource(configMaps).Namespace(r.ns).Get(context.Background(), "held", metav1.GetOptions{})
	if err != nil {
		t.Fatalf("an object with a finalizer must stay: %v", err)
	}
	held.SetFinalizers(nil)
	if _, err := r.client.Resource(configMaps).Namespace(r.ns).Update(context.Background(), held, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until("the namespace going", namespaces, r.ns, func(_ *unstructured.Unstructured, err error) bool { return apierrors.IsNotFound(err) })
}

func TestLonePodRunsAndItsLogIsRead(t *testing.T) {
	r := newRig(t)
	Workloads(t, r.server.Config).OnRun(r.ns, func(*unstructured.Unstructured) (string, int) { return "probe: tls fail\n", 5 })
	r.until("the default ServiceAccount", serviceAccounts, "default", func(_ *unstructured.Unstructured, err error) bool { return err == nil })
	r.create(pods, map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "probe"},
		"spec": map[string]any{"restartPolicy": "Never", "containers": []any{map[string]any{"name": "c", "image": "probe:1"}}}})
	r.until("the pod's end", pods, "probe", func(o *unstructured.Unstructured, err error) bool {
		phase, _, _ := unstructured.NestedString(o.Object, "status", "phase")
		return err == nil && phase == "Failed"
	})
	client, err := rest.HTTPClientFor(r.server.Config)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Get(r.server.URL + "/api/v1/namespaces/" + r.ns + "/pods/probe/log")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if text, err := io.ReadAll(response.Body); err != nil || string(text) != "probe: tls fail\n" {
		t.Errorf("log is %q, %v", text, err)
	}
}

func TestTokenOfASecretWithoutTheSigningKey(t *testing.T) {
	r := newRig(t)
	account := r.create(serviceAccounts, map[string]any{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "far"}})
	secret := r.create(secrets, map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "any"}})
	token, err := (&Controllers{client: r.client}).tokenFor(context.Background(), secret, account)
	if err != nil {
		t.Fatal(err)
	}
	if who := r.whoAmI(r.server.ConfigFor(token)); who != "system:serviceaccount:"+r.ns+":far" {
		t.Errorf("the token authenticates as %q", who)
	}
}
