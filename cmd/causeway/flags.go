package main

import (
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
)

// common are the flags that mean the same for every verb on an exposure.
type common struct {
	file         string
	spec         exposer.Spec
	ilb          exposer.ILB
	hub          exposer.Hub
	route        exposer.Route
	vpn          exposer.VPN
	psc          exposer.PSC
	dns          exposer.DNS
	gateway      exposer.Gateway
	mcs          exposer.MCS
	fleet        fleetValues
	consumer     exposer.Consumer
	makeVPN      bool // --vpn
	globalAccess bool
	impersonate  string
	tokenFile    string
	consumerAs   string // service account of the consumer's half
	consumerFile string // access token of the consumer's half
	timeout      time.Duration
	yes, dryRun  bool
	verbose      bool
	output       string
	kubeconfig   string // to write or to read
	merge        bool
	context      string // name of the context to write
	setCurrent   bool
	from         string
	again        bool                // role and token are of a further kubeconfig, not of the exposure
	recorded     exposer.FileRecords // where to look for the spec of an exposure that stands
}

// The headings of the help, in words of what they are about.
const (
	aboutExposure = "Which exposure"
	aboutCluster  = "Which cluster"
	aboutFarSide  = "The far side"
	aboutILB      = "ilb: the load balancer and nginx"
	aboutTLS      = "ilb: certificates"
	aboutRoute    = "route: what announces and what is let through"
	aboutVPN      = "route: the line itself"
	aboutProducer = "psc: the producer's half"
	aboutConsumer = "psc: the consumer's half"
	aboutDNS      = "dns: the cluster's DNS endpoint"
	aboutFleet    = "gateway, mcs: the fleet"
	aboutGateway  = "gateway: who is let in"
	aboutMCS      = "mcs: what is exported, and to whom"
	aboutAccess   = "Rights and token of the kubeconfig"
	aboutFile     = "The kubeconfig file"
	aboutReach    = "How causeway reaches Google and the cluster"
	aboutProbe    = "The probe"
	aboutRun      = "This run"
)

// exposureFlags name the exposure.
func (c *common) exposureFlags(cmd *cobra.Command) {
	group(cmd, aboutExposure, func(f *flagSet) {
		f.StringVarP(&c.file, "file", "f", "", "exposure as a YAML `FILE`; flags win over what it says")
		c.clusterFlags(f)
		f.StringVar(&c.spec.Name, "name", "", "`NAME` of the exposure (default: the cluster's name, CLUSTER-METHOD for all methods but ilb); another name makes another exposure of the same cluster")
		f.StringVar(&c.spec.Namespace, "namespace", "", "`NAMESPACE` for what runs in the cluster (default: causeway-NAME)")
	})
}

// clusterFlags name the cluster.
func (c *common) clusterFlags(f *flagSet) {
	f.StringVar(&c.spec.Cluster.Project, "project", "", "Google `PROJECT` of the cluster (default: CLOUDSDK_CORE_PROJECT, GOOGLE_CLOUD_PROJECT, gcloud's active configuration)")
	f.StringVar(&c.spec.Cluster.Location, "location", "", "`LOCATION` of the cluster: a region or a zone")
	f.StringVar(&c.spec.Cluster.Name, "cluster", "", "`NAME` of the cluster")
}

// methodFlags are what each method and the access can be told.
func (c *common) methodFlags(cmd *cobra.Command) {
	group(cmd, aboutFarSide, func(f *flagSet) {
		f.StringSliceVar(&c.spec.FarSide.CIDRs, "client-cidr", nil, "`CIDR` of a network that clients come from, such as 172.31.0.0/16; all others are kept out; may be repeated")
		f.BoolVar(&c.globalAccess, "global-access", false, "let in clients that enter the VPC in another region than the cluster's")
	})
	for _, name := range []string{"client-cidr", "global-access"} { // a DNS endpoint knows no networks and no regions
		cmd.Flags().Lookup(name).Annotations[methodKey] = []string{"ilb", "route", "psc"}
	}
	c.ilbFlags(cmd)
	c.routeFlags(cmd)
	c.pscFlags(cmd)
	c.dnsFlags(cmd)
	c.fleetFlags(cmd)
	c.gatewayFlags(cmd)
	c.mcsFlags(cmd)
	c.accessFlags(cmd, false)
}

// accessFlags are who the kubeconfig is; again says that it is a further one, of
// an exposure that stands.
func (c *common) accessFlags(cmd *cobra.Command, again bool) {
	c.again = again
	role, ttl := "default view", "default 24h"
	if again {
		role, ttl = "default: as apply was told", "default: as apply was told"
	}
	group(cmd, aboutAccess, func(f *flagSet) {
		f.StringVar(&c.spec.Access.Role, "role", "", "`ROLE`: view, edit, admin, node-reader, cluster-admin, or any ClusterRole by name ("+role+")")
		f.StringSliceVar(&c.spec.Access.Namespaces, "role-namespace", nil, "`NAMESPACE` that the rights are limited to; may be repeated (default: the whole cluster)")
		if !again {
			f.StringVar(&c.spec.Access.Token, "token", "", "`KIND`: bound (ends by itself), renewing (bound, and renewed by causeway on the client's machine) or secret (never ends) (default bound)")
		}
		f.StringVar(&c.spec.Access.TokenTTL, "token-ttl", "", "`TIME` that the token lives, such as 8h; the cluster may give less ("+ttl+")")
	})
}

// fileFlags say where the kubeconfig goes.
func (c *common) fileFlags(cmd *cobra.Command) {
	group(cmd, aboutFile, func(f *flagSet) {
		f.StringVar(&c.kubeconfig, "kubeconfig-out", "", "`FILE` to write (default: causeway-NAME.kubeconfig in this directory)")
		f.BoolVar(&c.merge, "merge", false, "add to the file, keep what else is in it (default file then: KUBECONFIG, ~/.kube/config)")
		f.StringVar(&c.context, "context-name", "", "`NAME` of the context, the cluster and the user in the file (default: causeway-NAME)")
		f.BoolVar(&c.setCurrent, "set-current-context", false, "with --merge: make it the current context")
	})
}

// reachFlags say how to reach Google and the cluster.
func (c *common) reachFlags(cmd *cobra.Command) {
	group(cmd, aboutReach, func(f *flagSet) {
		f.StringVar(&c.spec.Reach.Via, "via", "", "`WAY` to the cluster's API for causeway's own work: auto, context, private, public, dns or gateway (default auto: the first of them that works)")
		f.StringVar(&c.spec.Reach.Context, "context", "", "kubeconfig `CONTEXT` for --via context (default: one that is this cluster)")
		f.StringVar(&c.spec.Reach.Kubeconfig, "kubeconfig", "", "`FILE` with that context (default: KUBECONFIG, ~/.kube/config)")
		c.googleFlags(f)
	})
}

// googleFlags say who asks Google.
func (c *common) googleFlags(f *flagSet) {
	f.StringVar(&c.impersonate, "impersonate-service-account", "", "Google service `ACCOUNT` to act as")
	f.StringVar(&c.tokenFile, "access-token-file", "", "`FILE` with a Google access token (default: CLOUDSDK_AUTH_ACCESS_TOKEN_FILE, else Application Default Credentials)")
}

// runFlags are how the cluster is reached and how the command itself behaves; more adds a verb's own.
func (c *common) runFlags(cmd *cobra.Command, more func(*flagSet)) {
	c.reachFlags(cmd)
	group(cmd, aboutRun, func(f *flagSet) {
		if more != nil {
			more(f)
		}
		c.endFlags(f)
	})
}

// endFlags are how long a command takes at most, and how much it tells.
func (c *common) endFlags(f *flagSet) {
	f.DurationVar(&c.timeout, "timeout", 30*time.Minute, "`TIME` after which the whole command gives up; what it made stays")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "show each request to Google on stderr: method, path, status, time")
}
