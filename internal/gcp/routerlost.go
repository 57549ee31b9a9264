package gcp

import (
	"net/netip"
	"slices"
)

// undone names what another tool took back or brought back: of all that the router
// had and was to have, it looks whether each is there or gone as it should be.
func (e RouterEdit) undone(have, now Router) string {
	if e.Advertise != nil {
		if lost := e.Advertise.undone(have.Advertise, now.Advertise); lost != "" {
			return lost
		}
	}
	peers, before := map[string]BGPPeer{}, map[string]BGPPeer{}
	for _, one := range have.Peers {
		before[one.Name] = one
	}
	for _, one := range now.Peers {
		peers[one.Name] = one
	}
	for _, name := range e.named() {
		one, ok := peers[name]
		enabled, asked := e.EnablePeers[name]
		if !ok || asked && one.Enabled != enabled {
			return "BGP peer " + name
		}
		if wanted, asked := e.PeerAdvertise[name]; asked {
			if lost := wanted.undone(before[name].Advertise, one.Advertise); lost != "" {
				return lost + " of BGP peer " + name
			}
		}
	}
	for _, one := range e.AddPeers {
		if _, ok := peers[one.Name]; !ok {
			return "BGP peer " + one.Name
		}
	}
	for _, name := range e.DropPeers {
		if _, ok := peers[name]; ok && !slices.ContainsFunc(e.AddPeers, func(p BGPPeer) bool { return p.Name == name }) {
			return "BGP peer " + name
		}
	}
	has := func(name string) bool {
		return slices.ContainsFunc(now.Interfaces, func(i RouterInterface) bool { return i.Name == name })
	}
	for _, one := range e.AddInterfaces {
		if !has(one.Name) {
			return "interface " + one.Name
		}
	}
	for _, name := range e.DropInterfaces {
		if has(name) && !slices.ContainsFunc(e.AddInterfaces, func(i RouterInterface) bool { return i.Name == name }) {
			return "interface " + name
		}
	}
	return ""
}

func (a Advertisement) undone(had, has Advertisement) string {
	if first(a.Mode, "DEFAULT") != has.Mode {
		return "the advertise mode"
	}
	if a.Mode != "CUSTOM" {
		return ""
	}
	ranges := func(of Advertisement) map[netip.Prefix]bool {
		out := map[netip.Prefix]bool{}
		for _, one := range of.Ranges {
			out[one.Range] = true
		}
		return out
	}
	wanted, there := ranges(a), ranges(has)
	for _, one := range slices.Concat(had.Ranges, a.Ranges) {
		if wanted[one.Range] != there[one.Range] {
			return "range " + one.Range.String()
		}
	}
	for _, group := range slices.Concat(had.Groups, a.Groups) {
		if slices.Contains(a.Groups, group) != slices.Contains(has.Groups, group) {
			return "group " + group
		}
	}
	return ""
}
