package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// PeeringChange is what is to become of a peering's flags; nil leaves one as it is.
type PeeringChange struct {
	Export, Import *bool // custom routes
}

func (p PeeringChange) fields() map[string]bool {
	out := map[string]bool{}
	if p.Export != nil {
		out["exportCustomRoutes"] = *p.Export
	}
	if p.Import != nil {
		out["importCustomRoutes"] = *p.Import
	}
	return out
}

func peeringPath(network Ref, name string) string {
	return "peering " + networkPath(network) + "/peerings/" + name
}

// UpdatePeering changes flags of a network's peering, sends none that is not to
// change, waits, and reads the network again. Google changes one peering of a
// network at a time: while another change runs on either side, it waits up to ten
// minutes, then it fails with CW-NET-PEERING-BUSY. It fails with
// CW-NET-NO-PEERING, without a call, for an empty name (a cluster behind Private
// Service Connect has no peering), with CW-NET-PEERING-GONE when the network has
// no such peering, with CW-GCP-PRECONDITION when a flag is not as asked afterwards.
func (c *Cloud) UpdatePeering(ctx context.Context, network Ref, name string, change PeeringChange, note func(string)) error {
	const verb = "update"
	if name == "" {
		return &Error{Verb: verb, Resource: "peering of " + networkPath(network), code: codeNoPeering,
			Message: "there is none: its name is empty"}
	}
	fields := change.fields()
	if len(fields) == 0 {
		return nil
	}
	path := peeringPath(network, name)
	body := map[string]any{"name": name}
	for field, value := range fields {
		body[field] = value
	}
	err := c.patiently(ctx, "peering or route operation on the local or peer network", peeringBusy, note, func() error {
		op, err := c.change(ctx, http.MethodPatch, networkPath(network)+"/updatePeering", map[string]any{"networkPeering": body})
		if err != nil {
			return wrap(verb, path, err)
		}
		return c.waitGlobal(ctx, verb, path, network.Project, op, note)
	})
	var refused *Error
	switch {
	case err == nil:
	case peeringBusy(err) && errors.As(err, &refused):
		refused.code = codePeeringBusy
		return err
	case errors.As(err, &refused) && (refused.HTTP == http.StatusBadRequest || refused.HTTP == http.StatusNotFound):
		// Google's words for a peering that is not there are not settled: look.
		if now, readErr := c.Network(ctx, network.Project, network.Name); readErr == nil {
			if _, ok := now.Peering(name); !ok {
				return peeringGone(verb, path, now)
			}
		}
		return err
	default:
		return err
	}
	return c.confirmPeering(ctx, network, name, fields)
}

// confirmPeering reads the network after a change: another tool may have changed
// the same peering just then.
func (c *Cloud) confirmPeering(ctx context.Context, network Ref, name string, fields map[string]bool) error {
	const verb = "update"
	path := peeringPath(network, name)
	now, err := c.Network(ctx, network.Project, network.Name)
	if err != nil {
		return err
	}
	found, ok := now.Peering(name)
	if !ok {
		return peeringGone(verb, path, now)
	}
	have := map[string]bool{"exportCustomRoutes": found.ExportCustomRoutes, "importCustomRoutes": found.ImportCustomRoutes}
	for field, want := range fields {
		if have[field] != want {
			return &Error{Verb: verb, Resource: path, code: codePrecondition,
				Message: fmt.Sprintf("%s was set to %t and is %t again", field, want, have[field])}
		}
	}
	return nil
}

func peeringGone(verb, path string, network Network) error {
	names := make([]string, len(network.Peerings))
	for i, one := range network.Peerings {
		names[i] = one.Name
	}
	have := "has none"
	if len(names) > 0 {
		have = "has " + strings.Join(names, ", ")
	}
	return &Error{Verb: verb, Resource: path, Message: "the network has no such peering; it " + have, code: codePeeringGone}
}

// peeringBusy knows the two wordings by which Google puts a peering change off.
func peeringBusy(err error) bool {
	var e *Error
	return errors.As(err, &e) && (strings.Contains(e.Message, "There is a peering operation in progress on the local or peer network") ||
		strings.Contains(e.Message, "There is a route operation in progress on the local or peer network"))
}

const (
	// busyTimeout bounds the wait for what another one changes.
	busyTimeout = 10 * time.Minute
	busyFirst   = 2 * time.Second
	busyLongest = 30 * time.Second
)

// patiently repeats do while it is refused because another operation runs, with
// longer and longer pauses, up to busyTimeout. what names that operation for note.
func (c *Cloud) patiently(ctx context.Context, what string, busy func(error) bool, note func(string), do func() error) error {
	started, pause := c.now(), busyFirst
	for {
		err := do()
		if err == nil || !busy(err) {
			return err
		}
		waited := c.now().Sub(started)
		if waited+pause > busyTimeout {
			var e *Error
			if errors.As(err, &e) {
				e.Message = fmt.Sprintf("%s (waited %s for it)", strings.TrimSuffix(e.Message, "."), waited.Round(time.Second))
			}
			return err
		}
		if note != nil {
			note(fmt.Sprintf("waiting for another %s, %s of %s so far", what, waited.Round(time.Second), busyTimeout))
		}
		if err := c.pause(ctx, pause); err != nil {
			return wrap("wait for", what, err)
		}
		pause = min(2*pause, busyLongest)
	}
}
