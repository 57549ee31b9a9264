package dataplane

import "causeway/internal/gcptest"

// Tunnel tells how a tunnel does: it is established when the far side's half has
// the same key and the link is there.
func (p *Plane) Tunnel(view gcptest.TunnelView) gcptest.TunnelState {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch status := match(p.far, view); {
	case status == nobody:
		return gcptest.TunnelState{Status: nobody, Detail: "No incoming packets from peer"}
	case status == otherKey:
		return gcptest.TunnelState{Status: otherKey, Detail: "Auth error. Check that both ends use the same shared secret."}
	case !p.up[view.Path]:
		return gcptest.TunnelState{Status: "FIRST_HANDSHAKE", Detail: "Handshake with peer is under way."}
	}
	return gcptest.TunnelState{Status: matched, Detail: "Tunnel is up and running."}
}

// Session tells how a session does, as the network's speaker told last.
func (p *Plane) Session(view gcptest.SessionView) gcptest.SessionState {
	p.mu.Lock()
	defer p.mu.Unlock()
	state, known := p.sessions[view.Key()]
	switch {
	case !view.Enabled:
		return gcptest.SessionState{State: "Idle", Reason: "the peer is disabled"}
	case view.Attachment != "":
		return gcptest.SessionState{State: "Connect", Reason: "the lab has no interconnect"}
	case !view.TunnelUp:
		return gcptest.SessionState{State: "Connect", Reason: "what carries the session is down"}
	case !known:
		return gcptest.SessionState{State: "Idle", Reason: "the session is about to start"}
	}
	return state
}
