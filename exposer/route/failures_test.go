package route

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/internal/gcptest"
)

// The tests of this file are the ways in which the job fails in real life: each is
// met, named with its code, and cured where that is this method's to do.

func TestNoPeeringOnClustersBehindPrivateServiceConnect(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec(), psc)
	before := w.State()
	w.Google.ResetRequests()
	plan := apply(t, w)
	if steps := todo(plan); !slices.Contains(steps, "change authorized-networks/psc-cluster") || slices.ContainsFunc(steps, func(s string) bool { return strings.Contains(s, "peering") }) {
		t.Errorf("the plan is %q", steps)
	}
	unchanged(t, w)
	for _, method := range []string{"compute.networks.updatePeering", "compute.routers.patch", "compute.networks.listPeeringRoutes"} {
		if calls := asked(w, method); len(calls) > 0 {
			t.Errorf("%s was called: %q", method, calls)
		}
	}
	passes(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func TestTheAddressOfAPrivateServiceConnectControlPlaneGoesOutWithItsSubnet(t *testing.T) {
	t.Parallel()
	// Other list, other peers: the endpoint's subnet must reach the far side.
	for name, c := range map[string]struct {
		router, dc0, dc1 string // CUSTOM lists without ALL_SUBNETS; "": DEFAULT, or inherited
		after            [3]string
		broken           []string // before the apply
	}{
		"by DEFAULT": {after: [3]string{"DEFAULT", "DEFAULT", "DEFAULT"}},
		"not by a router that leaves the subnets out: then by itself": {router: "10.200.0.0/16",
			after: [3]string{"CUSTOM 10.200.0.0/16 10.156.0.14/32 (MARK)", "DEFAULT", "DEFAULT"}, broken: []string{"CW-ROUTE-NOT-ANNOUNCED"}},
		"by a router's wider range": {router: "10.156.0.0/16", after: [3]string{"CUSTOM 10.156.0.0/16", "DEFAULT", "DEFAULT"}},
		"not by a peer's own list; the router's stays as it is": {dc0: "10.200.0.0/16", dc1: "10.200.0.0/16",
			after: [3]string{"DEFAULT", "CUSTOM 10.200.0.0/16 10.156.0.14/32 (MARK)", "CUSTOM 10.200.0.0/16 10.156.0.14/32 (MARK)"}, broken: []string{"CW-BGP-PEER-CUSTOM"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route-line", labSpec(), psc)
			setAuthorized(t, w, pscAt, map[string]any{"cidrBlock": client})
			if c.router != "" {
				setRouter(t, w, routerAt, "CUSTOM", nil, c.router)
			}
			for peer, list := range map[string]string{"dc-0": c.dc0, "dc-1": c.dc1} {
				if list != "" {
					setPeer(t, w, peer, nil, list)
				}
			}
			before := w.State()
			breaks(t, w, c.broken...)
			apply(t, w)
			unchanged(t, w)
			for i, peer := range []string{"", "dc-0", "dc-1"} {
				if got, want := announces(w, routerAt, peer), strings.ReplaceAll(c.after[i], "MARK", "causeway exposure "+w.Spec.Name); got != want {
					t.Errorf("%q announces %q, want %q", peer, got, want)
				}
			}
			passes(t, w)
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

func TestCustomRouteExportIsNotEnabledOnTheLegacyPeering(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	setAuthorized(t, w, clusterAt, map[string]any{"cidrBlock": client})
	setRouter(t, w, routerAt, "CUSTOM", allOfThem, master)
	before := w.State()
	way := breaks(t, w, "CW-ROUTE-NOT-EXPORTED")
	if way.Of(exposer.Forward) != exposer.Good || way.Of(exposer.Return) != exposer.Broken {
		t.Errorf("forward is %s, return %s", way.Of(exposer.Forward), way.Of(exposer.Return))
	}
	w.Google.ResetRequests()
	apply(t, w)
	if calls := asked(w, "compute.networks.updatePeering"); len(calls) != 1 || !strings.Contains(calls[0], `"exportCustomRoutes":true`) || strings.Contains(calls[0], "import") || strings.Contains(calls[0], "exchange") {
		t.Errorf("the peering was updated by %q", calls)
	}
	passes(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func TestTheControlPlaneRangeIsNotAdvertised(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	setPeering(t, w, map[string]any{"exportCustomRoutes": true})
	setAuthorized(t, w, clusterAt, map[string]any{"cidrBlock": client})
	before := w.State()
	way := breaks(t, w, "CW-ROUTE-NOT-ANNOUNCED")
	if text := fmt.Sprint(way.Err()); !strings.Contains(text, "mode DEFAULT, which announces the VPC's own subnets alone") {
		t.Errorf("the trace does not say why: %s", text)
	}
	apply(t, w)
	if got, want := announces(w, routerAt, ""), "CUSTOM ALL_SUBNETS "+master+" (causeway exposure "+w.Spec.Name+"; mode was DEFAULT)"; got != want {
		t.Errorf("the router announces %q, want %q", got, want)
	}
	passes(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

func TestACustomListKeepsWhatItAnnouncesAndWhatItDoesNot(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mode   string
		groups []any
		ranges []string
		after  string
	}{
		"DEFAULT gets all subnets by name":         {"DEFAULT", nil, nil, "CUSTOM ALL_SUBNETS " + master + " (MARK; mode was DEFAULT)"},
		"CUSTOM with all subnets":                  {"CUSTOM", allOfThem, nil, "CUSTOM ALL_SUBNETS " + master + " (MARK)"},
		"CUSTOM without all subnets stays without": {"CUSTOM", nil, []string{"10.8.0.0/16 theirs", "10.9.0.0/16"}, "CUSTOM 10.8.0.0/16 (theirs) 10.9.0.0/16 " + master + " (MARK)"},
		"the range itself, somebody else's":        {"CUSTOM", allOfThem, []string{master + " by hand"}, "CUSTOM ALL_SUBNETS " + master + " (by hand)"},
		"a wider range of somebody else's":         {"CUSTOM", allOfThem, []string{"192.168.0.0/16"}, "CUSTOM ALL_SUBNETS 192.168.0.0/16"},
		"a narrower range does not do":             {"CUSTOM", allOfThem, []string{"192.168.50.0/29"}, "CUSTOM ALL_SUBNETS 192.168.50.0/29 " + master + " (MARK)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route-line", labSpec())
			setRouter(t, w, routerAt, c.mode, c.groups, c.ranges...)
			before := w.State()
			apply(t, w)
			unchanged(t, w)
			if got, want := announces(w, routerAt, ""), strings.ReplaceAll(c.after, "MARK", "causeway exposure "+w.Spec.Name); got != want {
				t.Errorf("the router announces %q, want %q", got, want)
			}
			passes(t, w)
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

func TestAPeerListOverridesTheRouterList(t *testing.T) {
	t.Parallel()
	silent := func(_ *testing.T, w *gcptest.Server) {
		w.SetRemotes(remote("203.0.113.21"), remote("203.0.113.22"))
	}
	for name, c := range map[string]struct {
		own   []string // peers with a list of their own
		named []string // --bgp-peer
		far   func(*testing.T, *gcptest.Server)
		after [2]string // of dc-0 and dc-1
		code  string    // refused with
	}{
		"one that leads to the far side gets the range": {own: []string{"dc-0"},
			after: [2]string{"CUSTOM 10.7.0.0/16 (theirs) " + master + " (MARK)", "DEFAULT"}},
		"both do": {own: []string{"dc-0", "dc-1"},
			after: [2]string{"CUSTOM 10.7.0.0/16 (theirs) " + master + " (MARK)", "CUSTOM 10.7.0.0/16 (theirs) " + master + " (MARK)"}},
		"one that leads elsewhere stays as it is": {own: []string{"dc-0"},
			far: func(_ *testing.T, s *gcptest.Server) {
				s.SetRemotes(remote("203.0.113.21", "10.99.0.0/16"), remote("203.0.113.22", client))
			},
			after: [2]string{"CUSTOM 10.7.0.0/16 (theirs)", "DEFAULT"}},
		"where nothing tells which leads there, it is asked for": {own: []string{"dc-0", "dc-1"}, far: silent, code: "CW-BGP-PEER-CUSTOM"},
		"named, it gets the range and the other does not": {own: []string{"dc-0", "dc-1"}, far: silent, named: []string{"dc-1"},
			after: [2]string{"CUSTOM 10.7.0.0/16 (theirs)", "CUSTOM 10.7.0.0/16 (theirs) " + master + " (MARK)"}},
		"a name that no peer has": {named: []string{"dc-7"}, code: "CW-ROUTE-ROUTER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.Route.BGPPeers = c.named })
			for _, peer := range c.own {
				setPeer(t, w, peer, nil, "10.7.0.0/16 theirs")
			}
			if c.far != nil {
				c.far(t, w.Google)
			}
			if c.code != "" {
				want(t, refused(t, w), c.code)
				return
			}
			before := w.State()
			apply(t, w)
			unchanged(t, w)
			for i, peer := range []string{"dc-0", "dc-1"} {
				if got, want := announces(w, routerAt, peer), strings.ReplaceAll(c.after[i], "MARK", "causeway exposure "+w.Spec.Name); got != want {
					t.Errorf("%s announces %q, want %q", peer, got, want)
				}
			}
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

func TestAPeerListThatTheTraceMeetsIsNamedWithThePeer(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	apply(t, w)
	setPeer(t, w, "dc-0", allOfThem)
	way := trace(t, w)
	if err := way.Err(); err != nil { // the other session still carries it
		t.Errorf("one of two sessions is enough: %v", err)
	}
	setPeer(t, w, "dc-1", allOfThem)
	way = breaks(t, w, "CW-BGP-PEER-CUSTOM")
	if text := fmt.Sprint(way.Err()); !strings.Contains(text, "--bgp-peer dc-0") || !strings.Contains(text, "announced to dc-1") {
		t.Errorf("the trace does not name the peers and the cure: %s", text)
	}
}

func TestVPCPeeringIsNotTransitive(t *testing.T) {
	t.Parallel()
	for _, cluster := range []string{"private-cluster", "psc-cluster"} {
		t.Run(cluster, func(t *testing.T) {
			t.Parallel()
			w := world(t, "hub", labSpec(), func(s *exposer.Spec) { s.Cluster.Name = cluster })
			problems := refused(t, w)
			want(t, problems, "CW-ROUTE-NO-LINE network lab-project/default has no Cloud Router with BGP peers")
			for _, text := range []string{"peered with hub-project/hub-vpc", "VPC peering is not transitive", "causeway apply ilb --hub-network hub-project/hub-vpc", "psc"} {
				if !strings.Contains(problems[0], text) {
					t.Errorf("the refusal does not say %q: %s", text, problems[0])
				}
			}
			w.Spec.Route.Network = "hub-project/hub-vpc"
			problems = refused(t, w)
			want(t, problems, "CW-ROUTE-TRANSIT the line ends in network hub-project/hub-vpc, the cluster is in lab-project/default")
			if !strings.Contains(problems[0], "causeway apply ilb --hub-network hub-project/hub-vpc") {
				t.Errorf("the refusal names no method that can: %s", problems[0])
			}
		})
	}
}

func TestTheNetworkOfASharedVPCIsTheHostProjects(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*exposer.Spec){
		"a line that is there": func(*exposer.Spec) {},
		"a line of its own": func(s *exposer.Spec) {
			s.Route.VPN = newLine().Route.VPN
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route-shared", labSpec(), shared, edit)
			before := w.State()
			w.Google.ResetRequests()
			apply(t, w)
			unchanged(t, w)
			if facts := fmt.Sprint(open(t, w).Facts()); !strings.Contains(facts, "{shared VPC host host-project}") {
				t.Errorf("the facts do not name the host project: %s", facts)
			}
			destroy(t, w)
			w.Gone(t, before)
			for _, request := range w.Google.Requests() {
				if strings.HasPrefix(request.Method, "compute.") && !strings.Contains(request.Path, "/projects/host-project/") {
					t.Errorf("a call to another project: %s %s", request.Verb, request.Path)
				}
			}
		})
	}
}

func shared(s *exposer.Spec) { s.Cluster.Project, s.Cluster.Name = "service-project", "shared-cluster" }

func TestAuthorizedNetworksOmitTheClient(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cluster string
		edit    func(config map[string]any)
		change  bool
	}{
		"behind a peering they are enforced":                        {cluster: "private-cluster", change: true},
		"behind a peering, switched off":                            {cluster: "private-cluster", edit: func(config map[string]any) { delete(config, "enabled") }},
		"at an endpoint in the VPC, enforced":                       {cluster: "psc-cluster", change: true},
		"at an endpoint in the VPC their enforcement is a switch":   {cluster: "psc-cluster", edit: func(config map[string]any) { delete(config, "privateEndpointEnforcementEnabled") }},
		"at an endpoint in the VPC, switched off, enforced in vain": {cluster: "psc-cluster", edit: func(config map[string]any) { config["enabled"] = false }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.Cluster.Name = c.cluster })
			at := lab + "/locations/europe-west3/clusters/" + c.cluster
			if c.edit != nil {
				change(t, w, at, func(cluster map[string]any) {
					c.edit(cluster["masterAuthorizedNetworksConfig"].(map[string]any))
					c.edit(cluster["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["authorizedNetworksConfig"].(map[string]any))
				})
			}
			before := w.State()
			omitted := slices.ContainsFunc(trace(t, w).Hops, func(h exposer.TraceHop) bool { return h.Code == "CW-ROUTE-NOT-AUTHORIZED" })
			if omitted != c.change {
				t.Errorf("the trace says omitted: %t, want %t", omitted, c.change)
			}
			plan := apply(t, w)
			if got := slices.Contains(todo(plan), "change authorized-networks/"+c.cluster); got != c.change {
				t.Errorf("the plan changes the authorized networks: %t, want %t", got, c.change)
			}
			if want := client + " (causeway exposure " + w.Spec.Name + ")"; c.change != slices.Contains(authorized(w, at), want) {
				t.Errorf("the list is %q", authorized(w, at))
			}
			passes(t, w)
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

func TestAPublicClientNetworkIsRefusedBeforeAnyCall(t *testing.T) {
	t.Parallel()
	spec := labSpec()
	spec.FarSide.CIDRs = []string{"8.8.8.0/24"}
	err := spec.WithDefaults().Validate([]string{"route"})
	wantCode(t, err, "CW-NET-PUBLIC", "farSide.cidrs[0]", "8.8.8.0/24 is public")
}
