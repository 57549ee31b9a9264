package kube

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// leaseLife is how long a Lease counts without renewal. A run that was killed
// keeps others out for that long; a third of it passes between renewals, so two
// may be lost.
const leaseLife = 60 * time.Second

// lock is a Lease that this run holds.
type lock struct {
	client *Client
	ref    Ref
	holder string
	lease  *unstructured.Unstructured // as last written
	cancel context.CancelFunc
	ended  sync.WaitGroup
}

// Lock takes a Lease, so that of two runs at once one is refused
// (CW-RUN-LOCKED, with who holds it and for how long). It is renewed in the
// background until release, which deletes it. When it is lost (this machine
// slept, somebody deleted it), every later write of the client fails with
// CW-RUN-LOCK-LOST: another run may be writing.
//
// The age of another's Lease is measured by the API server's clock alone, so
// machines whose clocks differ do not matter.
func (c *Client) Lock(ctx context.Context, namespace, name string) (release func(), err error) {
	suffix := make([]byte, 3) // two runs of one person on one machine are two
	if _, err := io.ReadFull(c.env.Rand, suffix); err != nil {
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	l := &lock{client: c, holder: c.env.Holder + " (" + hex.EncodeToString(suffix) + ")",
		ref: Ref{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease", Namespace: namespace, Name: name}}
	for attempt := 1; ; attempt++ {
		err = l.take(ctx)
		// Somebody was faster: look again who it was.
		if err != nil && attempt < 5 && (apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err)) {
			continue
		}
		break
	}
	if err != nil {
		return nil, wrap("lock", l.ref.String(), err)
	}
	renewing, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l.cancel = cancel
	l.ended.Go(func() { l.keep(renewing) })
	return sync.OnceFunc(l.release), nil
}

// take makes the Lease, or takes one over that is free or has expired.
func (l *lock) take(ctx context.Context) error {
	held, now, err := l.read(ctx)
	if err != nil {
		return err
	}
	if held == nil {
		return l.write(ctx, true)
	}
	holder, _, _ := unstructured.NestedString(held.Object, "spec", "holderIdentity")
	life := leaseLife
	if seconds, found, _ := unstructured.NestedInt64(held.Object, "spec", "leaseDurationSeconds"); found {
		life = time.Duration(seconds) * time.Second
	}
	if age := now.Sub(lastWrite(held)); holder != "" && age <= life && !l.client.env.Ended(holder) {
		acquired, _, _ := unstructured.NestedString(held.Object, "spec", "acquireTime")
		return fail("CW-RUN-LOCKED", "lock", l.ref.String(), "held by %s since %s (renewed %s ago; it ends %s after the last renewal)",
			holder, acquired, age.Round(time.Second), life)
	}
	l.lease = held
	return l.write(ctx, false)
}

// read gets the Lease (nil: none) and the API server's time.
func (l *lock) read(ctx context.Context) (*unstructured.Unstructured, time.Time, error) {
	path := "/apis/coordination.k8s.io/v1/namespaces/" + l.ref.Namespace + "/leases/" + l.ref.Name
	body, response, err := l.client.raw(ctx, path, "application/json")
	if apierrors.IsNotFound(err) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	now, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		now = l.client.env.Now() // a front end took the header away
	}
	held := &unstructured.Unstructured{}
	return held, now, held.UnmarshalJSON(body)
}

// lastWrite is when somebody last wrote the Lease, by the API server's clock.
func lastWrite(lease *unstructured.Unstructured) time.Time {
	last := lease.GetCreationTimestamp().Time
	for _, entry := range lease.GetManagedFields() {
		if entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}

// write creates the Lease or replaces the version in l.lease, and keeps what the
// API server made of it.
func (l *lock) write(ctx context.Context, create bool) error {
	now := l.client.env.Now().UTC().Format("2006-01-02T15:04:05.000000Z07:00")
	acquired := now
	meta := map[string]any{"name": l.ref.Name, "namespace": l.ref.Namespace, "labels": map[string]any{ManagedByLabel: FieldManager}}
	if !create {
		meta["resourceVersion"], meta["uid"] = l.lease.GetResourceVersion(), string(l.lease.GetUID())
		if holder, _, _ := unstructured.NestedString(l.lease.Object, "spec", "holderIdentity"); holder == l.holder {
			acquired, _, _ = unstructured.NestedString(l.lease.Object, "spec", "acquireTime")
		}
	}
	wanted := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta,
		"spec": map[string]any{"holderIdentity": l.holder, "leaseDurationSeconds": int64(leaseLife / time.Second),
			"acquireTime": acquired, "renewTime": now}}}
	var made *unstructured.Unstructured
	var err error
	if create {
		made, err = l.client.in(l.ref).Create(ctx, wanted, metav1.CreateOptions{FieldManager: FieldManager})
	} else {
		made, err = l.client.in(l.ref).Update(ctx, wanted, metav1.UpdateOptions{FieldManager: FieldManager})
	}
	if err == nil {
		l.lease = made
	}
	return err
}

// keep renews the Lease until ctx ends or it is lost.
func (l *lock) keep(ctx context.Context) {
	renewed := l.client.env.Now()
	for sleep(ctx, l.client.env.After(leaseLife/3)) {
		err := l.renew(ctx)
		switch {
		case err == nil:
			renewed = l.client.env.Now()
		case ctx.Err() != nil || errors.Is(err, errWentWithNamespace):
			return
		case errors.Is(err, errTaken) || l.client.env.Now().Sub(renewed) >= leaseLife:
			lost := fail("CW-RUN-LOCK-LOST", "hold", l.ref.String(), "the lock was lost: %w", err)
			l.client.lost.Store(lost)
			l.client.env.Note(lost.Error())
			return
		}
	}
}

var errTaken = errors.New("another run holds it, or somebody deleted it")

// errWentWithNamespace: a destroy deletes the namespace with the Lease in it and
// goes on. Nobody can take a Lease in a namespace that is on its way out.
var errWentWithNamespace = errors.New("the Lease went with its namespace")

// gone says what it means that the Lease is not there any more.
func (l *lock) gone(ctx context.Context) error {
	namespace, err := l.client.Get(ctx, Ref{Version: "v1", Kind: "Namespace", Name: l.ref.Namespace})
	if err == nil && (namespace == nil || namespace.GetDeletionTimestamp() != nil) {
		return errWentWithNamespace
	}
	return errTaken
}

func (l *lock) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err := l.write(ctx, false)
	if apierrors.IsNotFound(err) {
		return l.gone(ctx)
	}
	if !apierrors.IsConflict(err) {
		return err
	}
	// Written by somebody: still ours when only its labels changed, say.
	held, _, err := l.read(ctx)
	if err != nil {
		return err
	}
	if held == nil {
		return l.gone(ctx)
	}
	if holder, _, _ := unstructured.NestedString(held.Object, "spec", "holderIdentity"); holder != l.holder {
		return errTaken
	}
	l.lease = held
	return l.write(ctx, false)
}

// release stops the renewal and deletes the Lease, if it is still this run's. A
// failure costs others a minute at most, so it is not reported.
func (l *lock) release() {
	l.cancel()
	l.ended.Wait()
	if l.client.lost.Load() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if !apierrors.IsConflict(l.drop(ctx)) {
		return
	}
	// A renewal that was cut off may have arrived all the same.
	held, _, err := l.read(ctx)
	if err != nil || held == nil {
		return
	}
	if holder, _, _ := unstructured.NestedString(held.Object, "spec", "holderIdentity"); holder == l.holder {
		l.lease = held
		_ = l.drop(ctx)
	}
}

// drop deletes the version of the Lease that this run knows.
func (l *lock) drop(ctx context.Context) error {
	uid, version := l.lease.GetUID(), l.lease.GetResourceVersion()
	return l.client.in(l.ref).Delete(ctx, l.ref.Name, metav1.DeleteOptions{
		Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}})
}
