package kubeconfig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	"sigs.k8s.io/yaml"
)

// maxSize bounds a kubeconfig; etcd would not hold a tenth of it, and client-go
// reads it whole at each start.
const maxSize = 16 << 20

// The three lists of a kubeconfig, each of {name, <key>: {...}}.
const (
	clusters = "clusters"
	contexts = "contexts"
	users    = "users"
)

// tree is a kubeconfig as plain data, so that fields that this version of client-go
// does not know survive.
type tree map[string]any

type entry = map[string]any

// parse reads YAML or JSON. It refuses what kubectl would refuse (names that occur
// twice, lists that are none) and what a rewrite would lose (keys that occur twice,
// a second document).
func parse(op string, text []byte) (tree, error) {
	refuse := func(format string, args ...any) (tree, error) {
		return nil, failure(op, "CW-CFG-PARSE", fmt.Sprintf(format, args...), nil)
	}
	if len(text) > maxSize {
		return refuse("it is %d bytes long, more than 16 MiB: this is not a kubeconfig", len(text))
	}
	if severalDocuments(text) {
		return refuse("it holds several YAML documents; kubectl reads the first alone, and the others would be lost")
	}
	data, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return refuse("%s", yamlProblem(err))
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber() // so that large numbers in extensions stay what they are
	var top any
	if err := decoder.Decode(&top); err != nil {
		return refuse("it can't be read as YAML")
	}
	if top == nil {
		return tree{}, nil // an empty file, or comments alone
	}
	fields, ok := top.(map[string]any)
	if !ok {
		return refuse("it is not a kubeconfig: the whole of it is a %s", kind(top))
	}
	for field, expected := range map[string]string{"kind": "Config", "apiVersion": "v1"} {
		if have, ok := fields[field]; ok && have != expected && have != "" && have != nil {
			return refuse("it is not a kubeconfig: its %s is not %s", field, expected)
		}
	}
	if current, ok := fields["current-context"]; ok && current != nil {
		if _, ok := current.(string); !ok {
			return refuse("current-context is a %s", kind(current))
		}
	}
	for _, list := range []string{clusters, contexts, users} {
		if problem := listProblem(list, fields[list]); problem != "" {
			return refuse("%s", problem)
		}
	}
	return fields, nil
}

// listProblem checks one of the three lists; "" is fine.
func listProblem(list string, value any) string {
	if value == nil {
		return ""
	}
	items, ok := value.([]any)
	if !ok {
		return fmt.Sprintf("%s is not a list but a %s", list, kind(value))
	}
	seen := map[string]bool{}
	for i, item := range items {
		fields, ok := item.(entry)
		if !ok {
			return fmt.Sprintf("%s[%d] is a %s", list, i, kind(item))
		}
		name, ok := fields["name"].(string)
		if !ok && fields["name"] != nil {
			return fmt.Sprintf("%s[%d].name is a %s; put it into quotes", list, i, kind(fields["name"]))
		}
		if seen[name] {
			return fmt.Sprintf("%s holds %q twice, which kubectl refuses to read", list, name)
		}
		seen[name] = true
		if inner := fields[singular(list)]; inner != nil {
			if _, ok := inner.(entry); !ok {
				return fmt.Sprintf("%s[%d].%s is a %s", list, i, singular(list), kind(inner))
			}
		}
	}
	return ""
}

// yamlProblem keeps the line number of a YAML error and drops the text, which may
// quote a token.
func yamlProblem(err error) string {
	text := err.Error()
	var line int
	if at := bytes.Index([]byte(text), []byte("line ")); at >= 0 {
		if _, scan := fmt.Sscanf(text[at:], "line %d", &line); scan == nil {
			what := "is not YAML"
			if bytes.Contains([]byte(text), []byte("already set in map")) {
				what = "sets a key that was set before"
			}
			return fmt.Sprintf("line %d %s", line, what)
		}
	}
	return "it is not YAML"
}

func kind(value any) string {
	switch value.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case json.Number:
		return "number"
	case []any:
		return "list"
	}
	return "mapping"
}

// severalDocuments looks for a document marker behind content. In the block scalars
// of a kubeconfig, content is indented, so that a marker in the first column is one.
func severalDocuments(text []byte) bool {
	content := false
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		marker := bytes.HasPrefix(line, []byte("---")) && (len(line) == 3 || line[3] == ' ' || line[3] == '\t')
		switch {
		case marker && content:
			return true
		case marker:
			content = len(bytes.TrimSpace(line[3:])) > 0
		case len(bytes.TrimSpace(line)) > 0 && line[0] != '#' && line[0] != '%':
			content = true
		}
	}
	return false
}

// render writes the tree as YAML, keys in alphabetical order, as kubectl does.
func (t tree) render(op string) ([]byte, error) {
	out := tree{"apiVersion": "v1", "kind": "Config", "current-context": ""}
	for _, list := range []string{clusters, contexts, users} {
		out[list] = []any{}
	}
	for field, value := range t {
		if value != nil && value != "" {
			out[field] = value
		}
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return text, nil
}

func (t tree) items(list string) []any {
	items, _ := t[list].([]any)
	return items
}

// find returns the place of an entry in a list, -1 for none.
func (t tree) find(list, name string) int {
	return slices.IndexFunc(t.items(list), func(item any) bool { return nameOf(item) == name })
}

// inner returns what stands under cluster, context or user of an entry; nil if the
// list has no entry of that name.
func (t tree) inner(list, name string) entry {
	at := t.find(list, name)
	if at < 0 {
		return nil
	}
	inner, _ := t.items(list)[at].(entry)[singular(list)].(entry)
	if inner == nil {
		return entry{}
	}
	return inner
}

func singular(list string) string { return list[:len(list)-1] }

func nameOf(item any) string {
	name, _ := item.(entry)["name"].(string)
	return name
}

// text reads a field that ought to be a string.
func text(fields entry, name string) string {
	value, _ := fields[name].(string)
	return value
}
