package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/gcp"
	"causeway/kubeconfig"
)

// common are the flags that mean the same for every verb on an exposure.
type common struct {
	file        string
	spec        exposer.Spec
	ilb         exposer.ILB
	impersonate string
	tokenFile   string
	timeout     time.Duration
	yes, dryRun bool
	verbose     bool
	output      string
	kubeconfig  string // to write or to read
	merge       bool
	context     string // name of the context to write
	setCurrent  bool
	from        string
	recorded    exposer.FileRecords // where to look for the spec of an exposure that stands
}

// clusterFlags name the exposure.
func (c *common) clusterFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&c.file, "file", "f", "", "exposure file (YAML); flags win over what it says")
	f.StringVar(&c.spec.Name, "name", "", "name of the exposure (default: the cluster's)")
	f.StringVar(&c.spec.Cluster.Project, "project", "", "Google project of the cluster (default: CLOUDSDK_CORE_PROJECT, GOOGLE_CLOUD_PROJECT, gcloud's active configuration)")
	f.StringVar(&c.spec.Cluster.Location, "location", "", "region or zone of the cluster")
	f.StringVar(&c.spec.Cluster.Name, "cluster", "", "name of the cluster")
	f.StringVar(&c.spec.Namespace, "namespace", "", "namespace for what causeway runs in the cluster (default: causeway-NAME)")
	f.StringVar(&c.spec.Reach.Via, "via", "", "how causeway itself reaches the cluster's API: auto, context, private, public or dns")
	f.StringVar(&c.spec.Reach.Context, "context", "", "kubeconfig context, with --via context")
	f.StringVar(&c.spec.Reach.Kubeconfig, "kubeconfig", "", "kubeconfig to find that context in (default: KUBECONFIG, ~/.kube/config)")
	f.StringVar(&c.impersonate, "impersonate-service-account", "", "Google service account to act as")
	f.StringVar(&c.tokenFile, "access-token-file", "", "file with a Google access token, instead of Application Default Credentials")
	f.DurationVar(&c.timeout, "timeout", 30*time.Minute, "bound of the whole command")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "tell more on stderr")
}

// methodFlags are what ilb and the access can be told.
func (c *common) methodFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringSliceVar(&c.spec.FarSide.CIDRs, "client-cidr", nil, "network that clients come from; may be repeated")
	f.StringVar(&c.ilb.Address, "address", "", "internal address: auto, or one of the subnet")
	f.StringVar(&c.ilb.AddressName, "address-name", "", "name of the address resource; one that exists is adopted (default: causeway-NAME)")
	f.StringVar(&c.ilb.Subnet, "subnet", "", "subnet of the address (default: the cluster's)")
	f.StringVar(&c.ilb.Mode, "mode", "", "terminate: nginx ends TLS with a certificate of causeway's; passthrough: TLS ends at the API server")
	f.IntVar(&c.ilb.Port, "port", 0, "TCP port of the load balancer (default 443)")
	f.BoolVar(&c.ilb.GlobalAccess, "global-access", false, "let clients of other regions in")
	f.IntVar(&c.ilb.Replicas, "replicas", 0, "nginx pods (default 2)")
	f.StringVar(&c.ilb.Image, "image", "", "nginx image (default "+exposer.DefaultImage+")")
	f.StringSliceVar(&c.ilb.DNSNames, "dns-name", nil, "further name for the certificate; may be repeated")
	f.StringVar(&c.ilb.ClientAuth, "client-auth", "", "none, or mtls: nginx demands a client certificate, which the kubeconfig carries")
	f.StringVar(&c.ilb.TLS.CACert, "ca-cert", "", "PEM file: the CA that signs the certificate, or signed --tls-cert")
	f.StringVar(&c.ilb.TLS.CAKey, "ca-key", "", "PEM file: its key")
	f.StringVar(&c.ilb.TLS.Cert, "tls-cert", "", "PEM file: the certificate to serve, with its chain")
	f.StringVar(&c.ilb.TLS.Key, "tls-key", "", "PEM file: its key")
	c.accessFlags(cmd)
}

func (c *common) accessFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.spec.Access.Role, "role", "", "rights of the kubeconfig: view, edit, admin, node-reader, cluster-admin, or a ClusterRole's name (default view)")
	f.StringSliceVar(&c.spec.Access.Namespaces, "role-namespace", nil, "namespace that the rights are limited to; may be repeated (default: the whole cluster)")
	f.StringVar(&c.spec.Access.Token, "token", "", "bound: ends by itself; renewing: bound, and causeway renews it; secret: long-lived (default bound)")
	f.StringVar(&c.spec.Access.TokenTTL, "token-ttl", "", "life to ask for, such as 24h; the cluster may give less (default 24h)")
}

// fileFlags say where the kubeconfig goes.
func (c *common) fileFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&c.kubeconfig, "kubeconfig-out", "", "file to write the kubeconfig to (default: causeway-NAME.kubeconfig here)")
	f.BoolVar(&c.merge, "merge", false, "merge into the file instead of replacing it (default file then: KUBECONFIG, ~/.kube/config)")
	f.StringVar(&c.context, "context-name", "", "name of the context, cluster and user in it (default: causeway-NAME)")
	f.BoolVar(&c.setCurrent, "set-current-context", false, "with --merge: make it the current context")
}

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
	take("role", func() { to.Access.Role = from.Access.Role })
	take("role-namespace", func() { to.Access.Namespaces = from.Access.Namespaces })
	take("token", func() { to.Access.Token = from.Access.Token })
	take("token-ttl", func() { to.Access.TokenTTL = from.Access.TokenTTL })
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
