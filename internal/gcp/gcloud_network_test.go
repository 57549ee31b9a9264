package gcp

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

// TestGcloudAndWeChangeNetworksAlike makes the same changes by both and compares
// all that the emulator then holds, after each step.
func TestGcloudAndWeChangeNetworksAlike(t *testing.T) {
	noon := func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }
	ours, oursGoogle := open(t, gcptest.Options{OperationTime: 50 * time.Millisecond, Now: noon}, "lab")
	theirGoogle := gcptest.Serve(t, gcptest.Options{OperationTime: 50 * time.Millisecond, Now: noon}, "lab")
	tool := newGcloud(t, theirGoogle)
	if tool == nil {
		return
	}
	original := string(oursGoogle.SnapshotWithout(gcptest.Volatile()...))
	last := original
	same := func(step string) {
		t.Helper()
		volatile := gcptest.Volatile()
		now := string(oursGoogle.SnapshotWithout(volatile...))
		if diff := cmp.Diff(string(theirGoogle.SnapshotWithout(volatile...)), now); diff != "" {
			t.Errorf("%s (- gcloud, + causeway): %s", step, diff)
		}
		if now == last {
			t.Errorf("%s: has changed nothing", step)
		}
		last = now
	}
	peerings := func(args ...string) {
		t.Helper()
		tool.run(append([]string{"compute", "networks", "peerings", "update", gkePeering, "--network=default"}, args...)...)
	}
	change := func(change PeeringChange) {
		t.Helper()
		if err := ours.UpdatePeering(t.Context(), labNetwork(), gkePeering, change, nil); err != nil {
			t.Fatal(err)
		}
	}
	change(PeeringChange{Export: ptr(true), Import: ptr(true)})
	peerings("--export-custom-routes", "--import-custom-routes")
	same("export and import")
	change(PeeringChange{Import: ptr(false)})
	peerings("--no-import-custom-routes")
	same("no import")
	change(PeeringChange{Export: ptr(false)})
	peerings("--no-export-custom-routes")
	same("no export")
	if last != original {
		t.Error("the way back does not lead to the beginning")
	}
}

// TestGcloudAndWeChangeClustersAlike does the same with a cluster. gcloud sends
// neither displayNames nor the flags that it is not asked for, so the list here
// has none.
func TestGcloudAndWeChangeClustersAlike(t *testing.T) {
	noon := func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }
	ours, oursGoogle := open(t, gcptest.Options{Now: noon}, "lab")
	theirGoogle := gcptest.Serve(t, gcptest.Options{Now: noon}, "lab")
	tool := newGcloud(t, theirGoogle)
	if tool == nil {
		return
	}
	same := func(step, cidrs string) {
		t.Helper()
		volatile := gcptest.Volatile()
		if diff := cmp.Diff(string(theirGoogle.SnapshotWithout(volatile...)), string(oursGoogle.SnapshotWithout(volatile...))); diff != "" {
			t.Errorf("%s (- gcloud, + causeway): %s", step, diff)
		}
		got := strings.TrimSpace(tool.run("container", "clusters", "describe", "private-cluster", "--location="+area,
			"--format=value(masterAuthorizedNetworksConfig.cidrBlocks[].cidrBlock,controlPlaneEndpointsConfig.ipEndpointsConfig.globalAccess)"))
		if got != cidrs {
			t.Errorf("%s: gcloud tells %q, want %q", step, got, cidrs)
		}
	}
	network := farNetwork()
	network.Name = ""
	err := ours.SetAuthorizedNetworks(t.Context(), project, area, "private-cluster", func(a AuthorizedNetworks) AuthorizedNetworks {
		a.CIDRs = append(a.CIDRs, network)
		return a
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cluster := []string{"container", "clusters", "update", "private-cluster", "--location=" + area}
	tool.run(append(cluster, "--enable-master-authorized-networks", "--master-authorized-networks=10.77.0.0/16")...)
	same("authorized networks", "10.77.0.0/16\tFalse")
	if err := ours.SetGlobalAccess(t.Context(), project, area, "private-cluster", true, nil); err != nil {
		t.Fatal(err)
	}
	tool.run(append(cluster, "--enable-master-global-access")...)
	same("global access", "10.77.0.0/16\tTrue")
}

// TestGcloudShowsNetworksAndRoutes: what causeway reads, gcloud reads alike.
func TestGcloudShowsNetworksAndRoutes(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "hub")
	tool := newGcloud(t, google)
	if tool == nil {
		return
	}
	if err := cloud.UpdatePeering(t.Context(), labNetwork(), gkePeering, PeeringChange{Export: ptr(true)}, nil); err != nil {
		t.Fatal(err)
	}
	var networks []struct {
		Name     string
		Peerings []struct {
			Name, State        string
			ExportCustomRoutes bool
		}
	}
	tool.describe(&networks, "compute", "networks", "peerings", "list", "--network=default")
	if len(networks) != 1 || len(networks[0].Peerings) != 2 || networks[0].Peerings[0].Name != gkePeering || !networks[0].Peerings[0].ExportCustomRoutes {
		t.Errorf("peerings list: %+v", networks)
	}
	var described struct{ RoutingConfig struct{ RoutingMode string } }
	tool.run("compute", "networks", "update", "default", "--bgp-routing-mode=global", "--quiet")
	tool.describe(&described, "compute", "networks", "describe", "default")
	if network, err := cloud.Network(t.Context(), project, "default"); err != nil || network.RoutingMode != "GLOBAL" || described.RoutingConfig.RoutingMode != "GLOBAL" {
		t.Errorf("routing mode %+v, %+v, %v", described, network, err)
	}
	for direction, status := range map[string]string{"INCOMING": "accepted", "OUTGOING": "accepted by peer"} {
		var routes []struct{ DestRange, Type, Status string }
		tool.describe(&routes, "compute", "networks", "peerings", "list-routes", gkePeering, "--network=default", "--region="+area, "--direction="+direction)
		ours, err := cloud.PeeringRoutes(t.Context(), labNetwork(), gkePeering, area, direction)
		if err != nil || len(routes) == 0 || len(routes) != len(ours) {
			t.Fatalf("%s: %d and %d routes, %v", direction, len(routes), len(ours), err)
		}
		for i, one := range ours {
			if routes[i].DestRange != one.Range.String() || routes[i].Type != one.Type || routes[i].Status != status {
				t.Errorf("%s: gcloud tells %+v, causeway %+v", direction, routes[i], one)
			}
		}
	}
	var routes []struct{ Name, DestRange string }
	tool.describe(&routes, "compute", "routes", "list", "--filter=network=default", "--sort-by=name")
	ours, err := cloud.Routes(t.Context(), labNetwork())
	if err != nil || len(routes) != len(ours) {
		t.Fatalf("gcloud tells %+v, causeway %+v, %v", routes, ours, err)
	}
	for i, one := range ours {
		if routes[i].Name != one.Name || routes[i].DestRange != one.Range.String() {
			t.Errorf("gcloud tells %+v, causeway %+v", routes[i], one)
		}
	}
	var subnets []struct{ Name string }
	tool.describe(&subnets, "compute", "networks", "subnets", "list", "--network=default")
	if list, err := cloud.Subnetworks(t.Context(), labNetwork()); err != nil || len(subnets) != len(list) {
		t.Errorf("gcloud tells %+v, causeway %+v, %v", subnets, list, err)
	}
	refused := func(part string, args ...string) {
		t.Helper()
		if _, stderr, err := tool.try(args...); err == nil || !strings.Contains(stderr, part) {
			t.Errorf("gcloud %s: %v, does not say %q:\n%s", strings.Join(args, " "), err, part, stderr)
		}
	}
	refused("There is no peering none", "compute", "networks", "peerings", "update", "none", "--network=default", "--export-custom-routes")
	refused("is not a reserved network", "container", "clusters", "update", "private-cluster", "--location="+area, "--enable-master-authorized-networks", "--master-authorized-networks=203.0.113.0/24")
	google.Deny("compute.networks.updatePeering")
	refused("compute.networks.updatePeering", "compute", "networks", "peerings", "update", gkePeering, "--network=default", "--export-custom-routes")
	tool.run("compute", "networks", "peerings", "delete", "to-hub", "--network=default", "--quiet")
	tool.run("compute", "networks", "peerings", "create", "to-hub", "--network=default", "--peer-project=hub-project", "--peer-network=hub-vpc", "--export-custom-routes")
	if found := flags(t, cloud, "to-hub"); found.State != "ACTIVE" || !found.ExportCustomRoutes {
		t.Errorf("made by gcloud: %+v", found)
	}
}
