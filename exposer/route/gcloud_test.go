package route

import (
	"os"
	"os/exec"
	"path/filepath"
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
	if _, err := exec.LookPath("gcloud"); err != nil {
		t.Logf("NOT RUN: gcloud is not installed here; that gcloud and causeway make the same change was not tested (1 test counted as not run)")
		if file := os.Getenv("CAUSEWAY_NOT_RUN_FILE"); file != "" {
			out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			if _, err := out.WriteString(t.Name() + ": gcloud is not installed\n"); err != nil {
				t.Fatal(err)
			}
		}
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
	home := t.TempDir()
	token := filepath.Join(home, "token")
	if err := google.WriteToken(token); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "gcloud", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "CLOUDSDK_CONFIG=" + home, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=" + token,
		"CLOUDSDK_CORE_PROJECT=lab-project", "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1",
		"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1", "CLOUDSDK_CORE_CHECK_GCE_METADATA=0", "CLOUDSDK_CORE_DISABLE_FILE_LOGGING=1"}
	for name, value := range google.Env() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gcloud %s: %v\n%s", strings.Join(args, " "), err, said.String())
	}
	return string(out)
}
