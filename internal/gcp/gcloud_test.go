package gcp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

// gcloud runs the real gcloud against an emulator, with a configuration of its
// own. Where gcloud is not installed it says so loudly and returns nil: what it
// would have shown is then not shown.
type gcloud struct {
	t   *testing.T
	env []string
}

func newGcloud(t *testing.T, google *gcptest.Server) *gcloud {
	t.Helper()
	t.Parallel() // gcloud takes a second to start, most of it alone
	if _, err := exec.LookPath("gcloud"); err != nil {
		t.Logf("NOT RUN: gcloud is not installed here; that gcloud and internal/gcp agree was not tested (1 test counted as not run)")
		if file := os.Getenv("CAUSEWAY_NOT_RUN_FILE"); file != "" {
			appendLine(t, file, t.Name()+": gcloud is not installed")
		}
		return nil
	}
	home := t.TempDir()
	token := filepath.Join(home, "token")
	if err := google.WriteToken(token); err != nil {
		t.Fatal(err)
	}
	env := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "CLOUDSDK_CONFIG=" + home, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=" + token,
		"CLOUDSDK_CORE_PROJECT=" + project, "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1",
		"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1", "CLOUDSDK_CORE_CHECK_GCE_METADATA=0", "CLOUDSDK_CORE_DISABLE_FILE_LOGGING=1",
	}
	for name, value := range google.Env() {
		env = append(env, name+"="+value)
	}
	return &gcloud{t, env}
}

func appendLine(t *testing.T, file, line string) {
	t.Helper()
	out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := fmt.Fprintln(out, line); err != nil {
		t.Fatal(err)
	}
}

// try runs gcloud and returns what it wrote to stdout and stderr.
func (g *gcloud) try(args ...string) (string, string, error) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 2*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, "gcloud", args...)
	command.Env = g.env
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	return stdout.String(), stderr.String(), err
}

func (g *gcloud) run(args ...string) string {
	g.t.Helper()
	stdout, stderr, err := g.try(args...)
	if err != nil {
		g.t.Fatalf("gcloud %s: %v\n%s", strings.Join(args, " "), err, stderr)
	}
	return stdout
}

// describe runs a command with JSON output.
func (g *gcloud) describe(into any, args ...string) {
	g.t.Helper()
	out := g.run(append(args, "--format=json")...)
	if err := json.Unmarshal([]byte(out), into); err != nil {
		g.t.Fatalf("gcloud %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestGcloudShowsWhatWeMade and what gcloud made, we read.
func TestGcloudShowsWhatWeMade(t *testing.T) {
	cloud, google := open(t, gcptest.Options{OperationTime: 50 * time.Millisecond}, "lab")
	tool := newGcloud(t, google)
	if tool == nil {
		return
	}
	made, err := cloud.ReserveAddress(t.Context(), wanted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cloud.LabelAddress(t.Context(), *made, map[string]string{"managed-by": "causeway"}, nil); err != nil {
		t.Fatal(err)
	}
	var address map[string]any
	tool.describe(&address, "compute", "addresses", "describe", "causeway-demo", "--region="+area)
	for field, want := range map[string]any{"address": "10.156.0.26", "addressType": "INTERNAL", "purpose": "GCE_ENDPOINT", "status": "RESERVED",
		"description": "causeway exposure demo", "labels": map[string]any{"managed-by": "causeway"}} {
		if diff := cmp.Diff(want, address[field]); diff != "" {
			t.Errorf("%s: %s", field, diff)
		}
	}
	var list []map[string]any
	tool.describe(&list, "compute", "addresses", "list", "--filter=labels.managed-by=causeway")
	if len(list) != 1 || list[0]["name"] != "causeway-demo" {
		t.Errorf("addresses list: %v", list)
	}
	tool.describe(&list, "compute", "addresses", "list", "--regions="+area)
	if len(list) != 1 {
		t.Errorf("addresses list of the region: %v", list)
	}
	tool.run("compute", "addresses", "delete", "causeway-demo", "--region="+area, "--quiet")
	if gone, err := cloud.Address(t.Context(), project, area, "causeway-demo"); err != nil || gone != nil {
		t.Errorf("after gcloud's delete: %v, %v", gone, err)
	}
}

func TestGcloudShowsClusterAndNetwork(t *testing.T) {
	google := gcptest.Serve(t, gcptest.Options{}, "lab")
	tool := newGcloud(t, google)
	if tool == nil {
		return
	}
	var cluster struct {
		Name                 string
		Endpoint             string
		PrivateClusterConfig struct{ PeeringName, PrivateEndpoint string }
	}
	tool.describe(&cluster, "container", "clusters", "describe", "private-cluster", "--location="+area)
	if cluster.Name != "private-cluster" || cluster.PrivateClusterConfig.PrivateEndpoint != "192.168.50.2" || cluster.PrivateClusterConfig.PeeringName == "" {
		t.Errorf("cluster %+v", cluster)
	}
	var clusters []map[string]any
	tool.describe(&clusters, "container", "clusters", "list")
	if len(clusters) != 1 || clusters[0]["status"] != "RUNNING" {
		t.Errorf("clusters %v", clusters)
	}
	var subnet map[string]any
	tool.describe(&subnet, "compute", "networks", "subnets", "describe", "default", "--region="+area)
	if subnet["ipCidrRange"] != "10.156.0.0/20" || subnet["privateIpGoogleAccess"] != true {
		t.Errorf("subnet %v", subnet)
	}
	var network map[string]any
	tool.describe(&network, "compute", "networks", "describe", "default")
	if peerings, _ := network["peerings"].([]any); len(peerings) != 1 {
		t.Errorf("network %v", network)
	}
	var list []map[string]any
	for _, what := range []string{"networks", "networks subnets", "forwarding-rules", "routers"} {
		tool.describe(&list, append(append([]string{"compute"}, strings.Fields(what)...), "list")...)
	}
}

// TestGcloudAndWeLeaveTheSame makes the same change by both and compares all that
// the emulator then holds, and what each step leaves.
func TestGcloudAndWeLeaveTheSame(t *testing.T) {
	noon := func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }
	ours, oursGoogle := open(t, gcptest.Options{OperationTime: 50 * time.Millisecond, Now: noon}, "lab")
	theirGoogle := gcptest.Serve(t, gcptest.Options{OperationTime: 50 * time.Millisecond, Now: noon}, "lab")
	tool := newGcloud(t, theirGoogle)
	if tool == nil {
		return
	}
	same := func(step string) {
		t.Helper()
		volatile := gcptest.Volatile()
		if diff := cmp.Diff(string(theirGoogle.SnapshotWithout(volatile...)), string(oursGoogle.SnapshotWithout(volatile...))); diff != "" {
			t.Errorf("%s (- gcloud, + causeway): %s", step, diff)
		}
	}
	made, err := ours.ReserveAddress(t.Context(), wanted(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tool.run("compute", "addresses", "create", "causeway-demo", "--region="+area, "--subnet=default", "--addresses=10.156.0.26",
		"--purpose=GCE_ENDPOINT", "--description=causeway exposure demo")
	same("reserve")
	if err := ours.LabelAddress(t.Context(), *made, map[string]string{"managed-by": "causeway", "causeway-exposure": "demo"}, nil); err != nil {
		t.Fatal(err)
	}
	tool.run("beta", "compute", "addresses", "update", "causeway-demo", "--region="+area, "--update-labels=managed-by=causeway,causeway-exposure=demo")
	same("label")
	if err := ours.ReleaseAddress(t.Context(), *made, nil); err != nil {
		t.Fatal(err)
	}
	tool.run("compute", "addresses", "delete", "causeway-demo", "--region="+area, "--quiet")
	same("release")
}

// TestGcloudUnderstandsTheEmulatorsRefusals: what the emulator refuses has the form
// that Google's own tool takes apart.
func TestGcloudUnderstandsTheEmulatorsRefusals(t *testing.T) {
	google := gcptest.Serve(t, gcptest.Options{}, "lab")
	tool := newGcloud(t, google)
	if tool == nil {
		return
	}
	refused := func(part string, args ...string) {
		t.Helper()
		_, stderr, err := tool.try(args...)
		if err == nil || !strings.Contains(stderr, part) {
			t.Errorf("gcloud %s: %v, does not say %q:\n%s", strings.Join(args, " "), err, part, stderr)
		}
	}
	refused("outside the network/subnetwork range", "compute", "addresses", "create", "a", "--region="+area, "--subnet=default", "--addresses=10.99.0.1")
	refused("was not found", "compute", "addresses", "describe", "a", "--region="+area)
	google.Deny("compute.addresses.get")
	refused("compute.addresses.get", "compute", "addresses", "describe", "a", "--region="+area)
	google.Disable(project, "container.googleapis.com")
	refused("Kubernetes Engine API has not been used in project 123456789012", "container", "clusters", "describe", "private-cluster", "--location="+area)
}
