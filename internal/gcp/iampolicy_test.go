package gcp

import (
	"context"
	"encoding/json"
	"io"
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
	reader     = "roles/gkehub.gatewayReader"
	alice      = "user:alice@example.com"
	getPolicy  = `projects\.getIamPolicy`
	setPolicy  = `projects\.setIamPolicy`
	policyPath = "projects/lab-project/iamPolicy"
	evenings   = `request.time.getHours("Europe/Berlin") >= 18`
)

// crowded gives the project a policy of which others rely on every part.
func crowded(t *testing.T, google *gcptest.Server) {
	t.Helper()
	google.SetPolicy(project,
		gcptest.Binding{Role: "roles/owner", Members: []string{gcptest.Owner}},
		gcptest.Binding{Role: reader, Members: []string{"group:readers@example.com"}},
		gcptest.Binding{Role: reader, Members: []string{alice}, Condition: evenings},
		gcptest.Binding{Role: "roles/viewer", Members: []string{"deleted:user:gone@example.com?uid=123"}})
	if err := google.Change(policyPath, func(o map[string]any) {
		o["auditConfigs"] = []any{map[string]any{"service": "allServices", "auditLogConfigs": []any{map[string]any{"logType": "DATA_READ"}}}}
	}); err != nil {
		t.Fatal(err)
	}
}

func TestARoleGrantedAndTakenBack(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{}, false)
	crowded(t, google)
	before, ctx := string(google.Snapshot()), t.Context()
	if err := cloud.Grant(ctx, project, reader, alice); err != nil {
		t.Fatal(err)
	}
	got, err := cloud.Policy(ctx, project)
	want := Policy{Version: 3, Etag: got.Etag, Bindings: []Binding{
		{"roles/owner", []string{gcptest.Owner}, ""},
		{reader, []string{"group:readers@example.com", alice}, ""},
		{reader, []string{alice}, evenings},
		{"roles/viewer", []string{"deleted:user:gone@example.com?uid=123"}, ""},
	}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for member, has := range map[string]bool{alice: true, "user:Alice@Example.com": true, "user:bob@example.com": false, "group:readers@example.com": true} {
		if got.Has(reader, member) != has {
			t.Errorf("%s has the role: %t", member, !has)
		}
	}
	google.ResetRequests()
	if err := cloud.Grant(ctx, project, reader, "user:ALICE@example.com"); err != nil {
		t.Fatal(err)
	}
	if err := cloud.Revoke(ctx, project, "roles/editor", alice); err != nil {
		t.Fatal(err)
	}
	if _, writes := google.Counts(); writes != 0 {
		t.Errorf("%d writes for what is so already", writes)
	}
	if err := cloud.Revoke(ctx, project, reader, alice); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Errorf("the policy is another one than before: %s", diff)
	}
	for _, change := range []func(context.Context, string, string, string) error{cloud.Grant, cloud.Revoke} { // a binding of its own comes and goes
		if err := change(ctx, project, "roles/gkehub.viewer", "principal://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/lab-project.svc.id.goog/subject/ns/gke-mcs/sa/gke-mcs-importer"); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Errorf("an empty binding is left: %s", diff)
	}
}

// TestAPolicyThatOthersChangeMeanwhile: between each read and its write somebody
// writes it; what he did survives, and so does what is ours, unless it never ends.
func TestAPolicyThatOthersChangeMeanwhile(t *testing.T) {
	for sentence, test := range map[string]struct {
		times int
		code  string
	}{"once": {1, ""}, "three times": {3, ""}, "for ever": {1 << 30, "CW-IAM-CHANGED"}} {
		t.Run(sentence, func(t *testing.T) {
			google := gcptest.Serve(t, gcptest.Options{}, "fleet")
			crowded(t, google)
			reads, cloud := 0, openOn(t, google, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token}))
			between(cloud, func() {
				if reads++; reads > test.times {
					return
				}
				list := []gcptest.Binding{{Role: "roles/owner", Members: []string{gcptest.Owner}}}
				for i := range reads {
					list = append(list, gcptest.Binding{Role: "roles/viewer", Members: []string{"user:other" + string(rune('a'+i%26)) + "@example.com"}})
				}
				google.SetPolicy(project, list...)
			})
			err := cloud.Grant(t.Context(), project, reader, alice)
			if test.code != "" {
				expect(t, err, test.code, "at each of 8 attempts")
				if google.Object(policyPath)["auditConfigs"] == nil || reads != 8 {
					t.Errorf("%d reads, %v", reads, google.Object(policyPath))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got, err := cloud.Policy(t.Context(), project)
			if err != nil || !got.Has(reader, alice) || !got.Has("roles/viewer", "user:othera@example.com") || google.Object(policyPath)["auditConfigs"] == nil {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// between does something after each read of a policy.
func between(c *Cloud, do func()) {
	c.rawProjects.client = &http.Client{Transport: after{c.rawProjects.client.Transport, ":getIamPolicy", do}}
}

type after struct {
	http.RoundTripper
	suffix string
	do     func()
}

func (a after) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := a.RoundTripper.RoundTrip(r)
	if strings.HasSuffix(r.URL.Path, a.suffix) {
		a.do()
	}
	return response, err
}

func TestTroubleOfAPolicy(t *testing.T) {
	refused := func(message string) gcptest.Fault {
		return gcptest.Fault{Match: setPolicy, Status: 400, Message: message}
	}
	meet(t, false, map[string]hubFault{
		"the read is cut off":        {fault: gcptest.Fault{Match: getPolicy, Nth: 1, CutOff: true}, calls: 4},
		"the read meets HTTP 503":    {fault: gcptest.Fault{Match: getPolicy, Times: 2, Status: 503}, calls: 5},
		"the write is cut off":       {fault: gcptest.Fault{Match: setPolicy, Nth: 1, CutOff: true}, calls: 3},
		"the write's answer is lost": {fault: gcptest.Fault{Match: setPolicy, Nth: 1, CutOff: true, AfterEffect: true}, calls: 3},
		"the write meets HTTP 429":   {fault: gcptest.Fault{Match: setPolicy, Nth: 1, Status: 429}, calls: 3},
		"the write meets a 409":      {fault: gcptest.Fault{Match: setPolicy, Nth: 1, Status: 409, Message: "There were concurrent policy changes."}, calls: 3},
		"the write meets a 412":      {fault: gcptest.Fault{Match: setPolicy, Nth: 1, Status: 412, Message: "etag"}, calls: 3},
		"a 409 for ever":             {fault: gcptest.Fault{Match: setPolicy, Status: 409, Message: "There were concurrent policy changes."}, code: "CW-IAM-CHANGED", part: "grant roles/gkehub.gatewayReader to user:alice@example.com in project lab-project", calls: 8},
		"HTTP 500 for ever":          {fault: gcptest.Fault{Match: setPolicy, Status: 500, Message: "Internal"}, code: "CW-GCP-UNAVAILABLE", part: "Internal", calls: 5},
		"the read is not allowed":    {fault: gcptest.Fault{Match: getPolicy, Status: 403, Message: "Permission 'resourcemanager.projects.getIamPolicy' denied on resource"}, code: "CW-GCP-PERMISSION", part: "missing permission resourcemanager.projects.getIamPolicy", calls: 1},
		"the write is not allowed":   {fault: gcptest.Fault{Match: setPolicy, Status: 403, Message: "Permission 'resourcemanager.projects.setIamPolicy' denied on resource"}, code: "CW-GCP-PERMISSION", part: "missing permission resourcemanager.projects.setIamPolicy", calls: 1},
		"an organisation's domains":  {fault: refused("One or more users named in the policy do not belong to a permitted customer."), code: "CW-GCP-ORG-POLICY", part: "permitted customer", calls: 1},
		"an organisation policy by HTTP 412": {fault: gcptest.Fault{Match: setPolicy, Status: 412, Message: "Constraint constraints/iam.allowedPolicyMemberDomains violated"},
			code: "CW-GCP-ORG-POLICY", part: "allowedPolicyMemberDomains", calls: 1},
		"a role that Google does not know": {fault: refused("Role roles/x is not supported for this resource."), code: "CW-IAM-ROLE", part: "roles/x"},
		"a custom role of elsewhere":       {fault: refused("Role (projects/p/roles/x) does not exist in the resource's hierarchy."), code: "CW-IAM-ROLE", part: "hierarchy"},
		"a pool that is not there":         {fault: refused("Identity Pool does not exist (p.svc.id.goog). Please check"), code: "CW-IAM-POOL", part: "p.svc.id.goog"},
		"another refusal":                  {fault: refused("Request contains an invalid argument."), part: "invalid argument"},
	}, func(c *Cloud) error {
		if err := c.Grant(t.Context(), project, reader, alice); err != nil {
			return err
		}
		got, err := c.Policy(t.Context(), project)
		if err == nil && !got.Has(reader, alice) {
			t.Errorf("it is not granted: %+v", got)
		}
		if err != nil {
			return err
		}
		return c.Revoke(t.Context(), project, reader, alice)
	})
}

// TestWhatGoogleDoesNotTake: the emulator's own refusals, in Google's words.
func TestWhatGoogleDoesNotTake(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{}, false)
	google.Forget("user:gone@example.com")
	before := string(google.Snapshot())
	for sentence, test := range map[string]struct{ role, member, code, part string }{
		"a misspelt role":           {"roles/gkehub.gatwayReader", alice, "CW-IAM-ROLE", "roles/gkehub.gatwayReader is not supported"},
		"somebody who is not there": {reader, "user:gone@example.com", "CW-IAM-MEMBER", "User gone@example.com does not exist"},
		"a pool of nobody":          {reader, "serviceAccount:other-project.svc.id.goog[gke-mcs/gke-mcs-importer]", "CW-IAM-POOL", "other-project.svc.id.goog"},
		"everybody":                 {reader, "allUsers", "", "invalid argument"},
	} {
		t.Run(sentence, func(t *testing.T) {
			expect(t, cloud.Grant(t.Context(), project, test.role, test.member), test.code, test.part)
		})
	}
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Errorf("something is left: %s", diff)
	}
	var many []string
	for i := range 1500 {
		many = append(many, "user:"+strings.Repeat("x", i/26+1)+string(rune('a'+i%26))+"@example.com")
	}
	google.SetPolicy(project, gcptest.Binding{Role: reader, Members: many})
	expect(t, cloud.Grant(t.Context(), project, reader, alice), "CW-IAM-FULL", "(1,501) is larger")
	_, err := cloud.Policy(t.Context(), "nobodys-project")
	expect(t, err, "CW-GCP-PERMISSION", "read IAM policy of project nobodys-project")
}

// TestAPolicyIsWrittenBackWhole: what this version of Google's API does not know yet
// stays as well, numbers as they stood there.
func TestAPolicyIsWrittenBackWhole(t *testing.T) {
	var sent map[string]any
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		if strings.HasSuffix(r.URL.Path, ":setIamPolicy") {
			if err := json.Unmarshal(body, &sent); err != nil {
				t.Error(err)
			}
		} else if !strings.Contains(string(body), `"requestedPolicyVersion":3`) {
			t.Errorf("read with %s", body)
		}
		_, _ = io.WriteString(w, `{"etag":"e","version":1,"serial":9007199254740993,"rules":[{"new":true}],"bindings":[{"role":"roles/x","members":["user:a@b.c"],"purpose":{"deep":[1]}},{"strange":1}]}`)
	}))
	defer server.Close()
	cloud, err := New(t.Context(), Config{TokenSource: oauth2.StaticTokenSource(&oauth2.Token{AccessToken: "t"}), Endpoints: Endpoints{ResourceManager: server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func() error{
		`"members":["user:a@b.c","user:alice@example.com"]`: func() error { return cloud.Grant(t.Context(), project, "roles/x", alice) },
		`"bindings":[{"strange":1}]`:                        func() error { return cloud.Revoke(t.Context(), project, "roles/x", "user:a@b.c") },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(sent["policy"])
		for _, part := range []string{what, `"rules":[{"new":true}]`, `"etag":"e"`, `"version":3`, `{"strange":1}`} {
			if !strings.Contains(string(text), part) {
				t.Errorf("sent %s, without %s", text, part)
			}
		}
	}
}

func TestRolesOfEveryKind(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{}, false)
	custom := gcptest.Seed{Resources: []gcptest.SeedObject{
		{Path: "projects/lab-project/roles/streamer", Body: map[string]any{"title": "Streamer", "includedPermissions": []any{"gkehub.gateway.stream", "gkehub.gateway.get"}}},
		{Path: "projects/lab-project/roles/old", Body: map[string]any{"deleted": true, "includedPermissions": []any{"gkehub.gateway.get"}}},
		{Path: "organizations/42/roles/all", Body: map[string]any{"includedPermissions": []any{"gkehub.gateway.post"}}},
		{Path: "projects/lab-project/roles/none", Body: map[string]any{}},
	}}
	if err := google.Fill(custom); err != nil {
		t.Fatal(err)
	}
	for role, want := range map[string][]string{
		reader:                                 {"gkehub.gateway.generateCredentials", "gkehub.gateway.get", "gkehub.memberships.get", "serviceusage.services.get"},
		"projects/lab-project/roles/streamer":  {"gkehub.gateway.get", "gkehub.gateway.stream"},
		"projects/123456789012/roles/streamer": {"gkehub.gateway.get", "gkehub.gateway.stream"},
		"organizations/42/roles/all":           {"gkehub.gateway.post"},
		"projects/lab-project/roles/old":       nil,
		"projects/lab-project/roles/none":      nil,
	} {
		if got, err := cloud.RolePermissions(t.Context(), role); err != nil || cmp.Diff(want, got) != "" {
			t.Errorf("%s: %v, %v", role, got, err)
		}
	}
	for role, stream := range map[string]bool{"roles/gkehub.gatewayAdmin": true, "roles/gkehub.gatewayEditor": false, "roles/owner": true, "roles/viewer": false} {
		if got, err := cloud.RolePermissions(t.Context(), role); err != nil || slices.Contains(got, "gkehub.gateway.stream") != stream {
			t.Errorf("%s: %v, %v", role, got, err)
		}
	}
	_, err := cloud.RolePermissions(t.Context(), "roles/nothing")
	expect(t, err, "CW-GCP-NOT-FOUND", "read role roles/nothing")
	google.Deny("iam.roles.get")
	_, err = cloud.RolePermissions(t.Context(), "projects/lab-project/roles/streamer")
	expect(t, err, "CW-GCP-PERMISSION", "missing permission iam.roles.get")
	google.Inject(gcptest.Fault{Match: `iam\.roles\.get`, Times: 2, Status: 503})
	if _, err := cloud.RolePermissions(t.Context(), reader); err != nil {
		t.Errorf("after trouble that passes: %v", err)
	}
}

// TestARehearsalOfTheFleetSendsNothing, and tells what would be sent.
func TestARehearsalOfTheFleetSendsNothing(t *testing.T) {
	cloud, google := fleetOn(t, gcptest.Options{}, true)
	before := string(google.Snapshot())
	var told []string
	ctx := Rehearse(t.Context(), func(c Call) { told = append(told, c.Method+" "+c.Path) })
	started := time.Now()
	for _, err := range []error{
		cloud.CreateMembership(ctx, registration(), nil), cloud.DeleteMembership(ctx, memberPath, nil),
		cloud.CreateFeature(ctx, project, MCSFeature, nil, nil), cloud.DeleteFeature(ctx, project, MCSFeature, nil),
		cloud.Grant(ctx, project, reader, alice), cloud.EnableServices(ctx, project, []string{"dns.googleapis.com"}, nil),
		cloud.DisableService(ctx, project, "dns.googleapis.com", nil),
	} {
		if !Rehearsed(err) {
			t.Errorf("not rehearsed: %v", err)
		}
	}
	const hub = "/v1/projects/lab-project/locations/"
	if diff := cmp.Diff([]string{"POST " + hub + "europe-west3/memberships", "DELETE " + hub + "europe-west3/memberships/private-cluster",
		"POST " + hub + "global/features", "DELETE " + hub + "global/features/" + MCSFeature, "POST /v1/projects/lab-project:setIamPolicy",
		"POST /v1/projects/lab-project/services:batchEnable", "POST /v1/projects/lab-project/services/dns.googleapis.com:disable"}, told); diff != "" {
		t.Error(diff)
	}
	if string(google.Snapshot()) != before || time.Since(started) > 20*time.Second {
		t.Error("something was sent")
	}
}
