package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

// lookEvery is how often a wait looks at what a watch does not show: events,
// Pods, and the object itself should the watch be silent.
const lookEvery = 2 * time.Second

// waiting is one wait for one object.
type waiting struct {
	ref   Ref
	bound time.Duration
	note  func(string)
	what  string // "the load balancer bears 10.0.0.5"
	// check looks at the object (nil: there is none); an error ends the wait.
	check func(live *unstructured.Unstructured) (bool, error)
	// trouble looks at what surrounds the object. Its text is noted; an error ends
	// the wait. Nil: nothing to look at.
	trouble func(ctx context.Context, live *unstructured.Unstructured, waited time.Duration) (string, error)
	// late makes the error of a wait that reached its bound; nil: a plain one.
	late func() *Error
}

// wait watches an object until check holds. A change is seen as it comes; a
// watch that breaks, or is not allowed, costs at most lookEvery.
func (c *Client) wait(ctx context.Context, w waiting) error {
	if w.note == nil {
		w.note = func(string) {}
	}
	began := c.env.Now()
	expired, told := c.env.After(w.bound), ""
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	changes := c.changes(ctx, w.ref)
	for {
		live, err := c.Get(ctx, w.ref)
		if err != nil && !passing(err) {
			return err
		}
		if err == nil {
			if done, err := w.check(live); done || err != nil {
				return wrapWait(w, err)
			}
		}
		if w.trouble != nil && err == nil {
			text, err := w.trouble(ctx, live, c.env.Now().Sub(began))
			if err != nil {
				return err
			}
			if text != "" && text != told {
				told = text
				w.note(text)
			}
		}
		if done, err := c.pauseUntilNews(ctx, w, changes, expired); done || err != nil {
			return err
		}
	}
}

// pauseUntilNews returns when it is time to look again.
func (c *Client) pauseUntilNews(ctx context.Context, w waiting, changes <-chan *unstructured.Unstructured, expired <-chan time.Time) (bool, error) {
	look := c.env.After(lookEvery)
	for {
		select {
		case live := <-changes:
			if done, err := w.check(live); done || err != nil {
				return done, wrapWait(w, err)
			}
		case <-look:
			return false, nil
		case <-expired:
			if w.late != nil {
				return false, w.late()
			}
			return false, fail("CW-KUBE-TIMEOUT", "wait for", w.ref.String(), "%s: not within %s", w.what, w.bound)
		case <-ctx.Done():
			return false, &Error{Verb: "wait for", Resource: w.ref.String(), Cause: context.Cause(ctx)}
		}
	}
}

func wrapWait(w waiting, err error) error { return wrap("wait for", w.ref.String(), err) }

// passing reports whether an error during a wait may end by itself: the network,
// the control plane being replaced.
func passing(err error) bool {
	var known *Error
	return errors.As(err, &known) && (known.code == "CW-KUBE-UNREACHABLE" || known.code == "CW-KUBE-BUSY")
}

// changes gives each state of the object that a watch shows (nil: deleted), until
// ctx ends. It is an accelerator only: whoever reads it must also look himself.
func (c *Client) changes(ctx context.Context, ref Ref) <-chan *unstructured.Unstructured {
	out := make(chan *unstructured.Unstructured)
	go func() {
		for ctx.Err() == nil {
			if !c.watchOnce(ctx, ref, out) {
				return // not allowed to watch: looking must do
			}
		}
	}()
	return out
}

// watchOnce forwards one watch; false when another makes no sense.
func (c *Client) watchOnce(ctx context.Context, ref Ref, out chan<- *unstructured.Unstructured) bool {
	watcher, err := c.in(ref).Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + ref.Name})
	if err != nil {
		if !transient(err) {
			return false
		}
		return sleep(ctx, c.env.After(lookEvery))
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		live, isObject := event.Object.(*unstructured.Unstructured)
		if !isObject || event.Type == watch.Error {
			return sleep(ctx, c.env.After(lookEvery))
		}
		if event.Type == watch.Deleted {
			live = nil
		}
		select {
		case out <- live:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// sleep returns false when ctx ended first.
func sleep(ctx context.Context, until <-chan time.Time) bool {
	select {
	case <-until:
		return true
	case <-ctx.Done():
		return false
	}
}

// goneBound: an object with a load balancer behind it goes when the cloud has
// let go of the forwarding rule, a namespace when all in it is gone.
const goneBound = 10 * time.Minute

// WaitGone waits until the object is gone, at most ten minutes, and notes what
// holds it.
func (c *Client) WaitGone(ctx context.Context, ref Ref, note func(string)) error {
	var held []string
	return c.wait(ctx, waiting{ref: ref, bound: goneBound, note: note, what: "gone",
		check: func(live *unstructured.Unstructured) (bool, error) { return live == nil, nil },
		trouble: func(_ context.Context, live *unstructured.Unstructured, _ time.Duration) (string, error) {
			held = holders(live)
			if len(held) == 0 {
				return "", nil
			}
			return "waits for " + strings.Join(held, ", "), nil
		},
		late: func() *Error {
			return fail("CW-KUBE-STUCK", "wait for", ref.String(), "it is not gone after %s; held by %v", goneBound, held)
		}})
}

// holders are the finalizers of an object, and for a namespace what is left in it.
func holders(live *unstructured.Unstructured) []string {
	if live == nil {
		return nil
	}
	held := live.GetFinalizers()
	conditions, _, _ := unstructured.NestedSlice(live.Object, "status", "conditions")
	for _, each := range conditions {
		condition, _ := each.(map[string]any)
		switch condition["type"] {
		case "NamespaceContentRemaining", "NamespaceFinalizersRemaining":
			if condition["status"] == "True" {
				held = append(held, fmt.Sprint(condition["message"]))
			}
		}
	}
	return held
}
