package gcptest

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const (
	linePath  = "projects/lab-project/regions/europe-west3"
	farSecret = "not-a-real-key"
)

var equalIP = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}

func address(text string) netip.Addr { return netip.MustParseAddr(text) }

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }

// layLine makes a router, both gateways and a tunnel by the API, then a session.
func layLine(t *testing.T, s *Server) {
	t.Helper()
	must(t, s, "POST", regionPath+"/routers", `{"name":"r","network":"global/networks/default","bgp":{"asn":64512}}`)
	must(t, s, "POST", regionPath+"/vpnGateways", `{"name":"g","network":"global/networks/default"}`)
	must(t, s, "POST", globalPath+"/externalVpnGateways", `{"name":"e","redundancyType":"SINGLE_IP_INTERNALLY_REDUNDANT","interfaces":[{"id":0,"ipAddress":"203.0.113.10"}]}`)
	must(t, s, "POST", regionPath+"/vpnTunnels", tunnelBody("t", 0))
	must(t, s, "PATCH", regionPath+"/routers/r", `{"interfaces":[{"name":"i","ipRange":"169.254.1.1/30","linkedVpnTunnel":"regions/europe-west3/vpnTunnels/t"}],
		"bgpPeers":[{"name":"p","interfaceName":"i","peerIpAddress":"169.254.1.2","peerAsn":65010}]}`)
	must(t, s, "GET", regionPath+"/routers/r", "") // lets the operation end
}

func tunnelBody(name string, id int) string {
	return fmt.Sprintf(`{"name":"%s","router":"regions/europe-west3/routers/r","vpnGateway":"regions/europe-west3/vpnGateways/g","vpnGatewayInterface":%d,
		"peerExternalGateway":"global/externalVpnGateways/e","peerExternalGatewayInterface":0,"sharedSecret":"%s"}`, name, id, farSecret)
}

func farRouter() Remote {
	return Remote{Address: address("203.0.113.10"), Secret: farSecret, ASN: 65010, Prefixes: []netip.Prefix{prefix("10.200.0.0/16")}}
}

// TestFieldsOfOtherKinds: what the documents give to other kinds of tunnels and of
// addresses is refused of those that are made here.
func TestFieldsOfOtherKinds(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	layLine(t, s)
	for field, more := range map[string]string{
		"resource.localTrafficSelector":  `"localTrafficSelector":["10.0.0.0/8"]`,
		"resource.remoteTrafficSelector": `"remoteTrafficSelector":["10.0.0.0/8"]`,
		"resource.peerIp":                `"peerIp":"203.0.113.10"`,
	} {
		status, out := do(t, s, "POST", regionPath+"/vpnTunnels", strings.TrimSuffix(tunnelBody("u", 1), "}")+","+more+"}")
		if said := text(out["error"].(object), "message"); status != http.StatusBadRequest || !strings.Contains(said, field) {
			t.Errorf("%s: %d %s", more, status, said)
		}
	}
	body := strings.TrimSuffix(internalAddress, "}") + `,"network":"global/networks/default"}`
	if status, out := do(t, s, "POST", regionPath+"/addresses", body); status != http.StatusBadRequest || !strings.Contains(text(out["error"].(object), "message"), "resource.network") {
		t.Errorf("an address with a network beside its subnetwork: %d %v", status, out)
	}
}

// TestEveryMethodOfTheLineAnswersAsItsDocumentSays; Serve's cleanup fails the test
// for what the documents do not allow.
func TestEveryMethodOfTheLineAnswersAsItsDocumentSays(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	s.SetRemotes(farRouter())
	layLine(t, s)
	if err := s.Fill(Seed{Resources: []SeedObject{{Path: linePath + "/interconnectAttachments/a", Body: object{"router": "regions/europe-west3/routers/r"}}}}); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		regionPath + "/routers/r", regionPath + "/routers", regionPath + "/routers/r/getRouterStatus",
		regionPath + "/vpnGateways/g", regionPath + "/vpnGateways", regionPath + "/vpnGateways/g/getStatus",
		regionPath + "/vpnTunnels/t", regionPath + "/vpnTunnels", regionPath + "/interconnectAttachments/a", regionPath + "/interconnectAttachments",
		globalPath + "/externalVpnGateways/e", globalPath + "/externalVpnGateways",
		"/compute/v1/projects/lab-project/aggregated/routers", "/compute/v1/projects/lab-project/aggregated/vpnGateways",
		"/compute/v1/projects/lab-project/aggregated/vpnTunnels", "/compute/v1/projects/lab-project/aggregated/interconnectAttachments",
	} {
		if out := must(t, s, "GET", path, ""); len(out) == 0 {
			t.Errorf("GET %s answers nothing", path)
		}
	}
	for _, at := range []string{regionPath + "/vpnGateways/g", regionPath + "/vpnTunnels/t", globalPath + "/externalVpnGateways/e"} {
		given := text(must(t, s, "GET", at, ""), "labelFingerprint")
		must(t, s, "POST", at+"/setLabels", `{"labelFingerprint":"`+given+`","labels":{"k":"v"}}`)
		if diff := cmp.Diff(object{"k": "v"}, must(t, s, "GET", at, "")["labels"]); diff != "" {
			t.Errorf("%s: %s", at, diff)
		}
		if status, _ := do(t, s, "POST", at+"/setLabels", `{"labelFingerprint":"stale","labels":{}}`); status != http.StatusPreconditionFailed {
			t.Errorf("%s: labels with a stale fingerprint: %d", at, status)
		}
	}
	body := must(t, s, "GET", regionPath+"/routers/r", "")
	must(t, s, "PUT", regionPath+"/routers/r", `{"name":"r","bgp":{"asn":64513}}`)
	put := must(t, s, "GET", regionPath+"/routers/r", "")
	if put["interfaces"] != nil || put["id"] != body["id"] || put["network"] != body["network"] {
		t.Errorf("after a PUT: %v", put)
	}
	s.Remove(linePath + "/interconnectAttachments/a")
	for _, at := range []string{regionPath + "/vpnTunnels/t", globalPath + "/externalVpnGateways/e", regionPath + "/vpnGateways/g", regionPath + "/routers/r"} {
		must(t, s, "DELETE", at, "")
		if status, _ := do(t, s, "DELETE", at, ""); status != http.StatusNotFound {
			t.Errorf("DELETE %s twice: %d", at, status)
		}
	}
}

func TestWritesOfTheLineAreKnownAgain(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	id := 0
	twice := func(verb, path, body string) {
		t.Helper()
		id++
		with := fmt.Sprintf("%s?requestId=8f6e9f0a-3f0c-4d6a-9a64-0d7d0f5a4f%02d", path, id)
		first, second := must(t, s, verb, with, body), must(t, s, verb, with, body)
		if first["name"] != second["name"] {
			t.Errorf("%s %s: operations %v and %v", verb, path, first["name"], second["name"])
		}
	}
	twice("POST", regionPath+"/routers", `{"name":"r","network":"global/networks/default","bgp":{"asn":64512}}`)
	twice("POST", regionPath+"/vpnGateways", `{"name":"g","network":"global/networks/default"}`)
	twice("POST", globalPath+"/externalVpnGateways", `{"name":"e","redundancyType":"SINGLE_IP_INTERNALLY_REDUNDANT","interfaces":[{"id":0,"ipAddress":"203.0.113.10"}]}`)
	twice("POST", regionPath+"/vpnTunnels", tunnelBody("t", 0))
	twice("PATCH", regionPath+"/routers/r", `{"description":"x"}`)
	twice("PUT", regionPath+"/routers/r", `{"bgp":{"asn":64512}}`)
	twice("DELETE", regionPath+"/vpnTunnels/t", "")
	twice("DELETE", globalPath+"/externalVpnGateways/e", "")
	twice("DELETE", regionPath+"/vpnGateways/g", "")
	twice("DELETE", regionPath+"/routers/r", "")
}

// TestATunnelTakesItsTime: until its operation ends the line is not asked, and what
// refers to it has to wait.
func TestATunnelTakesItsTime(t *testing.T) {
	s := Serve(t, Options{OperationTimes: map[string]time.Duration{"compute.vpnTunnels.insert": 300 * time.Millisecond}}, "lab")
	s.SetRemotes(farRouter())
	must(t, s, "POST", regionPath+"/routers", `{"name":"r","network":"global/networks/default","bgp":{"asn":64512}}`)
	must(t, s, "POST", regionPath+"/vpnGateways", `{"name":"g","network":"global/networks/default"}`)
	must(t, s, "POST", globalPath+"/externalVpnGateways", `{"name":"e","redundancyType":"SINGLE_IP_INTERNALLY_REDUNDANT","interfaces":[{"id":0,"ipAddress":"203.0.113.10"}]}`)
	operation := must(t, s, "POST", regionPath+"/vpnTunnels", tunnelBody("t", 0))["name"].(string)
	if status := must(t, s, "GET", regionPath+"/vpnTunnels/t", "")["status"]; status != "PROVISIONING" {
		t.Errorf("status %v while the operation runs", status)
	}
	if tunnels := s.Fabric().Tunnels; len(tunnels) != 0 {
		t.Errorf("the fabric has %v", tunnels)
	}
	if status, out := do(t, s, "DELETE", regionPath+"/vpnTunnels/t", ""); status != 400 || !strings.Contains(fmt.Sprint(out), "resourceNotReady") {
		t.Errorf("deleted while it is made: %d %v", status, out)
	}
	must(t, s, "POST", regionPath+"/operations/"+operation+"/wait", "")
	out := must(t, s, "GET", regionPath+"/vpnTunnels/t", "")
	if out["status"] != "ESTABLISHED" || out["peerIp"] != "203.0.113.10" || out["sharedSecret"] != masked || out["ikeVersion"] != 2.0 {
		t.Errorf("tunnel %v", out)
	}
	if len(s.Fabric().Tunnels) != 1 {
		t.Error("the fabric lacks the tunnel")
	}
	if strings.Contains(string(s.Snapshot()), farSecret) {
		t.Error("the state tells the key")
	}
}

// TestARouterTakesOneChangeAtATime and shows it at its end, unless that fails.
func TestARouterTakesOneChangeAtATime(t *testing.T) {
	s := Serve(t, Options{OperationTimes: map[string]time.Duration{"compute.routers.patch": 300 * time.Millisecond}}, "lab")
	must(t, s, "POST", regionPath+"/routers", `{"name":"r","network":"global/networks/default","bgp":{"asn":64512}}`)
	operation := must(t, s, "PATCH", regionPath+"/routers/r", `{"description":"later"}`)["name"].(string)
	if status, out := do(t, s, "PATCH", regionPath+"/routers/r", `{"description":"too soon"}`); status != 400 || !strings.Contains(fmt.Sprint(out), "is not ready") {
		t.Errorf("a second change: %d %v", status, out)
	}
	if s.Object(linePath + "/routers/r")["description"] != nil {
		t.Error("the change shows before its end")
	}
	must(t, s, "POST", regionPath+"/operations/"+operation+"/wait", "")
	if s.Object(linePath + "/routers/r")["description"] != "later" {
		t.Error("the change does not show after its end")
	}
	s.Inject(Fault{Match: `routers\.patch`, OperationError: &OperationError{Code: "X", Message: "boom"}})
	operation = must(t, s, "PATCH", regionPath+"/routers/r", `{"description":"never"}`)["name"].(string)
	must(t, s, "POST", regionPath+"/operations/"+operation+"/wait", "")
	if s.Object(linePath + "/routers/r")["description"] != "later" {
		t.Error("a change that failed shows")
	}
}

// asking is a Line that calls back into the server, as the lab's does.
type asking struct {
	s     *Server
	calls int
}

func (a *asking) Tunnel(view TunnelView) TunnelState {
	a.calls++
	if a.calls == 1 {
		a.s.Fabric()
	}
	a.s.Object(view.Path)
	return TunnelState{"ESTABLISHED", "by the line"}
}

func (a *asking) Session(view SessionView) SessionState {
	<-time.After(0)
	a.s.Changed()
	return SessionState{Up: view.TunnelUp && view.Enabled, State: "Established", Since: time.Now(), Learned: []netip.Prefix{prefix("10.210.0.0/16")}}
}

// TestALineMayCallTheServer: no call holds the lock while the line is asked.
func TestALineMayCallTheServer(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	layLine(t, s)
	s.SetLine(&asking{s: s})
	if out := must(t, s, "GET", regionPath+"/vpnTunnels/t", ""); out["detailedStatus"] != "by the line" {
		t.Errorf("tunnel %v", out)
	}
	must(t, s, "GET", regionPath+"/vpnTunnels", "")
	must(t, s, "GET", "/compute/v1/projects/lab-project/aggregated/vpnTunnels", "")
	status := must(t, s, "GET", regionPath+"/routers/r/getRouterStatus", "")["result"].(object)
	if peers := entries(status, "bgpPeerStatus"); len(peers) != 1 || peers[0]["status"] != "UP" || peers[0]["numLearnedRoutes"] != 1.0 {
		t.Errorf("status %v", status)
	}
	s.SetLine(nil)
	if out := must(t, s, "GET", regionPath+"/vpnTunnels/t", ""); out["status"] != "NO_INCOMING_PACKETS" {
		t.Errorf("with the model again: %v", out)
	}
}

// TestTheModel: what makes a session, and what the state of each is.
func TestTheModel(t *testing.T) {
	view := SessionView{Router: "r", Peer: "p", Tunnel: "t", PeerASN: 65010, PeerIP: address("169.254.1.2"), Enabled: true, TunnelUp: true}
	for sentence, test := range map[string]struct {
		view   func(*SessionView)
		remote func(*Remote)
		state  string
		reason string
	}{
		"all is well":               {nil, nil, "Established", ""},
		"disabled":                  {func(v *SessionView) { v.Enabled = false }, nil, "Idle", "disabled"},
		"the tunnel is down":        {func(v *SessionView) { v.TunnelUp = false }, nil, "Connect", "carries"},
		"another tunnel":            {func(v *SessionView) { v.Tunnel = "other" }, nil, "Connect", "no far router"},
		"another ASN":               {func(v *SessionView) { v.PeerASN = 65011 }, nil, "OpenSent", "another ASN"},
		"any ASN":                   {func(v *SessionView) { v.PeerASN = 65011 }, func(r *Remote) { r.ASN = 0 }, "Established", ""},
		"down by the far side":      {nil, func(r *Remote) { r.SessionDown = "hold timer" }, "Active", "hold timer"},
		"an attachment, by peer IP": {func(v *SessionView) { v.Tunnel, v.Attachment = "", "a" }, func(r *Remote) { r.Address = address("169.254.1.2") }, "Established", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
			m := newModel(func() time.Time { return now })
			one, remote := view, farRouter()
			if test.view != nil {
				test.view(&one)
			}
			if test.remote != nil {
				test.remote(&remote)
			}
			m.set([]Remote{remote})
			m.Tunnel(TunnelView{Path: "t", PeerIP: address("203.0.113.10")})
			state := m.Session(one)
			if state.State != test.state || !strings.Contains(state.Reason, test.reason) || state.Up != (test.reason == "") {
				t.Errorf("%+v", state)
			}
			if !state.Up {
				return
			}
			now = now.Add(time.Minute)
			if again := m.Session(one); again.Since != state.Since || len(again.Learned) != 1 {
				t.Errorf("a minute later: %+v", again)
			}
			one.Enabled = false
			m.Session(one)
			one.Enabled = true
			if anew := m.Session(one); anew.Since != now {
				t.Errorf("after an interruption it is up since %s", anew.Since)
			}
		})
	}
}
