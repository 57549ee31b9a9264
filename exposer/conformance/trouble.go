package conformance

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// Trouble is what tests of trouble at Google's calls need of a method.
type Trouble struct {
	Method exposer.Method
	// World makes a fresh one, always the same.
	World func(t *testing.T) *World
	// Apply is the verb; World.Apply where nil.
	Apply func(t testing.TB, w *World) error
	// Optional are calls that may fail: what they would tell is then not known, and no
	// obstacle.
	Optional []string
	// Only narrows EveryCall to some calls, where others meet trouble elsewhere; nil: all.
	Only func(call string) bool
	// Varies is what differs on Google's side from world to world, beside names.
	Varies *regexp.Regexp
}

func (m Trouble) apply(t testing.TB, w *World) error {
	if m.Apply != nil {
		return m.Apply(t, w)
	}
	_, err := w.Apply(t.Context(), m.Method)
	return err
}

func (m Trouble) destroy(t testing.TB, w *World) error {
	_, err := w.Destroy(t.Context(), m.Method)
	return err
}

// cloud is Google's side after an apply, without what differs from world to world.
func (m Trouble) cloud(w *World) string {
	text := string(w.Google.SnapshotWithout(append(gcptest.Volatile(), "labelFingerprint", "fingerprint", "createTime")...))
	return m.Varies.ReplaceAllString(strings.ReplaceAll(text, w.Spec.Name, "NAME"), "VARIES")
}

// calls are the methods of Google's that were called, each once.
func (w *World) calls() []string {
	var all []string
	for _, request := range w.Google.Requests() {
		all = append(all, request.Method)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Writes reports whether a method of Google's changes something.
func Writes(call string) bool {
	return slices.ContainsFunc([]string{".insert", ".patch", ".delete", ".update", ".updatePeering", ".setLabels"}, func(verb string) bool { return strings.HasSuffix(call, verb) })
}

// kindsOf are the kinds of trouble at a call of Compute's, those of a kind one after the
// other. Without a number of times they last longer than a call is repeated.
func kindsOf(call string) map[string][]gcptest.Fault {
	refused := gcptest.Fault{Status: http.StatusForbidden, Reason: "forbidden", Message: "Required 'compute.some.thing' permission for 'it'"}
	late := gcptest.Fault{Delay: 300 * time.Millisecond}
	if !Writes(call) {
		return map[string][]gcptest.Fault{"on a read": {refused, {CutOff: true}, {CutOff: true, Times: 1}, late}}
	}
	return map[string][]gcptest.Fault{"refused": {refused}, "cut off after the effect": {{CutOff: true, AfterEffect: true}},
		"cut off once":     {{CutOff: true, AfterEffect: true, Times: 1}, late},
		"failed operation": {{OperationError: &gcptest.OperationError{Code: "INTERNAL_ERROR", Message: "try again"}}}}
}

// EveryCall lets each call that an apply and a destroy make meet each kind of trouble:
// what passes by itself is overcome, the rest is told with its code, and the same command
// goes on, to what an apply without trouble comes to.
func EveryCall(t *testing.T, m Trouble) {
	clean := m.World(t)
	if err := m.apply(t, clean); err != nil {
		t.Fatal(err)
	}
	wanted, applied := m.cloud(clean), clean.calls()
	clean.Google.ResetRequests()
	clean.Destroyed(t, m.Method)
	destroyed := clean.calls()
	for _, call := range slices.Compact(slices.Sorted(slices.Values(slices.Concat(applied, destroyed)))) {
		if m.Only != nil && !m.Only(call) {
			continue
		}
		for kind, faults := range kindsOf(call) {
			t.Run(call+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := m.World(t)
				before := w.State()
				for i, fault := range faults {
					m.meets(t, w, call, fault, i == 0 && slices.Contains(applied, call), m.apply)
				}
				w.Applied(t, m.Method)
				w.Unchanged(t, m.Method)
				if diff := cmp.Diff(wanted, m.cloud(w)); diff != "" {
					t.Errorf("Google's side is not as after an apply without trouble (-want +got):\n%s", diff)
				}
				for i, fault := range faults {
					m.meets(t, w, call, fault, i == 0 && slices.Contains(destroyed, call), m.destroy)
				}
				w.Destroyed(t, m.Method)
				w.Gone(t, before)
			})
		}
	}
}

// Strikes are kinds of trouble at a call of the other APIs; refusal is how they tell of a
// missing permission, which is called SERVICE.some.thing.
func Strikes(refusal string) map[string]gcptest.Fault {
	return map[string]gcptest.Fault{
		"refused":                {Status: http.StatusForbidden, Reason: "forbidden", Message: refusal},
		"cut off":                {CutOff: true},
		"its answer lost once":   {CutOff: true, AfterEffect: true, Times: 1},
		"an answer of 500, once": {Status: http.StatusInternalServerError, Reason: "backendError", Times: 1},
	}
}

// StrikeEach lets each of these calls meet each strike, first in an apply, then in a
// destroy, as EveryCall does. An apply may end without those that are late.
func StrikeEach(t *testing.T, m Trouble, strikes map[string]gcptest.Fault, calls, late []string) {
	for _, call := range slices.Concat(calls, late) {
		for kind, fault := range strikes {
			t.Run(call+" "+kind, func(t *testing.T) {
				t.Parallel()
				w := m.World(t)
				before := w.State()
				m.meets(t, w, call, fault, !slices.Contains(late, call), m.apply)
				w.Applied(t, m.Method)
				m.meets(t, w, call, fault, false, m.destroy)
				w.Destroyed(t, m.Method)
				w.Gone(t, before)
			})
		}
	}
}

// meets runs a verb that may meet a fault at a call, and surely does where it is said so,
// and looks at how it ends.
func (m Trouble) meets(t testing.TB, w *World, call string, fault gcptest.Fault, surely bool, verb func(testing.TB, *World) error) {
	t.Helper()
	fault.Match = "^" + regexp.QuoteMeta(call) + " "
	w.Google.ResetRequests()
	w.Google.Inject(fault)
	defer w.Google.ClearFaults()
	err := verb(t, w)
	if surely && !slices.Contains(w.calls(), call) {
		t.Errorf("%s was never called", call)
	}
	permission := regexp.MustCompile(`[a-z]+\.some\.thing`).FindString(fault.Message)
	switch {
	case fault.Delay > 0 || fault.Times == 1: // passes by itself
		if err != nil {
			t.Errorf("%s meets %+v: %v", call, fault, err)
		}
	case err == nil:
		if surely && !slices.Contains(m.Optional, call) {
			t.Errorf("%s meets %+v: no error", call, fault)
		}
	case explain.CodeOf(err) == "" && fault.OperationError == nil:
		t.Errorf("%s meets %+v: an error without a code: %v", call, fault, err)
	case strings.Contains(err.Error(), "a.key_that.tests.share"):
		t.Errorf("the error tells the pre-shared key: %v", err)
	case !strings.Contains(err.Error(), permission):
		t.Errorf("the error does not name the permission %s: %v", permission, err)
	}
}
