package mcs

import (
	"context"
	"strings"
	"sync"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/kube"
)

// surveyed is a cluster of the fleet, with what it exports.
type surveyed struct {
	name    string
	member  gcp.Membership
	kube    *kube.Client
	exports []exportSeen
	why     error // why it can't be read
}

// exportSeen is a ServiceExport; exposure is the one of causeway's that made it, ""
// for somebody else's.
type exportSeen struct {
	ref      kube.Ref
	exposure string
}

// readSurvey looks at the exports of every GKE member of a fleet, all at the same
// time. known are ways to clusters that are open already, by the clusters' paths. A
// membership whose cluster is gone exports nothing.
func readSurvey(ctx context.Context, google *gcp.Cloud, deps exposer.Deps, members []gcp.Membership, kubeconfig string, known map[string]*kube.Client) ([]surveyed, error) {
	var all []*surveyed
	var wait sync.WaitGroup
	for _, m := range members {
		parts := strings.Split(m.Cluster, "/")
		if len(parts) != 6 || m.ClusterMissing {
			continue
		}
		one := &surveyed{name: parts[5], member: m}
		all = append(all, one)
		wait.Go(func() { one.read(ctx, google, deps, kubeconfig, known) })
	}
	wait.Wait()
	var out []surveyed
	for _, one := range all {
		if !gcp.NotFound(one.why) {
			out = append(out, *one)
		}
	}
	return out, ctx.Err()
}

func (s *surveyed) read(ctx context.Context, google *gcp.Cloud, deps exposer.Deps, kubeconfig string, known map[string]*kube.Client) {
	parts := strings.Split(s.member.Cluster, "/")
	ref := exposer.ClusterRef{Project: parts[1], Location: parts[3], Name: parts[5]}
	if s.kube = known[ref.String()]; s.kube == nil {
		cluster, err := google.Cluster(ctx, ref.Project, ref.Location, ref.Name)
		if err != nil {
			s.why = err
			return
		}
		if s.kube, s.why = reach(ctx, deps, cluster, kubeconfig); s.why != nil {
			return
		}
	}
	s.exports, s.why = exportsIn(ctx, s.kube)
}

// exportsIn lists the exports of a cluster, in all its namespaces.
func exportsIn(ctx context.Context, client *kube.Client) ([]exportSeen, error) {
	found, err := client.List(ctx, kube.Ref{Group: mcsGroup, Version: "v1", Kind: "ServiceExport"}, "")
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []exportSeen
	for i := range found {
		one := exportSeen{ref: exportOf(kube.Ref{Namespace: found[i].GetNamespace(), Name: found[i].GetName()})}
		if labels := found[i].GetLabels(); labels[exposer.ManagedByLabel] == "causeway" {
			one.exposure = labels[exposer.ExposureLabel]
		}
		all = append(all, one)
	}
	return all, nil
}
