package main

import (
	"fmt"
	"net/http"
	"time"
)

// teller tells of each request that passes: method, path, status and time, never
// headers, queries or bodies.
type teller struct {
	next http.RoundTripper
	tell func(string)
	now  func() time.Time
}

// RoundTrip implements http.RoundTripper.
func (t teller) RoundTrip(r *http.Request) (*http.Response, error) {
	begin := t.now()
	response, err := t.next.RoundTrip(r)
	outcome := "no answer"
	if err == nil {
		outcome = fmt.Sprint(response.StatusCode)
	}
	t.tell(fmt.Sprintf("google  %-5s %s  %s  %d ms", r.Method, r.URL.Path, outcome, t.now().Sub(begin).Milliseconds()))
	return response, err
}
