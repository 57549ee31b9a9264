package gcptest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const gkeMember = `{"endpoint":{"gkeCluster":{"resourceLink":"//container.googleapis.com/projects/lab-project/locations/europe-west3/clusters/private-cluster"}}}`

// ended asks for an operation until it is done.
func ended(t *testing.T, s *Server, service string, op object) object {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); op["done"] != true; {
		if time.Now().After(deadline) {
			t.Fatalf("%v never ends", op)
		}
		op = must(t, s, "GET", "/"+service+"/v1/"+text(op, "name"), "")
	}
	return op
}

// TestAFleetsLife: a membership is CREATING, READY, DELETING, gone; a feature likewise;
// its cluster follows; a repeated requestId is the same call.
func TestAFleetsLife(t *testing.T) {
	s := Serve(t, Options{OperationTime: 30 * time.Millisecond}, "fleet")
	before := string(s.Snapshot())
	at, cluster := "projects/lab-project/locations/europe-west3/memberships/m", "projects/lab-project/locations/europe-west3/clusters/private-cluster"
	state := func(path, field, inner string) string {
		of, _ := s.Object(path)[field].(object)
		return text(of, inner)
	}
	create := hubPath + "europe-west3/memberships?membershipId=m&requestId=11111111-1111-4111-8111-111111111111"
	op := must(t, s, "POST", create, gkeMember)
	if again := must(t, s, "POST", create, gkeMember); again["name"] != op["name"] {
		t.Errorf("the same request twice: %v, %v", op["name"], again["name"])
	}
	if got := state(at, "state", "code"); got != "CREATING" {
		t.Errorf("at first it is %s", got)
	}
	op = ended(t, s, "gkehub", op)
	if answer, _ := op["response"].(object); text(answer, "name") != at || text(op["metadata"].(object), "target") != strings.Replace(at, "lab-project", "123456789012", 1) {
		t.Errorf("the operation ends as %v", op)
	}
	if state(at, "state", "code") != "READY" || state(cluster, "fleet", "membership") != "//gkehub.googleapis.com/projects/123456789012/locations/europe-west3/memberships/m" {
		t.Errorf("then %v, %v", s.Object(at), s.Object(cluster)["fleet"])
	}
	ended(t, s, "gkehub", must(t, s, "PATCH", "/gkehub/v1/projects/123456789012/locations/europe-west3/memberships/m?updateMask=labels,authority.issuer", `{"labels":{"a":"b"}}`))
	if state(at, "labels", "a") != "b" {
		t.Errorf("after a patch %v", s.Object(at))
	}
	feature := "projects/lab-project/locations/global/features/" + mcsFeature
	op = must(t, s, "POST", hubPath+"global/features?featureId="+mcsFeature, `{}`)
	if got := state(feature, "resourceState", "state"); got != "ENABLING" {
		t.Errorf("at first the feature is %s", got)
	}
	ended(t, s, "gkehub", op)
	listed := must(t, s, "GET", hubPath+"global/features", "")["resources"].([]any)
	states, _ := listed[0].(object)["membershipStates"].(object)
	if got := slices.Sorted(maps.Keys(states)); state(feature, "resourceState", "state") != "ACTIVE" || len(got) != 1 || got[0] != "projects/123456789012/locations/europe-west3/memberships/m" {
		t.Errorf("features %v", listed)
	}
	ended(t, s, "gkehub", must(t, s, "PATCH", hubPath+"global/features/"+mcsFeature+"?updateMask=labels", `{"labels":{"a":"b"}}`))
	for _, path := range []string{"global/features/" + mcsFeature, "europe-west3/memberships/m"} {
		op := must(t, s, "DELETE", hubPath+path, "")
		if got := state(feature, "resourceState", "state"); strings.Contains(path, "features") && got != "DISABLING" {
			t.Errorf("on its way out the feature is %s", got)
		}
		ended(t, s, "gkehub", op)
	}
	if diff := cmp.Diff(before, string(s.Snapshot())); diff != "" {
		t.Errorf("left: %s", diff)
	}
}

// TestAFailureOfTheHubTakesBack what its call began.
func TestAFailureOfTheHubTakesBack(t *testing.T) {
	s := Serve(t, Options{}, "fleet", "fleet-members")
	s.SetFeatureState("lab-project", mcsFeature, "ACTIVE", "", "")
	before := string(s.SnapshotWithout(Volatile()...))
	s.Inject(Fault{Match: "gkehub.*(create|delete)", OperationError: &OperationError{Status: 403, Message: "no"}})
	for _, call := range [][3]string{
		{"POST", "europe-west3/memberships?membershipId=m", `{}`}, {"DELETE", "europe-west3/memberships/private-cluster", ""},
		{"POST", "global/features?featureId=configmanagement", "{}"}, {"DELETE", "global/features/" + mcsFeature, ""},
	} {
		op := ended(t, s, "gkehub", must(t, s, call[0], hubPath+call[1], call[2]))
		if failure, _ := op["error"].(object); text(failure, "message") != "no" || fmt.Sprint(failure["code"]) != "7" {
			t.Errorf("%s %s ends as %v", call[0], call[1], op)
		}
	}
	if diff := cmp.Diff(before, string(s.SnapshotWithout(Volatile()...))); diff != "" {
		t.Errorf("left: %s", diff)
	}
}

func TestWhatTheHubRefuses(t *testing.T) {
	s := Serve(t, Options{}, "fleet", "fleet-members")
	s.Disable("lab-project", "multiclusterservicediscovery.googleapis.com")
	for sentence, test := range map[string]struct {
		verb, path, body string
		status           int
		part             string
	}{
		"a membership's bad name":          {"POST", "global/memberships?membershipId=Bad_", `{}`, 400, "DNS label"},
		"one that exists":                  {"POST", "global/memberships?membershipId=attached", `{}`, 409, "already exists"},
		"a cluster that does not exist":    {"POST", "global/memberships?membershipId=x", `{"endpoint":{"gkeCluster":{"resourceLink":"//container.googleapis.com/projects/p/locations/l/clusters/c"}}}`, 400, "was not found"},
		"a field that does not exist":      {"POST", "global/memberships?membershipId=x", `{"cluster":"x"}`, 400, "Unknown name"},
		"none to read":                     {"GET", "global/memberships/none", "", 404, "was not found"},
		"none to delete":                   {"DELETE", "global/memberships/none", "", 404, "was not found"},
		"none to patch":                    {"PATCH", "global/memberships/none?updateMask=labels", "{}", 404, "was not found"},
		"a feature elsewhere":              {"POST", "europe-west3/features?featureId=x", "{}", 400, "location global"},
		"a feature whose API is off":       {"POST", "global/features?featureId=" + mcsFeature, "{}", 400, "multiclusterservicediscovery.googleapis.com is not enabled"},
		"a feature that is off, to read":   {"GET", "global/features/" + mcsFeature, "", 404, "was not found"},
		"a feature that is off, to go":     {"DELETE", "global/features/" + mcsFeature, "", 404, "was not found"},
		"a filter":                         {"GET", "-/memberships?filter=x", "", 400, "not emulated"},
		"an operation that does not exist": {"GET", "global/operations/x", "", 404, "was not found"},
	} {
		t.Run(sentence, func(t *testing.T) {
			status, out := do(t, s, test.verb, hubPath+test.path, test.body)
			if failure, _ := out["error"].(object); status != test.status || !strings.Contains(text(failure, "message"), test.part) {
				t.Errorf("%d %v", status, out)
			}
		})
	}
	s.TakeViolations() // of the unknown field
	s.SetUnreachable("gkehub", "global", "us-east1")
	if status, _ := do(t, s, "GET", hubPath+"global/memberships/attached", ""); status != 503 {
		t.Errorf("what lies where nobody answers: %d", status)
	}
	if status, _ := do(t, s, "DELETE", hubPath+"global/memberships/attached", ""); status != 503 {
		t.Errorf("what lies where nobody answers, to go: %d", status)
	}
	answer := must(t, s, "GET", hubPath+"-/memberships", "")
	if len(answer["resources"].([]any)) != 2 || len(answer["unreachable"].([]any)) != 2 {
		t.Errorf("%v", answer)
	}
	s.SetUnreachable("gkehub")
	first := must(t, s, "GET", hubPath+"-/memberships?pageSize=3", "")
	second := must(t, s, "GET", hubPath+"-/memberships?pageSize=3&pageToken="+text(first, "nextPageToken"), "")
	if len(first["resources"].([]any)) != 3 || len(second["resources"].([]any)) != 1 || second["nextPageToken"] != nil {
		t.Errorf("pages %v and %v", first, second)
	}
	if here := must(t, s, "GET", hubPath+"global/memberships", "")["resources"].([]any); len(here) != 2 {
		t.Errorf("of one location: %v", here)
	}
}

// TestServicesAreEnabledAndDisabled as Service Usage says.
func TestServicesAreEnabledAndDisabled(t *testing.T) {
	const base, name = "/serviceusage/v1/projects/lab-project/services", "servicedirectory.googleapis.com"
	s := Serve(t, Options{OperationTime: 20 * time.Millisecond}, "fleet")
	on := func() bool { return must(t, s, "GET", base+"/"+name, "")["state"] == "ENABLED" }
	op := must(t, s, "POST", base+"/"+name+":enable", "{}")
	if on() || op["done"] == true {
		t.Error("it is on before the operation ends")
	}
	ended(t, s, "serviceusage", op)
	if !on() {
		t.Error("it is not on")
	}
	if op := must(t, s, "POST", base+":batchEnable", `{"serviceIds":["`+name+`","gkehub.googleapis.com"]}`); op["name"] != "operations/noop.DONE_OPERATION" {
		t.Errorf("what is on: %v", op)
	}
	for body, path := range map[string]string{`{"serviceIds":[]}`: ":batchEnable", `{"serviceIds":["` + strings.Repeat(`a.googleapis.com","`, 20) + `b.googleapis.com"]}`: ":batchEnable",
		`{}`: "/dns.example.com:enable", `{"disableDependentServices":false}`: "/never.googleapis.com:disable"} {
		if status, out := do(t, s, "POST", base+path, body); status < 400 {
			t.Errorf("%s %s: %d %v", path, body, status, out)
		}
	}
	s.AddDependency("gkeconnect.googleapis.com", "gkehub.googleapis.com")
	if status, out := do(t, s, "POST", base+"/gkehub.googleapis.com:disable", "{}"); status != 400 || text(out["error"].(object), "status") != "FAILED_PRECONDITION" {
		t.Errorf("%d %v", status, out)
	}
	ended(t, s, "serviceusage", must(t, s, "POST", base+"/gkehub.googleapis.com:disable", `{"disableDependentServices":true}`))
	if status, _ := do(t, s, "GET", hubPath+"-/memberships", ""); status != 403 {
		t.Errorf("the hub answers with its API off: %d", status)
	}
	if status, _ := do(t, s, "GET", "/serviceusage/v1/operations/x", ""); status != 404 {
		t.Errorf("an operation of nobody: %d", status)
	}
}
