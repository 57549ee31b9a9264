package routing

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// Lines are the Cloud Routers of a network, and so the lines that end in it.
type Lines struct {
	Network gcp.Ref
	Routers []gcp.Router
	Status  map[gcp.Ref]gcp.RouterStatus // of those with BGP peers; nil where it was not read
}

// ReadLines lists the routers of a network, of all regions.
func ReadLines(ctx context.Context, google *gcp.Cloud, network gcp.Ref) (Lines, error) {
	routers, err := google.NetworkRouters(ctx, network)
	return Lines{Network: network, Routers: routers}, err
}

// ReadStatus asks each router with BGP peers how they are.
func (l *Lines) ReadStatus(ctx context.Context, google *gcp.Cloud) error {
	l.Status = map[gcp.Ref]gcp.RouterStatus{}
	var mu sync.Mutex
	var asks []func() error
	for _, router := range l.Routers {
		if len(router.Peers) == 0 {
			continue
		}
		asks = append(asks, func() error {
			status, err := google.RouterStatus(ctx, router.Ref())
			mu.Lock()
			defer mu.Unlock()
			l.Status[router.Ref()] = status
			return err
		})
	}
	return Together(asks...)
}

// Pick chooses the routers that announce the ranges: those that are named,
// else those that learn the client networks, and those that were chosen before and
// still have BGP peers (a line that is down just now is no reason to leave it),
// else the only one with BGP peers. Leaving, it is those that were chosen then and
// those that bear the mark.
func (l Lines) Pick(wanted []string, clients []netip.Prefix, exposure string, leaving bool) ([]gcp.Ref, []exposer.Problem) {
	if len(wanted) > 0 || leaving {
		return l.named(wanted, exposure, leaving)
	}
	var withPeers, learn []gcp.Ref
	mine := func(m Mark) bool { return m.Has(exposure) }
	for _, router := range l.Routers {
		if len(router.Peers) == 0 {
			continue
		}
		withPeers = append(withPeers, router.Ref())
		if markedFor(router, mine) || slices.ContainsFunc(l.Status[router.Ref()].BestForRouter, func(r gcp.LearnedRoute) bool { return Meets(r.Range, clients) }) {
			learn = append(learn, router.Ref())
		}
	}
	switch {
	case len(learn) > 0:
		return learn, nil
	case len(withPeers) == 1:
		return withPeers, nil
	case len(withPeers) == 0:
		return nil, []exposer.Problem{{Code: "CW-ROUTE-NO-LINE",
			Text: fmt.Sprintf("network %s has no Cloud Router with BGP peers: no VPN and no Interconnect ends there", l.Network)}}
	}
	return nil, []exposer.Problem{{Code: "CW-ROUTE-ROUTER",
		Text: fmt.Sprintf("network %s has %d routers with BGP peers (%s), and none learns %s", l.Network, len(withPeers), Names(withPeers), List(clients)),
		Fix:  "name the one that the far side's line ends at with --router REGION/NAME"}}
}

// named finds routers by NAME or REGION/NAME.
func (l Lines) named(wanted []string, exposure string, leaving bool) ([]gcp.Ref, []exposer.Problem) {
	var found []gcp.Ref
	var problems, gone []exposer.Problem
	for _, text := range wanted {
		region, name, ok := strings.Cut(text, "/")
		if !ok {
			region, name = "", text
		}
		var matches []gcp.Ref
		silent := false
		for _, router := range l.Routers {
			if router.Name == name && (region == "" || router.Region == region) {
				matches, silent = append(matches, router.Ref()), SpeaksNoBGP(router)
			}
		}
		switch {
		case len(matches) == 1 && silent && !leaving:
			problems = append(problems, NoBGP(matches[0]))
		case len(matches) == 1:
			found = append(found, matches[0])
		case len(matches) > 1:
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-ROUTER",
				Text: fmt.Sprintf("routers of the name %s are in several regions: %s", name, Names(matches)), Fix: "name it as REGION/NAME"})
		case !leaving:
			gone = append(gone, exposer.Problem{Code: "CW-ROUTE-ROUTER",
				Text: fmt.Sprintf("network %s has no router %s", l.Network, text), Fix: fmt.Sprintf("gcloud compute routers list --project %s lists them", l.Network.Project)})
		}
	}
	if !leaving {
		// One of several that somebody took away since: the others carry the exposure.
		if !slices.ContainsFunc(l.Of(found), func(r gcp.Router) bool { return markedFor(r, func(m Mark) bool { return m.Has(exposure) }) }) {
			problems = append(problems, gone...)
		}
		return found, problems
	}
	return append(found, l.Marked(exposure, found)...), nil
}

// SpeaksNoBGP reports whether a router only carries Cloud NAT: it has no AS number,
// and nothing can be announced by it.
func SpeaksNoBGP(router gcp.Router) bool { return router.ASN == 0 && len(router.Peers) == 0 }

// NoBGP is the refusal of such a router.
func NoBGP(router gcp.Ref) exposer.Problem {
	return exposer.Problem{Code: "CW-ROUTE-ROUTER", Text: "router " + Names([]gcp.Ref{router}) + " speaks no BGP: it has no AS number, and carries Cloud NAT alone",
		Fix: fmt.Sprintf("name another one; gcloud compute routers list --project %s lists them", router.Project)}
}

// Marked are the routers that announce something with the exposure's mark, but for
// those that are known.
func (l Lines) Marked(exposure string, known []gcp.Ref) []gcp.Ref {
	var found []gcp.Ref
	for _, router := range l.Routers {
		if !slices.Contains(known, router.Ref()) && markedFor(router, func(m Mark) bool { return m.Has(exposure) }) {
			found = append(found, router.Ref())
		}
	}
	return found
}

// markedFor reports whether a range of the router bears a mark for which is true.
func markedFor(router gcp.Router, is func(Mark) bool) bool {
	return marked(router.Advertise, is) || slices.ContainsFunc(router.Peers, func(p gcp.BGPPeer) bool { return marked(p.Advertise, is) })
}

func marked(a gcp.Advertisement, is func(Mark) bool) bool {
	return slices.ContainsFunc(a.Ranges, func(r gcp.AdvertisedRange) bool { return is(ParseMark(r.Description)) })
}

// CustomPeers are the BGP peers with an advertised list of their own that lead to
// the far side: a list of a router does not count for them. Those of other
// parties stay as they are. Where nothing tells which lead there, it is a problem.
func (l Lines) CustomPeers(routers []gcp.Ref, named []string, clients, ranges []netip.Prefix) ([]string, []exposer.Problem) {
	var take, unsure []string
	inherits := false // or was told before, when it could be known
	for _, router := range l.Of(routers) {
		for _, peer := range router.Peers {
			switch {
			case peer.Advertise.Mode != "CUSTOM":
				inherits = inherits || peer.Enabled
			case slices.Contains(named, peer.Name) || l.leads(router, peer, clients):
				take = append(take, peer.Name)
			case marked(peer.Advertise, func(m Mark) bool { return len(m.Exposures) > 0 }) && AnnouncesAll(peer.Advertise, ranges):
				inherits = true
			case len(ranges) > 0 && !AnnouncesAll(peer.Advertise, ranges):
				unsure = append(unsure, router.Name+"/"+peer.Name)
			}
		}
	}
	var problems []exposer.Problem
	for _, name := range named {
		if !slices.Contains(take, name) && !l.hasPeer(routers, name) {
			problems = append(problems, exposer.Problem{Code: "CW-ROUTE-ROUTER", Text: fmt.Sprintf("none of the routers %s has a BGP peer %s", Names(routers), name)})
		}
	}
	if len(unsure) > 0 && len(take) == 0 && !inherits {
		problems = append(problems, exposer.Problem{Code: "CW-BGP-PEER-CUSTOM",
			Text: fmt.Sprintf("every BGP peer has an advertised list of its own (%s), which overrides the router's, and none of them learns the client networks: which one leads to the far side is not known", strings.Join(unsure, ", ")),
			Fix:  "name it with --bgp-peer (method route), or have one of them announce the client networks"})
	}
	return take, problems
}

// leads reports whether the router learned a client network from the peer.
func (l Lines) leads(router gcp.Router, peer gcp.BGPPeer, clients []netip.Prefix) bool {
	return slices.ContainsFunc(l.Status[router.Ref()].BestForRouter, func(r gcp.LearnedRoute) bool {
		return r.NextHop == peer.PeerIP && Meets(r.Range, clients)
	})
}

func (l Lines) hasPeer(routers []gcp.Ref, name string) bool {
	return slices.ContainsFunc(l.Of(routers), func(r gcp.Router) bool {
		return slices.ContainsFunc(r.Peers, func(p gcp.BGPPeer) bool { return p.Name == name })
	})
}

// Of are the routers of these names, as they were read.
func (l Lines) Of(refs []gcp.Ref) []gcp.Router {
	var out []gcp.Router
	for _, router := range l.Routers {
		if slices.Contains(refs, router.Ref()) {
			out = append(out, router)
		}
	}
	return out
}

// AnnouncesAll reports whether custom ranges hold all of the wanted ones.
func AnnouncesAll(a gcp.Advertisement, wanted []netip.Prefix) bool {
	for _, want := range wanted {
		if !slices.ContainsFunc(a.Ranges, func(r gcp.AdvertisedRange) bool { return Covers(r.Range, want) }) {
			return false
		}
	}
	return true
}

// Meets reports whether a range overlaps one of the list.
func Meets(r netip.Prefix, list []netip.Prefix) bool {
	return slices.ContainsFunc(list, r.Overlaps)
}

// Covers reports whether a range holds another one whole.
func Covers(wide, narrow netip.Prefix) bool {
	return wide.Bits() <= narrow.Bits() && wide.Contains(narrow.Addr())
}

// Names lists references as REGION/NAME.
func Names(refs []gcp.Ref) string {
	texts := make([]string, len(refs))
	for i, ref := range refs {
		texts[i] = ref.Region + "/" + ref.Name
	}
	return strings.Join(texts, ", ")
}

// List writes ranges for people.
func List(prefixes []netip.Prefix) string {
	texts := make([]string, len(prefixes))
	for i, p := range prefixes {
		texts[i] = p.String()
	}
	return strings.Join(texts, ", ")
}

// Others names the other exposures that announce a range for which needs is true,
// as "exposure NAME": they stand on the same settings.
func (l Lines) Others(exposure string, needs func(netip.Prefix) bool) []string {
	var others []string
	for _, router := range l.Routers {
		ranges := slices.Clone(router.Advertise.Ranges)
		for _, peer := range router.Peers {
			ranges = append(ranges, peer.Advertise.Ranges...)
		}
		for _, r := range ranges {
			for _, name := range ParseMark(r.Description).Without(exposure).Exposures {
				if needs(r.Range) && !slices.Contains(others, "exposure "+name) {
					others = append(others, "exposure "+name)
				}
			}
		}
	}
	return others
}

// Together runs all at once and joins what failed.
func Together(asks ...func() error) error {
	errs := make([]error, len(asks))
	var wait sync.WaitGroup
	for i, ask := range asks {
		wait.Go(func() { errs[i] = ask() })
	}
	wait.Wait()
	return errors.Join(errs...)
}
