package gcptest

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest/discovery"
)

const regionPath = "/compute/v1/projects/lab-project/regions/europe-west3"

// do makes one call with the token and returns status and body.
func do(t *testing.T, s *Server, verb, path, body string) (int, object) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), verb, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+Token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var out object
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatalf("%s %s: %v\n%s", verb, path, err, raw)
	}
	return answer.StatusCode, out
}

// must is do for a call that succeeds.
func must(t *testing.T, s *Server, verb, path, body string) object {
	t.Helper()
	status, out := do(t, s, verb, path, body)
	if status != http.StatusOK {
		t.Fatalf("%s %s: %d %v", verb, path, status, out)
	}
	return out
}

const internalAddress = `{"name":"a","addressType":"INTERNAL","subnetwork":"regions/europe-west3/subnetworks/default"}`

func TestEachWantedMethodIsEmulated(t *testing.T) {
	s := Serve(t, Options{})
	wanted := []string{generateMethod} // has no discovery document
	for _, ids := range discovery.Wanted() {
		wanted = append(wanted, ids...)
	}
	slices.Sort(wanted)
	if diff := cmp.Diff(wanted, slices.Sorted(maps.Keys(s.handlers))); diff != "" {
		t.Errorf("methods of the extract (-) and handlers (+): %s", diff)
	}
}

// TestEachMethodAnswersAsItsDocumentSays calls every method once; Serve's cleanup
// fails the test for an answer that the documents do not allow.
func TestEachMethodAnswersAsItsDocumentSays(t *testing.T) {
	s := Serve(t, Options{}, "psc")
	operation := must(t, s, "POST", regionPath+"/addresses", internalAddress)["name"].(string)
	fingerprint := text(s.Object("projects/lab-project/regions/europe-west3/addresses/a"), "labelFingerprint")
	rule := `{"name":"r","IPAddress":"projects/lab-project/regions/europe-west3/addresses/a","subnetwork":"regions/europe-west3/subnetworks/default","loadBalancingScheme":"INTERNAL","ports":["443"]}`
	for _, call := range [][3]string{
		{"GET", regionPath + "/operations/" + operation, ""},
		{"GET", regionPath + "/operations", ""},
		{"POST", regionPath + "/operations/" + operation + "/wait", ""},
		{"POST", regionPath + "/addresses/a/setLabels", `{"labelFingerprint":"` + fingerprint + `","labels":{"k":"v"}}`},
		{"POST", regionPath + "/addresses/a/testIamPermissions", `{"permissions":["compute.addresses.get"]}`},
		{"GET", regionPath + "/addresses/a", ""},
		{"GET", regionPath + "/addresses", ""},
		{"GET", "/compute/v1/projects/lab-project/aggregated/addresses", ""},
		{"POST", regionPath + "/forwardingRules", rule},
		{"GET", regionPath + "/forwardingRules/r", ""},
		{"GET", regionPath + "/forwardingRules", ""},
		{"GET", "/compute/v1/projects/lab-project/aggregated/forwardingRules", ""},
		{"DELETE", regionPath + "/forwardingRules/r", ""},
		{"GET", regionPath + "/operations", ""}, // lets the deletion end
		{"DELETE", regionPath + "/addresses/a", ""},
		{"GET", regionPath + "/subnetworks/default", ""},
		{"GET", regionPath + "/subnetworks", ""},
		{"POST", regionPath + "/subnetworks/default/testIamPermissions", `{"permissions":["compute.subnetworks.use"]}`},
		{"GET", "/compute/v1/projects/lab-project/aggregated/subnetworks", ""},
		{"GET", "/compute/v1/projects/lab-project/global/networks/default", ""},
		{"GET", "/compute/v1/projects/lab-project/global/networks", ""},
		{"GET", regionPath + "/routers/nat", ""},
		{"GET", regionPath + "/routers", ""},
		{"GET", "/compute/v1/projects/lab-project/aggregated/routers", ""},
		{"GET", regionPath, ""},
		{"GET", "/compute/v1/projects/lab-project/regions", ""},
		{"GET", "/container/v1/projects/lab-project/locations/europe-west3/clusters/psc-cluster", ""},
		{"GET", "/container/v1/projects/lab-project/locations/-/clusters", ""},
		{"GET", "/container/v1/projects/lab-project/locations/europe-west3/serverConfig", ""},
		{"GET", "/container/v1/projects/lab-project/locations/europe-west3/operations", ""},
		{"GET", "/cloudresourcemanager/v1/projects/lab-project", ""},
		{"POST", "/cloudresourcemanager/v1/projects/lab-project:testIamPermissions", `{"permissions":["container.clusters.get"]}`},
		{"GET", "/serviceusage/v1/projects/lab-project/services/compute.googleapis.com", ""},
		{"GET", "/serviceusage/v1/projects/lab-project/services:batchGet?names=projects/lab-project/services/compute.googleapis.com", ""},
		{"GET", "/serviceusage/v1/projects/lab-project/services?filter=state:ENABLED", ""},
		{"POST", "/iamcredentials/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken", `{"scope":["x"],"lifetime":"3600s"}`},
	} {
		must(t, s, call[0], call[1], call[2])
	}
	for path, want := range map[string]string{
		"/compute/v1/projects/lab-project/global/operations/none":                   "was not found",
		"/container/v1/projects/lab-project/locations/europe-west3/operations/none": "Not found",
		"/container/v1/projects/lab-project/locations/europe-west3/clusters/none":   "Not found",
		regionPath + "/operations/none":                                             "was not found",
		"/compute/v1/projects/lab-project/regions/nowhere":                          "was not found",
		"/compute/v1/projects/none/regions/europe-west3/addresses":                  "projects/none",
	} {
		status, out := do(t, s, "GET", path, "")
		if status != http.StatusNotFound || !strings.Contains(text(out["error"].(object), "message"), want) {
			t.Errorf("GET %s: %d %v", path, status, out)
		}
	}
}

func TestWhatTheDocumentsDoNotKnow(t *testing.T) {
	for sentence, test := range map[string]struct {
		verb, path, body, message string
		status                    int
	}{
		"an unknown field":            {"POST", regionPath + "/addresses", `{"name":"a","adress":"10.156.0.9"}`, `Unknown name "adress": Cannot find field`, 400},
		"an unknown value of an enum": {"POST", regionPath + "/addresses", `{"name":"a","addressType":"PRIVATE"}`, `Invalid value for field 'resource.addressType': "PRIVATE" is not one of`, 400},
		"a field of the wrong type":   {"POST", regionPath + "/addresses", `{"name":["a"]}`, "is not a string", 400},
		"a field of a list":           {"POST", regionPath + "/addresses/a/setLabels", `{"labels":{"a":{"b":"c"}}}`, "'resource.labels.a'", 400},
		"an unknown parameter":        {"GET", regionPath + "/addresses?filters=x", "", "'resource.filters': unknown parameter", 400},
		"a malformed parameter":       {"GET", regionPath + "/addresses?maxResults=many", "", "is not of type integer", 400},
		"a parameter twice":           {"GET", regionPath + "/addresses?filter=a&filter=b", "", "given twice", 400},
		"a malformed project":         {"GET", "/compute/v1/projects/Lab_Project/regions", "", "", 404},
		"a body where there is none":  {"GET", regionPath + "/addresses", `{"a":1}`, "a body where the method has none", 400},
		"no such route":               {"GET", "/compute/v1/projects/lab-project/zones", "", "The requested URL", 404},
		"no such method on a route":   {"PATCH", regionPath + "/addresses/a", `{}`, "The requested URL", 404},
		"no such API":                 {"GET", "/storage/v1/b", "", "The requested URL", 404},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := Serve(t, Options{}, "lab")
			status, out := do(t, s, test.verb, test.path, test.body)
			failure, _ := out["error"].(object)
			if status != test.status || !strings.Contains(text(failure, "message"), test.message) {
				t.Errorf("%d %v", status, out)
			}
			if left := s.TakeViolations(); len(left) == 0 && sentence != "a malformed project" {
				t.Error("it counts as no violation")
			}
		})
	}
	s := Serve(t, Options{}, "lab")
	if status, out := do(t, s, "POST", regionPath+"/addresses", `{"name":`); status != 400 {
		t.Errorf("a body that is cut: %d %v", status, out)
	}
}

func TestAnAnswerThatTheDocumentsDoNotAllow(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	err := s.Change("projects/lab-project/global/networks/default", func(o map[string]any) { o["mtu"] = "large" })
	if err != nil {
		t.Fatal(err)
	}
	must(t, s, "GET", "/compute/v1/projects/lab-project/global/networks/default", "")
	left := s.TakeViolations()
	if len(left) != 1 || left[0].String() != "answer of compute.networks.get: mtu: large is not of type integer" {
		t.Errorf("violations %v", left)
	}
}

func TestAnOperationRunsAndEnds(t *testing.T) {
	s := Serve(t, Options{OperationTime: 300 * time.Millisecond}, "lab")
	op := must(t, s, "POST", regionPath+"/addresses", internalAddress)
	if op["status"] != "PENDING" || op["operationType"] != "insert" || op["region"] == nil {
		t.Errorf("operation %v", op)
	}
	if address := s.Object("projects/lab-project/regions/europe-west3/addresses/a"); address["status"] != "RESERVING" {
		t.Errorf("address %v", address)
	}
	states := []string{}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); pause(t.Context(), 10*time.Millisecond) {
		state := text(must(t, s, "GET", regionPath+"/operations/"+op["name"].(string), ""), "status")
		if len(states) == 0 || states[len(states)-1] != state {
			states = append(states, state)
		}
		if state == "DONE" {
			break
		}
	}
	if diff := cmp.Diff([]string{"PENDING", "RUNNING", "DONE"}, states); diff != "" {
		t.Error(diff)
	}
	if address := s.Object("projects/lab-project/regions/europe-west3/addresses/a"); address["status"] != "RESERVED" {
		t.Errorf("address %v", address)
	}
}

func TestTheSameRequestIdIsTheSameRequest(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	id := "?requestId=8f6e9f0a-3f0c-4d6a-9a64-0d7d0f5a4f11"
	first := must(t, s, "POST", regionPath+"/addresses"+id, internalAddress)
	second := must(t, s, "POST", regionPath+"/addresses"+id, internalAddress)
	if first["name"] != second["name"] {
		t.Errorf("operations %v and %v", first["name"], second["name"])
	}
	status, out := do(t, s, "POST", regionPath+"/addresses?requestId=8f6e9f0a-3f0c-4d6a-9a64-0d7d0f5a4f12", internalAddress)
	if status != http.StatusConflict {
		t.Errorf("another request: %d %v", status, out)
	}
	if reads, writes := s.Counts(); reads != 0 || writes != 3 {
		t.Errorf("%d reads, %d writes", reads, writes)
	}
}

func TestLabelsOnInsert(t *testing.T) {
	body := strings.Replace(internalAddress, "{", `{"labels":{"k":"v"},`, 1)
	for taken, want := range map[bool]any{false: nil, true: object{"k": "v"}} {
		s := Serve(t, Options{LabelsOnInsert: taken}, "lab")
		must(t, s, "POST", regionPath+"/addresses", body)
		if diff := cmp.Diff(want, s.Object("projects/lab-project/regions/europe-west3/addresses/a")["labels"]); diff != "" {
			t.Error(diff)
		}
	}
	s := Serve(t, Options{}, "lab")
	status, out := do(t, s, "POST", regionPath+"/addresses", strings.Replace(internalAddress, "{", `{"labels":{"Big":"v"},`, 1))
	if status != 400 {
		t.Errorf("a malformed label: %d %v", status, out)
	}
}

func TestForwardingRulesAndTheirAddresses(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	must(t, s, "POST", regionPath+"/addresses", internalAddress)
	rule := `{"name":"NAME","IPAddress":"10.156.0.3","subnetwork":"regions/europe-west3/subnetworks/default"}`
	must(t, s, "POST", regionPath+"/forwardingRules", strings.Replace(rule, "NAME", "r1", 1))
	status, out := do(t, s, "POST", regionPath+"/forwardingRules", strings.Replace(rule, "NAME", "r2", 1))
	if status != 400 || !strings.Contains(text(out["error"].(object), "message"), "in-use") {
		t.Errorf("a second rule on the same address: %d %v", status, out)
	}
	status, out = do(t, s, "DELETE", regionPath+"/addresses/a", "")
	if status != 400 || !strings.Contains(text(out["error"].(object), "message"), "already being used by 'projects/lab-project/regions/europe-west3/forwardingRules/r1'") {
		t.Errorf("the address of a rule: %d %v", status, out)
	}
	must(t, s, "DELETE", regionPath+"/forwardingRules/r1", "")
	if address := s.Object("projects/lab-project/regions/europe-west3/addresses/a"); address["status"] != "RESERVED" || address["users"] != nil {
		t.Errorf("after the rule: %v", address)
	}
	must(t, s, "DELETE", regionPath+"/addresses/a", "")
}

func TestAnOperationThatFailsLeavesNothing(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	before := s.Snapshot()
	s.Inject(Fault{Match: `compute\.addresses\.(insert|setLabels)`, OperationError: &OperationError{Code: "X", Message: "boom"}})
	op := must(t, s, "POST", regionPath+"/addresses", internalAddress)
	done := must(t, s, "POST", regionPath+"/operations/"+op["name"].(string)+"/wait", "")
	if done["httpErrorStatusCode"] != 400.0 || done["error"] == nil {
		t.Errorf("operation %v", done)
	}
	if diff := cmp.Diff(string(before), string(s.Snapshot())); diff != "" {
		t.Error(diff)
	}
}

func TestNobodyWithoutAToken(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	answer, err := http.Get(s.URL() + regionPath)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("status %d", answer.StatusCode)
	}
}

func TestFilters(t *testing.T) {
	one := object{"name": "a", "labels": object{"managed-by": "causeway", "x.y": "z"}, "address": "10.0.0.1", "count": 3}
	for filter, want := range map[string]bool{
		"":                                    true,
		`name = "a"`:                          true,
		`name=b`:                              false,
		`name != b`:                           true,
		`name eq "a|b"`:                       true,
		`name ne .*`:                          false,
		`labels.managed-by = "causeway"`:      true,
		`labels.x.y=z`:                        true,
		`labels.absent = "x"`:                 false,
		`(name = a) (address = "10.0.0.1")`:   true,
		`(name = a) AND (address = 10.0.0.2)`: false,
		`count = 3`:                           true,
		`name:a*`:                             true,
	} {
		match, failure := parseFilter(filter)
		if failure != nil || match(one) != want {
			t.Errorf("filter %q: want %v, %v", filter, want, failure)
		}
	}
	for _, filter := range []string{"a or b", "=", "name eq [", "name = a OR name = b"} {
		if _, failure := parseFilter(filter); failure == nil {
			t.Errorf("filter %q is taken", filter)
		}
	}
}

func TestPagesOfAList(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	for _, name := range []string{"a", "b", "c"} {
		must(t, s, "POST", regionPath+"/addresses", strings.Replace(internalAddress, `"a"`, `"`+name+`"`, 1))
	}
	var names []string
	token := ""
	for range 3 {
		page := must(t, s, "GET", regionPath+"/addresses?maxResults=2&pageToken="+token, "")
		items, _ := page["items"].([]any)
		for _, item := range items {
			names = append(names, text(item.(object), "name"))
		}
		if token = text(page, "nextPageToken"); token == "" {
			break
		}
		s.Remove("projects/lab-project/regions/europe-west3/addresses/b") // a change in between loses nothing else
	}
	if diff := cmp.Diff([]string{"a", "b", "c"}, names); diff != "" {
		t.Error(diff)
	}
	for _, query := range []string{"maxResults=501", "maxResults=-1", "pageToken=%25"} {
		if status, out := do(t, s, "GET", regionPath+"/addresses?"+query, ""); status != 400 {
			t.Errorf("%s: %d %v", query, status, out)
		}
	}
}
