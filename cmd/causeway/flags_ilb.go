package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"causeway/exposer"
)

// ilbFlags are what the method ilb can be told.
func (c *common) ilbFlags(cmd *cobra.Command) {
	methodGroup(cmd, "ilb", aboutILB, func(f *flagSet) {
		f.StringVar(&c.ilb.Address, "address", "", "`IP` of the load balancer, out of the subnet (default auto: Google picks a free one)")
		f.StringVar(&c.ilb.AddressName, "address-name", "", "`NAME` of the address resource; one that exists is used and never deleted (default: causeway-NAME)")
		f.StringVar(&c.ilb.Subnet, "subnet", "", "`SUBNET` of the address, in the cluster's region and network (default: the cluster's)")
		f.IntVar(&c.ilb.Port, "port", 0, "TCP `PORT` of the load balancer (default 443)")
		f.StringVar(&c.ilb.Mode, "mode", "", "`MODE`: terminate (nginx ends TLS with a certificate of causeway's) or passthrough (TLS ends at the API server) (default terminate)")
		f.IntVar(&c.ilb.Replicas, "replicas", 0, "`NUMBER` of nginx pods (default 2)")
		f.StringVar(&c.hub.Network, "hub-network", "", "`[PROJECT/]NETWORK` that the far side's line ends in, where that is another one than the cluster's and peered with it")
		f.StringSliceVar(&c.hub.Routers, "hub-router", nil, "Cloud Router there, as `[REGION/]NAME`; may be repeated (default: those that learn the client networks)")
		f.StringVar(&c.ilb.Image, "image", "", "nginx `IMAGE` that the nodes can pull (default "+exposer.DefaultImage+")")
	})
	methodGroup(cmd, "ilb", aboutTLS, func(f *flagSet) {
		f.StringSliceVar(&c.ilb.DNSNames, "dns-name", nil, "further `NAME` in the certificate, beside the address; may be repeated")
		f.StringVar(&c.ilb.ClientAuth, "client-auth", "", "`WHAT` nginx demands before a request reaches the API server: none, or mtls (a client certificate, which the kubeconfig then carries) (default none)")
		f.StringVar(&c.ilb.TLS.CACert, "ca-cert", "", "PEM `FILE` of your own CA, to sign with (with --ca-key) or that signed --tls-cert")
		f.StringVar(&c.ilb.TLS.CAKey, "ca-key", "", "PEM `FILE` with that CA's key")
		f.StringVar(&c.ilb.TLS.Cert, "tls-cert", "", "PEM `FILE` of your own server certificate, with its chain")
		f.StringVar(&c.ilb.TLS.Key, "tls-key", "", "PEM `FILE` with its key")
	})
}

// overlayILB puts ilb's flags over what the file says.
func (c *common) overlayILB(o *exposer.ILB, take func(flag string, set func())) {
	take("address", func() { o.Address = c.ilb.Address })
	take("address-name", func() { o.AddressName = c.ilb.AddressName })
	take("subnet", func() { o.Subnet = c.ilb.Subnet })
	take("mode", func() { o.Mode = c.ilb.Mode })
	take("port", func() { o.Port = c.ilb.Port })
	take("global-access", func() { o.GlobalAccess = c.globalAccess })
	take("replicas", func() { o.Replicas = c.ilb.Replicas })
	take("image", func() { o.Image = c.ilb.Image })
	take("dns-name", func() { o.DNSNames = c.ilb.DNSNames })
	take("client-auth", func() { o.ClientAuth = c.ilb.ClientAuth })
	take("ca-cert", func() { o.TLS.CACert = c.ilb.TLS.CACert })
	take("ca-key", func() { o.TLS.CAKey = c.ilb.TLS.CAKey })
	take("tls-cert", func() { o.TLS.Cert = c.ilb.TLS.Cert })
	take("tls-key", func() { o.TLS.Key = c.ilb.TLS.Key })
	for _, flag := range []string{"hub-network", "hub-router"} {
		take(flag, func() {
			if o.Hub == nil {
				o.Hub = &exposer.Hub{}
			}
		})
	}
	take("hub-network", func() { o.Hub.Network = c.hub.Network })
	take("hub-router", func() { o.Hub.Routers = c.hub.Routers })
	absolute(&o.TLS.CACert, &o.TLS.CAKey, &o.TLS.Cert, &o.TLS.Key)
}

// absolute makes paths whole: the record is read from other directories too.
func absolute(paths ...*string) {
	for _, path := range paths {
		if *path == "" {
			continue
		}
		if whole, err := filepath.Abs(*path); err == nil {
			*path = whole
		}
	}
}
