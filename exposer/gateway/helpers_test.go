package gateway

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

const (
	clusterAt    = "projects/lab-project/locations/europe-west3/clusters/private-cluster"
	membershipAt = "projects/lab-project/locations/europe-west3/memberships/private-cluster"
	membershipID = "membership/europe-west3/private-cluster"

	alice = "user:alice@example.com"
	bob   = "user:bob@example.com"

	reader = "roles/gkehub.gatewayReader"
	admin  = "roles/gkehub.gatewayAdmin"
)

// grantID is the step of a member's role.
func grantID(role, member string) string { return "grant/lab-project/" + role + "/" + member }

// world is a fleet's project whose cluster is no member yet, with an exposure whose
// name is the test's.
func world(t *testing.T, spec exposer.Spec) *conformance.World {
	t.Helper()
	return worldOf(t, spec, conformance.Options{})
}

// registered is one whose cluster is a member since long.
func registered(t *testing.T, spec exposer.Spec) *conformance.World {
	t.Helper()
	w := world(t, spec)
	member(t, w, membershipAt, clusterAt)
	return w
}

func worldOf(t *testing.T, spec exposer.Spec, o conformance.Options) *conformance.World {
	t.Helper()
	if o.Seed == "" {
		o.Seed = "fleet"
	}
	o.NoController = true
	w := conformance.Fresh(t, spec, o)
	settled(t, w)
	return w
}

// member registers a cluster, as somebody else did.
func member(t testing.TB, w *conformance.World, at, cluster string) {
	t.Helper()
	if err := w.Google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{{Path: at, Body: map[string]any{
		"endpoint": map[string]any{"gkeCluster": map[string]any{"resourceLink": "//container.googleapis.com/" + cluster}}}}}}); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, w *conformance.World) exposer.Plan {
	t.Helper()
	return w.Applied(t, Method{})
}

func destroy(t testing.TB, w *conformance.World) map[string]exposer.DestroyItem {
	t.Helper()
	return w.Destroyed(t, Method{})
}

func jobOf(t testing.TB, w *conformance.World) exposer.Job {
	t.Helper()
	return w.JobOf(t, Method{})
}

func open(t testing.TB, w *conformance.World) *exposure {
	t.Helper()
	return w.Opened(t, Method{}).(*exposure)
}

// has says whether the project's policy gives a role to a member.
func has(t testing.TB, w *conformance.World, role, member string) bool {
	t.Helper()
	policy, err := jobOf(t, w).Deps.Google.Policy(t.Context(), "lab-project")
	if err != nil {
		t.Fatal(err)
	}
	return policy.Has(role, member)
}

// edit changes the policy as a colleague does.
func edit(t testing.TB, w *conformance.World, role, member string, granted bool) {
	t.Helper()
	google := jobOf(t, w).Deps.Google
	change := google.Revoke
	if granted {
		change = google.Grant
	}
	if err := change(t.Context(), "lab-project", role, member); err != nil {
		t.Fatal(err)
	}
}

// item is what a plan says of a step.
func item(t testing.TB, plan exposer.Plan, id string) exposer.Item {
	t.Helper()
	at := slices.IndexFunc(plan.Items, func(i exposer.Item) bool { return i.ID == id })
	if at < 0 {
		t.Fatalf("the plan has no %s: %+v", id, plan.Items)
	}
	return plan.Items[at]
}

// problemsOf are the codes and the texts of what stands in the way.
func problemsOf(t *testing.T, w *conformance.World) (codes []string, text string) {
	t.Helper()
	_, _, problems, err := jobOf(t, w).Plan(t.Context(), w.Spec)
	var missing *exposer.PreconditionError
	if errors.As(err, &missing) {
		problems = missing.Problems
	} else if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		codes, text = append(codes, p.Code), text+p.Text+"\n"+p.Fix+"\n"
	}
	return codes, strings.TrimSpace(text)
}

// nowhere is a machine without a way to the gateway, and of a kubeconfig whose plugin
// gives another token.
var (
	nowhere = conformance.Nowhere
	of      = conformance.PluginAs
)
