package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/internal/kubetest"
)

// Method is what the suite needs of a method: itself, and the spec of an exposure
// by it, without name (each test gives its own); World is what it stands in.
type Method struct {
	Method exposer.Method
	Spec   exposer.Spec
	World  Options
	// Steps narrows the failures and kills to some steps, where the others have
	// been through the suite already; nil: all.
	Steps func(id string) bool
	// Requests bounds what a second apply may ask of Google and the cluster
	// together, without the probe; 30 when 0.
	Requests int
	// Bare says that the exposure makes nothing in the cluster.
	Bare bool
}

// Run holds the method to the whole suite.
func Run(t *testing.T, m Method) {
	kubetest.Workloads(t, kubetest.Start(t).Config)
	t.Run("from nothing to nothing", func(t *testing.T) { t.Parallel(); fromNothingToNothing(t, m) })
	ids := stepIDs(t, m)
	for _, id := range ids {
		if m.Steps != nil && !m.Steps(id) {
			continue
		}
		t.Run("failures at "+id, func(t *testing.T) { t.Parallel(); failAndResume(t, m, id, "before", "after") })
		t.Run("kills at "+id, func(t *testing.T) { t.Parallel(); killAndResume(t, m, id, "before", "after") })
	}
}

// name makes an exposure's name of a test's.
func (m Method) named(name string) exposer.Spec {
	spec := m.Spec
	spec.Name = name
	return spec
}

func stepIDs(t *testing.T, m Method) []string {
	t.Helper()
	options := m.World
	options.NoController = true
	const probe = "ids-of-steps"
	w := New(t, m.named(probe), options)
	job := must(w.Job(m.Method))(t)
	_, plan, _, err := job.Plan(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, item := range plan.Items {
		// The exposure's own name is the test's, so only the kind and the
		// rest of the name tell the steps apart from world to world.
		ids = append(ids, strings.ReplaceAll(item.ID, probe, "NAME"))
	}
	return ids
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// Apply opens, plans and applies, as Job.Apply does up to the endpoint.
func (w *World) Apply(ctx context.Context, method exposer.Method) (exposer.Plan, error) {
	job, err := w.Job(method)
	if err != nil {
		return exposer.Plan{}, err
	}
	exposure, plan, problems, err := job.Plan(ctx, w.Spec)
	if err != nil {
		return plan, err
	}
	if len(problems) > 0 {
		return plan, &exposer.PreconditionError{Verb: "apply", Problems: problems}
	}
	run := exposer.Run{Spec: exposure.Spec(), Records: job.Records(exposure), Lock: exposure.Lock, Progress: w.Progress, Now: w.Now, By: job.By}
	if _, err := exposer.Apply(ctx, plan, run); err != nil {
		return plan, err
	}
	_, err = exposure.Endpoint(ctx)
	return plan, err
}

// Destroy opens the exposure to leave it, and destroys it.
func (w *World) Destroy(ctx context.Context, method exposer.Method) ([]exposer.DestroyItem, error) {
	job, err := w.Job(method)
	if err != nil {
		return nil, err
	}
	exposure, record, _, err := job.PlanDestroy(ctx, w.Spec)
	if err != nil {
		return nil, err
	}
	job.Deps.Leaving = true
	return job.Destroy(ctx, exposure, record)
}

// Untouched fails the test when the exposure has anything in the cluster, or Google's
// side is not in that state.
func (w *World) Untouched(t testing.TB, before string) {
	t.Helper()
	left, err := w.Objects(t.Context())
	if err != nil || len(left) > 0 {
		t.Errorf("left in the cluster: %v %v", left, err)
	}
	if now := w.State(); now != before {
		t.Errorf("Google's side is not as before:\n%s\nbefore:\n%s", now, before)
	}
}

// Gone fails the test unless cluster and cloud are as they were.
func (w *World) Gone(t testing.TB, before string) {
	t.Helper()
	w.Untouched(t, before)
	records, err := filepath.Glob(filepath.Join(w.Dir, "state", "*"))
	if err != nil || len(records) > 0 {
		t.Errorf("records left: %v %v", records, err)
	}
}

func fromNothingToNothing(t *testing.T, m Method) {
	w := New(t, m.named(NameOf(t)), m.World)
	before := w.State()
	plan, err := w.Apply(t.Context(), m.Method)
	if err != nil {
		t.Fatal(err)
	}
	if plan.Empty() || plan.Count(exposer.Create)+plan.Count(exposer.Change) != len(plan.Items) {
		t.Errorf("the first plan does not make or set everything: %s", text(plan.Items))
	}
	first, err := w.Objects(t.Context())
	if err != nil || (len(first) == 0) != m.Bare {
		t.Fatalf("objects: %v %v", first, err)
	}
	w.Counter.Reset()
	w.Google.ResetRequests()
	plan, err = w.Apply(t.Context(), m.Method)
	if err != nil || !plan.Empty() {
		t.Fatalf("second apply: %v, %s", err, text(plan.Items))
	}
	reads, writes := w.Counter.Counts()
	googleReads, googleWrites := w.Google.Counts()
	t.Logf("second apply: %d requests to the cluster, %d to Google", reads+writes, googleReads+googleWrites)
	if writes+googleWrites > 0 {
		t.Errorf("the second apply wrote: %v, %d to Google", w.Counter.Writes, googleWrites)
	}
	if all, most := reads+googleReads, cmp.Or(m.Requests, 30); all > most {
		t.Errorf("the second apply made %d requests, want at most %d", all, most)
	}
	if _, err := w.Destroy(t.Context(), m.Method); err != nil {
		t.Fatal(err)
	}
	w.Gone(t, before)
	if _, err := w.Destroy(t.Context(), m.Method); err != nil {
		t.Errorf("destroy with everything gone: %v", err)
	}
	w.Gone(t, before)
}

// resume applies again without faults until there is nothing to do.
func resume(t *testing.T, w *World, m Method) {
	t.Helper()
	if _, err := w.Apply(t.Context(), m.Method); err != nil {
		t.Fatalf("resume: %v", err)
	}
	if plan, err := w.Apply(t.Context(), m.Method); err != nil || !plan.Empty() {
		t.Fatalf("apply after the resumed one: %v, %s", err, text(plan.Items))
	}
}

var errInjected = errors.New("injected failure")

// failAndResume lets a step fail before it does its work, in the next apply after
// it did it, and at last in a destroy; each run goes on from what the one before
// left.
func failAndResume(t *testing.T, m Method, id string, moments ...string) {
	w := New(t, m.named(NameOf(t)), m.World)
	before, generic := w.State(), id
	id = strings.ReplaceAll(id, "NAME", w.Spec.Name)
	for _, when := range moments {
		if !w.pending(t, m, id) {
			t.Run(when, func(t *testing.T) { failAndResume(t, m, generic, when) })
			continue
		}
		_, err := w.Apply(t.Context(), faulty{m.Method, id, when, func() error { return errInjected }})
		var stopped *exposer.Stopped
		if !errors.Is(err, errInjected) || !errors.As(err, &stopped) {
			t.Fatalf("apply with a step that fails %s its work: %v", when, err)
		}
		if slices.Contains(stopped.Standing, id) {
			t.Errorf("the step that failed %s its work is told as standing: %v", when, stopped.Standing)
		}
	}
	resume(t, w, m)
	items, err := w.Destroy(t.Context(), faulty{m.Method, id, "undo", func() error { return errInjected }})
	if !errors.Is(err, errInjected) {
		t.Fatalf("destroy with a failing step: %v", err)
	}
	for _, item := range items {
		if item.ID == id && item.Outcome != exposer.Left {
			t.Errorf("the step that failed is told as %s", item.Outcome)
		}
	}
	if _, err := w.Destroy(t.Context(), m.Method); err != nil {
		t.Fatalf("destroy again: %v", err)
	}
	w.Gone(t, before)
}

// Variables that turn a test binary into a causeway that is killed at a step.
const (
	killVariable = "CAUSEWAY_CONFORMANCE_KILL" // "before ID" or "after ID"
	worldTest    = "CAUSEWAY_CONFORMANCE_TEST" // the test that made the world
)

// pending reports whether the next apply would do a step: one that the start of an
// apply does by the way (the namespace, for its lock) is done after the first
// failure, and its second one needs a world of its own.
func (w *World) pending(t *testing.T, m Method, id string) bool {
	t.Helper()
	job := must(w.Job(m.Method))(t)
	_, plan, _, err := job.Plan(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(plan.Items, func(item exposer.Item) bool { return item.ID == id })
	if at < 0 {
		t.Fatalf("there is no step %s", id)
	}
	return plan.Items[at].Action != exposer.Keep
}

// killAndResume kills an apply before a step, the next one after it, and goes on.
func killAndResume(t *testing.T, m Method, id string, moments ...string) {
	w := New(t, m.named(NameOf(t)), m.World)
	before, generic := w.State(), id
	id = strings.ReplaceAll(id, "NAME", w.Spec.Name)
	if err := w.handOver(); err != nil {
		t.Fatal(err)
	}
	for _, when := range moments {
		if !w.pending(t, m, id) {
			t.Run(when, func(t *testing.T) { killAndResume(t, m, generic, when) })
			continue
		}
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledApply$", "-test.count=1")
		child.Env = append(os.Environ(), killVariable+"="+when+" "+id, worldTest+"="+w.Dir)
		out, err := child.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("the apply killed %s the step: %v\n%s", when, err, out)
		}
		if status, ok := exit.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			t.Fatalf("the apply was not killed %s the step but ended: %v\n%s", when, err, out)
		}
	}
	resume(t, w, m)
	if _, err := w.Destroy(t.Context(), m.Method); err != nil {
		t.Fatal(err)
	}
	w.Gone(t, before)
}

// faulty is a method whose named step does something else before or after it.
type faulty struct {
	exposer.Method
	id, when string
	act      func() error
}

func (f faulty) Open(ctx context.Context, spec exposer.Spec, deps exposer.Deps) (exposer.Exposure, error) {
	x, err := f.Method.Open(ctx, spec, deps)
	if err != nil {
		return nil, err
	}
	return faultyExposure{x, f}, nil
}

type faultyExposure struct {
	exposer.Exposure
	f faulty
}

func (x faultyExposure) Steps() []exposer.Step {
	steps := x.Exposure.Steps()
	for i, s := range steps {
		if s.ID() == x.f.id {
			steps[i] = faultyStep{s, x.f}
		}
	}
	return steps
}

type faultyStep struct {
	exposer.Step
	f faulty
}

func (s faultyStep) Do(ctx context.Context, note func(string)) error {
	if s.f.when == "before" {
		return s.f.act()
	}
	if err := s.Step.Do(ctx, note); err != nil || s.f.when != "after" {
		return err
	}
	return s.f.act()
}

func (s faultyStep) Undo(ctx context.Context, old json.RawMessage, note func(string)) (exposer.Undone, error) {
	if s.f.when == "undo" {
		return exposer.Undone{}, s.f.act()
	}
	return s.Step.Undo(ctx, old, note)
}

// killed never returns: the process gets SIGKILL, as from an operator or the
// kernel, and nothing of it runs any more.
func killed() error {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	time.Sleep(time.Minute)
	return errors.New("still alive")
}
