package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Protocol marks the routes that SetRoutes owns (rtnetlink(7): numbers above
// those of the kernel and of known daemons are free).
const Protocol = 201

// Pair makes a link between two namespaces; both ends bear the name and are up.
// It is made inside s with its peer in other: at no time is it on the machine.
func (s *Space) Pair(name string, other *Space) error {
	err := s.Do(func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: name},
			PeerName:      name,
			PeerNamespace: netlink.NsFd(int(other.handle)),
		})
	})
	if err != nil {
		return fmt.Errorf("make link %s between %s and %s: %w", name, s.Name, other.Name, err)
	}
	for _, space := range []*Space{s, other} {
		if err := space.Do(func() error { return up(name) }); err != nil {
			return fmt.Errorf("make link %s: in %s: %w", name, space.Name, err)
		}
	}
	return nil
}

// Unlink takes a link away with both of its ends; one that is not there is no error.
func (s *Space) Unlink(name string) error {
	err := s.Do(func() error {
		l, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		return netlink.LinkDel(l)
	})
	var gone netlink.LinkNotFoundError
	if err != nil && !errors.As(err, &gone) {
		return fmt.Errorf("take link %s in %s away: %w", name, s.Name, err)
	}
	return nil
}

// Links names the links of the namespace that begin with prefix.
func (s *Space) Links(prefix string) ([]string, error) {
	var names []string
	err := s.Do(func() error {
		links, err := netlink.LinkList()
		for _, l := range links {
			if strings.HasPrefix(l.Attrs().Name, prefix) {
				names = append(names, l.Attrs().Name)
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list links in %s: %w", s.Name, err)
	}
	slices.Sort(names)
	return names, nil
}

// SetAddress makes p the only IPv4 address of a link; the zero Prefix takes all away.
func (s *Space) SetAddress(link string, p netip.Prefix) error {
	err := s.Do(func() error {
		l, err := netlink.LinkByName(link)
		if err != nil {
			return err
		}
		have, err := netlink.AddrList(l, netlink.FAMILY_V4)
		if err != nil {
			return err
		}
		for _, a := range have {
			if p.IsValid() && a.IPNet.String() == p.String() {
				continue
			}
			if err := netlink.AddrDel(l, &a); err != nil {
				return err
			}
		}
		if !p.IsValid() {
			return nil
		}
		return netlink.AddrReplace(l, &netlink.Addr{IPNet: ipNet(p)})
	})
	if err != nil {
		return fmt.Errorf("give link %s in %s the address %s: %w", link, s.Name, p, err)
	}
	return nil
}

// Route is a route that may have several next hops, which share the traffic. One
// without any leads nowhere: its packets are lost.
type Route struct {
	To     netip.Prefix
	Via    []netip.Addr
	Source netip.Addr // of the namespace's own packets, when set
}

func (r Route) String() string {
	text := r.To.String()
	for _, via := range r.Via {
		text += " via " + via.String()
	}
	if r.Source.IsValid() {
		text += " src " + r.Source.String()
	}
	return text
}

// SetRoutes makes the wanted routes the only ones of Protocol in the namespace. It
// does what can be done and tells of the rest: a next hop may be on its way out.
func (s *Space) SetRoutes(want []Route) error {
	err := s.Do(func() error {
		have, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Protocol: Protocol}, netlink.RT_FILTER_PROTOCOL)
		if err != nil {
			return err
		}
		texts := map[string]bool{}
		var errs []error
		for _, old := range have {
			text := fromKernel(old).String()
			if slices.ContainsFunc(want, func(r Route) bool { return r.String() == text }) {
				texts[text] = true
				continue
			}
			if slices.ContainsFunc(want, func(r Route) bool { return r.To == fromKernel(old).To }) {
				continue // replaced below, without a moment in which there is none
			}
			if err := netlink.RouteDel(&old); err != nil && !errors.Is(err, syscall.ESRCH) {
				errs = append(errs, fmt.Errorf("drop route %s: %w", text, err))
			}
		}
		for _, r := range want {
			if texts[r.String()] {
				continue
			}
			if err := netlink.RouteReplace(toKernel(r)); err != nil {
				errs = append(errs, fmt.Errorf("set route %s: %w", r, err))
			}
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return fmt.Errorf("in %s: %w", s.Name, err)
	}
	return nil
}

// Routes lists the namespace's IPv4 routes of the main table, as `ip route` does.
func (s *Space) Routes() ([]Route, error) {
	var routes []Route
	err := s.Do(func() error {
		have, err := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_MAIN}, netlink.RT_FILTER_TABLE)
		for _, r := range have {
			routes = append(routes, fromKernel(r))
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list routes in %s: %w", s.Name, err)
	}
	return routes, nil
}

func toKernel(r Route) *netlink.Route {
	k := &netlink.Route{Dst: ipNet(r.To.Masked()), Protocol: Protocol}
	if r.Source.IsValid() {
		k.Src = net.IP(r.Source.AsSlice())
	}
	if len(r.Via) == 0 {
		k.Type = unix.RTN_BLACKHOLE
		return k
	}
	if len(r.Via) == 1 {
		k.Gw = net.IP(r.Via[0].AsSlice())
		return k
	}
	for _, via := range r.Via {
		k.MultiPath = append(k.MultiPath, &netlink.NexthopInfo{Gw: net.IP(via.AsSlice())})
	}
	return k
}

func fromKernel(k netlink.Route) Route {
	var r Route
	if k.Dst != nil {
		if a, ok := netip.AddrFromSlice(k.Dst.IP.To4()); ok {
			ones, _ := k.Dst.Mask.Size()
			r.To = netip.PrefixFrom(a, ones)
		}
	}
	r.Source, _ = netip.AddrFromSlice(k.Src.To4())
	if via, ok := netip.AddrFromSlice(k.Gw.To4()); ok {
		r.Via = []netip.Addr{via}
	}
	for _, hop := range k.MultiPath {
		if via, ok := netip.AddrFromSlice(hop.Gw.To4()); ok {
			r.Via = append(r.Via, via)
		}
	}
	return r
}
