package gateway

import (
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// farFleet has another project host the fleet, and its agent register clusters of the
// lab's.
func farFleet(t *testing.T, w *conformance.World) {
	t.Helper()
	if err := w.Google.Fill(gcptest.Seed{Projects: []gcptest.SeedProject{{ID: "hub-project", Number: "777777777777",
		Services: []string{"cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com", "gkehub.googleapis.com", "connectgateway.googleapis.com", "gkeconnect.googleapis.com"}}}}); err != nil {
		t.Fatal(err)
	}
	edit(t, w, "roles/gkehub.serviceAgent", "serviceAccount:service-777777777777@gcp-sa-gkehub.iam.gserviceaccount.com", true)
}

// TestTheFleetIsRememberedWhereTheClusterTellsItNoMore: who destroys when the cluster
// is gone, or was taken out of the fleet, takes the roles back where they were given.
func TestTheFleetIsRememberedWhereTheClusterTellsItNoMore(t *testing.T) {
	t.Parallel()
	const at = "projects/hub-project/locations/europe-west3/memberships/private-cluster"
	for about, c := range map[string]struct {
		registers bool // the exposure, not somebody before it
		leaves    func(*testing.T, *conformance.World)
	}{
		"the cluster was deleted": {leaves: func(_ *testing.T, w *conformance.World) { w.Google.Remove(clusterAt) }},
		"its membership was":      {leaves: func(t *testing.T, w *conformance.World) { unregister(t, w, at) }},
		"the cluster was deleted, whose membership this exposure made": {registers: true, leaves: func(_ *testing.T, w *conformance.World) { w.Google.Remove(clusterAt) }},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := world(t, forAlice())
			farFleet(t, w)
			if c.registers {
				w.Spec = with(w.Spec, func(o *exposer.Gateway) { o.FleetProject = "hub-project" })
			} else {
				member(t, w, at, clusterAt)
				if err := w.Google.Change(clusterAt, func(o map[string]any) {
					o["fleet"] = map[string]any{"project": "777777777777", "membership": "//gkehub.googleapis.com/projects/777777777777/locations/europe-west3/memberships/private-cluster"}
				}); err != nil {
					t.Fatal(err)
				}
			}
			google := jobOf(t, w).Deps.Google
			before, err := google.Policy(t.Context(), "hub-project")
			if err != nil {
				t.Fatal(err)
			}
			apply(t, w)
			if now, err := google.Policy(t.Context(), "hub-project"); err != nil || !now.Has(reader, alice) {
				t.Fatalf("the role is not the fleet's: %+v %v", now, err)
			}
			w.Spec = with(w.Spec, func(o *exposer.Gateway) { o.FleetProject = "" }) // as one types it who destroys
			c.leaves(t, w)
			destroy(t, w)
			if now, err := google.Policy(t.Context(), "hub-project"); err != nil || now.Has(reader, alice) || len(now.Bindings) != len(before.Bindings) {
				t.Errorf("roles in the fleet's project: %+v %v", now, err)
			}
			if c.registers && w.Google.Object(at) != nil {
				t.Error("the membership is left")
			}
		})
	}
}

func unregister(t *testing.T, w *conformance.World, at string) {
	t.Helper()
	if err := jobOf(t, w).Deps.Google.DeleteMembership(t.Context(), at, func(string) {}); err != nil {
		t.Fatal(err)
	}
}
