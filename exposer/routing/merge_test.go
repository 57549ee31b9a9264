package routing

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway/internal/explain"
	"causeway/internal/gcp"
)

func cidr(text string) netip.Prefix { return netip.MustParsePrefix(text) }

func cidrs(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, cidr(text))
	}
	return all
}

// list reads "CUSTOM ALL_SUBNETS 10.0.0.0/8 10.1.0.0/16=description with blanks"; a
// description goes on to the next range.
func list(text string) gcp.Advertisement {
	words := strings.Fields(text)
	a := gcp.Advertisement{Mode: words[0]}
	for _, word := range words[1:] {
		prefix, about, _ := strings.Cut(word, "=")
		r, err := netip.ParsePrefix(prefix)
		switch {
		case word == allSubnets:
			a.Groups = append(a.Groups, word)
		case err != nil:
			last := &a.Ranges[len(a.Ranges)-1]
			last.Description += " " + word
		default:
			a.Ranges = append(a.Ranges, gcp.AdvertisedRange{Range: r, Description: about})
		}
	}
	return a
}

func write(a gcp.Advertisement) string {
	words := append([]string{a.Mode}, a.Groups...)
	for _, r := range a.Ranges {
		word := r.Range.String()
		if r.Description != "" {
			word += "=" + r.Description
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// edited is a router after an edit.
func edited(router gcp.Router, edit gcp.RouterEdit) gcp.Router {
	if edit.Advertise != nil {
		router.Advertise = *edit.Advertise
	}
	router.Peers = slices.Clone(router.Peers)
	for i, peer := range router.Peers {
		if own, ok := edit.PeerAdvertise[peer.Name]; ok {
			router.Peers[i].Advertise = own
		}
	}
	return router
}

func TestWhatIsAddedToAList(t *testing.T) {
	t.Parallel()
	const master = "192.168.50.0/28"
	for name, c := range map[string]struct {
		before  string
		ranges  []string
		subnets []string
		after   string
	}{
		"DEFAULT becomes CUSTOM with all subnets": {"DEFAULT", []string{master}, nil, "CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposure a; mode was DEFAULT"},
		"several ranges":                                      {"DEFAULT", []string{master, "10.9.0.0/24"}, nil, "CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposure a; mode was DEFAULT 10.9.0.0/24=causeway exposure a; mode was DEFAULT"},
		"a CUSTOM list keeps all that it has":                 {"CUSTOM 10.8.0.0/16=x", []string{master}, nil, "CUSTOM 10.8.0.0/16=x 192.168.50.0/28=causeway exposure a"},
		"nothing to announce changes nothing":                 {"DEFAULT", nil, nil, "DEFAULT"},
		"somebody's own is not touched":                       {"CUSTOM 192.168.50.0/28=theirs", []string{master}, nil, "CUSTOM 192.168.50.0/28=theirs"},
		"one without a description is somebody's":             {"CUSTOM 192.168.50.0/28", []string{master}, nil, "CUSTOM 192.168.50.0/28"},
		"somebody's wider one does":                           {"CUSTOM 192.168.0.0/16", []string{master}, nil, "CUSTOM 192.168.0.0/16"},
		"another exposure's wider one does not: it may leave": {"CUSTOM 192.168.0.0/16=causeway exposure b", []string{master}, nil, "CUSTOM 192.168.0.0/16=causeway exposure b 192.168.50.0/28=causeway exposure a"},
		"another exposure's is shared":                        {"CUSTOM 192.168.50.0/28=causeway exposure b", []string{master}, nil, "CUSTOM 192.168.50.0/28=causeway exposures a, b"},
		"shared by three, with the note on the mode":          {"CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposures b, c; mode was DEFAULT", []string{master}, nil, "CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposures a, b, c; mode was DEFAULT"},
		"it is there already":                                 {"CUSTOM 192.168.50.0/28=causeway exposure a", []string{master}, nil, "CUSTOM 192.168.50.0/28=causeway exposure a"},
		"what lies in a subnet goes out by DEFAULT":           {"DEFAULT", []string{"10.156.0.14/32"}, []string{"10.156.0.14/32"}, "DEFAULT"},
		"and by ALL_SUBNETS":                                  {"CUSTOM ALL_SUBNETS", []string{"10.156.0.14/32"}, []string{"10.156.0.14/32"}, "CUSTOM ALL_SUBNETS"},
		"and not by a list without":                           {"CUSTOM", []string{"10.156.0.14/32"}, []string{"10.156.0.14/32"}, "CUSTOM 10.156.0.14/32=causeway exposure a"},
		"of two, the one that lies in no subnet":              {"DEFAULT", []string{"10.156.0.14/32", "10.9.0.0/24"}, []string{"10.156.0.14/32"}, "CUSTOM ALL_SUBNETS 10.9.0.0/24=causeway exposure a; mode was DEFAULT"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := &Advertisement{Exposure: "a", Ranges: cidrs(c.ranges...), Subnets: cidrs(c.subnets...)}
			router := gcp.Router{Advertise: list(c.before)}
			edit, changes, err := a.merge(router)
			if err != nil {
				t.Fatal(err)
			}
			after := edited(router, edit)
			if got := write(after.Advertise); got != c.after {
				t.Errorf("announces %q, want %q", got, c.after)
			}
			if (len(changes) > 0) != (c.before != c.after) || (edit.Advertise == nil) != (c.before == c.after) {
				t.Errorf("changes %v, edit %+v", changes, edit)
			}
			if write(router.Advertise) != c.before {
				t.Error("the router that was read was written into")
			}
			if _, again, _ := a.merge(after); len(again) > 0 {
				t.Errorf("not settled: %v", again)
			}
		})
	}
}

func TestWhatIsTakenOffAList(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before   string
		recorded bool // the record says that the mode was DEFAULT
		after    string
		why      string
	}{
		"back to DEFAULT by the note":                      {before: "CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposure a; mode was DEFAULT", after: "DEFAULT"},
		"back to DEFAULT by the record":                    {before: "CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposure a", recorded: true, after: "DEFAULT"},
		"it was CUSTOM, and stays so":                      {before: "CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposure a", after: "CUSTOM ALL_SUBNETS"},
		"others' ranges keep the mode":                     {before: "CUSTOM ALL_SUBNETS 10.8.0.0/16=x 192.168.50.0/28=causeway exposure a; mode was DEFAULT", after: "CUSTOM ALL_SUBNETS 10.8.0.0/16=x", why: "mode stays CUSTOM for 10.8.0.0/16 (x)"},
		"a list without all subnets is somebody's doing":   {before: "CUSTOM 192.168.50.0/28=causeway exposure a; mode was DEFAULT", after: "CUSTOM"},
		"another exposure keeps the range and the note":    {before: "CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposures a, b; mode was DEFAULT", after: "CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposure b; mode was DEFAULT", why: "mode stays CUSTOM for 192.168.50.0/28 (causeway exposure b; mode was DEFAULT)"},
		"the note goes on to another exposure's range":     {before: "CUSTOM ALL_SUBNETS 192.168.50.0/28=causeway exposure a; mode was DEFAULT 10.9.0.0/24=causeway exposure b", after: "CUSTOM ALL_SUBNETS 10.9.0.0/24=causeway exposure b; mode was DEFAULT", why: "mode stays CUSTOM for 10.9.0.0/24 (causeway exposure b; mode was DEFAULT)"},
		"another exposure's note stays where it is":        {before: "CUSTOM ALL_SUBNETS 10.9.0.0/24=causeway exposure b; mode was DEFAULT 192.168.50.0/28=causeway exposure a", after: "CUSTOM ALL_SUBNETS 10.9.0.0/24=causeway exposure b; mode was DEFAULT"},
		"nothing of ours":                                  {before: "CUSTOM ALL_SUBNETS 192.168.50.0/28=theirs", recorded: true, after: "CUSTOM ALL_SUBNETS 192.168.50.0/28=theirs"},
		"a name that only begins alike is somebody else's": {before: "CUSTOM 192.168.50.0/28=causeway exposure ab", after: "CUSTOM 192.168.50.0/28=causeway exposure ab"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			router := gcp.Router{Advertise: list(c.before)}
			edit, why := unmerge(router, "a", c.recorded)
			if got := write(edited(router, edit).Advertise); got != c.after {
				t.Errorf("announces %q, want %q", got, c.after)
			}
			if why != c.why {
				t.Errorf("told as %q, want %q", why, c.why)
			}
		})
	}
}

// TestAddingAndTakingAwayLeavesNothing does so with lists made at random, for
// several exposures in any order.
func TestAddingAndTakingAwayLeavesNothing(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		router := gcp.Router{Advertise: gcp.Advertisement{Mode: modeDefault}, Peers: []gcp.BGPPeer{{Name: "p0", Advertise: gcp.Advertisement{Mode: modeDefault}}, {Name: "p1", Advertise: someList(random)}, {Name: "p2", Advertise: someList(random)}}}
		if random.IntN(3) > 0 {
			router.Advertise = someList(random)
		}
		var all []*Advertisement
		now := router
		for _, name := range []string{"a", "b", "c"} {
			a := &Advertisement{Exposure: name, Ranges: cidrs("192.168.50.0/28"), Peers: [][]string{nil, {"p1"}, {"p1", "p2"}}[random.IntN(3)]}
			if random.IntN(2) == 0 {
				a.Ranges = append(a.Ranges, cidr(fmt.Sprintf("192.168.%d.0/28", 60+random.IntN(3))))
			}
			edit, _, err := a.merge(now)
			if err != nil {
				t.Fatal(err)
			}
			now, all = edited(now, edit), append(all, a)
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, a := range all {
			edit, _ := unmerge(now, a.Exposure, false)
			now = edited(now, edit)
		}
		if diff := cmp.Diff(router, now, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("not as before (-want +got):\n%s", diff)
		}
	}
}

func someList(random *rand.Rand) gcp.Advertisement {
	a := gcp.Advertisement{Mode: modeCustom}
	if random.IntN(2) == 0 {
		a.Groups = []string{allSubnets}
	}
	for _, text := range []string{"10.8.0.0/16=x", "10.9.0.0/16", "192.168.50.0/28=theirs", "192.168.60.0/24", "192.168.50.0/29=causeway exposure z"} {
		if random.IntN(3) == 0 {
			a.Ranges = append(a.Ranges, list("CUSTOM "+text).Ranges...)
		}
	}
	return a
}

func TestOnlyNamedPeersGetTheRanges(t *testing.T) {
	t.Parallel()
	router := gcp.Router{Name: "cr", Advertise: list("CUSTOM ALL_SUBNETS"), Peers: []gcp.BGPPeer{
		{Name: "inherits", Advertise: list("DEFAULT")}, {Name: "ours", Advertise: list("CUSTOM 10.7.0.0/16")}, {Name: "theirs", Advertise: list("CUSTOM 10.6.0.0/16")}}}
	a := &Advertisement{Exposure: "a", Ranges: cidrs("192.168.50.0/28"), Peers: []string{"ours", "inherits", "nobody"}}
	edit, changes, err := a.merge(router)
	if err != nil {
		t.Fatal(err)
	}
	after := edited(router, edit)
	for i, want := range []string{"DEFAULT", "CUSTOM 10.7.0.0/16 192.168.50.0/28=causeway exposure a", "CUSTOM 10.6.0.0/16"} {
		if got := write(after.Peers[i].Advertise); got != want {
			t.Errorf("%s announces %q, want %q", after.Peers[i].Name, got, want)
		}
	}
	if text := fmt.Sprint(changes); !strings.Contains(text, "BGP peer ours, advertisedIpRanges") {
		t.Errorf("the plan does not name the peer: %s", text)
	}
	if !a.marked(after) || a.marked(router) {
		t.Error("the mark is not seen")
	}
}

func TestTwoHundredRangesASession(t *testing.T) {
	t.Parallel()
	full := "CUSTOM"
	for i := range maxRanges {
		full += fmt.Sprintf(" 10.50.%d.0/24", i)
	}
	a := &Advertisement{Exposure: "a", Ranges: cidrs("192.168.50.0/28"), Peers: []string{"p"}}
	for name, router := range map[string]gcp.Router{
		"the router's": {Name: "cr", Advertise: list(full)},
		"a peer's":     {Name: "cr", Advertise: list("CUSTOM"), Peers: []gcp.BGPPeer{{Name: "p", Advertise: list(full)}}},
	} {
		if _, _, err := a.merge(router); explain.CodeOf(err) != "CW-BGP-RANGES" || !strings.Contains(err.Error(), "201") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A list that is too long already is none of ours to refuse while we add nothing.
	if _, _, err := a.merge(gcp.Router{Advertise: list(full + " 192.168.0.0/16")}); err != nil {
		t.Errorf("nothing to add: %v", err)
	}
}

func TestMarks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Mark{
		"":                            {},
		"theirs":                      {},
		"causeway exposure":           {},
		"causeway exposure ":          {},
		"causeway exposure two words": {},
		"causeway exposures ":         {},
		"causeway exposures a,b":      {},
		"causeway exposures a, , b":   {},
		"causeway exposure prod":      {Exposures: []string{"prod"}},
		"causeway exposure prod; mode was DEFAULT":  {Exposures: []string{"prod"}, WasDefault: true},
		"causeway exposures a, b":                   {Exposures: []string{"a", "b"}},
		"causeway exposures b, a, b":                {Exposures: []string{"a", "b"}},
		"causeway exposures a, b; mode was DEFAULT": {Exposures: []string{"a", "b"}, WasDefault: true},
		"; mode was DEFAULT":                        {},
	} {
		got := ParseMark(text)
		if len(want.Exposures) == 0 {
			want.WasDefault = false
			got.WasDefault = got.WasDefault && len(got.Exposures) > 0
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if again := ParseMark(got.String()); !cmp.Equal(got, again, cmpopts.EquateEmpty()) {
			t.Errorf("%q is written as %q", text, got.String())
		}
	}
	m := Mark{}.With("b").With("a").With("b")
	if m.String() != "causeway exposures a, b" || !m.Has("a") || m.Has("c") || m.Without("a").String() != "causeway exposure b" || m.Without("a").Without("b").String() != "" || m.String() != "causeway exposures a, b" {
		t.Errorf("marks: %q", m)
	}
	if Description("prod") != "causeway exposure prod" {
		t.Error(Description("prod"))
	}
}
