package routing

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// Peering is the setting of a VPC peering's custom-route flags. Flags that are
// not asked for stay as they are.
type Peering struct {
	Google  *gcp.Cloud
	Network gcp.Ref // whose side of the peering
	Name    string
	// Export must be on: this network's custom routes go to the peer. Import must be
	// on: the peer's custom routes come in. Leaving, neither means that an earlier spec
	// may have asked for one.
	Export, Import bool
	Note           string
	Leaving        bool
	After          []string
	// StillNeeded says who else needs the flags, on destroy; "" for nobody.
	StillNeeded func(ctx context.Context) (string, error)
	// HandOver gives the old value to the record of one who still needs the flags, and
	// names him; "" where none is known. May be nil.
	HandOver func(ctx context.Context, step string, old json.RawMessage) (heir string, err error)

	stays string // as Read saw it, leaving: who still needs it
}

// flags is what is recorded of a peering: the old value of each flag that was
// turned on.
type flags struct {
	Export *bool `json:"exportCustomRoutes,omitempty"`
	Import *bool `json:"importCustomRoutes,omitempty"`
}

// ID, Title and Needs implement exposer.Step.
func (p *Peering) ID() string { return "peering/" + p.Network.Name + "/" + p.Name }

// Title says what stands when it is done.
func (p *Peering) Title() string {
	var what []string
	if p.Export {
		what = append(what, "exports")
	}
	if p.Import {
		what = append(what, "imports")
	}
	if len(what) == 0 {
		what = []string{"exchanges no"}
	}
	return fmt.Sprintf("peering %s of network %s %s custom routes", p.Name, p.Network.Name, strings.Join(what, " and "))
}

// Needs implements exposer.Step.
func (p *Peering) Needs() []string { return p.After }

// find reads the peering; nil when the network has none of that name.
func (p *Peering) find(ctx context.Context) (*gcp.Peering, error) {
	network, err := p.Google.Network(ctx, p.Network.Project, p.Network.Name)
	if err != nil {
		return nil, err
	}
	for i := range network.Peerings {
		if network.Peerings[i].Name == p.Name {
			return &network.Peerings[i], nil
		}
	}
	return nil, nil
}

// Read implements exposer.Step.
func (p *Peering) Read(ctx context.Context) (exposer.Observed, error) {
	live, err := p.find(ctx)
	if err != nil {
		if p.Leaving && gcp.NotFound(err) {
			return exposer.Observed{Action: exposer.Keep}, nil
		}
		return exposer.Observed{}, err
	}
	if live == nil {
		if p.Leaving {
			return exposer.Observed{Action: exposer.Keep}, nil
		}
		return exposer.Observed{Action: exposer.Refuse, Cause: p.gone()}, nil
	}
	seen := exposer.Observed{Exists: p.Export || p.Import, Action: exposer.Keep, Why: "is on already; destroy turns off only what causeway turned on"}
	missing := p.missing(*live)
	if p.Leaving {
		p.stays, _ = p.needed(ctx) // what can't be known now, Undo says
		return seen, nil
	}
	if missing == (flags{}) {
		return seen, nil
	}
	seen.Action, seen.Why = exposer.Change, p.Note
	if missing.Export != nil {
		seen.Changes = append(seen.Changes, exposer.FieldChange{Field: "exportCustomRoutes", From: "false", To: "true"})
	}
	if missing.Import != nil {
		seen.Changes = append(seen.Changes, exposer.FieldChange{Field: "importCustomRoutes", From: "false", To: "true"})
	}
	seen.Old, err = json.Marshal(missing)
	return seen, err
}

// Stays says why the flags will not get their old value on destroy; "" where they do.
func (p *Peering) Stays() string {
	if p.stays == "" {
		return ""
	}
	return p.stays + " still needs it"
}

// missing are the flags that must be turned on, with their value now.
func (p *Peering) missing(live gcp.Peering) flags {
	var off bool
	var missing flags
	if p.Export && !live.ExportCustomRoutes {
		missing.Export = &off
	}
	if p.Import && !live.ImportCustomRoutes {
		missing.Import = &off
	}
	return missing
}

func (p *Peering) gone() error {
	return refusal("CW-NET-PEERING-GONE", "network %s has no peering %s", p.Network, p.Name)
}

// Do implements exposer.Step.
func (p *Peering) Do(ctx context.Context, note func(string)) error {
	live, err := p.find(ctx)
	if err != nil {
		return err
	}
	if live == nil {
		return p.gone()
	}
	missing, on := p.missing(*live), true
	if missing == (flags{}) {
		return nil
	}
	change := gcp.PeeringChange{}
	if missing.Export != nil {
		change.Export = &on
	}
	if missing.Import != nil {
		change.Import = &on
	}
	return p.Google.UpdatePeering(ctx, p.Network, p.Name, change, note)
}

// Undo implements exposer.Step: flags that causeway turned on go off again,
// unless somebody did it meanwhile or somebody else needs them.
func (p *Peering) Undo(ctx context.Context, old json.RawMessage, note func(string)) (exposer.Undone, error) {
	if old == nil && !p.Export && !p.Import {
		return exposer.Undone{Outcome: exposer.Absent}, nil
	}
	if old == nil {
		return exposer.Undone{Outcome: exposer.Left, Why: NotOurs}, nil
	}
	back, err := p.back(ctx, old)
	if err != nil {
		return exposer.Undone{}, err
	}
	if back.gone {
		return exposer.Undone{Outcome: exposer.Absent, Why: "the peering is gone"}, nil
	}
	who, err := p.needed(ctx)
	if err != nil {
		return exposer.Undone{}, err
	}
	if who != "" {
		why, err := StaysFor(ctx, who, p.ID(), old, p.HandOver, p.command(back.before))
		return exposer.Undone{Outcome: exposer.Left, Why: why}, err
	}
	if back.change == (gcp.PeeringChange{}) {
		return exposer.Undone{Outcome: exposer.Restored, Why: "somebody did so already"}, nil
	}
	return exposer.Undone{Outcome: exposer.Restored}, p.Google.UpdatePeering(ctx, p.Network, p.Name, back.change, note)
}

// wayBack is what gives a peering's flags their old values.
type wayBack struct {
	before flags
	change gcp.PeeringChange // zero where they have them
	gone   bool              // the peering is
}

func (p *Peering) back(ctx context.Context, old json.RawMessage) (wayBack, error) {
	var way wayBack
	if err := json.Unmarshal(old, &way.before); err != nil {
		return way, fmt.Errorf("read the old flags of peering %s: %w", p.Name, err)
	}
	live, err := p.find(ctx)
	if way.gone = gcp.NotFound(err) || err == nil && live == nil; way.gone || err != nil {
		return way, ignoreGone(err)
	}
	if way.before.Export != nil && live.ExportCustomRoutes != *way.before.Export {
		way.change.Export = way.before.Export
	}
	if way.before.Import != nil && live.ImportCustomRoutes != *way.before.Import {
		way.change.Import = way.before.Import
	}
	return way, nil
}

func ignoreGone(err error) error {
	if gcp.NotFound(err) {
		return nil
	}
	return err
}

func (p *Peering) needed(ctx context.Context) (string, error) {
	if p.StillNeeded == nil {
		return "", nil
	}
	return p.StillNeeded(ctx)
}

// Returning says what giving the flags their old value would change just now, and
// who needs them as they are.
func (p *Peering) Returning(ctx context.Context, old json.RawMessage) ([]exposer.FieldChange, string, error) {
	back, err := p.back(ctx, old)
	if err != nil || back.change == (gcp.PeeringChange{}) {
		return nil, "", err
	}
	var changes []exposer.FieldChange
	if back.change.Export != nil {
		changes = append(changes, exposer.FieldChange{Field: "exportCustomRoutes", From: "true", To: "false"})
	}
	if back.change.Import != nil {
		changes = append(changes, exposer.FieldChange{Field: "importCustomRoutes", From: "true", To: "false"})
	}
	who, err := p.needed(ctx)
	return changes, who, err
}

// StaysFor hands a setting's old value over to whoever still needs the setting, and
// says why it stays; where no record can take it, by which command it goes later.
func StaysFor(ctx context.Context, who, step string, old json.RawMessage, handOver func(context.Context, string, json.RawMessage) (string, error), command string) (string, error) {
	if handOver != nil {
		heir, err := handOver(ctx, step, old)
		if err != nil {
			return "", err
		}
		if heir != "" {
			return fmt.Sprintf("%s still needs it; the record of exposure %s holds the old value now, and its destroy restores it", who, heir), nil
		}
	}
	return fmt.Sprintf("%s still needs it; when that is gone too: %s", who, command), nil
}

// NotOurs is why a flag stays on that no record claims: flags bear no mark.
const NotOurs = "no record says that this exposure turned it on"

// command turns the flags off by hand.
func (p *Peering) command(before flags) string {
	line := fmt.Sprintf("gcloud compute networks peerings update %s --project %s --network %s", p.Name, p.Network.Project, p.Network.Name)
	if before.Export != nil {
		line += " --no-export-custom-routes"
	}
	if before.Import != nil {
		line += " --no-import-custom-routes"
	}
	return line
}
