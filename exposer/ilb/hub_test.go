package ilb

import (
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// hubSpec is an exposure of the seed's cluster whose line ends in the hub.
func hubSpec(network string) exposer.Spec {
	spec := labSpec()
	spec.Name = "hub"
	spec.ILB = &exposer.ILB{Mode: exposer.ModePassthrough, Hub: &exposer.Hub{Network: network}}
	return spec
}

func TestAHubThatCanNotCarryTheLineIsRefused(t *testing.T) {
	t.Parallel()
	const network, router = "projects/hub-project/global/networks/hub-vpc", "projects/hub-project/regions/europe-west3/routers/cr-line"
	for name, c := range map[string]struct {
		seed, network string
		change        func(t *testing.T, w *conformance.World)
		code, says    string
	}{
		"the cluster's own network":        {"hub-line", "lab-project/default", nil, "CW-HUB-PEERING", "own network"},
		"a network that does not exist":    {"hub-line", "hub-project/nowhere", nil, "CW-GCP-NOT-FOUND", "nowhere"},
		"a hub without any line":           {"hub", "hub-project/hub-vpc", nil, "CW-ROUTE-NO-LINE", "no Cloud Router with BGP peers"},
		"a peering that is there half-way": {"hub-line", "hub-project/hub-vpc", drop(network, "peerings"), "CW-HUB-PEERING", "both directions"},
		"a line in another region": {"hub-line", "hub-project/hub-vpc", func(t *testing.T, w *conformance.World) {
			moved := w.Google.Object(router)
			w.Google.Remove(router)
			for _, set := range []string{"kind", "id", "name", "selfLink", "region", "creationTimestamp"} {
				delete(moved, set)
			}
			if err := w.Google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{{Path: strings.Replace(router, "europe-west3", "europe-west4", 1), Body: moved}}}); err != nil {
				t.Fatal(err)
			}
		}, "CW-HUB-REGION", "dynamic routing mode"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := conformance.New(t, hubSpec(c.network), conformance.Options{Seed: c.seed, NoController: true})
			if c.change != nil {
				c.change(t, w)
			}
			job, err := w.Job(Method{})
			if err != nil {
				t.Fatal(err)
			}
			_, _, _, err = job.Plan(t.Context(), w.Spec)
			if explain.CodeOf(err) != c.code || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %s that says %q", err, c.code, c.says)
			}
		})
	}
}

// drop takes a field off an object.
func drop(at, field string) func(*testing.T, *conformance.World) {
	return func(t *testing.T, w *conformance.World) {
		t.Helper()
		if err := w.Google.Change(at, func(o map[string]any) { delete(o, field) }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheHubIsToldInFactsAndSettings(t *testing.T) {
	t.Parallel()
	w := conformance.New(t, hubSpec("hub-project/hub-vpc"), conformance.Options{Seed: "hub-line", NoController: true})
	job, err := w.Job(Method{})
	if err != nil {
		t.Fatal(err)
	}
	exposure, plan, problems, err := job.Plan(t.Context(), w.Spec)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	said := false
	for _, fact := range exposure.Facts() {
		said = said || strings.Contains(fact.Value, "hub hub-project/hub-vpc, router europe-west3/cr-line")
	}
	if !said {
		t.Errorf("the facts do not tell the hub: %v", exposure.Facts())
	}
	want := map[string]string{"peering/hub-vpc/": "exportCustomRoutes", "peering/default/to-hub": "importCustomRoutes", "advertisement/europe-west3/cr-line": "advertisedIpRanges"}
	for _, item := range plan.Items {
		for id, field := range want {
			if strings.HasPrefix(item.ID, id) {
				for _, change := range item.Changes {
					if change.Field == field {
						delete(want, id)
					}
				}
			}
		}
	}
	if len(want) > 0 {
		t.Errorf("not in the plan: %v", want)
	}
}
