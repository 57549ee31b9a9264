package routing

import (
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// TestARangeOfAnEarlierSpec goes as the new one's come, by one edit; what others have
// on the router stays as it is.
func TestARangeOfAnEarlierSpec(t *testing.T) {
	t.Parallel()
	const was, is = "192.168.50.0/28", "192.168.70.0/28"
	for name, c := range map[string]struct {
		before, after string
		ranges        []string
		changes       string // fields, with what goes and what comes
	}{
		"another one, and the note on the mode goes over": {"CUSTOM ALL_SUBNETS " + was + "=causeway exposure a; mode was DEFAULT", "CUSTOM ALL_SUBNETS " + is + "=causeway exposure a; mode was DEFAULT", []string{is},
			"advertisedIpRanges -" + was + " advertisedIpRanges +" + is},
		"one less": {"CUSTOM ALL_SUBNETS " + was + "=causeway exposure a " + is + "=causeway exposure a", "CUSTOM ALL_SUBNETS " + is + "=causeway exposure a", []string{is}, "advertisedIpRanges -" + was},
		"none is needed any more: back to DEFAULT": {"CUSTOM ALL_SUBNETS " + was + "=causeway exposure a; mode was DEFAULT", "DEFAULT", nil,
			"advertisedIpRanges -" + was + " advertiseMode -CUSTOM+DEFAULT"},
		"none is needed any more, and it was CUSTOM": {"CUSTOM ALL_SUBNETS " + was + "=causeway exposure a", "CUSTOM ALL_SUBNETS", nil, "advertisedIpRanges -" + was},
		"others' keep the mode":                      {"CUSTOM ALL_SUBNETS 10.8.0.0/16=x " + was + "=causeway exposure a; mode was DEFAULT", "CUSTOM ALL_SUBNETS 10.8.0.0/16=x", nil, "advertisedIpRanges -" + was},
		"a shared one loses the name, and the note stays": {"CUSTOM ALL_SUBNETS " + was + "=causeway exposures a, b; mode was DEFAULT", "CUSTOM ALL_SUBNETS " + was + "=causeway exposure b; mode was DEFAULT " + is + "=causeway exposure a", []string{is},
			"description of " + was + " -causeway exposures a, b; mode was DEFAULT+causeway exposure b; mode was DEFAULT advertisedIpRanges +" + is},
		"somebody's and another exposure's stay": {"CUSTOM " + was + "=theirs 10.9.0.0/24=causeway exposure ab", "CUSTOM " + was + "=theirs 10.9.0.0/24=causeway exposure ab " + is + "=causeway exposure a", []string{is}, "advertisedIpRanges +" + is},
		"nothing of before":                      {"CUSTOM " + is + "=causeway exposure a", "CUSTOM " + is + "=causeway exposure a", []string{is}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// The same on the router and in the list of a peer that is not this exposure's to
			// choose, where there is no mode to go back to and nothing is added.
			router := gcp.Router{Advertise: list(c.before), Peers: []gcp.BGPPeer{{Name: "p", Advertise: list("CUSTOM " + was + "=causeway exposure a 10.8.0.0/16=x")}}}
			a := &Advertisement{Exposure: "a", Ranges: cidrs(c.ranges...), Sweep: true}
			edit, changes, err := a.merge(router)
			if err != nil {
				t.Fatal(err)
			}
			after := edited(router, edit)
			if got := write(after.Advertise); got != c.after {
				t.Errorf("announces %q, want %q", got, c.after)
			}
			if got := write(after.Peers[0].Advertise); got != "CUSTOM 10.8.0.0/16=x" {
				t.Errorf("to the peer %q", got)
			}
			var told []string
			for _, change := range changes {
				if !strings.HasPrefix(change.Field, "BGP peer p, ") {
					told = append(told, change.Field+" "+signed("-", change.From)+signed("+", change.To))
				}
			}
			if got := strings.Join(told, " "); got != c.changes {
				t.Errorf("tells %q, want %q", got, c.changes)
			}
			if _, again, _ := a.merge(after); len(again) > 0 {
				t.Errorf("not settled: %v", again)
			}
			a.Sweep = false // an exposure that no record knows takes nothing away
			if edit, _, _ := a.merge(router); strings.Contains(c.before, was+"=causeway") && !strings.Contains(write(edited(router, edit).Advertise), was) {
				t.Error("the range of before went without a record")
			}
		})
	}
}

func signed(sign, text string) string {
	if text == "" {
		return ""
	}
	return sign + text
}

func TestRoutersThatWereChosenBefore(t *testing.T) {
	t.Parallel()
	mine := announcing("CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposure a")
	for name, c := range map[string]struct {
		lines  func(*Lines)
		wanted []string
		want   string
	}{
		"are kept beside the one that learns now": {lines: func(l *Lines) {
			l.line("r1", "was", map[string][]string{"a": nil}, mine)
			l.line("r1", "is", map[string][]string{"a": {far}})
			l.line("r1", "other", map[string][]string{"a": nil})
		}, want: "r1/was, r1/is"},
		"are known where nothing is learned at all": {lines: func(l *Lines) {
			l.line("r1", "was", map[string][]string{"a": nil}, mine)
			l.line("r1", "other", map[string][]string{"a": nil})
		}, want: "r1/was"},
		"are left with their last BGP peer": {lines: func(l *Lines) {
			l.line("r1", "was", nil, mine)
			l.line("r1", "is", map[string][]string{"a": {far}})
		}, want: "r1/is"},
		"are left where others are named": {lines: func(l *Lines) {
			l.line("r1", "was", map[string][]string{"a": {far}}, mine)
			l.line("r1", "is", map[string][]string{"a": nil})
		}, wanted: []string{"is"}, want: "r1/is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l Lines
			c.lines(&l)
			got, problems := l.Pick(c.wanted, cidrs(far), "a", false)
			if Names(got) != c.want || len(problems) > 0 {
				t.Errorf("%s, want %s; %v", Names(got), c.want, problems)
			}
			if left := l.Marked("a", got); (len(left) > 0) == strings.Contains(c.want, "was") {
				t.Errorf("left: %s", Names(left))
			}
		})
	}
}

// TestAWithdrawal against the emulator: from the router, and from one peer's list.
func TestAWithdrawal(t *testing.T) {
	t.Parallel()
	server, google := cloud(t)
	at := gcp.Ref{Project: "lab-project", Region: "europe-west3", Name: "cr-line"}
	mark := Description("a")
	ours := map[string]any{"range": master, "description": mark}
	theirs := map[string]any{"range": "10.8.0.0/16"}
	if err := server.Change(routerAt, func(r map[string]any) {
		bgp := r["bgp"].(map[string]any)
		bgp["advertiseMode"], bgp["advertisedGroups"], bgp["advertisedIpRanges"] = "CUSTOM", []any{allSubnets}, []any{theirs}
		for _, one := range r["bgpPeers"].([]any) {
			p := one.(map[string]any)
			p["advertiseMode"], p["advertisedIpRanges"] = "CUSTOM", []any{theirs}
		}
	}); err != nil {
		t.Fatal(err)
	}
	before := string(server.Snapshot())
	mine := func(r map[string]any) {
		bgp := r["bgp"].(map[string]any)
		bgp["advertisedIpRanges"] = []any{theirs, ours}
		for _, one := range r["bgpPeers"].([]any) {
			one.(map[string]any)["advertisedIpRanges"] = []any{theirs, ours}
		}
	}
	if err := server.Change(routerAt, mine); err != nil {
		t.Fatal(err)
	}
	for _, step := range []*Withdrawal{
		{Google: google, Exposure: "a", Router: at, Peer: "dc-0"}, {Google: google, Exposure: "a", Router: at, Peer: "gone"},
		{Google: google, Exposure: "a", Router: at}, {Google: google, Exposure: "a", Router: gcp.Ref{Project: at.Project, Region: at.Region, Name: "gone"}},
	} {
		seen, err := step.Read(t.Context())
		wanted := exposer.Change
		if strings.HasSuffix(step.ID(), "/gone") {
			wanted = exposer.Keep
		}
		if err != nil || seen.Action != wanted || step.Peer == "dc-0" && len(seen.Changes) != 1 {
			t.Errorf("%s: %+v %v", step.ID(), seen, err)
		}
		for range 2 { // the second time there is nothing to do
			if err := step.Do(t.Context(), quiet); err != nil {
				t.Fatal(err)
			}
		}
		if again, err := step.Read(t.Context()); err != nil || again.Action != exposer.Keep {
			t.Errorf("%s, once done: %+v %v", step.ID(), again, err)
		}
	}
	if now := string(server.Snapshot()); now != before {
		t.Errorf("the router is not as before: %s", now)
	}
	if _, writes := server.Counts(); writes != 2 {
		t.Errorf("%d writes, want one each", writes)
	}
	var _ exposer.Closing = (*Withdrawal)(nil)
}
