package route

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// line is the HA VPN that causeway makes: what its parts are called and which
// addresses they have. The zero line is one that is there already.
type line struct {
	spec     exposer.VPN
	router   gcp.Ref
	gateway  gcp.Ref
	external gcp.Ref // global
	tunnels  []tunnel
}

// tunnel is one of the line's tunnels with its BGP session. Interface and BGP
// peer of the router bear the tunnel's name.
type tunnel struct {
	ref       gcp.Ref
	index     int
	local     int          // interface of Google's gateway
	remote    int          // interface of the far side's
	link      netip.Prefix // the /30 inside
	google    netip.Addr   // Google's address of the link
	peer      netip.Addr   // the far side's
	peerOuter netip.Addr   // the far side's outside address; invalid while not known
}

func (l line) made() bool { return l.router.Name != "" }

// known are the tunnels that there is to be: those whose far end is known.
func (l line) known() []tunnel {
	return slices.DeleteFunc(slices.Clone(l.tunnels), func(t tunnel) bool { return !t.peerOuter.IsValid() })
}

// maxTunnels is what a line has at most: with a far side of four addresses.
const maxTunnels = 4

// tunnelsExpected is how many tunnels a line will have before the far side's
// addresses are known: four with AWS, else two.
func tunnelsExpected(peer string) int {
	if peer == exposer.PeerAWS {
		return 4
	}
	return 2
}

// planLine gives the line's parts their names and addresses.
func (x *exposure) planLine() (line, []exposer.Problem) {
	vpn := *x.spec.Route.VPN
	if vpn.Region == "" {
		vpn.Region = x.facts.cluster.Region()
	}
	at := func(name string) gcp.Ref {
		return gcp.Ref{Project: x.facts.ref.Project, Region: vpn.Region, Name: name}
	}
	l := line{router: at(vpn.Router), gateway: at(vpn.Gateway), external: gcp.Ref{Project: x.facts.ref.Project, Name: "causeway-" + x.spec.Name}}
	links, problems := x.pickLinks(vpn, l)
	vpn.Links = nil
	pairs := vpn.Tunnels()
	for i, link := range links {
		t := tunnel{ref: at(fmt.Sprintf("causeway-%s-%d", x.spec.Name, i)), index: i, link: link}
		t.google, t.peer = ends(link, vpn.Peer)
		vpn.Links = append(vpn.Links, link.String())
		if i < len(pairs) {
			t.local, t.remote = pairs[i][0], pairs[i][1]
			t.peerOuter = netip.MustParseAddr(vpn.PeerAddresses[t.remote])
		} else {
			t.local = plannedInterface(vpn.Peer, i)
		}
		l.tunnels = append(l.tunnels, t)
	}
	l.spec = vpn
	*x.spec.Route.VPN = vpn
	return l, append(problems, x.lineProblems(l)...)
}

// plannedInterface is Google's interface of a tunnel whose far end is not known
// yet: AWS's four are two to each, two are one each.
func plannedInterface(peer string, i int) int {
	if peer == exposer.PeerAWS {
		return i / 2
	}
	return i
}

// ends are the two addresses of a link: AWS takes the first for itself, and so
// does Google where the far side leaves it the choice.
func ends(link netip.Prefix, peer string) (google, far netip.Addr) {
	lower := link.Addr().Next()
	if peer == exposer.PeerAWS {
		return lower.Next(), lower
	}
	return lower, lower.Next()
}

// lineProblems are what a router that is there already speaks against.
func (x *exposure) lineProblems(l line) []exposer.Problem {
	for _, router := range x.facts.lines.Routers {
		if router.Ref() != l.router {
			continue
		}
		if routing.SpeaksNoBGP(router) {
			return []exposer.Problem{routing.NoBGP(router.Ref())}
		}
		if router.ASN != x.spec.Route.VPN.ASN && x.spec.Route.VPN.ASN != exposer.DefaultASN {
			return []exposer.Problem{{Code: "CW-ROUTE-ASN",
				Text: fmt.Sprintf("router %s has ASN %d, which can't be changed, and %d is asked for", router.Name, router.ASN, x.spec.Route.VPN.ASN),
				Fix:  fmt.Sprintf("leave --asn out, or give %d", router.ASN)}}
		}
		x.spec.Route.VPN.ASN = router.ASN
		if router.ASN == x.spec.Route.VPN.PeerASN {
			return []exposer.Problem{{Code: "CW-ROUTE-ASN", Text: fmt.Sprintf("the far side's ASN %d is router %s's own", router.ASN, router.Name), Fix: "give the far side's with --peer-asn"}}
		}
	}
	return nil
}

// pickLinks finds a /30 for each tunnel: the one that its interface has already,
// the one that is asked for, or one that no router of the network uses. Which
// free ones depends on the exposure's name alone, so that a plan can be repeated.
func (x *exposure) pickLinks(vpn exposer.VPN, l line) ([]netip.Prefix, []exposer.Problem) {
	count := len(vpn.Tunnels())
	switch {
	case x.deps.Leaving:
		count = maxTunnels // an earlier spec may have had more
	case count == 0:
		count = tunnelsExpected(vpn.Peer)
	}
	var links []netip.Prefix
	var problems []exposer.Problem
	free := newLinkPool(x.spec.Name, vpn.Peer)
	own := map[string]netip.Prefix{}
	for _, text := range vpn.Links {
		free.asked = append(free.asked, netip.MustParsePrefix(text))
	}
	for _, router := range x.facts.lines.Routers {
		for _, i := range router.Interfaces {
			if router.Ref() == l.router && ownTunnel(i, x.spec.Name, count) {
				own[i.Name] = i.Link.Masked()
				free.asked = append(free.asked, own[i.Name])
				continue
			}
			free.use(i.Link, "router "+router.Region+"/"+router.Name+", interface "+i.Name)
		}
	}
	for i := range count {
		name := fmt.Sprintf("causeway-%s-%d", x.spec.Name, i)
		if i < len(vpn.Links) {
			link := netip.MustParsePrefix(vpn.Links[i])
			if user := free.user(link); user != "" {
				problems = append(problems, exposer.Problem{Code: "CW-NET-LINK-LOCAL",
					Text: fmt.Sprintf("link %s is used by %s: link-local ranges must differ among all routers of a network", link, user),
					Fix:  "leave --link out: free ones are picked"})
			}
			links = append(links, link)
			continue
		}
		if link, ok := own[name]; ok {
			links = append(links, link)
			continue
		}
		link, ok := free.next()
		if !ok {
			return links, append(problems, exposer.Problem{Code: "CW-NET-LINK-LOCAL", Text: "no free /30 of 169.254.0.0/16 is left in network " + x.facts.ref.String()})
		}
		links = append(links, link)
	}
	return links, problems
}

// ownTunnel reports whether a router's interface is one of this exposure's.
func ownTunnel(i gcp.RouterInterface, exposure string, count int) bool {
	for n := range count {
		if name := fmt.Sprintf("causeway-%s-%d", exposure, n); i.Name == name && i.Tunnel.Name == name {
			return true
		}
	}
	return false
}

// linkPool is the /30s of 169.254.0.0/16 and who uses them.
type linkPool struct {
	peer  string
	at    uint16 // next candidate: its number, 0 to 16383
	tried int
	used  map[netip.Prefix]string
	asked []netip.Prefix // by this exposure: not free, and nobody else's
}

const linkCount = 1 << 14 // /30s in a /16

func newLinkPool(exposure, peer string) *linkPool {
	h := fnv.New32a()
	h.Write([]byte(exposure)) // never fails
	return &linkPool{peer: peer, at: uint16(h.Sum32() % linkCount), used: map[netip.Prefix]string{}}
}

// use marks every /30 that a router's link touches.
func (p *linkPool) use(link netip.Prefix, by string) {
	if !link.IsValid() || !link.Addr().Is4() {
		return
	}
	wide := netip.PrefixFrom(link.Addr(), min(link.Bits(), 30)).Masked()
	for addr := wide.Addr(); wide.Contains(addr); {
		block := netip.PrefixFrom(addr, 30)
		p.used[block] = by
		next := addr.As4()
		number := uint32(next[2])<<8 | uint32(next[3]) + 4
		if number >= 1<<16 {
			return
		}
		addr = netip.AddrFrom4([4]byte{next[0], next[1], byte(number >> 8), byte(number)})
	}
}

func (p *linkPool) user(link netip.Prefix) string { return p.used[link] }

// next returns a free /30 and takes it.
func (p *linkPool) next() (netip.Prefix, bool) {
	for p.tried < linkCount {
		number := uint32(p.at) * 4
		p.at, p.tried = (p.at+1)%linkCount, p.tried+1
		link := netip.PrefixFrom(netip.AddrFrom4([4]byte{169, 254, byte(number >> 8), byte(number)}), 30)
		// The first and the last /24 are kept for future use (RFC 3927, 2.1).
		third := link.Addr().As4()[2]
		if third == 0 || third == 255 || !exposer.LinkAllowed(link, p.peer) || p.used[link] != "" || slices.Contains(p.asked, link) {
			continue
		}
		p.used[link] = "this exposure"
		return link, true
	}
	return netip.Prefix{}, false
}

// steps are the line's resources. The gateways, the router and the announcement
// do not wait for each other; tunnels need all three, sessions the tunnels.
func (l line) steps(x *exposure) []exposer.Step {
	if !l.made() {
		return nil
	}
	steps := []exposer.Step{x.routerStep(), x.gatewayStep()}
	if len(l.spec.PeerAddresses) == 0 && !x.deps.Leaving {
		return steps
	}
	steps = append(steps, x.externalStep())
	for _, t := range l.tunnels {
		steps = append(steps, x.tunnelStep(t))
	}
	return steps
}

// description is the mark of all that the line is made of.
func (x *exposure) description() string { return routing.Description(x.spec.Name) }

// marked reports whether something bears this exposure's mark.
func (x *exposure) marked(description string) bool { return description == x.description() }

// sameAddrs reports whether two lists hold the same addresses in the same order.
func sameAddrs(a []netip.Addr, b []string) bool {
	return slices.EqualFunc(a, b, func(addr netip.Addr, text string) bool { return addr.String() == text })
}
