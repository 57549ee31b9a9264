package kube

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Change is one difference between what is and what shall be. Values of Secrets
// never stand in it, only their hash.
type Change struct {
	Path string // spec.template.spec.containers[nginx].image
	From string // "" when there is nothing
	To   string // "" when it goes
}

// String is the change as one line.
func (c Change) String() string {
	switch {
	case c.From == "":
		return c.Path + ": + " + c.To
	case c.To == "":
		return c.Path + ": - " + c.From
	}
	return c.Path + ": " + c.From + " -> " + c.To
}

// Diff lists what an Apply of want would change on live, sorted by path; nil
// when nothing. It needs no request:
//
//   - what want says and live does not say is a change. What the API server or
//     others added is none; lists whose elements have a key are compared by key.
//   - what the manager causeway set before (live's managed fields say so) and want
//     no longer says is removed by an apply: also a change.
func Diff(want, live *unstructured.Unstructured) []Change {
	w := walker{secret: want.GetKind() == "Secret"}
	w.root(content(want), content(live))
	w.removed(want, live)
	slices.SortFunc(w.changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return w.changes
}

// content is the part of an object that its writer decides.
func content(o *unstructured.Unstructured) map[string]any {
	kept := map[string]any{}
	for field, value := range o.Object {
		switch field {
		case "apiVersion", "kind", "status", "metadata", "stringData":
		default:
			kept[field] = value
		}
	}
	meta := map[string]any{}
	for _, field := range []string{"labels", "annotations", "finalizers", "ownerReferences"} {
		if value, found, _ := unstructured.NestedFieldNoCopy(o.Object, "metadata", field); found {
			meta[field] = value
		}
	}
	kept["metadata"] = meta
	// stringData is written only; it comes back in data.
	if plain, found, _ := unstructured.NestedStringMap(o.Object, "stringData"); found {
		data, _, _ := unstructured.NestedMap(o.Object, "data")
		if data == nil {
			data = map[string]any{}
		}
		for key, value := range plain {
			data[key] = base64.StdEncoding.EncodeToString([]byte(value))
		}
		kept["data"] = data
	}
	return kept
}

type walker struct {
	secret  bool
	changes []Change
}

func (w *walker) root(want, live map[string]any) {
	for field, value := range want {
		w.compare(field, field, value, live[field])
	}
}

// compare walks want; field is the last word of the path.
func (w *walker) compare(path, field string, want, live any) {
	switch want := want.(type) {
	case map[string]any:
		have, _ := live.(map[string]any)
		for key, value := range want {
			w.compare(join(path, key), key, value, have[key])
		}
	case []any:
		have, _ := live.([]any)
		w.list(path, field, want, have)
	default:
		if !same(path, want, live) {
			w.add(path, live, want)
		}
	}
}

func (w *walker) list(path, field string, want, live []any) {
	keys := keysOf(path, field)
	if keys == nil {
		if len(want) != len(live) {
			w.add(path, live, want)
			return
		}
		for i := range want {
			w.compare(fmt.Sprintf("%s[%d]", path, i), field, want[i], live[i])
		}
		return
	}
	for _, each := range want {
		element, _ := each.(map[string]any)
		have := find(live, keyValues(element, keys))
		at := path + "[" + name(element, keys) + "]"
		if have == nil {
			w.add(at, nil, element)
			continue
		}
		w.compare(at, field, element, have)
	}
}

// add records a change, in a form that fits on a line and tells no secret.
func (w *walker) add(path string, from, to any) {
	c := Change{Path: path, From: show(from), To: show(to)}
	if w.secret && strings.HasPrefix(path, "data") {
		c.From, c.To = hashed(from), hashed(to)
	} else if a, isText := from.(string); isText {
		if b, isText := to.(string); isText && (strings.Contains(a, "\n") || strings.Contains(b, "\n")) {
			c.From, c.To = lines(a, b)
		}
	}
	w.changes = append(w.changes, c)
}

// listKeys says by which fields the elements of a list are known (from the
// x-kubernetes-list-map-keys of the API's OpenAPI document).
var listKeys = map[string][]string{
	"containers": {"name"}, "initContainers": {"name"}, "volumes": {"name"}, "env": {"name"},
	"volumeMounts": {"mountPath"}, "imagePullSecrets": {"name"}, "secrets": {"name"},
	"topologySpreadConstraints": {"topologyKey", "whenUnsatisfiable"}, "hostAliases": {"ip"},
	"ownerReferences": {"uid"},
}

func keysOf(path, field string) []string {
	if strings.HasSuffix(path, "]") {
		return nil // a list within a list
	}
	if field == "ports" {
		switch {
		case path == "spec.ports":
			return []string{"port", "protocol"}
		case strings.Contains(path, "ontainers["):
			return []string{"containerPort", "protocol"}
		}
		return nil // a NetworkPolicy's: compared in order
	}
	return listKeys[field]
}

func keyValues(element map[string]any, keys []string) map[string]any {
	values := map[string]any{}
	for _, key := range keys {
		values[key] = element[key]
		if element[key] == nil && key == "protocol" {
			values[key] = "TCP" // the API server's default
		}
	}
	return values
}

func find(list []any, keys map[string]any) map[string]any {
	for _, each := range list {
		element, _ := each.(map[string]any)
		matches := element != nil
		for key, value := range keys {
			have := element[key]
			if have == nil && key == "protocol" {
				have = "TCP"
			}
			matches = matches && same("", value, have)
		}
		if matches {
			return element
		}
	}
	return nil
}

func name(element map[string]any, keys []string) string {
	parts := make([]string, len(keys))
	for i, key := range keys {
		parts[i] = fmt.Sprint(keyValues(element, keys)[key])
	}
	return strings.Join(parts, "/")
}

// join writes a path as kubectl does; keys with dots stand in brackets.
func join(path, key string) string {
	if strings.ContainsAny(key, "./") {
		return path + "[" + strconv.Quote(key) + "]"
	}
	return path + "." + key
}

// same compares scalars. Numbers are one kind, whichever decoder they came
// from; quantities are compared by what they mean ("1000m" is "1").
func same(path string, want, live any) bool {
	if want == nil {
		return live == nil
	}
	if a, isNumber := number(want); isNumber {
		b, isNumber := number(live)
		return isNumber && a == b
	}
	if want == live {
		return true
	}
	a, isText := want.(string)
	b, alsoText := live.(string)
	if !isText || !alsoText || !strings.Contains(path, ".resources.") && !strings.HasSuffix(path, ".sizeLimit") {
		return false
	}
	x, err := resource.ParseQuantity(a)
	if err != nil {
		return false
	}
	y, err := resource.ParseQuantity(b)
	return err == nil && x.Cmp(y) == 0
}

func number(value any) (float64, bool) {
	switch n := value.(type) {
	case int:
		return float64(n), true
	case int32:
		return float64(n), true
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func show(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		if strings.Contains(value, "\n") {
			return fmt.Sprintf("(%d lines)", strings.Count(strings.TrimSuffix(value, "\n"), "\n")+1)
		}
		return strconv.Quote(value)
	}
	text, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprint(value)
	}
	const most = 120
	if len(text) > most {
		return string(text[:most]) + "..."
	}
	return string(text)
}

// hashed stands for a Secret's value: enough to see that it differs.
func hashed(value any) string {
	if value == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(fmt.Sprint(value)))
	return "(secret, sha256:" + hex.EncodeToString(sum[:6]) + ")"
}

// lines shows the first line in which two texts differ.
func lines(from, to string) (string, string) {
	a, b := strings.Split(from, "\n"), strings.Split(to, "\n")
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	line := func(text []string) string {
		if at >= len(text) {
			return "(ends)"
		}
		return fmt.Sprintf("line %d: %s", at+1, strings.TrimSpace(text[at]))
	}
	return line(a), line(b)
}
