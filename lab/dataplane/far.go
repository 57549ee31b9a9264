package dataplane

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"causeway/internal/gcptest"
	"causeway/lab/bird"
	"causeway/lab/proc"
	"causeway/lab/topology"
)

// FarState is how the far side's half does.
type FarState struct {
	Configured bool            `json:"configured"`
	Sessions   []bird.Protocol `json:"sessions"`
	Routes     []string        `json:"routes"` // of the far side's kernel, as `ip route` tells them
}

// SetFar configures the far side's half and starts its router, or changes what
// runs. A configuration that bird does not take is refused and changes nothing.
func (p *Plane) SetFar(far Far) error {
	if strings.TrimSpace(far.Bird) == "" {
		return errors.New("configure the far side: bird's configuration is empty")
	}
	p.farMu.Lock()
	defer p.farMu.Unlock()
	o := p.speakerOptions(topology.Far)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("configure the far side: %w", err)
	}
	if err := bird.Check(o.Dir, far.Bird); err != nil {
		return fmt.Errorf("configure the far side: %w", err)
	}
	far.Keys, far.Addresses = maps.Clone(far.Keys), slices.Clone(far.Addresses)
	if p.speaker != nil {
		if err := p.speaker.Configure(far.Bird); err != nil {
			return fmt.Errorf("configure the far side: %w", err)
		}
	} else {
		s, err := bird.Start(o, far.Bird)
		if err != nil {
			return fmt.Errorf("configure the far side: %w", err)
		}
		p.speaker = s
		p.watch(s)
	}
	p.setFar(&far)
	return nil
}

// DropFar takes the far side's half away: its router ends, its tunnels go down.
func (p *Plane) DropFar() {
	p.farMu.Lock()
	defer p.farMu.Unlock()
	p.endFar()
	p.setFar(nil)
}

func (p *Plane) setFar(far *Far) {
	p.mu.Lock()
	p.far = far
	p.mu.Unlock()
	p.again()
}

// endFar ends the far router. The caller holds farMu.
func (p *Plane) endFar() {
	if p.speaker == nil {
		return
	}
	p.speaker.Stop()
	p.mu.Lock()
	p.watched = slices.DeleteFunc(p.watched, func(other *proc.Process) bool { return other == p.speaker.Process() })
	p.mu.Unlock()
	p.speaker = nil
}

// Far tells how the far side's half does.
func (p *Plane) Far() (FarState, error) {
	p.farMu.Lock()
	defer p.farMu.Unlock()
	state := FarState{Configured: p.speaker != nil, Sessions: []bird.Protocol{}, Routes: []string{}}
	if p.speaker != nil {
		protocols, err := p.speaker.Protocols()
		if err != nil {
			return state, err
		}
		for _, one := range protocols {
			if one.Type == "BGP" {
				state.Sessions = append(state.Sessions, one)
			}
		}
	}
	routes, err := p.o.Spaces[topology.Far].Routes()
	for _, r := range routes {
		state.Routes = append(state.Routes, r.String())
	}
	slices.Sort(state.Routes)
	return state, err
}

// Fabric is the emulator's Fabric without the pre-shared keys.
func (p *Plane) Fabric() gcptest.Fabric {
	f := p.o.Google.Fabric()
	for i := range f.Tunnels {
		f.Tunnels[i].Secret = ""
	}
	return f
}
