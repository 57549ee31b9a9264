package netns

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"

	"causeway/lab/topology"
)

// Wire builds the links, addresses and routes of the topology that are always
// there, in namespaces that exist and are empty.
func Wire(line topology.Line) error {
	spaces := map[string]*Space{}
	for _, name := range line.Namespaces() {
		s, err := Open(name)
		if err != nil {
			return err
		}
		defer s.Close()
		spaces[name] = s
		if err := s.Do(prepare); err != nil {
			return fmt.Errorf("prepare network namespace %s: %w", name, err)
		}
	}
	for _, l := range line.Links() {
		if err := connect(spaces, l); err != nil {
			return fmt.Errorf("link %s: %w", l.Name, err)
		}
	}
	for _, a := range line.Locals() {
		err := spaces[a.Namespace].Do(func() error { return address("lo", netip.PrefixFrom(a.Address, a.Address.BitLen())) })
		if err != nil {
			return fmt.Errorf("address %s in %s: %w", a.Address, a.Namespace, err)
		}
	}
	for _, r := range line.Routes() {
		if err := spaces[r.Namespace].Do(func() error { return route(r) }); err != nil {
			return fmt.Errorf("route %s in %s: %w", r.To, r.Namespace, err)
		}
	}
	return nil
}

// prepare lets the namespace forward, and turns the reverse path filter off:
// the return way of the lab's networks is not always the way in. /proc/sys/net
// shows the namespace of the thread that reads it.
func prepare() error {
	for path, value := range map[string]string{
		"/proc/sys/net/ipv4/ip_forward":             "1",
		"/proc/sys/net/ipv4/conf/all/rp_filter":     "0",
		"/proc/sys/net/ipv4/conf/default/rp_filter": "0",
	} {
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return err
		}
	}
	return up("lo")
}

func connect(spaces map[string]*Space, l topology.Link) error {
	if err := spaces[l.A.Namespace].Pair(l.Name, spaces[l.B.Namespace]); err != nil {
		return err
	}
	for _, end := range []topology.End{l.A, l.B} {
		if err := spaces[end.Namespace].Do(func() error { return address(l.Name, end.Address) }); err != nil {
			return fmt.Errorf("in %s: %w", end.Namespace, err)
		}
	}
	return nil
}

func address(link string, p netip.Prefix) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	return netlink.AddrReplace(l, &netlink.Addr{IPNet: ipNet(p)})
}

func up(link string) error {
	l, err := netlink.LinkByName(link)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

func route(r topology.Route) error {
	nr := &netlink.Route{Dst: ipNet(r.To.Masked()), Gw: net.IP(r.Via.AsSlice())}
	if r.Source.IsValid() {
		nr.Src = net.IP(r.Source.AsSlice())
	}
	return netlink.RouteReplace(nr)
}

func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: net.IP(p.Addr().AsSlice()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
