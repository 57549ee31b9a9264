package gcptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"causeway/internal/gcptest/discovery"
)

// Token is the access token that a new Server takes.
const Token = "ya29.gcptest"

// Options sets how the emulator behaves. The zero value is a quick one.
type Options struct {
	Now            func() time.Time         // for timestamps and token expiry; time.Now when nil
	OperationTime  time.Duration            // how long an operation runs until DONE; 0: done when first asked for
	OperationTimes map[string]time.Duration // the same for one method, by its id ("compute.addresses.insert")
	Tokens         []string                 // access tokens that are taken; Token when empty
	PageSize       int                      // most items of a list in one answer; 500 when 0, as compute's default
	WaitLimit      time.Duration            // how long a wait call stays open; 2 minutes when 0 (discovery: regionOperations.wait)

	// LabelsOnInsert takes the labels of addresses.insert. The documentation of
	// Address.labels says that only setLabels sets them, so the default drops them.
	LabelsOnInsert bool

	// FeatureTime is how long a fleet's feature is ACTIVE before it tells the states of
	// the memberships.
	FeatureTime time.Duration
}

// Server is the emulator: an http.Handler and the state behind it.
type Server struct {
	options  Options
	catalog  *discovery.Catalog
	gateway  *discovery.Service // Connect Gateway's API, which no discovery document describes
	handlers map[string]handler

	mu         sync.Mutex
	objects    map[string]object // by path without service: "projects/p/regions/r/addresses/a"
	operations map[string]*operation
	requestIDs map[string]string // requestId of a write -> path of its operation
	serial     uint64
	services   map[string]map[string]bool // project -> API -> enabled
	denied     map[string][]string        // permission -> projects, empty: all
	unknown    map[string]bool            // permissions that testIamPermissions does not know
	tokens     map[string]time.Time       // token -> expiry, zero: none
	inUse      map[string]map[string]bool // subnetwork -> IPs of machines and the like
	pscSerial  uint64                     // connections of Private Service Connect so far
	secrets    map[string]string          // VPN tunnel -> pre-shared key, which no answer tells
	far        *model                     // the default line
	line       Line
	faults     []*Fault
	requests   []*Request
	violations []Violation
	changed    chan struct{} // closed and renewed at each change, for those who wait

	hub        hubState
	principals map[string]string   // token -> whose it is, for others than the operator
	accounts   map[string]bool     // service accounts whose rights policies say, in lower case
	groups     map[string][]string // group -> members
	absent     map[string]bool     // members that do not exist, in lower case
	needs      map[string][]string // API -> those that need it

	gatewayURL string         // where Connect Gateway's front end is served, "": Google's names
	streams    map[string]int // open through Connect Gateway, by fleet project

	base string // where it listens, set by Start
	http *http.Server
}

// Violation is a request or an answer that Google's discovery documents do not allow.
type Violation struct {
	Method  string // discovery id, or "GET /path" where there is no such route
	Side    string // "request" or "answer"
	Problem string
}

func (v Violation) String() string { return v.Side + " of " + v.Method + ": " + v.Problem }

// New makes an emulator without any project. It fails only when the embedded
// discovery extracts cannot be read.
func New(options Options) (*Server, error) {
	catalog, err := discovery.Load()
	if err != nil {
		return nil, err
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if len(options.Tokens) == 0 {
		options.Tokens = []string{Token}
	}
	if options.PageSize == 0 {
		options.PageSize = 500
	}
	if options.WaitLimit == 0 {
		options.WaitLimit = 2 * time.Minute
	}
	s := &Server{
		options: options, catalog: catalog,
		objects: map[string]object{}, operations: map[string]*operation{}, requestIDs: map[string]string{},
		services: map[string]map[string]bool{}, denied: map[string][]string{}, unknown: map[string]bool{},
		tokens: map[string]time.Time{}, streams: map[string]int{}, inUse: map[string]map[string]bool{}, changed: make(chan struct{}),
		hub:        hubState{map[string]time.Time{}, map[string]map[string][2]string{}, map[string][]string{}},
		principals: map[string]string{}, accounts: map[string]bool{}, groups: map[string][]string{}, absent: map[string]bool{}, needs: map[string][]string{},
	}
	s.far = newModel(options.Now)
	s.line, s.secrets = s.far, map[string]string{}
	for _, token := range options.Tokens {
		s.tokens[token] = time.Time{}
	}
	s.gateway = gatewayDocument(catalog.Service("gkehub").Parameters)
	s.handlers = s.routes()
	return s, nil
}

// ServeHTTP answers one call. Compute lies at /compute/v1/ and Cloud DNS at
// /dns/v1/ as at Google; the other APIs, which share the path /v1/, each below their own name.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/batch/compute/v1" {
		s.serveBatch(w, r)
		return
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	c := s.newCall(r, raw)
	defer s.record(c)()
	if c.method == nil {
		s.violate(r.Method+" "+r.URL.Path, "request", "no such route in the discovery documents")
		c.fail(w, &Error{Status: http.StatusNotFound, Reason: "notFound", Message: "The requested URL " + r.URL.Path + " was not found on this server."})
		return
	}
	fault := s.fault(c)
	if fault != nil && !fault.pass(w, c, r) {
		return
	}
	answer, failure := s.answer(c, fault)
	if fault != nil && fault.AfterEffect && !fault.strike(w, c) {
		return
	}
	if failure != nil {
		c.fail(w, failure)
		return
	}
	s.write(w, c, answer)
}

// answer does what the call asks for: admission, checks, then the handler.
func (s *Server) answer(c *call, fault *Fault) (any, *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if failure := s.admit(c); failure != nil {
		return nil, failure
	}
	if failure := s.check(c); failure != nil {
		return nil, failure
	}
	h, ok := s.handlers[c.method.ID]
	if !ok {
		return nil, &Error{Status: http.StatusNotImplemented, Reason: "notImplemented", Message: c.method.ID + " is not emulated"}
	}
	for _, permission := range h.permissions {
		if failure := c.need(c.project(), permission, c.target()); failure != nil {
			return nil, failure
		}
	}
	if fault != nil {
		c.operationError = fault.OperationError
	}
	return h.do(c)
}

// check holds the request to the discovery document and answers as Google does
// to what it does not know.
func (s *Server) check(c *call) *Error {
	query := maps.Clone(c.query)
	// Revisions of 2025 had it on every list of compute, gcloud still sends it, and
	// Google still takes it.
	if c.service.Name == "compute" {
		query.Del("returnPartialSuccess")
	}
	problems := c.service.CheckParameters(c.method, c.params, query)
	if c.method.Request == nil && len(bytes.TrimSpace(c.raw)) > 0 {
		problems = append(problems, discovery.Problem{What: "a body where the method has none"})
	}
	if c.method.Request != nil && len(bytes.TrimSpace(c.raw)) > 0 {
		decoder := json.NewDecoder(bytes.NewReader(c.raw))
		decoder.UseNumber()
		if err := decoder.Decode(&c.body); err != nil {
			return invalid("Parse Error: " + err.Error())
		}
		problems = append(problems, c.service.CheckBody(c.method.Request, c.body)...)
	}
	if len(problems) == 0 {
		return nil
	}
	for _, problem := range problems {
		s.violations = append(s.violations, Violation{c.method.ID, "request", problem.String()})
	}
	first := problems[0]
	if first.What == "unknown field" {
		return invalid(fmt.Sprintf("Invalid JSON payload received. Unknown name %q: Cannot find field.", first.Path))
	}
	return invalid(fmt.Sprintf("Invalid value for field 'resource.%s': %s.", first.Path, first.What))
}

func (s *Server) write(w http.ResponseWriter, c *call, answer any) {
	text, err := json.Marshal(answer)
	if err != nil {
		s.violate(c.method.ID, "answer", err.Error())
		return
	}
	for _, problem := range s.problems(c, text) {
		s.violate(c.method.ID, "answer", problem)
	}
	if c.method.Response == nil { // Cloud DNS answers a deletion with nothing at all
		c.status = http.StatusNoContent
		w.WriteHeader(http.StatusNoContent)
		return
	}
	c.status = http.StatusOK
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Write(text)
}

// problems holds an answer to the document, unless the caller asked for parts of
// it by `fields`, which is not emulated.
func (s *Server) problems(c *call, text []byte) []string {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return []string{err.Error()}
	}
	var out []string
	for _, problem := range c.service.CheckBody(c.method.Response, value) {
		if failedMember(problem) {
			continue
		}
		out = append(out, problem.String())
	}
	return out
}

func (s *Server) violate(method, side, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.violations = append(s.violations, Violation{method, side, problem})
}

// TakeViolations returns what broke the discovery documents so far and forgets
// it: for a test that breaks them on purpose.
func (s *Server) TakeViolations() []Violation {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.violations
	s.violations = nil
	return out
}

// touch tells those who wait that the state has changed. The caller holds mu.
func (s *Server) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// servicePath splits a request path into the API and the path that its document knows.
func servicePath(path string) (service, rest string) {
	path = strings.TrimPrefix(path, "/")
	for _, name := range []string{"compute", "dns"} {
		if strings.HasPrefix(path, name+"/v1/") {
			return name, path
		}
	}
	service, rest, _ = strings.Cut(path, "/")
	return service, rest
}
