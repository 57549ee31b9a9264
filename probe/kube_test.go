package probe

import (
	"context"
	"errors"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"causeway/internal/kubetest"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// realKubeconfig is for the server, with a token or a client certificate.
func realKubeconfig(t *testing.T, server *kubetest.Server, namespace string, user *clientcmdapi.AuthInfo) []byte {
	t.Helper()
	config := clientcmdapi.NewConfig()
	config.Clusters["real"] = &clientcmdapi.Cluster{Server: server.URL, CertificateAuthorityData: server.CA}
	config.AuthInfos["real"] = user
	config.Contexts["real"] = &clientcmdapi.Context{Cluster: "real", AuthInfo: "real", Namespace: namespace}
	config.CurrentContext = "real"
	data, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// viewer makes a ServiceAccount that may read namespaces and Pods, and asks for a
// token of an hour. (The role view is filled by a controller that is not there.)
func viewer(t *testing.T, server *kubetest.Server, namespace string) string {
	t.Helper()
	client, err := dynamic.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	accounts := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).Namespace(namespace)
	account := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount", "metadata": map[string]any{"name": "far"}}}
	if _, err := accounts.Create(ctx, account, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	roles := client.Resource(schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterroles"})
	role := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": "probe-" + namespace},
		"rules": []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"namespaces", "pods"}, "verbs": []any{"get", "list", "watch"}}}}}
	if _, err := roles.Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bindings := client.Resource(schema.GroupVersionResource{Group: "rbac.authorization.k8s.io", Version: "v1", Resource: "clusterrolebindings"})
	binding := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": map[string]any{"name": "probe-" + namespace},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "probe-" + namespace},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": "far", "namespace": namespace}}}}
	if _, err := bindings.Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bindings.Delete(ctx, binding.GetName(), metav1.DeleteOptions{})
		_ = roles.Delete(ctx, role.GetName(), metav1.DeleteOptions{})
	})
	request := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": map[string]any{"name": "far"},
		"spec": map[string]any{"expirationSeconds": int64(3600)}}}
	answer, err := accounts.Create(ctx, request, metav1.CreateOptions{}, "token")
	if err != nil {
		t.Fatal(err)
	}
	token, _, _ := unstructured.NestedString(answer.Object, "status", "token")
	return token
}

func TestARealAPIServerPassesAsAViewer(t *testing.T) {
	t.Parallel()
	server := kubetest.Start(t)
	namespace := server.Namespace(t)
	token := viewer(t, server, namespace)
	kubeconfig := realKubeconfig(t, server, namespace, &clientcmdapi.AuthInfo{Token: token})
	if err := settled(t, kubeconfig); err != nil {
		t.Fatal(err)
	}
	options := Options{
		LargeBody: true, Idle: 2 * time.Second, Exec: &ExecTarget{Namespace: namespace, Pod: "none"},
		Rights: []Right{{Verb: "list", Resource: "pods"}, {Verb: "create", Resource: "pods", Subresource: "exec", Namespace: namespace, Optional: true}},
	}
	report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, options, nil)
	var failure *Error
	if !errors.As(err, &failure) || failure.Hop != HopExecWebSocket || failure.Code() != "CW-PROBE-FORBIDDEN" {
		t.Errorf("Run = %v, want only exec to be forbidden; %s", err, table(report))
	}
	wantReal(t, report, namespace)
	stdout, stderr, code := runScript(t, []string{"sh"}, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json",
		"--large-body", "--idle", "2", "--exec", namespace+"/none", "--right", "list:pods", "--right", "create:pods/exec:"+namespace+"?")
	script, err := ParseScript([]byte(stdout))
	if err != nil || code != 5 || stderr != "" {
		t.Fatalf("verify.sh: exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	wantReal(t, script, namespace)
	if a, b := report.Hop(HopHTTP).Facts["version"], script.Hop(HopHTTP).Facts["version"]; a != b || a == "" {
		t.Errorf("the API server is %q in Go and %q in verify.sh", a, b)
	}
	if strings.Contains(describe(report)+stdout, token) {
		t.Error("the token is in the output")
	}
}

// settled waits until the API server has heard of the new binding.
func settled(t *testing.T, kubeconfig []byte) error {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{}, nil)
		if err == nil && report.Hop(HopList).Status == Pass {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.New("the viewer's rights did not come: " + table(report))
		}
	}
}

func wantReal(t *testing.T, report Report, namespace string) {
	t.Helper()
	for hop, want := range map[string]struct {
		status Status
		code   string
	}{
		HopResolve: {Pass, ""}, HopConnect: {Pass, ""}, HopTLS: {Pass, ""}, HopHTTP: {Pass, ""}, HopIdentity: {Pass, ""},
		HopRights: {Warn, "CW-PROBE-RIGHTS"}, HopList: {Pass, ""}, HopWatch: {Pass, ""}, HopLargeBody: {Pass, ""}, HopIdle: {Pass, ""},
		HopExecWebSocket: {Fail, "CW-PROBE-FORBIDDEN"}, HopExecSPDY: {Fail, "CW-PROBE-FORBIDDEN"},
	} {
		if r := report.Hop(hop); r == nil || r.Status != want.status || r.Code != want.code {
			t.Errorf("%s: %+v, want %s %s", hop, r, want.status, want.code)
		}
	}
	if user := report.Hop(HopIdentity).Facts["user"]; user != "system:serviceaccount:"+namespace+":far" {
		t.Errorf("the user is %q", user)
	}
	if report.Hop(HopIdentity).Facts["token_ends"] == "" || !strings.Contains(report.Hop(HopWatch).Detail, "over h2") {
		t.Errorf("identity %q, watch %q", report.Hop(HopIdentity).Detail, report.Hop(HopWatch).Detail)
	}
}

func TestARealAPIServerTellsWhoIsWrong(t *testing.T) {
	t.Parallel()
	server := kubetest.Start(t)
	for name, c := range map[string]struct {
		user      *clientcmdapi.AuthInfo
		hop, code string
	}{
		"a token of nobody": {&clientcmdapi.AuthInfo{Token: "nobody's"}, HopIdentity, "CW-PROBE-UNAUTHORIZED"},
		"no credential":     {&clientcmdapi.AuthInfo{}, HopIdentity, "CW-PROBE-ANONYMOUS"},
	} {
		t.Run(name, func(t *testing.T) {
			kubeconfig := realKubeconfig(t, server, "default", c.user)
			_, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{}, nil)
			var failure *Error
			if !errors.As(err, &failure) || failure.Hop != c.hop || failure.Code() != c.code && failure.Code() != "CW-PROBE-UNAUTHORIZED" {
				t.Errorf("Run = %v, want %s at %s", err, c.code, c.hop)
			}
			stdout, _, _ := runScript(t, []string{"sh"}, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json")
			script, scriptErr := ParseScript([]byte(stdout))
			if scriptErr != nil || script.Failed() == nil || script.Failed().Code != failure.Code() {
				t.Errorf("verify.sh: %v\n%s", scriptErr, stdout)
			}
		})
	}
}

func TestOnARealAPIServerALiveChangeComesThroughAndGoes(t *testing.T) {
	t.Parallel()
	server := kubetest.Start(t)
	namespace := server.Namespace(t)
	kubeconfig := realKubeconfig(t, server, namespace, admin(t, server))
	report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{WatchChange: true, Exec: &ExecTarget{Namespace: namespace, Pod: "none"}}, nil)
	var failure *Error
	if !errors.As(err, &failure) || failure.Code() != "CW-PROBE-EXEC-TARGET" {
		t.Errorf("Run = %v, want only the Pod to be missing; %s", err, table(report))
	}
	if r := report.Hop(HopWatch); r.Status != Pass || r.Facts["event_ms"] == "" {
		t.Errorf("watch: %s %q", r.Status, r.Detail)
	}
	if left := probeMaps(t, server, namespace); len(left) != 0 {
		t.Errorf("the probe left %v", left)
	}
}

func admin(t *testing.T, server *kubetest.Server) *clientcmdapi.AuthInfo {
	t.Helper()
	certificate, key, err := server.ClientCert("probe-admin", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	return &clientcmdapi.AuthInfo{ClientCertificateData: certificate, ClientKeyData: key}
}

func probeMaps(t *testing.T, server *kubetest.Server, namespace string) []string {
	t.Helper()
	client, err := dynamic.NewForConfig(server.Config)
	if err != nil {
		t.Fatal(err)
	}
	list, err := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}).Namespace(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, item := range list.Items {
		if strings.HasPrefix(item.GetName(), "causeway-probe-") {
			names = append(names, item.GetName())
		}
	}
	return names
}

// The sizes of the large-body hop stand between these two answers.
func TestARealAPIServersOwnBodyLimitIsAboveTheHops(t *testing.T) {
	t.Parallel()
	server := kubetest.Start(t)
	s, err := newSession(Target{Kubeconfig: realKubeconfig(t, server, "default", admin(t, server))}, withDefaults(Options{}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	for size, want := range map[int]int{largeBodyBytes: 201, 3<<20 - 1: 201, 3<<20 + 1: 413} {
		body, err := paddedReview(size)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.call(t.Context(), http.MethodPost, reviewPath, nil, body)
		if err != nil || got.code != want || len(body) != size {
			t.Errorf("%d bytes: %v, %d, want %d", size, err, got.code, want)
		}
	}
	// Why it is no ConfigMap: validation refuses one above 1 MiB, dry run or not.
	large := []byte(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"x":"` + strings.Repeat("x", 3<<19) + `"}}`)
	got, err := s.call(t.Context(), http.MethodPost, "api/v1/namespaces/default/configmaps", map[string][]string{"dryRun": {"All"}}, large)
	if err != nil || got.code != http.StatusUnprocessableEntity {
		t.Errorf("a ConfigMap of 1.5 MiB: %v, %d", err, got.code)
	}
}

func TestShellcheckHasNothingToSay(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Log("shellcheck is not installed; make lint asks for it")
		return
	}
	if out, err := exec.Command(path, "-s", "sh", "-S", "warning", verifySh).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
