package exposer

import (
	"context"
	"encoding/json"
	"fmt"

	"causeway/internal/gcp"
)

// Rendered is one thing that an apply would send: a manifest or a Google call.
type Rendered struct {
	ID   string `json:"id"`
	Kind string `json:"kind"` // manifest or call
	Text string `json:"text"` // YAML, or method, URL path and body
}

// Renderer is an exposure that can show all that it would send. Secret values
// are never in it.
type Renderer interface {
	Render(ctx context.Context) ([]Rendered, error)
}

// Rehearse shows what steps would send, in their order: each that is to be done
// runs up to the call that it would make; objects in the cluster are shown whole.
func Rehearse(ctx context.Context, steps []Step) ([]Rendered, error) {
	var rendered []Rendered
	for _, step := range steps {
		if object, ok := step.(interface{ YAML() (string, error) }); ok {
			text, err := object.YAML()
			if err != nil {
				return nil, err
			}
			rendered = append(rendered, Rendered{ID: step.ID(), Kind: "manifest", Text: text})
			continue
		}
		seen, err := step.Read(ctx)
		if err != nil {
			return nil, err
		}
		if seen.Action != Create && seen.Action != Change {
			continue
		}
		calls, err := rehearse(ctx, step)
		if err != nil {
			return nil, err
		}
		rendered = append(rendered, calls...)
	}
	return rendered, nil
}

// rehearse tells what one step would send to Google.
func rehearse(ctx context.Context, step Step) ([]Rendered, error) {
	var rendered []Rendered
	var failed error
	err := step.Do(gcp.Rehearse(ctx, func(c gcp.Call) {
		body, err := json.MarshalIndent(c.Body, "", "  ")
		failed = join(failed, err)
		rendered = append(rendered, Rendered{ID: step.ID(), Kind: "call", Text: c.Method + " " + c.Path + "\n" + string(body) + "\n"})
	}), func(string) {})
	if err != nil && !gcp.Rehearsed(err) {
		return nil, fmt.Errorf("rehearse %s: %w", step.ID(), err)
	}
	return rendered, failed
}
