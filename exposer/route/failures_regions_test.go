package route

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

func TestTheRegionsDoNotMatch(t *testing.T) {
	t.Parallel()
	far := func(t *testing.T, edit ...func(*exposer.Spec)) (w worldOfRegions) {
		w.World = world(t, "route", labSpec(), edit...)
		fillLine(t, w.World, west4, networkAt, "cr-west4", "203.0.113.31", 1)
		w.Google.SetRemotes(remote("203.0.113.31", client))
		return w
	}
	t.Run("dynamic routing is REGIONAL and global access is off", func(t *testing.T) {
		t.Parallel()
		w := far(t)
		want(t, refused(t, w.World), "CW-ROUTE-REGIONAL router cr-west4 is in europe-west4, the cluster in europe-west3", "CW-ROUTE-GLOBAL-ACCESS router cr-west4 is in europe-west4")
	})
	t.Run("global access does not help where dynamic routing is REGIONAL", func(t *testing.T) {
		t.Parallel()
		w := far(t, func(s *exposer.Spec) { s.Route.GlobalAccess = true })
		want(t, refused(t, w.World), "CW-ROUTE-REGIONAL")
	})
	t.Run("dynamic routing is GLOBAL and global access is off", func(t *testing.T) {
		t.Parallel()
		w := far(t)
		w.global(t)
		problems := refused(t, w.World)
		want(t, problems, "CW-ROUTE-GLOBAL-ACCESS")
		if !strings.Contains(problems[0], "FIX add --global-access") {
			t.Errorf("the refusal does not say the cure: %s", problems[0])
		}
	})
	for _, cluster := range []string{"private-cluster", "psc-cluster"} {
		t.Run("both are as they should be: "+cluster, func(t *testing.T) {
			t.Parallel()
			w := far(t, func(s *exposer.Spec) { s.Route.GlobalAccess, s.Cluster.Name = true, cluster })
			w.global(t)
			before := w.State()
			at := lab + "/locations/europe-west3/clusters/" + cluster
			apply(t, w.World)
			unchanged(t, w.World)
			if !globalAccessOf(w.World, at) {
				t.Error("global access is off")
			}
			passes(t, w.World)
			// Each is taken away by itself, and the trace names it.
			change(t, w.World, networkAt, func(n map[string]any) { n["routingConfig"] = map[string]any{"routingMode": "REGIONAL"} })
			codes := []string{"CW-ROUTE-REGIONAL"}
			if cluster == "private-cluster" { // and so the peering does not carry the far side's routes
				codes = append(codes, "CW-ROUTE-NOT-LEARNED")
			}
			breaks(t, w.World, codes...)
			w.global(t)
			change(t, w.World, at, func(c map[string]any) {
				c["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["globalAccess"] = false
				delete(c["privateClusterConfig"].(map[string]any), "masterGlobalAccessConfig")
			})
			breaks(t, w.World, "CW-ROUTE-GLOBAL-ACCESS")
			apply(t, w.World)
			destroy(t, w.World)
			w.Gone(t, before)
		})
	}
	t.Run("a line in the cluster's own region is taken alone, where the other can't work", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		fillLine(t, w, west4, networkAt, "cr-west4", "203.0.113.31", 1)
		w.Google.SetRemotes(remote("203.0.113.21", client), remote("203.0.113.22", client), remote("203.0.113.31", client))
		before := w.State()
		apply(t, w)
		unchanged(t, w)
		if got := announces(w, west4+"/routers/cr-west4", ""); got != "DEFAULT" {
			t.Errorf("the router of the other region announces %q: it would draw packets to where they are dropped", got)
		}
		passes(t, w)
		destroy(t, w)
		w.Gone(t, before)
	})
}

func TestRangesOverlap(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		clients []string
		far     []string // what the far side announces
		seed    func(*testing.T, worldOfRegions)
		want    []string
	}{
		"with a subnet":                   {clients: []string{"10.156.8.0/24"}, want: []string{"client network 10.156.8.0/24 overlaps subnet default in europe-west3 (10.156.0.0/20)"}},
		"with a subnet of another region": {clients: []string{"10.164.0.0/16"}, want: []string{"overlaps subnet west4 in europe-west4"}},
		"with Pods":                       {clients: []string{"10.36.0.0/16"}, want: []string{"overlaps the cluster's Pods (10.36.0.0/14)"}},
		"with Services":                   {clients: []string{"10.40.0.0/16"}, want: []string{"overlaps the cluster's Services (10.40.0.0/20)"}},
		"with the control plane":          {clients: []string{"192.168.48.0/20"}, want: []string{"overlaps its control plane (192.168.50.0/28)"}},
		"all at once": {clients: []string{"10.0.0.0/8", "192.168.0.0/16"},
			want: []string{"overlaps the cluster's Pods", "overlaps the cluster's Services", "subnet default in europe-west3", "subnet west4 in", "overlaps its control plane"}},
		"with another cluster's control plane behind the same peering": {clients: []string{"192.168.60.0/24"}, seed: func(t *testing.T, w worldOfRegions) { w.sibling(t, "192.168.60.0/28") },
			want: []string{"overlaps another cluster's control plane (192.168.60.0/28)"}},
		"the far side announces the control plane's range itself": {clients: []string{client}, far: []string{client, master},
			want: []string{"the far side announces 192.168.50.0/28 itself"}},
		"the far side announces a part of it": {clients: []string{client}, far: []string{client, "192.168.50.0/30"}, want: []string{"the far side announces 192.168.50.0/30 itself"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := worldOfRegions{world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.FarSide.CIDRs = c.clients })}
			if c.far != nil {
				w.Google.SetRemotes(remote("203.0.113.21", c.far...), remote("203.0.113.22", c.far[:1]...))
			}
			if c.seed != nil {
				c.seed(t, w)
			}
			problems := refused(t, w.World)
			want(t, problems, c.want...)
			for _, problem := range problems {
				if !strings.HasPrefix(problem, "CW-NET-OVERLAP ") || !strings.Contains(problem, "psc") {
					t.Errorf("without code or cure: %s", problem)
				}
			}
		})
	}
	t.Run("a wide route of the far side that holds the control plane's range is none", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		w.Google.SetRemotes(remote("203.0.113.21", client, "192.168.0.0/16"), remote("203.0.113.22", client, "0.0.0.0/0"))
		apply(t, w)
		passes(t, w)
	})
	t.Run("what begins later is named by the trace", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec())
		apply(t, w)
		w.Google.SetRemotes(remote("203.0.113.21", client, master), remote("203.0.113.22", client))
		breaks(t, w, "CW-ROUTE-ELSEWHERE")
	})
}

func TestTheClusterSharesItsPeering(t *testing.T) {
	t.Parallel()
	w := worldOfRegions{world(t, "route-line", labSpec())}
	w.sibling(t, "192.168.60.0/28")
	x := open(t, w.World)
	facts := fmt.Sprint(x.Facts())
	if !strings.Contains(facts, "sibling (europe-west3)") {
		t.Errorf("the facts do not name who shares the peering: %s", facts)
	}
	plan := apply(t, w.World)
	at := slices.IndexFunc(plan.Items, func(i exposer.Item) bool { return i.ID == peeringStep })
	if why := plan.Items[at].Why; !strings.Contains(why, "shared with sibling (europe-west3), for which it counts too") {
		t.Errorf("the plan does not name who shares the peering: %s", why)
	}
}

// worldOfRegions is a world with what only these tests change in it.
type worldOfRegions struct{ *conformance.World }

// global makes what routers learn count in all regions.
func (w worldOfRegions) global(t *testing.T) {
	t.Helper()
	change(t, w.World, networkAt, func(n map[string]any) { n["routingConfig"] = map[string]any{"routingMode": "GLOBAL"} })
}

// sibling puts another cluster behind the same peering.
func (w worldOfRegions) sibling(t *testing.T, masters string) {
	t.Helper()
	body := w.Google.Object(clusterAt)
	for _, field := range []string{"name", "selfLink", "zone", "location"} {
		delete(body, field)
	}
	private := body["privateClusterConfig"].(map[string]any)
	maps.Copy(private, map[string]any{"masterIpv4CidrBlock": masters, "privateEndpoint": strings.Replace(masters, ".0/28", ".2", 1)})
	seed := gcptest.Seed{Resources: []gcptest.SeedObject{{Path: lab + "/locations/europe-west3/clusters/sibling", Body: body}}}
	if err := w.Google.Fill(seed); err != nil {
		t.Fatal(err)
	}
}
