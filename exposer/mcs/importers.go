package mcs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/kube"
	"causeway/templates"
)

// importer is a cluster that the spec names: the namespace is made there, and the
// import waited for.
type importer struct {
	ref     exposer.ClusterRef
	cluster gcp.Cluster
	kube    *kube.Client // nil where its API can't be reached from here
	why     error        // the reason for that
}

func (i *importer) id(namespace string) string {
	return strings.Join([]string{"namespace", i.ref.Project, i.ref.Location, i.ref.Name, namespace}, "/")
}

// others are the fleet's other clusters, whose Pods are let in.
type others struct {
	clusters []gcp.Cluster
	unseen   []string // memberships whose cluster can't be read
}

func (o others) names() []string {
	var names []string
	for _, c := range o.clusters {
		names = append(names, c.Name)
	}
	return names
}

// ranges are the clusters' Pod ranges, those of single node pools too, each once,
// sorted: the order in which the fleet lists them is no change.
func (o others) ranges() []string {
	var ranges []string
	for _, c := range o.clusters {
		for _, pods := range c.PodRanges() {
			ranges = append(ranges, pods.String())
		}
	}
	slices.Sort(ranges)
	return slices.Compact(ranges)
}

// openImporters reads the clusters that the spec names, and finds a way to each. One
// that can't be reached is told, and stops nothing.
func (x *exposure) openImporters(ctx context.Context) error {
	var problems []exposer.Problem
	for _, entry := range x.spec.MCS.Importers {
		ref, err := exposer.ImporterOf(entry, x.spec.Cluster.Project)
		if err != nil {
			return err // validation told
		}
		cluster, err := x.google.Cluster(ctx, ref.Project, ref.Location, ref.Name)
		if x.deps.Leaving && gcp.NotFound(err) {
			continue
		}
		if err != nil {
			return err
		}
		problems = append(problems, x.importerProblems(cluster)...)
		x.importers = append(x.importers, &importer{ref: ref, cluster: cluster})
	}
	if len(problems) > 0 && !x.deps.Leaving {
		return x.refused(problems...)
	}
	var wait sync.WaitGroup
	for _, i := range x.importers {
		wait.Go(func() { i.kube, i.why = x.reach(ctx, i) })
	}
	wait.Wait()
	for _, i := range x.importers {
		if i.kube == nil {
			x.deps.Note(fmt.Sprintf("the API of cluster %s can't be reached from here: %s", i.ref.Name, x.byHand(i)))
		}
	}
	return ctx.Err()
}

// reach finds a way to another cluster's API. What was said of the exporting
// cluster's way does not count for it, but for the kubeconfig that holds contexts. What
// its API has to say later is told with its name.
func (x *exposure) reach(ctx context.Context, i *importer) (*kube.Client, error) {
	deps, open := x.deps, new(atomic.Bool)
	deps.Note = func(text string) {
		if open.Load() {
			x.deps.Note("cluster " + i.ref.Name + ": " + text)
		}
	}
	client, err := connect(ctx, deps, i.cluster, x.spec.Reach.Kubeconfig)
	open.Store(true)
	return client, err
}

// reach is that for clusters that are only looked at: nothing is told.
func reach(ctx context.Context, deps exposer.Deps, cluster gcp.Cluster, kubeconfig string) (*kube.Client, error) {
	deps.Note = func(string) {}
	return connect(ctx, deps, cluster, kubeconfig)
}

func connect(ctx context.Context, deps exposer.Deps, cluster gcp.Cluster, kubeconfig string) (*kube.Client, error) {
	return exposer.Connect(ctx, cluster, exposer.Spec{Reach: exposer.Reach{Via: "auto", Kubeconfig: kubeconfig}}, deps)
}

// byHand is what is to be done in a cluster that can't be reached.
func (x *exposure) byHand(i *importer) string {
	return fmt.Sprintf("kubectl create namespace %s, with its kubeconfig (gcloud container clusters get-credentials %s --location %s --project %s), lets it import the Service",
		x.service.Namespace, i.ref.Name, i.ref.Location, i.ref.Project)
}

// importerProblems are why a cluster can't import anything of this fleet.
func (x *exposure) importerProblems(c gcp.Cluster) []exposer.Problem {
	var problems []exposer.Problem
	if x.fleet.Of(c) == nil && len(x.fleet.Unreachable) == 0 {
		problems = append(problems, exposer.Problem{Code: "CW-FLEET-MEMBER",
			Text: fmt.Sprintf("importer %s is not in the fleet of project %s", c.Name, x.fleet.Project.ID),
			Fix: fmt.Sprintf("gcloud container fleet memberships register %s --gke-cluster %s/%s --enable-workload-identity --project %s",
				c.Name, c.Location, c.Name, x.fleet.Project.ID)})
	}
	if c.WorkloadPool == "" {
		problems = append(problems, exposer.Problem{Code: "CW-MCS-CLUSTER", Text: "importer " + c.Name + " has no Workload Identity",
			Fix: fmt.Sprintf("gcloud container clusters update %s --project %s --location %s --workload-pool=%s.svc.id.goog", c.Name, c.Project, c.Location, c.Project)})
	}
	return problems
}

// readOthers finds whose Pods are to be let in: those of the importers that are
// named, else of every GKE member of the fleet that can be read.
func (x *exposure) readOthers(ctx context.Context) error {
	if len(x.importers) > 0 {
		for _, i := range x.importers {
			x.others.clusters = append(x.others.clusters, i.cluster)
		}
		return nil
	}
	var err error
	x.others, err = readClusters(ctx, x.google, x.fleet.Members, x.fleet.Member)
	return err
}

// readClusters reads the GKE clusters of memberships, without one of them.
func readClusters(ctx context.Context, google *gcp.Cloud, members []gcp.Membership, without *gcp.Membership) (others, error) {
	var out others
	for _, m := range members {
		if m.Cluster == "" || without != nil && m.Name == without.Name {
			continue
		}
		parts := strings.Split(m.Cluster, "/")
		if len(parts) != 6 {
			continue
		}
		cluster, err := google.Cluster(ctx, parts[1], parts[3], parts[5])
		switch {
		case gcp.NotFound(err): // its membership stayed
		case exposer.MissingRight(err):
			out.unseen = append(out.unseen, m.ID)
		case err != nil:
			return out, err
		default:
			out.clusters = append(out.clusters, cluster)
		}
	}
	return out, nil
}

func (x *exposure) importersFact() string {
	if len(x.importers) == 0 {
		return "every cluster of the fleet that has the namespace " + x.service.Namespace
	}
	var texts []string
	for _, i := range x.importers {
		text := i.ref.Name
		if i.kube == nil {
			text += " (its API can't be reached from here: " + x.byHand(i) + ")"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, ", ") + ", and every other cluster of the fleet that has the namespace"
}

// namespaceSteps make the namespace in the importing clusters that can be reached.
func (x *exposure) namespaceSteps() []exposer.Step {
	var steps []exposer.Step
	for _, i := range x.importers {
		if i.kube == nil {
			continue
		}
		steps = append(steps, &exposer.Object{Cluster: i.kube, Exposure: x.spec.Name, Shared: true, Name: i.id(x.service.Namespace),
			Ref:   kube.Ref{Version: "v1", Kind: "Namespace", Name: x.service.Namespace},
			About: fmt.Sprintf("Namespace %s in cluster %s, for its import", x.service.Namespace, i.ref.Name),
			Build: func() (*unstructured.Unstructured, string, error) {
				m, err := templates.Namespace(x.spec.Name, x.service.Namespace)
				return m.Object, "", err
			},
			Guard: func(ctx context.Context) (string, error) {
				return exposer.GuardNamespace(ctx, i.kube, x.service.Namespace, x.spec.Name)
			}})
	}
	return steps
}

// site is a cluster in which the import is looked at.
type site struct {
	name string
	kube *kube.Client
}

// sites are the exporting cluster, which imports too, and the importers.
func (x *exposure) sites() []site {
	all := []site{{x.spec.Cluster.Name, x.kube}}
	for _, i := range x.importers {
		if i.kube != nil {
			all = append(all, site{i.ref.Name, i.kube})
		}
	}
	return all
}

// absent reports whether a kind is not served by the cluster.
func absent(err error) bool {
	var answer *kube.Error
	return errors.As(err, &answer) && answer.HTTP == 404
}
