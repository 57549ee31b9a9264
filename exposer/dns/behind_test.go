package dns

import (
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
)

// TestWhatAnEarlierSpecLeftGoesBeforeTheEndpointIsClosed: the way to it may be the very
// endpoint, as for whoever runs causeway on the far side.
func TestWhatAnEarlierSpecLeftGoesBeforeTheEndpointIsClosed(t *testing.T) {
	w := world(t, exposer.Spec{Method: "dns", Cluster: exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "private-cluster"},
		DNS: &exposer.DNS{Open: true, Tokens: true, Identity: exposer.IdentityAccount}})
	apply(t, w)
	for name, later := range map[string]func(*exposer.Spec){
		"Google identities now": func(s *exposer.Spec) { s.DNS = &exposer.DNS{Open: true, Identity: exposer.IdentityGoogle} },
		"another namespace now": func(s *exposer.Spec) { s.Namespace = "elsewhere" },
	} {
		t.Run(name, func(t *testing.T) {
			spec := w.Spec
			later(&spec)
			job := jobOf(t, w)
			job.Deps.Leaving = true
			x, err := Method{}.Open(t.Context(), spec, job.Deps)
			if err != nil {
				t.Fatal(err)
			}
			left := 0
			for _, step := range x.Steps() {
				if !strings.HasPrefix(step.ID(), "leftover/") {
					continue
				}
				left++
				for _, switched := range []string{external, tokens, certs} {
					if !slices.Contains(step.Needs(), switched) {
						t.Errorf("%s does not go before %s: it needs %q", step.ID(), switched, step.Needs())
					}
				}
			}
			if left == 0 {
				t.Fatal("nothing is left of the earlier spec: this test would see nothing")
			}
		})
	}
	destroy(t, w)
	if is(w, "allowExternalTraffic") || is(w, "enableK8sTokensViaDns") {
		t.Error("a switch is still on")
	}
}
