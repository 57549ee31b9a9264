package topology_test

import (
	"testing"

	"causeway/internal/gcptest"
	"causeway/lab/topology"
)

// Each line's seed is one that the emulator takes, and holds what the line names.
func TestTheEmulatorTakesTheSeedOfEachLine(t *testing.T) {
	for _, line := range lines {
		google := gcptest.Serve(t, gcptest.Options{}, line.Seeds()...)
		for _, cluster := range line.Clusters() {
			if google.Object("projects/lab-project/locations/europe-west3/clusters/"+cluster) == nil {
				t.Errorf("%s: the seed has no cluster %s", line, cluster)
			}
		}
		if line.Fleet() && google.Object("projects/lab-project/locations/europe-west3/clusters/"+topology.SecondCluster) == nil {
			t.Errorf("%s: the seed has no cluster %s", line, topology.SecondCluster)
		}
		for _, c := range line.Consumers() {
			subnet := google.Object("projects/" + c.Project + "/regions/" + topology.Region + "/subnetworks/" + c.Subnet)
			if google.Object(c.NetworkPath()) == nil || subnet["ipCidrRange"] != c.CIDR.String() {
				t.Errorf("%s: the seed's network of %s is another: %v", line, c.Namespace, subnet)
			}
		}
	}
}
