package exposer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Progress is told what happens, as it happens, by several steps at a time.
// internal/ui draws it; the zero value of Quiet drops it.
type Progress interface {
	Start(id, title string)
	Note(id, text string)
	Done(id string, took time.Duration, text string)
	Fail(id string, err error)
}

// Quiet is a Progress that tells nobody.
type Quiet struct{}

// Start, Note, Done and Fail do nothing.
func (Quiet) Start(string, string)               {}
func (Quiet) Note(string, string)                {}
func (Quiet) Done(string, time.Duration, string) {}
func (Quiet) Fail(string, error)                 {}

// Run is what an apply or a destroy works with.
type Run struct {
	Spec     Spec
	Records  Records
	Lock     func(ctx context.Context) (release func(), err error) // nil: no lock
	Progress Progress
	Now      func() time.Time
	By       string // who runs it: user@host
}

// Apply does the plan's creates and changes, each as soon as what it needs is
// there, and writes the record before and after. When a step fails the steps
// that run are let finish and no other starts: nothing is deleted, and the error
// says what stands and what does not.
//
// Afterwards it plans again: a plan that is not empty then is an error
// (CW-RUN-NOT-CONVERGED), because a second apply would change things again.
// It returns the second plan.
func Apply(ctx context.Context, plan Plan, run Run) (Plan, error) {
	if plan.Empty() {
		return plan, settled(ctx, run, plan)
	}
	if refusals := plan.Refusals(); len(refusals) > 0 {
		return plan, &PreconditionError{Verb: "apply", Problems: refusals}
	}
	if run.Lock != nil {
		release, err := run.Lock(ctx)
		if err != nil {
			return plan, err
		}
		defer release()
	}
	book, err := openBook(ctx, run, plan)
	if err != nil {
		return plan, err
	}
	failed := plan.graph.each(ctx, true, func(ctx context.Context, s Step) error {
		item := plan.item(s.ID())
		if item.Action == Keep {
			return nil
		}
		return doStep(ctx, s, run, book)
	})
	if err := plan.graph.joined(ctx, failed); err != nil {
		return plan, join(stopped(ctx, err, plan, failed), book.close(false))
	}
	if err := book.close(true); err != nil {
		return plan, err
	}
	again, err := MakePlan(ctx, plan.graph.steps)
	if err != nil {
		return plan, fmt.Errorf("plan again: %w", err)
	}
	if !again.Empty() {
		return again, notConverged(again)
	}
	return again, nil
}

// settled notes what an apply with nothing to do has settled all the same: that one
// which was cut off at its end is finished, and that another spec counts from now on,
// for verify and status. Where nothing in the cluster shows that an exposure stands it
// begins the record: others ask who lives of a setting.
func settled(ctx context.Context, run Run, plan Plan) error {
	before, err := run.Records.Load(ctx, run.Spec)
	switch {
	case err != nil:
		return err
	case before.Version != 0 && before.Finished != nil && sameSpec(before.Spec, run.Spec):
		return nil
	case before.Version != 0:
		at := run.Now()
		before.Spec, before.Finished = run.Spec, &at
		return run.Records.Save(ctx, before, true)
	case !run.Spec.ByGoogle():
		return nil
	}
	book, err := openBook(ctx, run, plan)
	if err != nil {
		return err
	}
	return book.close(true)
}

// sameSpec compares two specs as a record has them, but for how causeway itself comes
// to the cluster.
func sameSpec(a, b Spec) bool {
	b.Reach = a.Reach
	one, errA := json.Marshal(a)
	two, errB := json.Marshal(b)
	return errA == nil && errB == nil && bytes.Equal(one, two)
}

// doStep runs one step between two entries of the record.
func doStep(ctx context.Context, s Step, run Run, book *book) error {
	begin := run.Now()
	run.Progress.Start(s.ID(), s.Title())
	if err := book.mark(s.ID(), Doing); err != nil {
		run.Progress.Fail(s.ID(), err)
		return err
	}
	err := s.Do(ctx, func(text string) { run.Progress.Note(s.ID(), text) })
	if err != nil {
		run.Progress.Fail(s.ID(), err)
		return join(err, book.mark(s.ID(), Failed))
	}
	run.Progress.Done(s.ID(), run.Now().Sub(begin), "")
	if _, ok := s.(Closing); ok {
		book.forget(s.ID())
	}
	return book.mark(s.ID(), Done)
}

// stopped adds to a failure what stands now and how to go on.
func stopped(ctx context.Context, err error, plan Plan, failed map[string]error) error {
	var standing, missing []string
	for _, item := range plan.Items {
		switch cause := failed[item.ID]; {
		case cause == nil && item.Action != Keep:
			standing = append(standing, item.ID)
		case errors.Is(cause, errNotReached):
			missing = append(missing, item.ID)
		}
	}
	return &Stopped{Err: interrupted(ctx, err), Standing: standing, Missing: missing}
}

// interrupted marks a failure that is the user's own will. The end of --timeout is
// not: it stays a failure with its own code.
func interrupted(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) || (ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled)) {
		return &Interrupted{Err: err}
	}
	return err
}

// Stopped is an apply that ended before its end: what it made stays.
type Stopped struct {
	Err      error
	Standing []string // IDs of the steps that this run finished
	Missing  []string // IDs of the steps that it did not reach
}

func (e *Stopped) Error() string {
	text := e.Err.Error()
	if len(e.Standing) > 0 {
		text += "\nmade by this run, and kept: " + strings.Join(e.Standing, ", ")
	}
	if len(e.Missing) > 0 {
		text += "\nnot reached: " + strings.Join(e.Missing, ", ")
	}
	return text
}

// Unwrap gives the failure.
func (e *Stopped) Unwrap() error { return e.Err }

// Interrupted is a run that the user ended (Ctrl-C). It ends in exit code 130.
type Interrupted struct{ Err error }

func (e *Interrupted) Error() string { return "interrupted: " + e.Err.Error() }

// Unwrap gives the cause.
func (e *Interrupted) Unwrap() error { return e.Err }

func notConverged(plan Plan) error {
	var left []string
	for _, item := range plan.Items {
		if item.Action != Keep {
			left = append(left, fmt.Sprintf("%s (%s: %s)", item.ID, item.Action, item.Why))
		}
	}
	return &RunError{Code_: "CW-RUN-NOT-CONVERGED", Text: "check apply: something is still to do right after it was done: " + strings.Join(left, "; ")}
}
