package gcptest

import (
	"fmt"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// hubState is what the fleet's APIs know beyond their objects.
type hubState struct {
	activated   map[string]time.Time            // feature -> since when it is ACTIVE, on the machine's clock
	members     map[string]map[string][2]string // fleet's id -> membership by number -> code and description
	unreachable map[string][]string             // API -> locations
}

// hubTarget is the path that a call to the fleet's API is about, with the project's
// id, by which objects are kept, where callers may name its number.
func (c *call) hubTarget() string {
	parts := strings.Split(c.target(), "/")
	if project := c.server.projectObject(parts[1]); project != nil {
		parts[1] = text(project, "projectId")
	}
	return strings.Join(parts, "/")
}

// betaList is where gcloud looks for a membership whose location nobody gave
// (command_lib/container/fleet/api_util.py). But for the version, the list is v1's.
var betaList = regexp.MustCompile(`^/gkehub/v1beta(/projects/[^/]+/locations/-/memberships)$`)

// asV1 is the path by which v1 serves a call; all but betaList stay as they are.
func asV1(verb, path string) string {
	if verb != http.MethodGet {
		return path
	}
	return betaList.ReplaceAllString(path, "/gkehub/v1$1")
}

// byNumber is a path with the project's number, as the fleet's APIs key states and
// name operations' targets; byID the reverse. The caller holds mu.
func (s *Server) byNumber(at string) string { return s.renamed(at, "projectNumber") }

func (s *Server) byID(at string) string { return s.renamed(at, "projectId") }

func (s *Server) renamed(at, field string) string {
	parts := strings.SplitN(at, "/", 3)
	if len(parts) < 2 {
		return at
	}
	if project := s.projectObject(parts[1]); project != nil {
		parts[1] = text(project, field)
	}
	return strings.Join(parts, "/")
}

// SetUnreachable makes locations of an API ("gkehub") not answer: lists leave them
// out and say so, and reads of what lies there fail. Without locations all answer.
func (s *Server) SetUnreachable(service string, locations ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hub.unreachable[service] = locations
}

// reach answers 503 for what lies in a location that does not answer.
func (c *call) reach(at string) *Error {
	if parts := strings.Split(at, "/"); len(parts) > 3 && slices.Contains(c.server.hub.unreachable[c.service.Name], parts[3]) {
		return &Error{Status: http.StatusServiceUnavailable, Reason: "backendError", Message: "The service is currently unavailable."}
	}
	return nil
}

// startLong begins a google.longrunning operation on target (with the project's
// id). response is told when it has ended well.
func (c *call) startLong(verb, target string, finish, undo func(), response func() object) object {
	s := c.server
	s.serial++
	scope := path.Dir(path.Dir(target)) // projects/p/locations/l
	at := fmt.Sprintf("%s/operations/operation-%d-%08x", scope, s.options.Now().UnixMilli(), s.serial)
	return c.long(at, object{
		"@type": "type.googleapis.com/google.cloud.gkehub.v1.OperationMetadata", "apiVersion": "v1",
		"createTime": timestamp(s.options.Now()), "target": s.byNumber(target), "verb": verb,
	}, finish, undo, response)
}

// long begins an operation under a name of its own.
func (c *call) long(at string, metadata object, finish, undo func(), response func() object) object {
	s := c.server
	o := &operation{started: time.Now(), duration: s.options.OperationTime, finish: finish, undo: undo, failure: c.operationError,
		long: true, response: response}
	if special, ok := s.options.OperationTimes[c.method.ID]; ok {
		o.duration = special
	}
	o.fields = object{"name": at, "metadata": metadata}
	if id := c.query.Get("requestId"); id != "" {
		s.requestIDs[c.method.ID+" "+id] = at
	}
	s.operations[at] = o
	s.touch()
	return clone(o.fields)
}

// tellLong writes what a google.longrunning operation is at its end.
func (o *operation) tellLong(s *Server) {
	o.fields["done"] = true
	if metadata, ok := o.fields["metadata"].(object); ok && metadata["verb"] != nil {
		metadata["endTime"] = timestamp(s.options.Now())
	}
	if o.failure != nil {
		o.fields["error"] = object{"code": o.failure.rpc(), "message": o.failure.Message}
		return
	}
	o.fields["response"] = o.response()
}

// rpc is the number of the google.rpc code of a failure, by its name where it has
// one ("FAILED_PRECONDITION").
func (e *OperationError) rpc() int {
	names := []string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE"}
	if at := slices.Index(names, e.Code); at >= 0 {
		return at
	}
	return rpcCode(e.Status)
}

func getHubOperation(c *call) (any, *Error) {
	at := c.hubTarget()
	if failure := c.reach(at); failure != nil {
		return nil, failure
	}
	o, ok := c.server.operations[at]
	if !ok || !o.long {
		return nil, hubNotFound(at)
	}
	return clone(o.fields), nil
}

func hubNotFound(at string) *Error {
	return &Error{Status: http.StatusNotFound, Reason: "notFound", Message: fmt.Sprintf("Resource '%s' was not found", at)}
}

func hubExists(at string) *Error {
	return &Error{Status: http.StatusConflict, Reason: "alreadyExists", Message: fmt.Sprintf("Resource '%s' already exists", at)}
}

func failedPrecondition(message string) *Error {
	return &Error{Status: http.StatusBadRequest, Reason: "failedPrecondition", Canonical: "FAILED_PRECONDITION", Message: message}
}

// hubPage answers a list of the fleet's API: one location or, by "-", all of them
// but those that do not answer.
func (c *call) hubPage(collection string, view func(string) object) (any, *Error) {
	s, asked := c.server, c.params["locationsId"]
	if c.query.Get("filter") != "" {
		return nil, invalid("Invalid filter: filters are not emulated.")
	}
	size := s.options.PageSize
	if n, err := strconv.Atoi(c.query.Get("pageSize")); err == nil && n > 0 {
		size = min(size, n)
	}
	project := strings.Split(c.hubTarget(), "/")[1]
	answer, list := object{}, []any{}
	gone := s.hub.unreachable[c.service.Name]
	for _, at := range slices.Sorted(maps.Keys(s.objects)) {
		parts := strings.Split(at, "/")
		if len(parts) != 6 || parts[1] != project || parts[4] != collection || asked != "-" && asked != parts[3] || slices.Contains(gone, parts[3]) ||
			at <= c.query.Get("pageToken") {
			continue
		}
		if len(list) == size {
			answer["nextPageToken"] = text(list[size-1].(object), "name")
			break
		}
		list = append(list, view(at))
	}
	if len(list) > 0 {
		answer["resources"] = list
	}
	if collection == "memberships" && answer["nextPageToken"] == nil { // told with the last page
		for _, location := range gone {
			if asked == "-" || asked == location {
				told, _ := answer["unreachable"].([]any)
				answer["unreachable"] = append(told, "projects/"+project+"/locations/"+location)
			}
		}
	}
	return answer, nil
}

// patchHub sets the fields of the mask, as far as they are at the object's top.
func (c *call) patchHub(view func(string) object) (any, *Error) {
	s, at := c.server, c.hubTarget()
	if _, ok := s.objects[at]; !ok {
		return nil, hubNotFound(at)
	}
	if op, ok := c.repeated(); ok {
		return op, nil
	}
	mask, sent := strings.Split(c.query.Get("updateMask"), ","), c.body
	return c.startLong("update", at, func() {
		found, ok := s.objects[at]
		if !ok {
			return
		}
		for _, field := range mask {
			field, _, _ = strings.Cut(field, ".")
			if value, ok := sent[field]; ok {
				found[field] = value
			} else {
				delete(found, field)
			}
		}
		found["updateTime"] = timestamp(s.options.Now())
	}, nil, func() object { return view(at) }), nil
}
