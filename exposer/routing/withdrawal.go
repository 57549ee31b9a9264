package routing

import (
	"context"
	"encoding/json"
	"fmt"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// Withdrawal is the step whose end is that a router, or one BGP peer's own list on
// it, announces nothing of an exposure's any more: an earlier spec chose it, and
// this one does not.
type Withdrawal struct {
	Google   *gcp.Cloud
	Exposure string
	Router   gcp.Ref
	Peer     string // with a list of its own; "" for all of the router
	After    []string
}

// PeerWithdrawals begins the IDs of those of one BGP peer.
const PeerWithdrawals = "bgp-peer/"

// ID implements exposer.Step: a router's is that of the setting which it ends.
func (w *Withdrawal) ID() string {
	if w.Peer != "" {
		return PeerWithdrawals + w.Router.Region + "/" + w.Router.Name + "/" + w.Peer
	}
	return (&Advertisement{Router: w.Router}).ID()
}

// Title implements exposer.Step.
func (w *Withdrawal) Title() string {
	text := fmt.Sprintf("router %s in %s announces nothing for this exposure", w.Router.Name, w.Router.Region)
	if w.Peer != "" {
		text += " to BGP peer " + w.Peer
	}
	return text
}

// Needs implements exposer.Step: the new way is there before the old one goes.
func (w *Withdrawal) Needs() []string { return w.After }

// Closes implements exposer.Closing.
func (w *Withdrawal) Closes() {}

func (w *Withdrawal) edit(router gcp.Router) (gcp.RouterEdit, []exposer.FieldChange, error) {
	if w.Peer != "" {
		router = gcp.Router{Name: router.Name, Peers: peersOf(router, w.Peer)}
	}
	return (&Advertisement{Exposure: w.Exposure, Router: w.Router, Sweep: true}).merge(router)
}

func peersOf(router gcp.Router, name string) []gcp.BGPPeer {
	for _, peer := range router.Peers {
		if peer.Name == name {
			return []gcp.BGPPeer{peer}
		}
	}
	return nil
}

// Read implements exposer.Step. The old value of a peer's says that it is under way:
// its list's marks don't tell who asked for it.
func (w *Withdrawal) Read(ctx context.Context) (exposer.Observed, error) {
	router, err := w.Google.Router(ctx, w.Router)
	if err != nil || router == nil {
		return exposer.Observed{Action: exposer.Keep, Why: "is gone"}, err
	}
	_, changes, err := w.edit(*router)
	if err != nil || len(changes) == 0 {
		return exposer.Observed{Action: exposer.Keep, Why: "nothing of this exposure's is announced there"}, err
	}
	seen := exposer.Observed{Action: exposer.Change, Exists: true, Ours: true, Changes: changes, Why: "an earlier spec announced it there: it is taken back"}
	if w.Peer != "" {
		seen.Old = json.RawMessage(`"announced"`)
	}
	return seen, nil
}

// Do implements exposer.Step.
func (w *Withdrawal) Do(ctx context.Context, note func(string)) error {
	if router, err := w.Google.Router(ctx, w.Router); err != nil || router == nil {
		return err
	}
	return EditUntil(ctx, w.Google, w.Router, "take back what an earlier spec announced", note,
		func(router gcp.Router) (gcp.RouterEdit, error) {
			edit, _, err := w.edit(router)
			return edit, err
		},
		func(router gcp.Router) bool {
			_, changes, err := w.edit(router)
			return err == nil && len(changes) == 0
		})
}

// Undo implements exposer.Step.
func (w *Withdrawal) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (exposer.Undone, error) {
	return exposer.Undone{Outcome: exposer.Restored}, w.Do(ctx, note)
}
