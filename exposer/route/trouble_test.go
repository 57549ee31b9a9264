package route

import (
	"net/netip"
	"slices"
	"testing"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
)

// TestARouterThatSpeaksNoBGP is refused before anything is changed, however it comes
// to be named.
func TestARouterThatSpeaksNoBGP(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*exposer.Spec){
		"as the line's router":            func(s *exposer.Spec) { s.Route.Routers = []string{"nat"} },
		"as that of a line of causeway's": func(s *exposer.Spec) { s.Route.VPN = newLine().Route.VPN; s.Route.VPN.Router = "nat" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route-line", labSpec(), edit)
			seed := gcptest.Seed{Resources: []gcptest.SeedObject{{Path: west3 + "/routers/nat", Body: map[string]any{"network": networkAt,
				"nats": []any{map[string]any{"name": "n", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}}}}}}
			if err := w.Google.Fill(seed); err != nil {
				t.Fatal(err)
			}
			want(t, refused(t, w), "CW-ROUTE-ROUTER router europe-west3/nat speaks no BGP")
		})
	}
}

// TestABGPPeerThatSomebodySwitchedOff is switched on again, and keeps what he set on
// it: an MD5 key that only he knows, a priority, BFD.
func TestABGPPeerThatSomebodySwitchedOff(t *testing.T) {
	t.Parallel()
	w := world(t, "route", labSpec(), func(s *exposer.Spec) {
		s.Route.VPN = &exposer.VPN{PeerASN: 65001, PeerAddresses: []string{"203.0.113.11"}, Secrets: exposer.Secrets{Env: "PSK"}}
	})
	apply(t, w)
	at, name := west3+"/routers/causeway-"+w.Spec.Name, "causeway-"+w.Spec.Name+"-0"
	peer := func(router map[string]any) map[string]any {
		for _, one := range router["bgpPeers"].([]any) {
			if p := one.(map[string]any); p["name"] == name {
				return p
			}
		}
		t.Fatalf("no peer %s", name)
		return nil
	}
	change(t, w, at, func(router map[string]any) {
		router["md5AuthenticationKeys"] = []any{map[string]any{"name": "theirs", "key": "of the far side"}}
		p := peer(router)
		p["enable"], p["md5AuthenticationKeyName"], p["advertisedRoutePriority"] = "FALSE", "theirs", 50
	})
	if got := todo(apply(t, w)); !slices.Equal(got, []string{"change bgp-sessions/europe-west3/causeway-" + w.Spec.Name}) {
		t.Errorf("the plan is %q", got)
	}
	router := w.Google.Object(at)
	if p := peer(router); p["enable"] != "TRUE" || p["md5AuthenticationKeyName"] != "theirs" || p["advertisedRoutePriority"] == nil {
		t.Errorf("the peer is %v", p)
	}
	if keys, _ := router["md5AuthenticationKeys"].([]any); len(keys) != 1 {
		t.Errorf("the keys are %v", keys)
	}
	unchanged(t, w)
	destroy(t, w)
}

// TestTheFarSideExpectsWhatReallyGoesOut: its filters take exact prefixes, and where
// somebody announces a wider range the control plane's own one does not go out.
func TestTheFarSideExpectsWhatReallyGoesOut(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	setRouter(t, w, routerAt, "CUSTOM", allOfThem, "192.168.0.0/16 theirs", "10.8.0.0/16 theirs")
	apply(t, w)
	half, err := open(t, w).FarHalf(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	status, err := other(t, w).RouterStatus(t.Context(), gcp.Ref{Project: "lab-project", Region: "europe-west3", Name: "cr-line"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range half.Expect {
		if !slices.ContainsFunc(status.Peers[0].Advertised, func(r gcp.AdvertisedRoute) bool { return r.Range == want }) {
			t.Errorf("the far side expects %s, and the router announces %v", want, status.Peers[0].Advertised)
		}
	}
	if address := netip.MustParseAddr("192.168.50.2"); !slices.ContainsFunc(half.Expect, func(p netip.Prefix) bool { return p.Contains(address) }) {
		t.Errorf("no prefix that the far side expects holds the API server: %v", half.Expect)
	}
}

// TestASpecThatChangesNothingIsRecordedAllTheSame: what verify and status look at is
// the last apply's spec, also where that had nothing to do.
func TestASpecThatChangesNothingIsRecordedAllTheSame(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec(), func(s *exposer.Spec) { s.Route.BGPPeers = []string{"dc-1"} })
	change(t, w, clusterAt, func(c map[string]any) { // nothing is enforced: no list names the clients
		delete(c["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any), "authorizedNetworksConfig")
		delete(c, "masterAuthorizedNetworksConfig")
	})
	before := w.State()
	apply(t, w)
	const other = "172.20.0.0/16"
	w.Google.SetRemotes(remote("203.0.113.21", client, other), remote("203.0.113.22", client, other))
	w.Spec.FarSide.CIDRs, w.Spec.Route.BGPPeers = []string{other}, nil
	unchanged(t, w)
	_, record, err := w.JobOf(t, Method{}).Standing(t.Context(), w.Spec)
	if err != nil || !slices.Equal(record.Spec.FarSide.CIDRs, w.Spec.FarSide.CIDRs) || len(record.Spec.Route.BGPPeers) > 0 || record.Finished == nil {
		t.Errorf("the record says %+v %v", record.Spec, err)
	}
	w.Google.ResetRequests()
	w.Counter.Reset()
	unchanged(t, w)
	if _, writes := w.Counter.Counts(); writes > 0 {
		t.Errorf("an apply that finds its own record writes %v", w.Counter.Writes)
	}
	destroy(t, w)
	w.Gone(t, before)
}

// TestAnApplyThatWasCutOffAtItsEndIsFinishedByTheNext: there is nothing left to do
// but to say so.
func TestAnApplyThatWasCutOffAtItsEndIsFinishedByTheNext(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	apply(t, w)
	job := w.JobOf(t, Method{})
	x, record, err := job.Standing(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	record.Finished = nil
	if err := job.Records(x).Save(t.Context(), record, true); err != nil {
		t.Fatal(err)
	}
	if standing(t, w).OK() {
		t.Fatal("status does not tell of an apply that was cut off")
	}
	unchanged(t, w)
	if status := standing(t, w); !status.OK() {
		t.Errorf("status: %+v", status.Checks)
	}
	destroy(t, w)
}

// TestARouterOfTwoThatIsGone does not keep status and verify from looking at the
// other one.
func TestARouterOfTwoThatIsGone(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec())
	fillLine(t, w, west3, networkAt, "cr-two", "203.0.113.31", 1)
	w.Google.SetRemotes(remote("203.0.113.21", client), remote("203.0.113.22", client), remote("203.0.113.31", client))
	apply(t, w)
	w.Google.Remove(west3 + "/routers/cr-two")
	w.Google.Remove(west3 + "/vpnTunnels/cr-two")
	status := standing(t, w)
	if len(status.Drift) > 0 || !slices.ContainsFunc(status.Checks, func(c exposer.Check) bool { return c.OK && c.Name == "forward: announced to dc-0" }) {
		t.Errorf("status: %+v", status)
	}
	unchanged(t, w)
	passes(t, w)
	destroy(t, w)
}
