package gateway

import (
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// TestAnAPIThatWasTurnedOnAMomentAgo says for some minutes that it is off. That is
// waited for, and told; one that was not turned on by this run is not.
func TestAnAPIThatWasTurnedOnAMomentAgo(t *testing.T) {
	t.Parallel()
	off := gcptest.Fault{Match: "generateCredentials", APIOff: gatewayAPI}
	for about, c := range map[string]struct {
		spec  exposer.Spec
		times int
		on    bool // before the apply
		code  string
	}{
		"nobody is let in":    {spec: plain(), times: 4},
		"somebody is":         {spec: forAlice(), times: 4},
		"it never comes on":   {spec: plain(), code: "CW-GCP-API-DISABLED"},
		"it was on all along": {spec: plain(), times: 1, on: true, code: "CW-GCP-API-DISABLED"},
		"so it was for alice": {spec: forAlice(), times: 1, on: true, code: "CW-GCP-API-DISABLED"},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := worldOf(t, c.spec, conformance.Options{Speed: 120})
			if !c.on {
				bare(t, w)
			}
			job := jobOf(t, w)
			var told []string
			job.Deps.Note = func(text string) { told = append(told, text) }
			job.Deps.Dial = nowhere
			fault := off
			fault.Times = c.times
			w.Google.Inject(fault)
			if _, err := job.Apply(t.Context(), w.Spec); explain.CodeOf(err) != c.code {
				t.Errorf("apply: %v, want %q", err, c.code)
			}
			if said := strings.Contains(strings.Join(told, "\n"), "Connect Gateway's API was turned on a moment ago and says that it is off, waited "); said == c.on {
				t.Errorf("told: %q", told)
			}
			w.Google.ClearFaults()
			apply(t, w)
			destroy(t, w)
		})
	}
}
