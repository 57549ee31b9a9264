package route

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

// standing is the exposure as a verb sees it that knows its record.
func standing(t testing.TB, w *conformance.World) (status exposer.Status) {
	t.Helper()
	status, err := w.JobOf(t, Method{}).Status(t.Context(), w.Spec, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return status
}

// itemOf finds a step in a plan.
func itemOf(t testing.TB, plan exposer.Plan, id string) exposer.Item {
	t.Helper()
	at := slices.IndexFunc(plan.Items, func(i exposer.Item) bool { return i.ID == id })
	if at < 0 {
		t.Fatalf("the plan has no step %s: %q", id, todo(plan))
	}
	return plan.Items[at]
}

const secondAt = west3 + "/routers/cr-two"

// TestAnotherRouterTakesTheRangeOver applies a spec that names another router: the
// range goes from the first one, after the second one announces it.
func TestAnotherRouterTakesTheRangeOver(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.Route.Routers = []string{"cr-line"} })
	fillLine(t, w, west3, networkAt, "cr-two", "203.0.113.31", 1)
	w.Google.SetRemotes(remote("203.0.113.21", client), remote("203.0.113.31", client))
	before := w.State()
	apply(t, w)
	w.Spec.Route.Routers = []string{"cr-two"}

	// Killed as it is about to be taken back: the record is the new spec's by then.
	killed, cancel := context.WithCancel(t.Context())
	w.Progress = onStart{func(id string) {
		if id == announceStep {
			if !strings.Contains(announces(w, secondAt, ""), master) {
				t.Error("the first router is to fall silent before the second one speaks")
			}
			cancel()
		}
	}}
	if _, err := w.Apply(killed, Method{}); err == nil {
		t.Fatal("an apply that was cut off says nothing")
	}
	w.Progress = exposer.Quiet{}
	if got := announces(w, routerAt, ""); !strings.Contains(got, master) {
		t.Fatalf("the apply was not cut off before it: %q", got)
	}
	if drift := standing(t, w).Drift; len(drift) != 1 || drift[0].ID != announceStep {
		t.Errorf("status tells %+v", drift)
	}
	item := itemOf(t, apply(t, w), announceStep)
	if item.Action != exposer.Change || item.Why != "an earlier spec announced it there: it is taken back" {
		t.Errorf("planned as %s: %s", item.Action, item.Why)
	}
	if got := announces(w, routerAt, ""); got != "DEFAULT" {
		t.Errorf("the first router announces %q", got)
	}
	unchanged(t, w)
	passes(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

// TestALineThatIsDownIsNotLeft applies again while the one of two lines that routers
// were found by is down: what it announces stays.
func TestALineThatIsDownIsNotLeft(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	fillLine(t, w, west3, networkAt, "cr-two", "203.0.113.31", 1)
	both := []string{"203.0.113.21", "203.0.113.31"}
	w.Google.SetRemotes(remote(both[0], client), remote(both[1], client))
	before := w.State()
	apply(t, w)
	w.Google.SetRemotes(remote(both[1], client))
	unchanged(t, w)
	w.Google.SetRemotes() // nothing comes in any more: no question which router it is
	unchanged(t, w)
	for _, at := range []string{routerAt, secondAt} {
		if got := announces(w, at, ""); !strings.Contains(got, master) {
			t.Errorf("%s announces %q", at, got)
		}
	}
	w.Google.SetRemotes(remote(both[0], client), remote(both[1], client))
	destroy(t, w)
	w.Gone(t, before)
}

// TestAControlPlaneWithAnotherRange makes the cluster anew with another range: the
// old one is taken back with the same patch that announces the new one, and the note
// on the mode goes over.
func TestAControlPlaneWithAnotherRange(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	before := w.State()
	apply(t, w)
	const anew = "192.168.70.0/28"
	move := func(cidr, address string) {
		change(t, w, clusterAt, func(c map[string]any) {
			c["privateClusterConfig"].(map[string]any)["masterIpv4CidrBlock"] = cidr
			c["privateClusterConfig"].(map[string]any)["privateEndpoint"] = address
			c["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["privateEndpoint"] = address
		})
	}
	move(anew, "192.168.70.2")
	w.Google.ResetRequests()
	item := itemOf(t, apply(t, w), announceStep)
	if len(item.Changes) != 2 || item.Changes[0].From != master || item.Changes[1].To != anew {
		t.Errorf("planned as %+v", item.Changes)
	}
	if got, want := announces(w, routerAt, ""), "CUSTOM ALL_SUBNETS "+anew+" (causeway exposure "+w.Spec.Name+"; mode was DEFAULT)"; got != want {
		t.Errorf("the router announces %q, want %q", got, want)
	}
	if n := len(asked(w, "compute.routers.patch")); n != 1 {
		t.Errorf("%d patches, want 1", n)
	}
	unchanged(t, w)
	move(master, "192.168.50.2")
	apply(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

// TestABGPPeerThatIsNotNamedAnyMore takes the range off its list, and off no other
// peer's, which the routes had shown to lead to the far side.
func TestABGPPeerThatIsNotNamedAnyMore(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.Route.BGPPeers = []string{"dc-1"} })
	setPeer(t, w, "dc-0", allOfThem, "10.7.0.0/16 theirs")
	setPeer(t, w, "dc-1", nil, "10.7.0.0/16 theirs")
	w.Google.SetRemotes(remote("203.0.113.21", client), remote("203.0.113.22"))
	before := w.State()
	apply(t, w)
	for _, peer := range []string{"dc-0", "dc-1"} {
		if got := announces(w, routerAt, peer); !strings.Contains(got, master) {
			t.Fatalf("%s hears %q", peer, got)
		}
	}
	w.Spec.Route.BGPPeers = nil
	const step = "bgp-peer/europe-west3/cr-line/dc-1"
	killed, cancel := context.WithCancel(t.Context())
	w.Progress = onStart{func(id string) {
		if id == step {
			cancel()
		}
	}}
	if _, err := w.Apply(killed, Method{}); err == nil {
		t.Fatal("an apply that was cut off says nothing")
	}
	w.Progress = exposer.Quiet{}
	w.Google.SetRemotes(remote("203.0.113.21"), remote("203.0.113.22")) // and the far side is silent for a moment
	if got := todo(apply(t, w)); !slices.Equal(got, []string{"change " + step}) {
		t.Errorf("the apply after it does %q", got)
	}
	if got := announces(w, routerAt, "dc-1"); got != "CUSTOM 10.7.0.0/16 (theirs)" {
		t.Errorf("dc-1 hears %q", got)
	}
	if got := announces(w, routerAt, "dc-0"); !strings.Contains(got, master) {
		t.Errorf("dc-0 hears %q", got)
	}
	unchanged(t, w)
	w.Google.SetRemotes(remote("203.0.113.21", client), remote("203.0.113.22"))
	destroy(t, w)
	w.Gone(t, before)
}

// TestFlagsThatAreNotAskedForAnyMore go back to what they were, once: what somebody
// turns on later is his.
func TestFlagsThatAreNotAskedForAnyMore(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.Route.GlobalAccess = true })
	before := w.State()
	apply(t, w)
	w.Spec.Route.GlobalAccess = false
	killed, cancel := context.WithCancel(t.Context())
	w.Progress = onStart{func(id string) {
		if id == globalStep {
			cancel()
		}
	}}
	if _, err := w.Apply(killed, Method{}); err == nil {
		t.Fatal("an apply that was cut off says nothing")
	}
	w.Progress = exposer.Quiet{}
	if item := itemOf(t, apply(t, w), globalStep); item.Action != exposer.Change || len(item.Changes) != 1 || item.Changes[0].To != "false" {
		t.Errorf("planned as %+v", item)
	}
	if globalAccessOf(w, clusterAt) {
		t.Error("global access is still on")
	}
	unchanged(t, w)
	turn := func(on bool) {
		change(t, w, clusterAt, func(c map[string]any) {
			c["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["globalAccess"] = on
		})
	}
	turn(true)
	unchanged(t, w)
	destroy(t, w)
	if !globalAccessOf(w, clusterAt) {
		t.Error("what somebody else turned on was turned off")
	}
	turn(false)
	w.Gone(t, before)
}

// TestAnExposureWhoseRangeOthersAnnounce bears no mark on the router: that they stop
// is told, and another exposure's destroy does not take the export away.
func TestAnExposureWhoseRangeOthersAnnounce(t *testing.T) {
	t.Parallel()
	a := world(t, "route-line", labSpec())
	setRouter(t, a, routerAt, "CUSTOM", allOfThem, "192.168.0.0/16 theirs")
	b := beside(t, a)
	before := a.State()
	apply(t, a)
	apply(t, b)
	if got := announces(a, routerAt, ""); strings.Contains(got, "causeway") {
		t.Fatalf("the router announces %q", got)
	}
	if item := destroy(t, a)[peeringStep]; item.Outcome != exposer.Left || !exports(b) {
		t.Errorf("the peering that %s needs was %s: %s", b.Spec.Name, item.Outcome, item.Why)
	}
	passes(t, b)
	if !standing(t, b).OK() {
		t.Errorf("status: %+v", standing(t, b))
	}

	setRouter(t, b, routerAt, "CUSTOM", allOfThem)
	breaks(t, b, "CW-ROUTE-NOT-ANNOUNCED")
	status := standing(t, b)
	if status.OK() || len(status.Drift) != 1 || status.Drift[0].ID != announceStep ||
		!slices.ContainsFunc(status.Checks, func(c exposer.Check) bool { return !c.OK && c.Code == "CW-ROUTE-NOT-ANNOUNCED" }) {
		t.Errorf("status: %+v", status)
	}
	apply(t, b)
	passes(t, b)
	setRouter(t, b, routerAt, "CUSTOM", allOfThem, "192.168.0.0/16 theirs", master+" causeway exposure "+b.Spec.Name)
	destroy(t, b)
	a.Gone(t, before)
}

// TestANameThatAnotherClustersExposureHas is refused: the marks on the routers of a
// network tell exposures apart by their names alone.
func TestANameThatAnotherClustersExposureHas(t *testing.T) {
	t.Parallel()
	w := worldOfRegions{world(t, "route-line", labSpec())}
	w.sibling(t, "192.168.60.0/28")
	apply(t, w.World)
	b := beside(t, w.World, func(s *exposer.Spec) { s.Cluster.Name, s.Name = "sibling", w.Spec.Name })
	records := exposer.FileRecords{Dir: filepath.Join(w.Dir, "state")}
	mine, err := records.Load(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	forget(t, w.World) // both clusters are one API server here
	stood := b.State()
	_, err = b.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-RUN-NAME", "192.168.50.0/28", "cr-line")
	if b.State() != stood {
		t.Error("a refused apply changed Google's side")
	}
	b.Spec.Name, b.Spec.Namespace = b.Spec.Name+"c", ""
	b.Spec = b.Spec.WithDefaults()
	t.Cleanup(func() { clean(t, b) })
	apply(t, b)
	if err := records.Save(t.Context(), mine, false); err != nil {
		t.Fatal(err)
	}
	destroy(t, w.World)
	passes(t, b)
	destroy(t, b)
}

// TestALineOfItsOwnThatIsToBeAnother is refused before anything changes: what stands
// would stay behind, and cost.
func TestALineOfItsOwnThatIsToBeAnother(t *testing.T) {
	t.Parallel()
	w := world(t, "route", labSpec(), func(s *exposer.Spec) { s.Route.VPN = &exposer.VPN{PeerASN: 65001} })
	fillLine(t, w, west3, networkAt, "cr-two", "203.0.113.31", 1)
	w.Google.SetRemotes(remote("203.0.113.31", client))
	before := w.State()
	apply(t, w)
	stood := w.State()
	for name, edit := range map[string]func(*exposer.Route){
		"another region":  func(r *exposer.Route) { r.VPN.Region, r.GlobalAccess = "europe-west4", true },
		"another gateway": func(r *exposer.Route) { r.VPN.Gateway = "other" },
		"another router":  func(r *exposer.Route) { r.VPN.Router = "other" },
		"none, but one that is there": func(r *exposer.Route) {
			r.VPN, r.Routers = nil, []string{"cr-two"}
		},
	} {
		spec := *w.Spec.Route
		vpn := *spec.VPN
		spec.VPN = &vpn
		edit(&spec)
		other := *w
		other.Spec.Route = &spec
		_, err := other.Apply(t.Context(), Method{})
		var missing *exposer.PreconditionError
		if !errors.As(err, &missing) || !slices.ContainsFunc(missing.Problems, func(p exposer.Problem) bool {
			return p.Code == "CW-VPN-FIXED" && strings.Contains(p.Fix, "causeway destroy route")
		}) {
			t.Errorf("%s: %v", name, err)
		}
		if w.State() != stood {
			t.Fatalf("%s: a refused apply changed Google's side", name)
		}
	}
	unchanged(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

// TestAPeeringThatOutlivesItsCluster is shared with another cluster: the flag that
// the record tells of goes back, though nothing else tells of the peering any more.
func TestAPeeringThatOutlivesItsCluster(t *testing.T) {
	t.Parallel()
	w := worldOfRegions{world(t, "route-line", labSpec())}
	w.sibling(t, "192.168.60.0/28")
	apply(t, w.World)
	w.Spec.Route.Network = "lab-project/default" // as the record says
	w.Google.Remove(clusterAt)
	if item := destroy(t, w.World)[peeringStep]; item.Outcome != exposer.Restored || exports(w.World) {
		t.Errorf("told as %s: %s; exported %t", item.Outcome, item.Why, exports(w.World))
	}
}
