package discovery

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

func load(t *testing.T, name string) *Service {
	t.Helper()
	catalog, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return catalog.Service(name)
}

func TestRoutes(t *testing.T) {
	for call, want := range map[string]struct{ service, method, parameter, value string }{
		"GET compute/v1/projects/p/regions/r/addresses/a":            {"compute", "compute.addresses.get", "address", "a"},
		"POST compute/v1/projects/p/regions/r/addresses/a/setLabels": {"compute", "compute.addresses.setLabels", "resource", "a"},
		"POST compute/v1/projects/p/regions/r/operations/o/wait":     {"compute", "compute.regionOperations.wait", "operation", "o"},
		"GET v1/projects/p/locations/l/clusters/c":                   {"container", "container.projects.locations.clusters.get", "clustersId", "c"},
		"POST v1/projects/p:testIamPermissions":                      {"cloudresourcemanager", "cloudresourcemanager.projects.testIamPermissions", "resource", "p"},
		"GET v1/projects/p/services:batchGet":                        {"serviceusage", "serviceusage.services.batchGet", "v1Id1", "p"},
		"GET v1/projects/p/services/compute.googleapis.com":          {"serviceusage", "serviceusage.services.get", "servicesId", "compute.googleapis.com"},
		"GET compute/v1/projects/p/regions/r/addresses/a/b":          {"compute", "", "", ""},
		"PUT compute/v1/projects/p/regions/r/addresses/a":            {"compute", "", "", ""},
	} {
		verb, path, _ := strings.Cut(call, " ")
		method, params := load(t, want.service).Match(verb, path)
		if want.method == "" {
			if method != nil {
				t.Errorf("%s is %s", call, method.ID)
			}
			continue
		}
		if method == nil || method.ID != want.method || params[want.parameter] != want.value {
			t.Errorf("%s: %v %v", call, method, params)
		}
	}
}

func TestBodies(t *testing.T) {
	for sentence, test := range map[string]struct{ service, schema, body, problem string }{
		"a good address":           {"compute", "Address", `{"name":"a","labels":{"k":"v"},"users":["x"],"id":"18446744073709551615"}`, ""},
		"an unknown field":         {"compute", "Address", `{"nam":"a"}`, "nam: unknown field"},
		"an enum":                  {"compute", "Address", `{"status":"FREE"}`, "status: \"FREE\" is not one of"},
		"an integer as text":       {"compute", "Address", `{"prefixLength":"3"}`, "prefixLength: 3 is not of type integer"},
		"an integer with a dot":    {"compute", "Address", `{"prefixLength":3.5}`, "is not of type integer"},
		"a uint64 as number":       {"compute", "Address", `{"id":3}`, "id: 3 is not a string"},
		"a uint64 below zero":      {"compute", "Address", `{"id":"-3"}`, "is not a uint64"},
		"an int64 that is none":    {"cloudresourcemanager", "Project", `{"projectNumber":"x"}`, "is not an int64"},
		"a text as list":           {"compute", "Address", `{"users":"x"}`, "users: string is not an array"},
		"a list's element":         {"compute", "Network", `{"peerings":[{"name":"a"},{"nam":"b"}]}`, "peerings[1].nam: unknown field"},
		"a nested object as text":  {"compute", "Network", `{"routingConfig":"x"}`, "routingConfig: string is not an object"},
		"a boolean as text":        {"compute", "Network", `{"autoCreateSubnetworks":"true"}`, "is not a boolean"},
		"a pattern":                {"compute", "Address", `{"name":"A_"}`, "Must be a match of regex"},
		"a cluster's nested field": {"container", "Cluster", `{"networkConfig":{"enableL4ilbSubsetting":true}}`, ""},
		"one that is misspelt":     {"container", "Cluster", `{"networkConfig":{"enableL4IlbSubsetting":true}}`, "networkConfig.enableL4IlbSubsetting: unknown field"},
	} {
		t.Run(sentence, func(t *testing.T) {
			service := load(t, test.service)
			var body any
			decoder := json.NewDecoder(strings.NewReader(test.body))
			decoder.UseNumber()
			if err := decoder.Decode(&body); err != nil {
				t.Fatal(err)
			}
			problems := service.CheckBody(&Schema{Ref: test.schema}, body)
			if test.problem == "" {
				if len(problems) > 0 {
					t.Error(problems)
				}
				return
			}
			if len(problems) != 1 || !strings.Contains(problems[0].String(), test.problem) {
				t.Errorf("problems %v, want %s", problems, test.problem)
			}
		})
	}
	service := load(t, "compute")
	if problems := service.CheckBody(nil, nil); problems != nil {
		t.Error(problems)
	}
	if problems := service.CheckBody(nil, map[string]any{}); len(problems) != 1 {
		t.Error(problems)
	}
	if problems := service.CheckBody(&Schema{Ref: "Absent"}, nil); len(problems) != 1 {
		t.Error(problems)
	}
}

func TestParameters(t *testing.T) {
	service := load(t, "container")
	method := service.Methods["container.projects.locations.clusters.get"]
	for query, want := range map[string]int{
		"$alt=json;enum-encoding=int": 0, "alt=json": 0, "prettyPrint=true": 0, "prettyPrint=perhaps": 1, "alt=yaml": 1, "pageSize=3": 1, "name=x": 1,
	} {
		name, value, _ := strings.Cut(query, "=")
		if problems := service.CheckParameters(method, nil, url.Values{name: {value}}); len(problems) != want {
			t.Errorf("%s: %v", query, problems)
		}
	}
}

func TestExtractOfWhatIsNotThere(t *testing.T) {
	for text, part := range map[string]string{"{": "parse discovery document", `{"name":"x"}`: "no method x.y"} {
		if _, err := Extract([]byte(text), []string{"x.y"}); err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", text, err)
		}
	}
	catalog, err := Load()
	if err != nil || len(catalog.Names()) != len(Wanted()) || catalog.Service("storage") != nil {
		t.Errorf("catalog %v, %v", catalog, err)
	}
}
