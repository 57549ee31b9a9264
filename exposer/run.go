package exposer

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// errNotReached marks steps that did not run because one before them failed.
var errNotReached = errors.New("not reached")

// each calls do for every step, each as soon as the steps that it needs are
// through, so that what does not depend on each other runs at the same time.
//
// A failed step keeps the steps behind it from starting. With stop set, so does
// it for every step that has not started yet; those that run are let finish,
// because a step cut in the middle leaves more to explain than a finished one.
// The map has an entry for each step that failed (errNotReached when not run).
func (g graph) each(ctx context.Context, stop bool, do func(context.Context, Step) error) map[string]error {
	var (
		mu     sync.Mutex
		failed = map[string]error{}
		broken bool
		wg     sync.WaitGroup
		done   = map[string]chan struct{}{}
	)
	for _, s := range g.steps {
		done[s.ID()] = make(chan struct{})
	}
	mayRun := func(id string) bool {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil || (stop && broken) {
			failed[id] = errNotReached
			return false
		}
		for _, n := range g.needs[id] {
			if failed[n] != nil {
				failed[id] = errNotReached
				return false
			}
		}
		return true
	}
	for _, s := range g.steps {
		wg.Go(func() {
			defer close(done[s.ID()])
			for _, n := range g.needs[s.ID()] {
				<-done[n]
			}
			if !mayRun(s.ID()) {
				return
			}
			if err := do(ctx, s); err != nil {
				mu.Lock()
				failed[s.ID()], broken = err, true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return failed
}

// joined returns the failures in the steps' order, without the steps that were
// not reached; nil when there are none.
func (g graph) joined(ctx context.Context, failed map[string]error) error {
	var errs []error
	for _, s := range g.steps {
		if err := failed[s.ID()]; err != nil && !errors.Is(err, errNotReached) {
			errs = append(errs, fmt.Errorf("%s: %w", s.ID(), err))
		}
	}
	if len(errs) == 0 && ctx.Err() != nil {
		errs = append(errs, context.Cause(ctx))
	}
	return errors.Join(errs...)
}
