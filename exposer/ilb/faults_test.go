package ilb

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// cloudState is Google's side after an apply, without what an exposure's name and
// a Service's uid put into it.
func cloudState(w *conformance.World) string {
	text := string(w.Google.SnapshotWithout(append(gcptest.Volatile(), "labelFingerprint", "fingerprint", "createTime")...))
	text = strings.ReplaceAll(text, w.Spec.Name, "NAME")
	return regexp.MustCompile(`k8s2-tcp-[-0-9a-zA-Z]+`).ReplaceAllString(text, "RULE")
}

// Kinds of trouble at a call. Without a number of times they last longer than a
// call is repeated.
var (
	refusal403 = gcptest.Fault{Status: http.StatusForbidden, Reason: "forbidden", Message: "Required 'compute.some.thing' permission for 'it'"}
	outage     = gcptest.Fault{CutOff: true}
	cutAfter   = gcptest.Fault{CutOff: true, AfterEffect: true}
	glitch     = gcptest.Fault{CutOff: true, Times: 1}
	cutOnce    = gcptest.Fault{CutOff: true, AfterEffect: true, Times: 1}
	late       = gcptest.Fault{Delay: 300 * time.Millisecond}
	operation  = gcptest.Fault{OperationError: &gcptest.OperationError{Code: "INTERNAL_ERROR", Message: "try again"}}
)

// passes says whether a kind of trouble is overcome without an error.
func passes(f gcptest.Fault) bool { return f.Delay > 0 || f.Times == 1 }

func TestEveryGoogleCallMeetsTrouble(t *testing.T) {
	t.Parallel()
	clean := world(t, conformance.Options{})
	apply(t, clean)
	wanted, applied := cloudState(clean), calls(clean)
	clean.Google.ResetRequests()
	destroy(t, clean)
	destroyed := calls(clean)
	for _, method := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(applied, destroyed)))) {
		kinds := map[string][]gcptest.Fault{"on a read": {refusal403, outage, glitch, late}}
		if slices.ContainsFunc([]string{"insert", "setLabels", "delete"}, func(verb string) bool { return strings.HasSuffix(method, verb) }) {
			kinds = map[string][]gcptest.Fault{"refused": {refusal403}, "cut off after the effect": {cutAfter}, "cut off once": {cutOnce, late}, "failed operation": {operation}}
		}
		for kind, faults := range kinds {
			t.Run(method+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := world(t, conformance.Options{})
				before := w.State()
				for i, fault := range faults {
					met(t, w, method, fault, i == 0 && slices.Contains(applied, method), func() error { _, err := w.Apply(t.Context(), Method{}); return err })
				}
				apply(t, w)
				unchanged(t, w)
				if diff := cmp.Diff(wanted, cloudState(w)); diff != "" {
					t.Errorf("Google's side is not as after an apply without trouble (-want +got):\n%s", diff)
				}
				for i, fault := range faults {
					met(t, w, method, fault, i == 0 && slices.Contains(destroyed, method), func() error { _, err := w.Destroy(t.Context(), Method{}); return err })
				}
				destroy(t, w)
				w.Gone(t, before)
			})
		}
	}
}

// met runs a verb that may meet a fault at a call, and surely does when it is the
// first one, and looks at how it ends.
func met(t testing.TB, w *conformance.World, method string, fault gcptest.Fault, first bool, run func() error) {
	t.Helper()
	fault.Match = "^" + regexp.QuoteMeta(method) + " "
	w.Google.Inject(fault)
	defer w.Google.ClearFaults()
	err := run()
	switch {
	case passes(fault):
		if err != nil {
			t.Errorf("%s meets %+v: %v", method, fault, err)
		}
	case err == nil:
		// Who may not list these can do without, and is told: leftovers are not found,
		// nor who publishes the load balancer.
		if first && !slices.Contains([]string{"compute.addresses.list", "compute.serviceAttachments.list"}, method) {
			t.Errorf("%s meets %+v: no error", method, fault)
		}
	case explain.CodeOf(err) == "" && fault.OperationError == nil:
		t.Errorf("%s meets %+v: an error without a code: %v", method, fault, err)
	}
}

// calls are the methods that were called, each once.
func calls(w *conformance.World) []string {
	var all []string
	for _, request := range w.Google.Requests() {
		all = append(all, request.Method)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func TestInterruptedAtEveryStep(t *testing.T) {
	t.Parallel()
	ids := open(t, world(t, conformance.Options{NoController: true}), false).Steps()
	for i, step := range ids {
		t.Run(step.Title()[:strings.Index(step.Title()+" ", " ")]+string(rune('a'+i)), func(t *testing.T) {
			t.Parallel()
			w := world(t, conformance.Options{})
			before := w.State()
			at := open(t, w, false).Steps()[i].ID()
			interrupt := func(run func(context.Context) error) {
				t.Helper()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.Progress = onStart{func(id string) {
					if id == at {
						cancel()
					}
				}}
				wantErrorAs[*exposer.Interrupted](t, run(ctx))
				w.Progress = exposer.Quiet{}
			}
			interrupt(func(ctx context.Context) error { _, err := w.Apply(ctx, Method{}); return err })
			apply(t, w)
			unchanged(t, w)
			interrupt(func(ctx context.Context) error { _, err := w.Destroy(ctx, Method{}); return err })
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

func TestCredentialsThatEndDuringTheRun(t *testing.T) {
	t.Parallel()
	t.Run("Google's", func(t *testing.T) {
		t.Parallel()
		w := world(t, conformance.Options{})
		before := w.State()
		w.Google.AddToken("ya29.short", time.Time{})
		w.GoogleToken = "ya29.short"
		w.Progress = onStart{func(id string) {
			if strings.HasPrefix(id, "address/") {
				w.Google.RevokeToken("ya29.short")
			}
		}}
		_, err := w.Apply(t.Context(), Method{})
		wantCode(t, err, "CW-GCP-CREDENTIALS", "address/"+w.Spec.ILB.AddressName, "not reached: ")
		wantStopped(t, err)
		w.GoogleToken, w.Progress = gcptest.Token, exposer.Quiet{}
		apply(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("the cluster's", func(t *testing.T) {
		t.Parallel()
		w := world(t, conformance.Options{})
		before := w.State()
		var mu sync.Mutex
		ended := false
		w.Refuse = func(r *http.Request) error {
			mu.Lock()
			defer mu.Unlock()
			if ended = ended || r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/deployments/"+proxyName); ended {
				r.Header.Set("Authorization", "Bearer ended")
			}
			return nil
		}
		_, err := w.Apply(t.Context(), Method{})
		wantCode(t, err, "CW-KUBE-UNAUTHORIZED", "does not accept the credentials")
		wantStopped(t, err)
		w.Refuse = nil
		// The run could not give its lock back. Its process ends in real life, and
		// with it the lock (kube.EndedHere); here the test is the process.
		if err := objects(t, w).Resource(leases).Namespace(w.Spec.Namespace).Delete(t.Context(), "causeway-lock", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		apply(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
}

func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{})
	before := w.State()
	second := *w
	var once sync.Once
	var applyErr, destroyErr error
	w.Progress = onStart{func(string) {
		once.Do(func() {
			_, applyErr = second.Apply(t.Context(), Method{})
			_, destroyErr = second.Destroy(t.Context(), Method{})
		})
	}}
	if _, err := w.Apply(t.Context(), Method{}); err != nil {
		t.Fatalf("the first of two: %v", err)
	}
	for verb, err := range map[string]error{"apply": applyErr, "destroy": destroyErr} {
		if err == nil {
			t.Fatalf("%s went on beside an apply", verb)
		}
		wantCode(t, err, "CW-RUN-LOCKED", "held by net@host")
		plain(t, err)
	}
	unchanged(t, &second)
	destroy(t, &second)
	second.Gone(t, before)
}
