package main

import (
	"github.com/spf13/cobra"

	"causeway/exposer"
)

// dnsFlags are what the method dns can be told.
func (c *common) dnsFlags(cmd *cobra.Command) {
	methodGroup(cmd, "dns", aboutDNS, func(f *flagSet) {
		f.BoolVar(&c.dns.Open, "open-dns-endpoint", false, "let the DNS endpoint take traffic from everywhere, where it does not yet; IAM says who gets in")
		f.StringVar(&c.dns.Identity, "identity", "", "`WHO` clients are: google (each user as Google knows him; nothing is made in the cluster) or account (a ServiceAccount, by its token) (default google)")
		f.StringVar(&c.dns.AuthPlugin, "auth-plugin", "", "`PROGRAM` that gets a Google identity's token for clients: causeway (needs no gcloud) or gcloud (gke-gcloud-auth-plugin) (default causeway)")
		f.BoolVar(&c.dns.Tokens, "dns-tokens", false, "let the DNS endpoint take Kubernetes tokens, which --identity account needs; whoever holds one gets in from anywhere")
		f.BoolVar(&c.dns.Certificates, "dns-certificates", false, "let the DNS endpoint take Kubernetes client certificates too")
	})
	cmd.Flags().Lookup("auth-plugin").Annotations[methodKey] = []string{"dns", "gateway"}
}

// overlayDNS puts dns's flags over what the file says.
func (c *common) overlayDNS(o *exposer.DNS, take func(flag string, set func())) {
	take("open-dns-endpoint", func() { o.Open = c.dns.Open })
	take("identity", func() { o.Identity = c.dns.Identity })
	take("auth-plugin", func() { o.AuthPlugin = c.dns.AuthPlugin })
	take("dns-tokens", func() { o.Tokens = c.dns.Tokens })
	take("dns-certificates", func() { o.Certificates = c.dns.Certificates })
}
