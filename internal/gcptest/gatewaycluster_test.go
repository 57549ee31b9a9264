package gcptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"causeway/internal/kubetest"
)

var (
	namespacesKind = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	podsKind       = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	nodesKind      = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
)

// gatewayWorld is a gateway before a real API server, with a Pod in which a command can
// really be run.
type gatewayWorld struct {
	*testing.T
	google    *Server
	front     *GatewayFront
	server    *httptest.Server
	admin     dynamic.Interface
	namespace string
}

func newGatewayWorld(t *testing.T) *gatewayWorld {
	t.Helper()
	cluster := kubetest.Start(t)
	google := fleet(t)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(cluster.CA)
	front, err := NewGatewayFront(google, cluster.URL, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	front.Token = kubetest.GoogleToken
	server := httptest.NewUnstartedServer(front)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	google.SetGatewayURL(server.URL)
	admin, err := dynamic.NewForConfig(cluster.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &gatewayWorld{t, google, front, server, admin, cluster.Namespace(t)}
}

// ca is the certificate of the gateway's own server, which at Google is a public one.
func (w *gatewayWorld) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.server.Certificate().Raw})
}

// as is a client's configuration by a way of the gateway.
func (w *gatewayWorld) as(token, way string) *rest.Config {
	return &rest.Config{Host: w.server.URL + way, BearerToken: token, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: w.ca()}}
}

func (w *gatewayWorld) client(token, way string) dynamic.Interface {
	w.Helper()
	client, err := dynamic.NewForConfig(w.as(token, way))
	if err != nil {
		w.Fatal(err)
	}
	return client
}

// make creates an object and removes it at the end, so that other tests do not meet it.
func (w *gatewayWorld) make(kind schema.GroupVersionResource, namespace string, o object) *unstructured.Unstructured {
	w.Helper()
	made, err := w.admin.Resource(kind).Namespace(namespace).Create(w.Context(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{})
	if err != nil {
		w.Fatalf("make %s: %v", kind.Resource, err)
	}
	w.Cleanup(func() {
		now := int64(0)
		if err := w.admin.Resource(kind).Namespace(namespace).Delete(context.Background(), made.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			w.Errorf("remove %s: %v", kind.Resource, err)
		}
	})
	return made
}

// grant binds a user or ServiceAccount to a ClusterRole with one rule, everywhere.
func (w *gatewayWorld) grant(name, subject string, rule object) {
	w.Helper()
	group := "rbac.authorization.k8s.io"
	kind := func(resource string) schema.GroupVersionResource {
		return schema.GroupVersionResource{Group: group, Version: "v1", Resource: resource}
	}
	who := object{"kind": "User", "apiGroup": group, "name": subject}
	w.make(kind("clusterroles"), "", object{"apiVersion": group + "/v1", "kind": "ClusterRole", "metadata": object{"name": name}, "rules": []any{rule}})
	w.make(kind("clusterrolebindings"), "", object{"apiVersion": group + "/v1", "kind": "ClusterRoleBinding", "metadata": object{"name": name},
		"roleRef": object{"apiGroup": group, "kind": "ClusterRole", "name": name}, "subjects": []any{who}})
}

// until repeats what RBAC, which learns by watching, may not know yet.
func (w *gatewayWorld) until(what string, try func() error) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.Fatalf("%s: %v", what, err)
		}
	}
}

func says(err error, parts ...string) error {
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			return fmt.Errorf("%v, does not say %q", err, part)
		}
	}
	return nil
}

// TestTheGatewayBeforeARealCluster goes through what a user meets, in the order in which
// he would: no right, rights, the agent's way without and with its policy.
func TestTheGatewayBeforeARealCluster(t *testing.T) {
	t.Parallel()
	w := newGatewayWorld(t)
	list := func(client dynamic.Interface) error {
		_, err := client.Resource(namespacesKind).List(t.Context(), metav1.ListOptions{Limit: 1})
		return err
	}
	direct, agent := w.client(alice, gatewayGKE), w.client(alice, gatewayOld)
	if err := says(list(direct), `User "alice@example.com" cannot list resource "namespaces"`); err != nil {
		t.Error(err)
	}
	if err := list(w.client(Token, gatewayGKE)); err != nil { // IAM gives it
		t.Errorf("the project's owner: %v", err)
	}
	w.grant("gateway-read", "alice@example.com", object{"apiGroups": []any{""}, "resources": []any{"namespaces"}, "verbs": []any{"list", "watch"}})
	w.until("a user with a right", func() error { return list(direct) })

	watch, err := direct.Resource(namespacesKind).Watch(t.Context(), metav1.ListOptions{FieldSelector: "metadata.name=" + w.namespace})
	if err != nil {
		t.Fatal(err)
	}
	defer watch.Stop()
	select {
	case event := <-watch.ResultChan():
		if made, ok := event.Object.(*unstructured.Unstructured); !ok || made.GetName() != w.namespace {
			t.Errorf("event %+v", event)
		}
	case <-time.After(10 * time.Second):
		t.Error("no event of the watch comes through")
	}

	if err := list(agent); err == nil || !strings.Contains(strings.ToLower(err.Error()), "unable to handle the request") {
		t.Errorf("without an agent: %v", err)
	}
	w.front.Agent = kubetest.AgentToken
	// Before Kubernetes 1.36: users "alice@example.com" is forbidden: User "..." cannot impersonate resource "users" ...
	cannot := `User "system:serviceaccount:gke-connect:connect-agent-sa" cannot impersonate`
	if err := says(list(agent), "is forbidden: "+cannot); err != nil {
		t.Error(err)
	}
	w.grant("gateway-impersonate-test", kubetest.AgentUser, object{"apiGroups": []any{""}, "resources": []any{"users"},
		"resourceNames": []any{"alice@example.com"}, "verbs": []any{"impersonate"}})
	w.until("by an agent that may impersonate", func() error { return list(agent) })
	if err := says(list(w.client(Token, gatewayOld)), cannot); err != nil {
		t.Errorf("somebody whom the policy does not name: %v", err)
	}
}

// TestStreamsToARealCluster runs a command in a Pod: through the gateway, the API
// server, and a kubelet.
func TestStreamsToARealCluster(t *testing.T) {
	t.Parallel()
	w := newGatewayWorld(t)
	w.runPod()
	run := func(command string) (string, error) {
		config := w.as(alice, gatewayGKE)
		config.NextProtos = []string{"http/1.1"}
		at := w.server.URL + gatewayGKE + "/api/v1/namespaces/" + w.namespace + "/pods/web/exec?stdout=true&container=web&command=" + url.QueryEscape(command)
		executor, err := remotecommand.NewWebSocketExecutor(config, http.MethodGet, at)
		if err != nil {
			return "", err
		}
		var out bytes.Buffer
		err = executor.StreamWithContext(t.Context(), remotecommand.StreamOptions{Stdout: &out})
		return out.String(), err
	}
	_, err := run("hello")
	if err := says(err, "400 Bad Request", "generic::failed_precondition: failed to connect to the cluster's API Server with response (status=403 Forbidden",
		`User \\\"alice@example.com\\\" cannot get resource \\\"pods/exec\\\"`); err != nil {
		t.Error(err)
	}
	w.grant("gateway-pods", "alice@example.com", object{"apiGroups": []any{""}, "resources": []any{"pods"}, "verbs": []any{"get"}})
	w.kubectl()

	w.grant("gateway-stream", "alice@example.com", object{"apiGroups": []any{"*"}, "resources": []any{"pods/exec", "pods/attach", "pods/portforward"}, "verbs": []any{"get"}})
	w.until("get alone, which was enough before Kubernetes 1.35", func() error {
		_, err := run("hello")
		return says(err, "(status=403 Forbidden", `pods \\\"web\\\" is forbidden: `)
	})
	w.grant("gateway-stream-more", "alice@example.com", object{"apiGroups": []any{""}, "resources": []any{"pods/exec", "pods/attach", "pods/portforward"}, "verbs": []any{"create"}})
	w.until("both verbs", func() error {
		out, err := run("hello")
		if err == nil && out != "hello\n" {
			return fmt.Errorf("said %q", out)
		}
		return err
	})

	w.front.StreamLife = 300 * time.Millisecond
	if _, err := run("stay"); says(err, "generic::failed_precondition: connection to agent terminated") != nil {
		t.Errorf("a session after its time: %v", err)
	}
	w.front.StreamLife = 0
	w.google.Deny("gkehub.gateway.stream")
	if _, err := run("hello"); says(err, "403 Forbidden", "generic::permission_denied: Permission 'gkehub.gateway.stream' denied on resource") != nil {
		t.Errorf("without the permission: %v", err)
	}
}

// kubectl shows that a real one says what the troubleshooting page says that it does.
func (w *gatewayWorld) kubectl() {
	w.Helper()
	for _, program := range []string{"kubectl", "gke-gcloud-auth-plugin"} {
		if _, err := exec.LookPath(program); err != nil {
			w.Logf("NOT RUN: %s is not installed here; what it says was not looked at (1 test counted as not run)", program)
			if file := os.Getenv("CAUSEWAY_NOT_RUN_FILE"); file != "" {
				out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
				if err != nil {
					w.Fatal(err)
				}
				_, _ = fmt.Fprintf(out, "%s: %s is not installed\n", w.Name(), program)
				_ = out.Close()
			}
			return
		}
	}
	home := w.TempDir()
	write := func(name string, text []byte) string {
		file := filepath.Join(home, name)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			w.Fatal(err)
		}
		return file
	}
	var answer struct{ Kubeconfig []byte }
	decode(w.T, must(w.T, w.google, "GET", generateBase+"europe-west3/memberships/private-cluster:generateCredentials?kubernetesNamespace="+w.namespace, ""), &answer)
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "KUBECONFIG=" + write("kubeconfig", answer.Kubeconfig), "SSL_CERT_FILE=" + write("ca", w.ca()),
		"CLOUDSDK_CONFIG=" + home, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=" + write("token", []byte(alice)), "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1"}
	run := func(args ...string) string {
		command := exec.CommandContext(w.Context(), "kubectl", args...)
		command.Env = env
		out, err := command.CombinedOutput()
		if err == nil {
			w.Errorf("kubectl %s: went well: %s", strings.Join(args, " "), out)
		}
		return string(out)
	}
	expect := func(said string, parts ...string) {
		w.Helper()
		if err := says(errors.New(said), parts...); err != nil {
			w.Error(err)
		}
	}
	w.front.Fail(FailResources)
	expect(run("get", "ns", "--cache-dir", w.TempDir()), "the server doesn't have a resource type")
	w.front.Fail(FailUnknown)
	expect(run("get", "ns", "--cache-dir", w.TempDir()), "the server rejected our request for an unknown reason")
	w.front.Fail("")
	pods := w.client(alice, gatewayGKE).Resource(podsKind).Namespace(w.namespace)
	w.until("rights", func() error { _, err := pods.Get(w.Context(), "web", metav1.GetOptions{}); return err })
	expect(run("exec", "-v", "4", "web", "--", "hello"), "RemoteCommand fallback:", "failed to connect to the cluster's API Server with response (status=403 Forbidden", "Bad Request")
	expect(run("port-forward", "-v", "4", "web", ":80"), "fallback to secondary dialer from primary dialer err:", "(status=403 Forbidden")
}

// runPod makes a Pod, and a node whose kubelet runs its commands: `hello` says so, and
// `stay` stays.
func (w *gatewayWorld) runPod() {
	w.Helper()
	kubelet := httptest.NewTLSServer(http.HandlerFunc(kubeletExec))
	w.Cleanup(kubelet.Close)
	port := int64(kubelet.Listener.Addr().(*net.TCPAddr).Port)
	name := "node-of-" + w.namespace
	node := w.make(nodesKind, "", object{"apiVersion": "v1", "kind": "Node", "metadata": object{"name": name}})
	node.Object["status"] = object{"addresses": []any{object{"type": "InternalIP", "address": "127.0.0.1"}},
		"daemonEndpoints": object{"kubeletEndpoint": object{"Port": port}}}
	if _, err := w.admin.Resource(nodesKind).UpdateStatus(w.Context(), node, metav1.UpdateOptions{}); err != nil {
		w.Fatal(err)
	}
	w.make(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}, w.namespace, object{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": "runner"}})
	pod := w.make(podsKind, w.namespace, object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": "web"},
		// With a scheduler of its own, the controllers of other tests leave it alone.
		"spec": object{"nodeName": name, "schedulerName": "test", "serviceAccountName": "runner", "containers": []any{object{"name": "web", "image": "web"}}}})
	pod.Object["status"] = object{"phase": "Running", "conditions": []any{object{"type": "Ready", "status": "True"}}}
	if _, err := w.admin.Resource(podsKind).Namespace(w.namespace).UpdateStatus(w.Context(), pod, metav1.UpdateOptions{}); err != nil {
		w.Fatal(err)
	}
}

// kubeletExec is the smallest kubelet. The API server talks SPDY to it, whatever it was
// spoken to in.
func kubeletExec(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream, 8)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, replied <-chan struct{}) error {
		go func() { <-replied; streams <- stream }()
		return nil
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	byType := map[string]httpstream.Stream{}
	for len(byType) < 2 {
		select {
		case stream := <-streams:
			byType[stream.Headers().Get("streamType")] = stream
		case <-conn.CloseChan():
			return
		}
	}
	if r.URL.Query().Get("command") == "hello" {
		_, _ = byType["stdout"].Write([]byte("hello\n"))
		_ = byType["stdout"].Close()
		_, _ = byType["error"].Write([]byte(`{"metadata":{},"status":"Success"}`))
		_ = byType["error"].Close()
	}
	select {
	case <-conn.CloseChan():
	case <-time.After(20 * time.Second):
	}
}

// decode reads an answer into a type.
func decode(t *testing.T, from object, into any) {
	t.Helper()
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}
