package gcptest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
)

// GatewayFailure is trouble of Connect Gateway, by the words of its troubleshooting pages.
type GatewayFailure string

// The failures that GatewayFront.Fail makes. Those of a stream strike no other request.
// The pages that were read have the words of FailStreams, behind its code, and of
// FailGroups in other languages only: those in English may be others.
const (
	FailNoAgent    GatewayFailure = "no active connections found for cluster (project: %s, membership: %s)"
	FailAgent      GatewayFailure = "generic::failed_precondition: connection to agent failed"                     // streams
	FailTerminated GatewayFailure = "generic::failed_precondition: connection to agent terminated"                 // streams, once they stand
	FailCluster    GatewayFailure = "generic::failed_precondition: error encountered within the cluster"           // streams
	FailStreams    GatewayFailure = "generic::resource_exhausted: the gateway's active_streams quota is exhausted" // streams
	FailGroups     GatewayFailure = "The size of the groups returned under the gke-security-groups group exceeds the 8KB HTTP header size limit. Restructure the group hierarchy and try again."
	FailURL        GatewayFailure = "The requested URL was not found on this server."
	// FailResources strikes the lists of resources alone: kubectl says "the server doesn't
	// have a resource type" where it finds the groups and not what is in them.
	FailResources GatewayFailure = "Not found."
	FailUnknown   GatewayFailure = "Bad Request" // "the server rejected our request for an unknown reason", as kubectl says it
)

// Fail makes the gateway fail in that way from now on, until Fail("").
func (f *GatewayFront) Fail(failure GatewayFailure) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = failure
}

func (f *GatewayFront) failing() GatewayFailure {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failure
}

// resourceLists are the paths at which an API server lists what a version of a group has.
var resourceLists = regexp.MustCompile(`^/api/[^/]+/?$|^/apis/[^/]+/[^/]+/?$`)

// strikes says whether the failure meets a request before it is passed on.
func (g GatewayFailure) strikes(p *passage) bool {
	switch g {
	case "", FailTerminated:
		return false
	case FailAgent, FailCluster, FailStreams:
		return p.stream != ""
	case FailResources:
		return resourceLists.MatchString(p.rest)
	}
	return true
}

// refusal is the answer with the failure's words. A passage is nil where none is known yet.
func (g GatewayFailure) refusal(p *passage) *Error {
	switch g {
	case FailURL, FailResources:
		return &Error{Status: http.StatusNotFound, Message: string(g)}
	case FailNoAgent:
		return &Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf(string(g), p.number, p.id)}
	case FailStreams:
		return &Error{Status: http.StatusTooManyRequests, Message: string(g)}
	case FailUnknown:
		return &Error{Status: http.StatusBadRequest, Message: string(g)}
	}
	return &Error{Status: http.StatusBadRequest, Canonical: "FAILED_PRECONDITION", Message: string(g)}
}

// unreached is the answer where the API server cannot be reached: in a cluster with an
// agent it is the agent that cannot, and its log says "failed to create the websocket
// connection".
func unreached(p *passage) *Error {
	switch {
	case p.stream == "":
		return &Error{Status: http.StatusBadGateway, Canonical: "UNAVAILABLE", Message: "The cluster's API server does not answer."}
	case p.agent:
		return FailCluster.refusal(p)
	}
	return FailAgent.refusal(p)
}

// writeGateway writes a refusal, whose body refusalText makes.
func writeGateway(w http.ResponseWriter, e *Error, stream bool) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Server", "ESF")
	w.WriteHeader(e.Status)
	_, _ = w.Write(refusalText(e, stream)) // the client may be gone
}

// refusalText is a google.rpc.Status in JSON; that of a stream stands in a list, as
// Google's streaming methods answer. kubectl takes an object there, and whatever is a
// mapping in YAML, for a Status of Kubernetes without a word in it, while Google's page
// says that it shows the words.
func refusalText(e *Error, stream bool) []byte {
	body := object{"code": e.Status, "message": e.Message, "status": canonical(e.Status)}
	if e.Canonical != "" {
		body["status"] = e.Canonical
	}
	if e.Info != "" {
		body["details"] = []any{object{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": e.Info, "domain": e.Domain, "metadata": e.Meta}}
	}
	var answer any = object{"error": body}
	if stream {
		answer = []any{answer}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // people read it
	if err := encoder.Encode(answer); err != nil {
		return nil // strings and numbers go to JSON
	}
	return out.Bytes()
}
