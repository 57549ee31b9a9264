package gcptest

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
)

// mirror holds all objects of one kind of a cluster, as they are now.
type mirror struct {
	client   dynamic.Interface
	resource schema.GroupVersionResource
	within   string // a namespace; "" for all
	changed  func() // called after each change

	mu      sync.Mutex
	objects map[string]*unstructured.Unstructured // by namespace/name
	known   bool                                  // listed at least once
}

// run follows the kind until ctx ends. A kind that is not served yet, or a cluster
// that does not answer, is tried again.
func (m *mirror) run(ctx context.Context, retry time.Duration) {
	for ctx.Err() == nil {
		if err := m.round(ctx); err != nil {
			pause(ctx, retry)
		}
	}
}

func (m *mirror) round(ctx context.Context) error {
	list, err := m.client.Resource(m.resource).Namespace(m.within).List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	fresh := map[string]*unstructured.Unstructured{}
	for i := range list.Items {
		fresh[key(&list.Items[i])] = &list.Items[i]
	}
	m.mu.Lock()
	m.objects, m.known = fresh, true
	m.mu.Unlock()
	m.changed()
	seconds := int64(relist / time.Second)
	events, err := m.client.Resource(m.resource).Namespace(m.within).Watch(ctx, metav1.ListOptions{
		ResourceVersion: list.GetResourceVersion(), TimeoutSeconds: &seconds, AllowWatchBookmarks: true,
	})
	if err != nil {
		return err
	}
	defer events.Stop()
	for event := range events.ResultChan() {
		one, ok := event.Object.(*unstructured.Unstructured)
		if event.Type == watch.Error || !ok {
			return fmt.Errorf("watch %s: %v", m.resource.Resource, event.Object)
		}
		if event.Type != watch.Bookmark {
			m.take(event.Type, one)
		}
	}
	return nil
}

func (m *mirror) take(change watch.EventType, one *unstructured.Unstructured) {
	m.mu.Lock()
	if change == watch.Deleted {
		delete(m.objects, key(one))
	} else {
		m.objects[key(one)] = one
	}
	m.mu.Unlock()
	m.changed()
}

// all is a copy of what there is; nobody may write to the objects. ready is false
// until the kind was listed once.
func (m *mirror) all() (objects map[string]*unstructured.Unstructured, ready bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[string]*unstructured.Unstructured, len(m.objects))
	for name, one := range m.objects {
		out[name] = one
	}
	return out, m.known
}
