package route

import (
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
)

// Between an apply and its destroy others go on working: what they did stays, what
// causeway added goes, and the rest is as it was.

func TestWhatOthersAnnounceMeanwhileStays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before    []string // ranges of a CUSTOM list; nil: DEFAULT
		meanwhile func(list []string) (mode string, groups []any, ranges []string)
		after     string
		why       string // of the outcome
	}{
		"a range came: the mode stays CUSTOM": {
			meanwhile: func(list []string) (string, []any, []string) {
				return "CUSTOM", allOfThem, append(list, "10.8.0.0/16 theirs")
			},
			after: "CUSTOM ALL_SUBNETS 10.8.0.0/16 (theirs)", why: "mode stays CUSTOM for 10.8.0.0/16 (theirs)",
		},
		"a range came to a CUSTOM list": {before: []string{"10.7.0.0/16"},
			meanwhile: func(list []string) (string, []any, []string) { return "CUSTOM", allOfThem, append(list, "10.8.0.0/16") },
			after:     "CUSTOM ALL_SUBNETS 10.7.0.0/16 10.8.0.0/16",
		},
		"the group ALL_SUBNETS was taken out: that is kept": {
			meanwhile: func(list []string) (string, []any, []string) { return "CUSTOM", nil, append(list, "10.8.0.0/16") },
			after:     "CUSTOM 10.8.0.0/16", why: "mode stays CUSTOM for 10.8.0.0/16",
		},
		"the mode went back to DEFAULT, and our range with it": {
			meanwhile: func([]string) (string, []any, []string) { return "DEFAULT", nil, nil },
			after:     "DEFAULT", why: "none of its ranges bears this exposure's mark",
		},
		"somebody took our range for themselves by writing its description anew": {
			meanwhile: func([]string) (string, []any, []string) { return "CUSTOM", allOfThem, []string{master + " theirs now"} },
			after:     "CUSTOM ALL_SUBNETS " + master + " (theirs now)", why: "none of its ranges bears this exposure's mark",
		},
		"the ranges were put into another order": {before: []string{"10.7.0.0/16 a", "10.6.0.0/16 b"},
			meanwhile: func(list []string) (string, []any, []string) { slices.Reverse(list); return "CUSTOM", allOfThem, list },
			after:     "CUSTOM ALL_SUBNETS 10.6.0.0/16 (b) 10.7.0.0/16 (a)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route-line", labSpec())
			if c.before != nil {
				setRouter(t, w, routerAt, "CUSTOM", allOfThem, c.before...)
			}
			apply(t, w)
			mark := master + " causeway exposure " + w.Spec.Name
			if c.before == nil {
				mark += "; mode was DEFAULT"
			}
			mode, groups, ranges := c.meanwhile(append(slices.Clone(c.before), mark))
			setRouter(t, w, routerAt, mode, groups, ranges...)
			item := destroy(t, w)[announceStep]
			if got := announces(w, routerAt, ""); got != c.after {
				t.Errorf("the router announces %q, want %q", got, c.after)
			}
			if !strings.Contains(item.Why, c.why) || c.why == "" && item.Why != "" {
				t.Errorf("told as %q, want %q", item.Why, c.why)
			}
		})
	}
}

func TestWhatOthersDidToThePeeringMeanwhileStays(t *testing.T) {
	t.Parallel()
	t.Run("somebody turned the export off", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		before := w.State()
		apply(t, w)
		setPeering(t, w, map[string]any{"exportCustomRoutes": false})
		breaks(t, w, "CW-ROUTE-NOT-EXPORTED")
		w.Google.ResetRequests()
		if item := destroy(t, w)[peeringStep]; item.Outcome != exposer.Restored || item.Why != "somebody did so already" {
			t.Errorf("told as %s: %s", item.Outcome, item.Why)
		}
		if calls := asked(w, "compute.networks.updatePeering"); len(calls) > 0 {
			t.Errorf("a flag that was off already was set: %q", calls)
		}
		w.Gone(t, before)
	})
	t.Run("it was on before, and stays on", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.Route.ImportCustomRoutes = true })
		setPeering(t, w, map[string]any{"exportCustomRoutes": true})
		before := w.State()
		w.Google.ResetRequests()
		apply(t, w)
		if calls := asked(w, "compute.networks.updatePeering"); len(calls) != 1 || strings.Contains(calls[0], "export") || !strings.Contains(calls[0], `"importCustomRoutes":true`) {
			t.Errorf("the peering was updated by %q", calls)
		}
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("the peering is gone", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		apply(t, w)
		change(t, w, networkAt, func(n map[string]any) { delete(n, "peerings") })
		breaks(t, w, "CW-NET-PEERING-GONE")
		if item := destroy(t, w)[peeringStep]; item.Outcome != exposer.Absent {
			t.Errorf("told as %s: %s", item.Outcome, item.Why)
		}
		want(t, refused(t, w), "CW-NET-PEERING-GONE peering/default/"+peering+": network lab-project/default has no peering")
	})
	t.Run("the cluster is gone, and its peering with it", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		before := announces(w, routerAt, "")
		apply(t, w)
		w.Spec.Route.Network = "lab-project/default" // as the record says
		w.Google.Remove(clusterAt)
		change(t, w, networkAt, func(n map[string]any) { delete(n, "peerings") })
		destroy(t, w)
		if got := announces(w, routerAt, ""); got != before {
			t.Errorf("the router announces %q, want %q", got, before)
		}
	})
}

func TestWhatOthersDidToTheClusterMeanwhileStays(t *testing.T) {
	t.Parallel()
	theirs := map[string]any{"cidrBlock": "10.200.0.0/16", "displayName": "office"}
	w := world(t, "route-line", labSpec(), func(s *exposer.Spec) {
		s.FarSide.CIDRs = []string{client, "172.20.0.0/16"}
		s.Route.GlobalAccess = true
	})
	setAuthorized(t, w, clusterAt, theirs)
	apply(t, w)
	mark := "causeway exposure " + w.Spec.Name
	if got, want := authorized(w, clusterAt), []string{"10.200.0.0/16 (office)", client + " (" + mark + ")", "172.20.0.0/16 (" + mark + ")"}; !slices.Equal(got, want) {
		t.Errorf("the list is %q, want %q", got, want)
	}
	setAuthorized(t, w, clusterAt, theirs, map[string]any{"cidrBlock": "172.20.0.0/16", "displayName": "mine now"}, map[string]any{"cidrBlock": client, "displayName": mark},
		map[string]any{"cidrBlock": "10.201.0.0/16"})
	change(t, w, clusterAt, func(c map[string]any) {
		c["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["globalAccess"] = false
		delete(c["privateClusterConfig"].(map[string]any), "masterGlobalAccessConfig")
	})
	destroy(t, w)
	if got, want := authorized(w, clusterAt), []string{"10.200.0.0/16 (office)", "172.20.0.0/16 (mine now)", "10.201.0.0/16"}; !slices.Equal(got, want) {
		t.Errorf("after destroy the list is %q, want %q", got, want)
	}
}

func TestASpecThatChangesTakesBackWhatItDoesNotWantAnyMore(t *testing.T) {
	t.Parallel()
	t.Run("client networks", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.FarSide.CIDRs = []string{client, "172.20.0.0/16"} })
		before := w.State()
		apply(t, w)
		w.Spec.FarSide.CIDRs = []string{client}
		if plan := apply(t, w); !slices.Contains(todo(plan), "change "+authorizedStep) {
			t.Errorf("the plan is %q", todo(plan))
		}
		unchanged(t, w)
		if got, want := authorized(w, clusterAt), []string{client + " (causeway exposure " + w.Spec.Name + ")"}; !slices.Equal(got, want) {
			t.Errorf("the list is %q, want %q", got, want)
		}
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("global access and the import, which destroy still restores", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.Route.GlobalAccess, s.Route.ImportCustomRoutes = true, true })
		before := w.State()
		apply(t, w)
		w.Spec.Route.GlobalAccess, w.Spec.Route.ImportCustomRoutes = false, false
		w.Spec.FarSide.CIDRs = []string{client, "172.20.0.0/16"} // something to do, so that the record is written anew
		w.Google.SetRemotes(remote("203.0.113.21", client, "172.20.0.0/16"), remote("203.0.113.22", client))
		apply(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("another router", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		fillLine(t, w, west3, networkAt, "cr-two", "203.0.113.31", 1)
		before := w.State()
		apply(t, w)
		w.Spec.Route.Routers = []string{"cr-two"}
		apply(t, w)
		if got := announces(w, west3+"/routers/cr-two", ""); !strings.Contains(got, master) {
			t.Errorf("the second router announces %q", got)
		}
		destroy(t, w)
		w.Gone(t, before)
	})
}

// TestTwoExposuresShareSettings destroys two exposures on one router, one peering
// and one cluster in both orders: what the second needs stays with it.
func TestTwoExposuresShareSettings(t *testing.T) {
	t.Parallel()
	second := func(s *exposer.Spec) { s.FarSide.CIDRs = []string{client, "172.20.0.0/16"} }
	for name, first := range map[string]bool{"the older one goes first": true, "the newer one goes first": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := world(t, "route-line", labSpec())
			b := beside(t, a, second)
			a.Google.SetRemotes(remote("203.0.113.21", client, "172.20.0.0/16"), remote("203.0.113.22", client))
			before := a.State()
			apply(t, a)
			apply(t, b)
			unchanged(t, a)
			unchanged(t, b)
			both := "causeway exposures " + a.Spec.Name + ", " + b.Spec.Name
			if got, want := announces(a, routerAt, ""), "CUSTOM ALL_SUBNETS "+master+" ("+both+"; mode was DEFAULT)"; got != want {
				t.Errorf("the router announces %q, want %q", got, want)
			}
			if got, want := authorized(a, clusterAt), []string{client + " (" + both + ")", "172.20.0.0/16 (causeway exposure " + b.Spec.Name + ")"}; !slices.Equal(got, want) {
				t.Errorf("the list is %q, want %q", got, want)
			}
			leaves, stays := a, b
			if !first {
				leaves, stays = b, a
			}
			_, _, told, err := leaves.JobOf(t, Method{}).PlanDestroy(t.Context(), leaves.Spec)
			if at := slices.IndexFunc(told, func(i exposer.DestroyItem) bool { return i.ID == peeringStep }); err != nil || told[at].Outcome != exposer.Left ||
				first && told[at].Why != "exposure "+stays.Spec.Name+" still needs it" {
				t.Errorf("destroy is planned to do with the peering: %+v %v", told[at], err)
			}
			if item := destroy(t, leaves)[peeringStep]; item.Outcome != exposer.Left || !exports(a) ||
				first && !strings.Contains(item.Why, "exposure "+stays.Spec.Name+" still needs it; the record of exposure "+stays.Spec.Name+" holds the old value now") {
				t.Errorf("the peering that %s needs was %s: %s", stays.Spec.Name, item.Outcome, item.Why)
			}
			unchanged(t, stays)
			passes(t, stays)
			if got, want := announces(a, routerAt, ""), "CUSTOM ALL_SUBNETS "+master+" (causeway exposure "+stays.Spec.Name+"; mode was DEFAULT)"; got != want {
				t.Errorf("the router announces %q, want %q", got, want)
			}
			destroy(t, stays)
			a.Gone(t, before)
			b.Gone(t, before)
		})
	}
}

// TestTwoClustersShareAPeering is the same with the clusters of two exposures
// behind one peering.
func TestTwoClustersShareAPeering(t *testing.T) {
	t.Parallel()
	for name, blind := range map[string]bool{"known": false, "not to be seen": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := worldOfRegions{world(t, "route-line", labSpec())}
			w.sibling(t, "192.168.60.0/28")
			b := beside(t, w.World, func(s *exposer.Spec) { s.Cluster.Name = "sibling" })
			before := w.State()
			apply(t, w.World)
			apply(t, b)
			if blind { // who may not list the clusters does not take what others may need
				w.Google.Deny("container.clusters.list")
			}
			if item := destroy(t, w.World)[peeringStep]; item.Outcome != exposer.Left || !strings.Contains(item.Why, "exposure "+b.Spec.Name+" still needs it") || !exports(b) {
				t.Errorf("the peering was %s: %s", item.Outcome, item.Why)
			}
			w.Google.Allow("container.clusters.list")
			passes(t, b)
			destroy(t, b)
			w.Gone(t, before)
			b.Gone(t, before)
		})
	}
}

func TestGlobalAccessStaysForWhoComesFromAnotherRegion(t *testing.T) {
	t.Parallel()
	far := func(s *exposer.Spec) { s.Route.GlobalAccess, s.Route.Routers = true, []string{"cr-west4"} }
	a := world(t, "route", labSpec(), far)
	change(t, a, networkAt, func(n map[string]any) { n["routingConfig"] = map[string]any{"routingMode": "GLOBAL"} })
	fillLine(t, a, west4, networkAt, "cr-west4", "203.0.113.31", 1)
	a.Google.SetRemotes(remote("203.0.113.31", client))
	b := beside(t, a, far)
	before := a.State()
	apply(t, a)
	apply(t, b)
	if item := destroy(t, a)[globalStep]; item.Outcome != exposer.Left || !strings.HasPrefix(item.Why, "exposure "+b.Spec.Name+" still needs it; the record of exposure "+b.Spec.Name) {
		t.Errorf("global access was %s: %s", item.Outcome, item.Why)
	}
	passes(t, b)
	destroy(t, b)
	a.Gone(t, before)
}
