package route

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
)

func TestLinksAreFreeOnesAndTheSameEachTime(t *testing.T) {
	t.Parallel()
	taken := func(p *linkPool, links ...string) *linkPool {
		for _, link := range links {
			p.use(netip.MustParsePrefix(link), "somebody")
		}
		return p
	}
	take := func(p *linkPool, n int) (all []string) {
		for range n {
			link, ok := p.next()
			if !ok {
				t.Fatal("none is free")
			}
			all = append(all, link.String())
		}
		return all
	}
	first := take(newLinkPool("prod", exposer.PeerAWS), 4)
	if again := take(newLinkPool("prod", exposer.PeerAWS), 4); !slices.Equal(first, again) {
		t.Errorf("%q, then %q", first, again)
	}
	if others := take(taken(newLinkPool("prod", exposer.PeerAWS), strings.Replace(first[1], ".0/30", ".1/30", 1), first[3]), 4); slices.Contains(others, first[1]) || slices.Contains(others, first[3]) || !slices.Contains(others, first[0]) {
		t.Errorf("%q, though %s and %s are taken (of %q)", others, first[1], first[3], first)
	}
	// All but one /30: wide ranges are taken whole, narrow ones take theirs.
	p := newLinkPool("prod", exposer.PeerOther)
	for third := range 256 {
		if third != 100 {
			p.use(netip.MustParsePrefix(fmt.Sprintf("169.254.%d.9/24", third)), "wide")
		}
	}
	for fourth := 0; fourth < 256; fourth += 4 {
		if fourth != 40 {
			p.use(netip.MustParsePrefix(fmt.Sprintf("169.254.100.%d/31", fourth+1)), "narrow")
		}
	}
	if link, ok := p.next(); !ok || link.String() != "169.254.100.40/30" {
		t.Errorf("the last free one is %s %t", link, ok)
	}
	if link, ok := p.next(); ok {
		t.Errorf("%s was free", link)
	}
	// What AWS, Google and RFC 3927 keep for themselves.
	all := map[netip.Prefix]bool{}
	for p := newLinkPool("x", exposer.PeerAWS); ; {
		link, ok := p.next()
		if !ok {
			break
		}
		all[link] = true
	}
	for _, reserved := range []string{"169.254.0.0/30", "169.254.1.0/30", "169.254.2.0/30", "169.254.3.0/30", "169.254.4.0/30", "169.254.5.0/30", "169.254.169.252/30", "169.254.255.0/30", "169.254.0.4/30"} {
		if all[netip.MustParsePrefix(reserved)] {
			t.Errorf("%s was picked", reserved)
		}
	}
	if want := linkCount - 128 - 5 - 1; len(all) != want { // two /24, five of AWS's beside the first, the metadata server's
		t.Errorf("%d links, want %d", len(all), want)
	}
}

func TestALinkOfASpecIsNobodyElses(t *testing.T) {
	t.Parallel()
	free := newLinkPool("t", exposer.PeerAWS)
	link, _ := free.next()
	again := newLinkPool("t", exposer.PeerAWS)
	again.asked = []netip.Prefix{link}
	if other, _ := again.next(); other == link {
		t.Errorf("%s was picked beside the one that was asked for", link)
	}
}

func TestEndsOfALink(t *testing.T) {
	t.Parallel()
	link := netip.MustParsePrefix("169.254.80.4/30")
	for peer, want := range map[string][2]string{exposer.PeerAWS: {"169.254.80.6", "169.254.80.5"}, exposer.PeerOther: {"169.254.80.5", "169.254.80.6"}} {
		google, far := ends(link, peer)
		if google.String() != want[0] || far.String() != want[1] {
			t.Errorf("%s: Google %s, far side %s, want %v", peer, google, far, want)
		}
	}
}

// TestTheMappingOfTunnels holds Google's interfaces to the far side's.
func TestTheMappingOfTunnels(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		peer string
		n    int
		want []string
	}{
		"AWS's four": {exposer.PeerAWS, 4, []string{"0-0", "0-1", "1-2", "1-3"}},
		"two":        {exposer.PeerOther, 2, []string{"0-0", "1-1"}},
		"one":        {exposer.PeerOther, 1, []string{"0-0", "1-0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, "route", labSpec(), own, func(s *exposer.Spec) {
				s.Route.VPN.Peer, s.Route.VPN.PeerAddresses = c.peer, s.Route.VPN.PeerAddresses[:c.n]
			})
			before := w.State()
			connected(w, client)
			apply(t, w)
			unchanged(t, w)
			passes(t, w)
			var got []string
			for i := range c.want {
				tunnel := w.Google.Object(fmt.Sprintf("%s/vpnTunnels/causeway-%s-%d", west3, w.Spec.Name, i))
				got = append(got, fmt.Sprintf("%v-%v", tunnel["vpnGatewayInterface"], tunnel["peerExternalGatewayInterface"]))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("the tunnels lead %q, want %q", got, c.want)
			}
			x := open(t, w)
			if n := len(x.line.tunnels); n != len(c.want) {
				t.Errorf("%d tunnels are planned", n)
			}
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}
