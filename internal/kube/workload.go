package kube

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// RemoveWorkload removes a Deployment that was read (nil: it is gone already),
// its ReplicaSets and its pods, found by the selector, and waits until they are
// gone. The pods get grace (whole seconds, at least one) instead of what their
// manifest says.
//
// Owners go first and leave their pods behind: were the garbage collector to
// delete the pods, they would get their full grace, and kubelet does not cut a
// preStop hook short that has begun. A namespace would outlive them by far: its
// controller looks again only after half of the grace that the pods were given
// (k8s.io/kubernetes/pkg/controller/namespace: ResourcesRemainingError).
func (c *Client) RemoveWorkload(ctx context.Context, live *unstructured.Unstructured, namespace, selector string, grace time.Duration, note func(string)) error {
	orphan := metav1.DeletePropagationOrphan
	if live != nil {
		if err := c.removeEach(ctx, []unstructured.Unstructured{*live}, metav1.DeleteOptions{PropagationPolicy: &orphan}, note); err != nil {
			return err
		}
	}
	seconds := max(1, int64(grace/time.Second))
	for _, step := range []struct {
		kind    Ref
		options metav1.DeleteOptions
	}{
		{Ref{Group: "apps", Version: "v1", Kind: "ReplicaSet", Namespace: namespace}, metav1.DeleteOptions{PropagationPolicy: &orphan}},
		{Ref{Version: "v1", Kind: "Pod", Namespace: namespace}, metav1.DeleteOptions{GracePeriodSeconds: &seconds}},
	} {
		found, err := c.List(ctx, step.kind, selector)
		if err != nil {
			return err
		}
		if err := c.removeEach(ctx, found, step.options, note); err != nil {
			return err
		}
	}
	return nil
}

// removeEach deletes the objects that were read and waits until all are gone.
func (c *Client) removeEach(ctx context.Context, objects []unstructured.Unstructured, options metav1.DeleteOptions, note func(string)) error {
	for i := range objects {
		ref, uid := RefOf(&objects[i]), objects[i].GetUID()
		if err := c.mayWrite("delete", ref.String()); err != nil {
			return err
		}
		options.Preconditions = &metav1.Preconditions{UID: &uid}
		err := c.try(ctx, func() error { return c.in(ref).Delete(ctx, ref.Name, options) })
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return wrap("delete", ref.String(), err)
		}
	}
	for i := range objects {
		if err := c.WaitGone(ctx, RefOf(&objects[i]), note); err != nil {
			return err
		}
	}
	return nil
}
