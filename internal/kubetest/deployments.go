package kubetest

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

const (
	hashLabel    = "pod-template-hash"
	revisionNote = "deployment.kubernetes.io/revision"
)

// deployment gives it the Pods that its template asks for, and its status.
// There is no ReplicaSet between: nothing in the product looks at one.
//
// It is reached from the watches of Deployments and of Pods: one at a time, and
// on what the API server holds now. From a late event of a deleted Deployment
// Pods would be made that nobody removes.
func (c *Controllers) deployment(ctx context.Context, d *unstructured.Unstructured, gone bool) error {
	c.rollout.Lock()
	defer c.rollout.Unlock()
	if !gone {
		now, err := c.client.Resource(deployments).Namespace(d.GetNamespace()).Get(ctx, d.GetName(), metav1.GetOptions{})
		if err != nil {
			return err
		}
		d = now
	}
	owned, err := c.ownedPods(ctx, d)
	if err != nil {
		return err
	}
	if gone || d.GetDeletionTimestamp() != nil {
		for i := range owned {
			if err := c.deletePod(ctx, &owned[i]); ignorable(err) != nil {
				return err
			}
		}
		return c.dropFinalizers(ctx, d, gone)
	}
	replicas := int64(1)
	if n, found, _ := unstructured.NestedInt64(d.Object, "spec", "replicas"); found {
		replicas = n
	}
	hash := templateHash(d)
	refused := c.fitPods(ctx, d, owned, hash, replicas)
	if owned, err = c.ownedPods(ctx, d); err != nil {
		return err
	}
	if err := c.deploymentStatus(ctx, d, owned, hash, replicas, refused); err != nil {
		return err
	}
	return c.budgetsOf(ctx, d.GetNamespace())
}

// fitPods adds and removes Pods; it returns why a Pod could not be made, or nil.
func (c *Controllers) fitPods(ctx context.Context, d *unstructured.Unstructured, owned []unstructured.Unstructured, hash string, replicas int64) error {
	have := map[string]bool{}
	var refused error
	for i := range owned {
		pod := &owned[i]
		index, err := strconv.ParseInt(pod.GetName()[strings.LastIndex(pod.GetName(), "-")+1:], 10, 64)
		if err != nil || index >= replicas || pod.GetLabels()[hashLabel] != hash {
			refused = ignorable(c.deletePod(ctx, pod))
			continue
		}
		have[pod.GetName()] = true
	}
	for i := range replicas {
		name := fmt.Sprintf("%s-%s-%d", d.GetName(), hash, i)
		if have[name] {
			continue
		}
		if err := c.makePod(ctx, d, name, hash); ignorable(err) != nil {
			c.event(ctx, d, "Warning", "replicaset-controller", "FailedCreate", "Error creating: "+err.Error())
			return err
		}
	}
	return refused
}

func (c *Controllers) makePod(ctx context.Context, d *unstructured.Unstructured, name, hash string) error {
	template, _, _ := unstructured.NestedMap(d.Object, "spec", "template")
	pod := &unstructured.Unstructured{Object: template}
	pod.SetAPIVersion("v1")
	pod.SetKind("Pod")
	pod.SetName(name)
	pod.SetNamespace(d.GetNamespace())
	labels := pod.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[hashLabel] = hash
	pod.SetLabels(labels)
	yes := true
	pod.SetOwnerReferences([]metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "Deployment",
		Name: d.GetName(), UID: d.GetUID(), Controller: &yes, BlockOwnerDeletion: &yes}})
	_, err := c.create(ctx, pods, pod.Object)
	return err
}

func (c *Controllers) deletePod(ctx context.Context, pod *unstructured.Unstructured) error {
	now := int64(0)
	return c.client.Resource(pods).Namespace(pod.GetNamespace()).Delete(ctx, pod.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now})
}

func (c *Controllers) ownedPods(ctx context.Context, d *unstructured.Unstructured) ([]unstructured.Unstructured, error) {
	list, err := c.client.Resource(pods).Namespace(d.GetNamespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	var owned []unstructured.Unstructured
	for _, pod := range list.Items {
		if owner := metav1.GetControllerOf(&pod); owner != nil && owner.UID == d.GetUID() {
			owned = append(owned, pod)
		}
	}
	return owned, nil
}

func (c *Controllers) deploymentStatus(ctx context.Context, d *unstructured.Unstructured, owned []unstructured.Unstructured, hash string, replicas int64, refused error) error {
	var updated, ready int64
	for i := range owned {
		if owned[i].GetLabels()[hashLabel] == hash {
			updated++
			if podReady(&owned[i]) {
				ready++
			}
		}
	}
	status := map[string]any{"observedGeneration": d.GetGeneration()}
	for field, n := range map[string]int64{"replicas": int64(len(owned)), "updatedReplicas": updated,
		"readyReplicas": ready, "availableReplicas": ready, "unavailableReplicas": replicas - ready} {
		if n > 0 {
			status[field] = n
		}
	}
	progress := condition("Progressing", true, "ReplicaSetUpdated", "Pods are being made.")
	if ready == replicas {
		progress = condition("Progressing", true, "NewReplicaSetAvailable", "Deployment has successfully progressed.")
	}
	conditions := []any{condition("Available", ready == replicas, "MinimumReplicasAvailable", "as the Pods are"), progress}
	if refused != nil {
		conditions = append(conditions, condition("ReplicaFailure", true, "FailedCreate", refused.Error()))
	}
	status["conditions"] = conditions
	return c.setStatus(ctx, d, status)
}

// setStatus writes the status when it differs, times aside.
func (c *Controllers) setStatus(ctx context.Context, object *unstructured.Unstructured, status map[string]any) error {
	resource := deployments
	if object.GetKind() == "PodDisruptionBudget" {
		resource = budgets
	}
	old, _, _ := unstructured.NestedMap(object.Object, "status")
	if equality.Semantic.DeepEqual(timeless(old), timeless(status)) {
		return nil
	}
	if resource == deployments && object.GetAnnotations()[revisionNote] == "" {
		// As the real controller does: an annotation that no manifest has. The
		// change comes back as an event; its status is set then.
		patch := []byte(`{"metadata":{"annotations":{"` + revisionNote + `":"1"}}}`)
		_, err := c.client.Resource(resource).Namespace(object.GetNamespace()).
			Patch(ctx, object.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
		return err
	}
	changed := object.DeepCopy()
	changed.Object["status"] = status
	_, err := c.client.Resource(resource).Namespace(object.GetNamespace()).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	return err
}

// timeless is a status without the times of its conditions.
func timeless(status map[string]any) map[string]any {
	text, _ := json.Marshal(status)
	var plain map[string]any
	_ = json.Unmarshal(text, &plain)
	conditions, _ := plain["conditions"].([]any)
	for _, each := range conditions {
		if m, isMap := each.(map[string]any); isMap {
			delete(m, "lastTransitionTime")
			delete(m, "lastUpdateTime")
		}
	}
	return plain
}

func condition(kind string, holds bool, reason, message string) map[string]any {
	status := "False"
	if holds {
		status = "True"
	}
	return map[string]any{"type": kind, "status": status, "reason": reason, "message": message,
		"lastTransitionTime": time.Now().UTC().Format(time.RFC3339)}
}

func templateHash(d *unstructured.Unstructured) string {
	template, _, _ := unstructured.NestedMap(d.Object, "spec", "template")
	text, _ := json.Marshal(template) // maps are encoded sorted
	sum := fnv.New32a()
	_, _ = sum.Write(text)
	return strconv.FormatUint(uint64(sum.Sum32()), 36)
}

// dropFinalizers ends a foreground deletion, which the garbage collector does.
func (c *Controllers) dropFinalizers(ctx context.Context, d *unstructured.Unstructured, gone bool) error {
	if gone || len(d.GetFinalizers()) == 0 {
		return nil
	}
	changed := d.DeepCopy()
	changed.SetFinalizers(nil)
	_, err := c.client.Resource(deployments).Namespace(d.GetNamespace()).Update(ctx, changed, metav1.UpdateOptions{})
	return err
}

// budget sets the status of a PodDisruptionBudget from the Pods it selects.
func (c *Controllers) budget(ctx context.Context, b *unstructured.Unstructured, gone bool) error {
	if gone {
		return nil
	}
	selector, _, _ := unstructured.NestedStringMap(b.Object, "spec", "selector", "matchLabels")
	list, err := c.client.Resource(pods).Namespace(b.GetNamespace()).List(ctx, metav1.ListOptions{
		LabelSelector: metav1.FormatLabelSelector(&metav1.LabelSelector{MatchLabels: selector})})
	if err != nil {
		return err
	}
	var healthy int64
	for i := range list.Items {
		if podReady(&list.Items[i]) {
			healthy++
		}
	}
	expected := int64(len(list.Items))
	desired := share(b, "minAvailable", expected)
	if _, found, _ := unstructured.NestedFieldNoCopy(b.Object, "spec", "maxUnavailable"); found {
		desired = expected - share(b, "maxUnavailable", expected)
	}
	allowed := max(0, healthy-desired)
	return c.setStatus(ctx, b, map[string]any{
		"observedGeneration": b.GetGeneration(), "currentHealthy": healthy, "desiredHealthy": desired,
		"expectedPods": expected, "disruptionsAllowed": allowed,
		"conditions": []any{condition("DisruptionAllowed", allowed > 0, "SufficientPods", "")},
	})
}

func share(b *unstructured.Unstructured, field string, of int64) int64 {
	value, _, _ := unstructured.NestedFieldNoCopy(b.Object, "spec", field)
	switch value := value.(type) {
	case int64:
		return value
	case string:
		percent := intstr.FromString(value)
		n, err := intstr.GetScaledValueFromIntOrPercent(&percent, int(min(of, math.MaxInt32)), true)
		if err == nil {
			return int64(n)
		}
	}
	return 0
}

func (c *Controllers) budgetsOf(ctx context.Context, namespace string) error {
	list, err := c.client.Resource(budgets).Namespace(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	for i := range list.Items {
		if err := c.budget(ctx, &list.Items[i], false); ignorable(err) != nil {
			return err
		}
	}
	return nil
}
