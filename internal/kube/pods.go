package kube

import (
	"context"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// RemovePods ends the pods that the selector finds and waits until they are
// gone. Each gets grace (whole seconds, at least one) instead of what its own
// manifest says; a pod that is ending already ends sooner.
//
// Without it a namespace outlives pods with a long grace by far: its controller
// looks again only after half of the grace that the pods were given at first
// (k8s.io/kubernetes/pkg/controller/namespace: ResourcesRemainingError).
func (c *Client) RemovePods(ctx context.Context, namespace, selector string, grace time.Duration, note func(string)) error {
	kind := Ref{Version: "v1", Kind: "Pod", Namespace: namespace}
	pods, err := c.List(ctx, kind, selector)
	if err != nil {
		return err
	}
	seconds := max(1, int64(grace/time.Second))
	for i := range pods {
		ref, uid := RefOf(&pods[i]), pods[i].GetUID()
		if err := c.mayWrite("delete", ref.String()); err != nil {
			return err
		}
		err := c.try(ctx, func() error {
			return c.in(ref).Delete(ctx, ref.Name, metav1.DeleteOptions{
				GracePeriodSeconds: &seconds, Preconditions: &metav1.Preconditions{UID: &uid}})
		})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return wrap("delete", ref.String(), err)
		}
	}
	for i := range pods {
		if err := c.WaitGone(ctx, RefOf(&pods[i]), note); err != nil {
			return err
		}
	}
	return nil
}
