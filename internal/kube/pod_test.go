package kube

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/internal/kubetest"
)

const probePod = `{apiVersion: v1, kind: Pod, metadata: {generateName: causeway-probe-, namespace: NAMESPACE},
 spec: {restartPolicy: Never, containers: [{name: probe, image: "IMAGE"}]}}`

func TestPodRunsAndLeavesItsLogOnly(t *testing.T) {
	r := newRig(t, Env{})
	kubetest.Workloads(t, r.server.Config).OnRun(r.ns, func(*unstructured.Unstructured) (string, int) { return "tls: fail\n", 5 })
	ran, err := r.client.RunPod(context.Background(), r.marked(strings.Replace(probePod, "IMAGE", "probe:1", 1)), time.Minute, r.notes.note)
	if err != nil {
		t.Fatal(err)
	}
	if string(ran.Log) != "tls: fail\n" || ran.Exit != 5 {
		t.Errorf("log %q, exit %d", ran.Log, ran.Exit)
	}
	r.noPods()
}

func (r rig) noPods() {
	r.Helper()
	r.until("no pod being left", func() bool {
		pods, err := r.client.List(context.Background(), Ref{Version: "v1", Kind: "Pod", Namespace: r.ns}, "")
		return err == nil && len(pods) == 0
	})
}

func TestPodThatCannotRun(t *testing.T) {
	tests := map[string]struct {
		image, code string
		bound       time.Duration
	}{
		"an image that is not there": {"probe:missing", "CW-IMG-NOT-FOUND", 10 * time.Minute},
		"no node":                    {"probe:unschedulable", "CW-KUBE-UNSCHEDULABLE", time.Minute},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, fast(100))
			_, err := r.client.RunPod(context.Background(), r.marked(strings.Replace(probePod, "IMAGE", test.image, 1)), test.bound, r.notes.note)
			wantError(t, err, test.code)
			r.noPods()
		})
	}
}

func TestPodIsRemovedWhenInterrupted(t *testing.T) {
	r := newRig(t, Env{})
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if _, err := r.client.RunPod(ctx, r.marked(strings.Replace(probePod, "IMAGE", "probe:unschedulable", 1)), time.Minute, r.notes.note); err == nil {
		t.Error("no error")
	}
	r.noPods()
}

func TestForeignNamesWhatWouldBeLost(t *testing.T) {
	r := newRig(t, Env{})
	r.apply(r.manifest("ConfigMap"))
	r.apply(r.manifest("ServiceAccount"))
	r.apply(r.manifest("Deployment"))
	r.until("the pods", func() bool {
		pods, err := r.client.List(context.Background(), Ref{Version: "v1", Kind: "Pod", Namespace: r.ns}, "")
		return err == nil && len(pods) == 2
	})
	release, err := r.client.Lock(context.Background(), r.ns, lockName)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	r.event(r.get(RefOf(r.manifest("ConfigMap"))), "Normal", "X", "x")
	foreign, err := r.client.Foreign(context.Background(), r.ns, ExposureLabel+"=prod")
	if err != nil || len(foreign) > 0 {
		t.Errorf("our own and the cluster's count as foreign: %v %v", foreign, err)
	}
	r.create("{apiVersion: v1, kind: Secret, metadata: {name: theirs, namespace: NAMESPACE}}")
	r.create("{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: theirs, namespace: NAMESPACE, labels: {causeway.dev/exposure: other}}}")
	foreign, err = r.client.Foreign(context.Background(), r.ns, ExposureLabel+"=prod")
	if diff := cmp.Diff([]string{"roles/theirs", "secrets/theirs"}, foreign); diff != "" || err != nil {
		t.Errorf("foreign (-want +got): %v\n%s", err, diff)
	}
	if _, err := r.client.Foreign(context.Background(), r.ns, "a in ("); err == nil {
		t.Error("a selector that is none is accepted")
	}
	plain, err := New(r.server.ConfigFor(kubetest.PlainToken), Env{})
	if err != nil {
		t.Fatal(err)
	}
	foreign, err = plain.Foreign(context.Background(), r.ns, "a=b")
	if err != nil || !strings.Contains(strings.Join(foreign, " "), "secrets (may not be listed)") {
		t.Errorf("what may not be listed is not named: %v %v", foreign, err)
	}
}
