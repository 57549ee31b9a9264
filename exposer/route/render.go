package route

import (
	"context"

	"causeway/exposer"
)

// Render implements exposer.Renderer.
func (x *exposure) Render(ctx context.Context) ([]exposer.Rendered, error) {
	x.rehearsing = true
	defer func() { x.rehearsing = false }()
	steps := x.Steps()
	return exposer.Rehearse(ctx, steps[:len(steps)-len(x.leftovers)])
}
