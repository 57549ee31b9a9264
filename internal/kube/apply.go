package kube

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// Marked reports whether the live object carries the mark that the wanted one
// bears: made by causeway, for the same exposure.
func Marked(want, live *unstructured.Unstructured) bool {
	mark, have := want.GetLabels(), live.GetLabels()
	return mark[ManagedByLabel] == FieldManager && have[ManagedByLabel] == FieldManager &&
		mark[ExposureLabel] == have[ExposureLabel]
}

// Apply makes the object so, by server-side apply under the field manager
// causeway. Fields that somebody else took over are taken back, and the client's
// note says from whom, but only on an object that carries our mark. One without
// it is left alone: CW-KUBE-FOREIGN.
func (c *Client) Apply(ctx context.Context, want *unstructured.Unstructured) error {
	ref := RefOf(want)
	if err := c.mayWrite("apply", ref.String()); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := c.applyOnce(ctx, ref, want)
		// Gone or replaced between the look and the write: look again.
		if err != nil && attempt < 4 && errors.Is(err, errMoved) {
			continue
		}
		return err
	}
}

// errMoved says that the object is no longer the one that was looked at.
var errMoved = errors.New("the object changed meanwhile")

func (c *Client) applyOnce(ctx context.Context, ref Ref, want *unstructured.Unstructured) error {
	live, err := c.Get(ctx, ref)
	if err != nil {
		return err
	}
	marked := live != nil && Marked(want, live)
	if live != nil && !marked {
		return foreign(ref, live)
	}
	sent := want.DeepCopy()
	if live != nil {
		sent.SetUID(live.GetUID()) // the same object, or a conflict
	}
	err = c.patch(ctx, ref, sent, false)
	taken := conflicts(err)
	switch {
	case err == nil:
		return nil
	case len(taken) > 0 && marked:
		c.env.Note(fmt.Sprintf("%s: takes back %s", ref, strings.Join(taken, "; ")))
		return wrap("apply", ref.String(), c.patch(ctx, ref, sent, true))
	case len(taken) > 0:
		return fail("CW-KUBE-CONFLICT", "apply", ref.String(), "fields belong to somebody else: %s", strings.Join(taken, "; "))
	case apierrors.IsConflict(err) || apierrors.IsNotFound(err) && live != nil:
		return &Error{Verb: "apply", Resource: ref.String(), code: "CW-KUBE-CONFLICT", Cause: fmt.Errorf("%w: %w", errMoved, plain(err))}
	}
	return wrap("apply", ref.String(), err)
}

func (c *Client) patch(ctx context.Context, ref Ref, object *unstructured.Unstructured, force bool) error {
	body, err := object.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode %s: %w", ref, err)
	}
	return c.try(ctx, func() error {
		_, err := c.in(ref).Patch(ctx, ref.Name, types.ApplyPatchType, body,
			metav1.PatchOptions{FieldManager: FieldManager, Force: &force})
		return err
	})
}

// conflicts lists "field, set by manager" for each field that a server-side
// apply would take from another manager.
func conflicts(err error) []string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !apierrors.IsConflict(err) || status.Status().Details == nil {
		return nil
	}
	var found []string
	for _, cause := range status.Status().Details.Causes {
		if cause.Type != metav1.CauseTypeFieldManagerConflict {
			continue
		}
		// The message reads: conflict with "kubectl-edit" using apps/v1
		manager := cause.Message
		if _, after, ok := strings.Cut(manager, `conflict with "`); ok {
			manager, _, _ = strings.Cut(after, `"`)
		}
		found = append(found, strings.TrimPrefix(cause.Field, ".")+" from "+manager)
	}
	return found
}

// foreign refuses an object that is not ours, and says whose it may be.
func foreign(ref Ref, live *unstructured.Unstructured) error {
	var managers []string
	for _, entry := range live.GetManagedFields() {
		if !slices.Contains(managers, entry.Manager) {
			managers = append(managers, entry.Manager)
		}
	}
	owner := "unknown"
	if len(managers) > 0 {
		owner = strings.Join(managers, ", ")
	}
	if other := live.GetLabels()[ExposureLabel]; other != "" {
		owner = "causeway's exposure " + other
	}
	return fail("CW-KUBE-FOREIGN", "apply", ref.String(),
		"it exists and was not made for this exposure (set by: %s); nothing was changed", owner)
}

// Delete removes the object that was read, and only that one: not another of the
// same name that was made since. What is gone already is no error.
func (c *Client) Delete(ctx context.Context, live *unstructured.Unstructured) error {
	ref, uid := RefOf(live), live.GetUID()
	if err := c.mayWrite("delete", ref.String()); err != nil {
		return err
	}
	background := metav1.DeletePropagationBackground
	err := c.try(ctx, func() error {
		return c.in(ref).Delete(ctx, ref.Name, metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &uid}, PropagationPolicy: &background})
	})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil // gone; or another object has its name now, which stays
	}
	return wrap("delete", ref.String(), err)
}

// mayWrite refuses when this run's Lease was lost: somebody else writes now.
func (c *Client) mayWrite(verb, resource string) error {
	if lost := c.lost.Load(); lost != nil {
		return &Error{Verb: verb, Resource: resource, code: lost.code, Cause: lost.Cause}
	}
	return nil
}
