package exposer

import (
	"context"
	"encoding/json"
	"sync"
)

// Plan is what is to be created, changed, kept or refused, and why. It is made
// by reading only.
type Plan struct {
	Items []Item `json:"items"` // in the steps' order
	graph graph
}

// Item is one step of a plan.
type Item struct {
	ID      string          `json:"id"`
	Title   string          `json:"title"`
	Action  Action          `json:"action"`
	Why     string          `json:"why,omitempty"`
	Changes []FieldChange   `json:"changes,omitempty"`
	Needs   []string        `json:"needs,omitempty"`
	Exists  bool            `json:"exists"`
	Ours    bool            `json:"ours"`
	Code    string          `json:"code,omitempty"` // for refuse: `causeway explain CODE`
	Cause   string          `json:"cause,omitempty"`
	Old     json.RawMessage `json:"old,omitempty"`

	step  Step
	cause error
}

// MakePlan reads every step. An error means that reading failed; a step that
// can't be done is no error but an item with action refuse.
func MakePlan(ctx context.Context, steps []Step) (Plan, error) {
	g, err := newGraph(steps)
	if err != nil {
		return Plan{}, err
	}
	var mu sync.Mutex
	seen := map[string]Observed{}
	failed := g.each(ctx, false, func(ctx context.Context, s Step) error {
		observed, err := s.Read(ctx)
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		seen[s.ID()] = observed
		return nil
	})
	if err := g.joined(ctx, failed); err != nil {
		return Plan{}, err
	}
	plan := Plan{graph: g}
	for _, s := range steps {
		plan.Items = append(plan.Items, newItem(s, seen[s.ID()]))
	}
	return plan, nil
}

func newItem(s Step, o Observed) Item {
	item := Item{ID: s.ID(), Title: s.Title(), Action: o.Action, Why: o.Why, Changes: o.Changes,
		Needs: s.Needs(), Exists: o.Exists, Ours: o.Ours, Old: o.Old, step: s, cause: o.Cause}
	if o.Cause != nil {
		item.Cause, item.Code = o.Cause.Error(), codeOf(o.Cause)
	}
	return item
}

// Count returns how many items have the action.
func (p Plan) Count(action Action) int {
	n := 0
	for _, item := range p.Items {
		if item.Action == action {
			n++
		}
	}
	return n
}

// Empty reports whether there is nothing to do.
func (p Plan) Empty() bool {
	return p.Count(Create)+p.Count(Change)+p.Count(Refuse) == 0
}

// Refusals returns the items that can't be done as problems of preflight.
func (p Plan) Refusals() []Problem {
	var problems []Problem
	for _, item := range p.Items {
		if item.Action == Refuse {
			problems = append(problems, Problem{Code: item.Code, Text: item.ID + ": " + item.Cause, cause: item.cause})
		}
	}
	return problems
}

// item finds a step's item.
func (p Plan) item(id string) Item {
	for _, item := range p.Items {
		if item.ID == id {
			return item
		}
	}
	return Item{}
}
