package gcptest

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	producerArea = "/compute/v1/projects/lab-project/regions/europe-west3"
	consumerArea = "/compute/v1/projects/consumer-project/regions/europe-west3"
	demoPath     = "projects/lab-project/regions/europe-west3/serviceAttachments/demo"
	apiRule      = "projects/lab-project/regions/europe-west3/forwardingRules/api"
	farNetwork   = "projects/consumer-project/global/networks/default"
)

func pscSide(t *testing.T) *Server {
	t.Helper()
	return Serve(t, Options{}, "lab", "published", "consumer")
}

// attach makes an attachment with the extra fields in more.
func attach(t *testing.T, s *Server, more string) {
	t.Helper()
	finish(t, s, must(t, s, "POST", producerArea+"/serviceAttachments", attachBody(more)))
}

func attachBody(more string) string {
	body := `{"name":"demo","targetService":"` + apiRule + `","connectionPreference":"ACCEPT_MANUAL","natSubnets":["regions/europe-west3/subnetworks/nat"]`
	if more != "" {
		body += "," + more
	}
	return body + "}"
}

func endpointBody(name, more string) string {
	body := `{"name":"` + name + `","target":"` + demoPath + `","network":"global/networks/default","subnetwork":"regions/europe-west3/subnetworks/default"`
	if more != "" {
		body += "," + more
	}
	return body + "}"
}

func join(t *testing.T, s *Server, name, more string) string {
	t.Helper()
	finish(t, s, must(t, s, "POST", consumerArea+"/forwardingRules", endpointBody(name, more)))
	return state(t, s, name)
}

func state(t *testing.T, s *Server, name string) string {
	t.Helper()
	return text(must(t, s, "GET", consumerArea+"/forwardingRules/"+name, ""), "pscConnectionStatus")
}

// patchDemo patches the attachment with its current fingerprint.
func patchDemo(t *testing.T, s *Server, fields string) {
	t.Helper()
	mark := text(s.Object(demoPath), "fingerprint")
	finish(t, s, must(t, s, "PATCH", producerArea+"/serviceAttachments/demo", `{"fingerprint":"`+mark+`",`+fields+`}`))
}

func TestAttachmentsThatAreRefused(t *testing.T) {
	for sentence, test := range map[string]struct {
		change [2]string // of the good body: what by what
		status int
		part   string
	}{
		"no preference":              {[2]string{`"ACCEPT_MANUAL"`, `"CONNECTION_PREFERENCE_UNSPECIFIED"`}, 400, "connectionPreference"},
		"no target":                  {[2]string{`"targetService":"` + apiRule + `",`, ``}, 400, "targetService"},
		"a target that is none":      {[2]string{apiRule, "somewhere"}, 400, "malformed"},
		"a target that is not there": {[2]string{apiRule, apiRule + "x"}, 404, "forwardingRules/apix' was not found"},
		"an attachment as target":    {[2]string{apiRule, strings.Replace(apiRule, "forwardingRules", "serviceAttachments", 1) + "x"}, 404, "forwardingRules/apix' was not found"},
		"a target elsewhere":         {[2]string{apiRule, strings.Replace(apiRule, "west3", "west1", 1)}, 400, "Cross-region"},
		"a public target":            {[2]string{apiRule, strings.Replace(apiRule, "/api", "/public", 1)}, 400, "internal load balancing scheme"},
		"two targets":                {[2]string{`"name"`, `"producerForwardingRule":"` + apiRule + `x","name"`}, 400, "differs from targetService"},
		"no NAT subnetwork":          {[2]string{`["regions/europe-west3/subnetworks/nat"]`, `[]`}, 400, "natSubnets"},
		"one that is none":           {[2]string{"regions/europe-west3/subnetworks/nat", "nat"}, 400, "malformed"},
		"one elsewhere":              {[2]string{"regions/europe-west3/subnetworks/nat", "regions/europe-west1/subnetworks/nat-west1"}, 400, "Cross-region"},
		"one that is not there":      {[2]string{"subnetworks/nat", "subnetworks/none"}, 404, "subnetworks/none"},
		"one twice":                  {[2]string{`["regions/europe-west3/subnetworks/nat"`, `["regions/europe-west3/subnetworks/nat","regions/europe-west3/subnetworks/nat"`}, 400, "twice"},
		"one of another purpose":     {[2]string{"subnetworks/nat", "subnetworks/default"}, 400, "purpose=PRIVATE_SERVICE_CONNECT"},
		"one of another network":     {[2]string{"subnetworks/nat", "subnetworks/nat-elsewhere"}, 400, "network of the target"},
		"one of another attachment":  {[2]string{`"name":"demo"`, `"name":"other"`}, 400, "already being used by '" + demoPath + "'"},
		"a name that is taken":       {[2]string{"subnetworks/nat", "subnetworks/nat-more"}, 409, "already exists"},
		"a domain":                   {[2]string{`"name"`, `"domainNames":["p.example.com."],"name"`}, 400, "PTR domain"},
		"automatic with a list":      {[2]string{`"ACCEPT_MANUAL"`, `"ACCEPT_AUTOMATIC","consumerRejectLists":["foe"]`}, 400, "Incorrect combination"},
		"an entry that names nobody": {[2]string{`"name"`, `"consumerAcceptLists":[{"connectionLimit":1}],"name"`}, 400, "Exactly one"},
		"an entry that names two":    {[2]string{`"name"`, `"consumerAcceptLists":[{"connectionLimit":1,"projectIdOrNum":"p","networkUrl":"n"}],"name"`}, 400, "Exactly one"},
		"two kinds":                  {[2]string{`"name"`, `"consumerAcceptLists":[{"connectionLimit":1,"projectIdOrNum":"p"}],"consumerRejectLists":["projects/p/global/networks/n"],"name"`}, 400, "either only projects"},
		"an endpoint twice":          {[2]string{`"name"`, `"consumerAcceptLists":[{"connectionLimit":2,"endpointUrl":"projects/p/regions/r/forwardingRules/f"}],"name"`}, 400, "at most 1"},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := pscSide(t)
			if sentence == "one of another attachment" || sentence == "a name that is taken" {
				attach(t, s, "")
			}
			before := string(s.Snapshot())
			body := strings.Replace(attachBody(""), test.change[0], test.change[1], 1)
			if body == attachBody("") {
				t.Fatal("the test changes nothing")
			}
			refuse(t, s, "POST", producerArea+"/serviceAttachments", body, test.status, test.part)
			if diff := cmp.Diff(before, string(s.Snapshot())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPatchesOfAnAttachment: merged, held by the fingerprint, and never of the target.
func TestPatchesOfAnAttachment(t *testing.T) {
	s := pscSide(t)
	attach(t, s, `"consumerAcceptLists":[{"projectIdOrNum":"friend","connectionLimit":1}],"description":"about"`)
	first := s.Object(demoPath)
	path := producerArea + "/serviceAttachments/demo"
	refuse(t, s, "PATCH", path, `{"description":"x"}`, 412, "Invalid fingerprint")
	refuse(t, s, "PATCH", path, `{"description":"x","fingerprint":"c3RhbGU="}`, 412, "Invalid fingerprint")
	patchDemo(t, s, `"description":"new"`)
	mark := text(s.Object(demoPath), "fingerprint")
	refuse(t, s, "PATCH", path, `{"description":"x","fingerprint":"`+text(first, "fingerprint")+`"}`, 412, "Invalid fingerprint")
	for fields, part := range map[string]string{
		`"targetService":"` + apiRule + `x"`:                                 "cannot be updated",
		`"producerForwardingRule":"` + apiRule + `"`:                         "cannot be updated",
		`"natIpsPerEndpoint":3`:                                              "cannot be updated",
		`"natSubnets":["regions/europe-west3/subnetworks/default"]`:          "purpose=PRIVATE_SERVICE_CONNECT",
		`"connectionPreference":"ACCEPT_AUTOMATIC"`:                          "Incorrect combination",
		`"connectionPreference":"ACCEPT_AUTOMATIC","consumerRejectLists":[]`: "Incorrect combination",
	} {
		refuse(t, s, "PATCH", path, `{"fingerprint":"`+mark+`",`+fields+`}`, 400, part)
	}
	// The whole of it back, as gcloud sends it, with what only the server sets.
	patchDemo(t, s, `"targetService":"`+link(apiRule)+`","id":"1","connectedEndpoints":[{"endpoint":"x"}],"consumerAcceptLists":[],"connectionPreference":"ACCEPT_AUTOMATIC"`)
	now := s.Object(demoPath)
	if now["consumerAcceptLists"] != nil || now["connectedEndpoints"] != nil || now["id"] != first["id"] || text(now, "description") != "new" || text(now, "connectionPreference") != automatic {
		t.Errorf("%v", now)
	}
	refuse(t, s, "PATCH", producerArea+"/serviceAttachments/none", `{}`, 404, "was not found")
	refuse(t, s, "DELETE", producerArea+"/serviceAttachments/none", "", 404, "was not found")
	refuse(t, s, "DELETE", producerArea+"/forwardingRules/api", "", 400, "The forwarding_rule resource '"+apiRule+"' is already being used by '"+demoPath+"'")
	refuse(t, s, "DELETE", producerArea+"/subnetworks/nat", "", 400, "is already being used by '"+demoPath+"'")
	if granted := must(t, s, "POST", path+"/testIamPermissions", `{"permissions":["compute.serviceAttachments.use"]}`); len(granted["permissions"].([]any)) != 1 {
		t.Errorf("%v", granted)
	}
}

// TestListsAndLimits walks three endpoints of one consumer through the lists.
func TestListsAndLimits(t *testing.T) {
	s := pscSide(t)
	attach(t, s, "")
	for _, name := range []string{"a", "b", "c"} {
		if got := join(t, s, name, ""); got != pending {
			t.Errorf("%s is %s", name, got)
		}
	}
	accept := func(kind, who string, limit int) string {
		return fmt.Sprintf(`"consumerAcceptLists":[{"%s":"%s","connectionLimit":%d}]`, kind, who, limit)
	}
	for i, step := range []struct{ patch, want string }{
		{accept("projectIdOrNum", "stranger", 9), "PENDING PENDING PENDING"},
		{accept("projectIdOrNum", "consumer-project", 1), "ACCEPTED PENDING PENDING"},
		{accept("projectIdOrNum", "345678901234", 2), "ACCEPTED ACCEPTED PENDING"},
		{accept("projectIdOrNum", "consumer-project", 0), "ACCEPTED ACCEPTED PENDING"}, // who is in stays
		{`"consumerAcceptLists":[],"consumerRejectLists":["` + link(farNetwork) + `"]`, "ACCEPTED ACCEPTED REJECTED"},
		{`"consumerRejectLists":[]`, "ACCEPTED ACCEPTED REJECTED"}, // and who was turned away
		{`"reconcileConnections":true`, "PENDING PENDING PENDING"},
		{accept("networkUrl", link(farNetwork), 2), "ACCEPTED ACCEPTED PENDING"},
		{accept("endpointUrl", link("projects/consumer-project/regions/europe-west3/forwardingRules/c"), 1), "PENDING PENDING ACCEPTED"},
		{`"consumerAcceptLists":[{"projectIdOrNum":"consumer-project","connectionLimit":9}],"consumerRejectLists":["345678901234"]`, "REJECTED REJECTED REJECTED"},
		{`"consumerAcceptLists":[],"consumerRejectLists":[],"connectionPreference":"ACCEPT_AUTOMATIC"`, "ACCEPTED ACCEPTED ACCEPTED"},
	} {
		patchDemo(t, s, step.patch)
		got := state(t, s, "a") + " " + state(t, s, "b") + " " + state(t, s, "c")
		if got != step.want {
			t.Errorf("step %d: %s, want %s", i, got, step.want)
		}
		var told []string
		for _, one := range entries(s.Object(demoPath), "connectedEndpoints") {
			told = append(told, text(one, "status"))
		}
		if strings.Join(told, " ") != got {
			t.Errorf("step %d: the producer reads %v", i, told)
		}
	}
}

// TestAPlaceThatBecomesFree goes to who has waited longest.
func TestAPlaceThatBecomesFree(t *testing.T) {
	s := pscSide(t)
	attach(t, s, `"consumerAcceptLists":[{"projectIdOrNum":"consumer-project","connectionLimit":1}]`)
	for _, name := range []string{"z", "m", "a"} {
		join(t, s, name, "")
	}
	finish(t, s, must(t, s, "DELETE", consumerArea+"/forwardingRules/z", ""))
	if state(t, s, "m") != accepted || state(t, s, "a") != pending {
		t.Errorf("m %s, a %s", state(t, s, "m"), state(t, s, "a"))
	}
}

// TestNATAddressesRunOut: a /29 has four for consumers, two endpoints' worth at two each.
func TestNATAddressesRunOut(t *testing.T) {
	s := pscSide(t)
	attach(t, s, `"natIpsPerEndpoint":2,"consumerAcceptLists":[{"projectIdOrNum":"consumer-project","connectionLimit":9}]`)
	for i, want := range []string{accepted, accepted, needsAttention} {
		if got := join(t, s, fmt.Sprintf("e%d", i), ""); got != want {
			t.Errorf("endpoint %d is %s", i, got)
		}
	}
	patchDemo(t, s, `"natSubnets":["regions/europe-west3/subnetworks/nat","regions/europe-west3/subnetworks/nat-more"]`)
	if got := state(t, s, "e2"); got != accepted {
		t.Errorf("with addresses it is %s", got)
	}
}

// TestConnections is what a lab builds by.
func TestConnections(t *testing.T) {
	s := pscSide(t)
	if got := s.Connections(); len(got) != 0 {
		t.Errorf("connections of nobody: %v", got)
	}
	attach(t, s, `"consumerAcceptLists":[{"projectIdOrNum":"consumer-project","connectionLimit":1}]`)
	changed := s.Changed()
	join(t, s, "a", `"IPAddress":"10.156.0.9"`)
	select {
	case <-changed:
	default:
		t.Error("a new endpoint is no change")
	}
	join(t, s, "b", `"IPAddress":"10.156.0.10","allowPscGlobalAccess":true`)
	rules := "projects/consumer-project/regions/europe-west3/forwardingRules/"
	want := []Connection{
		{
			Endpoint: rules + "a", Attachment: demoPath, Name: "a", Region: "europe-west3", Status: accepted, ID: "30000000000000001",
			EndpointIP: netip.MustParseAddr("10.156.0.9"), ConsumerNetwork: farNetwork, ProducerNetwork: labNetwork,
			NAT: []netip.Prefix{netip.MustParsePrefix("10.157.0.0/29")}, TargetIP: netip.MustParseAddr("10.156.0.40"), Ports: []string{"443"},
			Accepted: true, Regions: []string{"europe-west3"},
		},
		{
			Endpoint: rules + "b", Attachment: demoPath, Name: "b", Region: "europe-west3", Status: pending, ID: "30000000000000002",
			EndpointIP: netip.MustParseAddr("10.156.0.10"), ConsumerNetwork: farNetwork, ProducerNetwork: labNetwork,
			NAT: []netip.Prefix{netip.MustParsePrefix("10.157.0.0/29")}, TargetIP: netip.MustParseAddr("10.156.0.40"), Ports: []string{"443"},
			GlobalAccess: true, Regions: []string{"europe-west1", "europe-west3"},
		},
	}
	compare := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
	prefixes := cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })
	if diff := cmp.Diff(want, s.Connections(), compare, prefixes); diff != "" {
		t.Error(diff)
	}
	finish(t, s, must(t, s, "DELETE", producerArea+"/serviceAttachments/demo", ""))
	for i := range want {
		want[i].Status, want[i].Accepted, want[i].ProducerNetwork, want[i].NAT, want[i].TargetIP, want[i].Ports = closed, false, "", nil, netip.Addr{}, nil
	}
	if diff := cmp.Diff(want, s.Connections(), compare, prefixes); diff != "" {
		t.Errorf("without the attachment: %s", diff)
	}
}

// TestConnectionsOfSeeds: endpoints in seeds are let in as by the API.
func TestConnectionsOfSeeds(t *testing.T) {
	s := pscSide(t)
	rule := func(name, target, status string) SeedObject {
		body := object{"IPAddress": "10.156.0.8" + name, "target": target, "network": farNetwork, "subnetwork": "projects/consumer-project/regions/europe-west3/subnetworks/default"}
		if status != "" {
			body["pscConnectionStatus"] = status
		}
		return SeedObject{Path: "projects/consumer-project/regions/europe-west3/forwardingRules/e" + name, Body: body}
	}
	err := s.Fill(Seed{Resources: []SeedObject{
		rule("1", demoPath, ""), rule("2", demoPath, rejected), rule("3", demoPath+"-gone", ""),
		{Path: demoPath, Body: object{"targetService": apiRule, "connectionPreference": automatic, "natSubnets": []any{"projects/lab-project/regions/europe-west3/subnetworks/nat"}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"e1": accepted, "e2": rejected, "e3": closed} {
		if got := state(t, s, name); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	must(t, s, "GET", producerArea+"/serviceAttachments/demo", "")
}
