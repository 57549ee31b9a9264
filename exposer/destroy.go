package exposer

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"
)

// DestroyItem is what became, or would become, of one step.
type DestroyItem struct {
	ID      string  `json:"id"`
	Title   string  `json:"title"`
	Outcome Outcome `json:"outcome,omitempty"`
	Why     string  `json:"why,omitempty"`
}

// PlanDestroy says what Destroy would take away and what would stay, by reading.
func PlanDestroy(plan Plan, record Record) []DestroyItem {
	items := make([]DestroyItem, 0, len(plan.Items))
	for i := len(plan.Items) - 1; i >= 0; i-- {
		from := plan.Items[i]
		item := DestroyItem{ID: from.ID, Title: from.Title}
		switch {
		case record.Old(from.ID) != nil:
			item.Outcome = Restored
			if staying, ok := from.step.(interface{ Stays() string }); ok && staying.Stays() != "" {
				item.Outcome, item.Why = Left, staying.Stays()
			}
		case !from.Exists:
			item.Outcome = Absent
		case !from.Ours:
			item.Outcome, item.Why = Left, "not made by this exposure"
		default:
			item.Outcome = Removed
		}
		items = append(items, item)
	}
	return items
}

// Destroy undoes the steps in the reverse order, independent ones at the same
// time, and waits until each is gone. A step that fails keeps those that it
// stands on, and does not stop the others. The items tell what became of each
// step; with a nil error nothing of the exposure is left but items with the
// outcome left.
func Destroy(ctx context.Context, steps []Step, record Record, run Run) ([]DestroyItem, error) {
	g, err := newGraph(steps)
	if err != nil {
		return nil, err
	}
	if run.Lock != nil {
		release, err := run.Lock(ctx)
		if err != nil {
			return nil, err
		}
		defer release()
	}
	back := g.reversed()
	var mu sync.Mutex
	undone := map[string]Undone{}
	failed := back.each(ctx, false, func(ctx context.Context, s Step) error {
		result, err := undoStep(ctx, s, record, run)
		mu.Lock()
		defer mu.Unlock()
		undone[s.ID()] = result
		return err
	})
	items := make([]DestroyItem, 0, len(steps))
	for i := len(steps) - 1; i >= 0; i-- {
		s := steps[i]
		item := DestroyItem{ID: s.ID(), Title: s.Title(), Outcome: undone[s.ID()].Outcome, Why: undone[s.ID()].Why}
		if err := failed[s.ID()]; err != nil {
			item.Outcome, item.Why = Left, err.Error()
		}
		items = append(items, item)
	}
	if err := back.joined(ctx, failed); err != nil {
		return items, fmt.Errorf("destroy: %w", interrupted(ctx, err))
	}
	return items, run.Records.Forget(ctx, run.Spec)
}

func undoStep(ctx context.Context, s Step, record Record, run Run) (Undone, error) {
	var begin time.Time = run.Now()
	run.Progress.Start(s.ID(), "remove "+s.Title())
	result, err := s.Undo(ctx, record.Old(s.ID()), func(text string) { run.Progress.Note(s.ID(), text) })
	if err != nil {
		run.Progress.Fail(s.ID(), err)
		return result, err
	}
	text := result.Why
	switch result.Outcome {
	case Removed:
	case Absent:
		text = "was not there"
	default:
		text = strings.TrimSuffix(string(result.Outcome)+": "+result.Why, ": ")
	}
	run.Progress.Done(s.ID(), run.Now().Sub(begin), text)
	return result, nil
}
