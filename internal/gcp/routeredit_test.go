package gcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

func cidr(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// furnished is a router as others left it: a NAT, MD5 keys, BFD, ranges and learned
// ranges of a peer, on a line of two tunnels.
func furnished(t *testing.T, cloud *Cloud, google *gcptest.Server) {
	t.Helper()
	line(t, cloud, "shared", []netip.Addr{ip("203.0.113.10"), ip("203.0.113.11")}, [2]int{0, 0}, [2]int{1, 1})
	for i := range 2 {
		edit(t, cloud, "shared", session("shared", i))
	}
	var more map[string]any
	err := json.Unmarshal([]byte(`{
		"nats": [{"name": "nat", "natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES", "logConfig": {"enable": true, "filter": "ALL"}}],
		"md5AuthenticationKeys": [{"name": "key-0"}],
		"bgp": {"asn": 64512, "advertiseMode": "CUSTOM", "advertisedGroups": ["ALL_SUBNETS"], "keepaliveInterval": 30,
			"advertisedIpRanges": [{"range": "10.99.0.0/16", "description": "of others"}, {"range": "192.0.2.7"}]}
	}`), &more)
	if err != nil {
		t.Fatal(err)
	}
	err = google.Change("projects/lab-project/regions/europe-west3/routers/shared", func(o map[string]any) {
		maps.Copy(o, more)
		peers := o["bgpPeers"].([]any)
		maps.Copy(peers[0].(map[string]any), map[string]any{
			"md5AuthenticationKeyName": "key-0", "bfd": map[string]any{"sessionInitializationMode": "ACTIVE", "multiplier": 5},
			"customLearnedIpRanges": []any{map[string]any{"range": "10.201.0.0/16"}}, "customLearnedRoutePriority": 200,
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// plus is the router's list with one more range.
func plus(a Advertisement, more ...AdvertisedRange) *Advertisement {
	a.Mode = "CUSTOM"
	a.Ranges = append(slices.Clone(a.Ranges), more...)
	return &a
}

var ours = AdvertisedRange{cidr("192.168.50.0/28"), "causeway exposure demo"}

func TestAnEditSendsOnlyWhatItChanges(t *testing.T) {
	for sentence, test := range map[string]struct {
		edit func(Router) RouterEdit
		keys []string // of the patch; none: no patch at all
	}{
		"nothing":                     {func(Router) RouterEdit { return RouterEdit{} }, nil},
		"the list as it is":           {func(r Router) RouterEdit { return RouterEdit{Advertise: &r.Advertise} }, nil},
		"a peer that is on is put on": {func(Router) RouterEdit { return RouterEdit{EnablePeers: map[string]bool{"shared-0": true}} }, nil},
		"a peer's list as it is":      {func(Router) RouterEdit { return RouterEdit{PeerAdvertise: map[string]Advertisement{"shared-0": {}}} }, nil},
		"what is gone is dropped":     {func(Router) RouterEdit { return RouterEdit{DropPeers: []string{"x"}, DropInterfaces: []string{"x"}} }, nil},
		"a range more":                {func(r Router) RouterEdit { return RouterEdit{Advertise: plus(r.Advertise, ours)} }, []string{"bgp"}},
		"the mode DEFAULT":            {func(Router) RouterEdit { return RouterEdit{Advertise: &Advertisement{Mode: "DEFAULT"}} }, []string{"bgp"}},
		"a peer is switched off":      {func(Router) RouterEdit { return RouterEdit{EnablePeers: map[string]bool{"shared-1": false}} }, []string{"bgpPeers"}},
		"a peer announces a list": {func(Router) RouterEdit {
			return RouterEdit{PeerAdvertise: map[string]Advertisement{"shared-1": *plus(Advertisement{}, ours)}}
		}, []string{"bgpPeers"}},
		"a peer goes":                 {func(Router) RouterEdit { return RouterEdit{DropPeers: []string{"shared-1"}} }, []string{"bgpPeers"}},
		"a peer with an MD5 key goes": {func(Router) RouterEdit { return RouterEdit{DropPeers: []string{"shared-0"}} }, []string{"bgpPeers", "md5AuthenticationKeys"}},
		"a peer and its interface go": {func(Router) RouterEdit {
			return RouterEdit{DropPeers: []string{"shared-1"}, DropInterfaces: []string{"shared-1"}}
		}, []string{"bgpPeers", "interfaces"}},
		"an interface and a peer come": {func(Router) RouterEdit { return session("shared", 2) }, []string{"bgpPeers", "interfaces"}},
		"a list and a peer at the same time": {func(r Router) RouterEdit {
			return RouterEdit{Advertise: plus(r.Advertise, ours), EnablePeers: map[string]bool{"shared-1": false}}
		}, []string{"bgp", "bgpPeers"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			plain, google := open(t, gcptest.Options{}, "lab")
			furnished(t, plain, google)
			if err := plain.CreateTunnel(t.Context(), tunnel("shared", 2, [2]int{0, 1}), nil); err != nil {
				t.Fatal(err)
			}
			before := google.Object("projects/lab-project/regions/europe-west3/routers/shared")
			cloud, through := onNewer(t, google)
			if _, err := cloud.EditRouter(t.Context(), ref("shared"), func(r Router) (RouterEdit, error) { return test.edit(r), nil }, nil); err != nil {
				t.Fatal(err)
			}
			if test.keys == nil {
				if len(through.patches) != 0 {
					t.Errorf("sent %s", through.bodies)
				}
				return
			}
			if len(through.patches) != 1 {
				t.Fatalf("%d patches", len(through.patches))
			}
			if diff := cmp.Diff(test.keys, slices.Sorted(maps.Keys(through.patches[0]))); diff != "" {
				t.Errorf("keys of the patch: %s", diff)
			}
			keptWhole(t, through.patches[0], before, google.Object("projects/lab-project/regions/europe-west3/routers/shared"))
		})
	}
}

// keptWhole: what a patch carries of entries that were there has every field, those
// of the future too, and what it does not carry is as before.
func keptWhole(t *testing.T, patch, before, after map[string]any) {
	t.Helper()
	for _, field := range []string{"interfaces", "bgpPeers"} {
		known := map[string]map[string]any{}
		for _, entry := range document(before).list(field) {
			known[nameOf(entry)] = entry.(map[string]any)
		}
		for _, entry := range document(patch).list(field) {
			had, ok := known[nameOf(entry)]
			if !ok {
				continue
			}
			one := entry.(map[string]any)
			if diff := cmp.Diff(map[string]any{"big": 12345678901234567.0, "html": "<&>"}, one["futureField"]); diff != "" {
				t.Errorf("%s %s lost a field of the future: %s", field, nameOf(entry), diff)
			}
			for _, name := range []string{"bfd", "customLearnedIpRanges", "customLearnedRoutePriority", "md5AuthenticationKeyName", "managementType", "ipRange", "peerAsn"} {
				got := copyOf(one)
				visit(got, func(o map[string]any) { delete(o, "futureField") })
				if diff := cmp.Diff(had[name], got[name]); diff != "" {
					t.Errorf("%s %s: %s: %s", field, nameOf(entry), name, diff)
				}
			}
		}
	}
	if bgp, ok := patch["bgp"].(map[string]any); ok && (bgp["futureField"] == nil || bgp["keepaliveInterval"] != 30.0 || bgp["asn"] != 64512.0) {
		t.Errorf("bgp %v", bgp)
	}
	for _, field := range []string{"nats", "network", "description", "id", "md5AuthenticationKeys"} {
		if _, changed := patch[field]; changed && field != "md5AuthenticationKeys" {
			t.Errorf("the patch carries %s", field)
		} else if diff := cmp.Diff(before[field], after[field]); diff != "" && !changed {
			t.Errorf("%s: %s", field, diff)
		}
	}
	if after["nats"] == nil {
		t.Error("the NAT is gone")
	}
}

func TestRangesStayAsTheyWere(t *testing.T) {
	plain, google := open(t, gcptest.Options{}, "lab")
	furnished(t, plain, google)
	cloud, through := onNewer(t, google)
	var seen Advertisement
	now, err := cloud.EditRouter(t.Context(), ref("shared"), func(r Router) (RouterEdit, error) {
		seen = r.Advertise
		return RouterEdit{Advertise: plus(r.Advertise, ours)}, nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Advertisement{Mode: "CUSTOM", Groups: []string{AllSubnets}, Ranges: []AdvertisedRange{{cidr("10.99.0.0/16"), "of others"}, {cidr("192.0.2.7/32"), ""}}}
	if diff := cmp.Diff(want, seen, sameIP); diff != "" {
		t.Error(diff)
	}
	want.Ranges = append(want.Ranges, ours)
	if diff := cmp.Diff(want, now.Advertise, sameIP); diff != "" {
		t.Error(diff)
	}
	future := `"futureField":{"big":12345678901234567,"html":"\u003c\u0026\u003e"}`
	list := `"advertisedIpRanges":[{"description":"of others",` + future + `,"range":"10.99.0.0/16"},{` + future + `,"range":"192.0.2.7"},{"description":"causeway exposure demo","range":"192.168.50.0/28"}]`
	if !strings.Contains(through.bodies[0], list) {
		t.Errorf("sent %s, want in it %s", through.bodies[0], list)
	}
}

func TestClearingAListIsSaidAloud(t *testing.T) {
	plain, google := open(t, gcptest.Options{}, "lab")
	furnished(t, plain, google)
	cloud, through := onNewer(t, google)
	for i, test := range []struct {
		edit  RouterEdit
		parts []string
	}{
		{RouterEdit{Advertise: &Advertisement{Mode: "DEFAULT"}}, []string{`"advertiseMode":"DEFAULT"`, `"advertisedGroups":[]`, `"advertisedIpRanges":[]`}},
		{RouterEdit{Advertise: &Advertisement{Mode: "CUSTOM", Groups: []string{AllSubnets}}}, []string{`"advertisedGroups":["ALL_SUBNETS"]`, `"advertisedIpRanges":[]`}},
		{RouterEdit{DropPeers: []string{"shared-0", "shared-1"}, DropInterfaces: []string{"shared-0", "shared-1"}}, []string{`"bgpPeers":[]`, `"interfaces":[]`, `"md5AuthenticationKeys":[]`}},
	} {
		edit(t, cloud, "shared", test.edit)
		for _, part := range test.parts {
			if !strings.Contains(through.bodies[i], part) {
				t.Errorf("sent %s without %s", through.bodies[i], part)
			}
		}
	}
	left := google.Object("projects/lab-project/regions/europe-west3/routers/shared")
	if left["bgpPeers"] != nil || left["interfaces"] != nil || left["nats"] == nil {
		t.Errorf("left %v", left)
	}
}

// TestAnotherToolAtTheSameTime: what others changed between our read and our patch
// stays, and is in what the caller gets; what they undo after it is told.
func TestAnotherToolAtTheSameTime(t *testing.T) {
	at := "projects/lab-project/regions/europe-west3/routers/shared"
	cloud, google := open(t, gcptest.Options{OperationTime: 20 * time.Millisecond}, "lab")
	furnished(t, cloud, google)
	now, err := cloud.EditRouter(t.Context(), ref("shared"), func(r Router) (RouterEdit, error) {
		err := google.Change(at, func(o map[string]any) {
			o["description"] = "by another tool"
			o["bgpPeers"].([]any)[1].(map[string]any)["enable"] = "FALSE"
		})
		return RouterEdit{Advertise: plus(r.Advertise, ours)}, err
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if now.Description != "by another tool" || now.Peers[1].Enabled || !slices.Contains(now.Advertise.Ranges, ours) {
		t.Errorf("router %+v", now)
	}
	theirs := plus(now.Advertise, AdvertisedRange{cidr("10.77.0.0/16"), "theirs"})
	for sentence, test := range map[string]struct {
		edit RouterEdit
		undo func(map[string]any)
		part string
	}{
		"a range is gone again": {RouterEdit{Advertise: theirs}, func(o map[string]any) { o["bgp"].(map[string]any)["advertisedIpRanges"] = []any{} }, "range 10.99.0.0/16"},
		"a range is back": {RouterEdit{Advertise: &Advertisement{Mode: "CUSTOM", Groups: []string{AllSubnets}}}, func(o map[string]any) {
			o["bgp"].(map[string]any)["advertisedIpRanges"] = []any{map[string]any{"range": "10.99.0.0/16"}}
		}, "range 10.99.0.0/16"},
		"the mode is back":        {RouterEdit{Advertise: theirs}, func(o map[string]any) { o["bgp"] = map[string]any{"asn": 64512} }, "the advertise mode"},
		"the group is gone":       {RouterEdit{Advertise: theirs}, func(o map[string]any) { o["bgp"].(map[string]any)["advertisedGroups"] = []any{} }, "group ALL_SUBNETS"},
		"the peer is on again":    {RouterEdit{EnablePeers: map[string]bool{"shared-0": false}}, func(o map[string]any) { o["bgpPeers"].([]any)[0].(map[string]any)["enable"] = "TRUE" }, "BGP peer shared-0"},
		"the new peer is gone":    {session("shared", 2), func(o map[string]any) { delete(o, "bgpPeers") }, "BGP peer shared-2"},
		"the peer's list is gone": {RouterEdit{PeerAdvertise: map[string]Advertisement{"shared-0": *theirs}}, func(o map[string]any) { delete(o["bgpPeers"].([]any)[0].(map[string]any), "advertiseMode") }, "the advertise mode of BGP peer shared-0"},
		"a dropped peer is back": {RouterEdit{DropPeers: []string{"shared-1"}}, func(o map[string]any) {
			o["bgpPeers"] = append(o["bgpPeers"].([]any), map[string]any{"name": "shared-1"})
		}, "BGP peer shared-1"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			furnished(t, cloud, google)
			if err := cloud.CreateTunnel(t.Context(), tunnel("shared", 2, [2]int{0, 1}), nil); err != nil {
				t.Fatal(err)
			}
			var failed error
			undo := func(string) { // told while the operation runs; Object lets it end
				google.Object(at)
				failed = google.Change(at, test.undo)
			}
			_, err := cloud.EditRouter(t.Context(), ref("shared"), func(Router) (RouterEdit, error) { return test.edit, nil }, undo)
			if failed != nil {
				t.Fatal(failed)
			}
			expect(t, err, "CW-BGP-CHANGED", "another tool wrote the router at the same time: "+test.part+" is not as it was set")
		})
	}
}

func TestEditsThatAreRefused(t *testing.T) {
	many := Advertisement{Mode: "CUSTOM", Groups: []string{AllSubnets}}
	for i := range 201 {
		many.Ranges = append(many.Ranges, AdvertisedRange{Range: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 50, byte(i), 0}), 24)})
	}
	with := func(change func(*RouterInterface, *BGPPeer)) RouterEdit {
		out := session("shared", 2)
		change(&out.AddInterfaces[0], &out.AddPeers[0])
		return out
	}
	for sentence, test := range map[string]struct {
		edit       RouterEdit
		code, part string
		writes     int
	}{
		"201 ranges":                         {RouterEdit{Advertise: &many}, "CW-BGP-RANGES", "201 custom ranges would be announced, a BGP session takes 200", 0},
		"201 ranges of a peer":               {RouterEdit{PeerAdvertise: map[string]Advertisement{"shared-0": many}}, "CW-BGP-RANGES", "peer shared-0", 0},
		"a peer that is not there":           {RouterEdit{EnablePeers: map[string]bool{"none": true}}, "CW-BGP-CHANGED", "it has no BGP peer none", 0},
		"a peer that is there already":       {RouterEdit{AddPeers: session("shared", 0).AddPeers}, "CW-GCP-CONFLICT", "a BGP peer shared-0 already", 0},
		"an interface that is there already": {RouterEdit{AddInterfaces: session("shared", 0).AddInterfaces}, "CW-GCP-CONFLICT", "an interface shared-0 already", 0},
		"a link that another interface has": {with(func(i *RouterInterface, p *BGPPeer) {
			i.Link, p.LocalIP, p.PeerIP = cidr("169.254.10.1/30"), ip("169.254.10.1"), ip("169.254.10.2")
		}), "CW-NET-LINK-LOCAL", "associated with multiple interfaces: shared-0; shared-2", 1},
		"a link that another router has": {with(func(i *RouterInterface, p *BGPPeer) {
			i.Link, p.LocalIP, p.PeerIP = cidr("169.254.99.1/30"), ip("169.254.99.1"), ip("169.254.99.2")
		}), "CW-NET-LINK-LOCAL", "overlaps", 1},
		"a peer outside of the link":          {with(func(_ *RouterInterface, p *BGPPeer) { p.PeerIP = ip("169.254.10.14") }), "", "'resource.bgpPeers[2].peerIpAddress': '169.254.10.14'", 1},
		"a peer with the broadcast address":   {with(func(_ *RouterInterface, p *BGPPeer) { p.PeerIP = ip("169.254.10.11") }), "", "peerIpAddress", 1},
		"another own address than the link's": {with(func(_ *RouterInterface, p *BGPPeer) { p.LocalIP = ip("169.254.10.10") }), "", `BGP Peer "shared-2" has IP address 169.254.10.10 different from interface IP address 169.254.10.9`, 1},
		"a peer without an interface":         {with(func(_ *RouterInterface, p *BGPPeer) { p.Interface = "none" }), "", "Interface is not specified", 1},
		"a link that is not link-local":       {with(func(i *RouterInterface, _ *BGPPeer) { i.Link = cidr("10.0.0.1/30") }), "", "must be a link-local address", 1},
		"a tunnel that is not there":          {with(func(i *RouterInterface, _ *BGPPeer) { i.Tunnel.Name = "none" }), "CW-GCP-NOT-FOUND", "vpnTunnels/none", 1},
		"a tunnel that is taken":              {with(func(i *RouterInterface, _ *BGPPeer) { i.Tunnel.Name = "shared-0" }), "", "already linked to another interface", 1},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			furnished(t, cloud, google)
			if err := cloud.CreateTunnel(t.Context(), tunnel("shared", 2, [2]int{0, 1}), nil); err != nil {
				t.Fatal(err)
			}
			if err := google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{{Path: "projects/lab-project/regions/us-east1/routers/far", Body: map[string]any{
				"network": "projects/lab-project/global/networks/default", "interfaces": []any{map[string]any{"name": "x", "ipRange": "169.254.99.1/30"}}}}}}); err != nil {
				t.Fatal(err)
			}
			before := string(google.Snapshot())
			google.ResetRequests()
			_, err := cloud.EditRouter(t.Context(), ref("shared"), func(Router) (RouterEdit, error) { return test.edit, nil }, nil)
			expect(t, err, test.code, test.part)
			if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
				t.Errorf("something changed: %s", diff)
			}
			if _, writes := google.Counts(); writes != test.writes {
				t.Errorf("%d writes", writes)
			}
		})
	}
	cloud, _ := open(t, gcptest.Options{}, "psc")
	_, err := cloud.EditRouter(t.Context(), ref("nat"), func(Router) (RouterEdit, error) { return RouterEdit{Advertise: &many}, nil }, nil)
	expect(t, err, "", "it speaks no BGP; it carries Cloud NAT alone")
	stop := errors.New("the caller says no")
	if _, err := cloud.EditRouter(t.Context(), ref("nat"), func(Router) (RouterEdit, error) { return RouterEdit{}, stop }, nil); !errors.Is(err, stop) {
		t.Errorf("%v", err)
	}
	_, err = cloud.EditRouter(t.Context(), ref("none"), func(Router) (RouterEdit, error) { return RouterEdit{}, nil }, nil)
	expect(t, err, "CW-GCP-NOT-FOUND", "read router projects/lab-project/regions/europe-west3/routers/none")
}

// TestEditsOfOneRouterTakeTurns: many at once, and none is lost.
func TestEditsOfOneRouterTakeTurns(t *testing.T) {
	cloud, google := open(t, gcptest.Options{OperationTime: 2 * time.Millisecond}, "lab")
	furnished(t, cloud, google)
	const edits = 8
	failures := make(chan error, edits)
	for i := range edits {
		one := AdvertisedRange{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 60, byte(i), 0}), 24), fmt.Sprintf("of %d", i)}
		go func() {
			_, err := cloud.EditRouter(t.Context(), ref("shared"), func(r Router) (RouterEdit, error) { return RouterEdit{Advertise: plus(r.Advertise, one)}, nil }, nil)
			failures <- err
		}()
	}
	for range edits {
		if err := <-failures; err != nil {
			t.Error(err)
		}
	}
	now, err := cloud.Router(t.Context(), ref("shared"))
	if err != nil || len(now.Advertise.Ranges) != 2+edits {
		t.Errorf("%d ranges, %v", len(now.Advertise.Ranges), err)
	}
	unlock, err := cloud.routerLocks.lock(t.Context(), routerURL(ref("shared")))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = cloud.EditRouter(ctx, ref("shared"), func(Router) (RouterEdit, error) { return RouterEdit{}, nil }, nil)
	expect(t, err, "", "interrupted")
}

func TestAnOperationOfOthersIsWaitedFor(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	furnished(t, cloud, google)
	google.Inject(gcptest.Fault{Match: `compute\.routers\.patch`, Times: 2, Status: 400, Reason: "resourceNotReady", Message: "The resource 'projects/lab-project/regions/europe-west3/routers/shared' is not ready"})
	reads := 0
	var notes []string
	_, err := cloud.EditRouter(t.Context(), ref("shared"), func(r Router) (RouterEdit, error) {
		reads++
		return RouterEdit{Advertise: plus(r.Advertise, ours)}, nil
	}, func(text string) { notes = append(notes, text) })
	if err != nil {
		t.Fatal(err)
	}
	if reads != 3 || !strings.Contains(notes[0], "another operation changes router shared") {
		t.Errorf("read %d times, notes %q", reads, notes)
	}
	ctx, cancel := context.WithCancel(t.Context())
	google.Inject(gcptest.Fault{Match: `compute\.routers\.patch`, Status: 400, Reason: "resourceNotReady", Message: "not ready"})
	_, err = cloud.EditRouter(ctx, ref("shared"), func(r Router) (RouterEdit, error) { return RouterEdit{Advertise: &Advertisement{}}, nil }, func(string) { cancel() })
	expect(t, err, "", "interrupted")
}
