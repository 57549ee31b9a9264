package gcp

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// rangesPerSession is how many custom ranges a BGP session announces at most, IPv4
// and IPv6 together (cloud.google.com/network-connectivity/docs/router/quotas).
const rangesPerSession = 200

// RouterEdit is a change of a router. What it does not name stays as it is.
type RouterEdit struct {
	Advertise     *Advertisement           // the router's list; DEFAULT clears groups and ranges
	PeerAdvertise map[string]Advertisement // the list of a peer
	AddInterfaces []RouterInterface
	AddPeers      []BGPPeer // with Enabled as it is to be
	// DropInterfaces and DropPeers name what is to go; what is gone already is no error.
	DropInterfaces, DropPeers []string
	EnablePeers               map[string]bool
}

// EditRouter changes a router and returns it as it is afterwards, read anew.
//
// Routers have no fingerprint: the last writer wins, and lists are written whole.
// So this reads the router as the API wrote it, asks edit what to do, sends one
// patch that carries only the lists which change (never nats), their untouched
// entries as they were with all fields, waits, and reads again. Two edits of one
// Cloud never run at once; while another tool's operation runs, it waits up to
// 10 minutes and begins anew. An edit that changes nothing sends nothing.
//
// It fails with CW-BGP-CHANGED (and the router as it is) when another tool undid
// the change at once or a peer is gone, with CW-BGP-RANGES when a list would hold
// more than 200 ranges, with CW-NET-LINK-LOCAL when a link overlaps another one of
// the network, and with what edit returns.
func (c *Cloud) EditRouter(ctx context.Context, ref Ref, edit func(Router) (RouterEdit, error), note func(string)) (Router, error) {
	unlock, err := c.routerLocks.lock(ctx, routerURL(ref))
	if err != nil {
		return Router{}, wrap("change", "router "+routerURL(ref), err)
	}
	defer unlock()
	ctx, started := context.WithValue(ctx, readAnewKey{}, true), c.now()
	for {
		router, err := c.editOnce(ctx, ref, edit, note)
		if !hasCode(err, codeBusy) || c.now().Sub(started) > operationTimeout {
			return router, err
		}
		if note != nil {
			note(fmt.Sprintf("another operation changes router %s; waiting for %s", ref.Name, c.now().Sub(started).Round(time.Second)))
		}
		if err := c.pause(ctx, 2*time.Second); err != nil {
			return router, wrap("change", "router "+routerURL(ref), err)
		}
	}
}

func (c *Cloud) editOnce(ctx context.Context, ref Ref, edit func(Router) (RouterEdit, error), note func(string)) (Router, error) {
	resource := "router " + routerURL(ref)
	doc, have, err := c.routerDocument(ctx, ref)
	if err != nil {
		return Router{}, err
	}
	change, err := edit(have)
	if err != nil {
		return have, err
	}
	patch, err := change.patch(doc, resource)
	if err != nil || len(patch) == 0 {
		return have, err
	}
	op, err := c.change(ctx, http.MethodPatch, routerURL(ref), patch)
	if err != nil {
		return have, wrap("change", resource, err)
	}
	if err := c.waitRegion(ctx, "change", resource, ref.Project, ref.Region, op, note); err != nil {
		return have, err
	}
	_, now, err := c.routerDocument(ctx, ref)
	if err != nil {
		return have, err
	}
	if lost := change.undone(have, now); lost != "" {
		return now, &Error{Verb: "change", Resource: resource, code: codeBGPChanged,
			Message: "another tool wrote the router at the same time: " + lost + " is not as it was set"}
	}
	return now, nil
}

func (c *Cloud) routerDocument(ctx context.Context, ref Ref) (document, Router, error) {
	doc, err := c.rawCompute.get(ctx, routerURL(ref))
	if wrapped := wrap("read", "router", err); rehearsing(ctx) != nil && NotFound(wrapped) {
		doc, err = document{"bgp": map[string]any{}}, nil // it would have been made before
	}
	if err != nil {
		return nil, Router{}, wrap("read", "router "+routerURL(ref), err)
	}
	router, err := parseRouter(ref, doc)
	return doc, router, err
}

// readAnewKey marks, in a context, calls that must not be repeated as they are when
// Google says "not ready": what they write has to be read anew first.
type readAnewKey struct{}

// locks keeps two goroutines off the same thing. The zero value is ready.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// lock waits for its turn or for the end of ctx.
func (l *locks) lock(ctx context.Context, key string) (unlock func(), err error) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]chan struct{}{}
	}
	turn, ok := l.held[key]
	if !ok {
		turn = make(chan struct{}, 1)
		l.held[key] = turn
	}
	l.mu.Unlock()
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
