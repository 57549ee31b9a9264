package route

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// admission are the settings by which the control plane lets the far side in.
// They change one cluster, which takes one change at a time.
func (x *exposure) admission() []exposer.Step {
	var steps []exposer.Step
	var after []string
	if x.facts.enforced() || x.deps.Leaving {
		steps = append(steps, authorizedNetworks{x})
		after = []string{authorizedNetworks{x}.ID()}
	}
	if x.spec.Route.GlobalAccess || x.deps.Leaving { // an earlier spec may have asked for it
		steps = append(steps, &globalAccess{x: x, after: after})
	}
	return steps
}

// authorizedNetworks is the setting of who may talk to the control plane: the
// client networks are added, by their display name known again as causeway's.
type authorizedNetworks struct{ x *exposure }

// ID, Title and Needs implement exposer.Step.
func (s authorizedNetworks) ID() string {
	return "authorized-networks/" + s.x.spec.Cluster.Name
}

// Title implements exposer.Step.
func (s authorizedNetworks) Title() string {
	return fmt.Sprintf("control plane of %s lets in %s", s.x.spec.Cluster.Name, routing.List(s.x.clients()))
}

// Needs implements exposer.Step.
func (s authorizedNetworks) Needs() []string { return nil }

func (s authorizedNetworks) read(ctx context.Context) (gcp.Cluster, error) {
	c := s.x.spec.Cluster
	return s.x.google.Cluster(ctx, c.Project, c.Location, c.Name)
}

// Read implements exposer.Step.
func (s authorizedNetworks) Read(ctx context.Context) (exposer.Observed, error) {
	cluster, err := s.read(ctx)
	if s.x.deps.Leaving && gcp.NotFound(err) {
		return exposer.Observed{Action: exposer.Keep}, nil
	}
	if err != nil {
		return exposer.Observed{}, err
	}
	has := func(n gcp.AuthorizedNetwork) bool { return routing.ParseMark(n.Name).Has(s.x.spec.Name) }
	seen := exposer.Observed{Exists: true, Ours: slices.ContainsFunc(cluster.Authorized.CIDRs, has), Action: exposer.Keep}
	if !seen.Ours {
		seen.Why = "are let in already, not by causeway, and stay so on destroy"
	}
	if s.x.deps.Leaving {
		return seen, nil
	}
	want, added := admit(cluster.Authorized, s.x.clients(), s.x.spec.Name)
	if n, most := len(want.CIDRs), cluster.MaxAuthorized(); len(added) > 0 && n > most {
		seen.Action, seen.Cause = exposer.Refuse, refusal("CW-GCP-AUTH-NETWORKS", "the cluster would have %d authorized networks, and %d is the most", n, most)
		return seen, nil
	}
	if len(added) == 0 {
		return seen, nil
	}
	seen.Action, seen.Changes, seen.Why = exposer.Change, added, "they are enforced on the private address, which answers nodes and Pods alone otherwise"
	seen.Old, err = json.Marshal(cidrs(cluster.Authorized))
	return seen, err
}

func cidrs(a gcp.AuthorizedNetworks) []string {
	out := []string{}
	for _, n := range a.CIDRs {
		out = append(out, n.CIDR.String())
	}
	return out
}

// admit adds the clients that the list does not hold yet, and takes away those
// that an earlier spec let in and this one does not.
func admit(a gcp.AuthorizedNetworks, clients []netip.Prefix, exposure string) (gcp.AuthorizedNetworks, []exposer.FieldChange) {
	a.CIDRs = slices.Clone(a.CIDRs)
	var changes []exposer.FieldChange
	for _, client := range clients {
		at := slices.IndexFunc(a.CIDRs, func(n gcp.AuthorizedNetwork) bool { return n.CIDR == client })
		mark := routing.Mark{}
		if at >= 0 {
			mark = routing.ParseMark(a.CIDRs[at].Name)
		}
		foreign := func(n gcp.AuthorizedNetwork) bool {
			return routing.Covers(n.CIDR, client) && len(routing.ParseMark(n.Name).Exposures) == 0
		}
		switch {
		case mark.Has(exposure) || slices.ContainsFunc(a.CIDRs, foreign):
		case at >= 0:
			changes = append(changes, exposer.FieldChange{Field: "display name of " + client.String(), From: mark.String(), To: mark.With(exposure).String()})
			a.CIDRs[at].Name = mark.With(exposure).String()
		default:
			changes = append(changes, exposer.FieldChange{Field: "cidrBlocks", To: client.String()})
			a.CIDRs = append(a.CIDRs, gcp.AuthorizedNetwork{CIDR: client, Name: mark.With(exposure).String()})
		}
	}
	for _, n := range a.CIDRs {
		if routing.ParseMark(n.Name).Has(exposure) && !slices.Contains(clients, n.CIDR) {
			changes = append(changes, exposer.FieldChange{Field: "cidrBlocks", From: n.CIDR.String()})
		}
	}
	return dismiss(a, exposure, clients), changes
}

// dismiss takes this exposure's name off the list, but for the networks that stay,
// and the networks that are nobody's then.
func dismiss(a gcp.AuthorizedNetworks, exposure string, stay []netip.Prefix) gcp.AuthorizedNetworks {
	var kept []gcp.AuthorizedNetwork
	for _, n := range a.CIDRs {
		if mark := routing.ParseMark(n.Name); mark.Has(exposure) && !slices.Contains(stay, n.CIDR) {
			if mark = mark.Without(exposure); len(mark.Exposures) == 0 {
				continue
			}
			n.Name = mark.String()
		}
		kept = append(kept, n)
	}
	a.CIDRs = kept
	return a
}

// Do implements exposer.Step.
func (s authorizedNetworks) Do(ctx context.Context, note func(string)) error {
	c := s.x.spec.Cluster
	return s.x.google.SetAuthorizedNetworks(ctx, c.Project, c.Location, c.Name, func(a gcp.AuthorizedNetworks) gcp.AuthorizedNetworks {
		a, _ = admit(a, s.x.clients(), s.x.spec.Name)
		return a
	}, note)
}

// Undo implements exposer.Step.
func (s authorizedNetworks) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (exposer.Undone, error) {
	cluster, err := s.read(ctx)
	if gcp.NotFound(err) {
		return exposer.Undone{Outcome: exposer.Absent, Why: "went with the cluster"}, nil
	}
	if err != nil {
		return exposer.Undone{}, err
	}
	if left := dismiss(cluster.Authorized, s.x.spec.Name, nil); slices.Equal(left.CIDRs, cluster.Authorized.CIDRs) {
		return exposer.Undone{Outcome: exposer.Absent, Why: "none of the networks bears this exposure's mark"}, nil
	}
	c := s.x.spec.Cluster
	return exposer.Undone{Outcome: exposer.Restored}, s.x.google.SetAuthorizedNetworks(ctx, c.Project, c.Location, c.Name, func(a gcp.AuthorizedNetworks) gcp.AuthorizedNetworks {
		return dismiss(a, s.x.spec.Name, nil)
	}, note)
}

// globalAccess is the setting that lets in who enters the VPC in another region.
type globalAccess struct {
	x     *exposure
	after []string
	stays string // as Read saw it, leaving: who still needs it
}

// ID implements exposer.Step.
func (s *globalAccess) ID() string { return "global-access/" + s.x.spec.Cluster.Name }

// Title implements exposer.Step.
func (s *globalAccess) Title() string {
	return fmt.Sprintf("control plane of %s answers other regions", s.x.spec.Cluster.Name)
}

// Needs implements exposer.Step.
func (s *globalAccess) Needs() []string { return s.after }

// Read implements exposer.Step.
func (s *globalAccess) Read(ctx context.Context) (exposer.Observed, error) {
	cluster, err := authorizedNetworks{s.x}.read(ctx)
	if s.x.deps.Leaving && gcp.NotFound(err) {
		return exposer.Observed{Action: exposer.Keep}, nil
	}
	if err != nil {
		return exposer.Observed{}, err
	}
	seen := exposer.Observed{Exists: s.x.spec.Route.GlobalAccess, Action: exposer.Keep, Why: "is on already; destroy turns off only what causeway turned on"}
	if s.x.deps.Leaving {
		s.stays, _ = s.x.neededFromElsewhere(ctx) // what can't be known now, Undo says
		return seen, nil
	}
	if cluster.GlobalAccess {
		return seen, nil
	}
	seen.Action, seen.Why, seen.Old = exposer.Change, "", json.RawMessage("false")
	seen.Changes = []exposer.FieldChange{{Field: "globalAccess", From: "false", To: "true"}}
	return seen, nil
}

// Do implements exposer.Step.
func (s *globalAccess) Do(ctx context.Context, note func(string)) error {
	return s.set(ctx, true, note)
}

func (s *globalAccess) set(ctx context.Context, on bool, note func(string)) error {
	c := s.x.spec.Cluster
	cluster, err := authorizedNetworks{s.x}.read(ctx)
	if err != nil || cluster.GlobalAccess == on {
		return err
	}
	return s.x.google.SetGlobalAccess(ctx, c.Project, c.Location, c.Name, on, note)
}

// Undo implements exposer.Step: it goes off again, unless another exposure comes
// in by another region.
func (s *globalAccess) Undo(ctx context.Context, old json.RawMessage, note func(string)) (exposer.Undone, error) {
	if old == nil && !s.x.spec.Route.GlobalAccess {
		return exposer.Undone{Outcome: exposer.Absent}, nil
	}
	if old == nil {
		return exposer.Undone{Outcome: exposer.Left, Why: routing.NotOurs}, nil
	}
	who, err := s.x.neededFromElsewhere(ctx)
	if err != nil {
		return exposer.Undone{}, err
	}
	if who != "" {
		why, err := routing.StaysFor(ctx, who, s.ID(), old, s.x.handOver(s.x.fromElsewhere), s.command())
		return exposer.Undone{Outcome: exposer.Left, Why: why}, err
	}
	err = s.set(ctx, false, note)
	if gcp.NotFound(err) {
		return exposer.Undone{Outcome: exposer.Absent, Why: "went with the cluster"}, nil
	}
	return exposer.Undone{Outcome: exposer.Restored}, err
}

// Stays says why it will not go off on destroy; "" where it does.
func (s *globalAccess) Stays() string {
	if s.stays == "" {
		return ""
	}
	return s.stays + " still needs it"
}

// Returning says what turning it off would change just now, and who needs it.
func (s *globalAccess) Returning(ctx context.Context, _ json.RawMessage) ([]exposer.FieldChange, string, error) {
	cluster, err := authorizedNetworks{s.x}.read(ctx)
	if err != nil || !cluster.GlobalAccess {
		return nil, "", err
	}
	who, err := s.x.neededFromElsewhere(ctx)
	return []exposer.FieldChange{{Field: "globalAccess", From: "true", To: "false"}}, who, err
}

// command turns it off by hand (gcloud's reference of clusters update).
func (s *globalAccess) command() string {
	c := s.x.spec.Cluster
	return fmt.Sprintf("gcloud container clusters update %s --project %s --location %s --no-enable-master-global-access", c.Name, c.Project, c.Location)
}

// fromElsewhere tells the other exposures of the cluster that ask for global access.
func (x *exposure) fromElsewhere(other exposer.Spec) bool {
	return other.Method == "route" && other.Cluster == x.spec.Cluster && other.Route != nil && other.Route.GlobalAccess
}

// neededFromElsewhere names other exposures of this control plane's range that a
// router of another region announces, or that ask for global access.
func (x *exposure) neededFromElsewhere(ctx context.Context) (string, error) {
	lines, err := routing.ReadLines(ctx, x.google, x.facts.ref)
	if err != nil {
		return "", err
	}
	lines.Routers = slices.DeleteFunc(lines.Routers, func(r gcp.Router) bool { return r.Region == x.facts.cluster.Region() })
	others := lines.Others(x.spec.Name, func(r netip.Prefix) bool { return r == x.facts.controlPlane() })
	return x.withSiblings(ctx, others, x.fromElsewhere)
}
