package route

import (
	"slices"
	"testing"

	"causeway/exposer"
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
