package gcp

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

// TestGcloudAndWeMakeTheSameLine makes a whole line by both tools, step by step, and
// compares all that the two emulators then hold; then each reads what is there.
func TestGcloudAndWeMakeTheSameLine(t *testing.T) {
	noon := func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }
	cloud, oursGoogle := open(t, gcptest.Options{OperationTime: 20 * time.Millisecond, Now: noon}, "lab")
	theirGoogle := gcptest.Serve(t, gcptest.Options{OperationTime: 20 * time.Millisecond, Now: noon}, "lab")
	tool := newGcloud(t, theirGoogle)
	if tool == nil {
		return
	}
	same := func(step string) {
		t.Helper()
		volatile := gcptest.Volatile()
		if diff := cmp.Diff(string(theirGoogle.SnapshotWithout(volatile...)), string(oursGoogle.SnapshotWithout(volatile...))); diff != "" {
			t.Fatalf("%s (- gcloud, + causeway): %s", step, diff)
		}
	}
	region, about := "--region="+area, "--description=causeway exposure demo"
	line(t, cloud, "demo", []netip.Addr{ip("203.0.113.10"), ip("203.0.113.11")}, [2]int{0, 0}, [2]int{1, 1})
	tool.run("compute", "routers", "create", "demo", region, "--network=default", "--asn=64512", about)
	tool.run("compute", "vpn-gateways", "create", "demo", region, "--network=default", about)
	tool.run("compute", "external-vpn-gateways", "create", "demo", "--interfaces=0=203.0.113.10,1=203.0.113.11", about)
	for i, end := range []string{"0", "1"} {
		tool.run("compute", "vpn-tunnels", "create", tunnel("demo", i, [2]int{}).Name, region, "--vpn-gateway=demo", "--interface="+end,
			"--peer-external-gateway=demo", "--peer-external-gateway-interface="+end, "--router=demo", "--ike-version=2", "--shared-secret="+psk, about)
	}
	same("the gateways and tunnels")
	edit(t, cloud, "demo", session("demo", 0))
	tool.run("compute", "routers", "add-interface", "demo", region, "--interface-name=demo-0", "--ip-address=169.254.10.1", "--mask-length=30", "--vpn-tunnel=demo-0")
	tool.run("compute", "routers", "add-bgp-peer", "demo", region, "--peer-name=demo-0", "--interface=demo-0", "--peer-ip-address=169.254.10.2", "--peer-asn=65010")
	same("the first session")
	edit(t, cloud, "demo", RouterEdit{Advertise: &Advertisement{Mode: "CUSTOM", Groups: []string{AllSubnets}, Ranges: []AdvertisedRange{{cidr("10.99.0.0/16"), ""}, ours}}}) // gcloud sorts
	tool.run("compute", "routers", "update", "demo", region, "--advertisement-mode=custom", "--set-advertisement-groups=all_subnets",
		"--set-advertisement-ranges=192.168.50.0/28=causeway exposure demo,10.99.0.0/16=")
	same("the announced ranges")
	more := AdvertisedRange{cidr("192.168.51.0/28"), "causeway exposure other"}
	if _, err := cloud.EditRouter(t.Context(), ref("demo"), func(r Router) (RouterEdit, error) { return RouterEdit{Advertise: plus(r.Advertise, more)}, nil }, nil); err != nil {
		t.Fatal(err)
	}
	tool.run("compute", "routers", "update", "demo", region, "--add-advertisement-ranges=192.168.51.0/28=causeway exposure other")
	same("a range more")
	edit(t, cloud, "demo", RouterEdit{EnablePeers: map[string]bool{"demo-0": false}})
	tool.run("compute", "routers", "update-bgp-peer", "demo", region, "--peer-name=demo-0", "--no-enabled")
	same("a peer that is off")
	edit(t, cloud, "demo", RouterEdit{Advertise: &Advertisement{Mode: "DEFAULT"}})
	tool.run("compute", "routers", "update", "demo", region, "--advertisement-mode=default")
	same("the mode DEFAULT again")
	unmake(t, cloud, "demo", 2)
	tool.run("compute", "routers", "remove-bgp-peer", "demo", region, "--peer-name=demo-0")
	tool.run("compute", "routers", "remove-interface", "demo", region, "--interface-name=demo-0")
	tool.run("compute", "vpn-tunnels", "delete", "demo-0", "demo-1", region, "--quiet")
	tool.run("compute", "external-vpn-gateways", "delete", "demo", "--quiet")
	tool.run("compute", "vpn-gateways", "delete", "demo", region, "--quiet")
	tool.run("compute", "routers", "delete", "demo", region, "--quiet")
	same("all of it gone")
}

// TestGcloudShowsTheLineThatWeMade: describe, list and get-status of Google's own
// tool understand the emulator, and say what causeway says.
func TestGcloudShowsTheLineThatWeMade(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	tool := newGcloud(t, google)
	if tool == nil {
		return
	}
	google.SetRemotes(gcptest.Remote{Address: ip("203.0.113.10"), Secret: psk, ASN: 65010, Prefixes: []netip.Prefix{cidr("10.200.0.0/16")}})
	gateway := line(t, cloud, "demo", []netip.Addr{ip("203.0.113.10")}, [2]int{0, 0})
	change := session("demo", 0)
	change.Advertise = plus(Advertisement{Groups: []string{AllSubnets}}, ours)
	edit(t, cloud, "demo", change)
	region := "--region=" + area

	var shown struct {
		VpnInterfaces []struct{ IPAddress string }
		Interfaces    []struct{ IPAddress string }
		Status        string
		SharedSecret  string
		Bgp           struct{ AdvertiseMode string }
	}
	tool.describe(&shown, "compute", "vpn-gateways", "describe", "demo", region)
	if shown.VpnInterfaces[0].IPAddress != gateway.Interfaces[0].String() || shown.VpnInterfaces[1].IPAddress != gateway.Interfaces[1].String() {
		t.Errorf("gateway %+v", shown)
	}
	tool.describe(&shown, "compute", "external-vpn-gateways", "describe", "demo")
	if len(shown.Interfaces) != 1 || shown.Interfaces[0].IPAddress != "203.0.113.10" {
		t.Errorf("external gateway %+v", shown)
	}
	tool.describe(&shown, "compute", "vpn-tunnels", "describe", "demo-0", region)
	if shown.Status != "ESTABLISHED" || strings.Trim(shown.SharedSecret, "*") != "" {
		t.Errorf("tunnel %+v", shown)
	}
	tool.describe(&shown, "compute", "routers", "describe", "demo", region)
	if shown.Bgp.AdvertiseMode != "CUSTOM" {
		t.Errorf("router %+v", shown)
	}
	var status struct {
		Result struct {
			BgpPeerStatus []struct {
				Status, State    string
				AdvertisedRoutes []struct{ DestRange string }
			}
			BestRoutes []struct{ DestRange, NextHopIP string }
		}
	}
	tool.describe(&status, "compute", "routers", "get-status", "demo", region)
	if peers := status.Result.BgpPeerStatus; len(peers) != 1 || peers[0].Status != "UP" || len(peers[0].AdvertisedRoutes) != 4 || peers[0].AdvertisedRoutes[3].DestRange != "192.168.50.0/28" {
		t.Errorf("status %+v", status)
	}
	if best := status.Result.BestRoutes; len(best) != 1 || best[0].DestRange != "10.200.0.0/16" || best[0].NextHopIP != "169.254.10.2" {
		t.Errorf("best routes %+v", best)
	}
	var redundancy struct {
		Result struct {
			VpnConnections []struct {
				State struct{ State, UnsatisfiedReason string }
			}
		}
	}
	tool.describe(&redundancy, "compute", "vpn-gateways", "get-status", "demo", region)
	if connections := redundancy.Result.VpnConnections; len(connections) != 1 || connections[0].State.UnsatisfiedReason != "INCOMPLETE_TUNNELS_COVERAGE" {
		t.Errorf("redundancy %+v", redundancy)
	}
	for _, what := range []string{"vpn-gateways", "external-vpn-gateways", "vpn-tunnels", "routers"} {
		var list []map[string]any
		tool.describe(&list, "compute", what, "list")
		if len(list) != 1 {
			t.Errorf("%s: %v", what, list)
		}
	}
	if _, stderr, err := tool.try("compute", "vpn-tunnels", "delete", "demo-0", region, "--quiet"); err == nil || !strings.Contains(stderr, "already being used by") {
		t.Errorf("a tunnel in use is deleted: %v %s", err, stderr)
	}
}
