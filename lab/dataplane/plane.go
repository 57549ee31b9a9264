package dataplane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/bird"
	"causeway/lab/netns"
	"causeway/lab/place"
	"causeway/lab/proc"
	"causeway/lab/topology"
)

// pollEvery is how often the speakers are asked how their sessions do, and the
// Fabric is read when nothing told of a change: the emulator's operations end by the
// clock. healEvery is how often what is in place is compared with what is wanted.
const (
	pollEvery = 200 * time.Millisecond
	healEvery = 2 * time.Second
)

// Google is what a Plane needs of the emulator.
type Google interface {
	Fabric() gcptest.Fabric
	Changed() <-chan struct{}
}

// Options say what a Plane moves.
type Options struct {
	Line   topology.Line
	Google Google
	Spaces map[string]*netns.Space // all of the line's namespaces
	Place  place.Place
	Note   func(string) // told of trouble
}

// Plane keeps the namespaces as the emulator's configuration says.
type Plane struct {
	o       Options
	poke    chan struct{}
	routers map[string]*bird.Speaker // by namespace; the loop's own
	applied Want                     // the loop's own
	whole   bool                     // the last pass left nothing undone
	healed  time.Time
	trouble string

	mu       sync.Mutex
	far      *Far
	numbers  map[string]int
	up       map[string]bool // tunnels whose link is there
	sessions map[string]gcptest.SessionState
	watched  []*proc.Process

	farMu   sync.Mutex // held while the far speaker is started, changed or asked
	speaker *bird.Speaker
}

// New makes a Plane. It starts nothing.
func New(o Options) *Plane {
	return &Plane{
		o: o, poke: make(chan struct{}, 1), routers: map[string]*bird.Speaker{},
		numbers: map[string]int{}, up: map[string]bool{}, sessions: map[string]gcptest.SessionState{},
	}
}

// Start starts the networks' speakers and the filters, before any packet moves.
func (p *Plane) Start() error {
	f := p.o.Google.Fabric()
	w := Plan(p.o.Line, f, nil, nil)
	for namespace, config := range w.Routers {
		s, err := bird.Start(p.speakerOptions(namespace), config)
		if err != nil {
			return errors.Join(err, p.stop())
		}
		p.routers[namespace] = s
		p.watch(s)
	}
	for namespace, rules := range w.Filters {
		if err := install(p.o.Spaces[namespace], hooks, rules); err != nil {
			return errors.Join(err, p.stop())
		}
	}
	p.applied = w
	return nil
}

func (p *Plane) speakerOptions(namespace string) bird.Options {
	name := "bird-" + namespace
	return bird.Options{Name: name, Dir: filepath.Join(p.o.Place.Run, "bird"), Log: p.o.Place.Log(name), Space: p.o.Spaces[namespace], Note: p.o.Note}
}

func (p *Plane) watch(s *bird.Speaker) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.watched = append(p.watched, s.Process())
}

// Processes lists the speakers that were started and not taken away.
func (p *Plane) Processes() []*proc.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.watched)
}

// Run follows the emulator until ctx ends; then it ends the speakers.
func (p *Plane) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		changed := p.o.Google.Changed() // before it is read: no change is missed
		p.pass()
		select {
		case <-ctx.Done():
			return p.stop()
		case <-changed:
		case <-p.poke:
		case <-tick.C:
		}
	}
}

// pass puts in place what is wanted now, then looks how the sessions do.
func (p *Plane) pass() {
	f := p.o.Google.Fabric()
	p.mu.Lock()
	p.numbers = Number(p.numbers, f.Tunnels)
	far, numbers := p.far, p.numbers
	p.mu.Unlock()
	err := errors.Join(p.apply(Plan(p.o.Line, f, far, numbers)), p.look(f))
	p.whole = err == nil
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != p.trouble && text != "" {
		p.o.Note("the data plane: " + text)
	}
	p.trouble = text
}

// again has the loop make another pass at once.
func (p *Plane) again() {
	select {
	case p.poke <- struct{}{}:
	default: // one is due already
	}
}

// look asks the speakers how each session of the Fabric does.
func (p *Plane) look(f gcptest.Fabric) error {
	now := map[string]gcptest.SessionState{}
	var errs []error
	for namespace, speaker := range p.routers {
		protocols, err := speaker.Protocols()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, s := range f.Sessions {
			if topology.NamespaceOf(s.Network) != namespace {
				continue
			}
			n := name(s.Key())
			for _, protocol := range protocols {
				if protocol.Name != n {
					continue
				}
				state := gcptest.SessionState{Up: protocol.Up, State: protocol.State, Reason: protocol.Error}
				if state.Up {
					state.Since, state.Reason = protocol.Since, ""
					if state.Learned, err = speaker.Routes("t"+n, n); err != nil {
						errs = append(errs, err)
					}
					slices.SortFunc(state.Learned, netip.Prefix.Compare)
				}
				now[s.Key()] = state
			}
		}
	}
	p.mu.Lock()
	differs := fmt.Sprint(p.sessions) != fmt.Sprint(now)
	p.sessions = now
	p.mu.Unlock()
	if differs {
		p.again()
	}
	return errors.Join(errs...)
}

// stop ends the speakers.
func (p *Plane) stop() error {
	p.farMu.Lock()
	defer p.farMu.Unlock()
	p.endFar()
	for namespace, s := range p.routers {
		s.Stop()
		delete(p.routers, namespace)
	}
	return nil
}
