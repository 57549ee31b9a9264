package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

const fleetCluster = "projects/lab-project/locations/europe-west3/clusters/private-cluster"

// standInFleet is a place in the project of a fleet that the cluster is not in yet.
// Its APIs are off.
func standInFleet(t *testing.T, name string) *place {
	t.Helper()
	p := standIn(t, name, conformance.Options{Seed: "fleet", NoController: true, GoogleTime: googleTime})
	for _, api := range []string{"connectgateway", "gkeconnect"} {
		p.world.Google.Disable("lab-project", api+".googleapis.com")
	}
	return p
}

// TestTheStoryOfAGateway is a life of one exposure by gateway: a cluster in no fleet
// is registered, and two people are let in. The goldens are what the user reads.
func TestTheStoryOfAGateway(t *testing.T) {
	p := standInFleet(t, "fleet")
	before := p.world.State()
	members := []string{"--register", "--member", "user:alice@example.com", "--member", "serviceAccount:ci@lab-project.iam.gserviceaccount.com", "--role", "edit", "--stream"}

	p.shows("gateway-unregistered", 4, p.on("plan", "gateway")...)
	p.shows("gateway-plan", 0, append(p.on("plan", "gateway"), members...)...)
	p.shows("gateway-render", 0, append(p.on("render", "gateway"), members...)...)
	p.shows("gateway-apply", 0, append(p.on("apply", "gateway", "--yes"), members...)...)
	p.mode("causeway-fleet.kubeconfig", 0o600)
	first := p.read("causeway-fleet.kubeconfig")
	if strings.Contains(first, "certificate-authority") || strings.Contains(first, "token:") {
		t.Error("the kubeconfig has a CA or a token")
	}
	p.shows("gateway-apply-again", 0, append(p.on("apply", "gateway", "--yes"), members...)...)
	if p.read("causeway-fleet.kubeconfig") != first {
		t.Error("the second apply wrote another kubeconfig")
	}
	p.shows("gateway-memberships-own", 0, "gateway", "memberships", "--project", "lab-project", "--location", "europe-west3", "--cluster", "private-cluster")
	p.shows("gateway-verify", 0, p.on("verify", "gateway")...)
	p.shows("gateway-status", 0, p.on("status", "gateway")...)
	p.shows("gateway-kubeconfig", 0, p.on("kubeconfig", "gateway")...)
	p.shows("gateway-handoff", 0, p.on("handoff", "gateway")...)
	p.archived("handoff-fleet.tar.gz", "README.md", "kubeconfig", "verify.sh")
	compareGolden(p.T, filepath.Join(p.testdata, "gateway-page.golden"), p.steady(p.handed("handoff-fleet.tar.gz", "README.md")))

	p.regrant("roles/gkehub.gatewayAdmin", "serviceAccount:ci@lab-project.iam.gserviceaccount.com")
	p.shows("gateway-verify-broken", 5, p.on("verify", "gateway")...)
	p.shows("gateway-status-broken", 4, p.on("status", "gateway")...)

	// One member less, and a role that allows less: what the first spec granted goes.
	p.shows("gateway-fewer", 0, append(p.on("apply", "gateway", "--yes"), "--register", "--member", "user:alice@example.com", "--gateway-role", "editor", "--role", "view")...)
	p.shows("gateway-destroy-dry-run", 0, p.on("destroy", "gateway", "--dry-run")...)
	p.shows("gateway-destroy", 0, p.on("destroy", "gateway", "--yes")...)
	if left, err := p.world.Objects(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left in the cluster: %v %v", left, err)
	}
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}

// regrant leaves one member of a role, as somebody who cleans up would.
func (p *place) regrant(role string, members ...string) {
	p.Helper()
	p.world.Google.SetPolicy("lab-project", gcptest.Binding{Role: "roles/owner", Members: []string{gcptest.Owner}}, gcptest.Binding{Role: role, Members: members})
}

// TestTheFleetsMembers: one that repeats a name in another location and another
// project, one that an agent attaches, one whose cluster is gone, and locations that
// do not answer.
func TestTheFleetsMembers(t *testing.T) {
	p := standIn(t, "members", conformance.Options{Seed: "fleet", NoController: true, GoogleTime: googleTime})
	list := []string{"gateway", "memberships", "--project", "lab-project"}
	p.shows("gateway-memberships-none", 0, list...)
	p.fill("fleet-members")
	p.world.Google.Remove("projects/lab-project/locations/europe-west3/clusters/client-cluster")
	p.shows("gateway-memberships", 0, list...)

	var answer struct {
		Memberships []struct {
			Name, Location, Kind, Cluster, URL, Needs string
			ExternalID                                string
			Agent                                     bool
		}
		Unreachable []string
	}
	if err := json.Unmarshal([]byte(p.runs(0, append(list, "-o", "json")...).out), &answer); err != nil {
		t.Fatal(err)
	}
	urls := map[string]string{}
	for _, m := range answer.Memberships {
		urls[m.Location+"/"+m.Name] = m.URL
		if m.Agent == (m.Cluster != "") || m.ExternalID == "" {
			t.Errorf("%+v", m)
		}
	}
	for at, want := range map[string]string{
		"europe-west3/private-cluster": "https://europe-west3-connectgateway.googleapis.com/v1/projects/123456789012/locations/europe-west3/gkeMemberships/private-cluster",
		"europe-west3/client-cluster":  "", // its cluster is gone
		"global/private-cluster":       "https://connectgateway.googleapis.com/v1/projects/123456789012/locations/global/gkeMemberships/private-cluster",
		"global/attached":              "https://connectgateway.googleapis.com/v1/projects/123456789012/locations/global/memberships/attached",
	} {
		if got, ok := urls[at]; !ok || got != want {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
	}

	p.shows("gateway-memberships-by-link", 0, "gateway", "memberships", "--project", "other-project", "--location", "europe-west1", "--cluster", "far-cluster", "-o", "yaml")
	p.world.Google.SetUnreachable("gkehub", "europe-west3", "us-east1")
	p.shows("gateway-memberships-unreachable", 0, list...)
	got := p.runs(0, append(list, "-o", "json")...)
	if err := json.Unmarshal([]byte(got.out), &answer); err != nil || len(answer.Unreachable) != 2 {
		t.Errorf("%v %v", answer.Unreachable, err)
	}
	p.says(got.err, "europe-west3, us-east1", "CW-FLEET-UNREACHABLE")
	p.world.Google.SetUnreachable("gkehub")
	p.world.Google.Remove("projects/lab-project/locations/europe-west3/memberships/private-cluster")
	if err := p.world.Google.Change(fleetCluster, func(o map[string]any) { delete(o, "fleet") }); err != nil {
		t.Fatal(err)
	}
	// The name is in the fleet still, in global; it is another cluster's.
	p.shows("gateway-memberships-not-there", 4, append(list, "--location", "europe-west3", "--cluster", "private-cluster")...)

	p.says(p.runs(2, "gateway", "memberships").err, "--project is missing")
	p.says(p.runs(2, append(list, "--cluster", "private-cluster")...).err, "location")
	p.says(p.runs(2, append(list, "-o", "text")...).err, "--output must be table, json or yaml")
	p.says(p.runs(2, append(list, "private-cluster")...).err, "no argument is expected here")
	p.says(p.runs(2, "gateway", "membership").err, "did you mean")
	// Without its API there is no fleet.
	p.world.Google.Disable("lab-project", "gkehub.googleapis.com")
	p.says(p.runs(0, list...).out, "0 memberships", "GKE Hub's API is off")
}

// fill adds a seed of testdata/gcptest to the project.
func (p *place) fill(seed string) {
	p.Helper()
	more, err := gcptest.ReadSeed(filepath.Join(p.testdata, "..", "..", "..", "testdata", "gcptest", seed+".yaml"))
	if err == nil {
		err = p.world.Google.Fill(more)
	}
	if err != nil {
		p.Fatal(err)
	}
}

// TestWhatGatewayCantBeTold: mistakes that would leave people with another exposure
// than they think.
func TestWhatGatewayCantBeTold(t *testing.T) {
	p := standInFleet(t, "astray")
	alice := []string{"--member", "user:alice@example.com"}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"networks":                   {[]string{"--client-cidr", "172.31.0.0/16"}, "--client-cidr is a flag of the method ilb, route, psc, not of gateway"},
		"a member without a kind":    {[]string{"--member", "alice@example.com"}, "gateway.members[0] must be user:, group: or serviceAccount:"},
		"a member twice":             {append(alice, alice...), "gateway.members[1] is in the list twice"},
		"everybody":                  {[]string{"--member", "allUsers"}, "gateway.members[0] must be user:"},
		"a role that is none":        {append(alice, "--gateway-role", "boss"), "gateway.role must be reader, editor, admin or a role's full name"},
		"a role for nobody":          {[]string{"--gateway-role", "admin"}, "gateway.role is for members, and there are none"},
		"rights for nobody":          {[]string{"--role", "edit"}, "access.role is for members, and there are none"},
		"streams by an editor":       {append(alice, "--stream", "--gateway-role", "editor"), "gateway.role can't stream: of Google's roles only admin"},
		"a token's life":             {append(alice, "--token-ttl", "8h"), "access.tokenTTL is a ServiceAccount's"},
		"nodes in a namespace":       {append(alice, "--role", "node-reader", "--role-namespace", "default"), "access.namespaces can't narrow node-reader"},
		"a fleet by its number":      {[]string{"--fleet-project", "123456789012"}, "gateway.fleetProject must be a Google project ID (not its number)"},
		"a plugin that is none":      {[]string{"--auth-plugin", "x"}, "gateway.authPlugin must be one of causeway, gcloud"},
		"a flag of the DNS endpoint": {[]string{"--open-dns-endpoint"}, "--open-dns-endpoint is a flag of the method dns, not of gateway"},
	} {
		t.Run(name, func(t *testing.T) { p.says(p.runs(2, append(p.on("plan", "gateway"), c.args...)...).err, c.says) })
	}
	p.write("cidrs.yaml", "method: gateway\napiVersion: causeway.dev/v1\nkind: Exposure\nname: astray\ncluster: {project: lab-project, location: europe-west3, name: private-cluster}\nfarSide: {cidrs: [172.31.0.0/16]}\n")
	p.says(p.runs(2, "plan", "-f", "cidrs.yaml").err, "farSide.cidrs has no meaning for the method gateway")
}

// TestWhatKeepsAGatewayFromBeing is what people read where rights, a role, an agent
// are missing, all at once; and of a cluster that can't do what is asked for.
func TestWhatKeepsAGatewayFromBeing(t *testing.T) {
	p := standInFleet(t, "refused")
	for _, right := range []string{"serviceusage.services.enable", "gkehub.memberships.create", "resourcemanager.projects.setIamPolicy"} {
		p.world.Google.Deny(right)
	}
	p.shows("gateway-refused-rights", 4, append(p.on("plan", "gateway"), "--register", "--member", "user:alice@example.com", "--use-agent", "--role", "no-such-role",
		"--gateway-role", "roles/container.viewer")...)
	if err := p.world.Google.Change(fleetCluster, func(o map[string]any) { o["currentMasterVersion"] = "1.29.8-gke.1" }); err != nil {
		t.Fatal(err)
	}
	p.shows("gateway-refused-cluster", 4, append(p.on("plan", "gateway"), "--member", "group:ops@example.com", "--stream")...)
	p.absent("causeway-refused.kubeconfig")
}
