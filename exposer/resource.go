package exposer

import (
	"context"
	"encoding/json"
)

// Resource is the step for one thing in the cloud that is made and removed as a
// whole: a router, a gateway, a tunnel. It is deleted only while it carries the
// exposure's mark.
type Resource struct {
	Name  string   // ID: "vpn-gateway/europe-west3/causeway-prod"
	About string   // Title
	After []string // Needs
	Why   string   // of a create, for people

	Leaving bool
	Adopt   bool // one that exists unmarked is used as it is; otherwise it is refused
	// Find looks; nil when there is none.
	Find func(ctx context.Context) (*Found, error)
	// Make makes it and waits until it stands.
	Make func(ctx context.Context, note func(string)) error
	// Remove deletes it and waits until it is gone.
	Remove func(ctx context.Context, note func(string)) error
}

// Found is what a Resource's Find saw.
type Found struct {
	Ours  bool
	Why   string // what is worth telling of it
	Unfit error  // why it can't be used
	Keep  string // why it must not be deleted, though it is ours
	// Unmade says what is missing of a thing that is made in more than one call.
	Unmade string
}

// ID implements Step.
func (r *Resource) ID() string { return r.Name }

// Title implements Step.
func (r *Resource) Title() string { return r.About }

// Needs implements Step.
func (r *Resource) Needs() []string { return r.After }

// Read implements Step.
func (r *Resource) Read(ctx context.Context) (Observed, error) {
	found, err := r.Find(ctx)
	if err != nil {
		return Observed{}, err
	}
	if found == nil {
		return Observed{Action: Create, Why: r.Why}, nil
	}
	seen := Observed{Exists: true, Ours: found.Ours, Action: Keep, Why: found.Why}
	if r.Leaving {
		return seen, nil
	}
	if cause := r.unfit(*found); cause != nil {
		seen.Action, seen.Cause = Refuse, cause
		return seen, nil
	}
	if found.Unmade != "" {
		seen.Action, seen.Why = Change, found.Unmade
	}
	if !found.Ours {
		if seen.Why != "" {
			seen.Why += ", "
		}
		seen.Why += "exists, is not causeway's: used as it is, and left on destroy"
	}
	return seen, nil
}

func (r *Resource) unfit(found Found) error {
	if found.Unfit == nil && !found.Ours && !r.Adopt {
		return &RunError{Code_: "CW-RUN-FOREIGN", Text: r.Name + " exists and does not carry this exposure's mark"}
	}
	return found.Unfit
}

// Do implements Step.
func (r *Resource) Do(ctx context.Context, note func(string)) error {
	found, err := r.Find(ctx)
	if err != nil {
		return err
	}
	if found != nil && (found.Unmade == "" || r.unfit(*found) != nil) {
		return r.unfit(*found)
	}
	return r.Make(ctx, note)
}

// Undo implements Step.
func (r *Resource) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (Undone, error) {
	found, err := r.Find(ctx)
	switch {
	case err != nil:
		return Undone{}, err
	case found == nil:
		return Undone{Outcome: Absent}, nil
	case !found.Ours:
		return Undone{Outcome: Left, Why: "not made by this exposure"}, nil
	case found.Keep != "":
		return Undone{Outcome: Left, Why: found.Keep}, nil
	}
	if err := r.Remove(ctx, note); err != nil {
		return Undone{}, err
	}
	return Undone{Outcome: Removed}, nil
}
