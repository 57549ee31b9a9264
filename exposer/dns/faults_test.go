package dns

import (
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// TestEveryGoogleCallMeetsTrouble strikes each method that an apply and a destroy
// call, in each way: what passes by itself is overcome, the rest is told with its
// code, and the same command goes on afterwards.
func TestEveryGoogleCallMeetsTrouble(t *testing.T) {
	t.Parallel()
	kinds := map[string]struct {
		fault  gcptest.Fault
		passes bool
	}{
		"refused":                {gcptest.Fault{Status: http.StatusForbidden, Reason: "forbidden", Message: "Required \"container.some.thing\" permission(s) for \"it\"."}, false},
		"cut off":                {gcptest.Fault{CutOff: true}, false},
		"cut off once":           {gcptest.Fault{CutOff: true, Times: 1}, true},
		"its answer lost once":   {gcptest.Fault{CutOff: true, AfterEffect: true, Times: 1}, true},
		"late":                   {gcptest.Fault{Delay: 300 * time.Millisecond}, true},
		"an answer of 500, once": {gcptest.Fault{Status: http.StatusInternalServerError, Reason: "backendError", Times: 1}, true},
	}
	for _, method := range []string{"container.projects.locations.clusters.get", "container.projects.locations.clusters.update",
		"cloudresourcemanager.projects.testIamPermissions", "serviceusage.services.get"} {
		for about, kind := range kinds {
			t.Run(method+" "+about, func(t *testing.T) {
				t.Parallel()
				w := worldOf(t, accounts(), conformance.Options{Seed: "route", NoController: true, Speed: 60})
				before := w.State()
				fault := kind.fault
				fault.Match = "^" + method + " "
				w.Google.Inject(fault)
				_, err := w.Apply(t.Context(), Method{})
				met := slices.ContainsFunc(w.Google.Requests(), func(r gcptest.Request) bool { return r.Method == method })
				if failed := err != nil; met && failed == kind.passes {
					t.Errorf("apply: %v", err)
				}
				if err != nil && explain.CodeOf(err) == "" {
					t.Errorf("an error without a code: %v", err)
				}
				var stopped *exposer.Stopped
				if errors.As(err, &stopped) && len(stopped.Missing) == 0 {
					t.Errorf("what was not reached is not told: %v", err)
				}
				w.Google.ClearFaults()
				apply(t, w)
				w.Google.Inject(fault)
				_, err = w.Destroy(t.Context(), Method{})
				if err != nil && (kind.passes || explain.CodeOf(err) == "") {
					t.Errorf("destroy: %v", err)
				}
				w.Google.ClearFaults()
				destroy(t, w)
				w.Gone(t, before)
			})
		}
	}
}
