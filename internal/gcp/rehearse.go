package gcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Call is a write as it would be sent.
type Call struct {
	Method string `json:"method"`
	Path   string `json:"path"` // below the API's root: /compute/v1/projects/...
	Body   any    `json:"body,omitempty"`
}

type rehearsalKey struct{}

// errRehearsed ends a call at the point at which it would be sent.
var errRehearsed = errors.New("rehearsed, not sent")

// Rehearse returns a context in which each function of this package that changes
// something tells record what it would send, and then fails with an error for
// which Rehearsed is true: nothing that writes leaves this machine. Reads are made
// as ever. Pre-shared keys are not told.
func Rehearse(ctx context.Context, record func(Call)) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, record)
}

// Rehearsed reports whether err is the end of a rehearsed call.
func Rehearsed(err error) bool { return errors.Is(err, errRehearsed) }

// rehearsing tells who listens to a rehearsal; nil outside of one.
func rehearsing(ctx context.Context) func(Call) {
	record, _ := ctx.Value(rehearsalKey{}).(func(Call))
	return record
}

// rehearse ends a write before it is sent; nil for what only reads, and outside of
// a rehearsal.
func rehearse(r *http.Request, body []byte) error {
	record := rehearsing(r.Context())
	if record == nil || r.Method == http.MethodGet || onlyReads(r) {
		return nil
	}
	path := r.URL.Path
	for _, root := range []string{"/compute/v1/", "/dns/v1/", "/v1/"} {
		if at := strings.Index(path, root); at >= 0 {
			path = path[at:]
			break
		}
	}
	call := Call{Method: r.Method, Path: path}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&call.Body); err == nil {
		if doc, ok := call.Body.(map[string]any); ok && doc["sharedSecret"] != nil {
			doc["sharedSecret"] = "(not shown)"
		}
	}
	record(call)
	return errRehearsed
}
