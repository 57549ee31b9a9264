package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// own edits a spec to make its line.
func own(s *exposer.Spec) { s.Route.VPN = newLine().Route.VPN }

// early edits a spec to begin a line whose far side is not known yet.
func early(s *exposer.Spec) {
	s.Route.VPN = &exposer.VPN{Peer: exposer.PeerAWS, PeerASN: 65001}
}

// connected puts the far side of newLine behind the tunnels.
func connected(w *conformance.World, prefixes ...string) {
	var far []gcptest.Remote
	for _, address := range newLine().Route.VPN.PeerAddresses {
		r := remote(address, prefixes...)
		r.Secret = "a.key_that.tests.share"
		far = append(far, r)
	}
	w.Google.SetRemotes(far...)
}

// linksOf are those of a router's interfaces, by name.
func linksOf(w *conformance.World, at string) map[string]string {
	all := map[string]string{}
	interfaces, _ := w.Google.Object(at)["interfaces"].([]any)
	for _, one := range interfaces {
		i := one.(map[string]any)
		all[fmt.Sprint(i["name"])] = fmt.Sprint(i["ipRange"])
	}
	return all
}

func TestALineIsBegunBeforeItsFarSideIsKnown(t *testing.T) {
	t.Parallel()
	w := world(t, "route", labSpec(), early)
	before := w.State()
	name := "causeway-" + w.Spec.Name
	plan := apply(t, w)
	for _, step := range todo(plan) {
		if strings.Contains(step, "tunnel") || strings.Contains(step, "external") || strings.Contains(step, "bgp-sessions") {
			t.Errorf("the first stage does %s", step)
		}
	}
	unchanged(t, w)
	if w.Google.Object(west3+"/vpnGateways/"+name) == nil || w.Google.Object(west3+"/routers/"+name) == nil {
		t.Fatal("gateway or router are missing")
	}
	way := trace(t, w)
	if err := way.Err(); err != nil {
		t.Errorf("what waits is told as broken: %v", err)
	}
	if way.Of(exposer.Forward) != exposer.Waits || !strings.Contains(fmt.Sprint(way), "--peer-address") {
		t.Errorf("the trace does not say what comes next: %+v", way)
	}
	half, err := open(t, w).FarHalf(t.Context())
	if err != nil || len(half.Files) == 0 {
		t.Fatalf("the far side's half: %v, %d files", err, len(half.Files))
	}
	gateway := w.Google.Object(west3 + "/vpnGateways/" + name)
	page := ""
	for _, file := range half.Files {
		page += string(file.Content)
	}
	for _, one := range gateway["vpnInterfaces"].([]any) {
		if address := fmt.Sprint(one.(map[string]any)["ipAddress"]); !strings.Contains(page, address) {
			t.Errorf("the far side is not told of the gateway's address %s", address)
		}
	}
	var told []netip.Prefix
	for _, tun := range open(t, w).line.tunnels {
		told = append(told, tun.link)
		if !strings.Contains(page, tun.peer.String()) {
			t.Errorf("the far side is not told of its address %s", tun.peer)
		}
	}

	w.Spec.Route.VPN = newLine().Route.VPN
	w.Spec = w.Spec.WithDefaults()
	connected(w, client)
	plan = apply(t, w)
	if want := []string{"create bgp-sessions/europe-west3/" + name, "create external-vpn-gateway/" + name,
		"create vpn-tunnel/europe-west3/" + name + "-0", "create vpn-tunnel/europe-west3/" + name + "-1", "create vpn-tunnel/europe-west3/" + name + "-2", "create vpn-tunnel/europe-west3/" + name + "-3"}; !slices.Equal(todo(plan), want) {
		t.Errorf("the second stage does %q, want %q", todo(plan), want)
	}
	unchanged(t, w)
	live := linksOf(w, west3+"/routers/"+name)
	for i, link := range told {
		if got := live[fmt.Sprintf("%s-%d", name, i)]; got != netip.PrefixFrom(link.Addr().Next().Next(), 30).String() {
			t.Errorf("tunnel %d has the link %s, and the far side was told %s", i, got, link)
		}
	}
	passes(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

// The far side's filters let in what they were told of, and nothing else.
func TestWhatOtherExposuresSendOverTheLineIsHandedOverToo(t *testing.T) {
	t.Parallel()
	w := world(t, "route", labSpec(), own)
	apply(t, w)
	setRouter(t, w, west3+"/routers/causeway-"+w.Spec.Name, "CUSTOM", []any{"ALL_SUBNETS"}, "192.168.50.0/28 causeway exposure "+w.Spec.Name,
		"192.168.60.0/28 causeway exposure other", "192.168.70.0/28 somebody's")
	half, err := open(t, w).FarHalf(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.156.0.0/20"), netip.MustParsePrefix("192.168.50.0/28"), netip.MustParsePrefix("192.168.60.0/28")}
	slices.SortFunc(half.Expect, netip.Prefix.Compare)
	if !slices.Equal(half.Expect, want) {
		t.Errorf("the far side is told to expect %s, want %s", half.Expect, want)
	}
	destroy(t, w)
}

func TestTheLineAsTheFarSideComesUp(t *testing.T) {
	t.Parallel()
	w := world(t, "route", labSpec(), own)
	apply(t, w)
	far := func(edit func(int, *gcptest.Remote)) {
		var all []gcptest.Remote
		for i, address := range newLine().Route.VPN.PeerAddresses {
			r := remote(address, client)
			r.Secret = "a.key_that.tests.share"
			edit(i, &r)
			all = append(all, r)
		}
		w.Google.SetRemotes(all...)
	}
	for _, c := range []struct {
		name      string
		edit      func(int, *gcptest.Remote)
		out, back exposer.Verdict
		codes     []string // of broken hops
	}{
		{name: "nobody is there yet", edit: func(_ int, r *gcptest.Remote) { r.Address = netip.MustParseAddr("198.51.100.9") }, out: exposer.Waits, back: exposer.Waits},
		{name: "another key", edit: func(_ int, r *gcptest.Remote) { r.Secret = "another.key" }, out: exposer.Broken, back: exposer.Waits, codes: []string{"CW-BGP-DOWN", "CW-VPN-AUTH"}},
		{name: "other ciphers", edit: func(_ int, r *gcptest.Remote) { r.TunnelStatus = "NEGOTIATION_FAILURE" }, out: exposer.Broken, back: exposer.Waits, codes: []string{"CW-BGP-DOWN", "CW-VPN-NEGOTIATION"}},
		{name: "another ASN", edit: func(_ int, r *gcptest.Remote) { r.ASN = 65099 }, out: exposer.Broken, back: exposer.Waits, codes: []string{"CW-BGP-DOWN"}},
		{name: "one of four", edit: func(i int, r *gcptest.Remote) { r.SessionDown = map[bool]string{true: "", false: "not yet"}[i == 2] }, out: exposer.Warns, back: exposer.Good},
		{name: "all, and nothing announced", edit: func(_ int, r *gcptest.Remote) { r.Prefixes = nil }, out: exposer.Good, back: exposer.Broken, codes: []string{"CW-ROUTE-NOT-LEARNED"}},
		{name: "all, in parts", edit: func(i int, r *gcptest.Remote) {
			r.Prefixes = []netip.Prefix{netip.MustParsePrefix([]string{"172.31.0.0/17", "172.31.128.0/17"}[i%2])}
		}, out: exposer.Good, back: exposer.Good},
		{name: "all, a part", edit: func(_ int, r *gcptest.Remote) { r.Prefixes = []netip.Prefix{netip.MustParsePrefix("172.31.8.0/22")} }, out: exposer.Good, back: exposer.Warns},
		{name: "all", edit: func(int, *gcptest.Remote) {}, out: exposer.Good, back: exposer.Good},
	} {
		far(c.edit)
		way := trace(t, w)
		if way.Of(exposer.Forward) != c.out || way.Of(exposer.Return) != c.back {
			t.Errorf("%s: forward %s, return %s, want %s, %s: %+v", c.name, way.Of(exposer.Forward), way.Of(exposer.Return), c.out, c.back, way.Hops)
		}
		var codes []string
		for _, h := range way.Hops {
			if h.Verdict == exposer.Broken && !slices.Contains(codes, h.Code) {
				codes = append(codes, h.Code)
			}
		}
		slices.Sort(codes)
		if !slices.Equal(codes, c.codes) {
			t.Errorf("%s: broken by %q, want %q", c.name, codes, c.codes)
		}
	}
}

func TestTheRecordIsLostAndWhatBearsTheMarkGoesAllTheSame(t *testing.T) {
	t.Parallel()
	bare := func(w *conformance.World) { // as the flags of destroy say it
		w.Spec.Route, w.Spec.FarSide = nil, exposer.FarSide{}
		w.Spec = w.Spec.WithDefaults()
	}
	for name, c := range map[string]struct {
		seed string
		edit func(*exposer.Spec)
	}{
		"a line of its own":                         {"route", own},
		"a line that was begun":                     {"route", early},
		"a line on somebody's router":               {"route-line", func(s *exposer.Spec) { own(s); s.Route.VPN.Router = "cr-line" }},
		"a line with names and a region of its own": {"route", func(s *exposer.Spec) { own(s); s.Route.VPN.Router, s.Route.VPN.Gateway = "edge-router", "edge-gateway" }},
		"a line that was there":                     {"route-line", func(*exposer.Spec) {}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, c.seed, labSpec(), c.edit)
			before := w.State()
			apply(t, w)
			forget(t, w)
			bare(w)
			item := destroy(t, w)[peeringStep]
			if item.Outcome != exposer.Left || item.Why != "no record says that this exposure turned it on" {
				t.Errorf("the peering's flag, whose old value is lost, is told as %s: %s", item.Outcome, item.Why)
			}
			setPeering(t, w, map[string]any{"exportCustomRoutes": false})
			w.Gone(t, before)
		})
	}
}

func TestALineThatOthersUseIsLeftToThem(t *testing.T) {
	t.Parallel()
	t.Run("the router, without what was ours on it", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route", labSpec(), own)
		name := "causeway-" + w.Spec.Name
		apply(t, w)
		change(t, w, west3+"/routers/"+name, func(r map[string]any) {
			r["nats"] = []any{map[string]any{"name": "nodes", "type": "PUBLIC", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}}
		})
		items := destroy(t, w)
		if item := items["router/europe-west3/"+name]; item.Outcome != exposer.Left || item.Why != "it carries what causeway did not put there: Cloud NAT nodes" {
			t.Errorf("the router is told as %s: %s", item.Outcome, item.Why)
		}
		left := w.Google.Object(west3 + "/routers/" + name)
		if left == nil || len(linksOf(w, west3+"/routers/"+name)) > 0 || strings.Contains(announces(w, west3+"/routers/"+name, ""), master) {
			t.Errorf("the router that stays has what was ours: %v", left)
		}
		if w.Google.Object(west3+"/vpnGateways/"+name) != nil {
			t.Error("the gateway is still there")
		}
	})
	t.Run("a router and a gateway that were there before", func(t *testing.T) {
		t.Parallel()
		w := world(t, "route-line", labSpec(), own, func(s *exposer.Spec) {
			s.Route.VPN.Router, s.Route.VPN.Gateway, s.Route.VPN.ASN = "cr-line", "onprem", 0
		})
		before := w.State()
		apply(t, w)
		unchanged(t, w)
		connected(w, client)
		w.Google.ResetRequests()
		items := destroy(t, w)
		for _, id := range []string{"router/europe-west3/cr-line", "vpn-gateway/europe-west3/onprem"} {
			if items[id].Outcome != exposer.Left {
				t.Errorf("%s is %s", id, items[id].Outcome)
			}
		}
		w.Gone(t, before)
	})
}

func TestWhatALineCanNotBeMadeOf(t *testing.T) {
	t.Parallel()
	elsewhere := func(t *testing.T, w *conformance.World) {
		if err := w.Google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{
			{Path: lab + "/global/networks/other", Body: map[string]any{"autoCreateSubnetworks": false, "routingConfig": map[string]any{"routingMode": "REGIONAL"}}},
			{Path: west3 + "/routers/stranger", Body: map[string]any{"network": lab + "/global/networks/other", "bgp": map[string]any{"asn": 64900, "advertiseMode": "DEFAULT"}}},
			{Path: west3 + "/vpnGateways/stranger", Body: map[string]any{"network": lab + "/global/networks/other"}},
		}}); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		edit func(*exposer.VPN)
		seed func(*testing.T, *conformance.World)
		want []string
	}{
		"a router with another ASN":        {edit: func(v *exposer.VPN) { v.Router, v.ASN = "cr-line", 64999 }, want: []string{"CW-ROUTE-ASN router cr-line has ASN 64600, which can't be changed, and 64999 is asked for"}},
		"a router with the far side's ASN": {edit: func(v *exposer.VPN) { v.Router, v.PeerASN = "cr-line", 64600 }, want: []string{"CW-ROUTE-ASN the far side's ASN 64600 is router cr-line's own"}},
		"a router of another network":      {edit: func(v *exposer.VPN) { v.Router = "stranger" }, seed: elsewhere, want: []string{"CW-ROUTE-ROUTER router/europe-west3/stranger: router stranger belongs to network other"}},
		"a gateway of another network":     {edit: func(v *exposer.VPN) { v.Gateway = "stranger" }, seed: elsewhere, want: []string{"CW-RUN-FOREIGN vpn-gateway/europe-west3/stranger"}},
		"a link that another router has": {edit: func(v *exposer.VPN) {
			v.Links = []string{"169.254.77.0/30", "169.254.88.0/30", "169.254.88.4/30", "169.254.88.8/30"}
		}, want: []string{"CW-NET-LINK-LOCAL link 169.254.77.0/30 is used by router europe-west3/cr-line, interface dc-0"}},
		"a link that another region's one has": {edit: func(v *exposer.VPN) {
			v.Links = []string{"169.254.99.4/30", "169.254.88.0/30", "169.254.88.4/30", "169.254.88.8/30"}
		}, seed: func(t *testing.T, w *conformance.World) {
			fillLine(t, w, west4, networkAt, "cr-west4", "203.0.113.31", 1)
		}, want: []string{"CW-NET-LINK-LOCAL link 169.254.99.4/30 is used by router europe-west4/cr-west4"}},
		"no key": {edit: func(v *exposer.VPN) { v.Secrets.Env = "UNSET" }, want: slices.Repeat([]string{"CW-VPN-KEY read the pre-shared key of tunnel"}, 4)},
		"a far side that another one was before": {seed: func(t *testing.T, w *conformance.World) {
			apply(t, w)
			w.Spec.Route.VPN.PeerAddresses = []string{"203.0.113.11", "203.0.113.12", "203.0.113.13", "203.0.113.99"}
		}, want: []string{"CW-VPN-FIXED external-vpn-gateway/"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route-line", labSpec(), own, func(s *exposer.Spec) {
				if c.edit != nil {
					c.edit(s.Route.VPN)
				}
			})
			if c.seed != nil {
				c.seed(t, w)
			}
			var missing []string
			_, err := w.Apply(t.Context(), Method{})
			wantCode(t, err, strings.Fields(c.want[0])[0])
			for _, p := range problemsOf(t, err) {
				missing = append(missing, p.Code+" "+p.Text)
			}
			want(t, missing, c.want...)
		})
	}
}

func TestASpecOfTheCallersStaysAsItIs(t *testing.T) {
	t.Parallel()
	w := world(t, "route-line", labSpec(), own, func(s *exposer.Spec) { s.Route.VPN.Router = "cr-line" })
	vpn := *w.Spec.Route.VPN
	x := open(t, w)
	if got := *w.Spec.Route.VPN; got.ASN != vpn.ASN || got.Region != vpn.Region || len(got.Links) != len(vpn.Links) {
		t.Errorf("opening an exposure wrote into the caller's spec: %+v, was %+v", got, vpn)
	}
	if made := x.Spec().Route.VPN; made.ASN != 64600 || made.Region != "europe-west3" || len(made.Links) != 4 {
		t.Errorf("the exposure's own says %+v", made)
	}
}
