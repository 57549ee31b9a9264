package main

import (
	"github.com/spf13/cobra"

	"causeway/exposer"
)

// pscFlags are what the method psc can be told.
func (c *common) pscFlags(cmd *cobra.Command) {
	methodGroup(cmd, "psc", aboutProducer, func(f *flagSet) {
		f.StringVar(&c.psc.Exposure, "exposure", "", "`NAME` of the exposure by ilb that is published (default: the cluster's name)")
		f.StringVar(&c.psc.NATSubnet, "nat-subnet", "", "`NAME` of the subnet that consumers' connections come from; one that exists is used (default: causeway-NAME-nat)")
		f.StringVar(&c.psc.NATRange, "nat-range", "", "`CIDR` of that subnet, where it is to be made; a /28 is enough for a few endpoints")
		f.StringVar(&c.psc.Through, "through", "", "`WAY` the service attachment is made: rest (by causeway, at Google) or crd (by GKE, from a ServiceAttachment object in the cluster) (default rest)")
		f.StringVar(&c.psc.Accept, "accept", "", "`HOW` consumers are let in: manual (by --consumer) or automatic (whoever knows the attachment) (default manual)")
		f.StringSliceVar(&c.psc.Consumers, "consumer", nil, "`PROJECT` that is let in, or the path of a network or of an endpoint; with =LIMIT behind it for more or fewer than 10 endpoints; may be repeated")
		f.StringSliceVar(&c.psc.Reject, "reject", nil, "`PROJECT` that is turned away, or a network or an endpoint; may be repeated")
	})
	methodGroup(cmd, "psc", aboutConsumer, func(f *flagSet) {
		f.StringVar(&c.psc.Consume, "consume", "", "`FILE` psc.yaml of a producer's handoff: make the consumer's half alone")
		f.StringVar(&c.consumer.Project, "consumer-project", "", "`PROJECT` of the endpoint")
		f.StringVar(&c.consumer.Network, "consumer-network", "", "`NETWORK` of the endpoint; with a Shared VPC HOSTPROJECT/NETWORK")
		f.StringVar(&c.consumer.Subnet, "consumer-subnet", "", "`SUBNET` of the endpoint, in the attachment's region")
		f.StringVar(&c.consumer.Address, "endpoint-address", "", "`IP` of the endpoint, out of that subnet (default auto: Google picks a free one)")
		f.BoolVar(&c.consumer.GlobalAccess, "endpoint-global-access", false, "let clients of other regions use the endpoint, and lines that end there")
		f.StringVar(&c.consumerAs, "consumer-impersonate-service-account", "", "Google service `ACCOUNT` to act as in the consumer's project (default: as in the producer's)")
		f.StringVar(&c.consumerFile, "consumer-access-token-file", "", "`FILE` with a Google access token for the consumer's project (default: as in the producer's)")
		f.StringVar(&c.consumer.DNSName, "endpoint-name", "", "DNS `NAME` of the endpoint, in a private zone of the consumer's network")
	})
}

// consumerFlags are the flags that mean a consumer's half.
var consumerFlags = []string{"consumer-project", "consumer-network", "consumer-subnet", "endpoint-address", "endpoint-global-access", "endpoint-name"}

// overlayPSC puts psc's flags over what the file says.
func (c *common) overlayPSC(o *exposer.PSC, take func(flag string, set func())) {
	take("exposure", func() { o.Exposure = c.psc.Exposure })
	take("nat-subnet", func() { o.NATSubnet = c.psc.NATSubnet })
	take("nat-range", func() { o.NATRange = c.psc.NATRange })
	take("through", func() { o.Through = c.psc.Through })
	take("accept", func() { o.Accept = c.psc.Accept })
	take("consumer", func() { o.Consumers = c.psc.Consumers })
	take("reject", func() { o.Reject = c.psc.Reject })
	take("consume", func() { o.Consume = c.psc.Consume })
	absolute(&o.Consume)
	for _, flag := range consumerFlags {
		take(flag, func() {
			if o.Consumer == nil {
				o.Consumer = &exposer.Consumer{}
			}
		})
	}
	take("consumer-project", func() { o.Consumer.Project = c.consumer.Project })
	take("consumer-network", func() { o.Consumer.Network = c.consumer.Network })
	take("consumer-subnet", func() { o.Consumer.Subnet = c.consumer.Subnet })
	take("endpoint-address", func() { o.Consumer.Address = c.consumer.Address })
	take("endpoint-global-access", func() { o.Consumer.GlobalAccess = c.consumer.GlobalAccess })
	take("endpoint-name", func() { o.Consumer.DNSName = c.consumer.DNSName })
}

// consumed fills in the cluster of a consumer's half, which the producer's file
// names: the consumer need not know it.
func consumed(spec *exposer.Spec) error {
	if spec.Method != "psc" || spec.PSC == nil || spec.PSC.Consume == "" || spec.Cluster.Name != "" {
		return nil
	}
	published, err := exposer.ReadPublished(spec.PSC.Consume)
	if err == nil {
		spec.Cluster = published.Cluster
	}
	return err
}
