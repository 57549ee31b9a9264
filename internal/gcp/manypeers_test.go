package gcp

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"causeway/internal/gcptest"
)

// crowd is a network with 5 routers of 128 peers each, which announce 200 ranges:
// all that Google's quotas let one region have.
func crowd(t *testing.T) *Cloud {
	t.Helper()
	google := gcptest.Serve(t, gcptest.Options{}, "lab")
	seed := gcptest.Seed{Remotes: []gcptest.Remote{{Address: ip("203.0.113.10"), Prefixes: []netip.Prefix{cidr("10.200.0.0/16")}}}}
	plant := func(path string, body map[string]any) {
		seed.Resources = append(seed.Resources, gcptest.SeedObject{Path: "projects/lab-project/" + path, Body: body})
	}
	plant("global/externalVpnGateways/far", map[string]any{"interfaces": []any{map[string]any{"id": 0, "ipAddress": "203.0.113.10"}}})
	plant("regions/europe-west3/vpnGateways/gw", map[string]any{"network": "projects/lab-project/global/networks/default"})
	var ranges []any
	for i := range 200 {
		ranges = append(ranges, map[string]any{"range": fmt.Sprintf("10.50.%d.0/24", i)})
	}
	for r := range 5 {
		var interfaces, peers []any
		for p := range 128 {
			name := fmt.Sprintf("t-%d-%d", r, p)
			plant("regions/europe-west3/vpnTunnels/"+name, map[string]any{
				"vpnGateway": "regions/europe-west3/vpnGateways/gw", "vpnGatewayInterface": p % 2, "router": fmt.Sprintf("regions/europe-west3/routers/r-%d", r),
				"peerExternalGateway": "global/externalVpnGateways/far", "peerExternalGatewayInterface": 0, "sharedSecret": psk,
			})
			own := fmt.Sprintf("169.254.%d.%d", 10*r+p/64, 4*(p%64)+1)
			interfaces = append(interfaces, map[string]any{"name": name, "ipRange": own + "/30", "linkedVpnTunnel": "regions/europe-west3/vpnTunnels/" + name})
			peers = append(peers, map[string]any{"name": name, "interfaceName": name, "ipAddress": own, "peerAsn": 65010,
				"peerIpAddress": fmt.Sprintf("169.254.%d.%d", 10*r+p/64, 4*(p%64)+2)})
		}
		plant(fmt.Sprintf("regions/europe-west3/routers/r-%d", r), map[string]any{
			"network": "projects/lab-project/global/networks/default", "interfaces": interfaces, "bgpPeers": peers,
			"bgp": map[string]any{"asn": 64512, "advertiseMode": "CUSTOM", "advertisedGroups": []any{"ALL_SUBNETS"}, "advertisedIpRanges": ranges},
		})
	}
	if err := google.Fill(seed); err != nil {
		t.Fatal(err)
	}
	return openOn(t, google, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token}))
}

// survey reads all routers of the network and what each does, at the same time.
func survey(t *testing.T, cloud *Cloud) (peers, routes int) {
	t.Helper()
	routers, err := cloud.NetworkRouters(t.Context(), Ref{Project: project, Name: "default"})
	if err != nil {
		t.Fatal(err)
	}
	statuses := make([]RouterStatus, len(routers))
	failures := make([]error, len(routers))
	var group sync.WaitGroup
	for i, router := range routers {
		group.Go(func() { statuses[i], failures[i] = cloud.RouterStatus(t.Context(), router.Ref()) })
	}
	group.Wait()
	for i, status := range statuses {
		if failures[i] != nil {
			t.Fatal(failures[i])
		}
		for _, one := range status.Peers {
			peers++
			routes += len(one.Advertised)
		}
	}
	return peers, routes
}

func TestAFullRegionIsReadInTime(t *testing.T) {
	cloud := crowd(t)
	started := time.Now()
	peers, routes := survey(t, cloud)
	took := time.Since(started)
	if peers != 5*128 || routes != 5*128*203 {
		t.Errorf("%d peers, %d routes", peers, routes)
	}
	// 0.4 s on two idle cores, 20 s under the race detector on busy ones; what grew with the
	// square of the peers would take minutes.
	if took > time.Minute {
		t.Errorf("%d peers and %d routes took %s", peers, routes, took)
	}
	t.Logf("%d peers and %d routes in %s", peers, routes, took)
}
