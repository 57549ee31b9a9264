package kube

import (
	"context"
	"net/http"
)

// endedRuns is a transport that tells why a request ended with its context. Over
// HTTP/2 the error is the context's own, and the end of --timeout would read, and be
// classified, as a cluster that does not answer.
type endedRuns struct{ next http.RoundTripper }

// WrappedRoundTripper lets client-go find the transport below.
func (e endedRuns) WrappedRoundTripper() http.RoundTripper { return e.next }

// RoundTrip implements http.RoundTripper.
func (e endedRuns) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := e.next.RoundTrip(request)
	ctx := request.Context()
	if cause := context.Cause(ctx); err != nil && cause != nil && cause != ctx.Err() {
		return response, &endedRun{cause, err}
	}
	return response, err
}

// endedRun is a request that ended with the run, in the words of the run's end.
type endedRun struct{ cause, err error }

func (e *endedRun) Error() string { return e.cause.Error() }

// Unwrap gives the reason and the transport's error.
func (e *endedRun) Unwrap() []error { return []error{e.cause, e.err} }
