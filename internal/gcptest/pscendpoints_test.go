package gcptest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEndpointsThatAreRefused(t *testing.T) {
	for sentence, test := range map[string]struct {
		change [2]string // of the good body: what by what
		status int
		part   string
	}{
		"a scheme":                  {[2]string{`"name"`, `"loadBalancingScheme":"INTERNAL","name"`}, 400, "loadBalancingScheme"},
		"ports":                     {[2]string{`"name"`, `"ports":["443"],"name"`}, 400, "resource.ports"},
		"a protocol":                {[2]string{`"name"`, `"IPProtocol":"TCP","name"`}, 400, "resource.IPProtocol"},
		"no such attachment":        {[2]string{"serviceAttachments/demo", "serviceAttachments/none"}, 404, "serviceAttachments/none' was not found"},
		"one of another region":     {[2]string{"europe-west3/serviceAttachments", "europe-west1/serviceAttachments"}, 400, "Cross-region"},
		"no such network":           {[2]string{"networks/default", "networks/none"}, 404, "networks/none"},
		"no such subnetwork":        {[2]string{"subnetworks/default", "subnetworks/none"}, 404, "subnetworks/none"},
		"a subnetwork elsewhere":    {[2]string{`"regions/europe-west3/subnetworks/default"`, `"projects/lab-project/regions/europe-west3/subnetworks/default"`}, 400, "is not in the network"},
		"one for NAT":               {[2]string{`"regions/europe-west3/subnetworks/default"`, `"projects/lab-project/regions/europe-west3/subnetworks/nat"`}, 400, "purpose=PRIVATE"},
		"no place at all":           {[2]string{`,"subnetwork":"regions/europe-west3/subnetworks/default"`, ``}, 400, "needs a subnetwork"},
		"an IP of no subnetwork":    {[2]string{`"subnetwork":"regions/europe-west3/subnetworks/default"`, `"IPAddress":"10.1.1.1"`}, 400, "needs a subnetwork"},
		"an IP outside":             {[2]string{`"name"`, `"IPAddress":"10.1.1.1","name"`}, 400, "outside the network"},
		"no such address":           {[2]string{`"name"`, `"IPAddress":"regions/europe-west3/addresses/none","name"`}, 404, "addresses/none"},
		"an address of elsewhere":   {[2]string{`"name"`, `"IPAddress":"regions/europe-west1/addresses/west1","name"`}, 400, "in the region of the forwarding rule"},
		"an address for many":       {[2]string{`"name"`, `"IPAddress":"regions/europe-west3/addresses/shared","name"`}, 400, "purpose SHARED_LOADBALANCER_VIP"},
		"an address in use":         {[2]string{`"name"`, `"IPAddress":"regions/europe-west3/addresses/used","name"`}, 400, "in-use"},
		"an address of other place": {[2]string{`"subnetwork":"regions/europe-west3/subnetworks/default"`, `"subnetwork":"regions/europe-west3/subnetworks/other","IPAddress":"regions/europe-west3/addresses/used"`}, 400, "not in the given subnetwork"},
		"a name that is taken":      {[2]string{`"name":"demo"`, `"name":"taken"`}, 409, "already exists"},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := pscSide(t)
			attach(t, s, "")
			for name, purpose := range map[string]string{"used": "GCE_ENDPOINT", "shared": "SHARED_LOADBALANCER_VIP"} {
				must(t, s, "POST", consumerArea+"/addresses", `{"name":"`+name+`","addressType":"INTERNAL","purpose":"`+purpose+`","subnetwork":"regions/europe-west3/subnetworks/default"}`)
			}
			must(t, s, "POST", strings.Replace(consumerArea, "west3", "west1", 1)+"/addresses", `{"name":"west1","addressType":"INTERNAL","subnetwork":"regions/europe-west1/subnetworks/default"}`)
			join(t, s, "taken", `"IPAddress":"regions/europe-west3/addresses/used"`)
			before := string(s.Snapshot())
			body := strings.Replace(endpointBody("demo", ""), test.change[0], test.change[1], 1)
			if body == endpointBody("demo", "") {
				t.Fatal("the test changes nothing")
			}
			refuse(t, s, "POST", consumerArea+"/forwardingRules", body, test.status, test.part)
			if diff := cmp.Diff(before, string(s.Snapshot())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestPatchesOfForwardingRules: the two kinds of global access, each of its own kind
// of rule.
func TestPatchesOfForwardingRules(t *testing.T) {
	s := pscSide(t)
	attach(t, s, "")
	join(t, s, "demo", "")
	ours, theirs := consumerArea+"/forwardingRules/demo", producerArea+"/forwardingRules/api"
	stale := text(must(t, s, "GET", ours, ""), "fingerprint")
	finish(t, s, must(t, s, "PATCH", ours, `{"name":"demo","fingerprint":"`+stale+`","allowPscGlobalAccess":true}`))
	if s.Object("projects/consumer-project/regions/europe-west3/forwardingRules/demo")["allowPscGlobalAccess"] != true {
		t.Error("nothing has changed")
	}
	refuse(t, s, "PATCH", ours, `{"fingerprint":"`+stale+`","allowPscGlobalAccess":false}`, 412, "Invalid fingerprint")
	refuse(t, s, "PATCH", ours, `{"allowGlobalAccess":true}`, 400, "does not go with")
	refuse(t, s, "PATCH", theirs, `{"allowPscGlobalAccess":true}`, 400, "does not go with")
	refuse(t, s, "PATCH", ours, `{"target":"`+demoPath+`x"}`, 400, "cannot be updated")
	refuse(t, s, "PATCH", consumerArea+"/forwardingRules/none", `{}`, 404, "was not found")
	finish(t, s, must(t, s, "PATCH", theirs, `{"allowGlobalAccess":true}`))
	if s.Object(apiRule)["allowGlobalAccess"] != true {
		t.Error("nothing has changed")
	}
	labels := text(must(t, s, "GET", ours, ""), "labelFingerprint")
	finish(t, s, must(t, s, "POST", ours+"/setLabels", `{"labels":{"a":"b"},"labelFingerprint":"`+labels+`"}`))
	refuse(t, s, "POST", ours+"/setLabels", `{"labels":{},"labelFingerprint":"`+labels+`"}`, 412, "labels have changed")
}

// TestLabelsOfANewEndpoint are dropped, as the documentation says, unless the option
// says otherwise.
func TestLabelsOfANewEndpoint(t *testing.T) {
	for _, taken := range []bool{false, true} {
		s := Serve(t, Options{LabelsOnInsert: taken}, "lab", "published", "consumer")
		attach(t, s, "")
		join(t, s, "demo", `"labels":{"a":"b"},"description":"about"`)
		made := s.Object("projects/consumer-project/regions/europe-west3/forwardingRules/demo")
		if (made["labels"] != nil) != taken || made["description"] != "about" || made["loadBalancingScheme"] != nil {
			t.Errorf("%t: %v", taken, made)
		}
	}
}

// TestAnEndpointWhoseOperationFails leaves nothing.
func TestAnEndpointWhoseOperationFails(t *testing.T) {
	s := pscSide(t)
	attach(t, s, "")
	before := string(s.SnapshotWithout("fingerprint"))
	s.Inject(Fault{Match: `forwardingRules\.insert`, OperationError: &OperationError{Code: "X", Message: "boom"}})
	if done := finish(t, s, must(t, s, "POST", consumerArea+"/forwardingRules", endpointBody("demo", ""))); done["error"] == nil {
		t.Errorf("%v", done)
	}
	if diff := cmp.Diff(before, string(s.SnapshotWithout("fingerprint"))); diff != "" {
		t.Error(diff)
	}
}
