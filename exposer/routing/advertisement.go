package routing

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"causeway/exposer"
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
	Peers    []string // BGP peers with a list of their own that get the ranges too
	About    string   // why these ranges: "the control plane's range"
	Own      bool     // the router is this exposure's: its end is the setting's end
	Leaving  bool
	After    []string
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
	_, changes, err := merge(*router, a.Ranges, a.Exposure, a.Peers)
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
	case len(a.Ranges) == 0:
		return "announces it by its subnet already"
	case a.marked(router):
		return ""
	}
	return "is announced already, not by causeway, and stays so on destroy"
}

// Do implements exposer.Step.
func (a *Advertisement) Do(ctx context.Context, note func(string)) error {
	for range attempts {
		router, err := a.Google.EditRouter(ctx, a.Router, func(router gcp.Router) (gcp.RouterEdit, error) {
			edit, _, err := merge(router, a.Ranges, a.Exposure, a.Peers)
			return edit, err
		}, note)
		if err != nil {
			return err
		}
		_, changes, err := merge(router, a.Ranges, a.Exposure, a.Peers)
		if err != nil || len(changes) == 0 {
			return err
		}
		note("somebody wrote the router at the same time: merging again")
	}
	return refusal("CW-BGP-CHANGED", "announce %s by router %s: something else wrote the router right after, %d times", List(a.Ranges), a.Router, attempts)
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
	if a.Own && router.Description == Description(a.Exposure) {
		return exposer.Undone{Outcome: exposer.Removed, Why: "goes with the router"}, nil
	}
	if !a.marked(*router) {
		return exposer.Undone{Outcome: exposer.Absent, Why: "none of its ranges bears this exposure's mark"}, nil
	}
	return a.restore(ctx, before.Mode == modeDefault, note)
}

func (a *Advertisement) restore(ctx context.Context, wasDefault bool, note func(string)) (exposer.Undone, error) {
	done := exposer.Undone{Outcome: exposer.Restored}
	for range attempts {
		router, err := a.Google.EditRouter(ctx, a.Router, func(router gcp.Router) (gcp.RouterEdit, error) {
			edit, why := unmerge(router, a.Exposure, wasDefault)
			if why != "" {
				done.Why = why
			}
			return edit, nil
		}, note)
		if err != nil {
			return done, err
		}
		if !a.marked(router) {
			return done, nil
		}
		note("somebody wrote the router at the same time: taking the ranges away again")
	}
	return done, refusal("CW-BGP-CHANGED", "take %s off router %s: something else wrote the router right after, %d times", List(a.Ranges), a.Router, attempts)
}

// Description is the mark of what an exposure makes, where the API has no labels
// at its making.
func Description(exposure string) string { return Mark{Exposures: []string{exposure}}.String() }
