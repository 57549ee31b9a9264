package exposer

import (
	"context"
	"errors"
	"strings"
	"testing"

	"causeway/internal/explain"
)

// thing is something in a cloud that a Resource is about.
type thing struct {
	found *Found // nil: there is none
	fails error
	calls []string
}

func (c *thing) resource(leaving, adopt bool) *Resource {
	return &Resource{Name: "thing/x", About: "a thing", Why: "because", After: []string{"other"}, Leaving: leaving, Adopt: adopt,
		Find: func(context.Context) (*Found, error) { return c.found, c.fails },
		Make: func(context.Context, func(string)) error {
			c.calls = append(c.calls, "make")
			c.found = &Found{Ours: true}
			return nil
		},
		Remove: func(context.Context, func(string)) error {
			c.calls = append(c.calls, "remove")
			c.found = nil
			return nil
		},
	}
}

func TestAResourceThatIsFound(t *testing.T) {
	t.Parallel()
	unfit := &RunError{Code_: "CW-VPN-FIXED", Text: "has another address"}
	for name, c := range map[string]struct {
		found          *Found
		leaving, adopt bool
		action         Action
		why            string
		code           string // of a refusal
		do             string // calls of Do; it fails where the plan refuses
		undo           Outcome
		undoWhy        string
	}{
		"none is there":                           {action: Create, why: "because", do: "make", undo: Absent},
		"ours":                                    {found: &Found{Ours: true, Why: "10.0.0.1"}, action: Keep, why: "10.0.0.1", undo: Removed},
		"ours, and it can't be changed in place":  {found: &Found{Ours: true, Unfit: unfit}, action: Refuse, code: "CW-VPN-FIXED", undo: Removed},
		"ours, and others stand on it":            {found: &Found{Ours: true, Keep: "it carries a NAT"}, action: Keep, undo: Left, undoWhy: "it carries a NAT"},
		"somebody's, to be used":                  {found: &Found{}, adopt: true, action: Keep, why: "exists, is not causeway's: used as it is, and left on destroy", undo: Left, undoWhy: "not made by this exposure"},
		"somebody's, to be used, with a word":     {found: &Found{Why: "10.0.0.1"}, adopt: true, action: Keep, why: "10.0.0.1, exists, is not causeway's", undo: Left},
		"somebody's that is no use":               {found: &Found{Unfit: unfit}, adopt: true, action: Refuse, code: "CW-VPN-FIXED", undo: Left},
		"somebody's in the place of ours":         {found: &Found{}, action: Refuse, code: "CW-RUN-FOREIGN", undo: Left, undoWhy: "not made by this exposure"},
		"leaving, whatever is the matter with it": {found: &Found{Unfit: unfit}, leaving: true, action: Keep, undo: Left},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := &thing{found: c.found}
			step := one.resource(c.leaving, c.adopt)
			seen, err := step.Read(t.Context())
			if err != nil || seen.Action != c.action || !strings.HasPrefix(seen.Why, c.why) || seen.Exists != (c.found != nil) || seen.Ours != (c.found != nil && c.found.Ours) {
				t.Errorf("read: %+v %v", seen, err)
			}
			if explain.CodeOf(seen.Cause) != c.code {
				t.Errorf("refused by %v, want %s", seen.Cause, c.code)
			}
			if !c.leaving {
				err = step.Do(t.Context(), func(string) {})
				if explain.CodeOf(err) != c.code || strings.Join(one.calls, " ") != c.do {
					t.Errorf("done: %v, calls %q", err, one.calls)
				}
				if c.do != "" { // what is done already is harmless
					if err := step.Do(t.Context(), func(string) {}); err != nil || len(one.calls) != 1 {
						t.Errorf("done again: %v, calls %q", err, one.calls)
					}
				}
			}
			other := &thing{found: c.found}
			undone, err := other.resource(c.leaving, c.adopt).Undo(t.Context(), nil, func(string) {})
			if err != nil || undone.Outcome != c.undo || !strings.Contains(undone.Why, c.undoWhy) || (len(other.calls) == 1) != (c.undo == Removed) {
				t.Errorf("undone: %+v %v, calls %q", undone, err, other.calls)
			}
		})
	}
}

func TestAResourceThatCanNotBeLookedAtIsNotTouched(t *testing.T) {
	t.Parallel()
	broken := errors.New("no answer")
	one := &thing{fails: broken}
	step := one.resource(false, true)
	_, err := step.Read(t.Context())
	_, undoErr := step.Undo(t.Context(), nil, func(string) {})
	for verb, err := range map[string]error{"read": err, "do": step.Do(t.Context(), func(string) {}), "undo": undoErr} {
		if !errors.Is(err, broken) {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if len(one.calls) > 0 {
		t.Errorf("calls %q", one.calls)
	}
}

func TestAResourceThatFailsIsTold(t *testing.T) {
	t.Parallel()
	broken := errors.New("quota")
	step := (&thing{}).resource(false, false)
	step.Make = func(context.Context, func(string)) error { return broken }
	if err := step.Do(t.Context(), func(string) {}); !errors.Is(err, broken) {
		t.Errorf("make: %v", err)
	}
	step = (&thing{found: &Found{Ours: true}}).resource(true, false)
	step.Remove = func(context.Context, func(string)) error { return broken }
	if undone, err := step.Undo(t.Context(), nil, func(string) {}); !errors.Is(err, broken) || undone.Outcome == Removed {
		t.Errorf("remove: %+v %v", undone, err)
	}
	if step.ID() != "thing/x" || step.Title() != "a thing" || len(step.Needs()) != 1 {
		t.Errorf("%s, %s, %v", step.ID(), step.Title(), step.Needs())
	}
}
