package exposer

import (
	"context"
	"time"
)

// Check is one line of a status: what was looked at, and how it stands.
type Check struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	OK    bool   `json:"ok"`
	Days  *int   `json:"daysLeft,omitempty"` // for what ends by itself
	Code  string `json:"code,omitempty"`
}

// Status is an exposure as it stands against what its spec wants.
type Status struct {
	Facts  []Fact  `json:"facts"`
	Checks []Check `json:"checks"`
	Drift  []Item  `json:"drift"` // steps that an apply would change
}

// OK reports whether nothing needs anybody.
func (s Status) OK() bool {
	for _, check := range s.Checks {
		if !check.OK {
			return false
		}
	}
	return len(s.Drift) == 0
}

// Watchful is an exposure that knows more about itself than its steps tell:
// certificates that end, pods that restart.
type Watchful interface {
	Checks(ctx context.Context, warn time.Duration) ([]Check, error)
}

// Status reads how an exposure stands. What ends within warn is not OK.
func (j Job) Status(ctx context.Context, spec Spec, warn time.Duration) (Status, error) {
	exposure, record, err := j.Standing(ctx, spec)
	if err != nil {
		return Status{}, err
	}
	plan, err := MakePlan(ctx, exposure.Steps())
	if err != nil {
		return Status{}, err
	}
	// Empty lists, not none: who reads it as JSON goes through them.
	status := Status{Facts: append([]Fact{}, exposure.Facts()...), Checks: []Check{}, Drift: []Item{}}
	for _, item := range plan.Items {
		if item.Action != Keep {
			status.Drift = append(status.Drift, item)
		}
	}
	if record.Version != 0 {
		status.Checks = append(status.Checks, recordCheck(record))
	}
	if traced, ok := exposure.(Traced); ok {
		trace, err := traced.Trace(ctx)
		if err != nil {
			return status, err
		}
		status.Checks = append(status.Checks, trace.checks()...)
	}
	if watchful, ok := exposure.(Watchful); ok {
		checks, err := watchful.Checks(ctx, warn)
		if err != nil {
			return status, err
		}
		status.Checks = append(status.Checks, checks...)
	}
	return status, nil
}

func recordCheck(record Record) Check {
	if record.Finished == nil {
		return Check{Name: "last apply", Value: "by " + record.By + ", began " + moment(record.Started) + ", did not finish: run apply again", Code: "CW-RUN-UNFINISHED"}
	}
	return Check{Name: "last apply", Value: "by " + record.By + ", " + moment(*record.Finished), OK: true}
}

// moment writes a time for people: to the minute, in UTC, because the far side may
// be on another continent.
func moment(at time.Time) string { return at.UTC().Format("2006-01-02 15:04") + " UTC" }
