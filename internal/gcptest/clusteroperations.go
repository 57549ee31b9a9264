package gcptest

import (
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"
)

func clusterOperationRoutes() map[string]handler {
	return map[string]handler{
		"container.projects.locations.operations.get":  {getClusterOperation, []string{"container.operations.get"}},
		"container.projects.locations.operations.list": {listClusterOperations, []string{"container.operations.list"}},
	}
}

const containerLink = "https://container.googleapis.com/v1/"

// startOnCluster begins an operation of GKE on a cluster. There is no requestId in
// this API: a call that arrives twice meets its own first operation.
func (c *call) startOnCluster(kind, cluster string, finish, undo func()) object {
	s := c.server
	s.serial++
	scope := path.Dir(path.Dir(cluster)) // projects/p/locations/l
	name := fmt.Sprintf("operation-%d-%08x", s.options.Now().UnixMilli(), s.serial)
	at := scope + "/operations/" + name
	o := &operation{
		started: time.Now(), duration: s.options.OperationTime, finish: finish, undo: undo, failure: c.operationError,
		cluster: true, locks: []string{cluster},
	}
	if special, ok := s.options.OperationTimes[c.method.ID]; ok {
		o.duration = special
	}
	o.fields = object{
		"name": name, "operationType": kind, "status": "PENDING", "location": path.Base(scope), "zone": path.Base(scope),
		"startTime": timestamp(s.options.Now()), "selfLink": containerLink + at, "targetLink": containerLink + cluster,
	}
	s.operations[at] = o
	s.touch()
	return clone(o.fields)
}

func getClusterOperation(c *call) (any, *Error) {
	o, ok := c.server.operations[c.target()]
	if !ok {
		return nil, &Error{Status: http.StatusNotFound, Reason: "notFound", Message: "Not found: " + c.target() + "."}
	}
	return clone(o.fields), nil
}

// listClusterOperations answers for one location, or for all of them when it is "-".
func listClusterOperations(c *call) (any, *Error) {
	var paths []string
	for at, o := range c.server.operations {
		parts := strings.Split(at, "/")
		if o.cluster && parts[1] == c.project() && (c.params["locationsId"] == "-" || c.params["locationsId"] == parts[3]) {
			paths = append(paths, at)
		}
	}
	slices.Sort(paths)
	answer := object{}
	for _, at := range paths {
		list, _ := answer["operations"].([]any)
		answer["operations"] = append(list, clone(c.server.operations[at].fields))
	}
	return answer, nil
}

// rpcCode is the number of the google.rpc code of an HTTP status.
func rpcCode(status int) int {
	switch status {
	case http.StatusBadRequest:
		return 3
	case http.StatusForbidden:
		return 7
	case http.StatusNotFound:
		return 5
	case http.StatusTooManyRequests:
		return 8
	}
	return 13
}
