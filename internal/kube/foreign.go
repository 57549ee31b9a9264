package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Foreign lists what lies in a namespace and does not match the label selector,
// as "configmaps/name": what would be lost with the namespace. What the cluster
// itself puts there, or what belongs to another object, does not count. A kind
// that may not be listed is named too: nobody knows what is in it.
func (c *Client) Foreign(ctx context.Context, namespace, selector string) ([]string, error) {
	ours, err := labels.Parse(selector)
	if err != nil {
		return nil, fmt.Errorf("list namespace %s: selector %q: %w", namespace, selector, err)
	}
	resources, err := c.namespaced(ctx)
	if err != nil {
		return nil, err
	}
	found, errs := make([][]string, len(resources)), make([]error, len(resources))
	free := make(chan struct{}, reviewsAtOnce)
	var wait sync.WaitGroup
	for i, resource := range resources {
		wait.Go(func() {
			free <- struct{}{}
			defer func() { <-free }()
			found[i], errs[i] = c.foreignOf(ctx, resource, namespace, ours)
		})
	}
	wait.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	all := slices.Concat(found...)
	slices.Sort(all)
	return slices.Compact(all), nil
}

func (c *Client) foreignOf(ctx context.Context, resource schema.GroupVersionResource, namespace string, ours labels.Selector) ([]string, error) {
	var list *unstructured.UnstructuredList
	err := c.try(ctx, func() (err error) {
		list, err = c.objects.Resource(resource).Namespace(namespace).List(ctx, metav1.ListOptions{Limit: 500})
		return err
	})
	if err != nil {
		err = wrap("list", resource.Resource+in(namespace), err)
		if codeOf(err) == "CW-KUBE-FORBIDDEN" {
			return []string{resource.Resource + " (may not be listed)"}, nil
		}
		return nil, err
	}
	var found []string
	for i := range list.Items {
		o := &list.Items[i]
		if !ours.Matches(labels.Set(o.GetLabels())) && !ofTheCluster(resource.Resource, o) {
			found = append(found, resource.Resource+"/"+o.GetName())
		}
	}
	return found, nil
}

// ofTheCluster reports whether the cluster made the object by itself.
func ofTheCluster(resource string, o *unstructured.Unstructured) bool {
	name := o.GetName()
	switch resource {
	case "events", "endpoints", "endpointslices", "controllerrevisions":
		return true
	case "serviceaccounts":
		return name == "default"
	case "configmaps":
		return name == "kube-root-ca.crt" || strings.HasPrefix(name, "istio-ca-")
	case "leases":
		return o.GetLabels()[ManagedByLabel] == FieldManager // our lock
	}
	return len(o.GetOwnerReferences()) > 0
}

// namespaced lists the kinds that live in namespaces and can be deleted, from
// the aggregated discovery document (Kubernetes 1.27 and later).
func (c *Client) namespaced(ctx context.Context) ([]schema.GroupVersionResource, error) {
	var found []schema.GroupVersionResource
	for _, path := range []string{"/api", "/apis"} {
		body, _, err := c.raw(ctx, path, "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
		if err != nil {
			return nil, err
		}
		var groups struct {
			Items []struct {
				Metadata struct{ Name string }
				Versions []struct {
					Version   string
					Freshness string
					Resources []struct {
						Resource, Scope string
						Verbs           []string
					}
				}
			}
		}
		if err := json.Unmarshal(body, &groups); err != nil {
			return nil, fmt.Errorf("read discovery: %w", err)
		}
		for _, group := range groups.Items {
			// An extension server that is down ("Stale") cannot be asked; the
			// namespace controller would wait for it too.
			if len(group.Versions) == 0 || group.Versions[0].Freshness == "Stale" {
				continue
			}
			for _, resource := range group.Versions[0].Resources {
				if resource.Scope == "Namespaced" && slices.Contains(resource.Verbs, "deletecollection") {
					found = append(found, schema.GroupVersionResource{Group: group.Metadata.Name,
						Version: group.Versions[0].Version, Resource: resource.Resource})
				}
			}
		}
	}
	return found, nil
}
