package dns

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
	"causeway/internal/kube"
)

func TestWhatWasOnBeforeStaysOn(t *testing.T) {
	t.Parallel()
	w := world(t, accounts())
	set(t, w, "allowExternalTraffic", true)
	set(t, w, "enableK8sCertsViaDns", true)
	before := w.State()
	plan := apply(t, w)
	for _, item := range plan.Items {
		if strings.HasPrefix(item.ID, "dns-endpoint/") && (item.Action == exposer.Change) != (item.ID == tokens) {
			t.Errorf("%s: %s", item.ID, item.Action)
		}
	}
	items := destroy(t, w)
	if items[external].Outcome != exposer.Left || items[certs].Outcome != exposer.Left || items[tokens].Outcome != exposer.Restored {
		t.Errorf("%+v", items)
	}
	w.Gone(t, before)
}

func TestWhatSomebodyTurnedOffMeanwhileStaysOff(t *testing.T) {
	t.Parallel()
	w := world(t, accounts())
	before := w.State()
	apply(t, w)
	set(t, w, "enableK8sTokensViaDns", false)
	w.Google.ResetRequests()
	items := destroy(t, w)
	if items[tokens].Outcome != exposer.Absent || items[external].Outcome != exposer.Restored {
		t.Errorf("%+v", items)
	}
	w.Gone(t, before)
}

func TestWhatAnotherExposureNeedsStays(t *testing.T) {
	t.Parallel()
	first := world(t, accounts())
	before := first.State()
	apply(t, first)
	second := *first
	second.Spec = closed()
	second.Spec.Name = first.Spec.Name + "b"
	second.Spec = second.Spec.WithDefaults()
	apply(t, &second)
	items := destroy(t, first)
	if got := items[external]; got.Outcome != exposer.Left || !strings.Contains(got.Why, second.Spec.Name+" by dns still needs it") {
		t.Errorf("external traffic, by which another exposure is reached: %+v", got)
	}
	if items[tokens].Outcome != exposer.Restored || items[certs].Outcome != exposer.Restored {
		t.Errorf("tokens and certificates, which the other does not use: %+v", items)
	}
	// Whoever is last was not the one who opened it: that is said, and left to people.
	if got := destroy(t, &second)[external]; got.Outcome != exposer.Left || !strings.Contains(got.Why, "not turned on by this exposure") {
		t.Errorf("the last one: %+v", got)
	}
	set(t, first, "allowExternalTraffic", false)
	first.Gone(t, before)
}

func TestARecordOfAnotherThatCantBeReadIsNamed(t *testing.T) {
	t.Parallel()
	w := world(t, closed())
	apply(t, w)
	broken := filepath.Join(w.Dir, "state", "lab-project_europe-west3_private-cluster_other.json")
	if err := os.WriteFile(broken, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Destroy(t.Context(), Method{}); explain.CodeOf(err) != "CW-RUN-RECORD" || !strings.Contains(err.Error(), broken) {
		t.Errorf("%v", err)
	}
	if !is(w, "allowExternalTraffic") {
		t.Error("it was closed, though another exposure may need it")
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	destroy(t, w)
}

func TestTheIdentityOfAStandingExposureStays(t *testing.T) {
	t.Parallel()
	for about, pair := range map[string][2]exposer.Spec{"from an account": {accounts(), closed()}, "to an account": {closed(), accounts()}} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := world(t, pair[0])
			apply(t, w)
			was := w.Spec
			w.Spec = pair[1]
			w.Spec.Name = was.Name
			w.Spec = w.Spec.WithDefaults()
			_, err := w.Apply(t.Context(), Method{})
			if explain.CodeOf(err) != "CW-RUN-NAME" || !strings.Contains(err.Error(), "its identity can't be changed") {
				t.Errorf("apply with another identity: %v", err)
			}
			w.Spec = was
			destroy(t, w)
		})
	}
}

// TestAColleagueDestroysWithNoRecordOfHisOwn: he does not know which identity it has.
func TestAColleagueDestroysWithNoRecordOfHisOwn(t *testing.T) {
	t.Parallel()
	w := world(t, accounts())
	before := w.State()
	apply(t, w)
	colleague := *w
	colleague.Dir = t.TempDir()
	colleague.Spec = exposer.Spec{Method: "dns", Name: w.Spec.Name, Cluster: w.Spec.Cluster}.WithDefaults()
	items := destroy(t, &colleague)
	if items[external].Outcome != exposer.Restored || items["namespace/"+w.Spec.Namespace].Outcome != exposer.Removed {
		t.Errorf("%+v", items)
	}
	colleague.Gone(t, before)
}

func TestAClusterThatIsGone(t *testing.T) {
	t.Parallel()
	w := world(t, closed())
	apply(t, w)
	w.Google.Remove(clusterAt)
	if items := destroy(t, w); items[external].Outcome != exposer.Absent || items[external].Why != "went with the cluster" {
		t.Errorf("%+v", items)
	}
	if _, err := w.Apply(t.Context(), Method{}); explain.CodeOf(err) != "CW-GCP-NOT-FOUND" {
		t.Errorf("apply without a cluster: %v", err)
	}
}

// TestFromAMachineThatHasTheEndpointAlone: the way to the cluster's API is what is
// opened; its part follows.
func TestFromAMachineThatHasTheEndpointAlone(t *testing.T) {
	t.Parallel()
	for about, code := range map[string]string{"it refuses while it is closed": "CW-KUBE-DNS-ENDPOINT", "it is silent while it is closed": "CW-KUBE-UNREACHABLE"} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := world(t, accounts())
			before := w.State()
			job, late := jobOf(t, w), atomic.Int32{}
			connect := job.Deps.Connect
			job.Deps.Connect = func(ctx context.Context, o kube.ConnectOptions) (*kube.Client, error) {
				// Google takes a moment to spread the change.
				if !is(w, "allowExternalTraffic") || late.Add(1) < 3 {
					return nil, &exposer.RunError{Code_: code, Text: "connect cluster: the DNS endpoint refuses"}
				}
				return connect(ctx, o)
			}
			job.Deps.Dial = nowhere
			exposure, plan, problems, err := job.Plan(t.Context(), w.Spec)
			if err != nil || len(problems) > 0 || len(plan.Items) != 3 {
				t.Fatalf("%v %v %d steps", err, problems, len(plan.Items))
			}
			if facts := exposure.Facts(); !strings.Contains(facts[len(facts)-1].Value, "follows when the endpoint is open") {
				t.Errorf("%v", facts)
			}
			result, err := job.Apply(t.Context(), w.Spec)
			if err != nil || result.Kubeconfig == "" {
				t.Fatalf("%+v %v", result, err)
			}
			left, record, _, err := job.PlanDestroy(t.Context(), w.Spec)
			if err != nil {
				t.Fatal(err)
			}
			job.Deps.Leaving = true
			if _, err := job.Destroy(t.Context(), left, record); err != nil {
				t.Fatal(err)
			}
			w.Gone(t, before)
		})
	}
}

func TestOtherOperationsOfTheCluster(t *testing.T) {
	t.Parallel()
	t.Run("one that runs is waited for", func(t *testing.T) {
		t.Parallel()
		w := worldOf(t, accounts(), conformance.Options{Seed: "route", NoController: true, OperationTime: 200 * time.Millisecond})
		apply(t, w) // each switch has to wait for the one before
		destroy(t, w)
	})
	t.Run("one that fails is told, and gone on with", func(t *testing.T) {
		t.Parallel()
		w := world(t, closed())
		before := w.State()
		w.Google.Inject(gcptest.Fault{Match: "container.projects.locations.clusters.update", Times: 1,
			OperationError: &gcptest.OperationError{Code: "INTERNAL", Message: "try again"}})
		if _, err := w.Apply(t.Context(), Method{}); err == nil || !strings.Contains(err.Error(), "try again") {
			t.Errorf("%v", err)
		}
		apply(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("a write whose answer is lost is found out", func(t *testing.T) {
		t.Parallel()
		w := world(t, accounts())
		before := w.State()
		w.Google.Inject(gcptest.Fault{Match: "container.projects.locations.clusters.update", Times: 1, CutOff: true, AfterEffect: true})
		apply(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("a right that is taken away in the middle", func(t *testing.T) {
		t.Parallel()
		w := world(t, closed())
		apply(t, w)
		w.Google.Inject(gcptest.Fault{Match: "container.projects.locations.clusters.update", Times: 9, Status: http.StatusForbidden, Reason: "forbidden",
			Message: "Required \"container.clusters.update\" permission(s) for \"" + clusterAt + "\"."})
		if _, err := w.Destroy(t.Context(), Method{}); explain.CodeOf(err) != "CW-GCP-PERMISSION" {
			t.Errorf("%v", err)
		}
		w.Google.ClearFaults()
		destroy(t, w)
	})
}

func open(t testing.TB, w *conformance.World) *exposure {
	t.Helper()
	return w.Opened(t, Method{}).(*exposure)
}
