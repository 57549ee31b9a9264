package mcs

import (
	"path/filepath"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/fleet"
	"causeway/internal/gcptest"
)

// TestTheMembershipGoesOverToWhoLivesOfIt: to an exposure by another method as well.
func TestTheMembershipGoesOverToWhoLivesOfIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "heirs", conformance.Options{})
	service(t, w.Server, "default", "heirs-web", nil)
	w.Spec.MCS = &exposer.MCS{Service: "default/heirs-web", Register: true, Membership: "private-cluster"}
	w.Google.Enable("lab-project", "gkehub.googleapis.com")
	register(t, w, ownMember, clusterAt)
	if err := w.Google.Change(ownMember, func(o map[string]any) { o["labels"] = map[string]any{fleet.Label: w.Spec.Name} }); err != nil {
		t.Fatal(err)
	}
	heir := exposer.Record{Version: 1, Spec: exposer.Spec{Method: "gateway", Name: "shell", Cluster: labCluster, Gateway: &exposer.Gateway{}}}
	if err := (exposer.FileRecords{Dir: filepath.Join(w.Dir, "state")}).Save(t.Context(), heir, true); err != nil {
		t.Fatal(err)
	}
	deps := jobOf(t, w).Deps
	deps.Leaving = true
	x, err := Method{}.Open(t.Context(), w.Spec, deps)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range x.Steps() {
		if step.ID() != "membership/europe-west3/private-cluster" {
			continue
		}
		got, err := step.Undo(t.Context(), nil, func(string) {})
		if err != nil || got.Outcome != exposer.Left || !strings.Contains(got.Why, "it bears the mark of exposure shell now") {
			t.Errorf("%+v %v", got, err)
		}
	}
	if labels, _ := w.Google.Object(ownMember)["labels"].(map[string]any); labels[fleet.Label] != "shell" {
		t.Errorf("labels: %v", labels)
	}
}

// TestAnotherProjectsFleetThatMayNotRegister is told before anything is changed.
func TestAnotherProjectsFleetThatMayNotRegister(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "far-fleet", conformance.Options{})
	service(t, w.Server, "default", "far-fleet-web", nil)
	if err := w.Google.Fill(gcptest.Seed{Projects: []gcptest.SeedProject{{ID: "hub-project", Number: "777777777777",
		Services: []string{"cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com", "gkehub.googleapis.com"}}}}); err != nil {
		t.Fatal(err)
	}
	w.Spec.MCS = &exposer.MCS{Service: "default/far-fleet-web", Register: true, Membership: "private-cluster", FleetProject: "hub-project"}
	problems := refused(t, w, "CW-FLEET-REGISTER")
	if !strings.Contains(problems[0].Fix, "--member serviceAccount:service-777777777777@gcp-sa-gkehub.iam.gserviceaccount.com --role roles/gkehub.serviceAgent") {
		t.Errorf("%+v", problems)
	}
}

// TestTheFleetIsRemembered: the spec that the record keeps says whose fleet it is, also
// where nobody had to say so.
func TestTheFleetIsRemembered(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "remembered", conformance.Options{})
	service(t, w.Server, "default", "remembered-web", nil)
	if err := w.Google.Fill(gcptest.Seed{Projects: []gcptest.SeedProject{{ID: "hub-project", Number: "777777777777",
		Services: []string{"cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com", "gkehub.googleapis.com"}}}}); err != nil {
		t.Fatal(err)
	}
	register(t, w, strings.Replace(ownMember, "lab-project", "hub-project", 1), clusterAt)
	if err := w.Google.Change(clusterAt, func(o map[string]any) {
		o["fleet"] = map[string]any{"project": "777777777777", "membership": "//gkehub.googleapis.com/projects/777777777777/locations/europe-west3/memberships/private-cluster"}
	}); err != nil {
		t.Fatal(err)
	}
	w.Spec.MCS = &exposer.MCS{Service: "default/remembered-web", Membership: "private-cluster"}
	if got := open(t, w).Spec().MCS.FleetProject; got != "hub-project" {
		t.Errorf("the fleet's project: %q", got)
	}
}
