package route

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
)

// other is another tool on the same project.
func other(t testing.TB, w *conformance.World) *gcp.Cloud {
	t.Helper()
	return w.JobOf(t, Method{}).Deps.Google
}

// undoing is a tool that puts its own list on the router as soon as it sees
// another one, so many times.
func undoing(t testing.TB, w *conformance.World, times int, is func(string) bool, put func()) (ended func()) {
	t.Helper()
	// causeway reads the router again after its patch: late, so that it meets the
	// other tool's write every time.
	w.Google.Inject(gcptest.Fault{Match: "^compute.routers.get ", Delay: 150 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for range times {
			for !is(announces(w, routerAt, "")) {
				changed := w.Google.Changed()
				if is(announces(w, routerAt, "")) {
					break
				}
				select {
				case <-changed:
				case <-time.After(5 * time.Millisecond): // an operation that ended while nobody asked
				case <-ctx.Done():
					return
				}
			}
			put()
		}
	})
	return func() { cancel(); done.Wait(); w.Google.ClearFaults() }
}

func TestAnotherToolWritesTheRouterRightAfter(t *testing.T) {
	t.Parallel()
	ours := func(list string) bool { return strings.Contains(list, master) }
	t.Run("once: it is merged again", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		ended := undoing(t, w, 1, ours, func() { setRouter(t, w, routerAt, "CUSTOM", allOfThem, "10.8.0.0/16 theirs") })
		apply(t, w)
		ended()
		if got, want := announces(w, routerAt, ""), "CUSTOM ALL_SUBNETS 10.8.0.0/16 (theirs) "+master+" (causeway exposure "+w.Spec.Name+")"; got != want {
			t.Errorf("the router announces %q, want %q", got, want)
		}
		if n := len(asked(w, "compute.routers.patch")); n != 2 {
			t.Errorf("%d patches, want 2", n)
		}
		destroy(t, w)
	})
	t.Run("again and again: it is told", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		before := w.State()
		ended := undoing(t, w, 3, ours, func() { setRouter(t, w, routerAt, "DEFAULT", nil) })
		_, err := w.Apply(t.Context(), Method{})
		ended()
		wantCode(t, err, "CW-BGP-CHANGED", "announce "+master, "3 times")
		apply(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("on destroy, once: it is taken away again", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		before := w.State()
		apply(t, w)
		mark := "causeway exposure " + w.Spec.Name + "; mode was DEFAULT"
		ended := undoing(t, w, 1, func(list string) bool { return !ours(list) }, func() { setRouter(t, w, routerAt, "CUSTOM", allOfThem, master+" "+mark) })
		destroy(t, w)
		ended()
		w.Gone(t, before)
	})
}

func TestNoPatchOfARouterCarriesItsNATs(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*exposer.Spec){
		"a line that is there":   func(*exposer.Spec) {},
		"its own line beside it": func(s *exposer.Spec) { s.Route.VPN = newLine().Route.VPN; s.Route.VPN.Router = "cr-line" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route-line", labSpec(), edit)
			before := w.State()
			nats := fmt.Sprint(w.Google.Object(routerAt)["nats"])
			w.Google.ResetRequests()
			apply(t, w)
			if now := fmt.Sprint(w.Google.Object(routerAt)["nats"]); now != nats {
				t.Errorf("the NATs are %s, were %s", now, nats)
			}
			destroy(t, w)
			patches := asked(w, "compute.routers.patch")
			if len(patches) < 2 {
				t.Errorf("%d patches", len(patches))
			}
			for _, body := range patches {
				if strings.Contains(body, "nats") {
					t.Errorf("a patch carries the NATs: %s", body)
				}
			}
			if calls := asked(w, "compute.routers.update"); len(calls) > 0 {
				t.Errorf("the router was written whole: %q", calls)
			}
			w.Gone(t, before)
		})
	}
}

func TestAPeeringOperationInProgressIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := worldOf(t, conformance.Options{Seed: "route-line", OperationTime: time.Second}, labSpec())
	google := other(t, w)
	on := true
	var theirs sync.WaitGroup
	var theirErr error
	w.Progress = onStart{func(id string) {
		if id != peeringStep {
			return
		}
		theirs.Go(func() {
			theirErr = google.UpdatePeering(context.Background(), gcp.Ref{Project: "lab-project", Name: "default"}, peering, gcp.PeeringChange{Import: &on}, nil)
		})
		for len(asked(w, "compute.networks.updatePeering")) == 0 {
			<-time.After(time.Millisecond)
		}
	}}
	apply(t, w)
	theirs.Wait()
	if theirErr != nil {
		t.Fatal(theirErr)
	}
	if statuses := statusesOf(w, "compute.networks.updatePeering"); !slices.Contains(statuses, http.StatusBadRequest) || statuses[len(statuses)-1] != http.StatusOK {
		t.Errorf("the updates of the peering were answered %v, want refusals and then 200", statuses)
	}
	if !exports(w) {
		t.Error("the export is off")
	}
}

func TestAnIncompatibleOperationOnTheClusterIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := worldOf(t, conformance.Options{Seed: "route-line", OperationTime: time.Second}, labSpec())
	google := other(t, w)
	var theirs sync.WaitGroup
	var theirErr error
	w.Progress = onStart{func(id string) {
		if id != authorizedStep {
			return
		}
		theirs.Go(func() {
			theirErr = google.SetGlobalAccess(context.Background(), "lab-project", "europe-west3", "private-cluster", true, nil)
		})
		for len(asked(w, "container.projects.locations.clusters.update")) == 0 {
			<-time.After(time.Millisecond)
		}
	}}
	apply(t, w)
	theirs.Wait()
	if theirErr != nil {
		t.Fatal(theirErr)
	}
	if statuses := statusesOf(w, "container.projects.locations.clusters.update"); !slices.Contains(statuses, http.StatusBadRequest) || statuses[len(statuses)-1] != http.StatusOK {
		t.Errorf("the updates of the cluster were answered %v, want refusals and then 200", statuses)
	}
	if got := authorized(w, clusterAt); len(got) != 1 || !globalAccessOf(w, clusterAt) {
		t.Errorf("the list is %q", got)
	}
}

func statusesOf(w *conformance.World, method string) []int {
	var all []int
	for _, request := range w.Google.Requests() {
		if request.Method == method {
			all = append(all, request.Status)
		}
	}
	return all
}

func TestAHundredAuthorizedNetworksAreAll(t *testing.T) {
	t.Parallel()
	blocks := func(n int) (all []map[string]any) {
		for i := range n {
			all = append(all, map[string]any{"cidrBlock": fmt.Sprintf("10.200.%d.0/24", i), "displayName": fmt.Sprint("office ", i)})
		}
		return all
	}
	t.Run("one is free", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		setAuthorized(t, w, clusterAt, blocks(99)...)
		before := w.State()
		apply(t, w)
		if n := len(authorized(w, clusterAt)); n != 100 {
			t.Errorf("%d networks", n)
		}
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("none is free", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		setAuthorized(t, w, clusterAt, blocks(100)...)
		want(t, refused(t, w), "CW-GCP-AUTH-NETWORKS "+authorizedStep+": the cluster would have 101 authorized networks, and 100 is the most")
	})
	t.Run("none of a cluster with public nodes", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		setAuthorized(t, w, clusterAt, blocks(50)...)
		change(t, w, clusterAt, func(c map[string]any) { c["privateClusterConfig"].(map[string]any)["enablePrivateNodes"] = false })
		want(t, refused(t, w), "CW-GCP-AUTH-NETWORKS "+authorizedStep+": the cluster would have 51 authorized networks, and 50 is the most")
	})
	t.Run("none is free, and a wide one lets the client in", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		setAuthorized(t, w, clusterAt, append(blocks(99), map[string]any{"cidrBlock": "172.16.0.0/12"})...)
		before := w.State()
		apply(t, w)
		passes(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
}

func TestTwoHundredRangesAreAll(t *testing.T) {
	t.Parallel()
	ranges := func(n int) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf("10.%d.%d.0/24", 100+i/250, i%250))
		}
		return all
	}
	t.Run("one is free", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		setRouter(t, w, routerAt, "CUSTOM", allOfThem, ranges(199)...)
		before := w.State()
		apply(t, w)
		way := trace(t, w)
		if at := slices.IndexFunc(way.Hops, func(h exposer.TraceHop) bool { return h.Code == "CW-ROUTE-LIMIT" }); at < 0 || way.Hops[at].Verdict != exposer.Warns || way.Err() != nil {
			t.Errorf("the trace does not warn of the limit: %+v", way)
		}
		destroy(t, w)
		w.Gone(t, before)
	})
	t.Run("none is free", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		setRouter(t, w, routerAt, "CUSTOM", allOfThem, ranges(200)...)
		want(t, refused(t, w), "CW-BGP-RANGES "+announceStep+": router cr-line would announce 201 custom ranges, and a BGP session carries 200")
	})
	t.Run("none is free in a peer's own list", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		setPeer(t, w, "dc-0", allOfThem, ranges(200)...)
		want(t, refused(t, w), "CW-BGP-RANGES "+announceStep+": BGP peer dc-0 of router cr-line would announce 201")
	})
}
