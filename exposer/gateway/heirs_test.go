package gateway

import (
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
)

// another is a second exposure, on the same cluster or, with a name, on another one
// of the fleet.
func another(w *conformance.World, cluster string, spec exposer.Spec) *conformance.World {
	second := *w
	second.Spec = spec
	second.Spec.Name = w.Spec.Name + "b"
	second.Spec.Cluster = w.Spec.Cluster
	if cluster != "" {
		second.Spec.Cluster.Name = cluster
	}
	second.Spec = second.Spec.WithDefaults()
	return &second
}

// TestARoleIsTheWholeFleets: what one exposure granted lets the member of another one
// in as well, in whichever cluster. It goes with the last of them, in either order.
func TestARoleIsTheWholeFleets(t *testing.T) {
	t.Parallel()
	for about, c := range map[string]struct {
		cluster string // of the second exposure; "" for the first one's
		swapped bool   // the second one is destroyed first
	}{
		"another cluster's, the first goes first":   {cluster: "client-cluster"},
		"another cluster's, the first goes last":    {cluster: "client-cluster", swapped: true},
		"the same cluster's, the first goes first":  {},
		"the same cluster's, the first goes second": {swapped: true},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			first := registered(t, with(plain(), func(o *exposer.Gateway) { o.Members = []string{alice, bob} }))
			second := another(first, c.cluster, forAlice())
			if c.cluster != "" {
				member(t, first, strings.Replace(membershipAt, "private", "client", 1), strings.Replace(clusterAt, "private", "client", 1))
			}
			before := first.State()
			apply(t, first)
			apply(t, second)
			grant := grantID(reader, alice)
			if c.swapped {
				if got := destroy(t, second)[grant]; got.Outcome != exposer.Left || !has(t, first, reader, alice) {
					t.Errorf("the second one, which did not grant it: %+v", got)
				}
				destroy(t, first)
				first.Gone(t, before)
				return
			}
			items := destroy(t, first)
			if got := items[grant]; got.Outcome != exposer.Left || !strings.Contains(got.Why, "exposure "+second.Spec.Name+" still needs it, and takes it away with its own destroy") {
				t.Errorf("the one that granted it: %+v", got)
			}
			if !has(t, first, reader, alice) || has(t, first, reader, bob) {
				t.Error("alice, whom the second one lets in, lost her role, or bob kept his")
			}
			if plan := apply(t, second); !plan.Empty() {
				t.Errorf("the second one: %+v", plan.Items)
			}
			if got := destroy(t, second)[grant]; got.Outcome != exposer.Restored {
				t.Errorf("the last one: %+v", got)
			}
			first.Gone(t, before)
		})
	}
}

// TestADroppedMemberOfAnotherCluster keeps the role that he has there.
func TestADroppedMemberOfAnotherCluster(t *testing.T) {
	t.Parallel()
	first := registered(t, forAlice())
	member(t, first, strings.Replace(membershipAt, "private", "client", 1), strings.Replace(clusterAt, "private", "client", 1))
	before := first.State()
	second := another(first, "client-cluster", forAlice())
	apply(t, first)
	apply(t, second)
	first.Spec = with(first.Spec, func(o *exposer.Gateway) { o.Members = []string{bob} })
	apply(t, first)
	if !has(t, first, reader, alice) || !has(t, first, reader, bob) {
		t.Error("alice lost the role by which she comes to the other cluster, or bob has none")
	}
	if plan := apply(t, first); !plan.Empty() {
		t.Errorf("%+v", plan.Items)
	}
	destroy(t, first)
	if !has(t, first, reader, alice) {
		t.Error("alice lost it when the first was destroyed")
	}
	destroy(t, second)
	first.Gone(t, before)
}

// TestAMembershipGoesWithTheLastWhoLivesOfIt, in either order; where its mark can't be
// given on, it stays, and how it goes is told.
func TestAMembershipGoesWithTheLastWhoLivesOfIt(t *testing.T) {
	t.Parallel()
	first := world(t, forAlice())
	before := first.State()
	second := another(first, "", plain())
	apply(t, first)
	apply(t, second)
	if got := destroy(t, second)[membershipID]; got.Outcome != exposer.Left || first.Google.Object(membershipAt) == nil {
		t.Errorf("the second one, which did not make it: %+v", got)
	}
	apply(t, second)
	first.Google.Deny("gkehub.memberships.update")
	got := destroy(t, first)[membershipID]
	for _, want := range []string{"exposure " + second.Spec.Name + " still needs it", "gkehub.memberships.update", "gcloud container fleet memberships delete private-cluster --location europe-west3 --project lab-project"} {
		if got.Outcome != exposer.Left || !strings.Contains(got.Why, want) {
			t.Errorf("it does not say %q: %+v", want, got)
		}
	}
	first.Google.Allow("gkehub.memberships.update")
	apply(t, first) // it still bears its mark
	if err := first.Google.Change(membershipAt, func(o map[string]any) { o["labels"].(map[string]any)["team"] = "net" }); err != nil {
		t.Fatal(err)
	}
	if got := destroy(t, first)[membershipID]; got.Outcome != exposer.Left || !strings.Contains(got.Why, "it bears the mark of exposure "+second.Spec.Name+" now, whose destroy takes it out") {
		t.Errorf("the one that made it: %+v", got)
	}
	if labels := first.Google.Object(membershipAt)["labels"].(map[string]any); labels["team"] != "net" || len(labels) != 2 {
		t.Errorf("labels of others: %v", labels)
	}
	if plan := apply(t, second); !plan.Empty() {
		t.Errorf("the second one: %+v", plan.Items)
	}
	if got := destroy(t, second)[membershipID]; got.Outcome != exposer.Removed {
		t.Errorf("the last one: %+v", got)
	}
	first.Gone(t, before)
}
