package discovery

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that a request or an answer says and the document does not allow.
type Problem struct {
	Path string // field or parameter, "labels.x", "items[0].status"
	What string // "unknown field", "not a value of the enum", ...
}

func (p Problem) String() string { return p.Path + ": " + p.What }

// CheckParameters holds the placeholders and the query of a request to the method.
func (s *Service) CheckParameters(m *Method, path map[string]string, query url.Values) []Problem {
	var problems []Problem
	for _, name := range slices.Sorted(maps.Keys(path)) {
		schema := m.Parameters[name] // absent where path and flatPath name it differently
		if schema == nil || schema.Pattern == "" {
			continue
		}
		if !matches(schema.Pattern, path[name]) {
			problems = append(problems, Problem{name, mismatch(path[name], schema.Pattern)})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		problems = append(problems, s.checkQuery(m, name, query[name])...)
	}
	return problems
}

func (s *Service) checkQuery(m *Method, name string, values []string) []Problem {
	// $alt is the same system parameter as alt; generated Go clients ask by it for
	// "json;enum-encoding=int", which no discovery document lists.
	if bare, ok := strings.CutPrefix(name, "$"); ok && s.Parameters[bare] != nil {
		return nil
	}
	schema := m.Parameters[name]
	if schema == nil {
		schema = s.Parameters[name]
	}
	if schema == nil || schema.Location == "path" {
		return []Problem{{name, "unknown parameter"}}
	}
	var problems []Problem
	if len(values) > 1 && !schema.Repeated {
		problems = append(problems, Problem{name, "given twice"})
	}
	for _, value := range values {
		if what := checkText(schema, value); what != "" {
			problems = append(problems, Problem{name, what})
		}
	}
	return problems
}

// checkText holds a parameter, which always comes as text, to its type.
func checkText(schema *Schema, value string) string {
	var err error
	switch schema.Type {
	case "integer":
		_, err = strconv.ParseInt(value, 10, 64)
	case "boolean":
		_, err = strconv.ParseBool(value)
	}
	if err != nil {
		return fmt.Sprintf("%q is not of type %s", value, schema.Type)
	}
	if len(schema.Enum) > 0 && !slices.Contains(schema.Enum, value) {
		return fmt.Sprintf("%q is not one of %v", value, schema.Enum)
	}
	return ""
}

// CheckBody holds a JSON body, parsed with json.Decoder.UseNumber, to a schema.
// A nil schema allows no body.
func (s *Service) CheckBody(schema *Schema, body any) []Problem {
	if schema == nil {
		if body == nil {
			return nil
		}
		return []Problem{{"", "a body where the method has none"}}
	}
	return s.check(nil, schema, body)
}

// place is where in a body a value stands. It is spelt only where there is a
// problem: an answer may have a hundred thousand fields.
type place struct {
	up    *place
	name  string // of a field; "" for an element
	index int
}

func (p *place) String() string {
	switch {
	case p == nil:
		return ""
	case p.name == "":
		return fmt.Sprintf("%s[%d]", p.up, p.index)
	}
	return strings.TrimPrefix(p.up.String()+"."+p.name, ".")
}

func (s *Service) check(at *place, schema *Schema, value any) []Problem {
	if schema.Ref != "" {
		target := s.Schemas[schema.Ref]
		if target == nil {
			return []Problem{{at.String(), "no schema " + schema.Ref + " in the extract"}}
		}
		schema = target
	}
	switch schema.Type {
	case "object":
		return s.checkObject(at, schema, value)
	case "array":
		return s.checkArray(at, schema, value)
	case "any", "":
		return nil
	}
	if what := checkScalar(schema, value); what != "" {
		return []Problem{{at.String(), what}}
	}
	return nil
}

func (s *Service) checkObject(at *place, schema *Schema, value any) []Problem {
	object, ok := value.(map[string]any)
	if !ok {
		return []Problem{{at.String(), fmt.Sprintf("%T is not an object", value)}}
	}
	var problems []Problem
	for name, value := range object {
		field := &place{up: at, name: name}
		property := schema.Properties[name]
		if property == nil {
			property = schema.AdditionalProperties
		}
		if property == nil {
			problems = append(problems, Problem{field.String(), "unknown field"})
			continue
		}
		problems = append(problems, s.check(field, property, value)...)
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) }) // maps have no order
	return problems
}

func (s *Service) checkArray(at *place, schema *Schema, value any) []Problem {
	array, ok := value.([]any)
	if !ok {
		return []Problem{{at.String(), fmt.Sprintf("%T is not an array", value)}}
	}
	var problems []Problem
	for i, element := range array {
		problems = append(problems, s.check(&place{up: at, index: i}, schema.Items, element)...)
	}
	return problems
}

// checkScalar knows that 64-bit integers travel as strings, and takes a pattern
// of the document as one for the whole value.
func checkScalar(schema *Schema, value any) string {
	switch schema.Type {
	case "boolean":
		if _, ok := value.(bool); !ok {
			return fmt.Sprintf("%v is not a boolean", value)
		}
		return ""
	case "integer", "number":
		number, ok := value.(json.Number)
		if !ok || schema.Type == "integer" && strings.ContainsAny(number.String(), ".eE") {
			return fmt.Sprintf("%v is not of type %s", value, schema.Type)
		}
		return ""
	}
	text, ok := value.(string)
	if !ok {
		return fmt.Sprintf("%v is not a string", value)
	}
	if len(schema.Enum) > 0 && !slices.Contains(schema.Enum, text) {
		return fmt.Sprintf("%q is not one of %v", text, schema.Enum)
	}
	switch schema.Format {
	case "int64":
		if _, err := strconv.ParseInt(text, 10, 64); err != nil {
			return fmt.Sprintf("%q is not an int64", text)
		}
	case "uint64":
		if _, err := strconv.ParseUint(text, 10, 64); err != nil {
			return fmt.Sprintf("%q is not a uint64", text)
		}
	}
	if schema.Pattern != "" && !matches(schema.Pattern, text) {
		return mismatch(text, schema.Pattern)
	}
	return ""
}

func matches(pattern, value string) bool {
	compiled, err := regexp.Compile("^(?:" + pattern + ")$")
	return err != nil || compiled.MatchString(value) // a pattern that Go cannot read says nothing
}

// mismatch is in Google's words.
func mismatch(value, pattern string) string {
	return fmt.Sprintf("'%s'. Must be a match of regex '%s'", value, pattern)
}
