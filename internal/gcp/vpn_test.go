package gcp

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"causeway/internal/gcptest"
)

const psk = "not-a-real-key-0123456789"

// sameIP lets go-cmp compare addresses, which have unexported fields.
var sameIP = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}

func ref(name string) Ref { return Ref{Project: project, Region: area, Name: name} }

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

// line makes a gateway, a router, an external gateway with those far addresses and
// a tunnel for each of ends: {Google's interface, the far side's}.
func line(t *testing.T, cloud *Cloud, name string, far []netip.Addr, ends ...[2]int) *VPNGateway {
	t.Helper()
	router := Router{Project: project, Region: area, Name: name, Network: "default", ASN: 64512, Description: "causeway exposure demo"}
	if err := cloud.CreateRouter(t.Context(), router, nil); err != nil {
		t.Fatal(err)
	}
	gateway, err := cloud.CreateVPNGateway(t.Context(), VPNGateway{Project: project, Region: area, Name: name, Network: "default", Description: "causeway exposure demo"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := cloud.CreateExternalGateway(t.Context(), ExternalGateway{Project: project, Name: name, Description: "causeway exposure demo", Interfaces: far}, nil); err != nil {
		t.Fatal(err)
	}
	for i, end := range ends {
		if err := cloud.CreateTunnel(t.Context(), tunnel(name, i, end), nil); err != nil {
			t.Fatal(err)
		}
	}
	return gateway
}

func tunnel(name string, i int, end [2]int) Tunnel {
	return Tunnel{
		Project: project, Region: area, Name: fmt.Sprintf("%s-%d", name, i), Description: "causeway exposure demo", Secret: psk,
		Gateway: ref(name), GatewayInterface: end[0], External: Ref{Project: project, Name: name}, ExternalInterface: end[1], Router: ref(name),
	}
}

// session adds the interface and the BGP peer of tunnel i of a line.
func session(name string, i int) RouterEdit {
	tunnel := fmt.Sprintf("%s-%d", name, i)
	own, far := ip(fmt.Sprintf("169.254.10.%d", 4*i+1)), ip(fmt.Sprintf("169.254.10.%d", 4*i+2))
	return RouterEdit{
		AddInterfaces: []RouterInterface{{Name: tunnel, Link: netip.PrefixFrom(own, 30), Tunnel: ref(tunnel)}},
		AddPeers:      []BGPPeer{{Name: tunnel, Interface: tunnel, LocalIP: own, PeerIP: far, PeerASN: 65010, Enabled: true}},
	}
}

func edit(t *testing.T, cloud *Cloud, name string, change RouterEdit) Router {
	t.Helper()
	out, err := cloud.EditRouter(t.Context(), ref(name), func(Router) (RouterEdit, error) { return change, nil }, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestALineFromNothingAndBack makes the whole line, reads each part as it was
// made, sees it come up and go down, and takes it away again.
func TestALineFromNothingAndBack(t *testing.T) {
	cloud, google := open(t, gcptest.Options{OperationTime: 10 * time.Millisecond}, "lab")
	before := string(google.Snapshot())
	google.SetRemotes(gcptest.Remote{Address: ip("203.0.113.10"), Secret: psk, ASN: 65010, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.200.0.0/16")}})
	if found, err := cloud.VPNGateway(t.Context(), ref("demo")); found != nil || err != nil {
		t.Fatalf("a gateway that is not there: %v, %v", found, err)
	}
	gateway := line(t, cloud, "demo", []netip.Addr{ip("203.0.113.10")}, [2]int{0, 0}, [2]int{1, 0})
	if len(gateway.Interfaces) != 2 || gateway.Interfaces[0] == gateway.Interfaces[1] || !gateway.Interfaces[0].IsValid() || gateway.Network != "default" {
		t.Errorf("gateway %+v", gateway)
	}
	external, err := cloud.ExternalGateway(t.Context(), Ref{Project: project, Name: "demo"})
	if err != nil {
		t.Fatal(err)
	}
	wanted := &ExternalGateway{Project: project, Name: "demo", Description: "causeway exposure demo", Redundancy: "SINGLE_IP_INTERNALLY_REDUNDANT", Interfaces: []netip.Addr{ip("203.0.113.10")}}
	if diff := cmp.Diff(wanted, external, sameIP); diff != "" {
		t.Error(diff)
	}
	want := tunnel("demo", 1, [2]int{1, 0})
	want.IKE, want.Status, want.Detail, want.Secret = 2, "ESTABLISHED", "Tunnel is up and running.", ""
	made, err := cloud.Tunnel(t.Context(), ref("demo-1"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, made); diff != "" {
		t.Error(diff)
	}
	if met, reason, err := cloud.GatewayStatus(t.Context(), ref("demo")); !met || reason != "" || err != nil {
		t.Errorf("redundancy: %v, %q, %v", met, reason, err)
	}
	for i := range 2 {
		edit(t, cloud, "demo", session("demo", i))
	}
	status, err := cloud.RouterStatus(t.Context(), ref("demo"))
	if err != nil {
		t.Fatal(err)
	}
	if len(status.Peers) != 2 || !status.Peers[0].Up || status.Peers[0].State != "Established" || status.Peers[0].Learned != 1 || status.Peers[0].Tunnel != ref("demo-0") {
		t.Errorf("status %+v", status)
	}
	if len(status.Best) != 2 || status.Best[0].Range != netip.MustParsePrefix("10.200.0.0/16") || status.Best[0].Tunnel != ref("demo-0") {
		t.Errorf("best routes %+v", status.Best)
	}
	unmake(t, cloud, "demo", 2)
	if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
		t.Errorf("something is left: %s", diff)
	}
	unmake(t, cloud, "demo", 2) // gone already is no error
}

// unmake takes a line away, in the only order that Google lets it.
func unmake(t *testing.T, cloud *Cloud, name string, tunnels int) {
	t.Helper()
	have, err := cloud.Router(t.Context(), ref(name))
	if err != nil {
		t.Fatal(err)
	}
	if have != nil {
		var names []string
		for i := range tunnels {
			names = append(names, fmt.Sprintf("%s-%d", name, i))
		}
		edit(t, cloud, name, RouterEdit{DropInterfaces: names, DropPeers: names})
	}
	for i := range tunnels {
		if err := cloud.DeleteTunnel(t.Context(), ref(fmt.Sprintf("%s-%d", name, i)), nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, remove := range []func() error{
		func() error {
			return cloud.DeleteExternalGateway(t.Context(), Ref{Project: project, Name: name}, nil)
		},
		func() error { return cloud.DeleteVPNGateway(t.Context(), ref(name), nil) },
		func() error { return cloud.DeleteRouter(t.Context(), ref(name), nil) },
	} {
		if err := remove(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatHoldsAnotherIsNotDeleted(t *testing.T) {
	cloud, _ := open(t, gcptest.Options{}, "lab")
	line(t, cloud, "demo", []netip.Addr{ip("203.0.113.10")}, [2]int{0, 0})
	edit(t, cloud, "demo", session("demo", 0))
	ctx := t.Context()
	expect(t, cloud.DeleteTunnel(ctx, ref("demo-0"), nil), "CW-GCP-IN-USE", "already being used by 'projects/lab-project/regions/europe-west3/routers/demo'")
	expect(t, cloud.DeleteVPNGateway(ctx, ref("demo"), nil), "CW-GCP-IN-USE", "vpnTunnels/demo-0")
	expect(t, cloud.DeleteExternalGateway(ctx, Ref{Project: project, Name: "demo"}, nil), "CW-GCP-IN-USE", "vpnTunnels/demo-0")
	expect(t, cloud.DeleteRouter(ctx, ref("demo"), nil), "CW-GCP-IN-USE", "vpnTunnels/demo-0")
	_, err := cloud.EditRouter(ctx, ref("demo"), func(Router) (RouterEdit, error) { return RouterEdit{DropInterfaces: []string{"demo-0"}}, nil }, nil)
	expect(t, err, "", "Interface is not specified in the router")
}

func TestMappingsOfTunnels(t *testing.T) {
	four := []netip.Addr{ip("203.0.113.1"), ip("203.0.113.2"), ip("203.0.113.3"), ip("203.0.113.4")}
	for sentence, test := range map[string]struct {
		far        []netip.Addr
		ends       [][2]int
		redundancy string
		met        bool
		reason     string
	}{
		"one address, both interfaces":         {four[:1], [][2]int{{0, 0}, {1, 0}}, "SINGLE_IP_INTERNALLY_REDUNDANT", true, ""},
		"one address, one interface":           {four[:1], [][2]int{{0, 0}}, "SINGLE_IP_INTERNALLY_REDUNDANT", false, "INCOMPLETE_TUNNELS_COVERAGE"},
		"two addresses":                        {four[:2], [][2]int{{0, 0}, {1, 1}}, "TWO_IPS_REDUNDANCY", true, ""},
		"four addresses":                       {four, [][2]int{{0, 0}, {0, 1}, {1, 2}, {1, 3}}, "FOUR_IPS_REDUNDANCY", true, ""},
		"four addresses, one without a tunnel": {four, [][2]int{{0, 0}, {0, 1}, {1, 2}}, "FOUR_IPS_REDUNDANCY", false, "INCOMPLETE_TUNNELS_COVERAGE"},
		"no tunnel":                            {four[:2], nil, "TWO_IPS_REDUNDANCY", false, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, _ := open(t, gcptest.Options{}, "lab")
			line(t, cloud, "demo", test.far, test.ends...)
			external, err := cloud.ExternalGateway(t.Context(), Ref{Project: project, Name: "demo"})
			if err != nil || external.Redundancy != test.redundancy {
				t.Errorf("external gateway %+v, %v", external, err)
			}
			if diff := cmp.Diff(test.far, external.Interfaces, sameIP); diff != "" {
				t.Error(diff)
			}
			if met, reason, err := cloud.GatewayStatus(t.Context(), ref("demo")); met != test.met || reason != test.reason || err != nil {
				t.Errorf("redundancy %v, %q, %v", met, reason, err)
			}
			all, err := cloud.NetworkTunnels(t.Context(), project)
			if err != nil || len(all) != len(test.ends) {
				t.Fatalf("%d tunnels, %v", len(all), err)
			}
			for i, one := range all {
				if one.GatewayInterface != test.ends[i][0] || one.ExternalInterface != test.ends[i][1] || one.Region != area {
					t.Errorf("tunnel %v", one)
				}
			}
		})
	}
}

func TestTunnelsThatGoogleRefuses(t *testing.T) {
	for sentence, test := range map[string]struct {
		change     func(*Tunnel)
		code, part string
	}{
		"an interface that Google's gateway lacks": {func(t *Tunnel) { t.GatewayInterface = 2 }, "", "'resource.vpnGatewayInterface': '2'"},
		"an interface that the far gateway lacks":  {func(t *Tunnel) { t.ExternalInterface = 1 }, "", "'resource.peerExternalGatewayInterface': '1'"},
		"the same ends as another tunnel":          {func(t *Tunnel) { t.Name = "demo-9"; t.GatewayInterface = 0 }, "", "A tunnel with same peer external VPN gateway"},
		"no key":                                   {func(t *Tunnel) { t.Secret = "" }, "", "Required field 'resource.sharedSecret'"},
		"a key that is no printable text":          {func(t *Tunnel) { t.Secret = "tab\there" }, "", "printable ASCII"},
		"a router that is not there":               {func(t *Tunnel) { t.Router.Name = "none" }, "CW-GCP-NOT-FOUND", "routers/none"},
		"a gateway of another region":              {func(t *Tunnel) { t.Gateway.Region = "us-east1" }, "", "Cross-region references"},
		"a name that is taken":                     {func(t *Tunnel) { t.Name = "demo-0" }, "CW-GCP-CONFLICT", "already exists"},
		"an IKE version that there is none":        {func(t *Tunnel) { t.IKE = 3 }, "", "'resource.ikeVersion': '3'"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			line(t, cloud, "demo", []netip.Addr{ip("203.0.113.10")}, [2]int{0, 0})
			before := string(google.Snapshot())
			wanted := tunnel("demo", 1, [2]int{1, 0})
			test.change(&wanted)
			err := cloud.CreateTunnel(t.Context(), wanted, nil)
			expect(t, err, test.code, test.part)
			if wanted.Secret != "" && strings.Contains(err.Error(), wanted.Secret) {
				t.Errorf("the error tells the key: %v", err)
			}
			if diff := cmp.Diff(before, string(google.Snapshot())); diff != "" {
				t.Errorf("something changed: %s", diff)
			}
		})
	}
}

func TestExternalGatewaysThatCannotBe(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	three := []netip.Addr{ip("203.0.113.1"), ip("203.0.113.2"), ip("203.0.113.3")}
	for _, far := range [][]netip.Addr{nil, three} {
		expect(t, cloud.CreateExternalGateway(t.Context(), ExternalGateway{Project: project, Name: "x", Interfaces: far}, nil), "", fmt.Sprintf("it has %d addresses", len(far)))
	}
	if _, writes := google.Counts(); writes != 0 {
		t.Errorf("%d writes", writes)
	}
	same := []netip.Addr{three[0], three[0]}
	expect(t, cloud.CreateExternalGateway(t.Context(), ExternalGateway{Project: project, Name: "x", Interfaces: same}, nil), "", "Must be a unique IPv4 address")
	google.Inject(gcptest.Fault{Match: `compute\.(externalVpnGateways|vpnTunnels)\.insert`, Status: 412, Reason: "conditionNotMet",
		Message: "Constraint constraints/compute.restrictVpnPeerIPs violated for projects/lab-project. Peer IP 203.0.113.1 is not allowed."})
	expect(t, cloud.CreateExternalGateway(t.Context(), ExternalGateway{Project: project, Name: "x", Interfaces: three[:1]}, nil), "CW-GCP-ORG-POLICY", "constraints/compute.restrictVpnPeerIPs")
}

// TestTheKeyIsNeverShown: not by a print, nor by JSON, nor by Google, nor where an
// answer repeats it.
func TestTheKeyIsNeverShown(t *testing.T) {
	one := tunnel("demo", 0, [2]int{0, 0})
	encoded, err := json.Marshal(map[string]any{"tunnel": one, "pointer": &one})
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"JSON": string(encoded)}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		texts[verb] = fmt.Sprintf(verb+verb, one, &one)
	}
	cloud, google := open(t, gcptest.Options{}, "lab")
	line(t, cloud, "demo", []netip.Addr{ip("203.0.113.10")}, [2]int{0, 0})
	texts["the snapshot"] = string(google.Snapshot())
	google.Inject(gcptest.Fault{Match: `compute\.vpnTunnels\.insert`, Status: 400, Reason: "invalid", Message: "Invalid value for field 'resource.sharedSecret': '" + psk + "'."})
	err = cloud.CreateTunnel(t.Context(), tunnel("demo", 1, [2]int{1, 0}), nil)
	expect(t, err, "", "repeats the pre-shared key")
	texts["an error"] = fmt.Sprintf("%v %+v", err, err)
	for where, text := range texts {
		if strings.Contains(text, psk) {
			t.Errorf("%s tells the key: %s", where, text)
		}
	}
	if !strings.Contains(texts["the snapshot"], `"sharedSecret": "*************"`) || !strings.Contains(texts["the snapshot"], "sharedSecretHash") {
		t.Error("the API tells neither the mask nor the hash")
	}
}

// TestEveryStatusOfATunnelIsExplained: those of Google's enum, those of its text
// alone, and one that nobody knows.
func TestEveryStatusOfATunnelIsExplained(t *testing.T) {
	for status, want := range map[string]struct{ code, why, fix string }{
		"ESTABLISHED":              {"", "", ""},
		"ALLOCATING_RESOURCES":     {"", "still making", "wait"},
		"PROVISIONING":             {"", "still making", "wait"},
		"WAITING_FOR_FULL_CONFIG":  {"", "rest of the tunnel's configuration", "BGP peer"},
		"FIRST_HANDSHAKE":          {"", "coming up", "wait"},
		"AUTHORIZATION_ERROR":      {"CW-VPN-AUTH", "different pre-shared keys", "same key"},
		"PEER_IDENTITY_MISMATCH":   {"CW-VPN-NEGOTIATION", "another address", "local id"},
		"NEGOTIATION_FAILURE":      {"CW-VPN-NEGOTIATION", "IKE version or cipher", "IKEv2"},
		"TS_NARROWING_NOT_ALLOWED": {"CW-VPN-NEGOTIATION", "traffic selectors", "0.0.0.0/0"},
		"NO_INCOMING_PACKETS":      {"CW-VPN-SILENT", "nothing arrives", "UDP 500"},
		"NETWORK_ERROR":            {"CW-VPN-SILENT", "nothing arrives", "UDP 500"},
		"REJECTED":                 {"CW-VPN-STATE", "rejected", "detailed status"},
		"FAILED":                   {"CW-VPN-STATE", "could not make", "apply again"},
		"STOPPED":                  {"CW-VPN-STATE", "stopped", "apply again"},
		"DEPROVISIONING":           {"CW-VPN-STATE", "being deleted", "apply again"},
		"SOMETHING_NEW":            {"CW-VPN-STATE", "SOMETHING_NEW", "logs"},
		"":                         {"CW-VPN-STATE", "no known state", "logs"},
	} {
		code, why, fix := TunnelProblem(status, "as Google says")
		if code != want.code || !strings.Contains(why, want.why) || !strings.Contains(fix, want.fix) || (why == "") != (status == "ESTABLISHED") {
			t.Errorf("%s: %q, %q, %q", status, code, why, fix)
		}
		if (code != "") != strings.Contains(why, "as Google says") {
			t.Errorf("%s: Google's sentence is told or hidden: %q", status, why)
		}
	}
}

// TestTheEnumOfTunnelsIsKnownWhole fails when Google's document knows a status that
// TunnelProblem does not.
func TestTheEnumOfTunnelsIsKnownWhole(t *testing.T) {
	statuses := gcptest.TunnelStatuses()
	if len(statuses) < 13 {
		t.Fatalf("the document knows %d", len(statuses))
	}
	for _, status := range statuses {
		if _, known := tunnelProblems[status]; !known && status != "ESTABLISHED" {
			t.Errorf("%s is not explained", status)
		}
	}
}

func TestTunnelsAsTheFarSideLeavesThem(t *testing.T) {
	for sentence, test := range map[string]struct {
		remotes []gcptest.Remote
		status  string
	}{
		"nobody there":     {nil, "NO_INCOMING_PACKETS"},
		"the same key":     {[]gcptest.Remote{{Address: ip("203.0.113.10"), Secret: psk}}, "ESTABLISHED"},
		"another key":      {[]gcptest.Remote{{Address: ip("203.0.113.10"), Secret: "other"}}, "AUTHORIZATION_ERROR"},
		"another cipher":   {[]gcptest.Remote{{Address: ip("203.0.113.10"), TunnelStatus: "NEGOTIATION_FAILURE"}}, "NEGOTIATION_FAILURE"},
		"forced to be up":  {[]gcptest.Remote{{Address: ip("203.0.113.10"), Secret: "other", TunnelStatus: "ESTABLISHED"}}, "ESTABLISHED"},
		"another far side": {[]gcptest.Remote{{Address: ip("203.0.113.11"), Secret: psk}}, "NO_INCOMING_PACKETS"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, google := open(t, gcptest.Options{}, "lab")
			google.SetRemotes(test.remotes...)
			line(t, cloud, "demo", []netip.Addr{ip("203.0.113.10")}, [2]int{0, 0})
			found, err := cloud.Tunnel(t.Context(), ref("demo-0"))
			if err != nil || found.Status != test.status || found.Detail == "" {
				t.Errorf("%v, %v", found, err)
			}
		})
	}
}

func TestAttachments(t *testing.T) {
	cloud, google := open(t, gcptest.Options{}, "lab")
	seed := gcptest.Seed{Resources: []gcptest.SeedObject{
		{Path: "projects/lab-project/regions/europe-west3/routers/onprem", Body: map[string]any{"network": "projects/lab-project/global/networks/default", "bgp": map[string]any{"asn": 16550}}},
		{Path: "projects/lab-project/regions/europe-west3/interconnectAttachments/vlan-1", Body: map[string]any{"router": "projects/lab-project/regions/europe-west3/routers/onprem", "type": "PARTNER"}},
		{Path: "projects/lab-project/regions/europe-west3/interconnectAttachments/vlan-2", Body: map[string]any{"router": "projects/lab-project/regions/europe-west3/routers/onprem", "operationalStatus": "OS_UNPROVISIONED", "state": "UNPROVISIONED"}},
	}}
	if err := google.Fill(seed); err != nil {
		t.Fatal(err)
	}
	found, err := cloud.Attachments(t.Context(), project)
	if err != nil {
		t.Fatal(err)
	}
	want := []Attachment{
		{Ref: ref("vlan-1"), Router: ref("onprem"), State: "ACTIVE", OperationalStatus: "OS_ACTIVE", Type: "PARTNER"},
		{Ref: ref("vlan-2"), Router: ref("onprem"), State: "UNPROVISIONED", OperationalStatus: "OS_UNPROVISIONED", Type: "DEDICATED"},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
	if !found[0].Up() || found[1].Up() {
		t.Error("which attachment is up")
	}
	google.Inject(gcptest.Fault{Match: `interconnectAttachments`, Status: 403, Reason: "forbidden", Message: "Required 'compute.interconnectAttachments.list' permission for 'projects/lab-project'"})
	_, err = cloud.Attachments(t.Context(), project)
	expect(t, err, "CW-GCP-PERMISSION", "missing permission compute.interconnectAttachments.list")
}
