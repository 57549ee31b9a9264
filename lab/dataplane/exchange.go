package dataplane

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/netns"
	"causeway/lab/place"
	"causeway/lab/topology"
)

// Connections is what an Exchange needs of the emulator.
type Connections interface {
	Connections() []gcptest.Connection
	PrivateNames() []gcptest.PrivateName
	Changed() <-chan struct{}
}

// ExchangeOptions say what an Exchange moves.
type ExchangeOptions struct {
	Line   topology.Line // with consumers
	Google Connections
	Spaces map[string]*netns.Space // all of the line's namespaces
	Place  place.Place
	// Names are what all networks are told, beside their private zones: what stands in
	// public DNS.
	Names map[string]netip.Addr
	Note  func(string) // told of trouble
}

// Exchange is Google's network between consumers and producers of Private Service
// Connect: it keeps the translation as the emulator's connections say, and the names
// of each network as its private zones say.
//
//	e := dataplane.NewExchange(dataplane.ExchangeOptions{Line: topology.LineStatic, Google: server, ...})
//	if err := e.Start(); err != nil { ... }
//	go e.Run(ctx)
type Exchange struct {
	o       ExchangeOptions
	applied Translation // the loop's own
	healed  time.Time
	trouble string

	mu    sync.Mutex
	shown Translation
}

// NewExchange makes an Exchange. It starts nothing.
func NewExchange(o ExchangeOptions) *Exchange { return &Exchange{o: o} }

// Start closes the networks before any packet moves.
func (e *Exchange) Start() error {
	consumers := e.o.Line.Consumers()
	for _, c := range consumers {
		if err := install(e.o.Spaces[c.Namespace], consumerHooks, leave(c)); err != nil {
			return err
		}
	}
	if err := install(e.o.Spaces[topology.Exchange], exchangeHooks, Translate(consumers, nil, nil).Rules); err != nil {
		return err
	}
	return e.pass()
}

// Run follows the emulator until ctx ends.
func (e *Exchange) Run(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		changed := e.o.Google.Changed() // before it is read: no change is missed
		text := ""
		if err := e.pass(); err != nil {
			text = err.Error()
		}
		if text != e.trouble && text != "" {
			e.o.Note("the exchange: " + text)
		}
		e.trouble = text
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-tick.C:
		}
	}
}

// Translation tells how packets are translated now.
func (e *Exchange) Translation() Translation {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.shown
}

func (e *Exchange) pass() error {
	errs := []error{e.names()}
	t := Translate(e.o.Line.Consumers(), e.o.Google.Connections(), e.applied.NAT)
	if reflect.DeepEqual(t, e.applied) && time.Since(e.healed) < healEvery {
		return errors.Join(errs...)
	}
	if t.Rules != e.applied.Rules {
		if err := restore(e.o.Spaces[topology.Exchange], t.Rules); err != nil {
			errs = append(errs, err)
			t.Rules = "" // to be tried again
		}
	}
	errs = append(errs, e.o.Spaces[topology.VPC].SetRoutes(t.Routes))
	e.applied, e.healed = t, time.Now()
	e.mu.Lock()
	e.shown = t
	e.mu.Unlock()
	return errors.Join(errs...)
}

// names writes what the machines of each network are told for a name: a hosts file
// that site gives to whoever stands there.
func (e *Exchange) names() error {
	private := e.o.Google.PrivateNames()
	var errs []error
	for _, namespace := range e.o.Line.Namespaces() {
		if namespace == topology.Exchange || namespace == topology.Master {
			continue // nobody stands there
		}
		errs = append(errs, writeNames(e.o.Place.Hosts(namespace), Hosts(namespace, e.o.Names, private)))
	}
	return errors.Join(errs...)
}

// Hosts is the hosts file of a namespace: public names, and those of the private
// zones that its network sees.
func Hosts(namespace string, public map[string]netip.Addr, private []gcptest.PrivateName) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost\n")
	for _, one := range private { // before the public ones: the first line counts
		if topology.NamespaceOf(one.Network) == namespace {
			fmt.Fprintf(&b, "%s %s\n", one.Address, one.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(public)) {
		fmt.Fprintf(&b, "%s %s\n", public[name], name)
	}
	return b.String()
}

// writeNames writes in place when the text is another: those who have the file
// mounted must see it.
func writeNames(file, text string) error {
	if had, err := os.ReadFile(file); err == nil && string(had) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write names: %w", err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("write names: %w", err)
	}
	return nil
}
