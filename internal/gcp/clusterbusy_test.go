package gcp

import (
	"testing"

	"causeway/internal/gcptest"
)

// TestEveryWordForABusyCluster is waited for, as users of Google's tools have met
// them: an upgrade or a repair of Google's own comes without notice.
func TestEveryWordForABusyCluster(t *testing.T) {
	for name, words := range map[string]string{
		"an operation of a user's": busyWords,
		"an upgrade":               "Operation operation-1596064640049-1b03e177 is currently upgrading cluster psc-cluster. Please wait and try again once it is done.",
		"a repair":                 "Operation operation-1596064640049-1b03e177 is currently repairing cluster psc-cluster. Please wait and try again once it is done.",
		"a node pool's end":        "Operation operation-1596064640049-1b03e177 is currently deleting a node pool for cluster psc-cluster. Please wait and try again once it is done.",
		"no operation's name":      "Cluster is currently being created, deleted, updated or repaired and cannot be updated.",
	} {
		t.Run(name, func(t *testing.T) {
			cloud, google := cluster(t, true, gcptest.Options{})
			waited := clocked(cloud)
			google.Inject(gcptest.Fault{Match: updates, Nth: 1, Status: 400, Reason: "failedPrecondition", Message: words})
			if err := cloud.SetDNSEndpoint(t.Context(), project, area, "psc-cluster", "tokens", true, nil); err != nil || waited() == 0 {
				t.Errorf("waited %s: %v", waited(), err)
			}
			google.Inject(gcptest.Fault{Match: updates, Status: 400, Reason: "failedPrecondition", Message: words})
			expect(t, cloud.SetDNSEndpoint(t.Context(), project, area, "psc-cluster", "tokens", false, nil), "CW-GCP-BUSY", "(waited ")
		})
	}
}
