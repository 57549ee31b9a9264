package fleet

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
	"causeway/internal/kube"
)

const (
	project = "lab-project"
	at      = "projects/lab-project/locations/europe-west3/clusters/private-cluster"
	reader  = "roles/gkehub.gatewayReader"
	alice   = "user:alice@example.com"
)

// cloud is a fleet's project with its members, and the product's own door to it.
func cloud(t *testing.T, seeds ...string) (*gcptest.Server, *gcp.Cloud) {
	t.Helper()
	server := gcptest.Serve(t, gcptest.Options{}, append([]string{"fleet"}, seeds...)...)
	env := server.Env()
	env["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"] = filepath.Join(t.TempDir(), "token")
	if err := server.WriteToken(env["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]); err != nil {
		t.Fatal(err)
	}
	config, err := gcp.ConfigFromEnv(t.Context(), func(name string) string { return env[name] }, gcp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	google, err := gcp.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return server, google
}

func clusterOf(t *testing.T, google *gcp.Cloud) gcp.Cluster {
	t.Helper()
	c, err := google.Cluster(t.Context(), project, "europe-west3", "private-cluster")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAMembershipIsFoundByItsLink: whatever it is called and wherever it lies, and
// however the link writes the project.
func TestAMembershipIsFoundByItsLink(t *testing.T) {
	t.Parallel()
	f := Fleet{Project: gcp.Project{ID: project, Number: 123456789012}, number: 123456789012}
	zonal := gcp.Cluster{Project: project, Location: "europe-west3-a", Name: "private-cluster"}
	foreign := gcp.Cluster{Project: "other-project", Location: "europe-west3", Name: "private-cluster"}
	far := f
	far.number = 567890123456
	for about, c := range map[string]struct {
		fleet   Fleet
		cluster gcp.Cluster
		link    string
		want    bool
	}{
		"by the project's ID":                     {f, gcp.Cluster{Project: project, Location: "europe-west3", Name: "private-cluster"}, at, true},
		"by its number":                           {f, gcp.Cluster{Project: project, Location: "europe-west3", Name: "private-cluster"}, strings.Replace(at, project, "123456789012", 1), true},
		"another cluster's":                       {f, gcp.Cluster{Project: project, Location: "europe-west3", Name: "other"}, at, false},
		"one of the same name in a zone":          {f, zonal, at, false},
		"the zone's":                              {f, zonal, strings.Replace(at, "europe-west3", "europe-west3-a", 1), true},
		"one of the same name in another project": {f, foreign, at, false},
		"of another project by its number":        {far, foreign, strings.Replace(at, project, "567890123456", 1), true},
		"of another project, whose number is hid": {Fleet{Project: f.Project}, foreign, strings.Replace(at, project, "0", 1), false},
		"no cluster on Google Cloud":              {f, zonal, "", false},
		"a link of another form":                  {f, zonal, "projects/lab-project/clusters/private-cluster", false},
	} {
		c.fleet.Members = []gcp.Membership{{ID: "x"}, {ID: "y", Cluster: c.link}}
		if got := c.fleet.Of(c.cluster); (got != nil) != c.want || got != nil && got.ID != "y" {
			t.Errorf("%s: %+v", about, got)
		}
	}
}

func TestReadingAFleet(t *testing.T) {
	t.Parallel()
	server, google := cloud(t, "fleet-members")
	cluster := clusterOf(t, google)
	f, err := Read(t.Context(), google, cluster, "")
	if err != nil || f.Member == nil || f.Member.Location != "europe-west3" || len(f.Members) != 4 || f.Off {
		t.Fatalf("%+v %v", f, err)
	}
	if got, want := f.Path(*f.Member), "projects/123456789012/locations/europe-west3/memberships/private-cluster"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	far, err := google.Cluster(t.Context(), "other-project", "europe-west1", "far-cluster")
	if err != nil {
		t.Fatal(err)
	}
	// Its own record names the fleet by the project's number.
	f, err = Read(t.Context(), google, far, "")
	if err != nil || f.Project.ID != project || f.Member == nil || f.Member.Location != "global" || f.Member.ID != "private-cluster" {
		t.Errorf("a cluster of another project: %+v %v", f, err)
	}
	server.Deny("resourcemanager.projects.get", "other-project")
	if f, err = Read(t.Context(), google, far, ""); err != nil || f.Member == nil {
		t.Errorf("its project may not be looked at: %v", err)
	}
	server.SetUnreachable("gkehub", "europe-west3")
	if f, err = Read(t.Context(), google, cluster, ""); err != nil || f.Member != nil || !slices.Equal(f.Unreachable, []string{"europe-west3"}) {
		t.Errorf("%+v %v", f, err)
	}
	server.Disable(project, "gkehub.googleapis.com")
	if f, err = Read(t.Context(), google, cluster, ""); err != nil || !f.Off || f.Member != nil {
		t.Errorf("without the API: %+v %v", f, err)
	}
}

func TestTheGatewaysWayToAMembership(t *testing.T) {
	t.Parallel()
	f := Fleet{Project: gcp.Project{ID: project, Number: 1}}
	for about, c := range map[string]struct {
		member     gcp.Membership
		url, needs string
		agent      bool
	}{
		"GKE's":           {gcp.Membership{Kind: gcp.KindGKE, Location: "europe-west3", ID: "a"}, "https://europe-west3-connectgateway.googleapis.com/v1/projects/1/locations/europe-west3/gkeMemberships/a", "", false},
		"GKE's in global": {gcp.Membership{Kind: gcp.KindGKE, Location: "global", ID: "a"}, "https://connectgateway.googleapis.com/v1/projects/1/locations/global/gkeMemberships/a", "", false},
		"one that is called as a part of its path": {gcp.Membership{Kind: gcp.KindGKE, Location: "global", ID: "memberships"}, "https://connectgateway.googleapis.com/v1/projects/1/locations/global/gkeMemberships/memberships", "", false},
		"a cluster elsewhere":                      {gcp.Membership{Kind: gcp.KindOnPrem, Location: "global", ID: "a"}, "https://connectgateway.googleapis.com/v1/projects/1/locations/global/memberships/a", "", true},
		"one whose cluster is gone":                {gcp.Membership{Kind: gcp.KindGKE, Location: "global", ID: "a", ClusterMissing: true}, "", "its cluster is gone", false},
		"one that is being made":                   {gcp.Membership{Kind: gcp.KindAttached, Location: "global", ID: "a", State: "CREATING"}, "https://connectgateway.googleapis.com/v1/projects/1/locations/global/memberships/a", "being registered", true},
		"one that is being taken out":              {gcp.Membership{Kind: gcp.KindGKE, Location: "global", ID: "a", State: "DELETING"}, "https://connectgateway.googleapis.com/v1/projects/1/locations/global/gkeMemberships/a", "being unregistered", false},
	} {
		if got := f.URL(c.member); got != c.url || ByAgent(c.member) != c.agent || !strings.Contains(Needs(c.member), c.needs) || (Needs(c.member) == "") != (c.needs == "") {
			t.Errorf("%s: %s %t %q", about, got, ByAgent(c.member), Needs(c.member))
		}
	}
}

func quiet(string) {}

// TestAGrantIsARoleThatSomebodyHas: given once, by whatever it is had, and taken back
// where this exposure gave it and nobody else needs it.
func TestAGrantIsARoleThatSomebodyHas(t *testing.T) {
	t.Parallel()
	server, google := cloud(t)
	needed := ""
	grant := &Grant{Google: google, Project: project, Role: reader, Member: alice, Same: []string{"user:alice@old.example.com"}, Why: "lets her in",
		StillNeeded: func(context.Context) (string, error) { return needed, nil }}
	read := func(about string, want exposer.Action, why string) exposer.Observed {
		t.Helper()
		seen, err := grant.Read(t.Context())
		if err != nil || seen.Action != want || !strings.Contains(seen.Why, why) {
			t.Errorf("%s: %s %q %v", about, seen.Action, seen.Why, err)
		}
		return seen
	}
	set := func(bindings ...gcptest.Binding) { server.SetPolicy(project, bindings...) }
	set(gcptest.Binding{Role: reader, Members: []string{"user:Alice@Example.com"}})
	read("in other letters", exposer.Keep, "is granted")
	set(gcptest.Binding{Role: reader, Members: []string{"user:alice@old.example.com"}})
	read("under another name", exposer.Keep, "the same identity")
	set(gcptest.Binding{Role: "roles/gkehub.gatewayEditor", Members: []string{alice}})
	read("by a role that allows more", exposer.Keep, "by roles/gkehub.gatewayEditor")
	server.Deny("iam.roles.get")
	set(gcptest.Binding{Role: "projects/lab-project/roles/hidden", Members: []string{alice}})
	read("by one that can't be looked at", exposer.Change, "lets her in")
	server.Allow("iam.roles.get")
	set(gcptest.Binding{Role: reader, Members: []string{alice}, Condition: "request.time < timestamp('2030-01-01T00:00:00Z')"})
	seen := read("for a while", exposer.Change, "lets her in")

	if err := grant.Do(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	if policy, err := google.Policy(t.Context(), project); err != nil || !policy.Has(reader, alice) || len(policy.Bindings) != 2 {
		t.Errorf("%+v %v", policy, err)
	}
	undo := func(about string, old json.RawMessage, want exposer.Outcome, why string) {
		t.Helper()
		got, err := grant.Undo(t.Context(), old, quiet)
		if err != nil || got.Outcome != want || !strings.Contains(got.Why, why) {
			t.Errorf("%s: %+v %v", about, got, err)
		}
	}
	undo("no record of it", nil, exposer.Left, "as far as its record tells")
	needed = "exposure b still needs it"
	undo("another needs it", seen.Old, exposer.Left, "afterwards `gcloud projects remove-iam-policy-binding lab-project --member 'user:alice@example.com'")
	needed = ""
	undo("nobody does", seen.Old, exposer.Restored, "")
	undo("it is gone", seen.Old, exposer.Absent, "")
	if policy, err := google.Policy(t.Context(), project); err != nil || len(policy.Bindings) != 1 || policy.Bindings[0].Condition == "" {
		t.Errorf("the conditional role went too: %+v %v", policy, err)
	}
}

func TestAPIsAreTurnedOnAndStay(t *testing.T) {
	t.Parallel()
	server, google := cloud(t)
	apis := &APIs{Google: google, Project: project, Names: []string{"gkehub.googleapis.com", "gkeconnect.googleapis.com"}}
	server.Disable(project, "gkeconnect.googleapis.com")
	seen, err := apis.Read(t.Context())
	if err != nil || seen.Action != exposer.Change || len(seen.Changes) != 1 || seen.Changes[0].Field != "gkeconnect.googleapis.com" {
		t.Fatalf("%+v %v", seen, err)
	}
	if err := apis.Do(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	if now, err := apis.Read(t.Context()); err != nil || now.Action != exposer.Keep {
		t.Errorf("%+v %v", now, err)
	}
	if got, err := apis.Undo(t.Context(), seen.Old, quiet); err != nil || got.Outcome != exposer.Left || !strings.Contains(got.Why, "`gcloud services disable gkeconnect.googleapis.com --project lab-project`") {
		t.Errorf("%+v %v", got, err)
	}
	if got, err := apis.Undo(t.Context(), nil, quiet); err != nil || got.Outcome != exposer.Absent {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := apis.Undo(t.Context(), json.RawMessage("{"), quiet); err == nil {
		t.Error("a record that is none was taken")
	}
}

// TestARegistrationIsFoundAgain: what another run began is gone on with, and what is
// another cluster's is not touched.
func TestARegistrationIsFoundAgain(t *testing.T) {
	t.Parallel()
	server, google := cloud(t)
	f, err := Read(t.Context(), google, clusterOf(t, google), "")
	if err != nil {
		t.Fatal(err)
	}
	made := &Registration{Google: google, Exposure: "prod", Cluster: f.cluster, Fleet: f, Name: "private-cluster",
		Deps: exposer.Deps{Now: time.Now, After: func(time.Duration) <-chan time.Time { return time.After(time.Millisecond) }, Note: quiet}}
	step := made.Step()
	if seen, err := step.Read(t.Context()); err != nil || seen.Action != exposer.Create {
		t.Fatalf("%+v %v", seen, err)
	}
	if err := step.Do(t.Context(), quiet); err != nil {
		t.Fatal(err)
	}
	m, err := google.Membership(t.Context(), "projects/lab-project/locations/europe-west3/memberships/private-cluster")
	if err != nil || m.Cluster != at || m.WorkloadPool != "lab-project.svc.id.goog" || m.Labels[Label] != "prod" || m.State != "READY" {
		t.Errorf("%+v %v", m, err)
	}
	if err := step.Do(t.Context(), quiet); err != nil {
		t.Errorf("once more: %v", err)
	}
	if seen, err := step.Read(t.Context()); err != nil || !seen.Ours || seen.Action != exposer.Keep {
		t.Errorf("%+v %v", seen, err)
	}
	if err := server.Change("projects/lab-project/locations/europe-west3/memberships/private-cluster", func(o map[string]any) {
		o["endpoint"].(map[string]any)["gkeCluster"].(map[string]any)["resourceLink"] = "//container.googleapis.com/" + strings.Replace(at, "private", "client", 1)
	}); err != nil {
		t.Fatal(err)
	}
	seen, err := step.Read(t.Context())
	if err != nil || seen.Action != exposer.Refuse || !strings.Contains(seen.Cause.Error(), "belongs to projects/lab-project/locations/europe-west3/clusters/client-cluster") {
		t.Errorf("another cluster's: %+v %v", seen, err)
	}
	if got, err := step.Undo(t.Context(), nil, quiet); err != nil || got.Outcome != exposer.Left {
		t.Errorf("another cluster's is removed: %+v %v", got, err)
	}
}

func TestWhoElseNeedsIt(t *testing.T) {
	t.Parallel()
	others := []exposer.Spec{{Name: "a", Method: "mcs"}, {Name: "b", Method: "ilb"}, {Name: "c", Method: "gateway"}}
	deps := exposer.Deps{}
	if who, err := Needed(deps, nil, exposer.Spec{}, UsesMembership)(t.Context()); err != nil || who != "" {
		t.Errorf("where nobody can be asked: %q %v", who, err)
	}
	for want, specs := range map[string][]exposer.Spec{"exposure a, c still needs it": others, "": others[1:2]} {
		deps.Siblings = siblings(specs)
		if who, err := Needed(deps, nil, exposer.Spec{}, UsesMembership)(t.Context()); err != nil || who != want {
			t.Errorf("%q %v, want %q", who, err, want)
		}
	}
}

func siblings(all []exposer.Spec) func(context.Context, *kube.Client, exposer.Spec) ([]exposer.Spec, error) {
	return func(context.Context, *kube.Client, exposer.Spec) ([]exposer.Spec, error) { return all, nil }
}
