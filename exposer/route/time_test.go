package route

import (
	"fmt"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// These two run before the tests that run at the same time; on a machine that
// others keep busy the best of some attempts counts.

// TestApplyTakesAsLongAsItsLongestChain gives each of Google's operations a time
// and holds the whole apply of gateway, router, external gateway, four tunnels and
// four sessions, plan and preflight included, to 1.15 times the longest chain of
// those that depend on each other: router and gateways at once, then the tunnels at
// once, then the sessions by one patch.
func TestApplyTakesAsLongAsItsLongestChain(t *testing.T) {
	const operation = 3 * time.Second
	const chain = 3 * operation
	allowed := time.Duration(float64(chain) * 1.15)
	var took time.Duration
	for attempt := range 3 {
		w := worldOf(t, conformance.Options{Seed: "route", OperationTime: operation}, newLine(), func(s *exposer.Spec) { s.Name += fmt.Sprint("x", attempt) })
		began := time.Now()
		apply(t, w)
		took = time.Since(began)
		t.Logf("apply took %s, its longest chain %s: %.2f", took.Round(time.Millisecond), chain, float64(took)/float64(chain))
		if took < chain {
			t.Fatal("shorter than the chain: the operations' times do not count")
		}
		if took <= allowed {
			return
		}
	}
	t.Errorf("apply took %s, want at most %s (1.15 of the longest chain)", took, allowed)
}

// TestThePlanOfABusyNetwork has 5 routers with 128 BGP peers in all, which announce
// 200 ranges of their own each.
func TestThePlanOfABusyNetwork(t *testing.T) {
	w := world(t, "route-line", labSpec())
	crowd(t, w)
	var took time.Duration
	for range 5 {
		job, err := w.Job(Method{})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		x, plan, problems, err := job.Plan(t.Context(), w.Spec)
		took = time.Since(began)
		if err != nil || len(problems) > 0 || plan.Empty() {
			t.Fatalf("plan: %v %v %v", err, problems, plan)
		}
		if n := len(x.(*exposure).facts.lines.Routers); n != 5 {
			t.Fatalf("%d routers", n)
		}
		t.Logf("the plan took %s", took.Round(time.Millisecond))
		if took < time.Second {
			break
		}
	}
	if took >= time.Second {
		t.Errorf("the plan took %s, want less than a second", took)
	}
	began := time.Now()
	way := trace(t, w)
	t.Logf("a trace of %d hops took %s", len(way.Hops), time.Since(began).Round(time.Millisecond))
}

// crowd puts four routers beside the seed's: 126 tunnels and sessions to other
// parties, 200 ranges each.
func crowd(t *testing.T, w *conformance.World) {
	t.Helper()
	var ranges []any
	for i := range 200 {
		ranges = append(ranges, map[string]any{"range": fmt.Sprintf("10.50.%d.0/24", i)})
	}
	seed := gcptest.Seed{Remotes: []gcptest.Remote{remote("203.0.113.90", "10.201.0.0/16")}}
	plant := func(path string, body map[string]any) {
		seed.Resources = append(seed.Resources, gcptest.SeedObject{Path: path, Body: body})
	}
	plant(lab+"/global/externalVpnGateways/crowd", map[string]any{"redundancyType": "SINGLE_IP_INTERNALLY_REDUNDANT", "interfaces": []any{map[string]any{"id": 0, "ipAddress": "203.0.113.90"}}})
	plant(west3+"/vpnGateways/crowd", map[string]any{"network": networkAt})
	for r := range 4 {
		var interfaces, peers []any
		for p := range 126/4 + min(1, max(0, 2-r)) { // 32, 32, 31, 31
			name, own := fmt.Sprintf("crowd-%d-%d", r, p), fmt.Sprintf("169.254.%d.%d", 10+r, 4*p+1)
			plant(west3+"/vpnTunnels/"+name, map[string]any{"vpnGateway": west3 + "/vpnGateways/crowd", "vpnGatewayInterface": p % 2, "router": fmt.Sprintf("%s/routers/crowd-%d", west3, r),
				"peerExternalGateway": lab + "/global/externalVpnGateways/crowd", "peerExternalGatewayInterface": 0, "ikeVersion": 2, "peerIp": "203.0.113.90", "status": "ESTABLISHED"})
			interfaces = append(interfaces, map[string]any{"name": name, "ipRange": own + "/30", "linkedVpnTunnel": west3 + "/vpnTunnels/" + name})
			peers = append(peers, map[string]any{"name": name, "interfaceName": name, "ipAddress": own, "peerIpAddress": fmt.Sprintf("169.254.%d.%d", 10+r, 4*p+2), "peerAsn": 65010, "enable": "TRUE"})
		}
		plant(fmt.Sprintf("%s/routers/crowd-%d", west3, r), map[string]any{"network": networkAt, "interfaces": interfaces, "bgpPeers": peers,
			"bgp": map[string]any{"asn": 64512, "advertiseMode": "CUSTOM", "advertisedGroups": allOfThem, "advertisedIpRanges": ranges}})
	}
	if err := w.Google.Fill(seed); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for i := range 199 {
		texts = append(texts, fmt.Sprintf("10.60.%d.0/24", i))
	}
	setRouter(t, w, routerAt, "CUSTOM", allOfThem, texts...)
}
