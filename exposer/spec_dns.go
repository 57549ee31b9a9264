package exposer

// Identities by which clients of an exposure prove themselves.
const (
	IdentityGoogle  = "google"  // whoever uses the kubeconfig, as Google knows him
	IdentityAccount = "account" // a ServiceAccount of the exposure, by its token
)

// Programs that get a Google identity's token for a client.
const (
	PluginCauseway = "causeway" // needs no gcloud
	PluginGcloud   = "gcloud"   // gke-gcloud-auth-plugin
)

// DNS is what the method dns can be told. The three switches are turned on where
// they are asked for, and left as they are where not.
type DNS struct {
	Open         bool   `json:"open,omitempty"`         // let in traffic from outside Google's own services
	Tokens       bool   `json:"tokens,omitempty"`       // take Kubernetes tokens
	Certificates bool   `json:"certificates,omitempty"` // take Kubernetes client certificates
	Identity     string `json:"identity,omitempty"`     // google or account
	AuthPlugin   string `json:"authPlugin,omitempty"`   // causeway or gcloud; identity google
}

// withDefaults fills what was left open; o may be nil.
func (o *DNS) withDefaults() DNS {
	part := DNS{}
	if o != nil {
		part = *o
	}
	fill(&part.Identity, IdentityGoogle)
	if part.Identity == IdentityGoogle {
		fill(&part.AuthPlugin, PluginCauseway)
	}
	return part
}

// ByGoogle reports whether clients prove themselves as Google identities: then the
// exposure has no ServiceAccount and no token, and but for gateway's bindings
// nothing in the cluster.
func (s Spec) ByGoogle() bool {
	return s.Method == "gateway" || s.Method == "dns" && s.DNS != nil && s.DNS.Identity == IdentityGoogle
}

func (v *validator) dns(s Spec) {
	o := *s.DNS
	v.one("dns.identity", o.Identity, []string{IdentityGoogle, IdentityAccount})
	if o.Identity == IdentityAccount && o.AuthPlugin != "" {
		v.add("dns.authPlugin", "has no meaning with identity account: the ServiceAccount's token is in the kubeconfig")
	}
	if o.Identity == IdentityGoogle {
		v.one("dns.authPlugin", o.AuthPlugin, []string{PluginCauseway, PluginGcloud})
	}
	if len(s.FarSide.CIDRs) > 0 {
		v.add("farSide.cidrs", "has no meaning for the method dns: no network is let in or kept out at a DNS endpoint, IAM decides who may connect")
	}
}

// googleAccess refuses what only a ServiceAccount can have: to pass over it in
// silence would leave people with other rights than they asked for.
func (v *validator) googleAccess(a Access) {
	const why = "is a ServiceAccount's, and with dns.identity google there is none: each user has the rights that IAM (roles/container.*) and his own bindings give him; --identity account makes one"
	for _, given := range []struct {
		field string
		is    bool
	}{{"access.role", a.Role != ""}, {"access.namespaces", len(a.Namespaces) > 0}, {"access.token", a.Token != ""}, {"access.tokenTTL", a.TokenTTL != ""}} {
		if given.is {
			v.add(given.field, why)
		}
	}
}
