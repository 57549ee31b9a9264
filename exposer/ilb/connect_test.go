package ilb

import (
	"context"
	"net"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/kube"
	"causeway/internal/kubetest"
)

func TestClustersThatCanNotBeExposed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		edit       func(map[string]any)
		code, text string
	}{
		"still being made": {func(o map[string]any) { o["status"] = "PROVISIONING" }, "CW-GCP-CLUSTER-STATE", "the cluster is PROVISIONING"},
		"being deleted":    {func(o map[string]any) { o["status"] = "STOPPING" }, "CW-GCP-CLUSTER-STATE", "the cluster is STOPPING"},
		"with its IP endpoints off": {func(o map[string]any) {
			o["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"] = map[string]any{"enabled": false}
		}, "CW-GCP-IP-ENDPOINTS-OFF", "DNS endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, conformance.Options{NoController: true})
			change(t, w, labAt, c.edit)
			before := w.State()
			_, err := w.Apply(t.Context(), Method{})
			wantError[*exposer.PreconditionError](t, err, c.code, c.text)
			untouched(t, w, before)
		})
	}
}

func TestAClusterThatDoesNotExist(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true})
	w.Spec.Cluster.Name = "prod"
	_, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-GCP-NOT-FOUND", "read cluster projects/lab-project/locations/europe-west3/clusters/prod")
	plain(t, err)
}

// The ways in which Google builds clusters and networks: each ends in a load
// balancer with the reserved address, and in nothing.
func TestKindsOfClusters(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		seed, project, cluster, host string
		annotation                   bool
		fact                         string
	}{
		"peering":            {seed: "lab", project: "lab-project", cluster: "private-cluster", host: "lab-project", annotation: true, fact: "VPC peering gke-"},
		"PSC":                {seed: "psc", project: "lab-project", cluster: "psc-cluster", host: "lab-project", annotation: true, fact: "Private Service Connect endpoint"},
		"without subsetting": {seed: "nosubsetting", project: "lab-project", cluster: "private-cluster", host: "lab-project", fact: "spec.loadBalancerIP"},
		"Shared VPC":         {seed: "sharedvpc", project: "service-project", cluster: "shared-cluster", host: "host-project", annotation: true, fact: "host-project"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t, conformance.Options{Seed: c.seed}, func(s *exposer.Spec) { s.Cluster.Project, s.Cluster.Name = c.project, c.cluster })
			before := w.State()
			apply(t, w)
			service := get(t, w, serviceKind, w.Spec.Namespace, proxyName)
			address := w.Google.Object("projects/" + c.project + "/regions/europe-west3/addresses/" + w.Spec.ILB.AddressName)
			if address == nil || address["address"] != ipOf(t, w) {
				t.Fatalf("the load balancer bears %s, reserved is %v", ipOf(t, w), address)
			}
			if subnet := address["subnetwork"].(string); !strings.Contains(subnet, "projects/"+c.host+"/") {
				t.Errorf("the address lies in %s, not in %s", subnet, c.host)
			}
			_, byName := service.GetAnnotations()["networking.gke.io/load-balancer-ip-addresses"]
			_, byIP := service.Object["spec"].(map[string]any)["loadBalancerIP"]
			if byName != c.annotation || byIP == c.annotation {
				t.Errorf("asked for by annotation: %v, by loadBalancerIP: %v", byName, byIP)
			}
			facts := factsOf(t, w)
			if !strings.Contains(facts, c.fact) {
				t.Errorf("facts do not say %q:\n%s", c.fact, facts)
			}
			unchanged(t, w)
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

func factsOf(t testing.TB, w *conformance.World) string {
	t.Helper()
	x := open(t, w, false)
	var lines []string
	for _, fact := range x.Facts() {
		lines = append(lines, fact.Name+": "+fact.Value)
	}
	return strings.Join(lines, "\n")
}

// open opens the exposure as a verb does.
func open(t testing.TB, w *conformance.World, leaving bool) *exposure {
	t.Helper()
	job, err := w.Job(Method{})
	if err != nil {
		t.Fatal(err)
	}
	job.Deps.Leaving = leaving
	x, err := Method{}.Open(t.Context(), w.Spec, job.Deps)
	if err != nil {
		t.Fatal(err)
	}
	return x.(*exposure)
}

func TestAClusterThatCanNotBeReached(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{NoController: true})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	job, err := w.Job(Method{})
	if err != nil {
		t.Fatal(err)
	}
	job.Deps.Connect = func(ctx context.Context, o kube.ConnectOptions) (*kube.Client, error) {
		o.Tokens, o.Endpoints.Private = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: kubetest.GoogleToken}), closed
		return kube.Connect(ctx, o)
	}
	w.Spec.Reach.Via = "private"
	before := w.State()
	_, _, _, err = job.Plan(t.Context(), w.Spec)
	wantCode(t, err, "CW-KUBE-UNREACHABLE", "private endpoint "+closed)
	plain(t, err)
	if _, _, _, err = job.PlanDestroy(t.Context(), w.Spec); err == nil {
		t.Error("destroy of a cluster that can't be reached went on as if it were gone")
	}
	wantCode(t, err, "CW-KUBE-UNREACHABLE")
	untouched(t, w, before)
}

func TestRightsInTheCluster(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, allAccess)
	before := w.State()
	rights := open(t, w, false).rights()
	w.ClusterToken = kubetest.PlainToken
	var lines []string
	for _, right := range rights {
		lines = append(lines, "CW-KUBE-FORBIDDEN no right in the cluster to "+right.String())
	}
	want(t, refused(t, w), lines...)
	untouched(t, w, before)

	// Exactly these rights, and those that Kubernetes wants of whoever gives rights
	// on, are enough for apply. Destroy leaves a namespace into which it can't look.
	name := "few-rights-" + w.Spec.Name
	grant(t, w, name, rights)
	apply(t, w)
	unchanged(t, w)
	items := destroy(t, w)
	if item := items["namespace/"+w.Spec.Namespace]; item.Outcome != exposer.Left || !strings.Contains(item.Why, "may not be listed") {
		t.Errorf("the namespace: %+v", item)
	}
	// With the right to look, it is enough for everything.
	grant(t, w, name+"-list", []kube.Access{{Verb: "list", Group: "*", Resource: "*"}})
	apply(t, w)
	destroy(t, w)
	w.Gone(t, before)
}

// allAccess is the spec with the most kinds of objects.
func allAccess(s *exposer.Spec) {
	s.Access.Token, s.Access.Role, s.ILB.ClientAuth = exposer.TokenRenewing, "node-reader", "mtls"
}

// grant gives rights to the user who has none.
func grant(t testing.TB, w *conformance.World, name string, rights []kube.Access) {
	t.Helper()
	rules := []any{map[string]any{"apiGroups": []any{"rbac.authorization.k8s.io"}, "resources": []any{"clusterroles", "roles"}, "verbs": []any{"bind", "escalate"}}}
	for _, right := range rights {
		resource := right.Resource
		if right.Subresource != "" {
			resource += "/" + right.Subresource
		}
		rules = append(rules, map[string]any{"apiGroups": []any{right.Group}, "resources": []any{resource}, "verbs": []any{right.Verb}})
	}
	put(t, w, clusterRoles, named("ClusterRole", "rbac.authorization.k8s.io/v1", "", name, map[string]any{"rules": rules}))
	put(t, w, clusterBindings, named("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "", name, map[string]any{
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
		"subjects": []any{map[string]any{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": kubetest.PlainUser}}}))
}
