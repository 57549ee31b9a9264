package main

import (
	"strings"
	"testing"
	"time"

	"causeway/exposer/conformance"
)

// googleTime stands still: how long a session is up depends on nothing then.
var googleTime = time.Unix(1_790_000_000, 0)

// TestTheStoryOfARoute is a life of one exposure by route, on a line that is
// there. The goldens are what the user reads: look at them as one.
func TestTheStoryOfARoute(t *testing.T) {
	p := standIn(t, "line", conformance.Options{Seed: "route-line", NoController: true, GoogleTime: googleTime})
	before := p.world.State()
	apply := p.on("apply", "route", "--client-cidr", "172.31.0.0/16", "--yes")

	p.shows("route-plan", 0, p.on("plan", "route", "--client-cidr", "172.31.0.0/16")...)
	p.shows("route-render", 0, p.on("render", "route", "--client-cidr", "172.31.0.0/16")...)
	p.shows("route-apply", 0, apply...)
	p.mode("causeway-line.kubeconfig", 0o600)
	p.shows("route-apply-again", 0, apply...)
	p.shows("route-verify", 0, p.on("verify", "route")...)
	p.shows("route-status", 0, p.on("status", "route")...)
	p.shows("route-handoff", 0, p.on("handoff", "route", "--secrets", "omit")...)

	if err := p.world.Google.Change("projects/lab-project/global/networks/default", func(o map[string]any) {
		o["peerings"].([]any)[0].(map[string]any)["exportCustomRoutes"] = false
	}); err != nil {
		t.Fatal(err)
	}
	p.shows("route-verify-broken", 5, p.on("verify", "route")...)
	p.shows("route-status-broken", 4, p.on("status", "route")...)

	p.shows("route-destroy-dry-run", 0, p.on("destroy", "route", "--dry-run")...)
	p.shows("route-destroy", 0, p.on("destroy", "route", "--yes")...)
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}

// TestTheStoryOfANewLine makes the line too, before and after the far side's
// addresses are known.
func TestTheStoryOfANewLine(t *testing.T) {
	p := standIn(t, "vpn", conformance.Options{Seed: "route", NoController: true, GoogleTime: googleTime})
	before := p.world.State()
	line := []string{"--client-cidr", "172.31.0.0/16", "--vpn", "--peer", "aws", "--peer-asn", "65001", "--psk-dir", "keys"}
	known := append(line, "--peer-address", "203.0.113.11,203.0.113.12,203.0.113.13,203.0.113.14")

	p.shows("vpn-plan-early", 0, append(p.on("plan", "route"), line...)...)
	p.shows("vpn-plan", 0, append(p.on("plan", "route"), known...)...)
	p.shows("vpn-render", 0, append(p.on("render", "route"), known...)...)
	p.absent("keys")
	p.shows("vpn-apply", 0, append(p.on("apply", "route", "--yes"), known...)...)
	key := strings.TrimSpace(p.read("keys/causeway-vpn-0.psk"))
	p.mode("keys/causeway-vpn-0.psk", 0o600)
	got := p.runs(0, append(p.on("plan", "route", "-o", "json"), known...)...)
	if strings.Contains(got.out+got.err+p.read("state/causeway/lab-project_europe-west3_private-cluster_vpn.json"), key) {
		t.Error("a pre-shared key stands in the plan or in the record")
	}
	p.shows("vpn-verify", 0, p.on("verify", "route")...)
	p.shows("vpn-handoff", 0, p.on("handoff", "route", "--secrets", "omit")...)
	p.runs(0, p.on("destroy", "route", "--yes")...)
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}

func TestAFlagOfAnotherMethodIsAMistake(t *testing.T) {
	p := stand(t, "flags")
	for _, args := range [][]string{{"plan", "route", "--replicas", "3"}, {"plan", "ilb", "--router", "r"}, {"plan", "ilb", "--vpn"}} {
		got := p.runs(2, p.on(append(args, "--client-cidr", "172.31.0.0/16")...)...)
		p.says(got.err, args[2], "is a flag of the method")
	}
}
