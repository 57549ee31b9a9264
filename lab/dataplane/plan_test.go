package dataplane

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/internal/gcptest"
	"causeway/lab/topology"
)

const (
	project = "projects/" + topology.Project
	vpcPath = project + "/global/networks/" + topology.Network
	secret  = "hush-hush" // the pre-shared key
	hubPath = "projects/" + topology.HubProject + "/global/networks/" + topology.HubNetwork
)

func prefix(text string) netip.Prefix { return netip.MustParsePrefix(text) }
func addr(text string) netip.Addr     { return netip.MustParseAddr(text) }

// tunnel is the n-th tunnel of a region's line in a network, with its session,
// which has learned what the far side announces.
func tunnel(f *gcptest.Fabric, network, region string, n int, learned ...string) {
	name := fmt.Sprintf("line-%d", n)
	at := network[:strings.Index(network, "/global")] + "/regions/" + region
	one := gcptest.TunnelLive{TunnelView: gcptest.TunnelView{
		Path: at + "/vpnTunnels/" + name, Name: name, Region: region, Network: network,
		GatewayIP: addr("35.242.0.1"), PeerIP: addr("198.51.100.1"), Secret: secret,
	}}
	f.Tunnels = append(f.Tunnels, one)
	s := gcptest.SessionLive{SessionView: gcptest.SessionView{
		Router: at + "/routers/line", Region: region, Network: network, Peer: name, Interface: name, Tunnel: one.Path,
		LocalASN: 64514, PeerASN: 65010, Link: prefix(fmt.Sprintf("169.254.8.%d/30", 4*n+1)), LocalIP: addr(fmt.Sprintf("169.254.8.%d", 4*n+1)),
		PeerIP: addr(fmt.Sprintf("169.254.8.%d", 4*n+2)), Enabled: true, Advertised: []gcptest.Advertised{{Range: prefix("192.168.50.0/28"), Priority: 100}},
	}}
	f.Sessions = append(f.Sessions, s)
	for i := range f.Networks {
		if f.Networks[i].Path != network {
			continue
		}
		for _, text := range learned {
			f.Networks[i].Dynamic = append(f.Networks[i].Dynamic, gcptest.Dynamic{Range: prefix(text), Region: region, Session: s.Key()})
		}
	}
}

// fabric is the seeds' networks and clusters, all settings on.
func fabric(hub bool) gcptest.Fabric {
	vpc := gcptest.NetworkView{
		Path: vpcPath, RoutingMode: "REGIONAL", Subnets: []netip.Prefix{topology.PodCIDR, topology.SubnetCIDR},
		Peerings: []gcptest.PeeringView{{Name: "gke-peer", Network: "projects/google/global/networks/gke", Export: true, Active: true}},
	}
	f := gcptest.Fabric{Clusters: []gcptest.ClusterView{
		{
			Path: project + "/locations/europe-west3/clusters/private-cluster", Region: topology.Region, Network: vpcPath, Peering: "gke-peer",
			ControlPlane: topology.MasterCIDR, Endpoint: topology.MasterIP,
		},
		{
			Path: project + "/locations/europe-west3/clusters/psc-cluster", Region: topology.Region, Network: vpcPath,
			ControlPlane: netip.PrefixFrom(topology.PSCEndpoint, 32), Endpoint: topology.PSCEndpoint,
		},
	}}
	if hub {
		vpc.Peerings = append(vpc.Peerings, gcptest.PeeringView{Name: "to-hub", Network: hubPath, Import: true, Active: true})
		f.Networks = append(f.Networks, gcptest.NetworkView{
			Path: hubPath, RoutingMode: "REGIONAL", Subnets: []netip.Prefix{topology.HubCIDR},
			Peerings: []gcptest.PeeringView{{Name: "to-spoke", Network: vpcPath, Export: true, Active: true}},
		})
	}
	f.Networks = append(f.Networks, vpc)
	return f
}

func network(f *gcptest.Fabric, path string) *gcptest.NetworkView {
	return &f.Networks[slices.IndexFunc(f.Networks, func(n gcptest.NetworkView) bool { return n.Path == path })]
}

// rightFar has the key of every tunnel that goes to its address.
func rightFar() *Far { return &Far{Keys: map[string]string{"35.242.0.1": secret}} }

func plan(line topology.Line, f gcptest.Fabric, far *Far) Want {
	return Plan(line, f, far, Number(nil, f.Tunnels))
}

// routes tells the planned routes, a namespace and a route a line.
func routes(w Want) []string {
	var list []string
	for namespace, all := range w.Routes {
		for _, r := range all {
			r.Source = netip.Addr{}
			list = append(list, namespace+" "+r.String())
		}
	}
	slices.Sort(list)
	return list
}

const far = "172.31.0.0/16"

// static gives the cluster's network a static route.
func static(f *gcptest.Fabric, to string, priority uint32) {
	n := network(f, vpcPath)
	n.Static = append(n.Static, gcptest.Static{Range: prefix(to), Priority: priority})
}

func TestRoutesOfTheVPNLine(t *testing.T) {
	west3, west4 := topology.Region, topology.FarRegion
	for name, c := range map[string]struct {
		change func(*gcptest.Fabric)
		want   []string
	}{
		"no tunnel at all": {func(*gcptest.Fabric) {}, nil},
		"a session that learned": {
			func(f *gcptest.Fabric) { tunnel(f, vpcPath, west3, 0, far) },
			[]string{"cw-master 172.31.0.0/16 via 100.64.20.1", "cw-vpc 172.31.0.0/16 via 169.254.8.2"},
		},
		"two sessions share the traffic": {
			func(f *gcptest.Fabric) { tunnel(f, vpcPath, west3, 0, far); tunnel(f, vpcPath, west3, 1, far) },
			[]string{"cw-master 172.31.0.0/16 via 100.64.20.1", "cw-vpc 172.31.0.0/16 via 169.254.8.2 via 169.254.8.6"},
		},
		"a peering that does not export": {
			func(f *gcptest.Fabric) {
				tunnel(f, vpcPath, west3, 0, far)
				network(f, vpcPath).Peerings[0].Export = false
			},
			[]string{"cw-vpc 172.31.0.0/16 via 169.254.8.2"},
		},
		"a peering that is not active": {
			func(f *gcptest.Fabric) {
				tunnel(f, vpcPath, west3, 0, far)
				network(f, vpcPath).Peerings[0].Active = false
			},
			[]string{"cw-vpc 172.31.0.0/16 via 169.254.8.2"},
		},
		"another peering that exports": {
			func(f *gcptest.Fabric) {
				tunnel(f, vpcPath, west3, 0, far)
				network(f, vpcPath).Peerings[0].Name = "other"
			},
			[]string{"cw-vpc 172.31.0.0/16 via 169.254.8.2"},
		},
		"a session of another region in a REGIONAL network": {func(f *gcptest.Fabric) { tunnel(f, vpcPath, west4, 0, far) }, nil},
		"a session of another region in a GLOBAL network": {
			func(f *gcptest.Fabric) {
				tunnel(f, vpcPath, west4, 0, far)
				network(f, vpcPath).RoutingMode = "GLOBAL"
			},
			[]string{"cw-master 172.31.0.0/16 via 100.64.20.1", "cw-vpc 172.31.0.0/16 via 169.254.8.2"},
		},
		"the region's own session goes before another region's": {
			func(f *gcptest.Fabric) {
				tunnel(f, vpcPath, west4, 0, far)
				tunnel(f, vpcPath, west3, 1, far)
				network(f, vpcPath).RoutingMode = "GLOBAL"
			},
			[]string{"cw-master 172.31.0.0/16 via 100.64.20.1", "cw-vpc 172.31.0.0/16 via 169.254.8.6"},
		},
		"a narrower static route leads elsewhere": {
			func(f *gcptest.Fabric) { tunnel(f, vpcPath, west3, 0, far); static(f, "172.31.16.0/20", 1000) },
			[]string{"cw-master 172.31.0.0/16 via 100.64.20.1", "cw-vpc 172.31.0.0/16 via 169.254.8.2", "cw-vpc 172.31.16.0/20"},
		},
		"a static route to the same range goes before at the same priority": {
			func(f *gcptest.Fabric) { tunnel(f, vpcPath, west3, 0, far); static(f, far, 100) },
			[]string{"cw-master 172.31.0.0/16 via 100.64.20.1", "cw-vpc 172.31.0.0/16"},
		},
		"and behind at a higher one": {
			func(f *gcptest.Fabric) { tunnel(f, vpcPath, west3, 0, far); static(f, far, 101) },
			[]string{"cw-master 172.31.0.0/16 via 100.64.20.1", "cw-vpc 172.31.0.0/16 via 169.254.8.2"},
		},
		"a static route to the internet, or within a subnet, takes nothing away": {
			func(f *gcptest.Fabric) { static(f, "0.0.0.0/0", 0); static(f, "10.156.0.64/26", 0) }, nil,
		},
		"what the far side announces within subnet routes does not count": {
			func(f *gcptest.Fabric) {
				tunnel(f, vpcPath, west3, 0, "192.168.50.0/28", "192.168.50.2/32", "10.156.0.0/24", "10.0.0.0/8")
			},
			[]string{"cw-master 10.0.0.0/8 via 100.64.20.1", "cw-vpc 10.0.0.0/8 via 169.254.8.2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := fabric(false)
			c.change(&f)
			if diff := cmp.Diff(c.want, routes(plan(topology.LineVPN, f, rightFar()))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRoutesOfTheHubLine(t *testing.T) {
	subnetRoutes := []string{
		"cw-hub 10.156.0.0/20 via 100.64.30.2", "cw-hub 10.36.0.0/14 via 100.64.30.2", "cw-hub 172.31.0.0/16 via 169.254.8.2",
		"cw-vpc 10.200.0.0/20 via 100.64.30.1",
	}
	for name, c := range map[string]struct {
		change func(hub, vpc *gcptest.PeeringView)
		want   []string
	}{
		// The control plane learns nothing of it: no peering passes another's routes on.
		"exported and imported":       {func(_, _ *gcptest.PeeringView) {}, append(slices.Clone(subnetRoutes), "cw-vpc 172.31.0.0/16 via 100.64.30.1")},
		"not exported by the hub":     {func(hub, _ *gcptest.PeeringView) { hub.Export = false }, subnetRoutes},
		"not imported by the spoke":   {func(_, vpc *gcptest.PeeringView) { vpc.Import = false }, subnetRoutes},
		"one side is gone: no routes": {func(hub, _ *gcptest.PeeringView) { hub.Active = false }, []string{"cw-hub 172.31.0.0/16 via 169.254.8.2"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := fabric(true)
			tunnel(&f, hubPath, topology.Region, 0, far)
			c.change(&network(&f, hubPath).Peerings[0], &network(&f, vpcPath).Peerings[1])
			if diff := cmp.Diff(c.want, routes(plan(topology.LineHub, f, rightFar()))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestALinkIsThereWhenBothHalvesFit(t *testing.T) {
	f := fabric(false)
	tunnel(&f, vpcPath, topology.Region, 0, far)
	for name, c := range map[string]struct {
		far  *Far
		want string
	}{
		"no far half":                            {nil, nobody},
		"a far half without a key for it":        {&Far{Keys: map[string]string{"line-1": secret}}, nobody},
		"the key by Google's address":            {rightFar(), matched},
		"the key by name, as read from a file":   {&Far{Keys: map[string]string{"line-0": secret + "\n"}}, matched},
		"another key by name, the right by IP":   {&Far{Keys: map[string]string{"line-0": "other", "35.242.0.1": secret}}, otherKey},
		"the far half is at the tunnel's peer":   {&Far{Keys: rightFar().Keys, Addresses: []netip.Addr{addr("198.51.100.1")}}, matched},
		"the far half has another address alone": {&Far{Keys: rightFar().Keys, Addresses: []netip.Addr{addr("198.51.100.9")}}, nobody},
	} {
		if got := match(c.far, f.Tunnels[0].TunnelView); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		w := plan(topology.LineVPN, f, c.far)
		if (len(w.Links) == 1) != (c.want == matched) || (len(w.Routes) > 0) != (c.want == matched) {
			t.Errorf("%s: links %v, routes %v", name, w.Links, w.Routes)
		}
	}
}

func TestALinkHasTheAddressesOfTheRouterInterface(t *testing.T) {
	f := fabric(false)
	tunnel(&f, vpcPath, topology.Region, 1, far)
	bare := f
	bare.Sessions = nil
	for name, c := range map[string]struct {
		f    gcptest.Fabric
		want string
	}{
		"with a session":                      {f, "cw1 cw-vpc 169.254.8.5/30 169.254.8.6/30"},
		"without one, a link without address": {bare, "cw1 cw-vpc invalid Prefix invalid Prefix"},
	} {
		w := plan(topology.LineVPN, c.f, rightFar())
		if len(w.Links) != 1 {
			t.Fatalf("%s: links %v", name, w.Links)
		}
		l := w.Links[0]
		if got := fmt.Sprint(l.Name, " ", l.Namespace, " ", l.Google, " ", l.Far); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestATunnelKeepsItsNumber(t *testing.T) {
	live := func(names ...string) []gcptest.TunnelLive {
		var list []gcptest.TunnelLive
		for _, name := range names {
			list = append(list, gcptest.TunnelLive{TunnelView: gcptest.TunnelView{Path: name, Name: name}})
		}
		return list
	}
	for name, c := range map[string]struct {
		had  map[string]int
		live []gcptest.TunnelLive
		want map[string]int
	}{
		"by the end of the name":              {nil, live("a-3", "a-0"), map[string]int{"a-0": 0, "a-3": 3}},
		"names without a number get the rest": {nil, live("a", "b", "b-1"), map[string]int{"a": 0, "b": 2, "b-1": 1}},
		"a number that is taken":              {map[string]int{"old": 1}, live("new-1", "old"), map[string]int{"old": 1, "new-1": 0}},
		"what is gone leaves its number":      {map[string]int{"gone-0": 0, "b-1": 1}, live("b-1", "c-0"), map[string]int{"b-1": 1, "c-0": 0}},
		"two lines with the same ends":        {nil, live("a-0", "a-1", "b-0", "b-1"), map[string]int{"a-0": 0, "a-1": 1, "b-0": 2, "b-1": 3}},
		"a number of more digits is none":     {nil, live("a-10"), map[string]int{"a-10": 0}},
	} {
		if diff := cmp.Diff(c.want, Number(c.had, c.live)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
