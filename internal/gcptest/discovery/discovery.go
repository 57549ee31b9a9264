package discovery

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

//go:embed extract/*.json
var extracts embed.FS

// placeholder is {name} or {+name} in a path template.
var placeholder = regexp.MustCompile(`\{\+?([^}]+)\}`)

// Catalog is the extracts of all APIs.
type Catalog struct{ services map[string]*Service }

// Service is one API whose routes can be matched and whose bodies can be checked.
type Service struct {
	*Document
	routes []route
}

type route struct {
	method  *Method
	pattern *regexp.Regexp
	names   []string
	literal int // length of the fixed text: the more, the more particular the route
}

// Load parses the embedded extracts.
func Load() (*Catalog, error) {
	names, err := fs.Glob(extracts, "extract/*.json")
	if err != nil {
		return nil, fmt.Errorf("list discovery extracts: %w", err)
	}
	catalog := &Catalog{services: map[string]*Service{}}
	for _, name := range names {
		text, err := extracts.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read discovery extract: %w", err)
		}
		var doc Document
		if err := json.Unmarshal(text, &doc); err != nil {
			return nil, fmt.Errorf("parse discovery extract %s: %w", path.Base(name), err)
		}
		catalog.services[doc.Name] = newService(&doc)
	}
	return catalog, nil
}

// Service returns the API of that name ("compute", "container", "dns",
// "cloudresourcemanager", "serviceusage", "iamcredentials"), or nil.
func (c *Catalog) Service(name string) *Service { return c.services[name] }

// Names lists the APIs, sorted.
func (c *Catalog) Names() []string {
	var names []string
	for name := range c.services {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func newService(doc *Document) *Service {
	service := &Service{Document: doc}
	for _, method := range doc.Methods {
		service.routes = append(service.routes, compile(method, doc.ServicePath+method.FlatPath))
	}
	slices.SortFunc(service.routes, func(a, b route) int {
		if a.literal != b.literal {
			return b.literal - a.literal
		}
		return strings.Compare(a.method.ID, b.method.ID)
	})
	return service
}

func compile(method *Method, template string) route {
	r := route{method: method}
	var pattern strings.Builder
	last := 0
	for _, at := range placeholder.FindAllStringSubmatchIndex(template, -1) {
		pattern.WriteString(regexp.QuoteMeta(template[last:at[0]]))
		pattern.WriteString(`([^/]+?)`)
		r.names = append(r.names, template[at[2]:at[3]])
		r.literal += at[0] - last
		last = at[1]
	}
	pattern.WriteString(regexp.QuoteMeta(template[last:]))
	r.literal += len(template) - last
	r.pattern = regexp.MustCompile("^" + pattern.String() + "$")
	return r
}

// Match finds the method of a path (service path included, no leading slash) and
// the values of the placeholders of its flat path. nil means: no such route.
func (s *Service) Match(httpMethod, requestPath string) (*Method, map[string]string) {
	for _, r := range s.routes {
		if r.method.HTTPMethod != httpMethod {
			continue
		}
		found := r.pattern.FindStringSubmatch(requestPath)
		if found == nil {
			continue
		}
		params := map[string]string{}
		for i, name := range r.names {
			params[name] = found[i+1]
		}
		return r.method, params
	}
	return nil, nil
}
