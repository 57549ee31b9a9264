package route

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
)

// TestGcloudAndCausewayMakeTheSameChange makes the settings of an exposure twice,
// by causeway on one emulator and by gcloud on another: both are in the same state
// then, and gcloud tells of causeway's what causeway says that it made.
func TestGcloudAndCausewayMakeTheSameChange(t *testing.T) {
	t.Parallel()
	if !conformance.Installed(t, "gcloud") {
		return
	}
	kubetest.Workloads(t, kubetest.Start(t).Config)
	spec := labSpec()
	spec.Name = "same"
	ours := conformance.New(t, spec, conformance.Options{Seed: "route-line", NoController: true})
	theirs := conformance.New(t, spec, conformance.Options{Seed: "route-line", NoController: true})
	if _, err := ours.Apply(t.Context(), Method{}); err != nil {
		t.Fatal(err)
	}
	const peering = "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer"
	gcloud(t, theirs.Google, "compute", "networks", "peerings", "update", peering, "--network=default", "--export-custom-routes")
	gcloud(t, theirs.Google, "compute", "routers", "update", "cr-line", "--region=europe-west3", "--advertisement-mode=custom",
		"--set-advertisement-groups=all_subnets", "--set-advertisement-ranges=192.168.50.0/28=causeway exposure same; mode was DEFAULT")
	// gcloud has no flag for the display name of an authorized network: that one is
	// compared by its range.
	gcloud(t, theirs.Google, "container", "clusters", "update", "private-cluster", "--location=europe-west3",
		"--enable-master-authorized-networks", "--master-authorized-networks=172.31.0.0/16")
	for _, at := range []string{"projects/lab-project/global/networks/default", "projects/lab-project/regions/europe-west3/routers/cr-line"} {
		if diff := cmp.Diff(theirs.Google.Object(at), ours.Google.Object(at), cmp.FilterPath(volatile, cmp.Ignore())); diff != "" {
			t.Errorf("%s by gcloud (-) and by causeway (+):\n%s", at, diff)
		}
	}
	if have := gcloud(t, ours.Google, "container", "clusters", "describe", "private-cluster", "--location=europe-west3",
		"--format=value(masterAuthorizedNetworksConfig.cidrBlocks[].cidrBlock)"); strings.TrimSpace(have) != "172.31.0.0/16" {
		t.Errorf("gcloud tells the authorized networks %q", have)
	}
	for _, question := range [][]string{
		{"compute", "routers", "describe", "cr-line", "--region=europe-west3", "--format=value(bgp.advertiseMode,bgp.advertisedGroups,bgp.advertisedIpRanges[].range)"},
		{"compute", "networks", "peerings", "list", "--network=default", "--format=value(peerings[].exportCustomRoutes)"},
		{"compute", "routers", "get-status", "cr-line", "--region=europe-west3", "--format=value(result.bgpPeerStatus[].advertisedRoutes[].destRange)"},
		{"compute", "networks", "peerings", "list-routes", peering, "--network=default", "--region=europe-west3", "--direction=OUTGOING", "--format=value(dest_range,type,status)"},
	} {
		if mine, his := gcloud(t, ours.Google, question...), gcloud(t, theirs.Google, question...); mine != his || strings.TrimSpace(mine) == "" {
			t.Errorf("gcloud %s: %q after causeway, %q after gcloud", strings.Join(question[:4], " "), mine, his)
		}
	}
	if _, err := ours.Destroy(t.Context(), Method{}); err != nil {
		t.Fatal(err)
	}
}

// volatile are the fields that differ between equal objects made at different times.
func volatile(p cmp.Path) bool {
	at, ok := p.Last().(cmp.MapIndex)
	if !ok {
		return false
	}
	for _, field := range gcptest.Volatile() {
		if at.Key().String() == field {
			return true
		}
	}
	return false
}

// gcloud runs the real gcloud against an emulator, with a configuration of its own.
func gcloud(t *testing.T, google *gcptest.Server, args ...string) string {
	t.Helper()
	return conformance.Program(t, conformance.GcloudEnv(t, google), "gcloud", args...)
}
