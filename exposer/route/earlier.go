package route

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// Remember implements exposer.Remembering: what earlier specs announced or turned on
// and this one does not want is taken back.
func (x *exposure) Remember(record exposer.Record) { x.record = record }

// earlier are the steps that end what earlier specs left on Google's side, after all
// others: the new way is open before the old one goes. Ranges of before on routers
// that stay are the business of their own steps.
func (x *exposure) earlier(steps []exposer.Step) []exposer.Step {
	var after, ids []string
	for _, step := range steps {
		ids = append(ids, step.ID())
	}
	if after = ids; x.deps.Leaving {
		after = nil
	}
	var ends []exposer.Step
	if x.record.Version != 0 && !x.deps.Leaving {
		for _, ref := range x.facts.lines.Marked(x.spec.Name, x.routers) {
			ends = append(ends, &routing.Withdrawal{Google: x.google, Exposure: x.spec.Name, Router: ref, After: after})
		}
		for _, peer := range x.droppedPeers() {
			ends = append(ends, &routing.Withdrawal{Google: x.google, Exposure: x.spec.Name, Router: peer.router, Peer: peer.name, After: after})
		}
	}
	for _, step := range x.record.Steps {
		if step.Old == nil || slices.Contains(ids, step.ID) {
			continue
		}
		setting := x.settingOf(step.ID)
		switch {
		case setting == nil:
		case x.deps.Leaving:
			ends = append(ends, setting)
		default:
			ends = append(ends, returned{setting, step.Old, after})
		}
	}
	return ends
}

// settingOf is a setting that the record tells of and this spec does not ask for: the
// flags of a peering (private services access, or that of a control plane of before),
// global access. Nil for others, which have marks to be known by.
func (x *exposure) settingOf(id string) returnable {
	if name, ok := strings.CutPrefix(id, "peering/"+x.facts.ref.Name+"/"); ok {
		return x.peering(name)
	}
	if setting := (&globalAccess{x: x}); id == setting.ID() && x.facts.cluster.Name != "" {
		return setting
	}
	return nil
}

// peerOf is a BGP peer of a router.
type peerOf struct {
	router gcp.Ref
	name   string
}

// droppedPeers are those with a list of their own that an earlier spec named, and
// that this one neither names nor finds leading to the far side. One that was found
// so keeps its range as long as its router is chosen: which of several paths is the
// best one changes from hour to hour.
func (x *exposure) droppedPeers() []peerOf {
	var names []string
	if route := x.record.Spec.Route; route != nil {
		names = slices.Clone(route.BGPPeers)
	}
	for _, step := range x.record.Steps { // an apply that was cut off before it got there
		if strings.HasPrefix(step.ID, routing.PeerWithdrawals) && step.Old != nil {
			names = append(names, step.ID[strings.LastIndex(step.ID, "/")+1:])
		}
	}
	var dropped []peerOf
	for _, router := range x.facts.lines.Of(x.routers) {
		stay, _ := x.facts.lines.CustomPeers([]gcp.Ref{router.Ref()}, x.spec.Route.BGPPeers, x.clients(), nil)
		for _, name := range x.markedPeers(router) {
			if slices.Contains(names, name) && !slices.Contains(stay, name) {
				dropped = append(dropped, peerOf{router.Ref(), name})
			}
		}
	}
	return dropped
}

// stayingPeers are the peers of a router with a list of their own that were told of
// the range before, and are not dropped.
func (x *exposure) stayingPeers(router gcp.Ref) []string {
	if x.record.Version == 0 || x.deps.Leaving {
		return nil
	}
	dropped := x.droppedPeers()
	var names []string
	for _, router := range x.facts.lines.Of([]gcp.Ref{router}) {
		for _, name := range x.markedPeers(router) {
			if !slices.Contains(dropped, peerOf{router.Ref(), name}) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (x *exposure) markedPeers(router gcp.Router) []string {
	var names []string
	for _, peer := range router.Peers {
		if slices.ContainsFunc(peer.Advertise.Ranges, func(r gcp.AdvertisedRange) bool { return routing.ParseMark(r.Description).Has(x.spec.Name) }) {
			names = append(names, peer.Name)
		}
	}
	return names
}

// returnable is a setting that can say what giving it its old value would change, and
// who needs it as it is.
type returnable interface {
	exposer.Step
	Returning(ctx context.Context, old json.RawMessage) ([]exposer.FieldChange, string, error)
}

// returned is the step whose end is that a setting has its old value again: an
// earlier spec asked for it, and this one does not.
type returned struct {
	returnable
	old   json.RawMessage
	after []string
}

// Title implements exposer.Step.
func (r returned) Title() string { return r.ID() + " as it was before" }

// Needs implements exposer.Step.
func (r returned) Needs() []string { return r.after }

// Closes implements exposer.Closing.
func (r returned) Closes() {}

// Read implements exposer.Step.
func (r returned) Read(ctx context.Context) (exposer.Observed, error) {
	changes, who, err := r.Returning(ctx, r.old)
	switch {
	case err != nil:
		return exposer.Observed{}, err
	case len(changes) == 0:
		return exposer.Observed{Action: exposer.Keep, Why: "is as it was before already"}, nil
	case who != "":
		return exposer.Observed{Action: exposer.Keep, Exists: true, Why: "this spec does not ask for it, and " + who + " still needs it"}, nil
	}
	return exposer.Observed{Action: exposer.Change, Exists: true, Changes: changes, Why: "an earlier spec asked for it: it gets its old value back"}, nil
}

// Do implements exposer.Step.
func (r returned) Do(ctx context.Context, note func(string)) error {
	done, err := r.Undo(ctx, r.old, note)
	if err == nil && done.Outcome == exposer.Left {
		return fmt.Errorf("give %s its old value back: %s", r.ID(), done.Why)
	}
	return err
}
