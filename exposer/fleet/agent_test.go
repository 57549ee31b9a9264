package fleet

import (
	"strings"
	"testing"

	"causeway/internal/gcp"
	"causeway/internal/gcptest"
)

// TestWhetherTheFleetsAgentMayRegister: told before anything is changed, and never
// where it can't be known.
func TestWhetherTheFleetsAgentMayRegister(t *testing.T) {
	t.Parallel()
	server, google := cloud(t)
	if err := server.Fill(gcptest.Seed{Projects: []gcptest.SeedProject{{ID: "hub-project", Number: "777777777777",
		Services: []string{"cloudresourcemanager.googleapis.com", "gkehub.googleapis.com"}}}}); err != nil {
		t.Fatal(err)
	}
	const agent = "serviceAccount:service-777777777777@gcp-sa-gkehub.iam.gserviceaccount.com"
	cluster := clusterOf(t, google)
	in := func(asked string) *Fleet {
		t.Helper()
		f, err := Read(t.Context(), google, cluster, asked)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	check := func(about string, f *Fleet, register bool, says ...string) {
		t.Helper()
		problems, err := f.CheckAgent(google, register)(t.Context())
		if err != nil || len(problems) != min(1, len(says)) {
			t.Errorf("%s: %+v %v", about, problems, err)
			return
		}
		for _, want := range says {
			if p := problems[0]; p.Code != "CW-FLEET-REGISTER" || !strings.Contains(p.Text+"\n"+p.Fix, want) {
				t.Errorf("%s: it does not say %q: %+v", about, want, p)
			}
		}
	}
	set := func(bindings ...gcptest.Binding) { server.SetPolicy(project, bindings...) }

	set(gcptest.Binding{Role: agentRole, Members: []string{"serviceAccount:service-123456789012@gcp-sa-gkehub.iam.gserviceaccount.com"}})
	hub := in("hub-project")
	add := "gcloud projects add-iam-policy-binding lab-project --member " + agent + " --role roles/gkehub.serviceAgent"
	check("it has no role", hub, true, "the fleet is project hub-project's, whose agent has no role in project lab-project", add)
	check("nobody registers", hub, false)
	member := *hub
	member.Member = &gcp.Membership{}
	check("it is a member", &member, true)
	check("the cluster's own project", in(""), true)
	server.Deny("resourcemanager.projects.getIamPolicy", project)
	check("the policy can't be read", hub, true)
	server.Allow("resourcemanager.projects.getIamPolicy")
	set(gcptest.Binding{Role: agentRole, Members: []string{agent}})
	check("it has the role", hub, true)
	set(gcptest.Binding{Role: "projects/lab-project/roles/registrar", Members: []string{agent}})
	check("it has some role, whatever that allows", hub, true)
	set()
	server.Disable("hub-project", "gkehub.googleapis.com")
	check("the API is off, and no agent there", in("hub-project"), true, "gcloud beta services identity create --service gkehub.googleapis.com --project hub-project; "+add)
}

// TestALinkByANumberThatCantBeRead: the cluster itself says where it is registered, as
// long as the membership leads to one of its name and place.
func TestALinkByANumberThatCantBeRead(t *testing.T) {
	t.Parallel()
	const path = "projects/1/locations/europe-west3/memberships/m"
	f := Fleet{Project: gcp.Project{ID: "hub-project", Number: 1}}
	far := gcp.Cluster{Project: "far-project", Location: "europe-west3", Name: "far", Fleet: gcp.Fleet{Project: "1", Membership: path}}
	for about, c := range map[string]struct {
		name, link string
		said       string
		want       bool
	}{
		"it says so":                            {"projects/hub-project/locations/europe-west3/memberships/m", "projects/2/locations/europe-west3/clusters/far", path, true},
		"both by number":                        {path, "projects/2/locations/europe-west3/clusters/far", path, true},
		"it says another":                       {path, "projects/2/locations/europe-west3/clusters/far", path + "2", false},
		"it says nothing":                       {path, "projects/2/locations/europe-west3/clusters/far", "", false},
		"the membership leads to another name":  {path, "projects/2/locations/europe-west3/clusters/near", path, false},
		"the membership leads to another place": {path, "projects/2/locations/europe-west1/clusters/far", path, false},
		"the membership leads to no GKE":        {path, "", path, false},
	} {
		f.Members = []gcp.Membership{{ID: "x"}, {Name: c.name, Location: "europe-west3", ID: "m", Cluster: c.link}}
		far.Fleet.Membership = c.said
		if got := f.Of(far); (got != nil) != c.want {
			t.Errorf("%s: %+v", about, got)
		}
	}
}
