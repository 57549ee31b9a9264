package exposer_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/kubetest"
	"causeway/kubeconfig"
	"causeway/probe"
)

var secretKind = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// far plays the far side's script in the cluster: a pod that answers with a report
// whose hops pass, but for those that fail returns, and that looks whether the API
// server takes the kubeconfig's token.
type far struct {
	mu          sync.Mutex
	tokens      []string // that it was given
	fail        string   // hop
	nothing     bool     // no report at all
	checksToken bool
}

func (f *far) run(t testing.TB, w *conformance.World) kubetest.RunFunc {
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	return func(*unstructured.Unstructured) (string, int) {
		f.mu.Lock()
		defer f.mu.Unlock()
		secret, err := client.Resource(secretKind).Namespace(w.Spec.Namespace).Get(context.Background(), "causeway-probe", metav1.GetOptions{})
		if err != nil {
			return err.Error(), 1
		}
		encoded, _, _ := unstructured.NestedString(secret.Object, "data", "kubeconfig")
		text, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return err.Error(), 1
		}
		token := tokenOf(text)
		f.tokens = append(f.tokens, token)
		if f.nothing {
			return "sh: curl: not found\n", 127
		}
		var hops []map[string]any
		for _, hop := range []string{probe.HopTLS, probe.HopIdentity, probe.HopList} {
			status, code := "pass", ""
			bad := hop == f.fail || hop == probe.HopIdentity && f.checksToken && !accepted(w, token)
			if bad {
				status, code = "fail", "CW-PROBE-UNAUTHORIZED"
			}
			hops = append(hops, map[string]any{"hop": hop, "status": status, "code": code, "detail": "seen"})
		}
		report, err := json.Marshal(map[string]any{"tool": "verify.sh", "from": "cluster", "started": time.Now().UTC().Format(time.RFC3339), "hops": hops})
		if err != nil {
			return err.Error(), 1
		}
		return "some noise\n" + string(report) + "\n", 0
	}
}

// tokenOf is the token that stands in a kubeconfig.
func tokenOf(text []byte) string {
	_, token, _ := strings.Cut(string(text), "token: ")
	token, _, _ = strings.Cut(token, "\n")
	return strings.Trim(strings.TrimSpace(token), `"`)
}

func accepted(w *conformance.World, token string) bool {
	client, err := dynamic.NewForConfig(w.Server.ConfigFor(token))
	if err != nil {
		return false
	}
	_, err = client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}).List(context.Background(), metav1.ListOptions{Limit: 1})
	return err == nil || !strings.Contains(err.Error(), "nauthorized")
}

// inCluster makes the job probe from the cluster, with the far side's answers.
func inCluster(t testing.TB, w *conformance.World, f *far) exposer.Job {
	t.Helper()
	kubetest.Workloads(t, w.Server.Config).OnRun(w.Spec.Namespace, f.run(t, w))
	j := job(t, w)
	j.From, j.Script = exposer.FromCluster, []byte("#!/bin/sh\n")
	return j
}

func TestApplyWritesWhatItProbed(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*exposer.Spec){
		"bound": func(*exposer.Spec) {}, "renewing": renewing,
		"secret": func(s *exposer.Spec) { s.Access.Token = exposer.TokenSecret },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, _ := standing(t, edit)
			f := &far{checksToken: true}
			j := inCluster(t, w, f)
			applied, err := j.Apply(t.Context(), w.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if applied.Changed {
				t.Error("it changed what stood already")
			}
			text := written(t, j)
			if token := f.tokens[0]; !strings.Contains(string(text), token) || token == "" {
				t.Error("what was written is not what was probed")
			}
			if end := applied.Expires == nil; end != (name == "secret") {
				t.Errorf("the token's end: %v", applied.Expires)
			}
			if left, err := w.Objects(t.Context()); err != nil || strings.Contains(strings.Join(left, " "), "causeway-probe") {
				t.Errorf("the probe's pod or Secret is left: %v %v", left, err)
			}
			w.Counter.Reset()
			if _, err := j.Apply(t.Context(), w.Spec); err != nil {
				t.Fatal(err)
			}
			if string(written(t, j)) != string(text) || f.tokens[1] != f.tokens[0] {
				t.Error("a second apply took another token")
			}
			for _, write := range w.Counter.Writes {
				if strings.HasSuffix(write, "/token") {
					t.Errorf("a second apply asked for a token: %s", write)
				}
			}
			// Somebody makes the account anew: the tokens of before are worth nothing.
			remake(t, w)
			for t.Context().Err() == nil && accepted(w, f.tokens[0]) { // the API server remembers tokens for ten seconds
				pause(t)
			}
			if _, err := j.Apply(t.Context(), w.Spec); err != nil {
				t.Fatalf("with a token that is not accepted any more: %v", err)
			}
			if string(written(t, j)) == string(text) {
				t.Error("the kubeconfig still has the token that is not accepted any more")
			}
		})
	}
}

// remake deletes the client's ServiceAccount, as a cleaning colleague would.
func remake(t testing.TB, w *conformance.World) {
	t.Helper()
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	accounts := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}).Namespace(w.Spec.Namespace)
	if err := accounts.Delete(t.Context(), exposer.ClientAccount, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	for t.Context().Err() == nil { // its token Secret goes with it
		_, err := client.Resource(secretKind).Namespace(w.Spec.Namespace).Get(t.Context(), "causeway-client-token", metav1.GetOptions{})
		if err != nil {
			return
		}
		pause(t)
	}
}

// pause lets others go on before one looks again.
func pause(t testing.TB) {
	select {
	case <-t.Context().Done():
	case <-time.After(50 * time.Millisecond):
	}
}

func written(t testing.TB, j exposer.Job) []byte {
	t.Helper()
	info, err := os.Stat(j.File.Path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig's mode is %s", info.Mode())
	}
	text, err := os.ReadFile(j.File.Path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAProbeThatFailsWritesNoKubeconfig(t *testing.T) {
	t.Parallel()
	w, _ := standing(t)
	f := &far{fail: probe.HopTLS}
	j := inCluster(t, w, f)
	applied, err := j.Apply(t.Context(), w.Spec)
	var hop *probe.Error
	if !errors.As(err, &hop) || !strings.Contains(err.Error(), probe.HopTLS) {
		t.Fatalf("apply: %v, want the hop tls", err)
	}
	wantCode(t, err, "CW-PROBE-UNAUTHORIZED")
	if applied.Probe == nil || len(applied.Probe.Results) != 3 {
		t.Errorf("the report is not whole: %+v", applied.Probe)
	}
	if _, err := os.Stat(j.File.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a kubeconfig that does not work was written: %v", err)
	}
	f.nothing = true
	if _, err := j.Apply(t.Context(), w.Spec); err == nil || !strings.Contains(err.Error(), "curl: not found") {
		t.Errorf("a pod without curl: %v", err)
	}
	f.fail, f.nothing = "", false
	if _, err := j.Apply(t.Context(), w.Spec); err != nil {
		t.Error(err)
	}
	written(t, j)
}

func TestDeclined(t *testing.T) {
	t.Parallel()
	w, _ := standing(t)
	before := w.State()
	j := job(t, w)
	j.Confirm = func(_ exposer.Exposure, plan exposer.Plan) (bool, error) { return false, nil }
	w.Spec.Access.Role = "edit"
	_, err := j.Apply(t.Context(), w.Spec)
	wantCode(t, err, "CW-RUN-DECLINED")
	if w.State() != before {
		t.Error("it was changed all the same")
	}
}

func TestWhenAKubeconfigIsUsedAgain(t *testing.T) {
	t.Parallel()
	w, j := standing(t)
	exposure, _, err := j.Standing(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exposer.MakePlan(t.Context(), exposure.Steps()); err != nil {
		t.Fatal(err)
	}
	endpoint, err := exposure.Endpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	make := func(j exposer.Job, endpoint exposer.Endpoint, fresh bool) exposer.Made {
		t.Helper()
		made, err := j.Kubeconfig(t.Context(), exposure, endpoint, fresh)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	first := make(j, endpoint, false)
	if first.Reused || first.Capped || time.Until(first.Expires) < 23*time.Hour {
		t.Fatalf("the first: %+v", first.Expires)
	}
	if err := j.File.Write(first); err != nil {
		t.Fatal(err)
	}
	if again := make(j, endpoint, false); !again.Reused || string(again.Bytes) != string(first.Bytes) {
		t.Error("a good one is not used again")
	}
	if make(j, endpoint, true).Reused {
		t.Error("a fresh one was asked for")
	}
	other := endpoint
	other.URL = "https://10.156.0.99"
	if make(j, other, false).Reused {
		t.Error("it points elsewhere")
	}
	other = endpoint
	other.CA = append([]byte("\n"), endpoint.CA...)
	if make(j, other, false).Reused {
		t.Error("it trusts another CA")
	}
	late := j
	late.Deps.Now = func() time.Time { return time.Now().Add(13 * time.Hour) }
	if make(late, endpoint, false).Reused {
		t.Error("more than half of its token's life has passed")
	}
	if err := os.WriteFile(j.File.Path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = j.Kubeconfig(t.Context(), exposure, endpoint, false)
	wantCode(t, err, "CW-CFG-PARSE")
}

func TestKubeconfigIsMergedIntoOneThatExists(t *testing.T) {
	t.Parallel()
	w, j := standing(t, func(s *exposer.Spec) { s.Access.TokenTTL, s.Access.Namespaces = "100h", []string{"default"} })
	theirs, err := w.Server.Kubeconfig("theirs", kubetest.PlainToken)
	if err != nil {
		t.Fatal(err)
	}
	j.File = exposer.Output{Path: filepath.Join(t.TempDir(), "config"), Merge: true, Context: "far"}
	if err := os.WriteFile(j.File.Path, theirs, 0o600); err != nil {
		t.Fatal(err)
	}
	_, made, err := j.KubeconfigStanding(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if !made.Capped || time.Until(made.Expires) > 48*time.Hour {
		t.Errorf("100 h were asked for, 48 h is the cluster's most: capped %v, ends %s", made.Capped, made.Expires)
	}
	if err := j.File.Write(made); err != nil {
		t.Fatal(err)
	}
	text := written(t, j)
	for context, namespace := range map[string]string{"theirs": "", "far": "default"} {
		have, err := kubeconfig.Inspect(text, context)
		if err != nil || have.Namespace != namespace {
			t.Errorf("context %s: %+v %v", context, have, err)
		}
	}
	if have, err := kubeconfig.Inspect(text, ""); err != nil || have.Context != "theirs" {
		t.Errorf("the current context is %s: %v", have.Context, err)
	}
}
