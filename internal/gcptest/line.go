package gcptest

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Line is what lies behind tunnels and BGP sessions. The default is a model of
// far routers (Remotes); a lab may put real BGP speakers there. The emulator never
// holds its lock while it asks a Line, so a Line may call the Server.
type Line interface {
	Tunnel(TunnelView) TunnelState
	Session(SessionView) SessionState
}

// TunnelView is a VPN tunnel that the configuration asks for.
type TunnelView struct {
	Path, Name, Region string
	Network            string     // path
	GatewayIP, PeerIP  netip.Addr // outside addresses: Google's, the far side's
	Secret             string     // pre-shared key
}

// TunnelState is how it is: Status is one of VpnTunnel.status, Detail a sentence.
type TunnelState struct{ Status, Detail string }

// established is the status of a tunnel that carries packets.
const established = "ESTABLISHED"

// SessionView is a BGP session that the configuration asks for.
type SessionView struct {
	Router             string // path
	Region             string
	Network            string // path
	Peer, Interface    string // names, of the router
	Tunnel, Attachment string // path of the one that carries it, the other is ""
	LocalASN, PeerASN  uint32
	LocalIP, PeerIP    netip.Addr   // inside addresses
	Link               netip.Prefix // LocalIP with its mask
	Enabled            bool
	TunnelUp           bool // what carries it lets packets through
	Advertised         []Advertised
}

// Key tells sessions apart: "projects/p/regions/r/routers/x/PEER".
func (v SessionView) Key() string { return v.Router + "/" + v.Peer }

// Advertised is a route that a session announces to the far side.
type Advertised struct {
	Range    netip.Prefix
	Priority uint32 // MED: the lowest wins
}

// SessionState is how a session is: State in the words of BGP (Established, Active,
// Idle, ...), Reason why it is down, Since when it is up.
type SessionState struct {
	Up            bool
	State, Reason string
	Since         time.Time
	Learned       []netip.Prefix // what the far side announces
}

// Remote is a far router of the default model.
type Remote struct {
	Address  netip.Addr     `json:"address"` // outside: the external gateway's interface; for an attachment the BGP peer's IP
	Secret   string         `json:"secret"`  // "" takes any
	ASN      uint32         `json:"asn"`     // 0 takes any
	Prefixes []netip.Prefix `json:"prefixes"`
	// TunnelStatus is forced upon the tunnels; "" means by Secret: ESTABLISHED or
	// AUTHORIZATION_ERROR.
	TunnelStatus string `json:"tunnelStatus"`
	SessionDown  string `json:"sessionDown"` // why its sessions are down; "": they are up
}

// SetLine puts another line behind tunnels and sessions; nil brings the model back.
func (s *Server) SetLine(line Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == nil {
		line = s.far
	}
	s.line = line
	s.touch()
}

// SetRemotes replaces the far routers of the default model. A tunnel to an address
// that none of them has sees no incoming packets.
func (s *Server) SetRemotes(remotes ...Remote) {
	s.far.set(remotes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.touch()
}

// model is the default Line. It has a lock of its own.
type model struct {
	now func() time.Time

	mu      sync.Mutex
	remotes []Remote
	outside map[string]netip.Addr // tunnel -> far address, told by the tunnel before its session asks
	since   map[string]time.Time  // session -> up since
}

func newModel(now func() time.Time) *model {
	return &model{now: now, outside: map[string]netip.Addr{}, since: map[string]time.Time{}}
}

func (m *model) set(remotes []Remote) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remotes = slices.Clone(remotes)
}

func (m *model) add(remotes []Remote) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remotes = append(m.remotes, remotes...)
}

func (m *model) remote(address netip.Addr) *Remote {
	for i := range m.remotes {
		if m.remotes[i].Address == address {
			return &m.remotes[i]
		}
	}
	return nil
}

// Tunnel compares the pre-shared keys, as the two ends of a tunnel do.
func (m *model) Tunnel(view TunnelView) TunnelState {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.outside[view.Path] = view.PeerIP
	remote := m.remote(view.PeerIP)
	switch {
	case remote == nil:
		return TunnelState{"NO_INCOMING_PACKETS", "No incoming packets from peer"}
	case remote.TunnelStatus != "" && remote.TunnelStatus != established:
		return TunnelState{remote.TunnelStatus, "Set by the far side of this model."}
	case remote.TunnelStatus == "" && remote.Secret != "" && remote.Secret != view.Secret:
		return TunnelState{"AUTHORIZATION_ERROR", "Auth error. Check that both ends use the same shared secret."}
	}
	return TunnelState{established, "Tunnel is up and running."}
}

// Session is up when the line carries it and both ends mean each other.
func (m *model) Session(view SessionView) SessionState {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := m.session(view)
	if !state.Up {
		delete(m.since, view.Key())
		return state
	}
	if _, known := m.since[view.Key()]; !known {
		m.since[view.Key()] = m.now()
	}
	state.Since = m.since[view.Key()]
	return state
}

func (m *model) session(view SessionView) SessionState {
	address := view.PeerIP
	if view.Tunnel != "" {
		address = m.outside[view.Tunnel]
	}
	remote := m.remote(address)
	switch {
	case !view.Enabled:
		return SessionState{State: "Idle", Reason: "the peer is disabled"}
	case !view.TunnelUp:
		return SessionState{State: "Connect", Reason: "what carries the session is down"}
	case remote == nil:
		return SessionState{State: "Connect", Reason: "no far router answers"}
	case remote.SessionDown != "":
		return SessionState{State: "Active", Reason: remote.SessionDown}
	case remote.ASN != 0 && remote.ASN != view.PeerASN:
		return SessionState{State: "OpenSent", Reason: "the far router has another ASN"}
	}
	return SessionState{Up: true, State: "Established", Learned: slices.Clone(remote.Prefixes)}
}
