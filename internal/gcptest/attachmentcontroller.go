package gcptest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// AttachmentController stands in for GKE's controller of ServiceAttachment objects
// (ingress-gce, pkg/psc): it gives each a service attachment in the emulator, under
// a name of its own, on the forwarding rule of the Service that the object names.
// Lists and subnetworks there are always those of the object: who edits the service
// attachment itself loses that at the next change. Nobody notices when a consumer
// connects; status tells it some time later.
type AttachmentController struct {
	// CreateTime and DeleteTime are how long a service attachment takes to come and
	// go. Google's collects what was deleted every two minutes.
	CreateTime, DeleteTime time.Duration
	// RetryInterval is how long what failed waits, and how often status is brought up
	// to date; 2 s when 0.
	RetryInterval time.Duration
	// Cluster is the cluster in the emulator; the region's first when "".
	Cluster string
	// Namespace restricts it to one namespace; "" for all.
	Namespace string

	google          *Server
	project, region string
	config          *rest.Config
	client          dynamic.Interface
	objects         *mirror
	services        *mirror
	news            chan struct{}
	seen            map[string]*attached // by uid
}

// attached is what the controller remembers of an object.
type attached struct {
	since time.Time // first seen as it is now: alive, or going
	going bool
	said  string // the last failure that was told
}

// The strings that Google's controller reads and writes.
const (
	attachmentFinalizer = "networking.gke.io/service-attachment-finalizer"
	attachmentFailed    = "ProcessServiceAttachmentFailed"
	attachmentCreated   = "ServiceAttachmentCreated"
	attachmentLeft      = "ServiceAttachmentGCError"
)

// NewAttachmentController makes the controller of the clusters of one region. config
// must be allowed everything; Run brings the kind into the cluster, where it is not.
func NewAttachmentController(server *Server, project, region string, config *rest.Config) (*AttachmentController, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client of the service attachments' controller: %w", err)
	}
	return &AttachmentController{google: server, project: project, region: region, config: config, client: client,
		news: make(chan struct{}, 1), seen: map[string]*attached{}}, nil
}

// Run works until ctx ends; it returns nil then. A cluster that does not answer is
// tried again.
func (c *AttachmentController) Run(ctx context.Context) error {
	if c.RetryInterval == 0 {
		c.RetryInterval = defaultRetryInterval
	}
	for InstallCRDs(ctx, c.config, ServiceAttachmentKind) != nil {
		if pause(ctx, c.RetryInterval); ctx.Err() != nil {
			return nil
		}
	}
	wake := func() {
		select {
		case c.news <- struct{}{}:
		default:
		}
	}
	c.objects = &mirror{client: c.client, resource: resourceOf(ServiceAttachmentKind), within: c.Namespace, changed: wake}
	c.services = &mirror{client: c.client, resource: servicesResource(), within: c.Namespace, changed: wake}
	var following sync.WaitGroup
	defer following.Wait()
	for _, one := range []*mirror{c.objects, c.services} {
		following.Go(func() { one.run(ctx, c.RetryInterval) })
	}
	tick := time.NewTicker(c.RetryInterval)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-c.news:
		case <-tick.C:
		}
		c.pass(ctx)
	}
	return nil
}

func (c *AttachmentController) pass(ctx context.Context) {
	objects, known := c.objects.all()
	services, too := c.services.all()
	if !known || !too {
		return
	}
	present := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		one := objects[name]
		present[string(one.GetUID())] = true
		c.one(ctx, one, services)
	}
	maps.DeleteFunc(c.seen, func(uid string, _ *attached) bool { return !present[uid] })
}

// one brings one object to where it wants to be.
func (c *AttachmentController) one(ctx context.Context, cr *unstructured.Unstructured, services map[string]*unstructured.Unstructured) {
	going := cr.GetDeletionTimestamp() != nil
	known := c.seen[string(cr.GetUID())]
	if known == nil || known.going != going {
		known = &attached{since: time.Now(), going: going}
		c.seen[string(cr.GetUID())] = known
	}
	held := slices.Contains(cr.GetFinalizers(), attachmentFinalizer)
	reason, take, work := attachmentFailed, c.CreateTime, func() error { return c.ensure(ctx, cr, services) }
	if going {
		reason, take, work = attachmentLeft, c.DeleteTime, func() error { return c.remove(ctx, cr) }
	}
	switch {
	case going && !held:
		return
	case !going && !held:
		setFinalizers(ctx, c.client, resourceOf(ServiceAttachmentKind), cr, append(slices.Clone(cr.GetFinalizers()), attachmentFinalizer))
		return // it comes back changed
	case time.Now().Before(known.since.Add(take)):
		return
	}
	err := work()
	if err == nil {
		known.said = ""
		return
	}
	text := fmt.Sprintf("error processing service attachment %q: %q", key(cr), err)
	if going {
		text = fmt.Sprintf("Failed to Garbage Collect Service Attachment %s: %q", key(cr), err)
	}
	if ctx.Err() == nil && known.said != text {
		known.said = text
		c.event(ctx, cr, "Warning", reason, text)
	}
}

// remove takes the service attachment away, then lets the object go.
func (c *AttachmentController) remove(ctx context.Context, cr *unstructured.Unstructured) error {
	s := c.google
	s.mu.Lock()
	s.settle()
	if at := c.placeOf(cr); s.objects[at] != nil {
		for _, rule := range s.endpointsOf(at) {
			s.objects[rule]["pscConnectionStatus"] = closed
		}
		delete(s.objects, at)
		s.touch()
	}
	s.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(cr.GetFinalizers()), func(one string) bool { return one == attachmentFinalizer })
	return setFinalizers(ctx, c.client, resourceOf(ServiceAttachmentKind), cr, left)
}

// placeOf is the path of an object's service attachment: of its status, or as it
// would be named.
func (c *AttachmentController) placeOf(cr *unstructured.Unstructured) string {
	told, _, _ := unstructured.NestedString(cr.Object, "status", "serviceAttachmentURL")
	if at := relative(told, c.project); at != "" {
		return at
	}
	return "projects/" + c.project + "/regions/" + c.region + "/serviceAttachments/" + attachmentName(cr)
}

// tell writes status where it changed; the first time with an event.
func (c *AttachmentController) tell(ctx context.Context, cr *unstructured.Unstructured, at string, attachment object) error {
	status := object{"serviceAttachmentURL": link(at), "forwardingRuleURL": text(attachment, "targetService")}
	consumers := []any{}
	for _, one := range entries(attachment, "connectedEndpoints") {
		consumers = append(consumers, object{"forwardingRuleURL": text(one, "endpoint"), "status": text(one, "status")})
	}
	if len(consumers) > 0 {
		status["consumerForwardingRules"] = consumers
	}
	old, _, _ := unstructured.NestedMap(cr.Object, "status")
	first := text(old, "serviceAttachmentURL") == ""
	delete(old, "lastModifiedTimestamp")
	if !first && sameJSON(old, status) {
		return nil
	}
	status["lastModifiedTimestamp"] = time.Now().UTC().Format(time.RFC3339)
	if len(consumers) == 0 {
		status["consumerForwardingRules"] = nil
	}
	patch, err := json.Marshal(object{"metadata": object{"resourceVersion": cr.GetResourceVersion()}, "status": status})
	if err != nil {
		return err
	}
	_, err = c.client.Resource(resourceOf(ServiceAttachmentKind)).Namespace(cr.GetNamespace()).Patch(ctx, cr.GetName(), types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "glbc"})
	if err == nil && first {
		c.event(ctx, cr, "Normal", attachmentCreated, fmt.Sprintf("Service Attachment %s was successfully created.", link(at)))
	}
	return err
}

func sameJSON(a, b object) bool { return signature([]any{a}) == signature([]any{b}) }

// event tells what happened; one that cannot be written is lost.
func (c *AttachmentController) event(ctx context.Context, cr *unstructured.Unstructured, kind, reason, message string) {
	now := time.Now().UTC().Format(time.RFC3339)
	event := &unstructured.Unstructured{Object: object{
		"apiVersion": "v1", "kind": "Event", "metadata": object{"generateName": cr.GetName() + ".", "namespace": cr.GetNamespace()},
		"involvedObject": object{"apiVersion": cr.GetAPIVersion(), "kind": cr.GetKind(), "namespace": cr.GetNamespace(), "name": cr.GetName(),
			"uid": string(cr.GetUID()), "resourceVersion": cr.GetResourceVersion()},
		"type": kind, "reason": reason, "message": message, "count": int64(1), "firstTimestamp": now, "lastTimestamp": now,
		"source": object{"component": "service-attachment-controller"},
	}}
	_, _ = c.client.Resource(eventsResource()).Namespace(cr.GetNamespace()).Create(ctx, event, metav1.CreateOptions{})
}
