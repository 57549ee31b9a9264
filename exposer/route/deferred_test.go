package route

import (
	"context"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/kube"
	"causeway/internal/kubetest"
)

// farJob is causeway on the far side: the cluster's API is reached only while the
// control plane's peering exports custom routes, and never while cut is set.
func farJob(t *testing.T, w *conformance.World, cut *atomic.Bool) exposer.Job {
	t.Helper()
	job, err := w.Job(Method{})
	if err != nil {
		t.Fatal(err)
	}
	connect := job.Deps.Connect
	job.Deps.Connect = func(ctx context.Context, o kube.ConnectOptions) (*kube.Client, error) {
		peerings := w.Google.Object("projects/lab-project/global/networks/default")["peerings"].([]any)
		if cut.Load() || peerings[0].(map[string]any)["exportCustomRoutes"] != true {
			return nil, &exposer.RunError{Code_: "CW-KUBE-UNREACHABLE", Text: "connect cluster: no way to its API works"}
		}
		return connect(ctx, o)
	}
	job.Deps.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, syscall.ENETUNREACH }
	return job
}

func TestFromTheFarSideTheWayIsOpenedBeforeTheClustersPartIsDone(t *testing.T) {
	t.Parallel()
	kubetest.Workloads(t, kubetest.Start(t).Config)
	spec := labSpec()
	spec.Name = "far"
	w := conformance.New(t, spec, conformance.Options{Seed: "route-line", NoController: true})
	before := w.State()
	job := farJob(t, w, &atomic.Bool{})

	exposure, plan, problems, err := job.Plan(t.Context(), w.Spec)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	for _, item := range plan.Items {
		if strings.HasPrefix(item.ID, "serviceaccount/") {
			t.Errorf("the plan has %s, though the API can't be reached", item.ID)
		}
	}
	said := false
	for _, fact := range exposure.Facts() {
		said = said || strings.Contains(fact.Value, "follows when the way is open")
	}
	if !said {
		t.Errorf("the facts do not say what follows: %v", exposure.Facts())
	}

	result, err := job.Apply(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(result.Kubeconfig); err != nil || !result.Changed || result.Trace == nil {
		t.Errorf("kubeconfig %q: %v; changed %t, trace %v", result.Kubeconfig, err, result.Changed, result.Trace)
	}
	left, record, _, err := job.PlanDestroy(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	job.Deps.Leaving = true
	if _, err := job.Destroy(t.Context(), left, record); err != nil {
		t.Fatalf("destroy by the way that it closes: %v", err)
	}
	w.Gone(t, before)
}

func TestAnAPIThatStaysOutOfReachIsSaidAndGoneOnWithLater(t *testing.T) {
	t.Parallel()
	kubetest.Workloads(t, kubetest.Start(t).Config)
	spec := labSpec()
	spec.Name = "later"
	w := conformance.New(t, spec, conformance.Options{Seed: "route-line", NoController: true, Speed: 60})
	before := w.State()
	var cut atomic.Bool
	cut.Store(true)
	job := farJob(t, w, &cut)
	_, err := job.Apply(t.Context(), w.Spec)
	if explain.CodeOf(err) != "CW-RUN-HALF" {
		t.Fatalf("apply: %v", err)
	}
	if _, _, err := job.KubeconfigStanding(t.Context(), w.Spec); explain.CodeOf(err) != "CW-KUBE-UNREACHABLE" {
		t.Errorf("kubeconfig: %v", err)
	}
	if trace, _, err := job.VerifyStanding(t.Context(), w.Spec); trace == nil || explain.CodeOf(err) != "CW-KUBE-UNREACHABLE" {
		t.Errorf("verify: %v, %v", trace, err)
	}
	cut.Store(false)
	if _, err := job.Apply(t.Context(), w.Spec); err != nil {
		t.Fatalf("the same apply later: %v", err)
	}
	cut.Store(true)
	exposure, record, _, err := job.PlanDestroy(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	job.Deps.Leaving = true
	if _, err := job.Destroy(t.Context(), exposure, record); err != nil {
		t.Fatalf("destroy of the network's part: %v", err)
	}
	if w.State() != before {
		t.Error("Google's side is not as before")
	}
	if found, err := w.Objects(t.Context()); err != nil || len(found) == 0 {
		t.Errorf("the cluster's part: %v %v", found, err)
	}
	cut.Store(false)
	if _, err := w.Destroy(t.Context(), Method{}); err != nil {
		t.Fatal(err)
	}
	w.Gone(t, before)
	if _, _, _, err := farJob(t, w, &cut).PlanDestroy(t.Context(), w.Spec); explain.CodeOf(err) != "CW-KUBE-UNREACHABLE" {
		t.Errorf("destroy with neither record nor API, where old values may lie in the cluster: %v", err)
	}
}
