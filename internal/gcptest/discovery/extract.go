package discovery

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Document is one API's discovery document, or an extract of one.
type Document struct {
	Name        string             `json:"name"`
	Version     string             `json:"version"`
	Revision    string             `json:"revision"`
	ServicePath string             `json:"servicePath"` // prefix of every flat path, "" or "compute/v1/"
	Parameters  map[string]*Schema `json:"parameters"`  // query parameters that every method takes
	Methods     map[string]*Method `json:"methods"`     // by id; flattened, a full document nests them in resources
	Schemas     map[string]*Schema `json:"schemas"`
}

// Method is one call.
type Method struct {
	ID         string             `json:"id"`
	HTTPMethod string             `json:"httpMethod"`
	FlatPath   string             `json:"flatPath"`
	Path       string             `json:"path"`
	Parameters map[string]*Schema `json:"parameters,omitempty"`
	Request    *Schema            `json:"request,omitempty"`
	Response   *Schema            `json:"response,omitempty"`
}

// Schema is a type: of a parameter, a field or a whole body.
type Schema struct {
	Ref                  string             `json:"$ref,omitempty"`
	Type                 string             `json:"type,omitempty"`
	Format               string             `json:"format,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Location             string             `json:"location,omitempty"` // of a parameter: path or query
	Required             bool               `json:"required,omitempty"`
	Repeated             bool               `json:"repeated,omitempty"`
	ReadOnly             bool               `json:"readOnly,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	AdditionalProperties *Schema            `json:"additionalProperties,omitempty"`
}

// resource is how a full document nests its methods.
type resource struct {
	Methods   map[string]*Method   `json:"methods"`
	Resources map[string]*resource `json:"resources"`
}

// Extract reads a full discovery document and returns the part that the methods
// in ids need. It fails when the document lacks one of them.
func Extract(full []byte, ids []string) (*Document, error) {
	var source struct {
		Document
		Resources map[string]*resource `json:"resources"`
	}
	if err := json.Unmarshal(full, &source); err != nil {
		return nil, fmt.Errorf("parse discovery document: %w", err)
	}
	out := source.Document
	out.Methods, out.Schemas = map[string]*Method{}, map[string]*Schema{}
	if err := collect(&out, source.Resources, ids); err != nil {
		return nil, err
	}
	for _, method := range out.Methods {
		reach(&out, source.Schemas, method.Request)
		reach(&out, source.Schemas, method.Response)
	}
	return &out, nil
}

func collect(out *Document, nested map[string]*resource, ids []string) error {
	var walk func(map[string]*resource)
	walk = func(level map[string]*resource) {
		for _, r := range level {
			for _, method := range r.Methods {
				if slices.Contains(ids, method.ID) {
					if method.FlatPath == "" {
						method.FlatPath = method.Path
					}
					out.Methods[method.ID] = method
				}
			}
			walk(r.Resources)
		}
	}
	walk(nested)
	for _, id := range ids {
		if out.Methods[id] == nil {
			return fmt.Errorf("extract %s %s: no method %s", out.Name, out.Version, id)
		}
	}
	return nil
}

// reach copies every schema that s refers to, and what those refer to.
func reach(out *Document, all map[string]*Schema, s *Schema) {
	if s == nil {
		return
	}
	if s.Ref != "" && out.Schemas[s.Ref] == nil && all[s.Ref] != nil {
		out.Schemas[s.Ref] = all[s.Ref]
		reach(out, all, all[s.Ref])
	}
	for _, property := range s.Properties {
		reach(out, all, property)
	}
	reach(out, all, s.Items)
	reach(out, all, s.AdditionalProperties)
}
