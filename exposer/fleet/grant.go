package fleet

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// Grant is the setting of one role for one member in a project's IAM policy. IAM's
// policies have no marks: that the exposure granted it stands in its record.
type Grant struct {
	Google  *gcp.Cloud
	Project string
	Role    string   // full name
	Member  string   // "user:alice@example.com"
	Who     string   // what people call it, where the member's own name is long; it has one grant then
	Same    []string // other ways to write the member, which mean the same
	Why     string
	Leaving bool
	After   []string
	// StillNeeded says who else needs the grant, on destroy; "" for nobody.
	StillNeeded func(ctx context.Context) (string, error)
	// HandOver writes into the record of another exposure that needs the grant, of any
	// cluster of the fleet, that it was made for it, and names the heir; "" where no
	// record can take that. Nil: none can.
	HandOver func(ctx context.Context, step string, old json.RawMessage) (heir string, err error)
}

// ID implements exposer.Step.
func (g *Grant) ID() string {
	if g.Who != "" {
		return "grant/" + g.Project + "/" + g.Who
	}
	return "grant/" + g.Project + "/" + g.Role + "/" + g.Member
}

// Title implements exposer.Step.
func (g *Grant) Title() string {
	return fmt.Sprintf("%s for %s in project %s", g.Role, cmp.Or(g.Who, g.Member), g.Project)
}

// Needs implements exposer.Step.
func (g *Grant) Needs() []string { return g.After }

// Read implements exposer.Step. Roles that hold together all that the wanted one
// allows do as well: custom roles are known by their permissions.
func (g *Grant) Read(ctx context.Context) (exposer.Observed, error) {
	policy, err := g.Google.Policy(ctx, g.Project)
	if err != nil {
		return exposer.Observed{}, err
	}
	how := g.granted(policy)
	if how == "" && !g.Leaving {
		if how, err = g.covered(ctx, policy); err != nil {
			return exposer.Observed{}, err
		}
	}
	if how != "" || g.Leaving {
		return exposer.Observed{Action: exposer.Keep, Exists: how != "", Why: how}, nil
	}
	return exposer.Observed{Action: exposer.Change, Exists: true, Why: g.Why, Old: json.RawMessage(`"absent"`),
		Changes: []exposer.FieldChange{{Field: g.Role, To: g.Member}}}, nil
}

// granted says how the member has the role itself; "" when not.
func (g *Grant) granted(policy gcp.Policy) string {
	if policy.Has(g.Role, g.Member) {
		return "is granted"
	}
	for _, same := range g.Same {
		if policy.Has(g.Role, same) {
			return "is granted to " + same + ", which is the same identity"
		}
	}
	return ""
}

// covered says by which other roles the member may do all that the role allows; ""
// when it may not, or when roles can't be read: then the role is granted.
func (g *Grant) covered(ctx context.Context, policy gcp.Policy) (string, error) {
	var by []string
	for _, binding := range policy.Bindings {
		if binding.Condition == "" && slices.Contains(binding.Members, g.Member) {
			by = append(by, binding.Role)
		}
	}
	if len(by) == 0 {
		return "", nil
	}
	wanted, err := g.permissions(ctx, g.Role)
	if err != nil || len(wanted) == 0 {
		return "", err
	}
	var have []string
	for _, role := range by {
		some, err := g.permissions(ctx, role)
		if err != nil {
			return "", err
		}
		have = append(have, some...)
	}
	if slices.ContainsFunc(wanted, func(one string) bool { return !slices.Contains(have, one) }) {
		return "", nil
	}
	return "has all that it allows by " + strings.Join(by, ", "), nil
}

func (g *Grant) permissions(ctx context.Context, role string) ([]string, error) {
	all, err := g.Google.RolePermissions(ctx, role)
	if gcp.NotFound(err) || exposer.MissingRight(err) {
		return nil, nil
	}
	return all, err
}

// Do implements exposer.Step.
func (g *Grant) Do(ctx context.Context, note func(string)) error {
	return g.Google.Grant(ctx, g.Project, g.Role, g.Member)
}

// Undo implements exposer.Step: what was granted before stays.
func (g *Grant) Undo(ctx context.Context, old json.RawMessage, note func(string)) (exposer.Undone, error) {
	policy, err := g.Google.Policy(ctx, g.Project)
	if err != nil {
		return exposer.Undone{}, err
	}
	switch {
	case !policy.Has(g.Role, g.Member):
		return exposer.Undone{Outcome: exposer.Absent, Why: "is not granted"}, nil
	case old == nil:
		return exposer.Undone{Outcome: exposer.Left, Why: "was not granted by this exposure, as far as its record tells"}, nil
	}
	if g.HandOver != nil {
		heir, err := g.HandOver(ctx, g.ID(), old)
		if err != nil {
			return exposer.Undone{}, err
		}
		if heir != "" {
			return exposer.Undone{Outcome: exposer.Left, Why: "exposure " + heir + " still needs it, and takes it away with its own destroy"}, nil
		}
	}
	if g.StillNeeded != nil {
		who, err := g.StillNeeded(ctx)
		if err != nil {
			return exposer.Undone{}, err
		}
		if who != "" {
			return exposer.Undone{Outcome: exposer.Left, Why: who + "; afterwards `" + g.byHand() + "` takes it away"}, nil
		}
	}
	return exposer.Undone{Outcome: exposer.Restored}, g.Google.Revoke(ctx, g.Project, g.Role, g.Member)
}

func (g *Grant) byHand() string {
	return fmt.Sprintf("gcloud projects remove-iam-policy-binding %s --member '%s' --role %s", g.Project, g.Member, g.Role)
}
