package dns

import (
	"errors"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// TestEveryGoogleCallMeetsTrouble strikes each method that an apply and a destroy
// call, in each way.
func TestEveryGoogleCallMeetsTrouble(t *testing.T) {
	t.Parallel()
	strikes := conformance.Strikes("Required \"container.some.thing\" permission(s) for \"it\".")
	strikes["cut off once"] = gcptest.Fault{CutOff: true, Times: 1}
	strikes["late"] = gcptest.Fault{Delay: 300 * time.Millisecond}
	m := conformance.Trouble{Method: Method{}, World: func(t *testing.T) *conformance.World {
		return worldOf(t, accounts(), conformance.Options{Seed: "route", NoController: true, Speed: 60})
	}, Apply: func(t testing.TB, w *conformance.World) error {
		_, err := w.Apply(t.Context(), Method{})
		var stopped *exposer.Stopped
		if errors.As(err, &stopped) && len(stopped.Missing) == 0 {
			t.Errorf("what was not reached is not told: %v", err)
		}
		return err
	}}
	conformance.StrikeEach(t, m, strikes, []string{"container.projects.locations.clusters.get", "container.projects.locations.clusters.update",
		"cloudresourcemanager.projects.testIamPermissions", "serviceusage.services.batchGet"}, nil)
}
