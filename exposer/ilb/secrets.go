package ilb

import (
	"context"
	"encoding/base64"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/kube"
	"causeway/templates"
)

// secret is the step of one Secret in the exposure's namespace.
func (x *exposure) secret(name, about string) *exposer.Object {
	return &exposer.Object{
		Cluster: x.kube, Exposure: x.spec.Name, About: "Secret " + name + " (" + about + ")", After: []string{exposer.NamespaceID(x.spec)},
		Ref: kube.Ref{Version: "v1", Kind: "Secret", Namespace: x.spec.Namespace, Name: name},
	}
}

// secretObject is the Secret itself.
func (x *exposure) secretObject(name, kind string, data map[string][]byte) (*unstructured.Unstructured, error) {
	m, err := templates.Secret(x.spec.Name, x.spec.Namespace, name, kind, data)
	return m.Object, err
}

// secretData reads a Secret's values; nil when there is no such Secret.
func (x *exposure) secretData(ctx context.Context, name string) (map[string][]byte, error) {
	live, err := x.kube.Get(ctx, kube.Ref{Version: "v1", Kind: "Secret", Namespace: x.spec.Namespace, Name: name})
	if err != nil || live == nil {
		return nil, err
	}
	encoded, _, err := unstructured.NestedStringMap(live.Object, "data")
	if err != nil {
		return nil, fmt.Errorf("read Secret %s: %w", name, err)
	}
	data := map[string][]byte{}
	for key, value := range encoded {
		if data[key], err = base64.StdEncoding.DecodeString(value); err != nil {
			return nil, fmt.Errorf("read Secret %s: key %s: %w", name, key, err)
		}
	}
	return data, nil
}
