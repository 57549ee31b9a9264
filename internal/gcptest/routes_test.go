package gcptest

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lines tells the items of a list in one line each, sorted.
func lines(answer object, tell func(object) string) []string {
	var out []string
	items, _ := answer["items"].([]any)
	for _, item := range items {
		out = append(out, tell(item.(object)))
	}
	slices.Sort(out)
	return out
}

func routeLine(o object) string {
	line := text(o, "destRange")
	for _, field := range []string{"nextHopNetwork", "nextHopPeering", "nextHopGateway"} {
		if hop := text(o, field); hop != "" {
			line += " " + field + " " + hop[strings.LastIndex(hop, "/")+1:]
		}
	}
	return line
}

func TestTheRoutesOfANetwork(t *testing.T) {
	s := Serve(t, Options{}, "hub")
	err := s.Fill(Seed{Resources: []SeedObject{
		{Path: "projects/lab-project/global/routes/internet", Body: object{"network": labNetwork, "destRange": "0.0.0.0/0", "nextHopGateway": "global/gateways/default-internet-gateway"}},
		{Path: "projects/lab-project/global/networks/other", Body: object{}},
		{Path: "projects/lab-project/global/routes/elsewhere", Body: object{"network": "projects/lab-project/global/networks/other", "destRange": "10.9.0.0/16", "nextHopIp": "10.8.0.1", "priority": 5}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"0.0.0.0/0 nextHopGateway default-internet-gateway",
		"10.156.0.0/20 nextHopNetwork default", "10.164.0.0/20 nextHopNetwork default",
		"10.200.0.0/20 nextHopPeering to-hub",
		"10.36.0.0/14 nextHopNetwork default", "10.40.0.0/20 nextHopNetwork default",
		"10.48.0.0/14 nextHopNetwork default", "10.52.0.0/20 nextHopNetwork default",
		"192.168.50.0/28 nextHopPeering " + gkePeering,
	}
	for _, filter := range []string{`network="` + link(labNetwork) + `"`, `network eq ".*/` + labNetwork + `"`} {
		query := strings.NewReplacer(" ", "%20", `"`, "%22", "=", "%3D", "*", "%2A").Replace(filter)
		answer := must(t, s, "GET", globalPath+"/routes?filter="+query, "")
		if diff := cmp.Diff(want, lines(answer, routeLine)); diff != "" {
			t.Errorf("%s: %s", filter, diff)
		}
	}
	all := must(t, s, "GET", globalPath+"/routes", "")
	if got := lines(all, routeLine); len(got) != len(want)+1 {
		t.Errorf("all routes: %v", got)
	}
	for _, item := range all["items"].([]any) {
		one := item.(object)
		if again := must(t, s, "GET", globalPath+"/routes/"+text(one, "name"), ""); cmp.Diff(one, again) != "" {
			t.Errorf("get tells another route than list: %v", again)
		}
		if priority := one["priority"]; text(one, "name") == "internet" && priority != 1000.0 || text(one, "nextHopPeering") != "" && priority != 0.0 {
			t.Errorf("priority of %v", one)
		}
	}
	refuse(t, s, "GET", globalPath+"/routes/none", "", 404, "was not found")
	must(t, s, "POST", globalPath+"/networks/default/removePeering", `{"name":"to-hub"}`)
	if got := lines(must(t, s, "GET", globalPath+"/routes", ""), routeLine); slices.Contains(got, "10.200.0.0/20 nextHopPeering to-hub") {
		t.Errorf("a peering that is gone has routes: %v", got)
	}
}

func exchangeLine(o object) string {
	line := strings.TrimSuffix(text(o, "type"), "_PEERING_ROUTE") + " " + text(o, "destRange")
	if o["imported"] != true {
		line += " refused"
	}
	return strings.TrimSpace(line + " " + text(o, "nextHopRegion"))
}

// TestWhatCrossesAPeering sets flags on either side and wants what listPeeringRoutes
// tells of each.
func TestWhatCrossesAPeering(t *testing.T) {
	ours := []string{"SUBNET 10.156.0.0/20", "SUBNET 10.164.0.0/20", "SUBNET 10.36.0.0/14", "SUBNET 10.40.0.0/20", "SUBNET 10.48.0.0/14", "SUBNET 10.52.0.0/20"}
	with := func(more ...string) []string {
		return slices.Sorted(slices.Values(append(slices.Clone(ours), more...)))
	}
	for sentence, test := range map[string]struct {
		project, network, peering, region, direction string
		export, accept                               bool // of the side that sends, and of the one that gets
		want                                         []string
	}{
		"to Google's side, custom routes kept":   {"lab-project", "default", gkePeering, "europe-west3", "OUTGOING", false, false, with()},
		"to Google's side, custom routes sent":   {"lab-project", "default", gkePeering, "europe-west3", "OUTGOING", true, false, with("DYNAMIC 10.77.0.0/16 europe-west3", "STATIC 10.99.0.0/16")},
		"to Google's side, in another region":    {"lab-project", "default", gkePeering, "europe-west4", "OUTGOING", true, false, with("STATIC 10.99.0.0/16")},
		"from Google's side":                     {"lab-project", "default", gkePeering, "europe-west3", "INCOMING", true, false, []string{"SUBNET 192.168.50.0/28"}},
		"to the hub, which takes them":           {"lab-project", "default", "to-hub", "europe-west3", "OUTGOING", true, true, with("DYNAMIC 10.77.0.0/16 europe-west3", "STATIC 10.99.0.0/16")},
		"to the hub, which does not":             {"lab-project", "default", "to-hub", "europe-west3", "OUTGOING", true, false, with("DYNAMIC 10.77.0.0/16 refused europe-west3", "STATIC 10.99.0.0/16 refused")},
		"at the hub, which takes them":           {"hub-project", "hub-vpc", "to-spoke", "europe-west3", "INCOMING", true, true, with("DYNAMIC 10.77.0.0/16 europe-west3", "STATIC 10.99.0.0/16")},
		"at the hub, which does not":             {"hub-project", "hub-vpc", "to-spoke", "europe-west3", "INCOMING", true, false, with("DYNAMIC 10.77.0.0/16 refused europe-west3", "STATIC 10.99.0.0/16 refused")},
		"at the hub, while nothing is exported":  {"hub-project", "hub-vpc", "to-spoke", "europe-west3", "INCOMING", false, true, with()},
		"from the hub, which has nothing of BGP": {"lab-project", "default", "to-hub", "europe-west3", "INCOMING", true, true, []string{"SUBNET 10.200.0.0/20"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := Serve(t, Options{}, "hub")
			learn(t, s)
			for at, flags := range map[string]object{labNetwork: {"exportCustomRoutes": test.export}, hubNetwork: {"importCustomRoutes": test.accept}} {
				if err := s.Change(at, func(o map[string]any) {
					for _, one := range entries(o, "peerings") {
						for flag, on := range flags {
							one[flag] = on
						}
					}
				}); err != nil {
					t.Fatal(err)
				}
			}
			path := "/compute/v1/projects/" + test.project + "/global/networks/" + test.network + "/listPeeringRoutes?peeringName=" + test.peering
			answer := must(t, s, "GET", path+"&region="+test.region+"&direction="+test.direction, "")
			if diff := cmp.Diff(test.want, lines(answer, exchangeLine)); diff != "" {
				t.Error(diff)
			}
			first := must(t, s, "GET", path+"&region="+test.region+"&maxResults=1&direction="+test.direction, "")
			if items := first["items"].([]any); len(items) != 1 || len(test.want) > 1 && first["nextPageToken"] == nil {
				t.Errorf("a page of one: %v", first)
			}
		})
	}
}

// learn gives the lab's network a static route, one of tagged machines, and a BGP
// session by which its router in europe-west3 has learned the far side's range.
func learn(t *testing.T, s *Server) {
	t.Helper()
	const region = "projects/lab-project/regions/europe-west3"
	err := s.Fill(Seed{Resources: []SeedObject{
		{Path: "projects/lab-project/global/routes/appliance", Body: object{"network": labNetwork, "destRange": "10.99.0.0/16", "nextHopIp": "10.156.0.9"}},
		{Path: "projects/lab-project/global/routes/tagged", Body: object{"network": labNetwork, "destRange": "10.98.0.0/16", "nextHopIp": "10.156.0.9", "tags": []any{"a"}}},
		{Path: "projects/lab-project/global/routes/internet", Body: object{"network": labNetwork, "destRange": "0.0.0.0/0", "nextHopGateway": "projects/lab-project/global/gateways/default-internet-gateway"}},
		{Path: region + "/interconnectAttachments/line", Body: object{"state": "ACTIVE", "operationalStatus": "OS_ACTIVE", "type": "DEDICATED", "router": region + "/routers/line"}},
		{Path: region + "/routers/line", Body: object{"network": labNetwork, "bgp": object{"asn": 64514},
			"interfaces": []any{object{"name": "line", "ipRange": "169.254.40.1/30", "linkedInterconnectAttachment": region + "/interconnectAttachments/line"}},
			"bgpPeers":   []any{object{"name": "line", "interfaceName": "line", "ipAddress": "169.254.40.1", "peerIpAddress": "169.254.40.2", "peerAsn": 65001}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.SetRemotes(Remote{Address: netip.MustParseAddr("169.254.40.2"), ASN: 65001, Prefixes: []netip.Prefix{netip.MustParsePrefix("10.77.0.0/16")}})
}

func TestPeeringRoutesThatCannotBeTold(t *testing.T) {
	s := Serve(t, Options{}, "hub")
	path := globalPath + "/networks/default/listPeeringRoutes"
	for query, part := range map[string]string{
		"peeringName=none&region=europe-west3&direction=INCOMING":   "There is no peering none",
		"peeringName=to-hub&region=europe-west3":                    "It must be INCOMING or OUTGOING",
		"peeringName=to-hub&region=europe-west9&direction=INCOMING": "Unknown region",
	} {
		refuse(t, s, "GET", path+"?"+query, "", 400, part)
	}
	refuse(t, s, "GET", globalPath+"/networks/none/listPeeringRoutes?direction=INCOMING", "", 404, "was not found")
	must(t, s, "POST", "/compute/v1/projects/hub-project/global/networks/hub-vpc/removePeering", `{"name":"to-spoke"}`)
	if answer := must(t, s, "GET", path+"?peeringName=to-hub&region=europe-west3&direction=OUTGOING", ""); answer["items"] != nil {
		t.Errorf("a peering that is inactive carries %v", answer["items"])
	}
}

// A static route is made, counts in the Fabric and for the peerings, and goes.
func TestAStaticRouteIsMadeAndDeleted(t *testing.T) {
	s := Serve(t, Options{}, "hub")
	const at = globalPath + "/routes/away"
	body := `{"name":"away","network":"global/networks/default","destRange":"172.31.16.0/20","nextHopIp":"10.156.0.9","priority":700}`
	if op := finish(t, s, must(t, s, "POST", globalPath+"/routes", body)); op["error"] != nil {
		t.Fatal(op)
	}
	if made := must(t, s, "GET", at, ""); text(made, "routeType") != "STATIC" || text(made, "network") != link(labNetwork) || made["priority"] != 700.0 {
		t.Errorf("it is %v", made)
	}
	static := func() []Static {
		for _, network := range s.Fabric().Networks {
			if network.Path == labNetwork {
				return network.Static
			}
		}
		return nil
	}
	if diff := cmp.Diff([]Static{{prefix("172.31.16.0/20"), 700}}, static(), equalIP); diff != "" {
		t.Error(diff)
	}
	must(t, s, "POST", globalPath+"/routes", `{"name":"tagged","network":"global/networks/default","destRange":"172.31.32.0/20","nextHopIp":"10.156.0.9","tags":["web"]}`)
	if got := static(); len(got) != 1 {
		t.Errorf("a route of tagged machines counts for all: %v", got)
	}
	for name, c := range map[string][2]string{
		"no next hop":        {`{"name":"x","network":"global/networks/default","destRange":"172.30.0.0/16"}`, "one next hop"},
		"two next hops":      {`{"name":"x","network":"global/networks/default","destRange":"172.30.0.0/16","nextHopIp":"10.156.0.9","nextHopGateway":"global/gateways/default-internet-gateway"}`, "one next hop"},
		"no range":           {`{"name":"x","network":"global/networks/default","nextHopIp":"10.156.0.9"}`, "CIDR"},
		"a host in a range":  {`{"name":"x","network":"global/networks/default","destRange":"172.30.0.9/16","nextHopIp":"10.156.0.9"}`, "CIDR"},
		"within a subnet":    {`{"name":"x","network":"global/networks/default","destRange":"10.156.0.64/26","nextHopIp":"10.156.0.9"}`, "overlaps"},
		"a network there is": {`{"name":"x","network":"global/networks/none","destRange":"172.30.0.0/16","nextHopIp":"10.156.0.9"}`, "not found"},
		"a name twice":       {body, "already exists"},
	} {
		if status, out := do(t, s, "POST", globalPath+"/routes", c[0]); status == 200 || !strings.Contains(text(out["error"].(object), "message"), c[1]) {
			t.Errorf("%s: %d %v, want %q", name, status, out, c[1])
		}
	}
	finish(t, s, must(t, s, "DELETE", at, ""))
	if got := static(); len(got) != 0 {
		t.Errorf("after it was deleted: %v", got)
	}
	refuse(t, s, "DELETE", at, "", 404, "not found")
}
