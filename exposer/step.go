package exposer

import (
	"context"
	"encoding/json"
	"fmt"
)

// Action is what a plan means to do with a step.
type Action string

// The actions, in the order in which a plan counts them.
const (
	Create Action = "create" // does not exist
	Change Action = "change" // exists, differs
	Keep   Action = "keep"   // is as it should be
	Refuse Action = "refuse" // can't be done; Cause says why
)

// Step is one thing that an exposure needs: a resource that it makes, or a
// setting on a thing that it does not own. Steps of one exposure share what they
// learn (the address that Google gave, say): a step may use what the steps in
// its Needs found or made, because those have always run before.
type Step interface {
	// ID names the step in plans and records: "address/causeway-prod".
	ID() string
	// Title says in a user's words what stands there when the step is done.
	Title() string
	// Needs lists the IDs of the steps that must be read or done before.
	Needs() []string
	// Read looks, changes nothing, and may be called again at any time.
	Read(ctx context.Context) (Observed, error)
	// Do makes it so and waits until it is so. Doing what is done already must
	// be harmless: a run that was killed is resumed by doing it again.
	Do(ctx context.Context, note func(string)) error
	// Undo removes what the step made and waits until it is gone, or restores
	// old, the value from before (only a setting's step recorded one). What
	// carries no mark of this exposure stays.
	Undo(ctx context.Context, old json.RawMessage, note func(string)) (Undone, error)
}

// Closing is a step that gives a setting its old value back, because the spec does
// not ask for it any more: what happens to the setting later is others' doing, so
// the record forgets the old value once it is done.
type Closing interface {
	Step
	Closes()
}

// Observed is what a step's Read found.
type Observed struct {
	Action  Action
	Changes []FieldChange   // for Change: what differs
	Why     string          // for people: why this action
	Exists  bool            // something is there
	Ours    bool            // and it carries this exposure's mark
	Cause   error           // for Refuse
	Old     json.RawMessage // for a setting about to be changed: its value now
}

// FieldChange is one difference between what is and what shall be. Secret values
// never stand in it.
type FieldChange struct {
	Field string `json:"field"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

// Undone says what an Undo did.
type Undone struct {
	Outcome Outcome
	Why     string // for Left: why it stays
}

// Outcome of undoing one step.
type Outcome string

// The outcomes of Undo.
const (
	Removed  Outcome = "removed"  // was there, was ours, is gone
	Restored Outcome = "restored" // a setting has its old value again
	Absent   Outcome = "absent"   // was not there
	Left     Outcome = "left"     // is not ours, or somebody changed it; stays
)

// graph holds the steps and who waits for whom.
type graph struct {
	steps []Step
	needs map[string][]string // ID -> IDs that come before
}

// newGraph checks that IDs are unique, that needs exist and that no circle waits
// for itself; a mistake here is a programmer's, found by each method's tests.
func newGraph(steps []Step) (graph, error) {
	g := graph{steps: steps, needs: map[string][]string{}}
	for _, s := range steps {
		if _, twice := g.needs[s.ID()]; twice {
			return graph{}, fmt.Errorf("order steps: two are called %s", s.ID())
		}
		g.needs[s.ID()] = s.Needs()
	}
	for id, needs := range g.needs {
		for _, n := range needs {
			if _, ok := g.needs[n]; !ok {
				return graph{}, fmt.Errorf("order steps: %s needs %s, which is no step", id, n)
			}
		}
	}
	if id := g.circle(); id != "" {
		return graph{}, fmt.Errorf("order steps: %s needs itself", id)
	}
	return g, nil
}

// reversed is the same steps with every arrow turned round, for undoing.
func (g graph) reversed() graph {
	turned := graph{steps: g.steps, needs: map[string][]string{}}
	for id, needs := range g.needs {
		for _, n := range needs {
			turned.needs[n] = append(turned.needs[n], id)
		}
	}
	return turned
}

// circle returns the ID of a step that waits for itself, or "".
func (g graph) circle() string {
	state := map[string]int{} // 1: on the way down, 2: done
	var visit func(id string) string
	visit = func(id string) string {
		switch state[id] {
		case 1:
			return id
		case 2:
			return ""
		}
		state[id] = 1
		for _, n := range g.needs[id] {
			if found := visit(n); found != "" {
				return found
			}
		}
		state[id] = 2
		return ""
	}
	for _, s := range g.steps {
		if found := visit(s.ID()); found != "" {
			return found
		}
	}
	return ""
}
