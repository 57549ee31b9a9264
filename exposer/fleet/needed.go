package fleet

import (
	"context"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/kube"
)

// Others names, of the exposures of the same cluster, those that live of something,
// in the order of their names.
func Others(deps exposer.Deps, cluster *kube.Client, spec exposer.Spec, uses func(exposer.Spec) bool) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		if deps.Siblings == nil {
			return nil, nil
		}
		others, err := deps.Siblings(ctx, cluster, spec)
		if err != nil {
			return nil, err
		}
		var names []string
		for _, other := range others {
			if uses(other) {
				names = append(names, other.Name)
			}
		}
		slices.Sort(names)
		return names, nil
	}
}

// Needed asks who else, of the exposures of the same cluster, lives of something:
// "exposure a, b still needs it", or "".
func Needed(deps exposer.Deps, cluster *kube.Client, spec exposer.Spec, uses func(exposer.Spec) bool) func(context.Context) (string, error) {
	others := Others(deps, cluster, spec, uses)
	return func(ctx context.Context) (string, error) {
		names, err := others(ctx)
		if err != nil || len(names) == 0 {
			return "", err
		}
		return "exposure " + strings.Join(names, ", ") + " still needs it", nil
	}
}

// UsesMembership tells the exposures that live of their cluster's membership.
func UsesMembership(spec exposer.Spec) bool { return spec.Method == "gateway" || spec.Method == "mcs" }
