package exposer

import (
	"context"
	"time"
)

// Follow brings an exposure to what its spec and its guests want, without a word
// to its record: what changed is its guests' doing. note is told each step.
func Follow(ctx context.Context, exposure Exposure, now func() time.Time, note func(string)) error {
	plan, err := MakePlan(ctx, exposure.Steps())
	if err != nil || plan.Empty() {
		return err
	}
	_, err = Apply(ctx, plan, Run{Spec: exposure.Spec(), Records: Unrecorded{}, Lock: exposure.Lock, Progress: told(note), Now: now})
	return err
}

// Unrecorded is Records that keep none.
type Unrecorded struct{}

// Load, Save and Forget do nothing.
func (Unrecorded) Load(context.Context, Spec) (Record, error) { return Record{}, nil }
func (Unrecorded) Save(context.Context, Record, bool) error   { return nil }
func (Unrecorded) Forget(context.Context, Spec) error         { return nil }

// told is a Progress that is one step's notes.
type told func(string)

// Start, Note, Done and Fail tell what matters to the step around.
func (t told) Start(_, title string)            { t(title) }
func (t told) Note(_, text string)              { t(text) }
func (told) Done(string, time.Duration, string) {}
func (told) Fail(string, error)                 {}
