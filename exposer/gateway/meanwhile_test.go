package gateway

import (
	"context"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

func TestWhoHasTheRoleByAnotherGetsNothing(t *testing.T) {
	t.Parallel()
	w := registered(t, with(plain(), func(o *exposer.Gateway) {
		o.Members = []string{alice, bob, "user:carol@example.com", "user:dave@example.com"}
		o.Role = "reader"
	}))
	edit(t, w, admin, alice, true)      // a role that allows more
	edit(t, w, reader, bob, true)       // the role itself
	role(t, w, "half", mayGet, mayMake) // with the other half, all of it
	role(t, w, "rest", "gkehub.memberships.get", "serviceusage.services.get", "resourcemanager.projects.get", "resourcemanager.projects.list")
	edit(t, w, "projects/lab-project/roles/half", "user:dave@example.com", true)
	edit(t, w, "projects/lab-project/roles/rest", "user:dave@example.com", true)
	before := w.State()
	plan := apply(t, w)
	for member, want := range map[string]exposer.Action{alice: exposer.Keep, bob: exposer.Keep, "user:dave@example.com": exposer.Keep,
		"user:carol@example.com": exposer.Change} { // carol has it under a condition alone
		if got := item(t, plan, grantID(reader, member)); got.Action != want {
			t.Errorf("%s: %s %s", member, got.Action, got.Why)
		}
	}
	if why := item(t, plan, grantID(reader, alice)).Why; !strings.Contains(why, "by "+admin) {
		t.Errorf("alice: %s", why)
	}
	if has(t, w, reader, alice) {
		t.Error("alice was granted what she has already")
	}
	items := destroy(t, w)
	if items[grantID(reader, bob)].Outcome != exposer.Left || items[grantID(reader, "user:carol@example.com")].Outcome != exposer.Restored || items[membershipID].Outcome != exposer.Left {
		t.Errorf("%+v", items)
	}
	w.Gone(t, before)
}

// TestAMemberWhoIsDroppedLosesTheRole: at the next apply, and the record forgets
// him, so that what an admin grants him later is the admin's.
func TestAMemberWhoIsDroppedLosesTheRole(t *testing.T) {
	t.Parallel()
	w := registered(t, with(plain(), func(o *exposer.Gateway) { o.Members = []string{alice, bob} }))
	before := w.State()
	apply(t, w)
	w.Spec.Gateway = &exposer.Gateway{Membership: "private-cluster", AuthPlugin: exposer.PluginCauseway, Members: []string{alice}, Role: "admin"}
	plan := apply(t, w)
	if got := item(t, plan, grantID(reader, bob)); got.Action != exposer.Change || !strings.Contains(got.Why, "an earlier spec granted it") {
		t.Errorf("bob's role: %s %s", got.Action, got.Why)
	}
	if has(t, w, reader, bob) || has(t, w, reader, alice) || !has(t, w, admin, alice) {
		t.Error("the policy has not what the new spec says, or more")
	}
	if plan := apply(t, w); !plan.Empty() {
		t.Errorf("the plan after it: %+v", plan.Items)
	}
	edit(t, w, reader, bob, true)
	if plan := apply(t, w); !plan.Empty() || !has(t, w, reader, bob) {
		t.Error("an admin's grant was taken away by an apply")
	}
	destroy(t, w)
	if !has(t, w, reader, bob) || has(t, w, admin, alice) {
		t.Error("destroy took what an admin granted, or left what the exposure did")
	}
	edit(t, w, reader, bob, false)
	w.Gone(t, before)
}

func TestWhatAnotherExposureNeedsStays(t *testing.T) {
	t.Parallel()
	first := world(t, with(plain(), func(o *exposer.Gateway) { o.Members = []string{alice, bob} }))
	before := first.State()
	apply(t, first)
	second := *first
	second.Spec = forAlice()
	second.Spec.Name = first.Spec.Name + "b"
	second.Spec = second.Spec.WithDefaults()
	apply(t, &second)
	items := destroy(t, first)
	for _, id := range []string{membershipID, grantID(reader, alice)} {
		if got := items[id]; got.Outcome != exposer.Left || !strings.Contains(got.Why, "exposure "+second.Spec.Name+" still needs it") {
			t.Errorf("%s: %+v", id, got)
		}
	}
	if items[grantID(reader, bob)].Outcome != exposer.Restored || has(t, first, reader, bob) {
		t.Errorf("bob, whom the other does not let in: %+v", items[grantID(reader, bob)])
	}
	if plan := apply(t, &second); !plan.Empty() {
		t.Errorf("the other exposure: %+v", plan.Items)
	}
	// Whoever is last has them by then, and takes them away.
	items = destroy(t, &second)
	if items[membershipID].Outcome != exposer.Removed || items[grantID(reader, alice)].Outcome != exposer.Restored {
		t.Errorf("the last one: %+v", items)
	}
	first.Gone(t, before)
	second.Gone(t, before)
}

// TestAMembershipOfAnotherNameIsFoundByItsLink: one of the older kind, in global; the
// fleet has the cluster's own name as well, for others.
func TestAMembershipOfAnotherNameIsFoundByItsLink(t *testing.T) {
	t.Parallel()
	w := world(t, plain())
	more, err := gcptest.ReadSeed("../../testdata/gcptest/fleet-members.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Google.Fill(more); err != nil {
		t.Fatal(err)
	}
	w.Google.Remove(membershipAt)
	const old = "projects/lab-project/locations/global/memberships/frankfurt"
	member(t, w, old, clusterAt)
	before := w.State()
	plan := apply(t, w)
	if got := item(t, plan, "membership/global/frankfurt"); got.Action != exposer.Keep || !plan.Empty() {
		t.Errorf("%s: %+v", got.Action, plan.Items)
	}
	x := open(t, w)
	end, err := x.Endpoint(t.Context())
	if err != nil || end.URL != "https://connectgateway.googleapis.com/v1/projects/123456789012/locations/global/gkeMemberships/frankfurt" {
		t.Errorf("%+v %v", end, err)
	}
	if got := x.Spec().Gateway.Context; got != "connectgateway_lab-project_global_frankfurt" {
		t.Errorf("the context's name: %s", got)
	}
	if items := destroy(t, w); items["membership/global/frankfurt"].Outcome != exposer.Left {
		t.Errorf("%+v", items)
	}
	w.Gone(t, before)
}

// TestTheFleetIsAnotherProjects: grants and APIs are of the project that hosts it.
func TestTheFleetIsAnotherProjects(t *testing.T) {
	t.Parallel()
	w := world(t, with(forAlice(), func(o *exposer.Gateway) { o.FleetProject = "hub-project" }))
	if err := w.Google.Fill(gcptest.Seed{Projects: []gcptest.SeedProject{{ID: "hub-project", Number: "777777777777",
		Services: []string{"cloudresourcemanager.googleapis.com", "serviceusage.googleapis.com", "gkehub.googleapis.com"}}}}); err != nil {
		t.Fatal(err)
	}
	untouched := w.State()
	if codes, text := problemsOf(t, w); !slices.Equal(codes, []string{"CW-FLEET-REGISTER"}) || !strings.Contains(text, "service-777777777777@gcp-sa-gkehub.") || w.State() != untouched {
		t.Errorf("the fleet's agent has no role in the cluster's project: %v\n%s", codes, text)
	}
	w.Google.Deny("resourcemanager.projects.getIamPolicy", "lab-project") // then Google says it
	if _, err := w.Apply(t.Context(), Method{}); explain.CodeOf(err) != "CW-FLEET-REGISTER" || !strings.Contains(err.Error(), "hub default service account") {
		t.Errorf("the fleet's agent has no rights in the cluster's project: %v", err)
	}
	w.Google.Allow("resourcemanager.projects.getIamPolicy")
	destroy(t, w)
	edit(t, w, "roles/gkehub.serviceAgent", "serviceAccount:service-777777777777@gcp-sa-gkehub.iam.gserviceaccount.com", true)
	before := w.State()
	plan := apply(t, w)
	item(t, plan, "apis/hub-project")
	item(t, plan, "grant/hub-project/"+reader+"/"+alice)
	if fleet, _ := w.Google.Object(clusterAt)["fleet"].(map[string]any); fleet["project"] != "777777777777" {
		t.Errorf("the cluster is in %v", fleet)
	}
	// The second apply finds it without being told, and so does a colleague.
	w.Spec = with(w.Spec, func(o *exposer.Gateway) { o.FleetProject = "" })
	if plan := apply(t, w); !plan.Empty() {
		t.Errorf("%+v", plan.Items)
	}
	end, err := open(t, w).Endpoint(t.Context())
	if err != nil || end.URL != "https://europe-west3-connectgateway.googleapis.com/v1/projects/777777777777/locations/europe-west3/gkeMemberships/private-cluster" {
		t.Errorf("%+v %v", end, err)
	}
	destroy(t, w)
	w.Gone(t, before)
}

// TestThePolicyChangesUnderOurHands: between plan and apply, and while it is written.
func TestThePolicyChangesUnderOurHands(t *testing.T) {
	t.Parallel()
	w := registered(t, forAlice())
	before := w.State()
	conflict := gcptest.Fault{Match: "^cloudresourcemanager.projects.setIamPolicy ", Status: 409, Reason: "aborted",
		Message: "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."}
	job := jobOf(t, w)
	exposure, plan, problems, err := job.Plan(t.Context(), w.Spec)
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v %v", err, problems)
	}
	edit(t, w, "roles/viewer", bob, true)
	conflict.Times = 2
	w.Google.Inject(conflict)
	run := exposer.Run{Spec: exposure.Spec(), Records: job.Records(exposure), Lock: exposure.Lock, Progress: w.Progress, Now: w.Now, By: job.By}
	if _, err := exposer.Apply(t.Context(), plan, run); err != nil {
		t.Fatal(err)
	}
	if !has(t, w, reader, alice) || !has(t, w, "roles/viewer", bob) {
		t.Error("one of the two changes is lost")
	}
	conflict.Times = 0
	w.Google.ClearFaults()
	w.Google.Inject(conflict)
	if _, err := w.Destroy(t.Context(), Method{}); explain.CodeOf(err) != "CW-IAM-CHANGED" {
		t.Errorf("changed at each attempt: %v", err)
	}
	w.Google.ClearFaults()
	destroy(t, w)
	edit(t, w, "roles/viewer", bob, false)
	w.Gone(t, before) // carol's conditional role among it
}

func TestAGrantThatSomebodyTookAway(t *testing.T) {
	t.Parallel()
	w := registered(t, with(plain(), func(o *exposer.Gateway) { o.Members = []string{alice, bob} }))
	before := w.State()
	apply(t, w)
	edit(t, w, reader, bob, false)
	_, _, err := jobOf(t, w).VerifyStanding(t.Context(), w.Spec)
	if explain.CodeOf(err) != "CW-GATEWAY-ROLE" || !strings.Contains(err.Error(), "somebody took it away") {
		t.Errorf("verify: %v", err)
	}
	status, err := jobOf(t, w).Status(t.Context(), w.Spec, 0)
	if err != nil || status.OK() || !slices.ContainsFunc(status.Drift, func(i exposer.Item) bool { return i.ID == grantID(reader, bob) }) {
		t.Errorf("status: %v %+v", err, status)
	}
	items := destroy(t, w)
	if items[grantID(reader, bob)].Outcome != exposer.Absent || items[grantID(reader, alice)].Outcome != exposer.Restored {
		t.Errorf("%+v", items)
	}
	w.Gone(t, before)
}

// TestIAMTakesAWhile: what was granted a moment ago is not known everywhere; it is
// waited for, and the wait has a bound.
func TestIAMTakesAWhile(t *testing.T) {
	t.Parallel()
	denied := gcptest.Fault{Match: "generateCredentials", Status: 403, Reason: "forbidden",
		Message: "Permission 'gkehub.gateway.generateCredentials' denied on resource '//gkehub.googleapis.com/projects/lab-project' (or it may not exist)."}
	for about, c := range map[string]struct {
		times int
		spec  exposer.Spec
		code  string
	}{
		"until it lets in":                    {times: 4, spec: forAlice()},
		"two minutes at most":                 {spec: forAlice(), code: "CW-GATEWAY-ROLE"},
		"not at all, where nobody got a role": {spec: plain(), code: "CW-GATEWAY-ROLE"},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := worldOf(t, c.spec, conformance.Options{Speed: 60})
			fault := denied
			fault.Times = c.times
			w.Google.Inject(fault)
			_, err := w.Apply(t.Context(), Method{})
			if explain.CodeOf(err) != c.code && !(c.code != "" && explain.CodeOf(err) == "CW-GCP-PERMISSION") {
				t.Errorf("apply: %v, want %q", err, c.code)
			}
			if c.code != "" && err != nil && !strings.Contains(err.Error(), "gkehub.gateway.generateCredentials") {
				t.Errorf("the right is not named: %v", err)
			}
			w.Google.ClearFaults()
			apply(t, w)
			destroy(t, w)
		})
	}
}

func TestAClusterThatIsGone(t *testing.T) {
	t.Parallel()
	w := world(t, forAlice())
	apply(t, w)
	w.Google.Remove(clusterAt)
	items := destroy(t, w)
	if items[membershipID].Outcome != exposer.Removed || items[grantID(reader, alice)].Outcome != exposer.Restored {
		t.Errorf("%+v", items)
	}
	if w.Google.Object(membershipAt) != nil || has(t, w, reader, alice) {
		t.Error("the membership or the grant is there still")
	}
	if _, err := w.Apply(t.Context(), Method{}); explain.CodeOf(err) != "CW-GCP-NOT-FOUND" {
		t.Errorf("apply without a cluster: %v", err)
	}
}

func TestAMembershipThatIsGone(t *testing.T) {
	t.Parallel()
	w := world(t, forAlice())
	before := w.State()
	apply(t, w)
	if err := jobOf(t, w).Deps.Google.DeleteMembership(t.Context(), membershipAt, func(string) {}); err != nil {
		t.Fatal(err)
	}
	_, _, err := jobOf(t, w).VerifyStanding(t.Context(), w.Spec)
	if explain.CodeOf(err) != "CW-FLEET-MEMBER" {
		t.Errorf("verify: %v", err)
	}
	if plan := apply(t, w); item(t, plan, membershipID).Action != exposer.Create { // --register is in the spec
		t.Errorf("%+v", plan.Items)
	}
	if err := jobOf(t, w).Deps.Google.DeleteMembership(t.Context(), membershipAt, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if items := destroy(t, w); items[membershipID].Outcome != exposer.Absent {
		t.Errorf("%+v", items)
	}
	w.Gone(t, before)
}

// TestAColleagueDestroysWithNoRecordOfHisOwn: the record in the cluster tells him
// what was granted.
func TestAColleagueDestroysWithNoRecordOfHisOwn(t *testing.T) {
	t.Parallel()
	w := world(t, forAlice())
	before := w.State()
	apply(t, w)
	colleague := *w
	colleague.Dir = t.TempDir()
	colleague.Spec = exposer.Spec{Method: "gateway", Name: w.Spec.Name, Cluster: w.Spec.Cluster}.WithDefaults()
	items := destroy(t, &colleague)
	if items[membershipID].Outcome != exposer.Removed || items[grantID(reader, alice)].Outcome != exposer.Restored || items["namespace/"+w.Spec.Namespace].Outcome != exposer.Removed {
		t.Errorf("%+v", items)
	}
	colleague.Gone(t, before)
}

func TestARightThatIsTakenAwayInTheMiddle(t *testing.T) {
	t.Parallel()
	w := world(t, forAlice())
	before := w.State()
	apply(t, w)
	w.Google.Deny("gkehub.memberships.delete")
	w.Google.Deny("resourcemanager.projects.setIamPolicy")
	items, err := w.Destroy(t.Context(), Method{})
	if explain.CodeOf(err) != "CW-GCP-PERMISSION" {
		t.Errorf("%v", err)
	}
	for _, one := range items {
		if one.ID == membershipID && one.Outcome != exposer.Left {
			t.Errorf("%+v", one)
		}
	}
	w.Google.Allow("gkehub.memberships.delete")
	w.Google.Allow("resourcemanager.projects.setIamPolicy")
	destroy(t, w)
	w.Gone(t, before)
}

// TestARegistrationThatDoesNotEnd is told after its bound, and gone on with.
func TestARegistrationThatDoesNotEnd(t *testing.T) {
	t.Parallel()
	w := worldOf(t, plain(), conformance.Options{Speed: 600})
	before := w.State()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w.Google.Inject(gcptest.Fault{Match: "gkehub.projects.locations.memberships.create", Times: 1,
		OperationError: &gcptest.OperationError{Code: "INTERNAL", Message: "try again"}})
	if _, err := w.Apply(ctx, Method{}); err == nil || !strings.Contains(err.Error(), "try again") {
		t.Errorf("an operation that fails: %v", err)
	}
	w.Google.ClearFaults()
	member(t, w, membershipAt, clusterAt)
	if err := w.Google.Change(membershipAt, func(o map[string]any) { o["state"] = map[string]any{"code": "CREATING"} }); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Apply(ctx, Method{}); explain.CodeOf(err) != "CW-FLEET-MEMBER" || !strings.Contains(err.Error(), "is not READY after 5m0s") {
		t.Errorf("one that stays CREATING: %v", err)
	}
	if err := w.Google.Change(membershipAt, func(o map[string]any) { o["state"] = map[string]any{"code": "READY"} }); err != nil {
		t.Fatal(err)
	}
	apply(t, w)
	destroy(t, w)
	if err := jobOf(t, w).Deps.Google.DeleteMembership(t.Context(), membershipAt, func(string) {}); err != nil {
		t.Fatal(err)
	}
	w.Gone(t, before)
}
