package exposer_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/kubetest"
	"causeway/probe"
)

// elsewhere is an exposure whose way leads to other clusters.
type elsewhere struct {
	exposer.Exposure
	pods []exposer.ProbePod
	why  string
}

func (e elsewhere) ProbePods(context.Context) ([]exposer.ProbePod, string, error) {
	return e.pods, e.why, nil
}

// TestProbesFromSeveralClusters: all have to pass, and one whose pod does not run says
// nothing as long as another one's does.
func TestProbesFromSeveralClusters(t *testing.T) {
	t.Parallel()
	w, j := standing(t)
	exposure, _, err := j.Standing(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	fails := map[string]string{} // hop, by namespace
	place := func(cluster string) exposer.ProbePod {
		ns := w.Server.Namespace(t)
		kubetest.Workloads(t, w.Server.Config).OnRun(ns, func(*unstructured.Unstructured) (string, int) {
			mu.Lock()
			defer mu.Unlock()
			report := probe.Report{Tool: "verify.sh", Results: []probe.Result{{Hop: probe.HopTLS, Status: probe.Pass}}}
			switch fails[cluster] {
			case "":
			case "nothing":
				return "sh: curl: not found\n", 127
			default:
				report.Results[0] = probe.Result{Hop: fails[cluster], Status: probe.Fail, Code: "CW-PROBE-TIMEOUT"}
			}
			text, err := probe.JSON(report)
			if err != nil {
				return err.Error(), 1
			}
			return string(text), 0
		})
		return exposer.ProbePod{Kube: exposure.Cluster(), Cluster: cluster, Exposure: w.Spec.Name, Namespace: ns, Image: exposer.DefaultImage}
	}
	first, second := place("first"), place("second")
	made := exposer.Made{Bytes: []byte("a kubeconfig"), Context: "far"}
	j.Deps.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no such host") }
	j.Script = []byte("#!/bin/sh\n")
	for name, c := range map[string]struct {
		fails map[string]string
		at    string // --from
		from  string // of the report; "": no report
		err   string
		told  string
	}{
		"both pass":                      {from: "cluster first", told: "the probe from a pod in cluster second passed too"},
		"the second one's way is closed": {fails: map[string]string{"second": probe.HopConnect}, from: "cluster second", err: probe.HopConnect},
		"the first one's way is closed":  {fails: map[string]string{"first": probe.HopConnect}, from: "cluster first", err: probe.HopConnect},
		"the first one's pod can't":      {fails: map[string]string{"first": "nothing"}, from: "cluster second", told: "the probe's pod did not run in cluster first"},
		"no pod can":                     {fails: map[string]string{"first": "nothing", "second": "nothing"}, err: "probe from cluster first: "},
		"it was asked for":               {fails: map[string]string{"second": "nothing"}, at: exposer.FromCluster, err: "probe from cluster second: "},
	} {
		t.Run(name, func(t *testing.T) {
			mu.Lock()
			fails = c.fails
			mu.Unlock()
			var told []string
			j := j
			j.From, j.Story = c.at, func(text string) { told = append(told, text) }
			report, err := j.Verify(t.Context(), elsewhere{Exposure: exposure, pods: []exposer.ProbePod{first, second}}, made)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if report.From != c.from {
				t.Errorf("the report is from %q, want %q", report.From, c.from)
			}
			if !strings.Contains(strings.Join(told, "\n"), c.told) {
				t.Errorf("told %q, want %q", told, c.told)
			}
		})
	}
	t.Run("nowhere", func(t *testing.T) {
		j.From = exposer.FromCluster
		if _, err := j.Verify(t.Context(), elsewhere{Exposure: exposure, why: "no cluster is named"}, made); err == nil || err.Error() != "probe from the cluster: no cluster is named" {
			t.Errorf("%v", err)
		}
	})
	if left, err := w.Objects(t.Context()); err != nil || strings.Contains(strings.Join(left, " "), "causeway-probe") {
		t.Errorf("a probe's pod or Secret is left: %v %v", left, err)
	}
}
