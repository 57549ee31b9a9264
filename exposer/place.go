package exposer

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/internal/gcp"
	"causeway/internal/kube"
	"causeway/templates"
)

// NamespaceID is the step of an exposure's namespace.
func NamespaceID(spec Spec) string { return "namespace/" + spec.Namespace }

// NamespaceStep makes the namespace for what an exposure keeps in the cluster:
// the client's ServiceAccount, the record, the lock. One of the user's is used as
// it is, and one that holds what causeway did not make is never deleted.
func NamespaceStep(cluster *kube.Client, spec Spec) *Object {
	return &Object{
		Cluster: cluster, Exposure: spec.Name, Shared: true, About: "Namespace " + spec.Namespace,
		Ref: kube.Ref{Version: "v1", Kind: "Namespace", Name: spec.Namespace},
		Build: func() (*unstructured.Unstructured, string, error) {
			m, err := templates.Namespace(spec.Name, spec.Namespace)
			return m.Object, "", err
		},
		Guard: func(ctx context.Context) (string, error) {
			return GuardNamespace(ctx, cluster, spec.Namespace, spec.Name)
		},
	}
}

// LockNamespace keeps a second apply or destroy out by a Lease in the exposure's
// namespace, which is made first when it is not there.
func LockNamespace(ctx context.Context, cluster *kube.Client, spec Spec, leaving bool) (release func(), err error) {
	nothing := func() {}
	if cluster == nil {
		return nothing, nil
	}
	namespace := NamespaceStep(cluster, spec)
	live, err := cluster.Get(ctx, namespace.Ref)
	if err != nil {
		return nil, err
	}
	if live == nil && leaving {
		return nothing, nil // nothing there to keep others away from
	}
	if live == nil {
		if err := namespace.Do(ctx, func(string) {}); err != nil {
			return nil, err
		}
	}
	return cluster.Lock(ctx, spec.Namespace, "causeway-lock")
}

// Connect opens the way to the cluster's API for causeway's own work.
func Connect(ctx context.Context, cluster gcp.Cluster, spec Spec, deps Deps) (*kube.Client, error) {
	return ConnectBy(ctx, cluster, "", spec, deps)
}

// ConnectBy is Connect where Connect Gateway may be a way too: gateway is its URL
// for the cluster, or "".
func ConnectBy(ctx context.Context, cluster gcp.Cluster, gateway string, spec Spec, deps Deps) (*kube.Client, error) {
	return deps.Connect(ctx, kube.ConnectOptions{
		Via: kube.Via(spec.Reach.Via), Context: spec.Reach.Context, Kubeconfig: spec.Reach.Kubeconfig,
		Endpoints: kube.Endpoints{Private: cluster.PrivateEndpoint, Public: cluster.PublicEndpoint, DNS: cluster.DNSEndpoint, Gateway: gateway, CA: cluster.CA},
		Note:      deps.Note,
	})
}

// BestServerName picks a name of the API server's certificate for clients that
// talk to an address that it does not bear: those that every API server's
// certificate has by convention come first, and only one that this certificate
// really has is taken; "" when there is none.
func BestServerName(names []string) string {
	for _, want := range []string{templates.DefaultUpstreamName, "kubernetes.default", "kubernetes"} {
		if slices.Contains(names, want) {
			return want
		}
	}
	for _, name := range names {
		if _, err := netip.ParseAddr(name); err != nil && !strings.HasPrefix(name, "*") {
			return name
		}
	}
	return ""
}

// ControlPlaneFact says what kind of control plane a cluster has.
func ControlPlaneFact(c gcp.Cluster) Fact {
	kind := "Private Service Connect endpoint in the VPC"
	if c.PeeringName != "" {
		kind = "VPC peering " + c.PeeringName
	}
	return Fact{Name: "control plane", Value: c.PrivateEndpoint + ", " + kind}
}

// ClusterStateProblems are what keeps every method that works by the control
// plane's private address from working at all.
func ClusterStateProblems(c gcp.Cluster) []Problem {
	var problems []Problem
	if c.IPEndpointsOff {
		problems = append(problems, Problem{Code: "CW-GCP-IP-ENDPOINTS-OFF",
			Text: "the cluster's IP endpoints are off: the control plane has no private address",
			Fix: fmt.Sprintf("gcloud container clusters update %s --project %s --location %s --enable-ip-access (or use the cluster's DNS endpoint)",
				c.Name, c.Project, c.Location)})
	}
	return append(problems, ReadyProblems(c)...)
}

// ReadyProblems are what keeps every method from working on a cluster whose
// control plane does not serve.
func ReadyProblems(c gcp.Cluster) []Problem {
	if c.Ready() {
		return nil
	}
	return []Problem{{Code: "CW-GCP-CLUSTER-STATE",
		Text: fmt.Sprintf("the cluster is %s", c.Status), Fix: "wait until it is RUNNING, then run the same command again"}}
}
