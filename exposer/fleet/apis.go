package fleet

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// APIs is the setting of Google APIs in a project. They are only ever turned on:
// by the time of a destroy others may have come to use them, and Google can't say
// who does. Destroy names them, with the command.
type APIs struct {
	Google  *gcp.Cloud
	Project string
	Names   []string // "gkehub.googleapis.com"
	Leaving bool
}

// ID, Title and Needs implement exposer.Step.
func (a *APIs) ID() string { return "apis/" + a.Project }

// Title implements exposer.Step.
func (a *APIs) Title() string { return "Google's APIs in project " + a.Project }

// Stays says why a destroy leaves them on.
func (a *APIs) Stays() string { return "they stay on, as others may use them by now" }

// Needs implements exposer.Step.
func (a *APIs) Needs() []string { return nil }

// Read implements exposer.Step.
func (a *APIs) Read(ctx context.Context) (exposer.Observed, error) {
	if a.Leaving {
		return exposer.Observed{Action: exposer.Keep}, nil
	}
	missing, err := a.Google.MissingServices(ctx, a.Project, a.Names)
	if err != nil || len(missing) == 0 {
		return exposer.Observed{Action: exposer.Keep, Exists: true, Why: "are on"}, err
	}
	seen := exposer.Observed{Action: exposer.Change, Exists: true, Why: "they stay on after a destroy"}
	for _, name := range missing {
		seen.Changes = append(seen.Changes, exposer.FieldChange{Field: name, From: "off", To: "on"})
	}
	seen.Old, err = json.Marshal(missing)
	return seen, err
}

// Do implements exposer.Step.
func (a *APIs) Do(ctx context.Context, note func(string)) error {
	missing, err := a.Google.MissingServices(ctx, a.Project, a.Names)
	if err != nil || len(missing) == 0 {
		return err
	}
	return a.Google.EnableServices(ctx, a.Project, missing, note)
}

// Undo implements exposer.Step.
func (a *APIs) Undo(_ context.Context, old json.RawMessage, _ func(string)) (exposer.Undone, error) {
	var names []string
	if old == nil {
		return exposer.Undone{Outcome: exposer.Absent, Why: "were on before"}, nil
	}
	if err := json.Unmarshal(old, &names); err != nil {
		return exposer.Undone{}, fmt.Errorf("read record of APIs: %w", err)
	}
	return exposer.Undone{Outcome: exposer.Left, Why: fmt.Sprintf("%s stay on, as others may use them by now; `gcloud services disable %s --project %s` turns them off",
		short(names), strings.Join(names, " "), a.Project)}, nil
}

// short names APIs as people do.
func short(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = strings.TrimSuffix(name, ".googleapis.com")
	}
	return strings.Join(out, ", ")
}
