package mcs

import (
	"context"
	"fmt"
	"strings"

	"causeway/exposer"
)

// ProbePods implements exposer.InCluster: a pod in each cluster that the spec names,
// that can be reached and has the import. It asks by the fleet's name, with the
// kubeconfig as it is, as any client there does.
func (x *exposure) ProbePods(ctx context.Context) ([]exposer.ProbePod, string, error) {
	if x.any() {
		return nil, "no API server is behind " + x.name(), nil
	}
	if len(x.importers) == 0 {
		return nil, "no cluster is named that imports the Service; give --importer", nil
	}
	var pods []exposer.ProbePod
	var lacking []string
	for _, i := range x.importers {
		if i.kube == nil {
			lacking = append(lacking, fmt.Sprintf("the API of cluster %s can't be reached from here", i.ref.Name))
			continue
		}
		have, err := readImport(ctx, i.kube, x.service)
		if err != nil {
			return nil, "", err
		}
		if lack := have.lacks(true); lack != "" {
			lacking = append(lacking, fmt.Sprintf("cluster %s has %s", i.ref.Name, lack))
			continue
		}
		pods = append(pods, x.probePod(i))
	}
	return pods, strings.Join(lacking, "; "), nil
}

// probePod is where the probe runs in an importing cluster: in the namespace that
// carries the import there, as others may make no further one.
func (x *exposure) probePod(i *importer) exposer.ProbePod {
	pod := exposer.ProbePod{Kube: i.kube, Cluster: i.ref.Name, Exposure: x.spec.Name, Namespace: x.service.Namespace, Await: x.name()}
	if part := x.host.spec.ILB; part != nil {
		pod.Image = part.Image
	}
	return pod
}

// probeLeftovers are, on destroy, what a probe that was killed left in the importing
// clusters.
func (x *exposure) probeLeftovers(ctx context.Context) error {
	if !x.deps.Leaving || x.any() {
		return nil
	}
	for _, i := range x.importers {
		if i.kube == nil {
			continue
		}
		prefix := strings.Join([]string{"leftover", i.ref.Project, i.ref.Location, i.ref.Name}, "/")
		left, err := x.probePod(i).Leftovers(ctx, prefix, i.id(x.service.Namespace))
		if err != nil {
			return err
		}
		x.probes = append(x.probes, left...)
	}
	return nil
}
