package kube

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

const lockName = "causeway-lock"

func (r rig) leaseRef() Ref {
	return Ref{Group: "coordination.k8s.io", Version: "v1", Kind: "Lease", Namespace: r.ns, Name: lockName}
}

// other is a second run's client.
func (r rig) other(holder string) *Client {
	r.Helper()
	client, err := New(r.server.Config, Env{Holder: holder})
	if err != nil {
		r.Fatal(err)
	}
	return client
}

func TestOfTwoRunsOneIsRefused(t *testing.T) {
	r := newRig(t, Env{Holder: "alice@laptop"})
	release, err := r.client.Lock(context.Background(), r.ns, lockName)
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.other("bob@bastion").Lock(context.Background(), r.ns, lockName)
	wantError(t, err, "CW-RUN-LOCKED", "held by alice@laptop", "renewed", "since 20")
	_, err = r.other("alice@laptop").Lock(context.Background(), r.ns, lockName)
	wantError(t, err, "CW-RUN-LOCKED", "held by alice@laptop")
	release()
	release() // twice is harmless
	if live, err := r.client.Get(context.Background(), r.leaseRef()); live != nil || err != nil {
		t.Errorf("the Lease stays: %v %v", live, err)
	}
	again, err := r.other("bob@bastion").Lock(context.Background(), r.ns, lockName)
	if err != nil {
		t.Fatalf("after the release: %v", err)
	}
	again()
}

func TestManyAtOnceOneGetsIt(t *testing.T) {
	r := newRig(t, Env{})
	const runs = 8
	var wait sync.WaitGroup
	releases, errs := make([]func(), runs), make([]error, runs)
	for i := range runs {
		client := r.other(fmt.Sprintf("run-%d", i))
		wait.Go(func() { releases[i], errs[i] = client.Lock(context.Background(), r.ns, lockName) })
	}
	wait.Wait()
	got := 0
	for i := range runs {
		if errs[i] == nil {
			got++
			defer releases[i]()
			continue
		}
		wantError(t, errs[i], "CW-RUN-LOCKED", "held by run-")
	}
	if got != 1 {
		t.Errorf("%d runs got the lock", got)
	}
}

func TestLeaseOfAKilledRunExpires(t *testing.T) {
	r := newRig(t, Env{})
	// A run that was killed: its Lease, with a life of one second, is not renewed.
	// Its own clock is an hour ahead, which must not matter.
	r.create(`{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: causeway-lock, namespace: NAMESPACE},
 spec: {holderIdentity: ghost, leaseDurationSeconds: 1, acquireTime: "` + time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05.000000Z") + `"}}`)
	_, err := r.client.Lock(context.Background(), r.ns, lockName)
	wantError(t, err, "CW-RUN-LOCKED", "held by ghost", "it ends 1s after")
	var release func()
	r.until("the Lease's end", func() bool {
		release, err = r.client.Lock(context.Background(), r.ns, lockName)
		return err == nil
	})
	defer release()
	holder, _, _ := unstructured.NestedString(r.get(r.leaseRef()).Object, "spec", "holderIdentity")
	if !strings.HasPrefix(holder, "causeway (") {
		t.Errorf("held by %q", holder)
	}
}

func TestLockIsRenewedAndItsLossStopsWrites(t *testing.T) {
	r := newRig(t, fast(100)) // renewed each 0.2 s
	release, err := r.client.Lock(context.Background(), r.ns, lockName)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	first := r.get(r.leaseRef()).GetResourceVersion()
	r.until("a renewal", func() bool { return r.get(r.leaseRef()).GetResourceVersion() != first })

	// Somebody labels it: it stays ours.
	r.patch(r.leaseRef(), "test", `{"metadata":{"labels":{"x":"1"}}}`)
	labelled := r.get(r.leaseRef()).GetResourceVersion()
	r.until("a renewal after another's change", func() bool { return r.get(r.leaseRef()).GetResourceVersion() != labelled })
	r.apply(r.manifest("ConfigMap"))

	// Another run takes it: this one must not write any more.
	r.patch(r.leaseRef(), "test", `{"spec":{"holderIdentity":"thief"}}`)
	r.until("the loss", func() bool { return r.client.lost.Load() != nil })
	configMap := r.manifest("ConfigMap")
	wantError(t, r.client.Apply(context.Background(), configMap), "CW-RUN-LOCK-LOST", "apply ConfigMap", "another run holds it")
	wantError(t, r.client.Delete(context.Background(), r.get(RefOf(configMap))), "CW-RUN-LOCK-LOST", "delete ConfigMap")
	if _, err := r.client.Token(context.Background(), r.ns, "default", time.Hour); err == nil {
		t.Error("a token was made without the lock")
	}
	if !strings.Contains(r.notes.text(), "the lock was lost") {
		t.Errorf("notes: %s", r.notes.text())
	}
	release()
	if holder, _, _ := unstructured.NestedString(r.get(r.leaseRef()).Object, "spec", "holderIdentity"); holder != "thief" {
		t.Error("the release deleted the other run's Lease")
	}
}

func TestDeletedLeaseIsALoss(t *testing.T) {
	r := newRig(t, fast(100))
	release, err := r.client.Lock(context.Background(), r.ns, lockName)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	if err := r.client.in(r.leaseRef()).Delete(context.Background(), lockName, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	r.until("the loss", func() bool { return r.client.lost.Load() != nil })
}

func TestLeaseThatGoesWithItsNamespaceIsNoLoss(t *testing.T) {
	r := newRig(t, fast(100))
	release, err := r.client.Lock(context.Background(), r.ns, lockName)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	held := r.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: held, namespace: NAMESPACE, finalizers: [test.causeway.dev/hold]}}")
	if err := r.client.Delete(context.Background(), r.get(Ref{Version: "v1", Kind: "Namespace", Name: r.ns})); err != nil {
		t.Fatal(err)
	}
	r.until("the Lease going", func() bool {
		live, err := r.client.Get(context.Background(), r.leaseRef())
		return err == nil && live == nil
	})
	// Three renewals' time: one of them must have met the missing Lease.
	<-r.client.env.After(leaseLife)
	if r.client.lost.Load() != nil {
		t.Error("it counts as a loss: the rest of a destroy would fail")
	}
	r.patch(RefOf(held), "test", `{"metadata":{"finalizers":null}}`)
}

func TestRenewalTellsWhyTheLeaseIsGone(t *testing.T) {
	r := newRig(t, Env{})
	l := &lock{client: r.client, ref: r.leaseRef()}
	if err := l.gone(context.Background()); !errors.Is(err, errTaken) {
		t.Errorf("in a namespace that lives: %v", err)
	}
	l.ref.Namespace = "no-such-namespace"
	if err := l.gone(context.Background()); !errors.Is(err, errWentWithNamespace) {
		t.Errorf("in a namespace that is gone: %v", err)
	}
}

func TestLockWithoutRights(t *testing.T) {
	r := newRig(t, Env{})
	config := rest.CopyConfig(r.server.Config)
	config.Impersonate.UserName = "nobody@example.com"
	client, err := New(config, Env{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Lock(context.Background(), r.ns, lockName)
	wantError(t, err, "CW-KUBE-FORBIDDEN", "leases")
}
