package kube

import (
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Ref names one object.
type Ref struct {
	Group     string // "" for the core group
	Version   string // "v1"
	Kind      string // "Deployment"
	Namespace string // "" for what lives in no namespace
	Name      string
}

// RefOf names an object that one has.
func RefOf(o *unstructured.Unstructured) Ref {
	kind := o.GroupVersionKind()
	return Ref{Group: kind.Group, Version: kind.Version, Kind: kind.Kind, Namespace: o.GetNamespace(), Name: o.GetName()}
}

// ID is the name in plans and records: "deployment/causeway-proxy".
func (r Ref) ID() string { return strings.ToLower(r.Kind) + "/" + r.Name }

// String is the name in messages: "Deployment causeway-prod/causeway-proxy".
func (r Ref) String() string {
	if r.Namespace != "" {
		return r.Kind + " " + r.Namespace + "/" + r.Name
	}
	return r.Kind + " " + r.Name
}

// plurals holds the kinds whose resource is not the lower-case kind with an s.
var plurals = map[string]string{
	"NetworkPolicy": "networkpolicies", "Endpoints": "endpoints", "Ingress": "ingresses", "StorageClass": "storageclasses",
}

// Resource is the URL's word for the kind ("networkpolicies"), by the rule that
// Kubernetes' own kinds follow. A custom kind may break it; the product has none.
func (r Ref) Resource() schema.GroupVersionResource {
	plural, known := plurals[r.Kind]
	if !known {
		plural = strings.ToLower(r.Kind)
		switch {
		case strings.HasSuffix(plural, "s"):
			plural += "es"
		case strings.HasSuffix(plural, "y"):
			plural = strings.TrimSuffix(plural, "y") + "ies"
		default:
			plural += "s"
		}
	}
	version := r.Version
	if version == "" {
		version = "v1"
	}
	return schema.GroupVersionResource{Group: r.Group, Version: version, Resource: plural}
}
