package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/kubeconfig"
)

// resolve makes the valid spec of a verb's method argument, file and flags.
func (a *app) resolve(cmd *cobra.Command, c *common, method string) (exposer.Spec, exposer.Method, error) {
	spec := exposer.Spec{}
	if c.file != "" {
		text, err := os.ReadFile(c.file)
		if err != nil {
			return spec, nil, &usageError{text: "read --file: " + err.Error(), cmd: cmd.CommandPath()}
		}
		if spec, err = exposer.ReadSpec(text); err != nil {
			return spec, nil, err
		}
	}
	if known, ok, err := c.fromRecord(a, cmd); err != nil {
		return spec, nil, err
	} else if ok {
		spec = known
	}
	c.overlay(cmd, &spec)
	if method != "" {
		if spec.Method != "" && spec.Method != method {
			return spec, nil, &usageError{text: fmt.Sprintf("the file says method %s, the argument %s", spec.Method, method), cmd: cmd.CommandPath()}
		}
		spec.Method = method
	}
	if spec.Cluster.Project == "" {
		spec.Cluster.Project = gcp.DefaultProject(a.getenv)
	}
	if spec.Method != "ilb" && spec.ILB != nil && reflect.DeepEqual(*spec.ILB, exposer.ILB{}) {
		spec.ILB = nil // nobody said anything of it
	}
	spec = spec.WithDefaults()
	validate := spec.Validate
	if c.recorded.Dir != "" { // of an exposure that stands, the names are enough to find it
		validate = spec.ValidateNames
	}
	if err := validate(a.methodNames()); err != nil {
		return spec, nil, err
	}
	i := slices.Index(a.methodNames(), spec.Method)
	return spec, a.methods[i], nil
}

func (a *app) methodNames() []string {
	var names []string
	for _, m := range a.methods {
		names = append(names, m.Name())
	}
	return names
}

// overlay puts the flags that were given over what the file says.
func (c *common) overlay(cmd *cobra.Command, spec *exposer.Spec) {
	if spec.ILB == nil {
		spec.ILB = &exposer.ILB{}
	}
	take := func(flag string, set func()) {
		if cmd.Flags().Lookup(flag) != nil && cmd.Flags().Changed(flag) {
			set()
		}
	}
	o, from, to := spec.ILB, c.spec, spec
	take("name", func() { to.Name = from.Name })
	take("project", func() { to.Cluster.Project = from.Cluster.Project })
	take("location", func() { to.Cluster.Location = from.Cluster.Location })
	take("cluster", func() { to.Cluster.Name = from.Cluster.Name })
	take("namespace", func() { to.Namespace = from.Namespace })
	take("via", func() { to.Reach.Via = from.Reach.Via })
	take("context", func() { to.Reach.Context = from.Reach.Context })
	take("kubeconfig", func() { to.Reach.Kubeconfig = from.Reach.Kubeconfig })
	take("client-cidr", func() { to.FarSide.CIDRs = from.FarSide.CIDRs })
	if !c.again {
		take("role", func() { to.Access.Role = from.Access.Role })
		take("role-namespace", func() { to.Access.Namespaces = from.Access.Namespaces })
		take("token", func() { to.Access.Token = from.Access.Token })
		take("token-ttl", func() { to.Access.TokenTTL = from.Access.TokenTTL })
	}
	take("address", func() { o.Address = c.ilb.Address })
	take("address-name", func() { o.AddressName = c.ilb.AddressName })
	take("subnet", func() { o.Subnet = c.ilb.Subnet })
	take("mode", func() { o.Mode = c.ilb.Mode })
	take("port", func() { o.Port = c.ilb.Port })
	take("global-access", func() { o.GlobalAccess = c.ilb.GlobalAccess })
	take("replicas", func() { o.Replicas = c.ilb.Replicas })
	take("image", func() { o.Image = c.ilb.Image })
	take("dns-name", func() { o.DNSNames = c.ilb.DNSNames })
	take("client-auth", func() { o.ClientAuth = c.ilb.ClientAuth })
	take("ca-cert", func() { o.TLS.CACert = c.ilb.TLS.CACert })
	take("ca-key", func() { o.TLS.CAKey = c.ilb.TLS.CAKey })
	take("tls-cert", func() { o.TLS.Cert = c.ilb.TLS.Cert })
	take("tls-key", func() { o.TLS.Key = c.ilb.TLS.Key })
	for _, path := range []*string{&o.TLS.CACert, &o.TLS.CAKey, &o.TLS.Cert, &o.TLS.Key} {
		if *path != "" { // the record is read from other directories too
			if whole, err := filepath.Abs(*path); err == nil {
				*path = whole
			}
		}
	}
}

// fromRecord finds the spec that an earlier apply on this machine recorded.
func (c *common) fromRecord(a *app, cmd *cobra.Command) (exposer.Spec, bool, error) {
	if c.recorded.Dir == "" {
		return exposer.Spec{}, false, nil
	}
	var asked exposer.Spec
	c.overlay(cmd, &asked)
	if asked.Cluster.Project == "" {
		asked.Cluster.Project = gcp.DefaultProject(a.getenv)
	}
	record, err := c.recorded.Load(cmd.Context(), asked.WithDefaults())
	return record.Spec, record.Version != 0, err
}

// outputFile is where the kubeconfig of a spec goes.
func (a *app) outputFile(c *common, spec exposer.Spec) exposer.Output {
	out := exposer.Output{Path: c.kubeconfig, Context: c.context, Merge: c.merge, SetCurrent: c.setCurrent}
	if out.Path == "" && c.merge {
		if path, err := kubeconfig.DefaultPath(a.getenv); err == nil {
			out.Path = path
		}
	}
	if out.Path == "" {
		out.Path = "causeway-" + spec.Name + ".kubeconfig"
	}
	return out
}
