package gcptest

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// ILBController stands in for Google's load-balancer controllers: it gives
// Services of type LoadBalancer that ask for an internal one a forwarding rule in
// the emulator, and takes it away when they go.
//
// It behaves as the cluster's networkConfig.enableL4ilbSubsetting says. With
// subsetting, the annotation with the address's name decides, a name that does not
// exist is skipped in silence, and spec.loadBalancerIP comes second; without, only
// spec.loadBalancerIP is read.
type ILBController struct {
	// CreateTime and DeleteTime are how long a load balancer takes to come and go.
	CreateTime, DeleteTime time.Duration
	// RetryInterval is how long a Service that failed waits; 2 s when 0.
	RetryInterval time.Duration
	// Cluster is the cluster in the emulator; the region's first when "".
	Cluster string
	// Namespace restricts it to the Services of one namespace; "" for all.
	Namespace string

	google          *Server
	project, region string
	client          dynamic.Interface
	seen            map[string]*balanced // by namespace/name
}

// balanced is what the controller remembers of a Service.
type balanced struct {
	uid    string
	since  time.Time // first seen as it is now: alive, or going
	going  bool
	said   string    // the last failure that was told
	due    time.Time // when to look at it again; zero: not before it changes
	latest *unstructured.Unstructured
}

// The strings that Google's controllers read and write.
const (
	typeAnnotation       = "networking.gke.io/load-balancer-type"
	oldTypeAnnotation    = "cloud.google.com/load-balancer-type"
	addressAnnotation    = "networking.gke.io/load-balancer-ip-addresses"
	subnetAnnotation     = "networking.gke.io/load-balancer-subnet"
	oldSubnetAnnotation  = "networking.gke.io/internal-load-balancer-subnet"
	globalAnnotation     = "networking.gke.io/internal-load-balancer-allow-global-access"
	subsettingClass      = "networking.gke.io/l4-regional-internal"
	legacyClass          = "networking.gke.io/l4-regional-internal-legacy"
	subsettingFinalizer  = "gke.networking.io/l4-ilb-v2"
	cloudFinalizer       = "service.kubernetes.io/load-balancer-cleanup"
	defaultRetryInterval = 2 * time.Second
	relist               = 30 * time.Second
)

func servicesResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "services"}
}

func eventsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Version: "v1", Resource: "events"}
}

// NewILBController makes the controller of the clusters of one region. config
// must be allowed to patch Services and create Events everywhere.
func NewILBController(server *Server, project, region string, config *rest.Config) (*ILBController, error) {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client of the load-balancer controller: %w", err)
	}
	return &ILBController{google: server, project: project, region: region, client: client, seen: map[string]*balanced{}}, nil
}

// Run works until ctx ends; it returns nil then. A cluster that does not answer
// is tried again.
func (c *ILBController) Run(ctx context.Context) error {
	if c.RetryInterval == 0 {
		c.RetryInterval = defaultRetryInterval
	}
	for ctx.Err() == nil {
		if err := c.round(ctx); err != nil && ctx.Err() == nil {
			pause(ctx, c.RetryInterval)
		}
	}
	return nil
}

// round lists all Services, then follows them until the watch ends.
func (c *ILBController) round(ctx context.Context) error {
	all, err := c.client.Resource(servicesResource()).Namespace(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	present := map[string]bool{}
	for i := range all.Items {
		present[key(&all.Items[i])] = true
		c.note(&all.Items[i])
	}
	maps.DeleteFunc(c.seen, func(name string, _ *balanced) bool { return !present[name] })
	seconds := int64(relist / time.Second)
	events, err := c.client.Resource(servicesResource()).Namespace(c.Namespace).Watch(ctx, metav1.ListOptions{
		ResourceVersion: all.GetResourceVersion(), TimeoutSeconds: &seconds, AllowWatchBookmarks: true,
	})
	if err != nil {
		return err
	}
	defer events.Stop()
	return c.follow(ctx, events)
}

// follow works on what is due and takes in what the watch tells.
func (c *ILBController) follow(ctx context.Context, events watch.Interface) error {
	for {
		timer := time.NewTimer(time.Until(c.work(ctx)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case event, open := <-events.ResultChan():
			timer.Stop()
			service, ok := event.Object.(*unstructured.Unstructured)
			switch {
			case !open:
				return nil
			case event.Type == watch.Error || !ok:
				return fmt.Errorf("watch services: %v", event.Object)
			case event.Type == watch.Deleted:
				delete(c.seen, key(service))
			case event.Type != watch.Bookmark:
				c.note(service)
			}
		}
	}
}

// note remembers a Service as it now is and makes it due.
func (c *ILBController) note(service *unstructured.Unstructured) {
	if !wantsInternal(service) && !hasFinalizer(service) {
		delete(c.seen, key(service))
		return
	}
	known := c.seen[key(service)]
	going := !wantsInternal(service)
	if known == nil || known.uid != string(service.GetUID()) || known.going != going {
		known = &balanced{uid: string(service.GetUID()), since: time.Now(), going: going}
		c.seen[key(service)] = known
	}
	known.latest, known.due = service, time.Now()
}

// work syncs every Service that is due and returns when the next one will be.
func (c *ILBController) work(ctx context.Context) time.Time {
	next := time.Now().Add(relist)
	for _, known := range c.seen {
		if !known.due.IsZero() && !time.Now().Before(known.due) {
			known.due = c.sync(ctx, known)
		}
		if !known.due.IsZero() && known.due.Before(next) {
			next = known.due
		}
	}
	return next
}

// sync brings one Service to where it wants to be; it returns when to look again,
// the zero time for not before it changes.
func (c *ILBController) sync(ctx context.Context, known *balanced) time.Time {
	take := c.CreateTime
	if known.going {
		take = c.DeleteTime
	}
	if ready := known.since.Add(take); time.Now().Before(ready) {
		if !known.going {
			c.addFinalizer(ctx, known.latest) // Google's puts it on before it begins
		}
		return ready
	}
	err := c.settleService(ctx, known)
	if err == nil {
		return time.Time{}
	}
	if ctx.Err() == nil && known.said != err.Error() {
		known.said = err.Error()
		c.event(ctx, known.latest, "Warning", "SyncLoadBalancerFailed", "Error syncing load balancer: "+err.Error())
	}
	return time.Now().Add(c.RetryInterval)
}

func (c *ILBController) settleService(ctx context.Context, known *balanced) error {
	service := known.latest
	if known.going {
		c.google.mu.Lock()
		c.google.settle()
		err := c.dropUnpublished(c.rulePath(service))
		c.google.mu.Unlock()
		if err != nil {
			return fmt.Errorf("failed to delete load balancer: %w", err)
		}
		return c.release(ctx, service)
	}
	if err := c.addFinalizer(ctx, service); err != nil {
		return fmt.Errorf("failed to add finalizer: %w", err)
	}
	ip, err := c.ensureRule(ctx, service)
	if err != nil {
		return err
	}
	if current(service) == ip {
		return nil
	}
	if err := c.setIngress(ctx, service, ip); err != nil {
		return fmt.Errorf("failed to update load balancer status: %w", err)
	}
	known.said = ""
	c.event(ctx, service, "Normal", "SyncLoadBalancerSuccessful", "Successfully ensured IPv4 load balancer resources")
	return nil
}

// wantsInternal says whether a Service that is to stay asks for an internal load balancer.
func wantsInternal(service *unstructured.Unstructured) bool {
	if service.GetDeletionTimestamp() != nil {
		return false
	}
	kind, _, _ := unstructured.NestedString(service.Object, "spec", "type")
	class, _, _ := unstructured.NestedString(service.Object, "spec", "loadBalancerClass")
	notes := service.GetAnnotations()
	internal := strings.EqualFold(notes[typeAnnotation], "Internal") || strings.EqualFold(notes[oldTypeAnnotation], "Internal")
	if class != "" {
		internal = class == subsettingClass || class == legacyClass
	}
	return kind == "LoadBalancer" && internal
}

func hasFinalizer(service *unstructured.Unstructured) bool {
	for _, one := range service.GetFinalizers() {
		if one == subsettingFinalizer || one == cloudFinalizer {
			return true
		}
	}
	return false
}

func key(o *unstructured.Unstructured) string { return o.GetNamespace() + "/" + o.GetName() }

// current is the IP that the Service's status tells, "" for none.
func current(service *unstructured.Unstructured) string {
	list, _, _ := unstructured.NestedSlice(service.Object, "status", "loadBalancer", "ingress")
	if len(list) == 0 {
		return ""
	}
	ingress, _ := list[0].(map[string]any)
	ip, _ := ingress["ip"].(string)
	return ip
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
