package gcptest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"causeway/internal/gcptest/discovery"
)

// object is a resource as JSON has it.
type object = map[string]any

// handler does one method. It runs under the server's lock.
type handler struct {
	do          func(*call) (any, *Error)
	permissions []string // needed on the call's project
}

// call is one request on its way through the emulator.
type call struct {
	server  *Server
	service *discovery.Service
	method  *discovery.Method // nil: no such route
	verb    string
	path    string
	params  map[string]string // placeholders of the flat path, and of `name`
	query   url.Values
	raw     []byte
	body    object
	token   string
	context <-chan struct{} // closed when the client goes away
	status  int             // what was answered, 0: nothing

	operationError *OperationError // the operation that this call starts ends so
}

// Request is one line of the log of calls.
type Request struct {
	Method string // discovery id, "" for an unknown route
	Verb   string // GET, POST, ...
	Path   string
	Query  string
	Status int // 0: cut off
	Body   string
}

// Write says whether the call was made to change something: neither a GET nor one
// of the POSTs that only read (testIamPermissions, wait).
func (r Request) Write() bool {
	if r.Verb == http.MethodGet {
		return false
	}
	for _, reader := range []string{".wait", ".testIamPermissions", ".generateAccessToken", ".getIamPolicy"} {
		if strings.HasSuffix(r.Method, reader) {
			return false
		}
	}
	return true
}

func (s *Server) newCall(r *http.Request, raw []byte) *call {
	asked := asV1(r.Method, r.URL.Path)
	name, path := servicePath(asked)
	c := &call{server: s, verb: r.Method, path: asked, query: r.URL.Query(), raw: raw, context: r.Context().Done()}
	c.token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	c.service = s.catalog.Service(name)
	switch {
	case c.service != nil:
		c.method, c.params = c.service.Match(r.Method, path)
	case name == gatewayService:
		c.service = s.gateway
		c.method, c.params = matchGateway(s.gateway, r.Method, path)
	}
	return c
}

// project is the project that the call names, whatever its document calls it.
func (c *call) project() string {
	for _, name := range []string{"project", "projectsId", "projectId", "resource"} {
		if value := c.params[name]; value != "" {
			return value
		}
	}
	// serviceusage has v1/{v1Id}/{v1Id1}/services/...: the second is the project.
	parts := strings.Split(c.path, "/")
	if at := slices.Index(parts, "projects"); at >= 0 && at+1 < len(parts) {
		name, _, _ := strings.Cut(parts[at+1], ":")
		return name
	}
	return ""
}

// target is the path of the resource or collection that the call is about,
// without service and version.
func (c *call) target() string {
	path := c.path[strings.Index(c.path, "/v1/")+len("/v1/"):]
	path, _, _ = strings.Cut(path, ":")
	for _, verb := range []string{
		"/setLabels", "/wait", "/testIamPermissions",
		"/addPeering", "/removePeering", "/updatePeering", "/listPeeringRoutes", "/getRouterStatus", "/getStatus",
	} {
		path = strings.TrimSuffix(path, verb)
	}
	return path
}

// record writes the call into the log as it arrives; the returned function adds
// what was answered.
func (s *Server) record(c *call) (end func()) {
	entry := &Request{Verb: c.verb, Path: c.path, Query: c.query.Encode(), Body: string(c.raw)}
	if c.method != nil {
		entry.Method = c.method.ID
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = append(s.requests, entry)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		entry.Status = c.status
	}
}

// Requests returns the log of all calls since the start or the last ResetRequests.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.requests))
	for i, entry := range s.requests {
		out[i] = *entry
	}
	return out
}

// ResetRequests empties the log.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Counts returns how many calls of the log read and how many wrote.
func (s *Server) Counts() (reads, writes int) {
	for _, request := range s.Requests() {
		if request.Write() {
			writes++
		} else {
			reads++
		}
	}
	return reads, writes
}

// routes is the table of all methods that are emulated, by discovery id.
func (s *Server) routes() map[string]handler {
	all := map[string]handler{}
	for _, part := range []map[string]handler{
		addressRoutes(), subnetworkRoutes(), networkRoutes(), forwardingRuleRoutes(), routerRoutes(), vpnRoutes(), routeRoutes(),
		subnetworkWriteRoutes(), attachmentRoutes(), zoneRoutes(),
		regionRoutes(), operationRoutes(), clusterRoutes(), clusterOperationRoutes(), permissionRoutes(), serviceRoutes(), impersonationRoutes(),
		membershipRoutes(), featureRoutes(), policyRoutes(), roleRoutes(), gatewayRoutes(),
	} {
		maps.Copy(all, part)
	}
	return all
}
