package gcptest

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestPolicyVersions: conditions are shown to those who ask for version 3 alone, and
// are lost to nobody who writes under an etag.
func TestPolicyVersions(t *testing.T) {
	s := Serve(t, Options{}, "fleet")
	read := func(version string) object {
		return must(t, s, "POST", projectPath+":getIamPolicy", `{"options":{"requestedPolicyVersion":`+version+`}}`)
	}
	write := func(policy object, more string) (int, string) {
		body, err := json.Marshal(policy)
		if err != nil {
			t.Fatal(err)
		}
		status, out := do(t, s, "POST", projectPath+":setIamPolicy", `{"policy":`+string(body)+more+`}`)
		return status, fmt.Sprint(out)
	}
	plain := read("3")
	if fmt.Sprint(plain["version"]) != "1" || fmt.Sprint(read("1")) != fmt.Sprint(plain) {
		t.Errorf("without conditions %v", plain)
	}
	s.SetPolicy("lab-project", Binding{"roles/viewer", []string{"user:a@example.com"}, "true"}, Binding{"roles/owner", []string{Owner}, ""})
	if status, text := write(plain, ""); status != 409 || !strings.Contains(text, "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.") || !strings.Contains(text, "ABORTED") {
		t.Errorf("an etag of before: %d %s", status, text)
	}
	if status, _ := do(t, s, "POST", projectPath+":getIamPolicy", `{"options":{"requestedPolicyVersion":2}}`); status != 400 {
		t.Errorf("version 2: %d", status)
	}
	older := must(t, s, "POST", projectPath+":getIamPolicy", "{}")
	if text := fmt.Sprint(older); strings.Contains(text, "condition:") || !strings.Contains(text, "roles/viewer_withcond_") {
		t.Errorf("as version 1: %s", text)
	}
	if status, text := write(older, ""); status != 400 || !strings.Contains(text, "version must be 3") {
		t.Errorf("version 1 over conditions: %d %s", status, text)
	}
	newer := read("3")
	if fmt.Sprint(newer["version"]) != "3" {
		t.Errorf("as version 3: %v", newer)
	}
	newer["bindings"] = append(newer["bindings"].([]any), object{"role": "roles/owner", "members": []any{"user:b@example.com", Owner}}, object{"role": "roles/editor", "members": []any{}})
	newer["auditConfigs"] = []any{object{"service": "allServices"}}
	if status, text := write(newer, ""); status != 200 || strings.Contains(text, "auditConfigs") {
		t.Errorf("the usual mask: %d %s", status, text)
	}
	again := read("3")
	if text := fmt.Sprint(again["bindings"]); strings.Count(text, "roles/owner") != 1 || !strings.Contains(text, "user:b@example.com") || strings.Contains(text, "editor") || again["etag"] == newer["etag"] {
		t.Errorf("bindings are kept as %s", text)
	}
	again["auditConfigs"] = newer["auditConfigs"]
	if status, text := write(again, `,"updateMask":"bindings,etag,auditConfigs"`); status != 200 || !strings.Contains(text, "allServices") {
		t.Errorf("a mask with auditConfigs: %d %s", status, text)
	}
	delete(older, "etag")
	older["bindings"] = []any{object{"role": "roles/owner", "members": []any{Owner}}}
	if status, _ := write(older, ""); status != 200 || fmt.Sprint(read("3")["version"]) != "1" {
		t.Error("without an etag whoever comes last wins")
	}
	for sentence, binding := range map[string]object{
		"a condition in version 1": {"role": "roles/viewer", "members": []any{"user:a@example.com"}, "condition": object{"title": "t", "expression": "true"}},
		"a role of nobody":         {"role": "roles/nothing", "members": []any{"user:a@example.com"}},
		"a member without a kind":  {"role": "roles/viewer", "members": []any{"a@example.com"}},
		"a member of a kind":       {"role": "roles/viewer", "members": []any{"person:a@example.com"}},
		"everybody":                {"role": "roles/viewer", "members": []any{"allAuthenticatedUsers"}},
	} {
		if status, text := write(object{"version": 1, "bindings": []any{binding}}, ""); status != 400 {
			t.Errorf("%s: %d %s", sentence, status, text)
		}
	}
}

// TestASnapshotShowsAPolicyAndNotItsEtag: granted and taken back is as before.
func TestASnapshotShowsAPolicyAndNotItsEtag(t *testing.T) {
	s := Serve(t, Options{}, "fleet")
	before := string(s.Snapshot())
	owner := Binding{"roles/owner", []string{Owner}, ""}
	s.SetPolicy("lab-project", owner, Binding{"roles/viewer", []string{"user:a@example.com"}, ""})
	if between := string(s.Snapshot()); between == before || !strings.Contains(between, "user:a@example.com") {
		t.Error("a grant is not seen")
	}
	s.SetPolicy("lab-project", owner)
	if string(s.Snapshot()) != before {
		t.Error("the etag is seen")
	}
}

// TestAPolicyBySeed stands beside its project.
func TestAPolicyBySeed(t *testing.T) {
	s := Serve(t, Options{}, "fleet")
	if err := s.Fill(Seed{Resources: []SeedObject{{Path: "projects/lab-project/iamPolicy", Body: object{"bindings": []any{object{"role": "roles/viewer", "members": []any{"user:a@example.com"}}}}},
		{Path: "projects/lab-project/locations/global/features/" + mcsFeature, Body: object{}}}}); err != nil {
		t.Fatal(err)
	}
	got := must(t, s, "POST", projectPath+":getIamPolicy", "")
	if bindings := got["bindings"].([]any); len(bindings) != 1 || got["etag"] == "" {
		t.Errorf("%v", got)
	}
	if state, _ := s.Object("projects/lab-project/locations/global/features/" + mcsFeature)["resourceState"].(object); text(state, "state") != "ACTIVE" {
		t.Errorf("%v", state)
	}
	if err := s.Fill(Seed{Resources: []SeedObject{{Path: "projects/lab-project/iamPolicy", Body: object{"binding": 1}}}}); err == nil {
		t.Error("a field that is none is taken")
	}
}
