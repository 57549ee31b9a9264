package kube

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Ran is what a Pod that ran to its end left behind.
type Ran struct {
	Log  []byte // of its first container, at most 10 MiB
	Exit int
}

// RunPod makes a Pod (restartPolicy Never), waits until it has ended, reads its
// log and deletes it, also when the wait fails or ctx ends. A Pod that cannot
// start is an error with the reason; one that ran and failed is not: its exit
// code says so.
func (c *Client) RunPod(ctx context.Context, pod *unstructured.Unstructured, bound time.Duration, note func(string)) (Ran, error) {
	ref := RefOf(pod)
	if err := c.mayWrite("run", ref.String()); err != nil {
		return Ran{}, err
	}
	made, err := c.in(ref).Create(ctx, pod, metav1.CreateOptions{FieldManager: FieldManager})
	if err != nil {
		return Ran{}, wrap("run", ref.String(), err)
	}
	ref = RefOf(made) // a generateName has become a name
	defer func() {
		// With a context of its own: what was made must go, also after Ctrl-C.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := c.Delete(ctx, made); err != nil {
			c.env.Note(err.Error())
		}
	}()
	ran, err := c.ended(ctx, ref, bound, note)
	if err != nil {
		return Ran{}, err
	}
	ran.Log, err = c.Logs(ctx, ref, "", 0, false)
	return ran, err
}

// ended waits for the Pod's end.
func (c *Client) ended(ctx context.Context, ref Ref, bound time.Duration, note func(string)) (Ran, error) {
	var ran Ran
	var last *podTrouble
	err := c.wait(ctx, waiting{ref: ref, bound: bound, note: note, what: "ended",
		check: func(live *unstructured.Unstructured) (bool, error) {
			if live == nil {
				return false, fail("CW-KUBE-GONE", "wait for", ref.String(), "somebody deleted it")
			}
			phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
			ran.Exit = exitCode(live)
			return phase == "Succeeded" || phase == "Failed", nil
		},
		trouble: func(ctx context.Context, live *unstructured.Unstructured, waited time.Duration) (string, error) {
			if last = c.podTrouble(ctx, live); last == nil {
				phase, _, _ := unstructured.NestedString(live.Object, "status", "phase")
				return "the pod is " + phase, nil
			}
			if last.lasting && waited >= last.patience {
				return "", last.fail(ref)
			}
			return last.text, nil
		},
		late: func() *Error {
			if last != nil {
				return last.fail(ref)
			}
			return fail("CW-KUBE-TIMEOUT", "wait for", ref.String(), "the pod did not end within %s", bound)
		}})
	return ran, err
}

// exitCode is the first container's; 1 for a Pod that failed without one (it was
// evicted, say).
func exitCode(pod *unstructured.Unstructured) int {
	statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", "containerStatuses")
	for _, each := range statuses {
		status, _ := each.(map[string]any)
		if code, found, _ := unstructured.NestedInt64(status, "state", "terminated", "exitCode"); found {
			return int(code)
		}
	}
	return 1
}
