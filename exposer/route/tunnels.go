package route

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/gcp"
)

// tunnelStep is one IPsec tunnel between the gateways.
func (x *exposure) tunnelStep(t tunnel) *exposer.Resource {
	return &exposer.Resource{
		Name: tunnelID(t), Leaving: x.deps.Leaving, After: []string{x.routerID(), x.gatewayID(), x.externalID()},
		About: t.about(),
		Why:   "key " + x.keys().where(t),
		Find: func(ctx context.Context) (*exposer.Found, error) {
			live, err := x.google.Tunnel(ctx, t.ref)
			if err != nil || live == nil {
				return nil, err
			}
			found := &exposer.Found{Ours: x.marked(live.Description), Why: live.Status}
			if found.Ours && (live.GatewayInterface != t.local || live.ExternalInterface != t.remote || live.Gateway != x.line.gateway || live.Router != x.line.router) {
				found.Unfit = fixed("tunnel %s leads from interface %d of %s to interface %d", live.Name, live.GatewayInterface, live.Gateway.Name, live.ExternalInterface)
			}
			return found, nil
		},
		Make: func(ctx context.Context, note func(string)) error {
			key, err := x.key(t)
			if err != nil {
				return err
			}
			return x.google.CreateTunnel(ctx, gcp.Tunnel{Project: t.ref.Project, Region: t.ref.Region, Name: t.ref.Name, Description: x.description(),
				Gateway: x.line.gateway, GatewayInterface: t.local, External: x.line.external, ExternalInterface: t.remote, Router: x.line.router, IKE: 2, Secret: key}, note)
		},
		Remove: func(ctx context.Context, note func(string)) error { return x.google.DeleteTunnel(ctx, t.ref, note) },
	}
}

// about says between what the tunnel is; leaving, there may be more of them than
// far ends that are known.
func (t tunnel) about() string {
	if !t.peerOuter.IsValid() {
		return "tunnel " + t.ref.Name
	}
	return fmt.Sprintf("tunnel %s: interface %d to %s", t.ref.Name, t.local, t.peerOuter)
}

func tunnelID(t tunnel) string { return "vpn-tunnel/" + t.ref.Region + "/" + t.ref.Name }

// sessionsStep puts an interface and a BGP peer for each tunnel on the router,
// all by one patch: arrays of a router are replaced whole, so two patches at a
// time would lose one another's entries.
type sessionsStep struct{ x *exposure }

func (x *exposure) sessions() exposer.Step { return sessionsStep{x} }

// ID implements exposer.Step.
func (s sessionsStep) ID() string {
	return "bgp-sessions/" + s.x.line.router.Region + "/" + s.x.line.router.Name
}

// Title implements exposer.Step.
func (s sessionsStep) Title() string {
	return fmt.Sprintf("BGP sessions of router %s with ASN %d, one a tunnel", s.x.line.router.Name, s.x.line.spec.PeerASN)
}

// Needs implements exposer.Step: the router's other writer comes first.
func (s sessionsStep) Needs() []string {
	needs := []string{s.x.advertisement(s.x.line.router).ID()}
	for _, t := range s.x.line.tunnels {
		needs = append(needs, tunnelID(t))
	}
	return needs
}

// want is the router's interface and BGP peer of a tunnel.
func (s sessionsStep) want(t tunnel) (gcp.RouterInterface, gcp.BGPPeer) {
	name := t.ref.Name
	return gcp.RouterInterface{Name: name, Link: prefixOf(t.google, t.link), Tunnel: t.ref},
		gcp.BGPPeer{Name: name, Interface: name, LocalIP: t.google, PeerIP: t.peer, PeerASN: s.x.line.spec.PeerASN, Enabled: true}
}

// merge says what the router's interfaces and peers need; entries of other names
// stay as they are.
func (s sessionsStep) merge(router gcp.Router) (gcp.RouterEdit, []exposer.FieldChange, error) {
	var edit gcp.RouterEdit
	var changes []exposer.FieldChange
	for _, t := range s.x.line.tunnels {
		wantInterface, wantPeer := s.want(t)
		at := slices.IndexFunc(router.Interfaces, func(i gcp.RouterInterface) bool { return i.Name == wantInterface.Name })
		if at >= 0 && router.Interfaces[at].Tunnel.Name != t.ref.Name {
			return edit, nil, refusal("CW-RUN-FOREIGN", "router %s has an interface %s that does not belong to the tunnel of that name", router.Name, wantInterface.Name)
		}
		if at < 0 || router.Interfaces[at].Link != wantInterface.Link {
			edit.AddInterfaces = append(edit.AddInterfaces, wantInterface)
			change := exposer.FieldChange{Field: "interface " + wantInterface.Name, To: wantInterface.Link.String()}
			if at >= 0 {
				edit.DropInterfaces, change.From = append(edit.DropInterfaces, wantInterface.Name), router.Interfaces[at].Link.String()
			}
			changes = append(changes, change)
		}
		at = slices.IndexFunc(router.Peers, func(p gcp.BGPPeer) bool { return p.Name == wantPeer.Name })
		if at >= 0 && samePeer(router.Peers[at], wantPeer) {
			if !router.Peers[at].Enabled { // made anew it would lose what others set on it, an MD5 key that only they know
				edit.EnablePeers = enabling(edit.EnablePeers, wantPeer.Name)
				changes = append(changes, exposer.FieldChange{Field: "BGP peer " + wantPeer.Name, From: describe(router.Peers[at]), To: describe(wantPeer)})
			}
			continue
		}
		edit.AddPeers = append(edit.AddPeers, wantPeer)
		change := exposer.FieldChange{Field: "BGP peer " + wantPeer.Name, To: describe(wantPeer)}
		if at >= 0 {
			edit.DropPeers, change.From = append(edit.DropPeers, wantPeer.Name), describe(router.Peers[at])
		}
		changes = append(changes, change)
	}
	return edit, changes, nil
}

func enabling(peers map[string]bool, name string) map[string]bool {
	if peers == nil {
		peers = map[string]bool{}
	}
	peers[name] = true
	return peers
}

func samePeer(have, want gcp.BGPPeer) bool {
	return have.Interface == want.Interface && have.LocalIP == want.LocalIP && have.PeerIP == want.PeerIP && have.PeerASN == want.PeerASN
}

func describe(p gcp.BGPPeer) string {
	text := fmt.Sprintf("%s to %s, ASN %d", p.LocalIP, p.PeerIP, p.PeerASN)
	if !p.Enabled {
		text += ", disabled"
	}
	return text
}

// Read implements exposer.Step.
func (s sessionsStep) Read(ctx context.Context) (exposer.Observed, error) {
	router, err := s.x.google.Router(ctx, s.x.line.router)
	if err != nil {
		return exposer.Observed{}, err
	}
	if router == nil {
		return exposer.Observed{Action: exposer.Create, Why: "addresses " + s.links()}, nil
	}
	own := slices.ContainsFunc(router.Interfaces, func(i gcp.RouterInterface) bool { return ownTunnel(i, s.x.spec.Name, len(s.x.line.tunnels)) })
	seen := exposer.Observed{Exists: own, Ours: own, Action: exposer.Keep}
	if s.x.deps.Leaving {
		return seen, nil
	}
	_, changes, err := s.merge(*router)
	switch {
	case err != nil:
		seen.Action, seen.Cause = exposer.Refuse, err
	case len(changes) > 0 && !own:
		seen.Action, seen.Why = exposer.Create, "addresses "+s.links()
	case len(changes) > 0:
		seen.Action, seen.Changes = exposer.Change, changes
	}
	return seen, nil
}

func (s sessionsStep) links() string {
	var links []string
	for _, t := range s.x.line.tunnels {
		links = append(links, t.link.String())
	}
	return strings.Join(links, ", ")
}

// Do implements exposer.Step.
func (s sessionsStep) Do(ctx context.Context, note func(string)) error {
	return routing.EditUntil(ctx, s.x.google, s.x.line.router, "put the BGP sessions on", note,
		func(router gcp.Router) (gcp.RouterEdit, error) {
			edit, _, err := s.merge(router)
			return edit, err
		},
		func(router gcp.Router) bool {
			_, changes, err := s.merge(router)
			return err == nil && len(changes) == 0
		})
}

// Undo implements exposer.Step.
func (s sessionsStep) Undo(ctx context.Context, _ json.RawMessage, note func(string)) (exposer.Undone, error) {
	router, err := s.x.google.Router(ctx, s.x.line.router)
	if err != nil {
		return exposer.Undone{}, err
	}
	if router == nil {
		return exposer.Undone{Outcome: exposer.Absent}, nil
	}
	if edit := s.unmerge(*router); len(edit.DropInterfaces) == 0 {
		return exposer.Undone{Outcome: exposer.Absent}, nil
	}
	err = routing.EditUntil(ctx, s.x.google, s.x.line.router, "take the BGP sessions off", note,
		func(router gcp.Router) (gcp.RouterEdit, error) { return s.unmerge(router), nil },
		func(router gcp.Router) bool { return len(s.unmerge(router).DropInterfaces) == 0 })
	return exposer.Undone{Outcome: exposer.Removed}, err
}

// unmerge takes this exposure's interfaces off, and the peers on them.
func (s sessionsStep) unmerge(router gcp.Router) gcp.RouterEdit {
	var edit gcp.RouterEdit
	for _, i := range router.Interfaces {
		if ownTunnel(i, s.x.spec.Name, 4) {
			edit.DropInterfaces = append(edit.DropInterfaces, i.Name)
		}
	}
	for _, p := range router.Peers {
		if slices.Contains(edit.DropInterfaces, p.Interface) {
			edit.DropPeers = append(edit.DropPeers, p.Name)
		}
	}
	return edit
}
