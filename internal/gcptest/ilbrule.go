package gcptest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// maxRulePorts is how many ports a forwarding rule names; more become "all ports"
// (discovery: ForwardingRule.ports).
const maxRulePorts = 5

// cluster finds the controller's cluster in the emulator. The caller holds mu.
func (c *ILBController) cluster() (object, error) {
	if c.Cluster != "" {
		at := "projects/" + c.project + "/locations/" + c.region + "/clusters/" + c.Cluster
		if found, ok := c.google.objects[at]; ok {
			return found, nil
		}
		return nil, fmt.Errorf("no cluster %s", at)
	}
	for _, at := range c.google.list("projects/" + c.project + "/locations/" + c.region + "/clusters") {
		return c.google.objects[at], nil
	}
	return nil, fmt.Errorf("no cluster in projects/%s/locations/%s", c.project, c.region)
}

// subsetting says which of Google's two implementations has the Service.
func subsetting(service *unstructured.Unstructured, cluster object) bool {
	class, _, _ := unstructured.NestedString(service.Object, "spec", "loadBalancerClass")
	network, _ := cluster["networkConfig"].(object)
	on, _ := network["enableL4ilbSubsetting"].(bool)
	return class != legacyClass && (on || class == subsettingClass)
}

// ruleName is the name that Google's controllers give: of the Service, or of its uid.
func ruleName(service *unstructured.Unstructured, subset bool) string {
	uid := strings.ReplaceAll(string(service.GetUID()), "-", "")
	if subset {
		name := "k8s2-tcp-" + uid[:8] + "-" + service.GetNamespace() + "-" + service.GetName()
		return strings.TrimRight(name[:min(len(name), 54)], "-") + "-" + uid[8:16]
	}
	return "a" + uid[:31]
}

func (c *ILBController) rulePath(service *unstructured.Unstructured) string {
	cluster, err := c.cluster()
	name := ruleName(service, err == nil && subsetting(service, cluster))
	return "projects/" + c.project + "/regions/" + c.region + "/forwardingRules/" + name
}

// ensureRule makes the Service's forwarding rule, or makes it anew where it is not
// as the Service wants it, and returns its IP.
func (c *ILBController) ensureRule(ctx context.Context, service *unstructured.Unstructured) (string, error) {
	s := c.google
	s.mu.Lock()
	s.settle()
	ip, mixed, err := c.ruleLocked(service)
	s.mu.Unlock()
	if mixed {
		c.event(ctx, service, "Normal", "MixedStaticIP", "Found both .Spec.LoadBalancerIP and \""+addressAnnotation+"\" annotation. Consider using annotation only.")
	}
	return ip, err
}

func (c *ILBController) ruleLocked(service *unstructured.Unstructured) (ip string, mixed bool, err error) {
	s := c.google
	cluster, err := c.cluster()
	if err != nil {
		return "", false, err
	}
	subnetPath, err := c.subnet(service, cluster)
	if err != nil {
		return "", false, err
	}
	wanted, mixed, err := c.wantedIP(service, subsetting(service, cluster))
	if err != nil {
		return "", mixed, err
	}
	at := c.rulePath(service)
	body := ruleBody(service, subsetting(service, cluster))
	if old, ok := s.objects[at]; ok {
		if same(old, body, wanted, subnetPath) {
			return text(old, "IPAddress"), false, nil
		}
		if wanted == "" && relative(text(old, "subnetwork"), "") == subnetPath {
			wanted = text(old, "IPAddress") // kept when nothing else is asked for
		}
		if err := c.dropUnpublished(at); err != nil { // Google's controllers delete and make anew, which is a blip
			return "", mixed, err
		}
	}
	if wanted != "" {
		body["IPAddress"] = wanted
	}
	if failure := s.addRule(at, subnetPath, body); failure != nil {
		return "", mixed, fmt.Errorf("googleapi: Error %d: %s, %s", failure.Status, failure.Message, failure.Reason)
	}
	return text(s.objects[at], "IPAddress"), mixed, nil
}

// dropUnpublished deletes a rule, which Google refuses while a service attachment
// publishes it. The caller holds mu.
func (c *ILBController) dropUnpublished(at string) error {
	if attachment := c.google.attachmentOf(at); attachment != "" && c.google.objects[at] != nil {
		failure := usedBy("forwarding_rule", at, attachment)
		return fmt.Errorf("googleapi: Error %d: %s, %s", failure.Status, failure.Message, failure.Reason)
	}
	c.google.dropRule(at)
	return nil
}

// wantedIP is the static IP that the Service asks for by the way that its
// implementation knows, "" for any.
func (c *ILBController) wantedIP(service *unstructured.Unstructured, subset bool) (ip string, mixed bool, err error) {
	inSpec, _, _ := unstructured.NestedString(service.Object, "spec", "loadBalancerIP")
	names := service.GetAnnotations()[addressAnnotation]
	if !subset || names == "" {
		return inSpec, false, nil
	}
	for name := range strings.SplitSeq(names, ",") {
		at := "projects/" + c.project + "/regions/" + c.region + "/addresses/" + strings.TrimSpace(name)
		address, ok := c.google.objects[at]
		if !ok {
			continue // Google's controller skips it in silence and takes any other IP
		}
		if kind := text(address, "addressType"); kind != "INTERNAL" {
			return "", false, fmt.Errorf(`IP configuration error: "%s" address type mismatch, expected "INTERNAL", actual: "%s"`, text(address, "address"), kind)
		}
		return text(address, "address"), inSpec != "", nil
	}
	return inSpec, false, nil
}

// subnet is the path of the subnetwork that the Service names, or the cluster's own.
func (c *ILBController) subnet(service *unstructured.Unstructured, cluster object) (string, error) {
	network, _ := cluster["networkConfig"].(object)
	own := relative(text(network, "subnetwork"), c.project)
	name := service.GetAnnotations()[subnetAnnotation]
	if name == "" {
		name = service.GetAnnotations()[oldSubnetAnnotation]
	}
	if name == "" {
		return own, nil
	}
	at := path.Dir(own) + "/" + name
	if _, ok := c.google.objects[at]; !ok {
		//lint:ignore ST1005 these are Google's words
		return "", fmt.Errorf("Subnetwork %q can't be found for project %s", name, splitPath(own)[1])
	}
	return at, nil
}

func ruleBody(service *unstructured.Unstructured, subset bool) object {
	label := "kubernetes.io/service-name"
	if subset {
		label = "networking.gke.io/service-name"
	}
	description, err := json.Marshal(map[string]string{label: key(service)})
	if err != nil {
		description = nil // two strings always go to JSON
	}
	body := object{
		"loadBalancingScheme": "INTERNAL", "IPProtocol": "TCP", "description": string(description),
		"backendService": "regions/unknown/backendServices/" + ruleName(service, subset),
	}
	if service.GetAnnotations()[globalAnnotation] == "true" {
		body["allowGlobalAccess"] = true
	}
	ports, _, _ := unstructured.NestedSlice(service.Object, "spec", "ports")
	if len(ports) > maxRulePorts {
		body["allPorts"] = true
		return body
	}
	numbers := []any{}
	for _, one := range ports {
		port, _ := one.(map[string]any)
		numbers = append(numbers, fmt.Sprint(port["port"]))
	}
	body["ports"] = numbers
	return body
}

// same says whether a rule is as the Service wants it.
func same(old, body object, wanted, subnetPath string) bool {
	if wanted != "" && text(old, "IPAddress") != wanted || relative(text(old, "subnetwork"), "") != subnetPath {
		return false
	}
	for _, field := range []string{"allowGlobalAccess", "ports", "allPorts"} {
		if fmt.Sprint(old[field]) != fmt.Sprint(body[field]) {
			return false
		}
	}
	return true
}

func (c *ILBController) addFinalizer(ctx context.Context, service *unstructured.Unstructured) error {
	if hasFinalizer(service) {
		return nil
	}
	c.google.mu.Lock()
	cluster, err := c.cluster()
	finalizer := cloudFinalizer
	if err == nil && subsetting(service, cluster) {
		finalizer = subsettingFinalizer
	}
	c.google.mu.Unlock()
	return c.setFinalizers(ctx, service, append(slices.Clone(service.GetFinalizers()), finalizer))
}

// release lets a Service go: no IP, no finalizer.
func (c *ILBController) release(ctx context.Context, service *unstructured.Unstructured) error {
	if service.GetDeletionTimestamp() == nil && current(service) != "" {
		if err := c.setIngress(ctx, service, ""); err != nil {
			return err
		}
	}
	left := slices.DeleteFunc(slices.Clone(service.GetFinalizers()), func(one string) bool { return one == subsettingFinalizer || one == cloudFinalizer })
	return c.setFinalizers(ctx, service, left)
}

func (c *ILBController) setFinalizers(ctx context.Context, service *unstructured.Unstructured, finalizers []string) error {
	patch, err := json.Marshal(object{"metadata": object{"finalizers": finalizers, "uid": service.GetUID(), "resourceVersion": service.GetResourceVersion()}})
	if err != nil {
		return err
	}
	updated, err := c.client.Resource(servicesResource()).Namespace(service.GetNamespace()).Patch(ctx, service.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "glbc"})
	if err == nil {
		service.Object = updated.Object
	}
	return err
}

func (c *ILBController) setIngress(ctx context.Context, service *unstructured.Unstructured, ip string) error {
	var ingress any
	if ip != "" {
		ingress = []any{object{"ip": ip, "ipMode": "VIP"}}
	}
	patch, err := json.Marshal(object{"status": object{"loadBalancer": object{"ingress": ingress}}})
	if err != nil {
		return err
	}
	_, err = c.client.Resource(servicesResource()).Namespace(service.GetNamespace()).Patch(ctx, service.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "glbc"}, "status")
	return err
}

// event tells the user what happened, as Google's controllers do. An event that
// cannot be written is lost, as there.
func (c *ILBController) event(ctx context.Context, service *unstructured.Unstructured, kind, reason, message string) error {
	now := time.Now().UTC().Format(time.RFC3339)
	event := &unstructured.Unstructured{Object: object{
		"apiVersion": "v1", "kind": "Event",
		"metadata": object{"generateName": service.GetName() + ".", "namespace": service.GetNamespace()},
		"involvedObject": object{
			"apiVersion": "v1", "kind": "Service", "namespace": service.GetNamespace(), "name": service.GetName(),
			"uid": string(service.GetUID()), "resourceVersion": service.GetResourceVersion(),
		},
		"type": kind, "reason": reason, "message": message, "count": int64(1),
		"firstTimestamp": now, "lastTimestamp": now, "source": object{"component": "loadbalancer-controller"},
	}}
	_, err := c.client.Resource(eventsResource()).Namespace(service.GetNamespace()).Create(ctx, event, metav1.CreateOptions{})
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}
