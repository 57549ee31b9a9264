package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"causeway/internal/gcptest"
)

const (
	register   = `memberships\.create`
	unregister = `memberships\.delete`
	hubWait    = `gkehub\.projects\.locations\.operations\.get`
)

// hubFault is trouble at a call of the fleet's APIs, of IAM or of Service Usage, and
// what is said to it.
type hubFault struct {
	fault      gcptest.Fault
	code, part string // of the error; both empty: none
	calls      int    // of the fault's method; 0: not counted
}

// meet runs a job under each fault, on a fleet of its own; every second read must show
// what the job says.
func meet(t *testing.T, members bool, faults map[string]hubFault, job func(*Cloud) error) {
	t.Helper()
	for sentence, test := range faults {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := fleetOn(t, gcptest.Options{}, members)
			google.Inject(test.fault)
			err := job(cloud)
			if test.code == "" && test.part == "" {
				if err != nil {
					t.Fatal(err)
				}
			} else {
				expect(t, err, test.code, test.part)
			}
			calls := 0
			for _, request := range google.Requests() {
				if strings.Contains(request.Method, strings.ReplaceAll(test.fault.Match, `\`, "")) {
					calls++
				}
			}
			if test.calls != 0 && calls != test.calls {
				t.Errorf("%d calls, want %d", calls, test.calls)
			}
		})
	}
}

func TestARegistrationFromNothingAndBack(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{OperationTime: 5 * time.Millisecond}, false)
	before, ctx := string(google.Snapshot()), t.Context()
	if none, err := cloud.Membership(ctx, memberPath); none != nil || err != nil {
		t.Fatalf("a membership that is not there: %v, %v", none, err)
	}
	if list, gone, err := cloud.Memberships(ctx, project); len(list)+len(gone) > 0 || err != nil {
		t.Fatalf("memberships of an empty fleet: %v, %v, %v", list, gone, err)
	}
	want := registration()
	want.Labels = map[string]string{"causeway-exposure": "demo"}
	var notes []string
	if err := cloud.CreateMembership(ctx, want, func(note string) { notes = append(notes, note) }); err != nil {
		t.Fatal(err)
	}
	if len(notes) == 0 || !strings.Contains(notes[0], "is running") {
		t.Errorf("notes %q", notes)
	}
	found, err := cloud.Membership(ctx, memberPath)
	if err != nil {
		t.Fatal(err)
	}
	want.Project, want.Location, want.ID, want.Kind, want.State = project, area, "private-cluster", KindGKE, "READY"
	want.WorkloadPool, want.KubernetesVersion = "lab-project.svc.id.goog", "v1.36.3-gke.1"
	want.UniqueID, want.ExternalID = found.UniqueID, found.ExternalID
	if diff := cmp.Diff(&want, found); diff != "" || found.UniqueID == "" || found.ExternalID == "" {
		t.Errorf("%s", diff)
	}
	cluster, err := cloud.Cluster(ctx, project, area, "private-cluster")
	if err != nil || cluster.Fleet.Membership != "projects/123456789012/locations/europe-west3/memberships/private-cluster" {
		t.Errorf("the cluster says %+v, %v", cluster.Fleet, err)
	}
	if err := cloud.CreateMembership(ctx, want, nil); !AlreadyExists(err) {
		t.Errorf("the same name again: %v", err)
	}
	other := want
	other.Name = globalMemberPath
	expect(t, cloud.CreateMembership(ctx, other, nil), "CW-FLEET-REGISTERED", "already registered with resource: //gkehub.googleapis.com/projects/123456789012/locations/europe-west3")
	if err := cloud.DeleteMembership(ctx, memberPath, nil); err != nil {
		t.Fatal(err)
	}
	if err := cloud.DeleteMembership(ctx, memberPath, nil); !NotFound(err) {
		t.Errorf("unregister again: %v", err)
	}
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Errorf("something is left: %s", diff)
	}
}

// TestMembersOfEveryKind: a name may repeat over locations, pages come one by one,
// and what can't be reached is told.
func TestMembersOfEveryKind(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{PageSize: 1}, true)
	ctx := t.Context()
	tell := func() (out []string) {
		t.Helper()
		list, gone, err := cloud.Memberships(ctx, project)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			out = append(out, fmt.Sprintf("%s/%s %s %s %t", m.Location, m.ID, m.Kind, m.Cluster, m.ClusterMissing))
		}
		return append(out, gone...)
	}
	want := []string{
		"europe-west3/client-cluster gke projects/lab-project/locations/europe-west3/clusters/client-cluster false",
		"europe-west3/private-cluster gke projects/lab-project/locations/europe-west3/clusters/private-cluster false",
		"global/attached attached  false",
		"global/private-cluster gke projects/other-project/locations/europe-west1/clusters/far-cluster false",
	}
	if diff := cmp.Diff(want, tell()); diff != "" {
		t.Error(diff)
	}
	google.Remove(clusterPathOfFleet)
	want[1] = strings.Replace(want[1], "false", "true", 1)
	if diff := cmp.Diff(want, tell()); diff != "" {
		t.Errorf("with a cluster that is gone: %s", diff)
	}
	google.SetUnreachable("gkehub", "europe-west3")
	if diff := cmp.Diff([]string{want[2], want[3], "europe-west3"}, tell()); diff != "" {
		t.Errorf("with a location that does not answer: %s", diff)
	}
	_, err := cloud.Membership(ctx, memberPath)
	expect(t, err, "CW-GCP-UNAVAILABLE", "read membership "+memberPath)
	if m, err := cloud.Membership(ctx, strings.Replace(globalMemberPath, project, "123456789012", 1)); err != nil || m == nil || m.Cluster == "" {
		t.Errorf("by the project's number: %+v, %v", m, err)
	}
	m, err := cloud.Membership(ctx, "projects/lab-project/locations/global/memberships/attached")
	if err != nil || m.ExternalID != "3f1c8c1e-7b0e-4c7f-9a58-6f2f8a0d5b11" || m.KubernetesVersion != "v1.33.4" || m.Description != "on-premises" {
		t.Errorf("the attached one: %+v, %v", m, err)
	}
}

// TestWhatElseAMembershipMayBe: kinds and forms that this emulator has none of.
func TestWhatElseAMembershipMayBe(t *testing.T) {
	answer := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(answer))
	}))
	defer server.Close()
	cloud, err := New(t.Context(), Config{TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "t"}), Endpoints: Endpoints{GKEHub: server.URL, IAM: server.URL, ResourceManager: server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string]string{
		`{"endpoint":{"onPremCluster":{"resourceLink":"x","clusterMissing":true}}}`: "on-prem  true",
		`{"endpoint":{"multiCloudCluster":{}}}`:                                     "multicloud  false",
		`{"endpoint":{"edgeCluster":{}}}`:                                           "edge  false",
		`{"endpoint":{"applianceCluster":{}}}`:                                      "other  false",
		`{"endpoint":{"somethingNew":{}}}`:                                          "attached  false",
		`{}`:                                                                        "attached  false",
		`{"endpoint":{"gkeCluster":{"resourceLink":"//container.googleapis.com/projects/p/zones/z/clusters/c"}}}`:                            "gke projects/p/locations/z/clusters/c false",
		`{"endpoint":{"gkeCluster":{"resourceLink":"https://container.googleapis.com/v1/projects/p/locations/l/clusters/c"}}}`:               "gke projects/p/locations/l/clusters/c false",
		`{"endpoint":{"googleManaged":true,"multiCloudCluster":{"resourceLink":"//gkemulticloud.googleapis.com/projects/p/awsClusters/c"}}}`: "multicloud  false",
	} {
		answer = body
		m, err := cloud.Membership(t.Context(), memberPath)
		if err != nil || fmt.Sprintf("%s %s %t", m.Kind, m.Cluster, m.ClusterMissing) != want {
			t.Errorf("%s is %+v, %v", body, m, err)
		}
	}
	answer = "[1]"
	for what, read := range map[string]func() error{
		"membership":  func() error { _, err := cloud.Membership(t.Context(), memberPath); return err },
		"memberships": func() error { _, _, err := cloud.Memberships(t.Context(), project); return err },
		"feature":     func() error { _, err := cloud.Feature(t.Context(), project, MCSFeature); return err },
		"policy":      func() error { _, err := cloud.Policy(t.Context(), project); return err },
		"role":        func() error { _, err := cloud.RolePermissions(t.Context(), "roles/x"); return err },
		"operation":   func() error { return cloud.DeleteMembership(t.Context(), memberPath, nil) },
	} {
		if err := read(); err == nil || !strings.Contains(err.Error(), "makes no sense") {
			t.Errorf("%s of nonsense: %v", what, err)
		}
	}
}

func TestTroubleOfARegistration(t *testing.T) {
	meet(t, false, map[string]hubFault{
		"cut off":                         {fault: gcptest.Fault{Match: register, Nth: 1, CutOff: true}, calls: 2},
		"its answer is lost":              {fault: gcptest.Fault{Match: register, Nth: 1, CutOff: true, AfterEffect: true}, calls: 2},
		"HTTP 503 after the effect":       {fault: gcptest.Fault{Match: register, Nth: 1, Status: 503, AfterEffect: true}, calls: 2},
		"HTTP 429":                        {fault: gcptest.Fault{Match: register, Times: 2, Status: 429}, calls: 3},
		"the wait is cut off":             {fault: gcptest.Fault{Match: hubWait, Nth: 1, CutOff: true}, calls: 2},
		"HTTP 500 for ever":               {fault: gcptest.Fault{Match: register, Status: 500, Message: "Internal error"}, code: "CW-GCP-UNAVAILABLE", part: "register membership " + memberPath + ": Internal error", calls: 5},
		"a quota":                         {fault: gcptest.Fault{Match: register, Status: 429, Message: "Quota exceeded"}, code: "CW-GCP-QUOTA", part: "Quota exceeded", calls: 5},
		"a permission, in older words":    {fault: gcptest.Fault{Match: register, Status: 403, Message: "generic::permission_denied: Permission 'gkehub.memberships.create' denied on '" + memberPath + "'"}, code: "CW-GCP-PERMISSION", part: "missing permission gkehub.memberships.create", calls: 1},
		"the operation may not be read":   {fault: gcptest.Fault{Match: hubWait, Status: 403, Message: "Permission 'gkehub.operations.get' denied on resource"}, code: "CW-GCP-PERMISSION", part: "gkehub.operations.get"},
		"the operation is gone":           {fault: gcptest.Fault{Match: hubWait, Status: 404, Message: "gone"}, code: "CW-GCP-UNAVAILABLE", part: "gone (HTTP 404)"},
		"a permission, told by the end":   {fault: gcptest.Fault{Match: register, OperationError: &gcptest.OperationError{Code: "PERMISSION_DENIED", Message: "Permission 'container.clusters.get' denied on resource"}}, code: "CW-GCP-PERMISSION", part: "missing permission container.clusters.get"},
		"an internal error, by the end":   {fault: gcptest.Fault{Match: register, OperationError: &gcptest.OperationError{Code: "INTERNAL", Message: "internal error"}}, code: "CW-GCP-UNAVAILABLE", part: "internal error"},
		"the agent may not, by the end":   {fault: gcptest.Fault{Match: register, OperationError: &gcptest.OperationError{Code: "PERMISSION_DENIED", Message: "hub default service account does not have access to the GKE cluster project for \"//x\""}}, code: "CW-FLEET-REGISTER", part: "hub default service account"},
		"aborted by another, by the end":  {fault: gcptest.Fault{Match: register, OperationError: &gcptest.OperationError{Code: "ABORTED", Message: "another operation"}}, code: "CW-GCP-BUSY", part: "another operation"},
		"an unknown failure, by the end":  {fault: gcptest.Fault{Match: register, OperationError: &gcptest.OperationError{Code: "FAILED_PRECONDITION", Message: "no"}}, part: "register membership " + memberPath + ": no"},
		"the API is off for good":         {fault: gcptest.Fault{Match: register, Status: 400, Message: "gkehub.googleapis.com is not enabled"}, part: "is not enabled", calls: 4},
		"the API comes on, as gcloud has": {fault: gcptest.Fault{Match: register, Times: 3, Status: 400, Message: "gkehub.googleapis.com is not enabled"}, calls: 4},
	}, func(c *Cloud) error {
		err := c.CreateMembership(t.Context(), registration(), nil)
		if err == nil {
			if list, _, listErr := c.Memberships(t.Context(), project); listErr != nil || len(list) != 1 || list[0].State != "READY" {
				t.Errorf("members %v, %v", list, listErr)
			}
		}
		return err
	})
}

func TestTroubleOfAnUnregistration(t *testing.T) {
	meet(t, true, map[string]hubFault{
		"its answer is lost":      {fault: gcptest.Fault{Match: unregister, Nth: 1, CutOff: true, AfterEffect: true}, calls: 2},
		"HTTP 502":                {fault: gcptest.Fault{Match: unregister, Nth: 1, Status: 502}, calls: 2},
		"a permission":            {fault: gcptest.Fault{Match: unregister, Status: 403, Message: "Permission 'gkehub.memberships.delete' denied on resource"}, code: "CW-GCP-PERMISSION", part: "unregister membership " + memberPath, calls: 1},
		"an etag or the like":     {fault: gcptest.Fault{Match: unregister, Status: 412, Message: "x"}, code: "CW-GCP-PRECONDITION", part: "run the command again", calls: 1},
		"a failure by the end":    {fault: gcptest.Fault{Match: unregister, OperationError: &gcptest.OperationError{Code: "FAILED_PRECONDITION", Message: "has subresources"}}, part: "has subresources"},
		"a list that breaks":      {fault: gcptest.Fault{Match: `memberships\.list`, Nth: 1, CutOff: true}, calls: 2},
		"a list that is refused":  {fault: gcptest.Fault{Match: `memberships\.list`, Status: 403, Message: "Permission 'gkehub.memberships.list' denied on resource"}, code: "CW-GCP-PERMISSION", part: "missing permission gkehub.memberships.list"},
		"an API that is off":      {fault: gcptest.Fault{Match: unregister, Status: 404, Message: "Resource was not found"}, code: "CW-GCP-NOT-FOUND", part: "not found"},
		"a read that is too much": {fault: gcptest.Fault{Match: `memberships\.list`, Times: 4, Status: 429}, calls: 5},
	}, func(c *Cloud) error {
		if err := c.DeleteMembership(t.Context(), memberPath, nil); err != nil {
			return err
		}
		list, _, err := c.Memberships(t.Context(), project)
		if slices.ContainsFunc(list, func(m Membership) bool { return m.Name == memberPath }) {
			t.Errorf("it is still there")
		}
		return err
	})
}

// TestWaitsForTheFleetAreBound, by the caller, by the wait's own bound, and by an
// interruption.
func TestWaitsForTheFleetAreBound(t *testing.T) {
	cloud, _ := fleetOn(t, gcptest.Options{OperationTime: time.Hour}, false)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	expect(t, cloud.CreateMembership(ctx, registration(), nil), "CW-GCP-TIMEOUT", "has not ended within")
	ctx, interrupt := context.WithCancel(t.Context())
	if err := cloud.CreateFeature(ctx, project, MCSFeature, nil, func(string) { interrupt() }); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
	began, passed := time.Now(), time.Duration(0)
	cloud.now = func() time.Time { return began.Add(passed) }
	cloud.pause = func(_ context.Context, d time.Duration) error { passed += d; return nil }
	expect(t, cloud.EnableServices(t.Context(), project, []string{"servicedirectory.googleapis.com"}, nil), "CW-GCP-TIMEOUT", "has not ended within 20m")
}

// TestAcrossProjects: the fleet's agent needs rights where the cluster is.
func TestAcrossProjects(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{}, true)
	if err := cloud.DeleteMembership(t.Context(), globalMemberPath, nil); err != nil {
		t.Fatal(err)
	}
	far := Membership{Name: "projects/lab-project/locations/europe-west1/memberships/far", Cluster: "projects/other-project/locations/europe-west1/clusters/far-cluster"}
	expect(t, cloud.CreateMembership(t.Context(), far, nil), "CW-FLEET-REGISTER", "does not have access to the GKE cluster project")
	google.SetPolicy("other-project", gcptest.Binding{Role: "roles/gkehub.serviceAgent", Members: []string{"serviceAccount:service-123456789012@gcp-sa-gkehub.iam.gserviceaccount.com"}})
	if err := cloud.CreateMembership(t.Context(), far, nil); err != nil {
		t.Error(err)
	}
}
