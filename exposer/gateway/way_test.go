package gateway

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
	"causeway/internal/kube"
	"causeway/internal/kubetest"
	"causeway/kubeconfig"
	"causeway/probe"
)

const aliceToken = "ya29.alice"

// TestTheKubeconfigWorksThroughTheGateway applies, and then is the member herself:
// the public certificate, the exec plugin, IAM, impersonation at the API server, her
// rights there, and a command in a Pod.
func TestTheKubeconfigWorksThroughTheGateway(t *testing.T) {
	t.Parallel()
	spec := with(forAlice(), func(o *exposer.Gateway) { o.Stream = true })
	spec.Access.Role = "cluster-admin" // there is nobody here who fills the role view
	w := world(t, spec)
	before := w.State()
	job, front := served(t, w)
	w.Google.AddPrincipal(aliceToken, alice)
	pod := runPod(t, w)
	result, err := job.Apply(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if result.Probe == nil {
		t.Fatal("it was not probed")
	}
	text, err := os.ReadFile(result.Kubeconfig)
	if err != nil || strings.Contains(string(text), "certificate-authority") || strings.Contains(string(text), gcptest.Token) {
		t.Errorf("the kubeconfig has a CA or a token (%v)", err)
	}
	if again, err := job.Apply(t.Context(), w.Spec); err != nil || again.Changed {
		t.Errorf("second apply: changed %t, %v", again.Changed, err)
	}

	as := func(token string) (probe.Report, error) {
		t.Helper()
		options := job.Probe
		options.Exec = &probe.ExecTarget{Namespace: "default", Pod: pod}
		return probe.Run(t.Context(), probe.Target{Kubeconfig: of(text, token)}, options, nil)
	}
	report, err := as(aliceToken)
	if got := report.Hop(probe.HopIdentity); !strings.Contains(got.Detail, "alice@example.com") {
		t.Errorf("the API server takes her for %s", got.Detail)
	}
	for _, hop := range []string{probe.HopRights, probe.HopList, probe.HopWatch, probe.HopExecWebSocket} {
		if got := report.Hop(hop); got.Status != probe.Pass {
			t.Errorf("%s: %s %s (%v)", hop, got.Status, got.Detail, err)
		}
	}
	w.Google.AddPrincipal("ya29.mallory", "user:mallory@example.com")
	if _, err := as("ya29.mallory"); explain.CodeOf(err) != "CW-GATEWAY-ROLE" {
		t.Errorf("somebody whom nobody let in: %v", err)
	}
	front.Fail(gcptest.FailStreams)
	report, _ = as(aliceToken)
	if got := report.Hop(probe.HopExecWebSocket); got.Code != "CW-GATEWAY-STREAMS" {
		t.Errorf("the eleventh stream: %+v", got)
	}
	front.Fail("")
	// A role that lacks stream: the rest goes on.
	w.Google.Deny(mayStream)
	report, _ = as(aliceToken)
	if got := report.Hop(probe.HopExecWebSocket); got.Code != "CW-GATEWAY-STREAM" || report.Hop(probe.HopList).Status != probe.Pass {
		t.Errorf("without gkehub.gateway.stream: %+v", got)
	}
	w.Google.Allow(mayStream)

	destroy(t, w)
	if _, err := as(aliceToken); err == nil {
		t.Error("she still gets in")
	}
	w.Gone(t, before)
}

// TestAReaderIsLetIn: the reviews by which an API server tells who calls are sent by
// POST, which the gateway lets no reader do; all else is proven.
func TestAReaderIsLetIn(t *testing.T) {
	t.Parallel()
	spec := forAlice()
	spec.Access.Role = "cluster-admin"
	w := registered(t, spec)
	job, _ := served(t, w)
	w.Google.AddPrincipal(aliceToken, alice)
	w.Google.AddPrincipal("ya29.bob", bob)
	edit(t, w, reader, bob, true)
	result, err := job.Apply(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(result.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	known(t, open(t, w), "alice@example.com", kube.Access{Verb: "watch", Resource: "namespaces"}, true)
	for token, listed := range map[string]probe.Status{aliceToken: probe.Pass, "ya29.bob": probe.Skip} { // bob has no right in the cluster
		report, err := probe.Run(t.Context(), probe.Target{Kubeconfig: of(text, token)}, job.Probe, nil)
		if err != nil || report.Hop(probe.HopIdentity).Status != probe.Skip || report.Hop(probe.HopRights).Status != probe.Skip ||
			report.Hop(probe.HopList).Status != listed || report.Hop(probe.HopWatch).Status != listed {
			t.Errorf("%s: %v %+v", token, err, report.Results)
		}
	}
	destroy(t, w)
}

// TestRightsInOneNamespace: bound there, and nowhere else.
func TestRightsInOneNamespace(t *testing.T) {
	t.Parallel()
	// Somebody whom no other test lets into the cluster that they share.
	w := registered(t, with(everything(), func(o *exposer.Gateway) { o.Members = []string{"user:narrow@example.com"} }))
	apply(t, w)
	x := open(t, w)
	for about, c := range map[string]struct {
		right kube.Access
		want  bool
	}{
		"exec in the namespace": {kube.Access{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "default"}, true},
		"exec in another":       {kube.Access{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "kube-system"}, false},
		"port-forward":          {kube.Access{Verb: "get", Resource: "pods", Subresource: "portforward", Namespace: "default"}, true},
	} {
		if got := known(t, x, "narrow@example.com", c.right, c.want); got != c.want {
			t.Errorf("%s: %t", about, got)
		}
	}
	destroy(t, w)
}

// known is whether a user has a right in the cluster, once RBAC, which learns by
// watching, knows what is wanted.
func known(t *testing.T, x *exposure, user string, right kube.Access, want bool) (allowed bool) {
	t.Helper()
	err := x.deps.Poll(t.Context(), time.Minute, func(ctx context.Context) (bool, error) {
		got, err := x.kube.Can(ctx, user, right)
		allowed = got.Allowed
		return allowed == want, err
	})
	if err != nil && !exposer.TimedOut(err) {
		t.Fatal(err)
	}
	return allowed
}

// TestFromAMachineThatHasTheGatewayAlone: the way to the cluster's API is what is
// made; the rights in the cluster follow by it.
func TestFromAMachineThatHasTheGatewayAlone(t *testing.T) {
	t.Parallel()
	w := world(t, forAlice())
	before := w.State()
	job, late := jobOf(t, w), atomic.Int32{}
	connect := job.Deps.Connect
	job.Deps.Connect = func(ctx context.Context, o kube.ConnectOptions) (*kube.Client, error) {
		if o.Endpoints.Gateway == "" || late.Add(1) < 3 { // IAM takes a moment
			return nil, &exposer.RunError{Code_: "CW-KUBE-UNREACHABLE", Text: "connect cluster: nothing answers"}
		}
		if !strings.HasSuffix(o.Endpoints.Gateway, "/gkeMemberships/private-cluster") {
			t.Errorf("the gateway's address: %s", o.Endpoints.Gateway)
		}
		return connect(ctx, o)
	}
	exposure, plan, problems, err := job.Plan(t.Context(), w.Spec)
	if err != nil || len(problems) > 0 || len(plan.Items) != 3 {
		t.Fatalf("%v %v %+v", err, problems, plan.Items)
	}
	if exposure.(exposer.Deferring).Deferred() == nil {
		t.Error("the rights in the cluster are not said to follow")
	}
	job.Deps.Dial = nowhere
	if _, err := job.Apply(t.Context(), w.Spec); err != nil {
		t.Fatal(err)
	}
	if left, err := w.Objects(t.Context()); err != nil || len(left) == 0 {
		t.Errorf("in the cluster: %v %v", left, err)
	}
	leaving, record, _, err := job.PlanDestroy(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	job.Deps.Leaving = true
	if _, err := job.Destroy(t.Context(), leaving, record); err != nil {
		t.Fatal(err)
	}
	w.Gone(t, before)
}

// TestByTheAgent: it may speak for users, by their names, and for no groups; requests
// go by its own address.
//
// It is not parallel: the agent's namespace is the cluster's, which others look at.
func TestByTheAgent(t *testing.T) {
	spec := with(plain(), func(o *exposer.Gateway) {
		o.Agent, o.Role, o.Members = true, "editor", []string{alice, "group:ops@example.com"}
	})
	spec.Access.Role = "cluster-admin"
	w := registered(t, spec)
	job, front := served(t, w)
	w.Google.AddPrincipal(aliceToken, alice)
	installAgent(t, w)
	if _, err := job.Apply(t.Context(), w.Spec); explain.CodeOf(err) != "CW-GATEWAY-NO-AGENT" {
		t.Errorf("an agent that Google does not see: %v", err)
	}
	front.Agent = kubetest.AgentToken
	if _, err := job.Apply(t.Context(), w.Spec); explain.CodeOf(err) != "CW-GATEWAY-IMPERSONATE" {
		t.Errorf("the operator's own probe, for whom the agent may not speak: %v", err)
	}
	job.Deps.Dial = nowhere
	result, err := job.Apply(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(result.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	have, err := kubeconfig.Inspect(text, "")
	if err != nil || !strings.HasSuffix(have.Server, "/locations/europe-west3/memberships/private-cluster") {
		t.Errorf("%s %v", have.Server, err)
	}
	report, err := probe.Run(t.Context(), probe.Target{Kubeconfig: of(text, aliceToken)}, job.Probe, nil)
	if got := report.Hop(probe.HopIdentity); err != nil || !strings.Contains(got.Detail, "alice@example.com") {
		t.Errorf("alice: %+v %v", got, err)
	}
	if names := impersonation(t, w); len(names) != 1 || names[0] != "alice@example.com" {
		t.Errorf("the agent may speak for %v", names)
	}
	destroy(t, w)
}

// impersonation are those for whom the exposure lets the agent speak.
func impersonation(t *testing.T, w *conformance.World) []string {
	t.Helper()
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	role, err := client.Resource(schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"}).
		Get(t.Context(), "causeway-"+w.Spec.Name+"-impersonate", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rules, _, _ := unstructured.NestedSlice(role.Object, "rules")
	if len(rules) != 1 {
		t.Fatalf("rules: %v", rules)
	}
	names, _, _ := unstructured.NestedStringSlice(rules[0].(map[string]any), "resourceNames")
	return names
}

// installAgent makes what an agent leaves in a cluster: its namespace, and a Pod that
// is ready.
func installAgent(t *testing.T, w *conformance.World) {
	t.Helper()
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	namespaces := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	if _, err := namespaces.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace",
		"metadata": map[string]any{"name": agentNamespace}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := namespaces.Delete(ctx, agentNamespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
		if err := jobOf(t, w).Deps.Poll(ctx, time.Minute, func(ctx context.Context) (bool, error) {
			_, err := namespaces.Get(ctx, agentNamespace, metav1.GetOptions{})
			return apierrors.IsNotFound(err), nil
		}); err != nil {
			t.Errorf("the agent's namespace is not gone: %v", err)
		}
	})
	if _, text := problemsOf(t, w); !strings.Contains(text, "no Pod with the label app=gke-connect-agent") {
		t.Errorf("a namespace without Pods: %s", text)
	}
	pods := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "pods"}).Namespace(agentNamespace)
	if _, err := pods.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"name": "gke-connect-agent-1", "labels": map[string]any{"app": "gke-connect-agent"},
			"ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "web", "uid": "0", "controller": true}}},
		"spec": map[string]any{"automountServiceAccountToken": false, "containers": []any{map[string]any{"name": "agent", "image": "agent"}}}}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	x := open(t, w)
	err = x.deps.Poll(t.Context(), time.Minute, func(ctx context.Context) (bool, error) {
		state, err := x.agent(ctx)
		return state.ready, err
	})
	if err != nil {
		t.Fatalf("the agent's Pod is not ready: %v", err)
	}
}
