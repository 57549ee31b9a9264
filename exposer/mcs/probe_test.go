package mcs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/ilb"
	"causeway/internal/kubetest"
	"causeway/probe"
)

// prober is the importing cluster's side of a probe: what its pods were given, and
// what they say.
type prober struct {
	mu    sync.Mutex
	pods  []*unstructured.Unstructured
	files []map[string]string // of the Secret, a pod each
	fail  string              // hop
	then  func()              // while the pod runs
}

func (p *prober) run(t testing.TB, s *kubetest.Server) kubetest.RunFunc {
	return func(pod *unstructured.Unstructured) (string, int) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.pods = append(p.pods, pod)
		secret, err := in(t, s, "", "secrets", pod.GetNamespace()).Get(context.Background(), "causeway-probe-"+pod.GetLabels()[exposer.ExposureLabel], metav1.GetOptions{})
		if err != nil {
			return err.Error(), 1
		}
		data, _, _ := unstructured.NestedStringMap(secret.Object, "data")
		files := map[string]string{}
		for name, value := range data {
			text, err := base64.StdEncoding.DecodeString(value)
			if err != nil {
				return err.Error(), 1
			}
			files[name] = string(text)
		}
		p.files = append(p.files, files)
		if p.then != nil {
			p.then()
		}
		report := probe.Report{Tool: "verify.sh", From: "cluster", Started: time.Now()}
		for _, hop := range []string{probe.HopResolve, probe.HopTLS} {
			one := probe.Result{Hop: hop, Status: probe.Pass, Detail: "seen"}
			if hop == p.fail {
				one.Status, one.Code = probe.Fail, "CW-PROBE-TIMEOUT"
			}
			report.Results = append(report.Results, one)
		}
		text, err := probe.JSON(report)
		if err != nil {
			return err.Error(), 1
		}
		return string(text), 0
	}
}

// probes takes what ran since the last time.
func (p *prober) probes() (pods []*unstructured.Unstructured, files []map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	pods, files, p.pods, p.files = p.pods, p.files, nil, nil
	return pods, files
}

// farSide is an exposure whose importing cluster can run a probe.
type farSide struct {
	*conformance.World
	host   *conformance.World
	second *kubetest.Server
	prober *prober
	told   *[]string
	job    exposer.Job
}

func newFar(t *testing.T) farSide {
	w, host := newStage(t, "probe", conformance.Options{})
	f := farSide{World: w, host: host, second: w.Clusters[clientPlane], prober: &prober{}, told: new([]string), job: jobOf(t, w)}
	kubetest.Workloads(t, f.second.Config).OnRun(host.Spec.Namespace, f.prober.run(t, f.second))
	f.job.From, f.job.Script = exposer.FromAuto, []byte("#!/bin/sh\n")
	f.job.Story = func(text string) { *f.told = append(*f.told, text) }
	f.job.Deps.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no such host") }
	return f
}

// says takes what was told since the last time, and wants text in it.
func (f farSide) says(t *testing.T, text string) {
	t.Helper()
	all := strings.Join(*f.told, "\n")
	if *f.told = nil; !strings.Contains(all, text) {
		t.Errorf("it does not tell %q, but\n%s", text, all)
	}
}

// clean wants nothing of a probe left in the importing cluster.
func (f farSide) clean(t *testing.T) {
	t.Helper()
	for _, kind := range []string{"pods", "secrets"} {
		list, err := in(t, f.second, "", kind, f.host.Spec.Namespace).List(context.Background(), metav1.ListOptions{LabelSelector: exposer.ExposureLabel})
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range list.Items {
			if one.GetDeletionTimestamp() == nil { // else it goes
				t.Errorf("%s %s is left in the importing cluster", kind, one.GetName())
			}
		}
	}
}

// refusing has the importing cluster answer 403 to what makes objects of a kind there.
func (f farSide) refusing(t *testing.T, kind, message string) (end func()) {
	before := f.Answer
	f.World.Answer = func(r *http.Request, answer *http.Response) error {
		if r.Method == http.MethodGet || r.Method == http.MethodDelete || !strings.HasPrefix(f.second.URL, "https://"+r.URL.Host) || !strings.Contains(r.URL.Path, "/"+f.host.Spec.Namespace+"/"+kind) {
			return before(r, answer)
		}
		var made unstructured.Unstructured // which a server that refuses does not make
		if err := json.NewDecoder(answer.Body).Decode(&made.Object); err != nil {
			return err
		}
		if err := in(t, f.second, "", kind, f.host.Spec.Namespace).Delete(context.Background(), made.GetName(), metav1.DeleteOptions{}); err != nil {
			return err
		}
		text, err := json.Marshal(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: "Forbidden", Code: 403, Message: message})
		answer.Body.Close()
		answer.StatusCode, answer.Status, answer.Body, answer.ContentLength = 403, "403 Forbidden", io.NopCloser(bytes.NewReader(text)), int64(len(text))
		answer.Header = http.Header{"Content-Type": {"application/json"}}
		return err
	}
	return func() { f.World.Answer = before }
}

// again makes the next apply take a kubeconfig that is to be probed.
func (f farSide) again(t *testing.T) {
	t.Helper()
	if err := os.Remove(f.job.File.Path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// TestTheProbeFromAnotherCluster: apply proves the way where it leads to, with what a
// client there has, and leaves nothing there.
func TestTheProbeFromAnotherCluster(t *testing.T) {
	t.Parallel()
	f := newFar(t)
	applied, err := f.job.Apply(t.Context(), f.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if applied.Probe == nil || applied.Probe.From != "cluster client-cluster" || len(applied.Probe.Results) != 2 {
		t.Errorf("the report %+v", applied.Probe)
	}
	f.says(t, "probing from a pod in cluster client-cluster")
	t.Run("the pod", func(t *testing.T) { thePod(t, f) })
	f.clean(t)
	t.Run("a second apply makes no pod", func(t *testing.T) {
		if applied, err := f.job.Apply(t.Context(), f.Spec); err != nil || applied.Probe != nil {
			t.Errorf("%+v %v", applied.Probe, err)
		}
		if pods, _ := f.prober.probes(); len(pods) > 0 {
			t.Errorf("%d pods", len(pods))
		}
		f.says(t, "not probed again")
	})
	t.Run("verify makes one", func(t *testing.T) {
		trace, report, err := f.job.VerifyStanding(t.Context(), f.Spec)
		if err != nil || trace == nil || report.From != "cluster client-cluster" {
			t.Errorf("%+v %v", report, err)
		}
		if pods, _ := f.prober.probes(); len(pods) != 1 {
			t.Errorf("%d pods", len(pods))
		}
	})
	t.Run("a way that is not open", func(t *testing.T) { notOpen(t, f) })
	t.Run("a pod that may not be", func(t *testing.T) { noPod(t, f) })
	t.Run("an import that is not there", func(t *testing.T) { notImported(t, f) })
	t.Run("a cluster that can't be reached", func(t *testing.T) { unreached(t, f) })
	t.Run("cut off", func(t *testing.T) { cutOff(t, f) })
}

func thePod(t *testing.T, f farSide) {
	pods, files := f.prober.probes()
	if len(pods) != 1 || len(files) != 1 {
		t.Fatalf("%d pods", len(pods))
	}
	name := ServiceName(labCluster) + "." + f.host.Spec.Namespace + ".svc.clusterset.local"
	if text := files[0]["kubeconfig"]; !strings.Contains(text, "server: https://"+name) {
		t.Error("the kubeconfig does not lead to the clusterset's name")
	}
	if written, err := os.ReadFile(f.job.File.Path); err != nil || string(written) != files[0]["kubeconfig"] {
		t.Errorf("what was written is not what was probed: %v", err)
	}
	containers, _, _ := unstructured.NestedSlice(pods[0].Object, "spec", "containers")
	container := containers[0].(map[string]any)
	command, _, _ := unstructured.NestedStringSlice(container, "command")
	if slices.Contains(command, "--server") || slices.Contains(command, "--tls-server-name") || !slices.Contains(command, "/causeway/verify.sh") || !slices.Contains(command, name) {
		t.Errorf("the command is %q", command)
	}
	if container["image"] != exposer.DefaultImage || pods[0].GetNamespace() != f.host.Spec.Namespace {
		t.Errorf("image %v in namespace %s", container["image"], pods[0].GetNamespace())
	}
	for field, want := range map[string]any{"automountServiceAccountToken": false, "restartPolicy": "Never"} {
		if spec := pods[0].Object["spec"].(map[string]any); spec[field] != want {
			t.Errorf("%s is %v", field, spec[field])
		}
	}
}

// notOpen: what the pod found counts as any probe's.
func notOpen(t *testing.T, f farSide) {
	f.prober.fail = probe.HopTLS
	defer func() { f.prober.fail = "" }()
	f.again(t)
	applied, err := f.job.Apply(t.Context(), f.Spec)
	var hop *probe.Error
	if !errors.As(err, &hop) || applied.Probe == nil || applied.Probe.From != "cluster client-cluster" {
		t.Errorf("%+v %v", applied.Probe, err)
	}
	if _, err := os.Stat(f.job.File.Path); !os.IsNotExist(err) {
		t.Errorf("a kubeconfig that does not work was written: %v", err)
	}
	f.clean(t)
}

// noPod: what keeps the pod away says nothing of the way. Apply is done, and says what
// is left to do; verify is done where rights are missing, and else not.
func noPod(t *testing.T, f farSide) {
	for name, test := range map[string]struct{ kind, message, code string }{
		"no right to Pods":    {"pods", `pods is forbidden: User "net" cannot create resource "pods" in API group ""`, "CW-KUBE-FORBIDDEN"},
		"no right to Secrets": {"secrets", `secrets "x" is forbidden: User "net" cannot patch resource "secrets" in API group ""`, "CW-KUBE-FORBIDDEN"},
		"no quota":            {"pods", `pods "x" is forbidden: exceeded quota: small, requested: pods=1`, "CW-KUBE-QUOTA"},
		"Pod Security":        {"pods", `pods "x" is forbidden: violates PodSecurity "restricted:latest"`, "CW-KUBE-POD-SECURITY"},
	} {
		t.Run(name, func(t *testing.T) {
			defer f.refusing(t, test.kind, test.message)()
			f.again(t)
			applied, err := f.job.Apply(t.Context(), f.Spec)
			if err != nil || applied.Probe != nil || applied.Kubeconfig == "" {
				t.Fatalf("apply: %+v %v", applied.Probe, err)
			}
			if _, err := os.Stat(f.job.File.Path); err != nil {
				t.Error(err)
			}
			f.says(t, "everything is in place; the probe's pod did not run in cluster client-cluster ("+test.code+"): nothing is known against the way, but it is not proven")
			_, _, err = f.job.VerifyStanding(t.Context(), f.Spec)
			if right := test.code == "CW-KUBE-FORBIDDEN"; right && err != nil || !right && err == nil {
				t.Errorf("verify: %v", err)
			} else if !right {
				wantCode(t, err, test.code, "probe from cluster client-cluster")
			}
			*f.told = nil
			f.again(t)
			told := f.job
			told.From = exposer.FromCluster
			_, err = told.Apply(t.Context(), f.Spec)
			wantCode(t, err, test.code, "probe from cluster client-cluster")
			f.says(t, "everything is in place at https://"+ServiceName(labCluster))
			f.clean(t)
		})
	}
}

// notImported: no pod is made where the name can't resolve yet.
func notImported(t *testing.T, f farSide) {
	f.again(t)
	if _, err := f.job.Apply(t.Context(), f.Spec); err != nil {
		t.Fatal(err)
	}
	f.prober.probes()
	x := open(t, f.World)
	x.service.Name = "other" // which nobody imports
	pods, why, err := x.ProbePods(t.Context())
	if err != nil || len(pods) > 0 || why != "cluster client-cluster has no ServiceImport" {
		t.Errorf("%d pods, %q, %v", len(pods), why, err)
	}
	x.importers = nil
	if pods, why, err = x.ProbePods(t.Context()); err != nil || len(pods) > 0 || !strings.Contains(why, "--importer") {
		t.Errorf("%d pods, %q, %v", len(pods), why, err)
	}
	x.spec.MCS.Service = "shop/web"
	if pods, why, err = x.ProbePods(t.Context()); err != nil || len(pods) > 0 || !strings.Contains(why, "no API server") {
		t.Errorf("%d pods, %q, %v", len(pods), why, err)
	}
}

// unreached: the proof is made by hand, as before.
func unreached(t *testing.T, f farSide) {
	w := *f.World
	w.Clusters = map[string]*kubetest.Server{clientPlane: nil}
	job := jobOf(t, &w)
	job.From, job.Script, job.Story, job.Deps.Dial = f.job.From, f.job.Script, f.job.Story, f.job.Deps.Dial
	f.again(t)
	if applied, err := job.Apply(t.Context(), w.Spec); err != nil || applied.Probe != nil {
		t.Errorf("%+v %v", applied.Probe, err)
	}
	f.says(t, "no packet was sent: prove the way on the far side")
	job.From = exposer.FromCluster
	if _, _, err := job.VerifyStanding(t.Context(), w.Spec); err == nil || !strings.Contains(err.Error(), "probe from the cluster: the API of cluster client-cluster can't be reached from here") {
		t.Errorf("verify: %v", err)
	}
	if pods, _ := f.prober.probes(); len(pods) > 0 {
		t.Errorf("%d pods", len(pods))
	}
}

// cutOff: nothing stays after Ctrl-C; what a kill leaves goes with destroy, also from
// a namespace of somebody else's.
func cutOff(t *testing.T, f farSide) {
	ctx, cancel := context.WithCancel(t.Context())
	f.prober.then = cancel
	f.again(t)
	if _, err := f.job.Apply(ctx, f.Spec); err == nil {
		t.Error("an apply that was cut off succeeded")
	}
	f.prober.mu.Lock()
	f.prober.then = nil
	f.prober.mu.Unlock()
	f.clean(t)

	ns := f.host.Spec.Namespace
	space := in(t, f.second, "", "namespaces", "")
	live, err := space.Get(t.Context(), ns, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	live.SetLabels(nil) // a namespace of the user's
	if _, err := space.Update(t.Context(), live, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	create(t, f.second, "", "secrets", map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "causeway-probe-probe", "namespace": ns,
		"labels": map[string]any{exposer.ManagedByLabel: "causeway", exposer.ExposureLabel: "probe"}}})
	create(t, f.second, "", "secrets", map[string]any{"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": "theirs", "namespace": ns}})
	gone := destroy(t, f.World)
	if item := gone["leftover/lab-project/europe-west3/client-cluster/secret/"+ns+"/causeway-probe-probe"]; item.Outcome != exposer.Removed {
		t.Errorf("the Secret of a probe that was killed: %+v in %+v", item, gone)
	}
	f.clean(t)
	if _, err := in(t, f.second, "", "secrets", ns).Get(t.Context(), "theirs", metav1.GetOptions{}); err != nil {
		t.Errorf("somebody else's Secret: %v", err)
	}
	if _, err := f.host.Destroy(t.Context(), ilb.Method{}); err != nil {
		t.Error(err)
	}
	if err := space.Delete(t.Context(), ns, metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}
