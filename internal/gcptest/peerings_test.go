package gcptest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	labNetwork = "projects/lab-project/global/networks/default"
	hubNetwork = "projects/hub-project/global/networks/hub-vpc"
	gkePeering = "gke-n2f8c1d5e7a9b3c4d6e8-4b2a-9c1d-peer"
	globalPath = "/compute/v1/projects/lab-project/global"
)

// refuse makes a call and wants a status and a part of the message.
func refuse(t *testing.T, s *Server, verb, path, body string, status int, part string) {
	t.Helper()
	got, out := do(t, s, verb, path, body)
	failure, _ := out["error"].(object)
	if got != status || !strings.Contains(text(failure, "message"), part) {
		t.Errorf("%s %s: %d %v, want %d and %q", verb, path, got, out, status, part)
	}
}

// finish waits for a global operation and returns it as it ended.
func finish(t *testing.T, s *Server, op object) object {
	t.Helper()
	path := strings.TrimPrefix(text(op, "selfLink"), "https://www.googleapis.com")
	return must(t, s, "POST", path+"/wait", "")
}

func TestAPeeringsFlags(t *testing.T) {
	s := Serve(t, Options{}, "hub")
	before := s.Object(labNetwork)
	for _, step := range []struct {
		body string
		want object
	}{
		{`"exportCustomRoutes":true`, object{"exportCustomRoutes": true, "importCustomRoutes": false}},
		{`"importCustomRoutes":true`, object{"exportCustomRoutes": true, "importCustomRoutes": true}},
		{`"exportCustomRoutes":false,"importCustomRoutes":false`, object{"exportCustomRoutes": false, "importCustomRoutes": false}},
	} {
		op := must(t, s, "PATCH", globalPath+"/networks/default/updatePeering", `{"networkPeering":{"name":"`+gkePeering+`",`+step.body+`}}`)
		if op["region"] != nil || op["operationType"] != "updatePeering" || op["targetLink"] != link(labNetwork) {
			t.Errorf("operation %v", op)
		}
		if done := finish(t, s, op); done["status"] != "DONE" {
			t.Errorf("operation %v", done)
		}
		found := peering(s.Object(labNetwork), gkePeering)
		for flag, want := range step.want {
			if found[flag] != want {
				t.Errorf("after %s: %s is %v", step.body, flag, found[flag])
			}
		}
	}
	if diff := cmp.Diff(before, s.Object(labNetwork)); diff != "" {
		t.Errorf("something else has changed: %s", diff)
	}
}

func TestPeeringChangesThatGoogleRefuses(t *testing.T) {
	for sentence, test := range map[string]struct {
		verb, path, body string
		status           int
		part             string
	}{
		"an update without a name":       {"PATCH", "updatePeering", `{"networkPeering":{"exportCustomRoutes":true}}`, 400, "Required field '' not specified"},
		"an update with an empty name":   {"PATCH", "updatePeering", `{"networkPeering":{"name":"","exportCustomRoutes":true}}`, 400, "Required field '' not specified"},
		"an update of nothing":           {"PATCH", "updatePeering", `{}`, 400, "Required field '' not specified"},
		"an update of an unknown name":   {"PATCH", "updatePeering", `{"networkPeering":{"name":"gke-x-peer","exportCustomRoutes":true}}`, 400, "There is no peering gke-x-peer"},
		"an update of subnet exchange":   {"PATCH", "updatePeering", `{"networkPeering":{"name":"to-hub","exchangeSubnetRoutes":true}}`, 400, "networkPeering.exchangeSubnetRoutes"},
		"an update of the other side":    {"PATCH", "updatePeering", `{"networkPeering":{"name":"to-hub","network":"projects/p/global/networks/n"}}`, 400, "networkPeering.network"},
		"a peering without a name":       {"POST", "addPeering", `{"networkPeering":{"network":"projects/hub-project/global/networks/hub-vpc","exchangeSubnetRoutes":true}}`, 400, "Required field '' not specified"},
		"a peering with a bad name":      {"POST", "addPeering", `{"networkPeering":{"name":"To_Hub","network":"projects/p/global/networks/n","exchangeSubnetRoutes":true}}`, 400, "Must be a match of regex"},
		"a peering without exchange":     {"POST", "addPeering", `{"networkPeering":{"name":"x","network":"projects/p/global/networks/n"}}`, 400, "exchangeSubnetRoutes"},
		"a peering with itself":          {"POST", "addPeering", `{"networkPeering":{"name":"x","network":"projects/lab-project/global/networks/default","exchangeSubnetRoutes":true}}`, 400, "must be another network"},
		"a peering whose name is taken":  {"POST", "addPeering", `{"networkPeering":{"name":"to-hub","network":"projects/p/global/networks/n","exchangeSubnetRoutes":true}}`, 409, "already exists"},
		"a second peering with one peer": {"POST", "addPeering", `{"networkPeering":{"name":"again","network":"projects/hub-project/global/networks/hub-vpc","exchangeSubnetRoutes":true}}`, 400, "already a peering to-hub"},
		"a removal without a name":       {"POST", "removePeering", `{}`, 400, "Required field '' not specified"},
		"a removal of an unknown name":   {"POST", "removePeering", `{"name":"x"}`, 400, "There is no peering x"},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := Serve(t, Options{}, "hub")
			before := s.Snapshot()
			refuse(t, s, test.verb, globalPath+"/networks/default/"+test.path, test.body, test.status, test.part)
			refuse(t, s, test.verb, globalPath+"/networks/none/"+test.path, test.body, 404, "was not found")
			if diff := cmp.Diff(string(before), string(s.Snapshot())); diff != "" {
				t.Errorf("something has changed: %s", diff)
			}
		})
	}
}

func TestAPeeringIsActiveWhenBothSidesHaveIt(t *testing.T) {
	s := Serve(t, Options{}, "hub")
	before := s.SnapshotWithout(Volatile()...)
	ours, theirs := globalPath+"/networks/default", "/compute/v1/projects/hub-project/global/networks/hub-vpc"
	original := s.Object(hubNetwork)["peerings"]
	states := func(want ...string) {
		t.Helper()
		var got []string
		for _, one := range []object{peering(s.Object(labNetwork), "to-hub"), peering(s.Object(hubNetwork), "to-spoke")} {
			state := text(one, "state")
			if details := text(one, "stateDetails"); (state == "ACTIVE") != strings.HasSuffix(details, ": Connected.") && one != nil {
				t.Errorf("state %s with details %s", state, details)
			}
			got = append(got, state)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	states("ACTIVE", "ACTIVE")
	finish(t, s, must(t, s, "POST", theirs+"/removePeering", `{"name":"to-spoke"}`))
	states("INACTIVE", "")
	if s.Object(hubNetwork)["peerings"] != nil {
		t.Errorf("an empty list is told: %v", s.Object(hubNetwork))
	}
	finish(t, s, must(t, s, "POST", theirs+"/addPeering", `{"name":"to-spoke","peerNetwork":"projects/lab-project/global/networks/default","autoCreateRoutes":true}`))
	states("ACTIVE", "ACTIVE")
	finish(t, s, must(t, s, "POST", ours+"/removePeering", `{"name":"to-hub"}`))
	states("", "INACTIVE")
	finish(t, s, must(t, s, "POST", ours+"/addPeering", `{"networkPeering":{"name":"to-hub","network":"`+hubNetwork+`","exchangeSubnetRoutes":true,"exportCustomRoutes":true}}`))
	states("ACTIVE", "ACTIVE")
	if made := peering(s.Object(labNetwork), "to-hub"); made["exportCustomRoutes"] != true || made["exchangeSubnetRoutes"] != true || made["network"] != link(hubNetwork) {
		t.Errorf("the peering is %v", made)
	}
	if original == nil || string(before) == string(s.SnapshotWithout(Volatile()...)) {
		t.Error("the flag that was asked for has changed nothing")
	}
	finish(t, s, must(t, s, "POST", ours+"/addPeering", `{"networkPeering":{"name":"to-nowhere","network":"projects/p/global/networks/n","exchangeSubnetRoutes":true}}`))
	if lonely := peering(s.Object(labNetwork), "to-nowhere"); lonely["state"] != "INACTIVE" {
		t.Errorf("a peering that nobody answers is %v", lonely)
	}
}

func TestNetworksThatOverlapDoNotPeer(t *testing.T) {
	s := Serve(t, Options{}, "hub")
	err := s.Fill(Seed{Resources: []SeedObject{
		{Path: "projects/hub-project/global/networks/clash", Body: object{}},
		{Path: "projects/hub-project/regions/europe-west3/subnetworks/clash", Body: object{"network": "projects/hub-project/global/networks/clash", "ipCidrRange": "10.36.7.0/24"}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	refuse(t, s, "POST", globalPath+"/networks/default/addPeering",
		`{"networkPeering":{"name":"x","network":"projects/hub-project/global/networks/clash","exchangeSubnetRoutes":true}}`,
		400, "An IP range in the peer network (10.36.7.0/24) overlaps with an IP range in the local network (10.36.0.0/14)")
}

// TestOnePeeringOperationAtATime: on either side of the one that runs.
func TestOnePeeringOperationAtATime(t *testing.T) {
	s := Serve(t, Options{OperationTime: time.Minute}, "hub")
	const busy = "There is a peering operation in progress on the local or peer network. Try again later."
	id := "?requestId=8f6e9f0a-3f0c-4d6a-9a64-0d7d0f5a4f11"
	flag := `{"networkPeering":{"name":"to-hub","exportCustomRoutes":true}}`
	first := must(t, s, "PATCH", globalPath+"/networks/default/updatePeering"+id, flag)
	refuse(t, s, "PATCH", globalPath+"/networks/default/updatePeering", flag, 400, busy)
	refuse(t, s, "PATCH", globalPath+"/networks/default/updatePeering", `{"networkPeering":{"name":"`+gkePeering+`","exportCustomRoutes":true}}`, 400, busy)
	refuse(t, s, "PATCH", "/compute/v1/projects/hub-project/global/networks/hub-vpc/updatePeering", `{"networkPeering":{"name":"to-spoke","importCustomRoutes":true}}`, 400, busy)
	refuse(t, s, "POST", globalPath+"/networks/default/removePeering", `{"name":"to-hub"}`, 400, busy)
	refuse(t, s, "POST", globalPath+"/networks/default/addPeering", `{"networkPeering":{"name":"x","network":"projects/p/global/networks/n","exchangeSubnetRoutes":true}}`, 400, busy)
	if again := must(t, s, "PATCH", globalPath+"/networks/default/updatePeering"+id, flag); again["name"] != first["name"] {
		t.Errorf("the same request is another operation: %v", again)
	}
	if found := peering(s.Object(labNetwork), "to-hub"); found["exportCustomRoutes"] != peering(Serve(t, Options{}, "hub").Object(labNetwork), "to-hub")["exportCustomRoutes"] {
		t.Errorf("it takes effect before its end: %v", found)
	}
}

func TestAPeeringOperationThatFails(t *testing.T) {
	s := Serve(t, Options{}, "hub")
	before := s.Snapshot()
	s.Inject(Fault{Match: `compute\.networks\.(add|remove|update)Peering|networks\.patch`, OperationError: &OperationError{Code: "X", Message: "boom"}})
	for _, call := range [][3]string{
		{"PATCH", "/updatePeering", `{"networkPeering":{"name":"to-hub","exportCustomRoutes":true,"importCustomRoutes":true}}`},
		{"POST", "/addPeering", `{"networkPeering":{"name":"x","network":"projects/p/global/networks/n","exchangeSubnetRoutes":true}}`},
		{"POST", "/removePeering", `{"name":"to-hub"}`},
		{"PATCH", "", `{"routingConfig":{"routingMode":"GLOBAL"}}`},
	} {
		if done := finish(t, s, must(t, s, call[0], globalPath+"/networks/default"+call[1], call[2])); done["error"] == nil {
			t.Errorf("%s: operation %v", call[1], done)
		}
	}
	if diff := cmp.Diff(string(before), string(s.Snapshot())); diff != "" {
		t.Error(diff)
	}
}

func TestANetworksRoutingMode(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	finish(t, s, must(t, s, "PATCH", globalPath+"/networks/default", `{"routingConfig":{"routingMode":"GLOBAL"}}`))
	if mode := routingMode(s.Object(labNetwork)); mode != "GLOBAL" {
		t.Errorf("mode %s", mode)
	}
	refuse(t, s, "PATCH", globalPath+"/networks/default", `{"mtu":1500}`, 400, "Only routingConfig")
	refuse(t, s, "PATCH", globalPath+"/networks/none", `{"routingConfig":{"routingMode":"GLOBAL"}}`, 404, "was not found")
}

// TestWhatNetworksNeedPermissionsFor takes each away in turn.
func TestWhatNetworksNeedPermissionsFor(t *testing.T) {
	flag := `{"networkPeering":{"name":"to-hub","exportCustomRoutes":true}}`
	cluster := "/container/v1/projects/lab-project/locations/europe-west3/clusters/private-cluster"
	for permission, call := range map[string][3]string{
		"compute.networks.get":               {"GET", globalPath + "/networks/default", ""},
		"compute.networks.update":            {"PATCH", globalPath + "/networks/default", `{"routingConfig":{"routingMode":"GLOBAL"}}`},
		"compute.networks.addPeering":        {"POST", globalPath + "/networks/default/addPeering", flag},
		"compute.networks.updatePeering":     {"PATCH", globalPath + "/networks/default/updatePeering", flag},
		"compute.networks.removePeering":     {"POST", globalPath + "/networks/default/removePeering", `{"name":"to-hub"}`},
		"compute.networks.listPeeringRoutes": {"GET", globalPath + "/networks/default/listPeeringRoutes?peeringName=to-hub&region=europe-west3&direction=INCOMING", ""},
		"compute.routes.list":                {"GET", globalPath + "/routes", ""},
		"compute.routes.get":                 {"GET", globalPath + "/routes/x", ""},
		"container.clusters.update":          {"PUT", cluster, `{"update":{"desiredEnablePrivateEndpoint":true}}`},
		"container.operations.get":           {"GET", "/container/v1/projects/lab-project/locations/europe-west3/operations/x", ""},
		"container.operations.list":          {"GET", "/container/v1/projects/lab-project/locations/europe-west3/operations", ""},
		"compute.globalOperations.get":       {"POST", globalPath + "/operations/x/wait", ""},
	} {
		s := Serve(t, Options{}, "hub")
		s.Deny(permission)
		refuse(t, s, call[0], call[1], call[2], http.StatusForbidden, "'"+permission+"'")
	}
}
