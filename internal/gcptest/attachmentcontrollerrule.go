package gcptest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// attachmentName is the name that the controller gives: of the object, with its uid.
func attachmentName(cr *unstructured.Unstructured) string {
	sum := sha256.Sum256([]byte(string(cr.GetUID()) + key(cr)))
	head := "k8s1-sa-" + strings.ReplaceAll(string(cr.GetUID()), "-", "")[:8] + "-" + cr.GetNamespace() + "-" + cr.GetName()
	return strings.TrimRight(head[:min(len(head), 54)], "-") + "-" + hex.EncodeToString(sum[:])[:8]
}

// ensure makes the service attachment of an object, or changes it to what the
// object says, and tells it in status.
func (c *AttachmentController) ensure(ctx context.Context, cr *unstructured.Unstructured, services map[string]*unstructured.Unstructured) error {
	s := c.google
	s.mu.Lock()
	s.settle()
	at, err := c.ensureLocked(cr, services)
	attachment := clone(s.objects[at])
	s.mu.Unlock()
	if err != nil {
		return err
	}
	return c.tell(ctx, cr, at, attachment)
}

func (c *AttachmentController) ensureLocked(cr *unstructured.Unstructured, services map[string]*unstructured.Unstructured) (at string, err error) {
	spec, _, _ := unstructured.NestedMap(cr.Object, "spec")
	ref, _ := spec["resourceRef"].(map[string]any)
	if group := text(ref, "apiGroup"); group != "" {
		return "", fmt.Errorf("invalid resource reference: %s, apiGroup must be emptry or nil", group)
	}
	if kind := text(ref, "kind"); !strings.EqualFold(kind, "service") {
		return "", fmt.Errorf("invalid resource reference %s, kind must be %q", kind, "service")
	}
	rule, err := c.rule(cr.GetNamespace()+"/"+text(ref, "name"), services)
	if err != nil {
		return "", fmt.Errorf("failed to find forwarding rule: %w", err)
	}
	subnets, err := c.subnets(spec)
	if err != nil {
		return "", fmt.Errorf("failed to find nat subnets: %w", err)
	}
	body := object{
		"connectionPreference": text(spec, "connectionPreference"), "natSubnets": subnets, "targetService": link(rule),
		"description": c.description(cr),
	}
	body["enableProxyProtocol"], _ = spec["proxyProtocol"].(bool)
	body["reconcileConnections"], _ = spec["reconcileConnections"].(bool)
	var accept []any
	for _, one := range entries(spec, "consumerAllowList") {
		accept = append(accept, object{"projectIdOrNum": text(one, "project"), "connectionLimit": one["connectionLimit"]})
	}
	if accept != nil {
		body["consumerAcceptLists"] = accept
	}
	if reject, ok := spec["consumerRejectList"].([]any); ok && len(reject) > 0 {
		body["consumerRejectLists"] = reject
	}
	return c.write(cr, clone(body))
}

// description is by which the controller says what it made the service attachment of.
func (c *AttachmentController) description(cr *unstructured.Unstructured) string {
	location, cluster := c.region, c.Cluster
	balancer := &ILBController{google: c.google, project: c.project, region: c.region, Cluster: c.Cluster}
	if found, err := balancer.cluster(); err == nil {
		location, cluster = text(found, "location"), text(found, "name")
	}
	return fmt.Sprintf(`{"k8sResource":"/namespaces/%s/serviceattachments/%s","k8sCluster":"/regions/%s/clusters/%s"}`, cr.GetNamespace(), cr.GetName(), location, cluster)
}

// write makes or changes the service attachment, by the rules of the API.
func (c *AttachmentController) write(cr *unstructured.Unstructured, body object) (string, error) {
	s := c.google
	at := "projects/" + c.project + "/regions/" + c.region + "/serviceAttachments/" + attachmentName(cr)
	// The controller acts as Google's own account: what is denied to the operator is
	// not denied to it.
	denied := s.denied
	s.denied = nil
	defer func() { s.denied = denied }()
	own := &call{server: s, service: s.catalog.Service("compute"), path: "/compute/v1/" + at, token: s.options.Tokens[0],
		params: map[string]string{"project": c.project, "region": c.region}}
	verb := "create"
	old, exists := s.objects[at]
	if exists {
		verb = "update"
		if from := text(old, "targetService"); from != text(body, "targetService") {
			return at, fmt.Errorf("unable to process Service Attachment Update: serviceAttachment target service cannot be updated from %s to %s", from, text(body, "targetService"))
		}
	}
	if failure := own.checkAttachment(at, body); failure != nil {
		return at, fmt.Errorf("failed to %s GCE Service Attachment: googleapi: Error %d: %s, %s", verb, failure.Status, failure.Message, failure.Reason)
	}
	if !exists {
		s.stamp("compute#serviceAttachment", at, body)
		s.complete("serviceAttachments", at, body)
		s.objects[at] = body
		s.connect(at)
		s.touch()
		return at, nil
	}
	fresh := clone(old)
	for _, field := range []string{"consumerAcceptLists", "consumerRejectLists"} {
		delete(fresh, field)
	}
	maps.Copy(fresh, body)
	s.complete("serviceAttachments", at, fresh)
	if reflect.DeepEqual(clone(old), clone(fresh)) {
		return at, nil
	}
	s.objects[at] = fresh
	s.connect(at)
	s.touch()
	return at, nil
}

// rule is the path of the Service's forwarding rule, whose IP the Service has to
// tell as well.
func (c *AttachmentController) rule(name string, services map[string]*unstructured.Unstructured) (string, error) {
	service := services[name]
	if service == nil {
		return "", fmt.Errorf("failed to get Service %s: service not in store", name)
	}
	balancer := &ILBController{google: c.google, project: c.project, region: c.region, Cluster: c.Cluster}
	at := balancer.rulePath(service)
	found := c.google.objects[at]
	if found == nil {
		return "", fmt.Errorf("failed to get Forwarding Rule %s: %w", path.Base(at), absent(at))
	}
	if current(service) != text(found, "IPAddress") {
		return "", errors.New("forwarding rule does not have matching IPAddr to specified service: Mismatched ILB IP")
	}
	return at, nil
}

func absent(at string) error {
	failure := notFound(at)
	return fmt.Errorf("googleapi: Error %d: %s, %s", failure.Status, failure.Message, failure.Reason)
}

// subnets resolves the names or paths of the subnetworks.
func (c *AttachmentController) subnets(spec object) ([]any, error) {
	list, _ := spec["natSubnets"].([]any)
	out := []any{}
	for _, one := range list {
		name, _ := one.(string)
		at := relative(name, c.project)
		if at == "" {
			at = "projects/" + c.project + "/regions/" + c.region + "/subnetworks/" + name
		}
		if c.google.objects[at] == nil {
			return nil, fmt.Errorf("failed to find Subnetwork %s/%s: %w", c.region, name, absent(at))
		}
		out = append(out, link(at))
	}
	return out, nil
}
