package fleet

import (
	"context"
	"strings"

	"causeway/exposer"
	"causeway/internal/kube"
)

// Needed asks who else, of the exposures of the same cluster, lives of something:
// "exposure a, b still needs it", or "".
func Needed(deps exposer.Deps, cluster *kube.Client, spec exposer.Spec, uses func(exposer.Spec) bool) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if deps.Siblings == nil {
			return "", nil
		}
		others, err := deps.Siblings(ctx, cluster, spec)
		if err != nil {
			return "", err
		}
		var names []string
		for _, other := range others {
			if uses(other) {
				names = append(names, other.Name)
			}
		}
		if len(names) == 0 {
			return "", nil
		}
		return "exposure " + strings.Join(names, ", ") + " still needs it", nil
	}
}

// UsesMembership tells the exposures that live of their cluster's membership.
func UsesMembership(spec exposer.Spec) bool { return spec.Method == "gateway" || spec.Method == "mcs" }
