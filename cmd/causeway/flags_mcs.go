package main

import (
	"github.com/spf13/cobra"

	"causeway/exposer"
)

// mcsFlags are what the method mcs can be told, beside what it shares with others.
func (c *common) mcsFlags(cmd *cobra.Command) {
	beneath := cmd.Flags().Lookup("exposure")
	beneath.Usage = "`NAME` of the exposure by ilb that is published, or exported (default: the cluster's name)"
	beneath.Annotations[methodKey] = []string{"psc", "mcs"}
	methodGroup(cmd, "mcs", aboutMCS, func(f *flagSet) {
		f.StringVar(&c.mcs.Service, "service", "", "`NAMESPACE/NAME` of any Service to export, instead of the proxy of an exposure by ilb (--exposure)")
		f.StringSliceVar(&c.mcs.Importers, "importer", nil, "`CLUSTER` that imports, as LOCATION/NAME or PROJECT/LOCATION/NAME: the namespace is made there, the import waited for, and its Pods let in; may be repeated (default: none is waited for, and the Pods of all clusters of the fleet are let in)")
	})
}

// overlayMCS puts mcs's flags over what the file says.
func (c *common) overlayMCS(o *exposer.MCS, take func(flag string, set func())) {
	c.overlayFleet(&o.FleetProject, &o.Membership, &o.Register, take)
	take("exposure", func() { o.Exposure = c.psc.Exposure })
	take("service", func() { o.Service = c.mcs.Service })
	take("importer", func() { o.Importers = c.mcs.Importers })
}
