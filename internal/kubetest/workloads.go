package kubetest

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// The resources that the stand-in looks after.
var (
	namespaces      = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
	nodes           = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	pods            = schema.GroupVersionResource{Version: "v1", Resource: "pods"}
	secrets         = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	configMaps      = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	events          = schema.GroupVersionResource{Version: "v1", Resource: "events"}
	serviceAccounts = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	deployments     = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
	budgets         = schema.GroupVersionResource{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"}
)

// Controllers stand in for the controller manager, the scheduler and one node.
//
//   - A Deployment gets Pods, which run and are ready at once, and the status that
//     goes with it; Pods that Pod Security refuses are reported as a ReplicaFailure.
//   - An image whose tag is "missing" does not pull, one with "crash" ends at once,
//     one with "unready" never becomes ready, one with "unschedulable" finds no node.
//   - A PodDisruptionBudget gets its status.
//   - A Secret of type kubernetes.io/service-account-token gets token, ca.crt and
//     namespace; it goes when its ServiceAccount goes.
//   - A namespace gets its default ServiceAccount and kube-root-ca.crt, and when it
//     is deleted all in it goes, then itself.
//   - A Pod that names a scheduler of its own is left alone.
//   - A Pod without an owner is bound and runs what OnRun says; its log can be read.
type Controllers struct {
	client   dynamic.Interface
	config   *rest.Config
	ca       []byte
	tokenKey *ecdsa.PrivateKey // nil: Secrets get a TokenRequest's token
	kubelet  *http.Server
	cancel   context.CancelFunc
	wait     sync.WaitGroup
	leaving  sync.Map   // namespaces that are being emptied
	rollout  sync.Mutex // one Deployment at a time
	podNet   byte       // second byte of the Pods' addresses
	serial   atomic.Uint32

	mu   sync.Mutex
	run  map[string]RunFunc // by namespace
	logs map[string]string  // by namespace/pod
}

// firstPodNet is the second byte of the addresses of the first cluster's Pods.
const firstPodNet byte = 52

// RunFunc says what a Pod without an owner does: its log and its exit code.
type RunFunc func(pod *unstructured.Unstructured) (log string, exit int)

var sharedControllers struct {
	sync.Mutex
	byHost map[string]*Controllers
}

// Workloads starts the stand-in for a server, once a binary: several tests share
// it, as they share the server.
func Workloads(t testing.TB, config *rest.Config) *Controllers {
	t.Helper()
	sharedControllers.Lock()
	defer sharedControllers.Unlock()
	if controllers := sharedControllers.byHost[config.Host]; controllers != nil {
		return controllers
	}
	var key *ecdsa.PrivateKey
	if shared.server != nil && shared.server.URL == config.Host {
		key = shared.server.tokenKey
	}
	podNet := firstPodNet
	if second := shared.second.server; second != nil && second.URL == config.Host {
		key, podNet = second.tokenKey, firstPodNet+1
	}
	controllers, err := startControllers(config, key, podNet)
	if err != nil {
		t.Fatalf("start stand-in for controllers: %v", err)
	}
	if sharedControllers.byHost == nil {
		sharedControllers.byHost = map[string]*Controllers{}
	}
	sharedControllers.byHost[config.Host] = controllers
	return controllers
}

// StartWorkloads starts the stand-in for this server. The caller must Stop it,
// before the server.
func (s *Server) StartWorkloads() (*Controllers, error) {
	return startControllers(s.Config, s.tokenKey, firstPodNet)
}

func startControllers(config *rest.Config, key *ecdsa.PrivateKey, podNet byte) (*Controllers, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.UserAgent = -1, "kube-controller-manager"
	config.WarningHandler = rest.NoWarnings{} // emptying a namespace meets deprecated kinds
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Controllers{client: client, config: config, ca: config.CAData, tokenKey: key, cancel: cancel, podNet: podNet,
		run: map[string]RunFunc{}, logs: map[string]string{}}
	if err := c.startNode(ctx); err != nil {
		cancel()
		return nil, err
	}
	c.watch(ctx, namespaces, "", c.namespace)
	c.watch(ctx, deployments, "", c.deployment)
	c.watch(ctx, pods, "", c.pod)
	c.watch(ctx, budgets, "", c.budget)
	c.watch(ctx, secrets, "type=kubernetes.io/service-account-token", c.tokenSecret)
	c.watch(ctx, serviceAccounts, "", c.serviceAccount)
	return c, nil
}

// OnRun says what Pods without an owner do in a namespace; without it they end at
// once, with exit code 0 and an empty log.
func (c *Controllers) OnRun(namespace string, run RunFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.run[namespace] = run
}

// Stop ends the stand-in; what it made stays.
func (c *Controllers) Stop() {
	c.cancel()
	_ = c.kubelet.Close()
	c.wait.Wait()
}

// handler brings one object forward. gone is true when it was deleted.
type handler func(ctx context.Context, object *unstructured.Unstructured, gone bool) error

// watch calls handle for each object of a kind, now and at each change, one at a
// time. After an error everything is listed and handled again: a conflict, say,
// is nothing but a reason to look again.
func (c *Controllers) watch(ctx context.Context, resource schema.GroupVersionResource, fields string, handle handler) {
	c.wait.Add(1)
	go func() {
		defer c.wait.Done()
		for ctx.Err() == nil {
			if err := c.watchOnce(ctx, resource, fields, handle); err != nil {
				pause(ctx, 50*time.Millisecond)
			}
		}
	}()
}

func (c *Controllers) watchOnce(ctx context.Context, resource schema.GroupVersionResource, fields string, handle handler) error {
	list, err := c.client.Resource(resource).List(ctx, metav1.ListOptions{FieldSelector: fields})
	if err != nil {
		return err
	}
	for i := range list.Items {
		if err := handle(ctx, &list.Items[i], false); ignorable(err) != nil {
			return err
		}
	}
	watcher, err := c.client.Resource(resource).Watch(ctx, metav1.ListOptions{
		FieldSelector: fields, ResourceVersion: list.GetResourceVersion()})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for event := range watcher.ResultChan() {
		object, isObject := event.Object.(*unstructured.Unstructured)
		if !isObject || event.Type == watch.Error {
			return fmt.Errorf("watch %s: %v", resource.Resource, event.Object)
		}
		if err := handle(ctx, object, event.Type == watch.Deleted); ignorable(err) != nil {
			return err
		}
	}
	return nil
}

// ignorable drops the errors after which there is nothing more to do: the object,
// or its namespace, is gone.
func ignorable(err error) error {
	if apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, "NamespaceTerminating") {
		return nil
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// create makes an object and takes it for good when it exists.
func (c *Controllers) create(ctx context.Context, resource schema.GroupVersionResource, object map[string]any) (*unstructured.Unstructured, error) {
	u := &unstructured.Unstructured{Object: object}
	made, err := c.client.Resource(resource).Namespace(u.GetNamespace()).Create(ctx, u, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return u, nil
	}
	return made, err
}

// event records one, as the component named by source would.
func (c *Controllers) event(ctx context.Context, of *unstructured.Unstructured, kind, source, reason, message string) {
	now := time.Now().UTC().Format(time.RFC3339)
	_, _ = c.create(ctx, events, map[string]any{ // best effort, as in a cluster
		"apiVersion": "v1", "kind": "Event",
		"metadata": map[string]any{"generateName": of.GetName() + ".", "namespace": of.GetNamespace()},
		"involvedObject": map[string]any{"apiVersion": of.GetAPIVersion(), "kind": of.GetKind(),
			"name": of.GetName(), "namespace": of.GetNamespace(), "uid": string(of.GetUID())},
		"type": kind, "reason": reason, "message": message, "count": int64(1),
		"source": map[string]any{"component": source}, "firstTimestamp": now, "lastTimestamp": now,
	})
}
