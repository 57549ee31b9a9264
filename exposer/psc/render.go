package psc

import (
	"context"

	"causeway/exposer"
)

// Render implements exposer.Renderer.
func (x *exposure) Render(ctx context.Context) ([]exposer.Rendered, error) {
	if o := x.object; o != nil && o.made == "" { // its name is GKE's to give
		o.made = "projects/" + x.spec.Cluster.Project + "/regions/" + x.region + "/serviceAttachments/NAME-GIVEN-BY-GKE"
	}
	steps := x.Steps()
	return exposer.Rehearse(ctx, steps[:len(steps)-len(x.leftovers)])
}
