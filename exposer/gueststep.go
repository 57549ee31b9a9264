package exposer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"causeway/internal/kube"
)

// GuestStep is the setting that an exposure makes on the one that it stands on: its
// Service lets more clients in, and its certificate bears more names.
type GuestStep struct {
	Cluster  *kube.Client // nil: the cluster is gone
	Exposure string       // the guest's name
	HostName string
	Host     Spec // the zero Spec when it is gone
	HostPlan Plan // what the host lacks, as it was found
	About    string
	After    []string
	Leaving  bool
	Clock    func() time.Time
	// Open opens the host anew, with its guests as they are now.
	Open func(ctx context.Context) (Exposure, error)
	// Want is what the host has to give; false while it is not known, and Waits says
	// what comes first then.
	Want  func() (Guest, bool)
	Waits string

	moved bool // the host was changed since HostPlan
}

// GuestID is the step's ID.
func GuestID(host string) string { return "guest/" + host }

// ID, Title and Needs implement Step.
func (s *GuestStep) ID() string { return GuestID(s.HostName) }

// Title implements Step.
func (s *GuestStep) Title() string { return s.About }

// Needs implements Step.
func (s *GuestStep) Needs() []string { return s.After }

// YAML is what is written into the cluster, for render.
func (s *GuestStep) YAML() (string, error) {
	want, known := s.Want()
	if !known {
		return "# the guests of exposure " + s.HostName + ": " + s.Waits + "\n", nil
	}
	text, err := yaml.Marshal(want)
	if err != nil {
		return "", fmt.Errorf("render the guest of exposure %s: %w", s.HostName, err)
	}
	return "# added to the guests of exposure " + s.HostName + ":\n" + string(text), nil
}

// gone reports whether there is no host any more.
func (s *GuestStep) gone() bool { return s.Cluster == nil || s.Host.Name == "" }

// Read implements Step.
func (s *GuestStep) Read(ctx context.Context) (Observed, error) {
	if s.gone() {
		return Observed{Action: Keep, Why: "the exposure beneath is gone"}, nil
	}
	guests, err := ReadGuests(ctx, s.Cluster, s.Host)
	if err != nil {
		return Observed{}, err
	}
	have, ok := guests[s.Exposure]
	seen := Observed{Exists: ok, Ours: ok, Action: Keep}
	if s.Leaving {
		return seen, nil
	}
	want, known := s.Want()
	switch {
	case !known:
		seen.Action, seen.Why = Create, s.Waits
	case !slices.Equal(have.Ranges, want.Ranges) || !slices.Equal(have.Names, want.Names):
		seen.Action = Change
		if !ok {
			seen.Action = Create
		}
		seen.Changes = []FieldChange{{Field: "loadBalancerSourceRanges", From: strings.Join(have.Ranges, ", "), To: strings.Join(want.Ranges, ", ")}}
		if len(want.Names) > 0 {
			seen.Changes = append(seen.Changes, FieldChange{Field: "certificate", From: strings.Join(have.Names, ", "), To: strings.Join(want.Names, ", ")})
		}
	default:
		return s.settled(ctx, seen)
	}
	return seen, nil
}

// settled looks whether the host has what its guest needs.
func (s *GuestStep) settled(ctx context.Context, seen Observed) (Observed, error) {
	plan := s.HostPlan
	if s.moved {
		host, err := s.Open(ctx)
		if err != nil {
			return seen, err
		}
		if plan, err = MakePlan(ctx, host.Steps()); err != nil {
			return seen, err
		}
	}
	if !plan.Empty() {
		seen.Action, seen.Why = Change, "the exposure beneath is not as it should be yet"
	}
	return seen, nil
}

// Do implements Step.
func (s *GuestStep) Do(ctx context.Context, note func(string)) error {
	want, known := s.Want()
	if !known {
		return fmt.Errorf("change exposure %s: %s", s.HostName, s.Waits)
	}
	return s.change(ctx, func(guests Guests) { guests[s.Exposure] = want }, note)
}

// change writes the host's guests under its lock, and brings it to what they need.
func (s *GuestStep) change(ctx context.Context, edit func(Guests), note func(string)) error {
	s.moved = true
	host, err := s.Open(ctx)
	if err != nil {
		return err
	}
	if err := s.write(ctx, host, edit); err != nil {
		return err
	}
	if host, err = s.Open(ctx); err != nil {
		return err
	}
	return Follow(ctx, host, s.Clock, note)
}

func (s *GuestStep) write(ctx context.Context, host Exposure, edit func(Guests)) error {
	release, err := host.Lock(ctx)
	if err != nil {
		return err
	}
	defer release()
	guests, err := ReadGuests(ctx, s.Cluster, s.Host)
	if err != nil {
		return err
	}
	if guests == nil {
		guests = Guests{}
	}
	edit(guests)
	return WriteGuests(ctx, s.Cluster, s.Host, guests)
}

// Undo implements Step.
func (s *GuestStep) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (Undone, error) {
	if s.gone() {
		return Undone{Outcome: Absent, Why: "the exposure beneath is gone"}, nil
	}
	guests, err := ReadGuests(ctx, s.Cluster, s.Host)
	if err != nil {
		return Undone{}, err
	}
	if _, ok := guests[s.Exposure]; !ok {
		return Undone{Outcome: Absent}, nil
	}
	return Undone{Outcome: Restored}, s.change(ctx, func(guests Guests) { delete(guests, s.Exposure) }, note)
}
