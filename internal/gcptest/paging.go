package gcptest

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// page answers a compute list: filtered, sorted by path, cut into pages. The page
// token is the path of the last item, so a change between two pages loses nothing.
func (c *call) page(kind string, paths []string, get func(string) object) (any, *Error) {
	kept, next, failure := c.cut(paths, get)
	if failure != nil {
		return nil, failure
	}
	items := []any{}
	for _, at := range kept {
		items = append(items, clone(get(at)))
	}
	answer := object{"kind": kind, "id": c.target(), "selfLink": link(c.target())}
	if len(items) > 0 { // an empty list has no items at all
		answer["items"] = items
	}
	if next != "" {
		answer["nextPageToken"] = next
	}
	return answer, nil
}

func (c *call) cut(paths []string, get func(string) object) (kept []string, next string, failure *Error) {
	match, failure := parseFilter(c.query.Get("filter"))
	if failure != nil {
		return nil, "", failure
	}
	size := c.server.options.PageSize
	if asked := c.query.Get("maxResults"); asked != "" {
		n, err := strconv.Atoi(asked)
		if err != nil || n < 0 || n > 500 {
			return nil, "", invalid(fmt.Sprintf("Invalid value for field 'maxResults': '%s'. Must be in [0, 500]", asked))
		}
		if n > 0 {
			size = min(size, n)
		}
	}
	after, err := base64.StdEncoding.DecodeString(c.query.Get("pageToken"))
	if err != nil {
		return nil, "", invalid("Invalid value for field 'pageToken'.")
	}
	slices.Sort(paths)
	for _, at := range paths {
		if at <= string(after) || !match(get(at)) {
			continue
		}
		if len(kept) == size {
			return kept, base64.StdEncoding.EncodeToString([]byte(kept[size-1])), nil
		}
		kept = append(kept, at)
	}
	return kept, "", nil
}

// aggregate answers an aggregatedList: the items by region, each under its name.
func (c *call) aggregate(kind, name string, paths []string) (any, *Error) {
	return c.aggregateBy(kind, name, paths, c.server.at)
}

// aggregateBy is aggregate for resources that get tells in another way than they
// are kept.
func (c *call) aggregateBy(kind, name string, paths []string, get func(string) object) (any, *Error) {
	kept, next, failure := c.cut(paths, get)
	if failure != nil {
		return nil, failure
	}
	scopes := object{}
	for _, at := range kept {
		parts := strings.Split(at, "/") // projects/p/regions/r/...
		scope, _ := scopes["regions/"+parts[3]].(object)
		if scope == nil {
			scope = object{name: []any{}}
			scopes["regions/"+parts[3]] = scope
		}
		scope[name] = append(scope[name].([]any), clone(get(at)))
	}
	answer := object{"kind": kind, "id": c.target(), "selfLink": link(c.target()), "items": scopes}
	if next != "" {
		answer["nextPageToken"] = next
	}
	return answer, nil
}

// regional lists all resources of a type in every region of the call's project.
func (c *call) regional(collection string) []string {
	var out []string
	for at := range c.server.objects {
		parts := strings.Split(at, "/")
		if len(parts) == 6 && parts[1] == c.project() && parts[2] == "regions" && parts[4] == collection {
			out = append(out, at)
		}
	}
	return out
}

// term is one comparison of a filter: labels.x = "y", name != z, name eq regex.
var term = regexp.MustCompile(`^\(?\s*([A-Za-z_.\-]+)\s*(=|!=|:|\beq\b|\bne\b)\s*("[^"]*"|'[^']*'|[^\s()]+)\s*\)?(?:\s+AND\b|\s*)\s*`)

// parseFilter understands what compute's filter parameter says with comparisons
// joined by AND (written, or implied between parentheses); the rest is a 400.
func parseFilter(text string) (func(object) bool, *Error) {
	var all []func(object) bool
	rest := strings.TrimSpace(text)
	for rest != "" {
		found := term.FindStringSubmatch(rest)
		if found == nil {
			return nil, invalid(fmt.Sprintf("Invalid value for field 'filter': '%s'. Invalid list filter expression.", text))
		}
		one, failure := compare(found[1], found[2], strings.Trim(found[3], `"'`))
		if failure != nil {
			return nil, failure
		}
		all = append(all, one)
		rest = rest[len(found[0]):]
	}
	return func(o object) bool {
		return !slices.ContainsFunc(all, func(one func(object) bool) bool { return !one(o) })
	}, nil
}

func compare(field, operator, want string) (func(object) bool, *Error) {
	switch operator {
	case "eq", "ne": // RE2, and the whole value
		pattern, err := regexp.Compile("^(?:" + want + ")$")
		if err != nil {
			return nil, invalid("Invalid value for field 'filter': " + err.Error())
		}
		return func(o object) bool { return pattern.MatchString(lookup(o, field)) == (operator == "eq") }, nil
	case ":":
		return func(o object) bool { return strings.Contains(lookup(o, field), strings.TrimSuffix(want, "*")) }, nil
	}
	return func(o object) bool { return (lookup(o, field) == want) == (operator == "=") }, nil
}

// lookup reads a field by its dotted path; a label's name may hold dots itself.
func lookup(o object, field string) string {
	if value, ok := o[field]; ok {
		return fmt.Sprint(value)
	}
	head, tail, ok := strings.Cut(field, ".")
	if inner, isObject := o[head].(object); ok && isObject {
		return lookup(inner, tail)
	}
	return ""
}
