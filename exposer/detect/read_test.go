package detect

import (
	"context"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
)

var prod = exposer.ClusterRef{Project: "prod-project", Location: "europe-west3", Name: "prod"}

// seeded is an emulator with a cluster of testdata/detect, and a door to it.
func seeded(t *testing.T, seed string) (*gcp.Cloud, *gcptest.Server) {
	t.Helper()
	google := gcptest.Serve(t, gcptest.Options{})
	state, err := gcptest.ReadSeed(filepath.Join("..", "..", "testdata", "detect", seed+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := google.Fill(state); err != nil {
		t.Fatal(err)
	}
	env := google.Env()
	env["HOME"] = t.TempDir()
	config, err := gcp.ConfigFromEnv(t.Context(), func(name string) string { return env[name] }, gcp.Options{UserAgent: "causeway/test", OnGCE: func(context.Context) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	config.TokenSource = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token})
	config.HTTPClient = &http.Client{Transport: &http.Transport{}}
	config.Retry.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	cloud, err := gcp.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return cloud, google
}

// TestEachMissingRightNarrowsAndStopsNothing takes every permission that the run
// uses away, one at a time.
func TestEachMissingRightNarrowsAndStopsNothing(t *testing.T) {
	for permission, c := range map[string]struct {
		project string // in which it is missing
		what    string
		role    string
	}{
		"compute.networks.get":      {"hub-project", "the routing mode and the peerings of network hub-project/hub-vpc", "roles/compute.networkViewer"},
		"compute.routers.list":      {"hub-project", "the routers of network hub-project/hub-vpc, and so the lines", "roles/compute.networkViewer"},
		"compute.routers.get":       {"hub-project", "what the routers of network hub-project/hub-vpc learn", "roles/compute.networkViewer"},
		"compute.subnetworks.list":  {"prod-project", "the subnets of network prod-project/prod-vpc", "roles/compute.networkViewer"},
		"compute.routes.list":       {"prod-project", "the routes of network prod-project/prod-vpc", "roles/compute.networkViewer"},
		"compute.addresses.list":    {"prod-project", "the addresses in europe-west3", "roles/compute.networkViewer"},
		"serviceusage.services.get": {"prod-project", "which APIs are on in project prod-project", "roles/serviceusage.serviceUsageViewer"},
	} {
		t.Run(permission, func(t *testing.T) {
			cloud, google := seeded(t, "hub-line")
			google.Deny(permission, c.project)
			facts, err := Read(t.Context(), cloud, prod)
			if err != nil {
				t.Fatal(err)
			}
			if len(facts.Unseen) != 1 {
				t.Fatalf("unseen: %+v", facts.Unseen)
			}
			u := facts.Unseen[0]
			if !strings.HasPrefix(u.What, c.what) || u.Permission != permission || u.Project != c.project || !strings.Contains(u.Fix, c.role) {
				t.Errorf("unseen: %+v", u)
			}
			if hub := facts.Hubs[0]; permission == "compute.routers.get" && (hub.Lines.Status != nil || !hub.Routers || len(hub.Lines.Routers) == 0) {
				t.Errorf("a status that was not read counts as one: %+v", hub)
			}
			report := facts.Assess(Ask{Clients: clients})
			if len(report.Unseen) != 1 || len(report.Methods) != 6 || report.Recommended == "" {
				t.Errorf("%+v", report)
			}
		})
	}
}

func TestAnAPIThatIsOffInTheHubNarrowsToo(t *testing.T) {
	cloud, google := seeded(t, "hub-line")
	google.Disable("hub-project", "compute.googleapis.com")
	facts, err := Read(t.Context(), cloud, prod)
	if err != nil || len(facts.Unseen) == 0 {
		t.Fatalf("%v, %+v", err, facts.Unseen)
	}
	if u := facts.Unseen[0]; u.Permission != "" || !strings.Contains(u.Fix, "gcloud services enable compute.googleapis.com") || !strings.Contains(u.Reason, "is off in project") {
		t.Errorf("%+v", u)
	}
}

func TestAHubThatIsGoneIsToldAsHidden(t *testing.T) {
	cloud, google := seeded(t, "hub-line")
	google.Inject(gcptest.Fault{Match: "compute.networks.get GET .*/hub-vpc", Status: 404, Reason: "notFound", Message: "The resource 'projects/hub-project/global/networks/hub-vpc' was not found"})
	facts, err := Read(t.Context(), cloud, prod)
	if err != nil || len(facts.Unseen) != 1 || !strings.Contains(facts.Unseen[0].What, "behind peering to-hub") {
		t.Errorf("%v, %+v", err, facts.Unseen)
	}
}

// TestWhatEndsTheAnswer: the cluster itself, and a Google that does not answer.
func TestWhatEndsTheAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(*gcptest.Server)
		code string
	}{
		"no right to the cluster": {func(s *gcptest.Server) { s.Deny("container.clusters.get") }, "CW-GCP-PERMISSION"},
		"no such cluster": {func(s *gcptest.Server) {
			s.Inject(gcptest.Fault{Match: "clusters.get", Status: 404, Message: "Not found: cluster"})
		}, "CW-GCP-NOT-FOUND"},
		"a token that is refused":  {func(s *gcptest.Server) { s.RevokeToken(gcptest.Token) }, "CW-GCP-CREDENTIALS"},
		"a connection that is cut": {func(s *gcptest.Server) { s.Inject(gcptest.Fault{Match: "compute.networks.get", CutOff: true}) }, "CW-GCP-UNREACHABLE"},
		"a request that Google calls invalid": {func(s *gcptest.Server) {
			s.Inject(gcptest.Fault{Match: "subnetworks", Status: 400, Message: "Invalid value"})
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cloud, google := seeded(t, "hub-line")
			c.harm(google)
			_, err := Read(t.Context(), cloud, prod)
			if err == nil || explain.CodeOf(err) != c.code {
				t.Errorf("%q: %v", explain.CodeOf(err), err)
			}
		})
	}
}

// TestARunReadsOnceAndNothingTwice: a screen that costs few calls.
func TestARunReadsOnceAndNothingTwice(t *testing.T) {
	cloud, google := seeded(t, "hub-line")
	if _, err := Read(t.Context(), cloud, prod); err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, request := range google.Requests() {
		one := request.Verb + " " + request.Path
		if request.Write() || slices.Contains(seen, one) && !strings.Contains(one, "aggregated/routers") {
			t.Errorf("%s", one)
		}
		seen = append(seen, one)
	}
	if len(seen) < 8 {
		t.Errorf("only %v: this test would see nothing", seen)
	}
}
