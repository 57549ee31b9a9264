package main

import (
	"fmt"
	"os"
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
	if method != "" {
		if spec.Method != "" && spec.Method != method {
			return spec, nil, &usageError{text: fmt.Sprintf("the file says method %s, the argument %s", spec.Method, method), cmd: cmd.CommandPath()}
		}
		spec.Method = method
	}
	if known, ok, err := c.fromRecord(a, cmd, spec.Method); err != nil {
		return spec, nil, err
	} else if ok {
		spec = known
	}
	if err := foreignFlags(cmd, spec.Method); err != nil {
		return spec, nil, err
	}
	c.overlay(cmd, &spec)
	if err := consumed(&spec); err != nil {
		return spec, nil, err
	}
	if spec.Cluster.Project == "" {
		spec.Cluster.Project = gcp.DefaultProject(a.getenv)
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
	take := func(flag string, set func()) {
		if cmd.Flags().Lookup(flag) != nil && cmd.Flags().Changed(flag) {
			set()
		}
	}
	from, to := c.spec, spec
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
	switch spec.Method {
	case "ilb":
		if spec.ILB == nil {
			spec.ILB = &exposer.ILB{}
		}
		c.overlayILB(spec.ILB, take)
	case "route":
		if spec.Route == nil {
			spec.Route = &exposer.Route{}
		}
		c.overlayRoute(spec.Route, take)
	case "dns":
		if spec.DNS == nil {
			spec.DNS = &exposer.DNS{}
		}
		c.overlayDNS(spec.DNS, take)
	case "gateway":
		if spec.Gateway == nil {
			spec.Gateway = &exposer.Gateway{}
		}
		c.overlayGateway(spec.Gateway, take)
	case "mcs":
		if spec.MCS == nil {
			spec.MCS = &exposer.MCS{}
		}
		c.overlayMCS(spec.MCS, take)
	case "psc":
		if spec.PSC == nil {
			spec.PSC = &exposer.PSC{}
		}
		c.overlayPSC(spec.PSC, take)
	}
}

// fromRecord finds the spec that an earlier apply on this machine recorded.
func (c *common) fromRecord(a *app, cmd *cobra.Command, method string) (exposer.Spec, bool, error) {
	if c.recorded.Dir == "" {
		return exposer.Spec{}, false, nil
	}
	asked := exposer.Spec{Method: method}
	c.overlay(cmd, &asked)
	if asked.Cluster.Project == "" {
		asked.Cluster.Project = gcp.DefaultProject(a.getenv)
	}
	record, err := c.recorded.Load(cmd.Context(), asked.WithDefaults())
	return record.Spec, record.Version != 0 && (method == "" || record.Spec.Method == method), err
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
