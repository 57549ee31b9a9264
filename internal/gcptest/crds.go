package gcptest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// The kinds that GKE's own controllers bring into a cluster.
const (
	ServiceExportKind     = "ServiceExport"     // net.gke.io/v1
	ServiceImportKind     = "ServiceImport"     // net.gke.io/v1
	ServiceAttachmentKind = "ServiceAttachment" // networking.gke.io/v1
)

const (
	fleetGroup      = "net.gke.io"
	attachmentGroup = "networking.gke.io"
	// crdTime is how long a new kind may take until it is served.
	crdTime = 30 * time.Second
)

func definitionsResource() schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
}

// InstallCRDs brings kinds into a cluster, all when none is named, and waits until
// they are served. What is there already stays as it is. On GKE, ServiceAttachment
// is in every cluster; the other two come when multi-cluster Services are enabled
// for the cluster's fleet.
func InstallCRDs(ctx context.Context, config *rest.Config, kinds ...string) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	if len(kinds) == 0 {
		kinds = []string{ServiceExportKind, ServiceImportKind, ServiceAttachmentKind}
	}
	for _, kind := range kinds {
		definition := definitionOf(kind)
		if definition == nil {
			return fmt.Errorf("install kind %s: GKE has none of that name here", kind)
		}
		_, err := client.Resource(definitionsResource()).Create(ctx, &unstructured.Unstructured{Object: definition}, metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("install kind %s: %w", kind, err)
		}
	}
	for _, kind := range kinds {
		if err := waitServed(ctx, client, kind); err != nil {
			return err
		}
	}
	return nil
}

// waitServed waits until a kind can be listed.
func waitServed(ctx context.Context, client dynamic.Interface, kind string) error {
	ctx, cancel := context.WithTimeout(ctx, crdTime)
	defer cancel()
	for {
		_, err := client.Resource(resourceOf(kind)).List(ctx, metav1.ListOptions{Limit: 1})
		if err == nil {
			return nil
		}
		pause(ctx, 50*time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("wait for kind %s to be served: %w", kind, err)
		}
	}
}

func resourceOf(kind string) schema.GroupVersionResource {
	group := fleetGroup
	if kind == ServiceAttachmentKind {
		group = attachmentGroup
	}
	return schema.GroupVersionResource{Group: group, Version: "v1", Resource: strings.ToLower(kind) + "s"}
}

// definitionOf is the CustomResourceDefinition of a kind, nil for any other. The
// schemas hold what is public of Google's; of ServiceExport that is its name alone.
func definitionOf(kind string) object {
	switch kind {
	case ServiceExportKind:
		return definition(kind, true, schemaObject(object{"spec": anything(), "status": anything()}))
	case ServiceImportKind:
		return definition(kind, true, schemaObject(object{
			"spec": schemaObject(object{
				"type": object{"type": "string", "enum": []any{"ClusterSetIP", "Headless"}},
				"ips":  listOfStrings(), "ports": object{"type": "array", "items": anything()},
				"sessionAffinity": object{"type": "string"}, "sessionAffinityConfig": anything(),
			}, "type", "ports"),
			"status": schemaObject(object{"clusters": object{"type": "array", "items": schemaObject(object{"cluster": object{"type": "string"}}, "cluster")}}),
		}))
	case ServiceAttachmentKind:
		// No status subresource: Google's controller writes status and finalizer in
		// one patch of the whole.
		return definition(kind, false, schemaObject(object{"spec": attachmentSpecSchema(), "status": schemaObject(object{
			"serviceAttachmentURL": object{"type": "string"}, "forwardingRuleURL": object{"type": "string"},
			"consumerForwardingRules": object{"type": "array", "items": schemaObject(object{"forwardingRuleURL": object{"type": "string"}, "status": object{"type": "string"}})},
			"lastModifiedTimestamp":   object{"type": "string", "format": "date-time"},
		})}))
	}
	return nil
}

// attachmentSpecSchema is the spec of Google's public type (ingress-gce,
// pkg/apis/serviceattachment/v1).
func attachmentSpecSchema() object {
	consumer := schemaObject(object{
		"project": object{"type": "string"}, "connectionLimit": object{"type": "integer", "format": "int64"},
		"forceSendFields": listOfStrings(), "nullFields": listOfStrings(),
	}, "project")
	return schemaObject(object{
		"connectionPreference": object{"type": "string"}, "natSubnets": listOfStrings(),
		"resourceRef":   schemaObject(object{"apiGroup": object{"type": "string"}, "kind": object{"type": "string"}, "name": object{"type": "string"}}, "kind", "name"),
		"proxyProtocol": object{"type": "boolean"}, "reconcileConnections": object{"type": "boolean"},
		"consumerAllowList":  object{"type": "array", "items": consumer, "x-kubernetes-list-type": "atomic"},
		"consumerRejectList": listOfStrings(),
	}, "connectionPreference", "natSubnets", "resourceRef")
}

func anything() object {
	return object{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
}

func listOfStrings() object {
	return object{"type": "array", "items": object{"type": "string"}, "x-kubernetes-list-type": "atomic"}
}

func schemaObject(properties object, required ...string) object {
	out := object{"type": "object", "properties": properties}
	if len(required) > 0 {
		names := []any{}
		for _, name := range slices.Sorted(slices.Values(required)) {
			names = append(names, name)
		}
		out["required"] = names
	}
	return out
}

func definition(kind string, statusApart bool, body object) object {
	resource := resourceOf(kind)
	version := object{"name": "v1", "served": true, "storage": true, "schema": object{"openAPIV3Schema": body}}
	if statusApart {
		version["subresources"] = object{"status": object{}}
	}
	return object{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": object{"name": resource.Resource + "." + resource.Group},
		"spec": object{
			"group": resource.Group, "scope": "Namespaced", "versions": []any{version},
			"names": object{"kind": kind, "listKind": kind + "List", "plural": resource.Resource, "singular": strings.ToLower(kind)},
		},
	}
}
