package gcp

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
)

func TestRoutersOfANetwork(t *testing.T) {
	cloud, google := open(t, gcptest.Options{PageSize: 2}, "psc")
	network := Ref{Project: project, Name: "default"}
	for _, one := range []Router{
		{Project: project, Region: area, Name: "b", Network: "default", ASN: 64512, Advertise: Advertisement{Mode: "CUSTOM", Groups: []string{AllSubnets}, Ranges: []AdvertisedRange{ours}}},
		{Project: project, Region: area, Name: "a", Network: "default", ASN: 4200000000, Description: "causeway exposure demo"},
	} {
		if err := cloud.CreateRouter(t.Context(), one, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{
		{Path: "projects/lab-project/global/networks/other", Body: map[string]any{}},
		{Path: "projects/lab-project/regions/europe-west3/routers/c", Body: map[string]any{"network": "projects/lab-project/global/networks/other"}},
	}}); err != nil {
		t.Fatal(err)
	}
	found, err := cloud.NetworkRouters(t.Context(), network)
	if err != nil || len(found) != 3 {
		t.Fatalf("%d routers, %v", len(found), err)
	}
	want := []Router{
		{Project: project, Region: area, Name: "a", Network: "default", ASN: 4200000000, Description: "causeway exposure demo", Advertise: Advertisement{Mode: "DEFAULT"}},
		{Project: project, Region: area, Name: "b", Network: "default", ASN: 64512, Advertise: Advertisement{Mode: "CUSTOM", Groups: []string{AllSubnets}, Ranges: []AdvertisedRange{ours}}},
		{Project: project, Region: area, Name: "nat", Network: "default", NATs: found[2].NATs, Advertise: Advertisement{Mode: "DEFAULT"}},
	}
	if diff := cmp.Diff(want, found, sameIP); diff != "" || len(found[2].NATs) != 1 {
		t.Error(diff)
	}
	if none, err := cloud.Router(t.Context(), ref("none")); none != nil || err != nil {
		t.Errorf("a router that is not there: %v, %v", none, err)
	}
	if err := cloud.DeleteRouter(t.Context(), ref("none"), nil); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

func TestRoutersThatGoogleRefuses(t *testing.T) {
	for sentence, test := range map[string]struct {
		change     func(*Router)
		code, part string
	}{
		"a public ASN":             {func(r *Router) { r.ASN = 3320 }, "", "must be a private ASN"},
		"a range with host bits":   {func(r *Router) { r.Advertise = *plus(Advertisement{}, AdvertisedRange{cidr("10.0.0.1/8"), ""}) }, "", "'resource.bgp.advertisedIpRanges[0].range': '10.0.0.1/8'. Must be a CIDR address range"},
		"a network that is absent": {func(r *Router) { r.Network = "none" }, "CW-GCP-NOT-FOUND", "networks/none"},
		"a name that is taken":     {func(r *Router) { r.Name = "one" }, "CW-GCP-CONFLICT", "already exists"},
	} {
		t.Run(sentence, func(t *testing.T) {
			cloud, _ := open(t, gcptest.Options{}, "lab")
			router := Router{Project: project, Region: area, Name: "one", Network: "default", ASN: 64512}
			if err := cloud.CreateRouter(t.Context(), router, nil); err != nil {
				t.Fatal(err)
			}
			router.Name = "two"
			test.change(&router)
			expect(t, cloud.CreateRouter(t.Context(), router, nil), test.code, test.part)
		})
	}
	cloud, _ := open(t, gcptest.Options{}, "lab")
	router := Router{Project: project, Region: area, Network: "default", ASN: 64512}
	for i := range 5 {
		router.Name = fmt.Sprintf("r%d", i)
		if err := cloud.CreateRouter(t.Context(), router, nil); err != nil {
			t.Fatal(err)
		}
	}
	router.Name = "sixth"
	expect(t, cloud.CreateRouter(t.Context(), router, nil), "CW-GCP-QUOTA", "Limit: 5.0 in region europe-west3")
}

// TestSessionsAsTheyAre: what getRouterStatus tells of a session, and what
// SessionProblem makes of it.
func TestSessionsAsTheyAre(t *testing.T) {
	far := gcptest.Remote{Address: ip("203.0.113.10"), Secret: psk, ASN: 65010, Prefixes: []netip.Prefix{cidr("10.200.0.0/16"), cidr("10.201.0.0/16")}}
	for sentence, test := range map[string]struct {
		remote          func(*gcptest.Remote)
		edit            RouterEdit
		up              bool
		state           string
		code, why, cure string
	}{
		"up":                    {nil, RouterEdit{}, true, "Established", "", "", ""},
		"disabled":              {nil, RouterEdit{EnablePeers: map[string]bool{"demo-0": false}}, false, "Idle", "CW-BGP-DISABLED", "disabled", "--enabled"},
		"the tunnel is down":    {func(r *gcptest.Remote) { r.Secret = "other" }, RouterEdit{}, false, "Connect", "CW-BGP-DOWN", "because what carries it is down", "tunnel"},
		"another ASN":           {func(r *gcptest.Remote) { r.ASN = 65099 }, RouterEdit{}, false, "OpenSent", "CW-BGP-DOWN", "though what carries it is up", "AS 65010"},
		"an MD5 fault":          {func(r *gcptest.Remote) { r.SessionDown = "MD5_AUTH_INTERNAL_PROBLEM" }, RouterEdit{}, false, "Active", "CW-BGP-DOWN", "MD5", "same MD5 key"},
		"a reason of its own":   {func(r *gcptest.Remote) { r.SessionDown = "IPV4_PEER_ON_IPV6_ONLY_CONNECTION" }, RouterEdit{}, false, "Active", "CW-BGP-DOWN", "IPV4_PEER_ON_IPV6_ONLY", "neighbour 169.254.10.1"},
		"a reason nobody tells": {func(r *gcptest.Remote) { r.SessionDown = "powered off" }, RouterEdit{}, false, "Active", "CW-BGP-DOWN", "(Active)", "TCP 179"},
	} {
		t.Run(sentence, func(t *testing.T) {
			now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
			cloud, google := open(t, gcptest.Options{Now: func() time.Time { return now }}, "lab")
			remote := far
			if test.remote != nil {
				test.remote(&remote)
			}
			google.SetRemotes(remote)
			line(t, cloud, "demo", []netip.Addr{remote.Address}, [2]int{0, 0})
			edit(t, cloud, "demo", session("demo", 0))
			router := edit(t, cloud, "demo", test.edit)
			if _, err := cloud.RouterStatus(t.Context(), ref("demo")); err != nil { // the session is seen up
				t.Fatal(err)
			}
			now = now.Add(90 * time.Second)
			status, err := cloud.RouterStatus(t.Context(), ref("demo"))
			if err != nil {
				t.Fatal(err)
			}
			want := PeerStatus{Name: "demo-0", LocalIP: ip("169.254.10.1"), PeerIP: ip("169.254.10.2"), Up: test.up, Status: "DOWN", State: test.state, Tunnel: ref("demo-0")}
			if test.up {
				want.Status, want.Uptime, want.Learned = "UP", 90*time.Second, 2
				want.Advertised = []AdvertisedRoute{{cidr("10.36.0.0/14"), 100}, {cidr("10.40.0.0/20"), 100}, {cidr("10.156.0.0/20"), 100}}
			}
			want.Reason = status.Peers[0].Reason
			if diff := cmp.Diff([]PeerStatus{want}, status.Peers, sameIP); diff != "" {
				t.Error(diff)
			}
			if (len(status.Best) == 2) != test.up || len(status.Best) != len(status.BestForRouter) {
				t.Errorf("best routes %v, of the router %v", status.Best, status.BestForRouter)
			}
			tunnel, err := cloud.Tunnel(t.Context(), ref("demo-0"))
			if err != nil {
				t.Fatal(err)
			}
			code, why, cure := SessionProblem(router.Peers[0], status.Peers[0], tunnel.Status == "ESTABLISHED")
			if code != test.code || !strings.Contains(why, test.why) || !strings.Contains(cure, test.cure) {
				t.Errorf("%q, %q, %q", code, why, cure)
			}
		})
	}
	cloud, _ := open(t, gcptest.Options{}, "lab")
	_, err := cloud.RouterStatus(t.Context(), ref("none"))
	expect(t, err, "CW-GCP-NOT-FOUND", "read status of router")
}
