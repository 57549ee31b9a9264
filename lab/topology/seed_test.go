package topology_test

import (
	"testing"

	"causeway/internal/gcptest"
)

// Each line's seed is one that the emulator takes, and holds what the line names.
func TestTheEmulatorTakesTheSeedOfEachLine(t *testing.T) {
	for _, line := range lines {
		google := gcptest.Serve(t, gcptest.Options{}, line.Seed())
		for _, cluster := range line.Clusters() {
			if google.Object("projects/lab-project/locations/europe-west3/clusters/"+cluster) == nil {
				t.Errorf("%s: the seed has no cluster %s", line, cluster)
			}
		}
	}
}
