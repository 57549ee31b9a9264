package gcp

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"causeway/internal/gcptest"
)

// fleetOn is a door to the fleet's project, with both clusters registered if members.
func fleetOn(t *testing.T, options gcptest.Options, members bool) (*Cloud, *gcptest.Server) {
	t.Helper()
	seeds := []string{"fleet"}
	if members {
		seeds = append(seeds, "fleet-members")
	}
	google := gcptest.Serve(t, options, seeds...)
	return openOn(t, google, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token})), google
}

const (
	clusterPathOfFleet = "projects/lab-project/locations/europe-west3/clusters/private-cluster"
	memberPath         = "projects/lab-project/locations/europe-west3/memberships/private-cluster"
	globalMemberPath   = "projects/lab-project/locations/global/memberships/private-cluster"
)

// registration is what registers the fleet's first cluster.
func registration() Membership {
	return Membership{Name: memberPath, Cluster: clusterPathOfFleet, Issuer: WorkloadIssuer(clusterPathOfFleet)}
}

// TestGcloudShowsTheFleet: Google's own tool reads what the emulator and our doors
// read alike.
func TestGcloudShowsTheFleet(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{}, true)
	tool := newGcloud(t, google)
	if tool == nil {
		return
	}
	type shown struct {
		Name, UniqueID, ExternalID string
		Endpoint                   struct {
			GkeCluster struct{ ResourceLink string }
		}
		Authority struct{ WorkloadIdentityPool, Issuer string }
		State     struct{ Code string }
	}
	ours, _, err := cloud.Memberships(t.Context(), project)
	if err != nil || len(ours) != 4 {
		t.Fatalf("%d memberships, %v", len(ours), err)
	}
	var list []shown
	tool.describe(&list, "container", "fleet", "memberships", "list")
	names := map[string]Membership{}
	for _, one := range ours {
		names[one.Name] = one
	}
	for _, one := range list {
		m, ok := names[one.Name]
		if !ok || m.ExternalID != one.ExternalID || m.UniqueID != one.UniqueID || m.Cluster != clusterOf(one.Endpoint.GkeCluster.ResourceLink) ||
			m.State != one.State.Code || m.WorkloadPool != one.Authority.WorkloadIdentityPool || m.Issuer != one.Authority.Issuer {
			t.Errorf("gcloud lists %+v, we %+v", one, m)
		}
		delete(names, one.Name)
	}
	if len(names) > 0 {
		t.Errorf("gcloud does not list %v", names)
	}
	var one shown
	tool.describe(&one, "container", "fleet", "memberships", "describe", "private-cluster", "--location=global")
	if one.Name != globalMemberPath {
		t.Errorf("described %+v", one)
	}
}

// TestGcloudAndWeMakeTheSameFleet makes the same changes by both, step by step, and
// compares all that the two emulators then hold.
func TestGcloudAndWeMakeTheSameFleet(t *testing.T) {
	noon := func() time.Time { return time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC) }
	options := gcptest.Options{OperationTime: 20 * time.Millisecond, Now: noon}
	cloud, oursGoogle := fleetOn(t, options, true)
	_, theirGoogle := fleetOn(t, options, true)
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
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fleet := []string{"container", "fleet", "multi-cluster-services"}
	must(cloud.CreateFeature(t.Context(), project, MCSFeature, nil, nil))
	tool.run(append(fleet, "enable")...)
	same("the feature")
	var described struct {
		Name             string
		ResourceState    struct{ State string }
		MembershipStates map[string]struct {
			State struct{ Code, Description string }
		}
	}
	tool.describe(&described, append(fleet, "describe")...)
	found, err := cloud.Feature(t.Context(), project, MCSFeature)
	must(err)
	if found.State != described.ResourceState.State || found.Name != described.Name || len(found.Members) != len(described.MembershipStates) {
		t.Errorf("gcloud describes %+v, we read %+v", described, found)
	}
	for name, state := range found.Members {
		if theirs := described.MembershipStates[name].State; theirs.Code != state.Code || theirs.Description != state.Description {
			t.Errorf("%s is %+v for gcloud, %+v for us", name, theirs, state)
		}
	}
	const role, member = "roles/gkehub.gatewayReader", "user:alice@example.com"
	must(cloud.Grant(t.Context(), project, role, member))
	tool.run("projects", "add-iam-policy-binding", project, "--role="+role, "--member="+member, "--condition=None")
	same("a role")
	must(cloud.Revoke(t.Context(), project, role, member))
	tool.run("projects", "remove-iam-policy-binding", project, "--role="+role, "--member="+member, "--condition=None")
	same("the role taken back")
	must(cloud.EnableServices(t.Context(), project, []string{"servicedirectory.googleapis.com"}, nil))
	tool.run("services", "enable", "servicedirectory.googleapis.com")
	for name, google := range map[string]*gcptest.Server{"gcloud": theirGoogle, "causeway": oursGoogle} {
		door := openOn(t, google, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token}))
		if missing, err := door.MissingServices(t.Context(), project, []string{"servicedirectory.googleapis.com"}); err != nil || len(missing) > 0 {
			t.Errorf("after %s's enable: %v, %v", name, missing, err)
		}
	}
	must(cloud.DisableService(t.Context(), project, "servicedirectory.googleapis.com", nil))
	tool.run("services", "disable", "servicedirectory.googleapis.com")
	for name, google := range map[string]*gcptest.Server{"gcloud": theirGoogle, "causeway": oursGoogle} {
		door := openOn(t, google, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token}))
		if err := door.DeleteMembership(t.Context(), memberPath, nil); err != nil {
			t.Fatalf("unregister for %s: %v", name, err)
		}
	}
	must(cloud.CreateMembership(t.Context(), registration(), nil))
	tool.run("container", "fleet", "memberships", "register", "private-cluster", "--gke-cluster="+area+"/private-cluster", "--enable-workload-identity", "--quiet")
	same("a registration")
	must(cloud.DeleteMembership(t.Context(), globalMemberPath, nil))
	tool.run("container", "fleet", "memberships", "delete", "private-cluster", "--location=global", "--quiet")
	same("a membership")
	must(cloud.DeleteFeature(t.Context(), project, MCSFeature, nil))
	tool.run(append(fleet, "disable")...)
	same("all of it gone")
	if gone, err := cloud.Feature(t.Context(), project, MCSFeature); err != nil || gone != nil {
		t.Errorf("the feature is %+v, %v", gone, err)
	}
}
