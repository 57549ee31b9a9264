package mcs

import (
	"context"

	"causeway/exposer"
)

// Render implements exposer.Renderer.
func (x *exposure) Render(ctx context.Context) ([]exposer.Rendered, error) {
	steps := x.Steps()
	return exposer.Rehearse(ctx, steps[:len(steps)-len(x.leftovers)])
}
