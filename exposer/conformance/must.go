package conformance

import (
	"context"
	"errors"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/internal/explain"
)

// Applied is Apply for tests in which it must succeed.
func (w *World) Applied(t testing.TB, method exposer.Method) exposer.Plan {
	t.Helper()
	plan, err := w.Apply(t.Context(), method)
	if err != nil {
		t.Fatalf("apply: %v", err)
	}
	return plan
}

// Destroyed is Destroy for tests in which it must succeed: what became of each step,
// by its ID.
func (w *World) Destroyed(t testing.TB, method exposer.Method) map[string]exposer.DestroyItem {
	t.Helper()
	w.clock = w.clock.calm()
	items, err := w.Destroy(t.Context(), method)
	if err != nil {
		t.Fatalf("destroy: %v", err)
	}
	all := map[string]exposer.DestroyItem{}
	for _, item := range items {
		all[item.ID] = item
	}
	return all
}

// JobOf is Job for tests.
func (w *World) JobOf(t testing.TB, method exposer.Method) exposer.Job {
	t.Helper()
	job, err := w.Job(method)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// Opened is the exposure as a verb opens it.
func (w *World) Opened(t testing.TB, method exposer.Method) exposer.Exposure {
	t.Helper()
	x, err := method.Open(t.Context(), w.Spec, w.JobOf(t, method).Deps)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return x
}

// Unchanged applies again and fails the test when there was anything to do.
func (w *World) Unchanged(t testing.TB, method exposer.Method) {
	t.Helper()
	if plan := w.Applied(t, method); !plan.Empty() {
		t.Errorf("an apply after the apply has something to do: %v", Todo(plan))
	}
}

// Refused is Apply for tests in which a precondition is missing: what stands in the
// way. It fails the test where a code has no entry, or anything was made or changed.
func (w *World) Refused(t testing.TB, method exposer.Method) []exposer.Problem {
	t.Helper()
	before := w.State()
	_, err := w.Apply(t.Context(), method)
	var missing *exposer.PreconditionError
	if !errors.As(err, &missing) {
		t.Fatalf("apply: %v, want a *PreconditionError", err)
	}
	for _, p := range missing.Problems {
		if _, ok := explain.Lookup(p.Code); !ok {
			t.Errorf("a problem with the code %q, which has no entry: %s", p.Code, p.Text)
		}
	}
	w.Untouched(t, before)
	return missing.Problems
}

// Host makes an exposure by another method (ilb), on which the world's own is to
// stand, with a load balancer that comes at once.
func (w *World) Host(t testing.TB, method exposer.Method, spec exposer.Spec) *World {
	t.Helper()
	host := w.Beside(spec)
	host.Balance(t, host.Spec.Namespace, 0)
	host.Applied(t, method)
	return host
}

// AtEnd destroys the exposure when the test has ended.
func (w *World) AtEnd(t testing.TB, method exposer.Method) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute) // the test's own is over
		defer cancel()
		if _, err := w.Destroy(ctx, method); err != nil {
			t.Error(err)
		}
	})
}
