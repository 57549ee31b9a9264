package routing

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/gcp"
)

// Advertisement is the setting of a router's custom advertised ranges. Routers
// have no fingerprint: it is read, merged, written by one patch and read again,
// and done over when somebody wrote in between.
type Advertisement struct {
	Google   *gcp.Cloud
	Exposure string
	Router   gcp.Ref
	Ranges   []netip.Prefix
	Peers    []string       // BGP peers with a list of their own that get the ranges too
	About    string         // why these ranges: "the control plane's range"
	Subnets  []netip.Prefix // those of Ranges that lie in the network's own subnets: what announces these announces them
	Own      bool           // the router is this exposure's to make
	// Goes reports whether the router, as it stands, goes when the exposure does: its
	// end is the setting's end. Nil: it stays.
	Goes func(gcp.Router) bool
	// Sweep takes back the ranges that an earlier spec announced and this one does
	// not want. It is for an exposure that is known to have been applied: before,
	// what bears its name may be another cluster's.
	Sweep   bool
	Leaving bool
	After   []string
}

// attempts bounds how often a patch is made over that somebody else's undid.
const attempts = 3

// ID implements exposer.Step.
func (a *Advertisement) ID() string {
	return fmt.Sprintf("advertisement/%s/%s", a.Router.Region, a.Router.Name)
}

// Title implements exposer.Step.
func (a *Advertisement) Title() string {
	if len(a.Ranges) == 0 {
		return fmt.Sprintf("what router %s in %s announces", a.Router.Name, a.Router.Region)
	}
	return fmt.Sprintf("router %s in %s announces %s", a.Router.Name, a.Router.Region, List(a.Ranges))
}

// Needs implements exposer.Step.
func (a *Advertisement) Needs() []string { return a.After }

// Read implements exposer.Step.
func (a *Advertisement) Read(ctx context.Context) (exposer.Observed, error) {
	router, err := a.Google.Router(ctx, a.Router)
	if err != nil {
		return exposer.Observed{}, err
	}
	if router == nil {
		if a.Own && !a.Leaving {
			return exposer.Observed{Action: exposer.Create, Why: "made with the router: " + a.About}, nil
		}
		return exposer.Observed{Action: exposer.Keep, Why: "the router is gone"}, nil
	}
	seen := exposer.Observed{Exists: true, Ours: a.marked(*router), Action: exposer.Keep, Why: a.kept(*router)}
	if a.Leaving {
		return seen, nil
	}
	_, changes, err := a.merge(*router)
	if err != nil {
		seen.Action, seen.Cause = exposer.Refuse, err
		return seen, nil
	}
	if len(changes) > 0 {
		seen.Action, seen.Changes, seen.Why = exposer.Change, changes, a.About
		seen.Old, err = json.Marshal(old{Mode: router.Advertise.Mode, Groups: router.Advertise.Groups, Ranges: others(router.Advertise)})
	}
	return seen, err
}

// old is what is recorded of a router's advertisement.
type old struct {
	Mode   string   `json:"advertiseMode"`
	Groups []string `json:"advertisedGroups,omitempty"`
	Ranges []string `json:"advertisedIpRanges,omitempty"` // for people
}

// marked reports whether one of the router's ranges is this exposure's.
func (a *Advertisement) marked(router gcp.Router) bool {
	has := func(r gcp.AdvertisedRange) bool { return ParseMark(r.Description).Has(a.Exposure) }
	return slices.ContainsFunc(router.Advertise.Ranges, has) ||
		slices.ContainsFunc(router.Peers, func(p gcp.BGPPeer) bool { return slices.ContainsFunc(p.Advertise.Ranges, has) })
}

// kept says why nothing has to change.
func (a *Advertisement) kept(router gcp.Router) string {
	switch {
	case a.marked(router):
		return ""
	case len(a.needed(router.Advertise)) == 0:
		return "goes out with its subnet already"
	}
	return "is announced already, not by causeway, and stays so on destroy"
}

// Do implements exposer.Step.
func (a *Advertisement) Do(ctx context.Context, note func(string)) error {
	if router, err := a.Google.Router(ctx, a.Router); err != nil || router == nil && a.Own {
		return err // it announces the ranges from its making on
	}
	return EditUntil(ctx, a.Google, a.Router, "announce "+List(a.Ranges), note,
		func(router gcp.Router) (gcp.RouterEdit, error) {
			edit, _, err := a.merge(router)
			return edit, err
		},
		func(router gcp.Router) bool {
			_, changes, err := a.merge(router)
			return err == nil && len(changes) == 0
		})
}

// EditUntil edits a router until it stays as it was meant to be: routers have no
// fingerprint, and what somebody else writes at the same moment may undo it. It
// fails with CW-BGP-CHANGED when that happened three times.
func EditUntil(ctx context.Context, google *gcp.Cloud, ref gcp.Ref, what string, note func(string),
	edit func(gcp.Router) (gcp.RouterEdit, error), settled func(gcp.Router) bool) error {
	for range attempts {
		router, err := google.EditRouter(ctx, ref, edit, note)
		if err == nil && settled(router) {
			return nil
		}
		if err != nil && explain.CodeOf(err) != "CW-BGP-CHANGED" {
			return err
		}
		note("somebody else wrote the router at the same time: doing it over")
	}
	return refusal("CW-BGP-CHANGED", "%s by router %s: something else wrote the router right after, %d times", what, ref, attempts)
}

// Undo implements exposer.Step.
func (a *Advertisement) Undo(ctx context.Context, recorded json.RawMessage, note func(string)) (exposer.Undone, error) {
	var before old
	if recorded != nil {
		if err := json.Unmarshal(recorded, &before); err != nil {
			return exposer.Undone{}, fmt.Errorf("read the old advertisement of router %s: %w", a.Router, err)
		}
	}
	router, err := a.Google.Router(ctx, a.Router)
	if err != nil {
		return exposer.Undone{}, err
	}
	if router == nil {
		return exposer.Undone{Outcome: exposer.Absent}, nil
	}
	if a.Goes != nil && a.Goes(*router) {
		return exposer.Undone{Outcome: exposer.Removed, Why: "goes with the router"}, nil
	}
	if !a.marked(*router) {
		return exposer.Undone{Outcome: exposer.Absent, Why: "none of its ranges bears this exposure's mark"}, nil
	}
	return a.restore(ctx, before.Mode == modeDefault, note)
}

func (a *Advertisement) restore(ctx context.Context, wasDefault bool, note func(string)) (exposer.Undone, error) {
	done := exposer.Undone{Outcome: exposer.Restored}
	err := EditUntil(ctx, a.Google, a.Router, "take "+List(a.Ranges)+" back", note,
		func(router gcp.Router) (gcp.RouterEdit, error) {
			edit, why := unmerge(router, a.Exposure, wasDefault)
			if why != "" {
				done.Why = why
			}
			return edit, nil
		},
		func(router gcp.Router) bool { return !a.marked(router) })
	return done, err
}

// Description is the mark of what an exposure makes, where the API has no labels
// at its making.
func Description(exposure string) string { return Mark{Exposures: []string{exposure}}.String() }
