package route

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/exposer"
	"causeway/exposer/routing"
	"causeway/internal/explain"
	"causeway/internal/gcp"
)

func cidr(text string) netip.Prefix { return netip.MustParsePrefix(text) }
func ip(text string) netip.Addr     { return netip.MustParseAddr(text) }

var labRouter = gcp.Ref{Project: "p", Region: "r1", Name: "cr"}

// goodView is a line of two tunnels to a cluster behind a peering, all well.
func goodView() view {
	var v view
	v.ref = gcp.Ref{Project: "p", Name: "net"}
	v.cluster = gcp.Cluster{Name: "c", Location: "r1", PrivateEndpoint: "192.168.50.2", PeeringName: "gke-x-peer", MasterCIDR: cidr(master),
		Authorized: gcp.AuthorizedNetworks{Enabled: true, CIDRs: []gcp.AuthorizedNetwork{{CIDR: cidr(client)}}}}
	v.network = gcp.Network{Project: "p", Name: "net", RoutingMode: "REGIONAL", Peerings: []gcp.Peering{{Name: "gke-x-peer", State: "ACTIVE", ExportCustomRoutes: true}}}
	v.subnets = []gcp.Subnetwork{{Name: "s", Region: "r1", Range: cidr("10.156.0.0/20")}}
	v.clients = []netip.Prefix{cidr(client)}
	v.lines = routing.Lines{Network: v.ref, Status: map[gcp.Ref]gcp.RouterStatus{}}
	v.unseen = map[string]error{}
	v.incoming = []gcp.PeeringRoute{{Range: cidr(master), Type: "SUBNET_PEERING_ROUTE", Imported: true}}
	v.outgoing = []gcp.PeeringRoute{{Range: cidr("10.156.0.0/20"), Type: "SUBNET_PEERING_ROUTE", Imported: true}, {Range: cidr(client), Type: "DYNAMIC_PEERING_ROUTE", Imported: true}}
	v.routes = []gcp.Route{{Name: "default", Range: cidr("0.0.0.0/0"), Kind: gcp.RouteStatic, Priority: 1000, NextHop: "next hop gateway default-internet-gateway"},
		{Name: "s", Range: cidr("10.156.0.0/20"), Kind: gcp.RouteSubnet}, {Name: "peer", Range: cidr(master), Kind: gcp.RoutePeering}}
	router := gcp.Router{Project: "p", Region: "r1", Name: "cr", Network: "net", Advertise: gcp.Advertisement{Mode: "CUSTOM", Groups: []string{gcp.AllSubnets}, Ranges: []gcp.AdvertisedRange{{Range: cidr(master)}}}}
	status := gcp.RouterStatus{}
	for i := range 2 {
		name, own, far := fmt.Sprint("t", i), fmt.Sprintf("169.254.80.%d", 4*i+1), fmt.Sprintf("169.254.80.%d", 4*i+2)
		at := gcp.Ref{Project: "p", Region: "r1", Name: name}
		router.Interfaces = append(router.Interfaces, gcp.RouterInterface{Name: name, Link: netip.PrefixFrom(ip(own), 30), Tunnel: at})
		router.Peers = append(router.Peers, gcp.BGPPeer{Name: name, Interface: name, LocalIP: ip(own), PeerIP: ip(far), PeerASN: 65001, Enabled: true, Advertise: gcp.Advertisement{Mode: "DEFAULT"}})
		v.tunnels = append(v.tunnels, gcp.Tunnel{Project: "p", Region: "r1", Name: name, Status: "ESTABLISHED"})
		status.Peers = append(status.Peers, gcp.PeerStatus{Name: name, LocalIP: ip(own), PeerIP: ip(far), Up: true, Status: "UP", State: "Established", Uptime: time.Hour, Learned: 1,
			Advertised: []gcp.AdvertisedRoute{{Range: cidr("10.156.0.0/20"), Priority: 100}, {Range: cidr(master), Priority: 100}}})
		status.BestForRouter = append(status.BestForRouter, gcp.LearnedRoute{Range: cidr(client), NextHop: ip(far), Priority: 100, Tunnel: at})
	}
	status.Best = status.BestForRouter
	v.routers, v.lines.Routers = []gcp.Router{router}, []gcp.Router{router}
	v.lines.Status[labRouter] = status
	return v
}

// The parts of a view that cases change.
func (v *view) peer(i int) *gcp.BGPPeer { return &v.routers[0].Peers[i] }

func (v *view) setStatus(edit func(*gcp.RouterStatus)) {
	s := v.lines.Status[labRouter]
	edit(&s)
	v.lines.Status[labRouter] = s
}

// ours makes the line causeway's, with as many of its two tunnels left.
func (v *view) ours(left int) {
	v.own, v.router = true, labRouter
	for _, i := range v.routers[0].Interfaces {
		v.wanted = append(v.wanted, tunnel{ref: i.Tunnel})
	}
	v.routers[0].Interfaces, v.routers[0].Peers = v.routers[0].Interfaces[:left], v.routers[0].Peers[:left]
}

// down takes sessions down.
func (v *view) down(state string, which ...int) {
	v.setStatus(func(s *gcp.RouterStatus) {
		for _, i := range which {
			s.Peers[i] = gcp.PeerStatus{Name: s.Peers[i].Name, Status: "DOWN", State: state}
		}
	})
}

// learn replaces what the far side announces.
func (v *view) learn(prefixes ...string) {
	v.setStatus(func(s *gcp.RouterStatus) {
		s.BestForRouter = nil
		for _, text := range prefixes {
			s.BestForRouter = append(s.BestForRouter, gcp.LearnedRoute{Range: cidr(text), NextHop: ip("169.254.80.2"), Priority: 100})
		}
		s.Best = s.BestForRouter
	})
	v.outgoing = v.outgoing[:1]
	for _, text := range prefixes {
		v.outgoing = append(v.outgoing, gcp.PeeringRoute{Range: cidr(text), Type: "DYNAMIC_PEERING_ROUTE", Imported: true})
	}
}

// behindPSC makes it a cluster with an endpoint in the VPC.
func (v *view) behindPSC() {
	v.cluster.PeeringName, v.cluster.MasterCIDR, v.cluster.PrivateEndpoint = "", netip.Prefix{}, "10.156.0.14"
	v.network.Peerings, v.incoming, v.outgoing = nil, nil, nil
	v.routers[0].Advertise = gcp.Advertisement{Mode: "DEFAULT"}
}

// elsewhereIn moves the routers into another region.
func (v *view) elsewhereIn(region string) {
	status := v.lines.Status[labRouter]
	v.routers[0].Region = region
	for i := range v.routers[0].Interfaces {
		v.routers[0].Interfaces[i].Tunnel.Region, v.tunnels[i].Region = region, region
	}
	v.lines.Routers = v.routers
	v.lines.Status = map[gcp.Ref]gcp.RouterStatus{v.routers[0].Ref(): status}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	forbidden := &exposer.RunError{Code_: "CW-GCP-PERMISSION", Text: "list it: forbidden"}
	for name, c := range map[string]struct {
		edit func(*view)
		want []string // hops that are not good: "way, name: verdict CODE"
		says []string // texts of them
	}{
		"all is well":                      {},
		"all is well with an endpoint":     {edit: (*view).behindPSC},
		"no router leads to the far side":  {edit: func(v *view) { v.routers = nil }, want: []string{"forward, line: broken CW-ROUTE-NO-LINE", "return, learned: broken CW-ROUTE-NOT-LEARNED"}},
		"a router without interfaces":      {edit: func(v *view) { v.routers[0].Interfaces, v.routers[0].Peers = nil, nil }, want: []string{"forward, line: broken CW-ROUTE-NO-LINE"}},
		"an own router without interfaces": {edit: func(v *view) { v.own, v.routers[0].Interfaces, v.routers[0].Peers = true, nil, nil }, want: []string{"forward, line: waits"}, says: []string{"--peer-address"}},
		"an own tunnel was taken away":     {edit: func(v *view) { v.ours(1) }, want: []string{"forward, tunnel t1: warns CW-VPN-STATE"}, says: []string{"somebody took it away"}},
		"all own tunnels were taken away":  {edit: func(v *view) { v.ours(0) }, want: []string{"forward, tunnel t0: broken CW-VPN-STATE", "forward, tunnel t1: broken CW-VPN-STATE"}},
		"a router without peers":           {edit: func(v *view) { v.routers[0].Peers = nil }, want: []string{"forward, BGP: broken CW-ROUTE-NO-LINE"}},
		"a tunnel that does not exist":     {edit: func(v *view) { v.tunnels = v.tunnels[:1] }, want: []string{"forward, tunnel t1: warns CW-VPN-STATE"}},
		"a tunnel of the name elsewhere":   {edit: func(v *view) { v.tunnels[1].Region = "r2" }, want: []string{"forward, tunnel t1: warns CW-VPN-STATE"}},
		"none exists":                      {edit: func(v *view) { v.tunnels = nil }, want: []string{"forward, tunnel t0: broken CW-VPN-STATE", "forward, tunnel t1: broken CW-VPN-STATE"}},
		"one tunnel and its session down":  {edit: func(v *view) { v.tunnels[0].Status = "NO_INCOMING_PACKETS"; v.down("Connect", 0) }, want: []string{"forward, BGP t0: warns CW-BGP-DOWN", "forward, tunnel t0: warns CW-VPN-SILENT"}, says: []string{"others of the tunnels carry the traffic", "others of the sessions carry the traffic", "because what carries it is down"}},
		"all sessions down":                {edit: func(v *view) { v.down("Active", 0, 1) }, want: []string{"forward, BGP t0: broken CW-BGP-DOWN", "forward, BGP t1: broken CW-BGP-DOWN"}, says: []string{"(Active)", "neighbour 169.254.80.1"}},
		"a session that is disabled":       {edit: func(v *view) { v.peer(0).Enabled = false; v.down("Idle", 0) }, want: []string{"forward, BGP t0: warns CW-BGP-DISABLED"}, says: []string{"gcloud compute routers update-bgp-peer cr --peer-name=t0 --enabled --region=r1"}},
		"all are disabled":                 {edit: func(v *view) { v.peer(0).Enabled, v.peer(1).Enabled = false, false; v.down("Idle", 0, 1) }, want: []string{"forward, BGP t0: broken CW-BGP-DISABLED", "forward, BGP t1: broken CW-BGP-DISABLED"}},
		"an own session that is disabled": {edit: func(v *view) {
			v.own, v.peer(0).Enabled, v.peer(1).Enabled = true, false, false
			v.down("Idle", 0, 1)
			v.tunnels[0].Status = "NO_INCOMING_PACKETS"
		}, want: []string{"forward, BGP t0: broken CW-BGP-DISABLED", "forward, BGP t1: broken CW-BGP-DISABLED", "forward, tunnel t0: waits CW-VPN-SILENT"}},
		"a status that is not told yet": {edit: func(v *view) { v.setStatus(func(s *gcp.RouterStatus) { s.Peers = s.Peers[:1] }) }, want: []string{"forward, BGP t1: waits"}},
		"an own line without its far side": {edit: func(v *view) {
			v.own = true
			v.tunnels[0].Status, v.tunnels[1].Status = "NO_INCOMING_PACKETS", "NO_INCOMING_PACKETS"
			v.down("Connect", 0, 1)
			v.learn()
		}, want: []string{"forward, BGP t0: waits CW-BGP-DOWN", "forward, BGP t1: waits CW-BGP-DOWN", "forward, tunnel t0: waits CW-VPN-SILENT", "forward, tunnel t1: waits CW-VPN-SILENT", "return, control plane's peering: waits CW-ROUTE-NOT-LEARNED", "return, learned: waits CW-ROUTE-NOT-LEARNED"}, says: []string{"causeway handoff route"}},
		"a foreign line that is silent": {edit: func(v *view) {
			v.tunnels[0].Status, v.tunnels[1].Status = "NO_INCOMING_PACKETS", "NO_INCOMING_PACKETS"
			v.down("Connect", 0, 1)
			v.learn()
		}, want: []string{"forward, BGP t0: broken CW-BGP-DOWN", "forward, BGP t1: broken CW-BGP-DOWN", "forward, tunnel t0: broken CW-VPN-SILENT", "forward, tunnel t1: broken CW-VPN-SILENT", "return, control plane's peering: broken CW-ROUTE-NOT-LEARNED", "return, learned: broken CW-ROUTE-NOT-LEARNED"}},
		"an own tunnel up, BGP down":                  {edit: func(v *view) { v.own = true; v.down("Active", 0, 1) }, want: []string{"forward, BGP t0: broken CW-BGP-DOWN", "forward, BGP t1: broken CW-BGP-DOWN"}},
		"an attachment that is up":                    {edit: func(v *view) { v.attach(true) }},
		"an attachment without its circuit":           {edit: func(v *view) { v.attach(false); v.down("Connect", 0) }, want: []string{"forward, BGP t0: warns CW-BGP-DOWN", "forward, attachment a0: warns CW-ROUTE-ATTACHMENT"}, says: []string{"ACTIVE OS_UNPROVISIONED"}},
		"an attachment that does not exist":           {edit: func(v *view) { v.attach(true); v.attached = nil }, want: []string{"forward, attachment a0: warns CW-ROUTE-ATTACHMENT"}},
		"an attachment of the name in another region": {edit: func(v *view) { v.attach(true); v.attached[0].Ref.Region = "r2" }, want: []string{"forward, attachment a0: warns CW-ROUTE-ATTACHMENT"}},
		"the range is announced by one session alone": {edit: func(v *view) {
			v.setStatus(func(s *gcp.RouterStatus) { s.Peers[0].Advertised = s.Peers[0].Advertised[:1] })
		}, want: []string{"forward, announced to t0: warns CW-ROUTE-NOT-ANNOUNCED"}},
		"the range is announced by none": {edit: func(v *view) {
			v.routers[0].Advertise = gcp.Advertisement{Mode: "DEFAULT"}
			v.setStatus(func(s *gcp.RouterStatus) {
				for i := range s.Peers {
					s.Peers[i].Advertised = s.Peers[i].Advertised[:1]
				}
			})
		}, want: []string{"forward, announced to t0: broken CW-ROUTE-NOT-ANNOUNCED", "forward, announced to t1: broken CW-ROUTE-NOT-ANNOUNCED"}, says: []string{"mode DEFAULT"}},
		"a peer's own list leaves it out": {edit: func(v *view) {
			for i := range 2 {
				v.peer(i).Advertise = gcp.Advertisement{Mode: "CUSTOM", Groups: []string{gcp.AllSubnets}}
			}
			v.setStatus(func(s *gcp.RouterStatus) { s.Peers[0].Advertised, s.Peers[1].Advertised = nil, nil })
		}, want: []string{"forward, announced to t0: broken CW-BGP-PEER-CUSTOM", "forward, announced to t1: broken CW-BGP-PEER-CUSTOM"}, says: []string{"--bgp-peer t1"}},
		"a wider range is announced": {edit: func(v *view) {
			v.setStatus(func(s *gcp.RouterStatus) {
				s.Peers[0].Advertised[1].Range, s.Peers[1].Advertised[1].Range = cidr("192.168.0.0/16"), cidr("192.168.0.0/16")
			})
		}},
		"another region, REGIONAL":                  {edit: func(v *view) { v.elsewhereIn("r2") }, want: []string{"forward, region: broken CW-ROUTE-REGIONAL"}},
		"another region, GLOBAL, global access off": {edit: func(v *view) { v.elsewhereIn("r2"); v.network.RoutingMode = "GLOBAL" }, want: []string{"forward, region: broken CW-ROUTE-GLOBAL-ACCESS"}},
		"another region, GLOBAL, global access on":  {edit: func(v *view) { v.elsewhereIn("r2"); v.network.RoutingMode, v.cluster.GlobalAccess = "GLOBAL", true }},
		"a second router in another region": {edit: func(v *view) {
			v.routers = append(v.routers, gcp.Router{Project: "p", Region: "r2", Name: "cr2", Interfaces: v.routers[0].Interfaces[:0], Peers: nil})
		}, want: []string{"forward, line: warns CW-ROUTE-NO-LINE", "forward, region: warns CW-ROUTE-REGIONAL"}},
		"an endpoint in no subnet": {edit: func(v *view) { v.behindPSC(); v.cluster.PrivateEndpoint = "10.99.0.14" }, want: []string{"forward, announced to t0: broken CW-ROUTE-NOT-ANNOUNCED", "forward, announced to t1: broken CW-ROUTE-NOT-ANNOUNCED", "forward, control plane: broken CW-ROUTE-NO-ENDPOINT"}},
		"the peering is gone":      {edit: func(v *view) { v.network.Peerings = nil }, want: []string{"forward, control plane's peering: broken CW-NET-PEERING-GONE", "return, control plane's peering: broken CW-NET-PEERING-GONE"}},
		"the peering is inactive": {edit: func(v *view) {
			v.network.Peerings[0].State, v.network.Peerings[0].StateDetails = "INACTIVE", "deleted there"
		}, want: []string{"forward, control plane's peering: broken CW-NET-PEERING-GONE"}, says: []string{"INACTIVE deleted there"}},
		"the peering does not bring the range":   {edit: func(v *view) { v.incoming = nil }, want: []string{"forward, control plane's peering: broken CW-ROUTE-REJECTED"}},
		"the peering's range is not taken":       {edit: func(v *view) { v.incoming[0].Imported = false }, want: []string{"forward, control plane's peering: broken CW-ROUTE-REJECTED"}},
		"the peering exports no custom routes":   {edit: func(v *view) { v.network.Peerings[0].ExportCustomRoutes = false }, want: []string{"return, control plane's peering: broken CW-ROUTE-NOT-EXPORTED"}},
		"the other side rejects them":            {edit: func(v *view) { v.outgoing[1].Imported = false }, want: []string{"return, control plane's peering: broken CW-ROUTE-REJECTED"}},
		"the far side announces nothing":         {edit: func(v *view) { v.learn() }, want: []string{"return, control plane's peering: broken CW-ROUTE-NOT-LEARNED", "return, learned: broken CW-ROUTE-NOT-LEARNED"}},
		"the far side announces it in halves":    {edit: func(v *view) { v.learn("172.31.0.0/17", "172.31.128.0/18", "172.31.192.0/18") }},
		"the far side announces a part":          {edit: func(v *view) { v.learn("172.31.0.0/17", "172.31.128.0/18") }, want: []string{"return, control plane's peering: warns CW-ROUTE-NOT-LEARNED", "return, learned: warns CW-ROUTE-NOT-LEARNED"}, says: []string{"only parts of 172.31.0.0/16"}},
		"the far side announces a wider range":   {edit: func(v *view) { v.learn("172.16.0.0/12") }},
		"the far side announces a default route": {edit: func(v *view) { v.learn("0.0.0.0/0") }},
		"one of two client networks is missing":  {edit: func(v *view) { v.clients = append(v.clients, cidr("172.20.0.0/16")) }, want: []string{"forward, authorized networks: broken CW-ROUTE-NOT-AUTHORIZED", "return, control plane's peering: broken CW-ROUTE-NOT-LEARNED", "return, learned: broken CW-ROUTE-NOT-LEARNED"}, says: []string{"172.20.0.0/16"}},
		"a static route with a low priority":     {edit: func(v *view) { v.learn("0.0.0.0/0"); v.routes[0].Priority = 50 }, want: []string{"return, routes of the VPC: broken CW-ROUTE-ELSEWHERE"}},
		"a static route to the clients": {edit: func(v *view) {
			v.routes = append(v.routes, gcp.Route{Name: "old", Range: cidr("172.31.4.0/24"), Kind: gcp.RouteStatic, NextHop: "next hop instance nat"})
		}, want: []string{"return, routes of the VPC: broken CW-ROUTE-ELSEWHERE"}, says: []string{"172.31.4.0/24 (old) to next hop instance nat"}},
		"a static route for tagged machines": {edit: func(v *view) {
			v.routes = append(v.routes, gcp.Route{Name: "old", Range: cidr("172.31.4.0/24"), Kind: gcp.RouteStatic, Tags: []string{"nat"}})
		}},
		"a wider static route": {edit: func(v *view) {
			v.routes = append(v.routes, gcp.Route{Name: "old", Range: cidr("172.16.0.0/12"), Kind: gcp.RouteStatic})
		}},
		"a subnet with the clients' range": {edit: func(v *view) {
			v.routes = append(v.routes, gcp.Route{Name: "sub", Range: cidr("172.31.0.0/20"), Kind: gcp.RouteSubnet})
		}, want: []string{"return, routes of the VPC: broken CW-ROUTE-ELSEWHERE"}},
		"another peering with it": {edit: func(v *view) {
			v.routes = append(v.routes, gcp.Route{Name: "p2", Range: cidr("172.31.0.0/20"), Kind: gcp.RoutePeering})
		}, want: []string{"return, routes of the VPC: broken CW-ROUTE-ELSEWHERE"}},
		"a static route to the control plane": {edit: func(v *view) {
			v.routes = append(v.routes, gcp.Route{Name: "old", Range: cidr("192.168.50.0/29"), Kind: gcp.RouteStatic, NextHop: "next hop instance fw"})
		}, want: []string{"forward, routes of the VPC: broken CW-ROUTE-ELSEWHERE"}},
		"a learned route to the control plane": {edit: func(v *view) { v.learn(client, "192.168.50.0/29") }, want: []string{"forward, routes of the VPC: broken CW-ROUTE-ELSEWHERE"}, says: []string{"192.168.50.0/29 learned from 169.254.80.2"}},
		"a wide learned route over it":         {edit: func(v *view) { v.learn(client, "192.168.0.0/16") }},
		"the clients are not authorized":       {edit: func(v *view) { v.cluster.Authorized.CIDRs = nil }, want: []string{"forward, authorized networks: broken CW-ROUTE-NOT-AUTHORIZED"}},
		"a part of the clients is":             {edit: func(v *view) { v.cluster.Authorized.CIDRs[0].CIDR = cidr("172.31.0.0/17") }, want: []string{"forward, authorized networks: broken CW-ROUTE-NOT-AUTHORIZED"}},
		"a wide network is":                    {edit: func(v *view) { v.cluster.Authorized.CIDRs[0].CIDR = cidr("172.16.0.0/12") }},
		"they are not limited":                 {edit: func(v *view) { v.cluster.Authorized = gcp.AuthorizedNetworks{} }},
		"at an endpoint they are not enforced": {edit: func(v *view) { v.behindPSC(); v.cluster.Authorized.CIDRs = nil }},
		"at an endpoint they are": {edit: func(v *view) {
			v.behindPSC()
			v.cluster.Authorized.CIDRs, v.cluster.Authorized.PrivateEnforced = nil, true
		}, want: []string{"forward, authorized networks: broken CW-ROUTE-NOT-AUTHORIZED"}},
		"nothing but the routers may be looked at": {edit: func(v *view) {
			for _, what := range []string{"tunnels", "attachments", "routes", "incoming", "outgoing"} {
				v.unseen[what] = forbidden
			}
			v.attach(true)
			v.tunnels, v.attached, v.routes, v.incoming, v.outgoing = nil, nil, nil, nil, nil
		}, want: []string{"forward, attachment a0: unknown CW-GCP-PERMISSION", "forward, control plane's peering: unknown CW-GCP-PERMISSION", "forward, routes of the VPC: unknown CW-GCP-PERMISSION", "forward, tunnel t1: unknown CW-GCP-PERMISSION",
			"return, control plane's peering: unknown CW-GCP-PERMISSION", "return, routes of the VPC: unknown CW-GCP-PERMISSION"}},
		"an own session that is down, its tunnel not to be seen": {edit: func(v *view) { v.own, v.unseen["tunnels"], v.tunnels = true, forbidden, nil; v.down("Connect", 0, 1) },
			want: []string{"forward, BGP t0: unknown CW-BGP-DOWN", "forward, BGP t1: unknown CW-BGP-DOWN", "forward, tunnel t0: unknown CW-GCP-PERMISSION", "forward, tunnel t1: unknown CW-GCP-PERMISSION"}},
		"180 custom ranges": {edit: func(v *view) { v.many(180) }, want: []string{"limits, custom ranges a session: warns CW-ROUTE-LIMIT"}, says: []string{"180 of 200"}},
		"179 custom ranges": {edit: func(v *view) { v.many(179) }},
		"180 in a peer's own list": {edit: func(v *view) {
			ranges := v.routers[0].Advertise.Ranges
			v.many(180)
			v.peer(0).Advertise, v.routers[0].Advertise.Ranges = v.routers[0].Advertise, ranges
			v.lines.Routers = v.routers
		}, want: []string{"limits, custom ranges a session: warns CW-ROUTE-LIMIT"}},
		"225 learned prefixes": {edit: func(v *view) {
			v.setStatus(func(s *gcp.RouterStatus) {
				for i := range 224 {
					s.BestForRouter = append(s.BestForRouter, gcp.LearnedRoute{Range: cidr(fmt.Sprintf("10.70.%d.0/24", i)), NextHop: ip("169.254.80.2")})
				}
			})
		}, want: []string{"limits, learned prefixes a region: warns CW-ROUTE-LIMIT"}, says: []string{"225 of 250"}},
		"270 dynamic routes in the peering group": {edit: func(v *view) {
			for i := range 269 {
				v.outgoing = append(v.outgoing, gcp.PeeringRoute{Range: cidr(fmt.Sprintf("10.%d.%d.0/24", 70+i/250, i%250)), Type: "DYNAMIC_PEERING_ROUTE", Imported: true})
			}
		}, want: []string{"limits, dynamic routes of the peering group: warns CW-ROUTE-LIMIT"}, says: []string{"270 of 300"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := goodView()
			if c.edit != nil {
				c.edit(&v)
			}
			way := v.trace()
			var got, texts []string
			for _, h := range way.Hops {
				if h.Text == "" {
					t.Errorf("a hop without text: %+v", h)
				}
				if h.Verdict == exposer.Good {
					if h.Code != "" || h.Fix != "" {
						t.Errorf("a good hop with a code or a cure: %+v", h)
					}
					continue
				}
				got = append(got, strings.TrimSpace(fmt.Sprintf("%s, %s: %s %s", h.Way, h.Name, h.Verdict, h.Code)))
				texts = append(texts, h.Text, h.Fix)
				if _, ok := explain.Lookup(h.Code); h.Verdict == exposer.Broken && !ok {
					t.Errorf("no entry for %q", h.Code)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("hops that are not good (-want +got):\n%s", diff)
			}
			for _, says := range c.says {
				if !strings.Contains(strings.Join(texts, "\n"), says) {
					t.Errorf("nothing says %q: %q", says, texts)
				}
			}
			broken := slices.ContainsFunc(c.want, func(w string) bool { return strings.Contains(w, ": broken") })
			var failed *exposer.TraceError
			if err := way.Err(); errors.As(err, &failed) != broken {
				t.Errorf("the trace ends in %v", err)
			}
		})
	}
}

// attach makes the first interface one of an Interconnect attachment.
func (v *view) attach(up bool) {
	at := gcp.Ref{Project: "p", Region: "r1", Name: "a0"}
	v.routers[0].Interfaces[0].Tunnel, v.routers[0].Interfaces[0].Attachment = gcp.Ref{}, at
	status := map[bool]string{true: "OS_ACTIVE", false: "OS_UNPROVISIONED"}[up]
	v.attached = []gcp.Attachment{{Ref: at, State: "ACTIVE", OperationalStatus: status}}
}

// many gives the router so many custom ranges.
func (v *view) many(n int) {
	a := &v.routers[0].Advertise
	a.Ranges = slices.Clone(a.Ranges)
	for i := len(a.Ranges); i < n; i++ {
		a.Ranges = append(a.Ranges, gcp.AdvertisedRange{Range: cidr(fmt.Sprintf("10.50.%d.0/24", i))})
	}
	v.lines.Routers = v.routers
}
