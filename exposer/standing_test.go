package exposer_test

import (
	"fmt"
	"hash/fnv"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/ilb"
	"causeway/internal/kubetest"
)

// standing makes a world with an exposure of the lab's cluster that was applied,
// and the job of a verb on it.
func standing(t *testing.T, edit ...func(*exposer.Spec)) (*conformance.World, exposer.Job) {
	t.Helper()
	sum := fnv.New32a()
	fmt.Fprint(sum, t.Name())
	spec := exposer.Spec{Method: "ilb", Name: fmt.Sprintf("e%08x", sum.Sum32()), ILB: &exposer.ILB{},
		Cluster: exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "private-cluster"},
		FarSide: exposer.FarSide{CIDRs: []string{"172.31.0.0/16"}}}
	for _, change := range edit {
		change(&spec)
	}
	kubetest.Workloads(t, kubetest.Start(t).Config)
	w := conformance.New(t, spec, conformance.Options{})
	if _, err := w.Apply(t.Context(), ilb.Method{}); err != nil {
		t.Fatal(err)
	}
	return w, job(t, w)
}

func job(t testing.TB, w *conformance.World) exposer.Job {
	t.Helper()
	return w.JobOf(t, ilb.Method{})
}

var wantCode = conformance.WantCode

func renewing(s *exposer.Spec) { s.Access.Token = exposer.TokenRenewing }
