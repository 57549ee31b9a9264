package main

import (
	"github.com/spf13/cobra"

	"causeway/exposer"
)

// fleetValues are what both methods of the fleet can be told.
type fleetValues struct {
	project, membership string
	register            bool
}

// byFleet are the methods of the fleet.
var byFleet = []string{"gateway", "mcs"}

// fleetFlags are the flags of both.
func (c *common) fleetFlags(cmd *cobra.Command) {
	group(cmd, aboutFleet, func(f *flagSet) {
		f.StringVar(&c.fleet.project, "fleet-project", "", "`PROJECT` that hosts the fleet (default: of the fleet that the cluster is in, else the cluster's own)")
		f.BoolVar(&c.fleet.register, "register", false, "register the cluster in the fleet, with Workload Identity, where it is in none")
		f.StringVar(&c.fleet.membership, "membership", "", "`NAME` of the membership that is made then (default: the cluster's name)")
	})
	for _, name := range []string{"fleet-project", "register", "membership"} {
		cmd.Flags().Lookup(name).Annotations[methodKey] = byFleet
	}
}

// overlayFleet puts them over what the file says.
func (c *common) overlayFleet(project, membership *string, register *bool, take func(flag string, set func())) {
	take("fleet-project", func() { *project = c.fleet.project })
	take("membership", func() { *membership = c.fleet.membership })
	take("register", func() { *register = c.fleet.register })
}

// gatewayFlags are what the method gateway can be told.
func (c *common) gatewayFlags(cmd *cobra.Command) {
	methodGroup(cmd, "gateway", aboutGateway, func(f *flagSet) {
		f.StringSliceVar(&c.gateway.Members, "member", nil, "`MEMBER` who is let in: user:, group: or serviceAccount: and an e-mail address; gets the IAM role and, by --role, rights in the cluster; may be repeated (default: nobody new)")
		f.StringVar(&c.gateway.Role, "gateway-role", "", "IAM `ROLE` of the members: reader, editor, admin, or one by its full name (default reader; admin with --stream)")
		f.BoolVar(&c.gateway.Stream, "stream", false, "let the members exec, attach, cp and port-forward, in IAM and in the cluster")
		f.BoolVar(&c.gateway.Agent, "use-agent", false, "go by the Connect Agent in the cluster, and let it speak for the members")
	})
}

// overlayGateway puts gateway's flags over what the file says.
func (c *common) overlayGateway(o *exposer.Gateway, take func(flag string, set func())) {
	c.overlayFleet(&o.FleetProject, &o.Membership, &o.Register, take)
	take("member", func() { o.Members = c.gateway.Members })
	take("gateway-role", func() { o.Role = c.gateway.Role })
	take("stream", func() { o.Stream = c.gateway.Stream })
	take("use-agent", func() { o.Agent = c.gateway.Agent })
	take("auth-plugin", func() { o.AuthPlugin = c.dns.AuthPlugin })
}
