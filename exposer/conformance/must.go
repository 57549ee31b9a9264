package conformance

import (
	"testing"

	"causeway/exposer"
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
