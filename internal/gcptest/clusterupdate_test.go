package gcptest

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	location    = "/container/v1/projects/lab-project/locations/europe-west3"
	peeringType = "projects/lab-project/locations/europe-west3/clusters/private-cluster"
	pscType     = "projects/lab-project/locations/europe-west3/clusters/psc-cluster"
)

// put sends an update of a cluster that is expected to be taken, and lets it end.
func put(t *testing.T, s *Server, cluster, update string) object {
	t.Helper()
	op := must(t, s, "PUT", "/container/v1/"+cluster, `{"update":`+update+`}`)
	done := must(t, s, "GET", location+"/operations/"+text(op, "name"), "")
	if done["status"] != "DONE" || done["error"] != nil {
		t.Fatalf("operation %v", done)
	}
	return s.Object(cluster)
}

func blocks(cidrs ...string) string {
	var out []object
	for _, cidr := range cidrs {
		out = append(out, object{"cidrBlock": cidr})
	}
	text, _ := json.Marshal(out)
	return string(text)
}

// TestAClusterTellsOldAndNewAlike: whichever block an update uses.
func TestAClusterTellsOldAndNewAlike(t *testing.T) {
	const list = `{"enabled":true,"privateEndpointEnforcementEnabled":true,"cidrBlocks":[{"cidrBlock":"10.77.0.0/16","displayName":"far"}]}`
	config := object{"enabled": true, "privateEndpointEnforcementEnabled": true, "cidrBlocks": []any{object{"cidrBlock": "10.77.0.0/16", "displayName": "far"}}}
	for sentence, test := range map[string]struct {
		update           string
		ip, private, dns object // fields that must be so
		authorized       object
	}{
		"networks by the new block": {`{"desiredControlPlaneEndpointsConfig":{"ipEndpointsConfig":{"authorizedNetworksConfig":` + list + `}}}`, nil, nil, nil, config},
		"networks by the old one":   {`{"desiredMasterAuthorizedNetworksConfig":` + list + `}`, nil, nil, nil, config},
		"no networks any more":      {`{"desiredMasterAuthorizedNetworksConfig":{"enabled":true,"cidrBlocks":[]}}`, nil, nil, nil, object{"enabled": true}},
		"global access by the new block": {`{"desiredControlPlaneEndpointsConfig":{"ipEndpointsConfig":{"globalAccess":true}}}`,
			object{"globalAccess": true, "enabled": true}, object{"masterGlobalAccessConfig": object{"enabled": true}}, nil, nil},
		"global access by the old one": {`{"desiredPrivateClusterConfig":{"masterGlobalAccessConfig":{"enabled":true}}}`,
			object{"globalAccess": true}, object{"masterGlobalAccessConfig": object{"enabled": true}}, nil, nil},
		"no global access": {`{"desiredPrivateClusterConfig":{"masterGlobalAccessConfig":{}}}`,
			object{"globalAccess": false}, object{"masterGlobalAccessConfig": nil}, nil, nil},
		"a public endpoint": {`{"desiredEnablePrivateEndpoint":false}`, object{"enablePublicEndpoint": true}, object{"enablePrivateEndpoint": false}, nil, nil},
		"the DNS endpoint": {`{"desiredControlPlaneEndpointsConfig":{"dnsEndpointConfig":{"allowExternalTraffic":true}}}`, object{"enabled": true}, nil,
			object{"allowExternalTraffic": true, "endpoint": "gke-5f0c2d7e9b1a4c3d8e6f-123456789012.europe-west3.gke.goog"}, nil},
		"no endpoints by IP": {`{"desiredControlPlaneEndpointsConfig":{"ipEndpointsConfig":{"enabled":false}}}`, object{"enabled": false, "globalAccess": false}, nil, nil, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := Serve(t, Options{}, "lab")
			got := put(t, s, peeringType, test.update)
			endpoints, _ := got["controlPlaneEndpointsConfig"].(object)
			ip, _ := endpoints["ipEndpointsConfig"].(object)
			dns, _ := endpoints["dnsEndpointConfig"].(object)
			private, _ := got["privateClusterConfig"].(object)
			for _, part := range []struct{ want, have object }{{test.ip, ip}, {test.private, private}, {test.dns, dns}} {
				for field, want := range part.want {
					if diff := cmp.Diff(want, part.have[field]); diff != "" {
						t.Errorf("%s: %s", field, diff)
					}
				}
			}
			if test.authorized == nil {
				test.authorized = object{"enabled": true}
			}
			if diff := cmp.Diff(test.authorized, ip["authorizedNetworksConfig"]); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.authorized, got["masterAuthorizedNetworksConfig"]); diff != "" {
				t.Error(diff)
			}
			if got["status"] != "RUNNING" || private["peeringName"] != gkePeering || ip["privateEndpoint"] != "192.168.50.2" {
				t.Errorf("the rest of the cluster: %v", got)
			}
		})
	}
}

// TestAClusterWithoutTheNewBlock keeps being one when the older fields change it.
func TestAClusterWithoutTheNewBlock(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	if err := s.Change(peeringType, func(o map[string]any) { delete(o, "controlPlaneEndpointsConfig") }); err != nil {
		t.Fatal(err)
	}
	got := put(t, s, peeringType, `{"desiredMasterAuthorizedNetworksConfig":{"enabled":true,"cidrBlocks":`+blocks("10.77.0.0/16")+`}}`)
	if got["controlPlaneEndpointsConfig"] != nil || len(entries(got["masterAuthorizedNetworksConfig"].(object), "cidrBlocks")) != 1 {
		t.Errorf("%v", got)
	}
}

func TestClusterUpdatesThatGoogleRefuses(t *testing.T) {
	var many []string
	for i := range 101 {
		many = append(many, fmt.Sprintf("10.77.%d.0/24", i))
	}
	authorized := func(list string) string {
		return `{"desiredMasterAuthorizedNetworksConfig":{"enabled":true,"cidrBlocks":` + list + `}}`
	}
	for sentence, test := range map[string]struct {
		cluster, update string
		status          int
		part            string
	}{
		"none":                                   {peeringType, `{}`, 400, "Exactly one field"},
		"two fields":                             {peeringType, `{"desiredEnablePrivateEndpoint":true,"desiredMasterAuthorizedNetworksConfig":{"enabled":false}}`, 400, "Exactly one field"},
		"the new block and one that it replaces": {peeringType, `{"desiredControlPlaneEndpointsConfig":{},"desiredMasterAuthorizedNetworksConfig":{"enabled":false}}`, 400, "invalid to specify both"},
		"more than 100 networks":                 {peeringType, authorized(blocks(many...)), 400, "Too many authorized networks: 101"},
		"a public one for a private endpoint alone": {peeringType, authorized(blocks("10.0.0.0/8", "198.51.100.0/24")), 400, `CIDR range "198.51.100.0/24" is not a reserved network, which is required for private endpoints`},
		"the internet for a private endpoint alone": {peeringType, authorized(blocks("0.0.0.0/0")), 400, "is not a reserved network"},
		"what is no network":                        {pscType, authorized(blocks("office")), 400, `"office" is no CIDR block`},
		"an address with a mask":                    {pscType, authorized(blocks("10.0.0.1/8")), 400, "is no CIDR block"},
		"a list that does not count":                {pscType, `{"desiredMasterAuthorizedNetworksConfig":{"cidrBlocks":` + blocks("10.0.0.0/8") + `}}`, 400, "not enabled"},
		"another field of the private cluster":      {peeringType, `{"desiredPrivateClusterConfig":{"masterIpv4CidrBlock":"10.0.0.0/28"}}`, 400, "only master_global_access_config"},
		"what is not emulated":                      {peeringType, `{"desiredNodeVersion":"1.40"}`, 501, "is not emulated"},
		"no such cluster":                           {peeringType + "x", `{"desiredEnablePrivateEndpoint":true}`, 404, "No cluster named"},
	} {
		t.Run(sentence, func(t *testing.T) {
			seed := "lab"
			if test.cluster == pscType {
				seed = "psc"
			}
			s := Serve(t, Options{}, seed)
			before := s.Snapshot()
			refuse(t, s, "PUT", "/container/v1/"+test.cluster, `{"update":`+test.update+`}`, test.status, test.part)
			if diff := cmp.Diff(string(before), string(s.Snapshot())); diff != "" {
				t.Error(diff)
			}
		})
	}
	s := Serve(t, Options{}, "psc")
	put(t, s, pscType, authorized(blocks(many[:50]...)))
	put(t, s, pscType, authorized(blocks("198.51.100.0/24"))) // it has a public endpoint
}

func TestAClustersOperation(t *testing.T) {
	s := Serve(t, Options{OperationTime: 300 * time.Millisecond}, "lab")
	update := `{"update":{"desiredControlPlaneEndpointsConfig":{"ipEndpointsConfig":{"globalAccess":true}}}}`
	op := must(t, s, "PUT", "/container/v1/"+peeringType, update)
	if op["operationType"] != "UPDATE_CLUSTER" || op["status"] != "PENDING" || !strings.HasSuffix(text(op, "targetLink"), "/clusters/private-cluster") {
		t.Errorf("operation %v", op)
	}
	if status := s.Object(peeringType)["status"]; status != "RECONCILING" {
		t.Errorf("the cluster is %v meanwhile", status)
	}
	status, out := do(t, s, "PUT", "/container/v1/"+peeringType, update)
	failure, _ := out["error"].(object)
	if want := "Cluster is running incompatible operation " + text(op, "name") + "."; status != 400 || failure["message"] != want || failure["status"] != "FAILED_PRECONDITION" {
		t.Errorf("a second operation meanwhile: %d %v", status, out)
	}
	states := []string{}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); pause(t.Context(), 10*time.Millisecond) {
		now := must(t, s, "GET", location+"/operations/"+text(op, "name"), "")
		if state := text(now, "status"); len(states) == 0 || states[len(states)-1] != state {
			states = append(states, state)
		}
		if now["status"] == "DONE" {
			if now["endTime"] == nil || now["error"] != nil {
				t.Errorf("operation %v", now)
			}
			break
		}
	}
	if diff := cmp.Diff([]string{"PENDING", "RUNNING", "DONE"}, states); diff != "" {
		t.Error(diff)
	}
	for _, where := range []string{"europe-west3", "-"} {
		list, _ := must(t, s, "GET", "/container/v1/projects/lab-project/locations/"+where+"/operations", "")["operations"].([]any)
		if len(list) != 1 {
			t.Errorf("operations of %s: %v", where, list)
		}
	}
	if elsewhere := must(t, s, "GET", "/container/v1/projects/lab-project/locations/us-east1/operations", ""); elsewhere["operations"] != nil {
		t.Errorf("operations of another location: %v", elsewhere)
	}
	must(t, s, "PUT", "/container/v1/"+peeringType, update)
}

func TestAClustersOperationThatFails(t *testing.T) {
	for status, code := range map[int]float64{0: 3, 403: 7, 404: 5, 429: 8, 500: 13} {
		s := Serve(t, Options{}, "lab")
		before := s.Snapshot()
		s.Inject(Fault{Match: `clusters\.update`, OperationError: &OperationError{Status: status, Message: "boom"}})
		op := must(t, s, "PUT", "/container/v1/"+peeringType, `{"update":{"desiredEnablePrivateEndpoint":false}}`)
		done := must(t, s, "GET", location+"/operations/"+text(op, "name"), "")
		if diff := cmp.Diff(object{"code": code, "message": "boom"}, done["error"]); diff != "" {
			t.Errorf("%d: %s", status, diff)
		}
		if diff := cmp.Diff(string(before), string(s.Snapshot())); diff != "" {
			t.Error(diff)
		}
	}
}

// TestSeedsTellOldAndNewAlike: clusters.get of a seed is what an update would leave.
func TestSeedsTellOldAndNewAlike(t *testing.T) {
	file, err := SeedFile("lab")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(filepath.Dir(file), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		seed := strings.TrimSuffix(filepath.Base(file), ".yaml")
		s := Serve(t, Options{}, seed)
		clusters := 0
		for at, o := range s.objects {
			if !strings.Contains(at, "/clusters/") {
				continue
			}
			clusters++
			ip := o["controlPlaneEndpointsConfig"].(object)["ipEndpointsConfig"].(object)
			if diff := cmp.Diff(o["masterAuthorizedNetworksConfig"], ip["authorizedNetworksConfig"]); diff != "" {
				t.Errorf("%s %s: %s", seed, at, diff)
			}
			private := o["privateClusterConfig"].(object)
			if older := private["masterGlobalAccessConfig"] != nil; older != (ip["globalAccess"] == true) {
				t.Errorf("%s %s: global access %v and %v", seed, at, older, ip["globalAccess"])
			}
			if private["enablePrivateEndpoint"] == ip["enablePublicEndpoint"] {
				t.Errorf("%s %s: public endpoint %v", seed, at, ip["enablePublicEndpoint"])
			}
		}
		// What stands beside a seed with a cluster need not have one.
		beside := []string{"consumer", "published", "lab-consumers", "lab-fleet"}
		if slices.Contains(beside, seed) != (clusters == 0) {
			t.Errorf("%s has %d clusters", seed, clusters)
		}
	}
}
