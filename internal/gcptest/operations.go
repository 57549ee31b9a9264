package gcptest

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// operation is a running change. Its time runs on the machine's clock, so that a
// test can time an apply; only the time stamps come from Options.Now.
type operation struct {
	fields   object
	started  time.Time
	duration time.Duration
	finish   func()          // the effect at the end
	undo     func()          // what failing takes back
	failure  *OperationError // how it ends, nil: well
	done     bool
	locks    []string      // what it keeps others from changing: paths
	cluster  bool          // an operation of GKE, which has a form of its own
	long     bool          // one of google.longrunning, which has another
	response func() object // of a long one that ended well
}

func operationRoutes() map[string]handler {
	regional := []string{"compute.regionOperations.get"}
	global := []string{"compute.globalOperations.get"}
	return map[string]handler{
		"compute.regionOperations.get":  {getOperation, regional},
		"compute.regionOperations.wait": {waitOperation, regional},
		"compute.regionOperations.list": {listOperations, []string{"compute.regionOperations.list"}},
		"compute.globalOperations.get":  {getOperation, global},
		"compute.globalOperations.wait": {waitOperation, global},
	}
}

// start begins an operation on target and returns the answer to its call. A
// second call with the same requestId gets the first one's operation.
func (c *call) start(kind, target string, finish, undo func()) object {
	s := c.server
	s.serial++
	name := fmt.Sprintf("operation-%d-%08x", s.options.Now().UnixMilli(), s.serial)
	scope := path.Dir(path.Dir(target)) // projects/p/regions/r
	at := scope + "/operations/" + name
	now := timestamp(s.options.Now())
	o := &operation{started: time.Now(), duration: s.options.OperationTime, finish: finish, undo: undo, failure: c.operationError}
	if special, ok := s.options.OperationTimes[c.method.ID]; ok {
		o.duration = special
	}
	o.fields = object{
		"kind": "compute#operation", "id": strconv.FormatUint(5_000_000_000_000_000_000+s.serial, 10), "name": name,
		"operationType": kind, "targetLink": link(target), "status": "PENDING", "progress": 0,
		"user": "user@example.com", "insertTime": now, "selfLink": link(at),
	}
	if target, ok := s.objects[target]; ok {
		o.fields["targetId"] = text(target, "id")
	}
	if parts := strings.Split(scope, "/"); len(parts) == 4 {
		o.fields["region"] = link(scope)
	}
	if id := c.query.Get("requestId"); id != "" {
		o.fields["clientOperationId"] = id
		s.requestIDs[c.method.ID+" "+id] = at
	}
	s.operations[at] = o
	s.touch()
	return clone(o.fields)
}

// repeated answers a write whose requestId was seen before.
func (c *call) repeated() (object, bool) {
	at, ok := c.server.requestIDs[c.method.ID+" "+c.query.Get("requestId")]
	if !ok || c.query.Get("requestId") == "" {
		return nil, false
	}
	return clone(c.server.operations[at].fields), true
}

// settle lets operations run on to where they are by now.
func (s *Server) settle() {
	for _, o := range s.operations {
		o.advance(s)
	}
	s.tellMembers()
}

func (o *operation) advance(s *Server) {
	if o.done {
		return
	}
	elapsed := time.Since(o.started)
	if elapsed < o.duration {
		if elapsed > o.duration/4 {
			o.tell("RUNNING", int(100*elapsed/o.duration))
		}
		return
	}
	o.done = true
	if !o.long {
		o.tell("DONE", 100)
		o.fields["endTime"] = timestamp(s.options.Now())
	}
	effect := o.finish
	if o.failure != nil {
		o.fail()
		effect = o.undo
	}
	if effect != nil {
		effect()
	}
	if o.long {
		o.tellLong(s)
	}
}

// tell writes how far it is. Compute tells a percentage, GKE does not.
func (o *operation) tell(status string, progress int) {
	if o.long { // it says nothing before its end
		return
	}
	o.fields["status"] = status
	if !o.cluster {
		o.fields["startTime"], o.fields["progress"] = o.fields["insertTime"], progress
	}
}

func (o *operation) fail() {
	if o.long {
		return
	}
	status := o.failure.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if o.cluster {
		told := OperationError{Status: status, Code: o.failure.Code}
		o.fields["error"] = object{"code": told.rpc(), "message": o.failure.Message}
		o.fields["statusMessage"] = o.failure.Message
		return
	}
	o.fields["error"] = object{"errors": []any{object{"code": o.failure.Code, "message": o.failure.Message}}}
	o.fields["httpErrorStatusCode"] = status
	o.fields["httpErrorMessage"] = strings.ToUpper(http.StatusText(status))
}

func getOperation(c *call) (any, *Error) {
	o, ok := c.server.operations[c.target()]
	if !ok {
		return nil, notFound(c.target())
	}
	return clone(o.fields), nil
}

// waitOperation stays open until the operation is done, the client goes away or
// the limit is reached, and answers with the operation as it then is.
func waitOperation(c *call) (any, *Error) {
	s := c.server
	o, ok := s.operations[c.target()]
	if !ok {
		return nil, notFound(c.target())
	}
	left := min(o.duration-time.Since(o.started), s.options.WaitLimit)
	if !o.done && left > 0 {
		s.mu.Unlock()
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-c.context:
		}
		timer.Stop()
		s.mu.Lock()
	}
	s.settle() // also where the end came since the call was admitted
	return clone(o.fields), nil
}

func listOperations(c *call) (any, *Error) {
	var paths []string
	for at := range c.server.operations {
		if path.Dir(at) == c.target() {
			paths = append(paths, at)
		}
	}
	return c.page("compute#operationList", paths, func(at string) object { return c.server.operations[at].fields })
}

// running names the operation that runs on one of the paths, "" when none does.
func (s *Server) running(paths ...string) string {
	for at, o := range s.operations {
		if !o.done && slices.ContainsFunc(paths, func(one string) bool { return slices.Contains(o.locks, one) }) {
			return path.Base(at)
		}
	}
	return ""
}
