package kube

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// RolledOut reports whether every replica of the Deployment runs the present
// template and is available; why says what is missing.
func RolledOut(deployment *unstructured.Unstructured) (ok bool, why string) {
	if deployment == nil {
		return false, "there is no such Deployment"
	}
	status := func(field string) int64 {
		n, _, _ := unstructured.NestedInt64(deployment.Object, "status", field)
		return n
	}
	want := int64(1)
	if n, found, _ := unstructured.NestedInt64(deployment.Object, "spec", "replicas"); found {
		want = n
	}
	switch updated, available := status("updatedReplicas"), status("availableReplicas"); {
	case status("observedGeneration") < deployment.GetGeneration():
		return false, "the cluster has not looked at it yet"
	case updated < want:
		return false, fmt.Sprintf("%d of %d pods are of the present version", updated, want)
	case status("replicas") > updated:
		return false, fmt.Sprintf("%d pods of the version before are still there", status("replicas")-updated)
	case available < want:
		return false, fmt.Sprintf("%d of %d pods are ready", available, want)
	}
	return true, ""
}

// WaitRollout waits until the Deployment is rolled out. What keeps its Pods from
// running is noted; what does not cure itself (an image that does not pull, a
// container that crashes, a Pod that is refused) ends the wait after a minute.
func (c *Client) WaitRollout(ctx context.Context, ref Ref, bound time.Duration, note func(string)) error {
	missing, last := "", (*podTrouble)(nil)
	return c.wait(ctx, waiting{ref: ref, bound: bound, note: note, what: "rolled out",
		check: func(live *unstructured.Unstructured) (ok bool, err error) {
			if live == nil {
				return false, fail("CW-KUBE-GONE", "wait for", ref.String(), "somebody deleted it")
			}
			ok, missing = RolledOut(live)
			return ok, nil
		},
		trouble: func(ctx context.Context, live *unstructured.Unstructured, waited time.Duration) (string, error) {
			found, err := c.rolloutTrouble(ctx, live)
			if err != nil {
				return missing + "; cannot look at its pods: " + err.Error(), nil
			}
			if last = found; last == nil {
				return missing, nil
			}
			if last.lasting && waited >= last.patience {
				return "", last.fail(ref)
			}
			return missing + ": " + last.text, nil
		},
		late: func() *Error {
			if last != nil {
				return last.fail(ref)
			}
			return fail("CW-KUBE-TIMEOUT", "wait for", ref.String(), "not rolled out within %s: %s", bound, missing)
		}})
}

// podTrouble is why a Pod does not run.
type podTrouble struct {
	code     string
	text     string
	lasting  bool // it does not cure itself
	patience time.Duration
}

func (t *podTrouble) fail(ref Ref) *Error {
	return fail(t.code, "wait for", ref.String(), "%s", t.text)
}

// rolloutTrouble looks at the Deployment's conditions, then at its Pods.
func (c *Client) rolloutTrouble(ctx context.Context, deployment *unstructured.Unstructured) (*podTrouble, error) {
	if condition := conditionOf(deployment, "ReplicaFailure"); condition["status"] == "True" {
		message := fmt.Sprint(condition["message"])
		code, do := cureOf("FailedCreate", message)
		if code == "" {
			code, do = "CW-KUBE-POD-REFUSED", "the message is the cluster's own"
		}
		return &podTrouble{code: code, text: firstLine(message) + " (" + do + ")", lasting: true, patience: 10 * time.Second}, nil
	}
	selector, _, _ := unstructured.NestedStringMap(deployment.Object, "spec", "selector", "matchLabels")
	pods, err := c.List(ctx, Ref{Version: "v1", Kind: "Pod", Namespace: deployment.GetNamespace()},
		metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selector}))
	if err != nil {
		return nil, err
	}
	for i := range present(pods, appliedAt(deployment)) {
		if trouble := c.podTrouble(ctx, &pods[i]); trouble != nil {
			return trouble, nil
		}
	}
	return nil, nil
}

// present moves the Pods of the present template to the front and returns them;
// without any, all. One of the version before may be broken for its own reasons.
func present(pods []unstructured.Unstructured, applied time.Time) []unstructured.Unstructured {
	n := 0
	for i := range pods {
		if !pods[i].GetCreationTimestamp().Time.Before(applied.Add(-2 * time.Second)) {
			pods[i], pods[n] = pods[n], pods[i]
			n++
		}
	}
	if n == 0 {
		return pods
	}
	return pods[:n]
}

// podTrouble says why a Pod does not run; nil when it does, or may soon.
func (c *Client) podTrouble(ctx context.Context, pod *unstructured.Unstructured) *podTrouble {
	if condition := conditionOf(pod, "PodScheduled"); condition["reason"] == "Unschedulable" {
		// Not lasting: an autoscaler may bring a node.
		return &podTrouble{code: "CW-KUBE-UNSCHEDULABLE", text: fmt.Sprintf("no node takes the pod: %v", condition["message"])}
	}
	statuses, _, _ := unstructured.NestedSlice(pod.Object, "status", "containerStatuses")
	for _, each := range statuses {
		status, _ := each.(map[string]any)
		waiting, _, _ := unstructured.NestedMap(status, "state", "waiting")
		if reason, _ := waiting["reason"].(string); reason != "" && reason != "ContainerCreating" && reason != "PodInitializing" {
			message, _ := waiting["message"].(string)
			return c.waitingTrouble(ctx, pod, fmt.Sprint(status["name"]), reason, message)
		}
		if ready, _ := status["ready"].(bool); !ready && status["state"] != nil {
			return c.unready(ctx, pod)
		}
	}
	return nil
}

// waitingTrouble explains a container that waits: its image, its set-up, a crash.
func (c *Client) waitingTrouble(ctx context.Context, pod *unstructured.Unstructured, container, reason, message string) *podTrouble {
	code, do := cureOf(reason, message)
	if code == "CW-IMG-PULL" {
		// Older kubelets keep the registry's answer for the event.
		if events, err := c.Events(ctx, RefOf(pod)); err == nil {
			if e := worst(events); e != nil && strings.HasPrefix(e.Code, "CW-IMG") {
				code, do, message = e.Code, e.Cure, e.Message
			}
		}
	}
	text := reason + ": " + firstLine(message)
	if code == "CW-KUBE-CRASH" {
		if log := c.tail(ctx, pod, container); log != "" {
			text = reason + ", its log ends: " + log
		}
	}
	if code == "" {
		code, do = "CW-KUBE-POD-CONFIG", "the message is the node's own"
	}
	after := patience
	if code == "CW-IMG-NAME" {
		after = 0
	}
	return &podTrouble{code: code, text: text + " (" + do + ")", lasting: true, patience: after}
}

// unready explains a container that runs but is not ready.
func (c *Client) unready(ctx context.Context, pod *unstructured.Unstructured) *podTrouble {
	events, err := c.Events(ctx, RefOf(pod))
	if err != nil {
		return nil
	}
	for i := len(events) - 1; i >= 0; i-- {
		if e := events[i]; e.Code == "CW-KUBE-NOT-READY" {
			return &podTrouble{code: e.Code, text: e.String()}
		}
	}
	return nil
}

// tail is the end of what a container wrote, of the run before when it has one.
func (c *Client) tail(ctx context.Context, pod *unstructured.Unstructured, container string) string {
	for _, previous := range []bool{true, false} {
		log, err := c.Logs(ctx, RefOf(pod), container, 3, previous)
		if text := strings.TrimSpace(string(log)); err == nil && text != "" {
			return strings.ReplaceAll(text, "\n", " | ")
		}
	}
	return ""
}

// Logs reads what a container wrote; lines bounds it to the last ones (0: all,
// at most 10 MiB), previous asks for the run before the last restart.
func (c *Client) Logs(ctx context.Context, pod Ref, container string, lines int, previous bool) ([]byte, error) {
	query := url.Values{}
	if container != "" {
		query.Set("container", container)
	}
	if lines > 0 {
		query.Set("tailLines", strconv.Itoa(lines))
	}
	if previous {
		query.Set("previous", "true")
	}
	body, _, err := c.raw(ctx, "/api/v1/namespaces/"+pod.Namespace+"/pods/"+pod.Name+"/log?"+query.Encode(), "")
	return body, err
}

// conditionOf is a condition of an object's status; empty when it has none.
func conditionOf(o *unstructured.Unstructured, kind string) map[string]any {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, each := range conditions {
		if condition, isMap := each.(map[string]any); isMap && condition["type"] == kind {
			return condition
		}
	}
	return nil
}
