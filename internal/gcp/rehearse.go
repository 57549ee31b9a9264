package gcp

import (
	"context"
	"errors"
	"maps"
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
// something through a raw document tells record what it would send, and then
// fails with an error for which Rehearsed is true. Reads are made as ever.
// Pre-shared keys are not told.
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

// veiled is a body without what must not be shown.
func veiled(body any) any {
	doc, ok := body.(document)
	if !ok || doc["sharedSecret"] == nil {
		return body
	}
	doc = maps.Clone(doc)
	doc["sharedSecret"] = "(not shown)"
	return doc
}
