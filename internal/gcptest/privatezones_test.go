package gcptest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	zonesPath = "/dns/v1/projects/consumer-project/managedZones"
	zoneBody  = `{"name":"demo","dnsName":"causeway.internal.","description":"about","visibility":"private","privateVisibilityConfig":{"networks":[{"networkUrl":"https://www.googleapis.com/compute/v1/projects/consumer-project/global/networks/default"}]}}`
	aRecord   = `{"name":"api.causeway.internal.","type":"A","ttl":300,"rrdatas":["10.156.0.9"]}`
)

// gone makes a deletion that Cloud DNS answers with nothing.
func gone(t *testing.T, s *Server, path string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "DELETE", s.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+Token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusNoContent {
		t.Errorf("DELETE %s: %s", path, answer.Status)
	}
}

func TestAZoneAndItsRecords(t *testing.T) {
	s := pscSide(t)
	before := string(s.Snapshot())
	must(t, s, "POST", zonesPath, zoneBody)
	if made := must(t, s, "GET", zonesPath+"/demo", ""); text(made, "dnsName") != "causeway.internal." || made["nameServers"] == nil || made["id"] == nil {
		t.Errorf("%v", made)
	}
	must(t, s, "POST", zonesPath+"/demo/rrsets", aRecord)
	names := func(query string) (out []string) {
		t.Helper()
		for _, one := range entries(must(t, s, "GET", zonesPath+"/demo/rrsets"+query, ""), "rrsets") {
			out = append(out, text(one, "name")+" "+text(one, "type"))
		}
		return out
	}
	for query, want := range map[string][]string{
		"":                                {"api.causeway.internal. A", "causeway.internal. NS", "causeway.internal. SOA"},
		"?name=api.causeway.internal.":    {"api.causeway.internal. A"},
		"?name=causeway.internal.&type=A": nil,
	} {
		if diff := cmp.Diff(want, names(query)); diff != "" {
			t.Errorf("%s: %s", query, diff)
		}
	}
	one := zonesPath + "/demo/rrsets/api.causeway.internal./A"
	must(t, s, "PATCH", one, `{"name":"api.causeway.internal.","type":"A","ttl":60,"rrdatas":["10.156.0.10"]}`)
	if got := must(t, s, "GET", one, ""); got["ttl"] != 60.0 || got["rrdatas"].([]any)[0] != "10.156.0.10" {
		t.Errorf("%v", got)
	}
	refuse(t, s, "DELETE", zonesPath+"/demo", "", 400, "cannot be deleted because it contains one or more 'resource records'")
	must(t, s, "DELETE", one, "")
	gone(t, s, zonesPath+"/demo")
	if diff := cmp.Diff(before, string(s.Snapshot())); diff != "" {
		t.Error(diff)
	}
}

func TestZonesAndRecordsThatAreRefused(t *testing.T) {
	s := pscSide(t)
	must(t, s, "POST", zonesPath, zoneBody)
	must(t, s, "POST", zonesPath+"/demo/rrsets", aRecord)
	other := strings.Replace(zoneBody, `"demo"`, `"other"`, 1)
	for sentence, test := range map[string]struct {
		verb, path, body string
		status           int
		part             string
	}{
		"a name that is taken":       {"POST", "", zoneBody, 409, "named 'demo' already exists"},
		"a name that is none":        {"POST", "", strings.Replace(other, "other", "No", 1), 400, "managedZone.name"},
		"a domain without its dot":   {"POST", "", strings.Replace(other, "internal.", "internal", 1), 400, "dnsName"},
		"a public zone":              {"POST", "", strings.Replace(other, `"private"`, `"public"`, 1), 400, "only private zones"},
		"no such network":            {"POST", "", strings.Replace(other, "networks/default", "networks/none", 1), 400, "networkUrl"},
		"a network without its host": {"POST", "", strings.Replace(other, "https://www.googleapis.com/compute/v1/", "", 1), 400, "networkUrl"},
		"a label that is none":       {"POST", "", strings.Replace(other, `"name"`, `"labels":{"A B":"c"},"name"`, 1), 400, "Label key"},
		"no such zone":               {"GET", "/none", "", 404, "'parameters.managedZone' resource named 'none' does not exist"},
		"no such zone for a record":  {"POST", "/none/rrsets", aRecord, 404, "does not exist"},
		"records of no zone":         {"GET", "/none/rrsets", "", 404, "does not exist"},
		"no zone to delete":          {"DELETE", "/none", "", 404, "does not exist"},
		"a record twice":             {"POST", "/demo/rrsets", aRecord, 409, "already exists"},
		"a record of elsewhere":      {"POST", "/demo/rrsets", strings.Replace(aRecord, "causeway", "other", 1), 400, "not in the zone"},
		"a record of another type":   {"POST", "/demo/rrsets", strings.Replace(aRecord, `"A"`, `"TXT"`, 1), 400, "Only A"},
		"a record without data":      {"POST", "/demo/rrsets", strings.Replace(strings.Replace(aRecord, `"10.156.0.9"`, "", 1), "api.", "b.", 1), 400, "rrdata"},
		"a record that is no IP":     {"PATCH", "/demo/rrsets/api.causeway.internal./A", strings.Replace(aRecord, "10.156.0.9", "x", 1), 400, "rrdata"},
		"another name for a record":  {"PATCH", "/demo/rrsets/api.causeway.internal./A", strings.Replace(aRecord, "api.", "b.", 1), 400, "keeps its name"},
		"no such record":             {"GET", "/demo/rrsets/b.causeway.internal./A", "", 404, "b.causeway.internal. (A)"},
		"a record that each has":     {"DELETE", "/demo/rrsets/causeway.internal./SOA", "", 400, "exactly one"},
	} {
		t.Run(sentence, func(t *testing.T) { refuse(t, s, test.verb, zonesPath+test.path, test.body, test.status, test.part) })
	}
	s.Deny("dns.networks.bindPrivateDNSZone")
	refuse(t, s, "POST", zonesPath, other, 403, "dns.networks.bindPrivateDNSZone")
	refuse(t, s, "GET", strings.Replace(zonesPath, "consumer-project", "lab-project", 1), "", 403, "Cloud DNS API has not been used in project 123456789012")
}
