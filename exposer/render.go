package exposer

import (
	"context"
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
