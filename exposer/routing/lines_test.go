package routing

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/gcp"
)

// line is a router with BGP peers, each with the prefixes that it brings.
func (l *Lines) line(region, name string, peers map[string][]string, edit ...func(*gcp.Router)) {
	router := gcp.Router{Project: "p", Region: region, Name: name, Network: "net", Advertise: gcp.Advertisement{Mode: modeDefault}}
	var status gcp.RouterStatus
	names := make([]string, 0, len(peers))
	for peer := range peers {
		names = append(names, peer)
	}
	slices.Sort(names)
	for i, peer := range names {
		far := netip.AddrFrom4([4]byte{169, 254, byte(len(l.Routers)), byte(4*i + 2)})
		router.Peers = append(router.Peers, gcp.BGPPeer{Name: peer, PeerIP: far, Enabled: true, Advertise: gcp.Advertisement{Mode: modeDefault}})
		for _, text := range peers[peer] {
			status.BestForRouter = append(status.BestForRouter, gcp.LearnedRoute{Range: cidr(text), NextHop: far})
		}
	}
	for _, change := range edit {
		change(&router)
	}
	if l.Status == nil {
		l.Status = map[gcp.Ref]gcp.RouterStatus{}
	}
	l.Routers, l.Status[router.Ref()] = append(l.Routers, router), status
}

// custom gives a peer a list of its own.
func custom(peer, text string) func(*gcp.Router) {
	return func(r *gcp.Router) {
		for i := range r.Peers {
			if r.Peers[i].Name == peer {
				r.Peers[i].Advertise = list(text)
			}
		}
	}
}

func announcing(text string) func(*gcp.Router) {
	return func(r *gcp.Router) { r.Advertise = list(text) }
}

const far = "172.31.0.0/16"

func TestWhichRoutersAreTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines   func(*Lines)
		wanted  []string
		leaving bool
		want    string
		code    string
		says    string
	}{
		"none is there":                   {lines: func(*Lines) {}, code: "CW-ROUTE-NO-LINE", says: "p/net has no Cloud Router with BGP peers"},
		"one for Cloud NAT alone is none": {lines: func(l *Lines) { l.line("r1", "nat", nil) }, code: "CW-ROUTE-NO-LINE"},
		"the only one, whatever it learns": {lines: func(l *Lines) {
			l.line("r1", "nat", nil)
			l.line("r1", "cr", map[string][]string{"a": {"10.9.0.0/16"}})
		}, want: "r1/cr"},
		"those that learn the client networks": {lines: func(l *Lines) {
			l.line("r1", "a", map[string][]string{"a": {"10.9.0.0/16"}})
			l.line("r1", "b", map[string][]string{"b": {far}})
			l.line("r2", "c", map[string][]string{"c": {"172.31.4.0/24"}})
			l.line("r2", "d", map[string][]string{"d": {"0.0.0.0/0"}})
		}, want: "r1/b, r2/c, r2/d"},
		"several, and none learns them": {lines: func(l *Lines) {
			l.line("r1", "a", map[string][]string{"a": nil})
			l.line("r2", "b", map[string][]string{"b": nil})
		}, code: "CW-ROUTE-ROUTER", says: "has 2 routers with BGP peers (r1/a, r2/b), and none learns 172.31.0.0/16"},
		"named":                      {lines: twins, wanted: []string{"only"}, want: "r1/only"},
		"named with region":          {lines: twins, wanted: []string{"r2/twin"}, want: "r2/twin"},
		"a name in two regions":      {lines: twins, wanted: []string{"twin"}, code: "CW-ROUTE-ROUTER", says: "routers of the name twin are in several regions: r1/twin, r2/twin"},
		"a name that none has":       {lines: twins, wanted: []string{"cr"}, code: "CW-ROUTE-ROUTER", says: "network p/net has no router cr"},
		"a region that it is not in": {lines: twins, wanted: []string{"r2/only"}, code: "CW-ROUTE-ROUTER", says: "has no router r2/only"},
		"leaving: those that bear the mark, and those of the record that are still there": {lines: func(l *Lines) {
			twins(l)
			l.line("r3", "marked", nil, announcing("CUSTOM 192.168.50.0/28=causeway exposures a, b"))
			l.line("r3", "peers", map[string][]string{"p": nil}, custom("p", "CUSTOM 192.168.50.0/28=causeway exposure a"))
			l.line("r3", "others", nil, announcing("CUSTOM 192.168.50.0/28=causeway exposure b"))
		}, wanted: []string{"r1/only", "r1/gone"}, leaving: true, want: "r1/only, r3/marked, r3/peers"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := Lines{Network: gcp.Ref{Project: "p", Name: "net"}}
			c.lines(&l)
			got, problems := l.Pick(c.wanted, cidrs(far), "a", c.leaving)
			if Names(got) != c.want && c.code == "" {
				t.Errorf("takes %q, want %q", Names(got), c.want)
			}
			checkProblems(t, problems, c.code, c.says)
		})
	}
}

func twins(l *Lines) {
	l.line("r1", "only", map[string][]string{"p": nil})
	l.line("r1", "twin", map[string][]string{"p": nil})
	l.line("r2", "twin", map[string][]string{"p": nil})
}

func checkProblems(t *testing.T, problems []exposer.Problem, code, says string) {
	t.Helper()
	if code == "" {
		if len(problems) > 0 {
			t.Errorf("problems: %+v", problems)
		}
		return
	}
	if len(problems) != 1 || problems[0].Code != code || !strings.Contains(problems[0].Text, says) {
		t.Errorf("problems %+v, want %s: %s", problems, code, says)
	}
	if _, ok := explain.Lookup(code); !ok {
		t.Errorf("no entry for %s", code)
	}
}

func TestWhichPeersWithAListOfTheirOwnAreTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		lines func(*Lines)
		named []string
		want  []string
		code  string
	}{
		"none has one": {lines: func(l *Lines) { l.line("r1", "cr", map[string][]string{"a": {far}, "b": nil}) }},
		"one that leads to the far side": {lines: func(l *Lines) {
			l.line("r1", "cr", map[string][]string{"a": {far}, "b": nil}, custom("a", "CUSTOM"))
		}, want: []string{"a"}},
		"one that leads elsewhere, another inherits": {lines: func(l *Lines) {
			l.line("r1", "cr", map[string][]string{"a": {"10.9.0.0/16"}, "b": nil}, custom("a", "CUSTOM"))
		}},
		"one that leads elsewhere, and the one that inherits is disabled": {lines: func(l *Lines) {
			l.line("r1", "cr", map[string][]string{"a": {"10.9.0.0/16"}, "b": nil}, custom("a", "CUSTOM"), func(r *gcp.Router) { r.Peers[1].Enabled = false })
		}, code: "CW-BGP-PEER-CUSTOM"},
		"all have one, and nothing tells which leads there": {lines: func(l *Lines) {
			l.line("r1", "cr", map[string][]string{"a": nil, "b": nil}, custom("a", "CUSTOM"), custom("b", "CUSTOM"))
		}, code: "CW-BGP-PEER-CUSTOM"},
		"all have one and announce it already": {lines: func(l *Lines) {
			l.line("r1", "cr", map[string][]string{"a": nil, "b": nil}, custom("a", "CUSTOM 192.168.0.0/16"), custom("b", "CUSTOM 192.168.50.0/28"))
		}},
		"named": {lines: func(l *Lines) {
			l.line("r1", "cr", map[string][]string{"a": nil, "b": nil}, custom("a", "CUSTOM"), custom("b", "CUSTOM"))
		}, named: []string{"b"}, want: []string{"b"}},
		"named, and it inherits": {lines: func(l *Lines) { l.line("r1", "cr", map[string][]string{"a": {far}}) }, named: []string{"a"}},
		"named, and not there":   {lines: func(l *Lines) { l.line("r1", "cr", map[string][]string{"a": {far}}) }, named: []string{"z"}, code: "CW-ROUTE-ROUTER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := Lines{Network: gcp.Ref{Project: "p", Name: "net"}}
			c.lines(&l)
			got, problems := l.CustomPeers([]gcp.Ref{l.Routers[0].Ref()}, c.named, cidrs(far), cidrs("192.168.50.0/28"))
			if !slices.Equal(got, c.want) {
				t.Errorf("takes %q, want %q", got, c.want)
			}
			checkProblems(t, problems, c.code, "")
		})
	}
}

func TestWhoElseAnnouncesARange(t *testing.T) {
	t.Parallel()
	var l Lines
	l.line("r1", "a", nil, announcing("CUSTOM 192.168.50.0/28=causeway exposures a, b 10.9.0.0/24=causeway exposure c 192.168.60.0/28=theirs"))
	l.line("r2", "b", map[string][]string{"p": nil}, custom("p", "CUSTOM 192.168.50.0/28=causeway exposures b, d"))
	in := func(ranges ...string) func(netip.Prefix) bool {
		return func(r netip.Prefix) bool { return slices.Contains(cidrs(ranges...), r) }
	}
	for name, c := range map[string]struct {
		needs func(netip.Prefix) bool
		want  string
	}{
		"of one range": {in("192.168.50.0/28"), "exposure b, exposure d"},
		"of another":   {in("10.9.0.0/24"), "exposure c"},
		"somebody's":   {in("192.168.60.0/28"), ""},
		"of any":       {func(netip.Prefix) bool { return true }, "exposure b, exposure c, exposure d"},
	} {
		if got := strings.Join(l.Others("a", c.needs), ", "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestTogetherJoinsWhatFailed(t *testing.T) {
	t.Parallel()
	one, two := errors.New("one"), errors.New("two")
	err := Together(func() error { return one }, func() error { return nil }, func() error { return two })
	if !errors.Is(err, one) || !errors.Is(err, two) {
		t.Errorf("joined: %v", err)
	}
	if err := Together(); err != nil {
		t.Error(err)
	}
}

func TestCoversAndMeets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b          string
		covers, meets bool
	}{
		{"10.0.0.0/8", "10.1.0.0/16", true, true},
		{"10.1.0.0/16", "10.0.0.0/8", false, true},
		{"10.1.0.0/16", "10.1.0.0/16", true, true},
		{"10.1.0.0/16", "10.2.0.0/16", false, false},
		{"0.0.0.0/0", "10.2.0.0/16", true, true},
	} {
		if Covers(cidr(c.a), cidr(c.b)) != c.covers || Meets(cidr(c.a), cidrs(c.b)) != c.meets {
			t.Errorf("%s and %s", c.a, c.b)
		}
	}
}
