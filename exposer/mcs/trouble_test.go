package mcs

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/exposer/fleet"
	"causeway/internal/gcp"
	"causeway/internal/gcptest"
)

// register puts a membership into the fleet, as somebody else did.
func register(t testing.TB, w *conformance.World, at, cluster string) {
	t.Helper()
	if err := w.Google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{{Path: at, Body: map[string]any{
		"endpoint": map[string]any{"gkeCluster": map[string]any{"resourceLink": "//container.googleapis.com/" + cluster}}}}}}); err != nil {
		t.Fatal(err)
	}
}

// TestWhatStandsInTheWay: each is found before anything is changed.
func TestWhatStandsInTheWay(t *testing.T) {
	w := newWorld(t, "refuse", conformance.Options{})
	service(t, w.Server, "default", "refuse-web", nil)
	own := func(edit func(*exposer.MCS)) exposer.MCS {
		o := exposer.MCS{Service: "default/refuse-web", Register: true, Membership: "private-cluster"}
		if edit != nil {
			edit(&o)
		}
		return o
	}
	for name, test := range map[string]struct {
		mcs   exposer.MCS
		edit  func(o map[string]any)
		codes []string
		says  string
	}{
		"no alias ranges": {own(nil), func(o map[string]any) { o["ipAllocationPolicy"].(map[string]any)["useIpAliases"] = false }, []string{"CW-MCS-VPC-NATIVE"}, "can't be changed"},
		"no Workload Identity, no add-on": {own(nil), func(o map[string]any) {
			delete(o, "workloadIdentityConfig")
			o["addonsConfig"] = map[string]any{"httpLoadBalancing": map[string]any{"disabled": true}}
		}, []string{"CW-MCS-CLUSTER", "CW-MCS-CLUSTER"}, "no Workload Identity"},
		"a cluster that is being made":   {own(nil), func(o map[string]any) { o["status"] = "PROVISIONING" }, []string{"CW-GCP-CLUSTER-STATE"}, "PROVISIONING"},
		"in no fleet":                    {own(func(o *exposer.MCS) { o.Register = false }), nil, []string{"CW-FLEET-MEMBER"}, "in no fleet"},
		"a name that another has":        {own(func(o *exposer.MCS) { o.Membership = "client-cluster" }), nil, []string{"CW-FLEET-NAME"}, "client-cluster"},
		"nothing to stand on":            {exposer.MCS{Exposure: "none", Register: true, Membership: "private-cluster"}, nil, []string{"CW-MCS-NO-ILB"}, "no exposure none by ilb"},
		"an importer outside the fleet":  {own(func(o *exposer.MCS) { o.Importers = []string{"europe-west3/private-cluster"} }), nil, []string{"CW-FLEET-MEMBER"}, "is not in the fleet of project lab-project"},
		"an importer without its rights": {own(func(o *exposer.MCS) { o.Importers = []string{"europe-west3/client-cluster"} }), nil, []string{"CW-MCS-CLUSTER"}, "importer client-cluster has no Workload Identity"},
	} {
		t.Run(name, func(t *testing.T) {
			w := *w
			w.Spec.MCS = &test.mcs
			at := clusterAt
			if strings.HasPrefix(name, "an importer without") {
				at = clientAt
				test.edit = func(o map[string]any) { delete(o, "workloadIdentityConfig") }
			}
			if test.edit != nil {
				before := w.Google.Object(at)
				change(t, &w, at, test.edit)
				defer change(t, &w, at, func(o map[string]any) {
					clear(o)
					for field, value := range before {
						o[field] = value
					}
				})
			}
			if problems := refused(t, &w, test.codes...); !strings.Contains(problems[0].Text, test.says) {
				t.Errorf("%+v, want %q", problems, test.says)
			}
		})
	}
	t.Run("rights that are missing", func(t *testing.T) {
		w := *w
		o := own(nil)
		w.Spec.MCS = &o
		for _, permission := range []string{"gkehub.features.create", "gkehub.memberships.create", "resourcemanager.projects.setIamPolicy"} {
			w.Google.Deny(permission, "lab-project")
			defer w.Google.Allow(permission)
		}
		problems := refused(t, &w, "CW-GCP-PERMISSION", "CW-GCP-PERMISSION", "CW-GCP-PERMISSION")
		if !strings.Contains(problems[0].Text, "gkehub.features.create") {
			t.Errorf("%+v", problems)
		}
	})
	t.Run("locations that do not answer", func(t *testing.T) {
		w := *w
		o := own(nil)
		w.Spec.MCS = &o
		w.Google.SetUnreachable("gkehub", "europe-west4")
		defer w.Google.SetUnreachable("gkehub")
		refused(t, &w, "CW-FLEET-UNREACHABLE")
	})
}

// hurried is a world in which causeway's waits pass quickly.
func hurried(t *testing.T, name string) (*conformance.World, *[]string) {
	t.Helper()
	w := anyService(t, name, "shop-"+name, "web", conformance.Options{Speed: 200})
	var notes []string
	w.Progress = noted{&notes}
	create(t, w.Server, "", "namespaces", map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": "shop-" + name}})
	service(t, w.Server, "shop-"+name, "web", nil)
	endpoints(t, w.Server, "shop-"+name, "web", 1)
	return w, &notes
}

// noted is a Progress that keeps what steps tell.
type noted struct{ notes *[]string }

func (noted) Start(string, string)               {}
func (n noted) Note(_, text string)              { *n.notes = append(*n.notes, text) }
func (noted) Done(string, time.Duration, string) {}
func (noted) Fail(string, error)                 {}

// TestAnImportThatDoesNotCome: the wait ends, and says what is there and what may be
// the reason; what was made stays, and an apply goes on.
func TestAnImportThatDoesNotCome(t *testing.T) {
	t.Parallel()
	w, notes := hurried(t, "never")
	equip(t, w)
	_, err := run(t, w)
	wantCode(t, err, "CW-MCS-NOT-IMPORTED", "not imported after 25m0s", "private-cluster: no ServiceImport; client-cluster: no ServiceImport")
	if !slices.ContainsFunc(*notes, func(n string) bool { return strings.Contains(n, "five minutes are normal for the first export") }) {
		t.Errorf("the notes are %q", *notes)
	}
	if got := planned(t, w); !slices.Equal(got, []string{"change export"}) {
		t.Errorf("the plan to go on: %q", got)
	}
	wantHop(t, w, "import private-cluster waits CW-MCS-NOT-IMPORTED")
	w.Google.SetMemberState("lab-project", ownMember, "WARNING", "Firewall creation pending")
	_, err = run(t, w)
	wantCode(t, err, "CW-MCS-FIREWALL", "Firewall creation pending")
	w.Google.SetMemberState("lab-project", ownMember, "ERROR", "GKE Cluster missing")
	*notes = nil
	_, err = run(t, w)
	wantCode(t, err, "CW-MCS-CLUSTER-GONE", "GKE Cluster missing")
	if len(*notes) > 0 {
		t.Errorf("a state that no waiting cures was waited for: %q", *notes)
	}
	w.Google.SetMemberState("lab-project", ownMember, "", "")
	importing(t, w, "shop-never")
	apply(t, w)
	destroy(t, w)
}

// TestAKindThatDoesNotCome: the cluster never learns what a ServiceExport is.
func TestAKindThatDoesNotCome(t *testing.T) {
	t.Parallel()
	w, notes := hurried(t, "unkind")
	w.Answer = func(r *http.Request, answer *http.Response) error {
		if strings.HasPrefix(r.URL.Path, "/apis/net.gke.io/") {
			answer.StatusCode, answer.Status = http.StatusNotFound, "404 Not Found"
			answer.Header.Set("Content-Type", "text/plain")
			answer.Body = io.NopCloser(strings.NewReader("404 page not found\n"))
		}
		return nil
	}
	_, err := run(t, w)
	wantCode(t, err, "CW-MCS-NO-KIND", "does not serve net.gke.io/v1 ServiceExport after 15m0s")
	if !slices.ContainsFunc(*notes, func(n string) bool { return strings.Contains(n, "does not know the kind ServiceExport yet") }) {
		t.Errorf("the notes are %q", *notes)
	}
	w.Answer = nil
	if gone := destroy(t, w); gone["export/shop-unkind/web"].Outcome != exposer.Absent {
		t.Errorf("%+v", gone["export/shop-unkind/web"])
	}
}

// TestAFeatureOnItsWay: one that comes is waited for, one that goes as well and is
// turned on again then, and one that stays on its way ends the wait.
func TestAFeatureOnItsWay(t *testing.T) {
	t.Parallel()
	w, _ := hurried(t, "coming")
	importing(t, w, "shop-coming")
	w.Google.SetFeatureState("lab-project", "multiclusterservicediscovery", "ENABLING", "", "")
	if got := planned(t, w); !slices.Contains(got, "change feature") {
		t.Errorf("while the feature comes: %q", got)
	}
	_, err := run(t, w)
	wantCode(t, err, "CW-MCS-FEATURE", "ENABLING after 10m0s")
	w.Google.SetFeatureState("lab-project", "multiclusterservicediscovery", "ACTIVE", "", "")
	apply(t, w)
	if item := destroy(t, w)[featureID]; item.Outcome != exposer.Left {
		t.Errorf("a feature that somebody else turned on: %+v", item)
	}
}

// TestWhatAClusterOfAnotherProjectTakes: rights in both projects, for the importer and
// the fleet's agents.
func TestWhatAClusterOfAnotherProjectTakes(t *testing.T) {
	x := &exposure{spec: exposer.Spec{Cluster: exposer.ClusterRef{Project: "other-project"}}, fleet: fleetOf(t)}
	x.cluster.Network.Project = "net-project"
	var got []string
	for _, b := range x.binds() {
		got = append(got, b.project+" "+b.role+" "+b.member)
	}
	want := []string{
		"lab-project " + importerRole + " " + principal,
		"net-project " + importerRole + " " + principal,
		"other-project " + importerRole + " principal://iam.googleapis.com/projects/567890123456/locations/global/workloadIdentityPools/other-project.svc.id.goog/subject/ns/gke-mcs/sa/gke-mcs-importer",
		"other-project roles/gkehub.serviceAgent serviceAccount:service-123456789012@gcp-sa-gkehub.iam.gserviceaccount.com",
		"other-project roles/multiclusterservicediscovery.serviceAgent serviceAccount:service-123456789012@gcp-sa-mcsd.iam.gserviceaccount.com",
	}
	if !slices.Equal(got, want) {
		t.Errorf("rights\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if n := len(x.apiSteps()); n != 2 {
		t.Errorf("APIs of %d projects", n)
	}
}

// fleetOf is the fleet of lab-project, read for a cluster of other-project.
func fleetOf(t *testing.T) *fleet.Fleet {
	t.Helper()
	at := gcptest.Env(gcptest.Serve(t, gcptest.Options{}, "fleet", "fleet-members").URL())
	const prefix = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"
	google, err := gcp.New(t.Context(), gcp.Config{TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token}),
		Endpoints: gcp.Endpoints{ResourceManager: at[prefix+"CLOUDRESOURCEMANAGER"], GKEHub: at[prefix+"GKEHUB"]}})
	if err != nil {
		t.Fatal(err)
	}
	f, err := fleet.Read(t.Context(), google, gcp.Cluster{Project: "other-project", Location: "europe-west3", Name: "shop"}, "lab-project")
	if err != nil {
		t.Fatal(err)
	}
	return f
}
