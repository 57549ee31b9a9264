package conformance

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"causeway/exposer"
)

// OnStart is a Progress that acts when a step starts.
type OnStart struct {
	exposer.Quiet
	Do func(id string)
}

// Start acts.
func (o OnStart) Start(id, _ string) { o.Do(id) }

// InterruptedAtEveryStep interrupts an apply as each step starts, and a destroy; the same
// command goes on.
func InterruptedAtEveryStep(t *testing.T, method exposer.Method, world func(t *testing.T) *World) {
	for i, step := range world(t).Opened(t, method).Steps() {
		kind, _, _ := strings.Cut(step.ID(), "/")
		t.Run(fmt.Sprint(i, " ", kind), func(t *testing.T) {
			t.Parallel()
			w := world(t)
			before, at := w.State(), w.Opened(t, method).Steps()[i].ID()
			interrupt := func(run func(context.Context) error) {
				t.Helper()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				w.Progress = OnStart{Do: func(id string) {
					if id == at {
						cancel()
					}
				}}
				var interrupted *exposer.Interrupted
				if err := run(ctx); !errors.As(err, &interrupted) {
					t.Fatalf("interrupted: %v", err)
				}
				w.Progress = exposer.Quiet{}
			}
			interrupt(func(ctx context.Context) error { _, err := w.Apply(ctx, method); return err })
			w.Applied(t, method)
			w.Unchanged(t, method)
			interrupt(func(ctx context.Context) error { _, err := w.Destroy(ctx, method); return err })
			w.Destroyed(t, method)
			w.Gone(t, before)
		})
	}
}
