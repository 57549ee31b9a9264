package route

import (
	"context"

	"causeway/exposer"
)

// Render implements exposer.Renderer.
func (x *exposure) Render(ctx context.Context) ([]exposer.Rendered, error) {
	x.rehearsing = true
	defer func() { x.rehearsing = false }()
	return exposer.Rehearse(ctx, x.wanted())
}
