package gcptest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func natBody(name, network, cidr, more string) string {
	return `{"name":"` + name + `","network":"global/networks/` + network + `","ipCidrRange":"` + cidr + `"` + more + `}`
}

const forNAT = `,"purpose":"PRIVATE_SERVICE_CONNECT"`

func TestASubnetworkFromNothingAndBack(t *testing.T) {
	s := pscSide(t)
	before := string(s.Snapshot())
	for more, want := range map[string]object{
		forNAT: {"purpose": "PRIVATE_SERVICE_CONNECT", "stackType": nil},
		``:     {"purpose": "PRIVATE", "stackType": "IPV4_ONLY"},
	} {
		finish(t, s, must(t, s, "POST", producerArea+"/subnetworks", natBody("demo", "default", "10.159.0.0/28", more)))
		made := must(t, s, "GET", producerArea+"/subnetworks/demo", "")
		for field, value := range want {
			if made[field] != value {
				t.Errorf("%s is %v, want %v", field, made[field], value)
			}
		}
		if made["gatewayAddress"] != "10.159.0.1" || made["privateIpGoogleAccess"] != false {
			t.Errorf("%v", made)
		}
		list := must(t, s, "GET", globalPath+"/networks/default", "")["subnetworks"].([]any)
		if len(list) != 2 || !strings.HasSuffix(list[1].(string), "subnetworks/demo") {
			t.Errorf("the network tells %v", list)
		}
		finish(t, s, must(t, s, "DELETE", producerArea+"/subnetworks/demo", ""))
	}
	if diff := cmp.Diff(before, string(s.Snapshot())); diff != "" {
		t.Error(diff)
	}
}

func TestSubnetworksThatAreRefused(t *testing.T) {
	for sentence, test := range map[string]struct {
		body   string
		status int
		part   string
	}{
		"no range":           {natBody("demo", "default", "", forNAT), 400, "ipCidrRange"},
		"no CIDR":            {natBody("demo", "default", "10.159.0.0", forNAT), 400, "valid IPv4 CIDR range"},
		"host bits":          {natBody("demo", "default", "10.159.0.1/28", forNAT), 400, "valid IPv4 CIDR range"},
		"IPv6":               {natBody("demo", "default", "fd00::/64", forNAT), 400, "valid IPv4 CIDR range"},
		"too small":          {natBody("demo", "default", "10.159.0.0/30", forNAT), 400, "/29 or larger"},
		"another purpose":    {natBody("demo", "default", "10.159.0.0/28", `,"purpose":"PRIVATE_NAT"`), 400, "not emulated"},
		"secondary ranges":   {natBody("demo", "default", "10.159.0.0/28", forNAT+`,"secondaryIpRanges":[{"rangeName":"x","ipCidrRange":"10.160.0.0/28"}]`), 400, "no secondary ranges"},
		"no such network":    {natBody("demo", "none", "10.159.0.0/28", forNAT), 404, "networks/none"},
		"a name that is one": {natBody("nat", "default", "10.159.0.0/28", forNAT), 409, "already exists"},
	} {
		t.Run(sentence, func(t *testing.T) {
			refuse(t, pscSide(t), "POST", producerArea+"/subnetworks", test.body, test.status, test.part)
		})
	}
	s := pscSide(t)
	before := string(s.Snapshot())
	for cidr, part := range map[string]string{"10.156.15.0/28": "'default' in region 'europe-west3'", "10.36.0.0/28": "'default'", "10.157.1.0/28": "'nat-west1' in region 'europe-west1'"} {
		done := finish(t, s, must(t, s, "POST", producerArea+"/subnetworks", natBody("demo", "default", cidr, forNAT)))
		failure, _ := done["error"].(object)
		if list := entries(failure, "errors"); len(list) != 1 || !strings.Contains(text(list[0], "message"), "Invalid IPCidrRange: "+cidr+" conflicts with existing subnetwork "+part) {
			t.Errorf("%s: %v", cidr, done)
		}
	}
	if diff := cmp.Diff(before, string(s.Snapshot())); diff != "" {
		t.Error(diff)
	}
}

// TestSubnetworksThatAreInUse name what has them.
func TestSubnetworksThatAreInUse(t *testing.T) {
	s := pscSide(t)
	refuse(t, s, "DELETE", producerArea+"/subnetworks/default", "", 400, "is already being used by 'projects/lab-project/locations/europe-west3/clusters/private-cluster'")
	refuse(t, s, "DELETE", producerArea+"/subnetworks/none", "", 404, "was not found")
	must(t, s, "POST", consumerArea+"/addresses", internalAddress)
	refuse(t, s, "DELETE", consumerArea+"/subnetworks/default", "", 400, "consumer-project/regions/europe-west3/addresses/a'")
	refuse(t, s, "POST", producerArea+"/addresses", `{"name":"a","addressType":"INTERNAL","subnetwork":"regions/europe-west3/subnetworks/nat"}`, 400, "Subnetwork must have purpose=PRIVATE.")
	s.Fill(Seed{Machines: map[string][]string{"projects/lab-project/regions/europe-west3/subnetworks/nat": {"10.157.0.2"}}})
	refuse(t, s, "DELETE", producerArea+"/subnetworks/nat", "", 400, "/instances/machine")
}
