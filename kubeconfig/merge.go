package kubeconfig

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// MergeOptions says what a merge does beyond the entries themselves.
type MergeOptions struct {
	SetCurrent bool // make the added context the current one; else current-context stays
}

// Merge adds the clusters, users and contexts of one kubeconfig to another. Entries
// of the same name are replaced whole and keep their place, as `gcloud container
// clusters get-credentials` does; all others, and every other field of existing,
// stay as they are. An empty existing is an empty kubeconfig. The error has the code
// CW-CFG-PARSE and says which of the two it means.
func Merge(existing, add []byte, o MergeOptions) ([]byte, error) {
	base, err := parse("read existing kubeconfig", existing)
	if err != nil {
		return nil, err
	}
	extra, err := parse("read new kubeconfig", add)
	if err != nil {
		return nil, err
	}
	for _, list := range []string{clusters, contexts, users} {
		items := slices.Clone(base.items(list))
		for _, item := range extra.items(list) {
			if at := base.find(list, nameOf(item)); at >= 0 {
				items[at] = item
			} else {
				items = append(items, item)
			}
		}
		base[list] = items
	}
	if o.SetCurrent {
		current, err := extra.current()
		if err != nil {
			return nil, err
		}
		base["current-context"] = current
	}
	return base.render("merge kubeconfig")
}

// current is the context that a kubeconfig means: its current one, or its only one.
func (t tree) current() (string, error) {
	if current := text(entry(t), "current-context"); current != "" {
		return current, nil
	}
	if items := t.items(contexts); len(items) == 1 && nameOf(items[0]) != "" {
		return nameOf(items[0]), nil
	}
	return "", failure("choose context", "CW-CFG-NO-CONTEXT", "the kubeconfig has no current context; "+t.known(), nil)
}

// known lists the contexts, for an error.
func (t tree) known() string {
	var names []string
	for _, item := range t.items(contexts) {
		names = append(names, fmt.Sprintf("%q", nameOf(item)))
	}
	if len(names) == 0 {
		return "it has no contexts"
	}
	return "it has " + strings.Join(names, ", ")
}

// Conflicts names the entries that Merge would replace with something else, as
// "clusters/NAME", and that point at another server or belong to another tool: all
// those that differ, but for the secrets of a user of a context that stays at the
// same server. Use it to ask before an entry of somebody else is overwritten.
func Conflicts(existing, add []byte) ([]string, error) {
	base, err := parse("read existing kubeconfig", existing)
	if err != nil {
		return nil, err
	}
	extra, err := parse("read new kubeconfig", add)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, item := range extra.items(clusters) {
		name := nameOf(item)
		have, next := base.inner(clusters, name), extra.inner(clusters, name)
		if have != nil && text(have, "server") != text(next, "server") {
			found = append(found, clusters+"/"+name)
		}
	}
	for _, item := range extra.items(contexts) {
		name := nameOf(item)
		have, next := base.inner(contexts, name), extra.inner(contexts, name)
		if have != nil && (text(have, "cluster") != text(next, "cluster") || text(have, "user") != text(next, "user")) {
			found = append(found, contexts+"/"+name)
		}
	}
	for _, item := range extra.items(users) {
		name := nameOf(item)
		have, next := base.inner(users, name), extra.inner(users, name)
		if have != nil && !reflect.DeepEqual(fieldNames(have), fieldNames(next)) {
			found = append(found, users+"/"+name)
		}
	}
	return found, nil
}

func fieldNames(fields entry) []string {
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Remove takes a context out, and its cluster and user unless another context uses
// them. current-context is emptied if it named this one. A context that is not there
// is no error: existing comes back as it is.
func Remove(existing []byte, context string) ([]byte, error) {
	base, err := parse("read existing kubeconfig", existing)
	if err != nil {
		return nil, err
	}
	gone := base.inner(contexts, context)
	if gone == nil {
		return existing, nil
	}
	base.drop(contexts, context)
	for list, field := range map[string]string{clusters: "cluster", users: "user"} {
		name := text(gone, field)
		used := slices.ContainsFunc(base.items(contexts), func(item any) bool {
			inner, _ := item.(entry)["context"].(entry)
			return text(inner, field) == name
		})
		if !used {
			base.drop(list, name)
		}
	}
	if text(entry(base), "current-context") == context {
		base["current-context"] = ""
	}
	return base.render("remove context from kubeconfig")
}

func (t tree) drop(list, name string) {
	t[list] = slices.DeleteFunc(slices.Clone(t.items(list)), func(item any) bool { return nameOf(item) == name })
}

// Extract makes a kubeconfig of one context of another: its cluster, its user, and
// itself as the current context, unknown fields kept. It is nil where the context,
// or what it refers to, is not there. What Build made and Merge put into a file
// comes out again byte for byte.
func Extract(existing []byte, context string) ([]byte, error) {
	base, err := parse("read existing kubeconfig", existing)
	if err != nil {
		return nil, err
	}
	at := base.find(contexts, context)
	if at < 0 {
		return nil, nil
	}
	inner := base.inner(contexts, context)
	cluster, user := base.find(clusters, text(inner, "cluster")), base.find(users, text(inner, "user"))
	if cluster < 0 || user < 0 {
		return nil, nil
	}
	alone := tree{
		"current-context": context,
		clusters:          base.items(clusters)[cluster : cluster+1],
		contexts:          base.items(contexts)[at : at+1],
		users:             base.items(users)[user : user+1],
	}
	return alone.render("extract context from kubeconfig")
}
