package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Event is what the cluster said about an object.
type Event struct {
	Time    time.Time
	Warning bool
	Reason  string
	Message string
	Count   int64
	Code    string // of the known cause, or ""
	Cure    string // one sentence, or ""
}

// Events reads what the cluster said about an object, oldest first. They last
// for an hour or so.
func (c *Client) Events(ctx context.Context, ref Ref) ([]Event, error) {
	namespace := ref.Namespace
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	items, err := c.list(ctx, Ref{Version: "v1", Kind: "Event", Namespace: namespace}, metav1.ListOptions{
		FieldSelector: "involvedObject.kind=" + ref.Kind + ",involvedObject.name=" + ref.Name})
	if err != nil {
		return nil, err
	}
	events := make([]Event, 0, len(items))
	for i := range items {
		events = append(events, eventOf(&items[i]))
	}
	slices.SortStableFunc(events, func(a, b Event) int { return a.Time.Compare(b.Time) })
	return events, nil
}

func eventOf(o *unstructured.Unstructured) Event {
	text := func(path ...string) string {
		value, _, _ := unstructured.NestedString(o.Object, path...)
		return value
	}
	e := Event{Warning: text("type") == "Warning", Reason: text("reason"), Message: text("message")}
	// Which field holds the time depends on the component that wrote the event.
	for _, field := range [][]string{{"series", "lastObservedTime"}, {"lastTimestamp"}, {"eventTime"}, {"metadata", "creationTimestamp"}} {
		if at, err := time.Parse(time.RFC3339Nano, text(field...)); err == nil {
			e.Time = at
			break
		}
	}
	e.Count, _, _ = unstructured.NestedInt64(o.Object, "count")
	e.Code, e.Cure = cureOf(e.Reason, e.Message)
	return e
}

// cure is a known message with what to do about it.
type cure struct {
	reasons string // event reasons, comma-separated; "" for any
	has     string // text in the message; "" for any
	code    string
	do      string
}

// cures is read from the top; the first match counts. The texts are those of
// ingress-gce (pkg/l4) and cloud-provider-gcp, and of kubelet and the scheduler.
var cures = []cure{
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "address type mismatch", "CW-LB-ADDRESS-TYPE", "the reserved address is external: reserve an internal one"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "address not found", "CW-LB-ADDRESS-NOT-FOUND", "reserve the address in the cluster's region and network"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "outside the network/subnetwork range", "CW-LB-ADDRESS-RANGE", "reserve the address in the subnet that the load balancer uses (--subnet)"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "in use", "CW-LB-ADDRESS-IN-USE", "another forwarding rule holds the address: remove it, or use another address"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "in-use", "CW-LB-ADDRESS-IN-USE", "another forwarding rule holds the address: remove it, or use another address"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "IN_USE", "CW-LB-ADDRESS-IN-USE", "another forwarding rule holds the address: remove it, or use another address"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "can't be found for project", "CW-LB-SUBNET", "name a subnet of the cluster's network and region"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "Constraint", "CW-LB-ORG-POLICY", "an organization policy forbids this load balancer: ask for an exception"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "uota", "CW-LB-QUOTA", "raise the quota that the message names"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "permission", "CW-LB-PERMISSION", "give the cluster's service agent the right that the message names (Shared VPC: in the host project)"},
	{"SyncLoadBalancerFailed,CreatingLoadBalancerFailed", "", "CW-LB-SYNC", "read the message: it is Google's own"},
	{"LoadBalancerManualChange,XPN", "", "CW-LB-FIREWALL", "the host project's administrator must run the gcloud command in the message, else traffic is dropped"},
	{"MixedStaticIP", "", "", "both the annotation and spec.loadBalancerIP are set: the annotation counts"},
	{"", "violates PodSecurity", "CW-KUBE-POD-SECURITY", "the namespace's Pod Security level refuses the Pod"},
	{"", "exceeded quota", "CW-KUBE-QUOTA", "the namespace's ResourceQuota is used up"},
	{"FailedScheduling", "", "CW-KUBE-UNSCHEDULABLE", "no node has room for the Pod, or its taints keep it off"},
	{"FailedCreate", "admission webhook", "CW-KUBE-ADMISSION", "a policy of the cluster refuses the Pod"},
	{"Failed,InspectFailed,BackOff,ImagePullBackOff,ErrImagePull", "x509:", "CW-IMG-UNTRUSTED", "the nodes do not trust the registry's certificate"},
	{"Failed,ImagePullBackOff,ErrImagePull", "not found", "CW-IMG-NOT-FOUND", "there is no such image: check its name and tag (--image)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "manifest unknown", "CW-IMG-NOT-FOUND", "there is no such image: check its name and tag (--image)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "timeout", "CW-IMG-UNREACHABLE", "the nodes cannot reach the registry: without NAT use a mirror in Artifact Registry (--image)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "deadline exceeded", "CW-IMG-UNREACHABLE", "the nodes cannot reach the registry: without NAT use a mirror in Artifact Registry (--image)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "no such host", "CW-IMG-UNREACHABLE", "the nodes cannot resolve the registry's name: use a mirror in Artifact Registry (--image)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "network is unreachable", "CW-IMG-UNREACHABLE", "the nodes cannot reach the registry: without NAT use a mirror in Artifact Registry (--image)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "connection refused", "CW-IMG-UNREACHABLE", "the nodes cannot reach the registry: without NAT use a mirror in Artifact Registry (--image)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "denied", "CW-IMG-DENIED", "let the nodes' service account read the registry (roles/artifactregistry.reader)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "403", "CW-IMG-DENIED", "let the nodes' service account read the registry (roles/artifactregistry.reader)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "nauthorized", "CW-IMG-DENIED", "let the nodes' service account read the registry (roles/artifactregistry.reader)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "toomanyrequests", "CW-IMG-RATE", "the registry's rate limit is reached: use a mirror (--image)"},
	{"Failed,ImagePullBackOff,ErrImagePull", "ull", "CW-IMG-PULL", "the message is the registry's or the node's own"},
	{"InvalidImageName", "", "CW-IMG-NAME", "the image's name is not one: check --image"},
	{"CrashLoopBackOff", "", "CW-KUBE-CRASH", "the container ends as soon as it starts: its log says why"},
	{"Unhealthy", "eadiness", "CW-KUBE-NOT-READY", "nginx runs, but does not reach the API server"},
}

func cureOf(reason, message string) (code, do string) {
	for _, c := range cures {
		if c.reasons != "" && !slices.Contains(strings.Split(c.reasons, ","), reason) {
			continue
		}
		if strings.Contains(message, c.has) {
			return c.code, c.do
		}
	}
	return "", ""
}

// String is the event as one line.
func (e Event) String() string {
	text := e.Reason + ": " + firstLine(e.Message)
	if e.Code == "CW-LB-FIREWALL" {
		text = e.Reason + ": " + e.Message // it holds the command to run, which is long
	}
	if e.Cure != "" {
		text += " (" + e.Cure + ")"
	}
	return text
}

// appliedAt is when causeway last changed the object, by the API server's clock;
// zero when it never did. Events from before are of an earlier try.
func appliedAt(live *unstructured.Unstructured) time.Time {
	var last time.Time
	for _, entry := range live.GetManagedFields() {
		if entry.Manager == FieldManager && entry.Time != nil && entry.Time.After(last) {
			last = entry.Time.Time
		}
	}
	return last
}

// since keeps the events that are not older than a moment, with two seconds for
// clocks that differ and times without fractions.
func since(events []Event, moment time.Time) []Event {
	return slices.DeleteFunc(events, func(e Event) bool { return e.Time.Before(moment.Add(-2 * time.Second)) })
}

// worst is the latest warning with a known cause, else the latest warning; nil
// when there is none.
func worst(events []Event) *Event {
	var found *Event
	for i := range events {
		e := &events[i]
		if e.Warning && (found == nil || e.Code != "" || found.Code == "") {
			found = e
		}
	}
	return found
}

func (e Event) fail(verb string, ref Ref, format string, args ...any) *Error {
	code := e.Code
	return fail(code, verb, ref.String(), "%s: %s", fmt.Sprintf(format, args...), e)
}
