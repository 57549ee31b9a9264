package kube

import (
	"encoding/json"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// removed finds what an apply would take away: fields that causeway applied
// before and want no longer has. FieldsV1 is the API server's own account of
// them: "f:name" a field, `k:{"name":"x"}` an element by key, "v:x" one by value.
func (w *walker) removed(want, live *unstructured.Unstructured) {
	for _, entry := range live.GetManagedFields() {
		if entry.Manager != FieldManager || entry.Operation != metav1.ManagedFieldsOperationApply || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		var owned map[string]any
		if json.Unmarshal(entry.FieldsV1.GetRawBytes(), &owned) != nil {
			continue // nothing that can be compared; an apply decides
		}
		w.owned("", owned, content(want), live.Object)
	}
}

// owned walks the fields that are causeway's on live beside what want has there.
func (w *walker) owned(path string, fields map[string]any, want, live any) {
	for key, below := range fields {
		kind, rest, _ := strings.Cut(key, ":")
		var at string
		var inWant, inLive any
		switch kind {
		case "f":
			at = rest
			if path != "" {
				at = join(path, rest)
			}
			inWant, inLive = member(want, rest), member(live, rest)
		case "k":
			var keys map[string]any
			if json.Unmarshal([]byte(rest), &keys) != nil {
				continue
			}
			inWant, inLive = element(want, keys), element(live, keys)
			at = path + "[" + keyName(keys) + "]"
		default: // "." the thing itself, "v" and "i" elements of lists that compare sees
			continue
		}
		sub, _ := below.(map[string]any)
		switch {
		case empty(inLive):
		case inWant == nil && (kind == "k" || !hasFields(sub)):
			w.add(at, inLive, nil)
		default:
			// Also where want has nothing at all: others may own fields in there,
			// which stay.
			w.owned(at, sub, inWant, inLive)
		}
	}
}

// hasFields reports whether a field's entry says more than that it is owned.
func hasFields(entry map[string]any) bool {
	for key := range entry {
		if key != "." {
			return true
		}
	}
	return false
}

func member(of any, field string) any {
	m, _ := of.(map[string]any)
	return m[field]
}

// element returns an untyped nil when there is none.
func element(of any, keys map[string]any) any {
	list, _ := of.([]any)
	if found := find(list, keys); found != nil {
		return found
	}
	return nil
}

func keyName(keys map[string]any) string {
	var fields []string
	for field := range keys {
		fields = append(fields, field)
	}
	slices.Sort(fields)
	return name(keys, fields)
}

func empty(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		return len(value) == 0
	case []any:
		return len(value) == 0
	}
	return value == nil
}
