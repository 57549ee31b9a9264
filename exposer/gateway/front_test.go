package gateway

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
	"causeway/probe"
)

// served is a world whose gateway really answers: Google's front end before the API
// server, with a certificate that this machine's roots vouch for.
func served(t *testing.T, w *conformance.World) (exposer.Job, *gcptest.GatewayFront) {
	t.Helper()
	front, err := gcptest.NewGatewayFront(w.Google, w.Server.URL, w.Behind())
	if err != nil {
		t.Fatal(err)
	}
	front.Token = kubetest.GoogleToken
	public := conformance.NewAuthority(t, "public root")
	server := conformance.Front(t, front, "127.0.0.1", public)
	w.Google.SetGatewayURL(server.URL)
	job := jobOf(t, w)
	if job.Command, err = os.Executable(); err != nil { // this binary answers as the plugin would
		t.Fatal(err)
	}
	job.Probe = probe.Options{Roots: public.Trust()}
	return job, front
}

// runPod makes a Pod in the namespace default and a node whose kubelet runs its
// commands, and names the Pod.
func runPod(t *testing.T, w *conformance.World) string {
	t.Helper()
	kubelet := httptest.NewTLSServer(http.HandlerFunc(kubetest.SayHello))
	t.Cleanup(kubelet.Close)
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	name := "pod-" + w.Spec.Name
	create := func(resource, namespace string, o map[string]any, status map[string]any) {
		t.Helper()
		at := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource}).Namespace(namespace)
		made, err := at.Create(t.Context(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			now := int64(0)
			if err := at.Delete(context.Background(), made.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
				t.Errorf("remove %s: %v", resource, err)
			}
		})
		if status == nil { // the cluster's controllers tell it
			return
		}
		made.Object["status"] = status
		if _, err := at.UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	create("nodes", "", map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name}},
		map[string]any{"addresses": []any{map[string]any{"type": "InternalIP", "address": "127.0.0.1"}},
			"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]any{"Port": int64(kubelet.Listener.Addr().(*net.TCPAddr).Port)}}})
	create("pods", "default", map[string]any{"apiVersion": "v1", "kind": "Pod",
		// A Pod that nobody owns would be run to its end by controllers of other tests.
		"metadata": map[string]any{"name": name, "ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "web", "uid": "0", "controller": true}}},
		"spec":     map[string]any{"nodeName": name, "containers": []any{map[string]any{"name": "web", "image": "web"}}, "automountServiceAccountToken": false}}, nil)
	return name
}
