package main

import (
	"github.com/spf13/cobra"

	"causeway/exposer"
)

// routeFlags are what the method route can be told.
func (c *common) routeFlags(cmd *cobra.Command) {
	methodGroup(cmd, "route", aboutRoute, func(f *flagSet) {
		f.StringVar(&c.route.Network, "network", "", "`[PROJECT/]NETWORK` that the line ends in (default: the cluster's)")
		f.StringSliceVar(&c.route.Routers, "router", nil, "Cloud Router that the far side's line ends at, as `[REGION/]NAME`; may be repeated (default: those that learn the client networks)")
		f.StringSliceVar(&c.route.BGPPeers, "bgp-peer", nil, "BGP `PEER` with an advertised list of its own that is to carry the control plane's range too; may be repeated")
		f.BoolVar(&c.route.ImportCustomRoutes, "import-custom-routes", false, "also import custom routes over the peering (the control plane needs it not)")
		f.BoolVar(&c.route.ServicePeering, "service-peering", false, "open the way to managed services too (Redis, SQL: the peering servicenetworking-googleapis-com)")
	})
	methodGroup(cmd, "route", aboutVPN, func(f *flagSet) {
		f.BoolVar(&c.makeVPN, "vpn", false, "make the line: HA VPN gateway, Cloud Router, tunnels and BGP sessions (default: one that is there is used)")
		f.StringVar(&c.vpn.Peer, "peer", "", "`KIND` of far side: aws or other; decides the addresses inside the tunnels (default other)")
		f.StringSliceVar(&c.vpn.PeerAddresses, "peer-address", nil, "outside `IP` of the far side's VPN gateway, in order; one or two, four with AWS; leave out while they are not known")
		f.Uint32Var(&c.vpn.PeerASN, "peer-asn", 0, "`ASN` of the far side's router (default 64512)")
		f.Uint32Var(&c.vpn.ASN, "asn", 0, "`ASN` of the Cloud Router (default 64514)")
		f.StringVar(&c.vpn.Region, "vpn-region", "", "`REGION` of gateway and router (default: the cluster's)")
		f.StringVar(&c.vpn.Gateway, "vpn-gateway", "", "`NAME` of the HA VPN gateway; one that exists is used (default: causeway-NAME)")
		f.StringVar(&c.vpn.Router, "vpn-router", "", "`NAME` of the Cloud Router; one that exists is used (default: causeway-NAME)")
		f.StringSliceVar(&c.vpn.Links, "link", nil, "`CIDR` inside a tunnel, a /30 of 169.254.0.0/16, one each (default: free ones)")
		f.StringVar(&c.vpn.Secrets.Directory, "psk-dir", "", "`DIRECTORY` of pre-shared keys, TUNNEL.psk each; causeway makes those that are missing")
		f.StringSliceVar(&c.vpn.Secrets.Files, "psk-file", nil, "`FILE` with a pre-shared key; one for all tunnels, or one each")
		f.StringVar(&c.vpn.Secrets.Env, "psk-env", "", "environment `VARIABLE` with the pre-shared key; VARIABLE_0 to _3 where the tunnels differ")
	})
}

// vpnFlags are the flags that mean a line of causeway's own.
var vpnFlags = []string{"vpn", "peer", "peer-address", "peer-asn", "asn", "vpn-region", "vpn-gateway", "vpn-router", "link", "psk-dir", "psk-file", "psk-env"}

// overlayRoute puts route's flags over what the file says.
func (c *common) overlayRoute(o *exposer.Route, take func(flag string, set func())) {
	take("network", func() { o.Network = c.route.Network })
	take("router", func() { o.Routers = c.route.Routers })
	take("bgp-peer", func() { o.BGPPeers = c.route.BGPPeers })
	take("import-custom-routes", func() { o.ImportCustomRoutes = c.route.ImportCustomRoutes })
	take("service-peering", func() { o.ServicePeering = c.route.ServicePeering })
	take("global-access", func() { o.GlobalAccess = c.globalAccess })
	for _, flag := range vpnFlags {
		take(flag, func() {
			if o.VPN == nil {
				o.VPN = &exposer.VPN{}
			}
		})
	}
	if o.VPN == nil {
		return
	}
	v := o.VPN
	take("peer", func() { v.Peer = c.vpn.Peer })
	take("peer-address", func() { v.PeerAddresses = c.vpn.PeerAddresses })
	take("peer-asn", func() { v.PeerASN = c.vpn.PeerASN })
	take("asn", func() { v.ASN = c.vpn.ASN })
	take("vpn-region", func() { v.Region = c.vpn.Region })
	take("vpn-gateway", func() { v.Gateway = c.vpn.Gateway })
	take("vpn-router", func() { v.Router = c.vpn.Router })
	take("link", func() { v.Links = c.vpn.Links })
	take("psk-dir", func() { v.Secrets.Directory = c.vpn.Secrets.Directory })
	take("psk-file", func() { v.Secrets.Files = c.vpn.Secrets.Files })
	take("psk-env", func() { v.Secrets.Env = c.vpn.Secrets.Env })
	absolute(&v.Secrets.Directory)
	for i := range v.Secrets.Files {
		absolute(&v.Secrets.Files[i])
	}
}
