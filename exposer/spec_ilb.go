package exposer

import (
	"fmt"
	"net/netip"
	"strings"
)

// Modes of the ilb method: who ends the client's TLS.
const (
	ModeTerminate   = "terminate"   // nginx ends TLS with a certificate of causeway's
	ModePassthrough = "passthrough" // nginx passes bytes; TLS ends at the API server
)

// ILB is what the method ilb can be told.
type ILB struct {
	Address      string   `json:"address,omitempty"`     // auto, or an IPv4 address of the subnet
	AddressName  string   `json:"addressName,omitempty"` // default: causeway-NAME; one that exists is adopted
	Subnet       string   `json:"subnet,omitempty"`      // default: the cluster's
	Mode         string   `json:"mode,omitempty"`
	Port         int      `json:"port,omitempty"` // TCP port of the load balancer, default 443
	GlobalAccess bool     `json:"globalAccess,omitempty"`
	Replicas     int      `json:"replicas,omitempty"`
	Image        string   `json:"image,omitempty"`
	DNSNames     []string `json:"dnsNames,omitempty"`
	ClientAuth   string   `json:"clientAuth,omitempty"` // none or mtls
	TLS          TLS      `json:"tls,omitempty"`
	Hub          *Hub     `json:"hub,omitempty"` // the line ends in another network
}

// Hub is a network that is peered with the cluster's, in which the far side's
// line ends.
type Hub struct {
	Network string   `json:"network"`           // NAME or PROJECT/NAME
	Routers []string `json:"routers,omitempty"` // REGION/NAME or NAME; default: those that learn the client networks
}

// TLS names PEM files of the user's own, instead of what causeway would make.
type TLS struct {
	CACert string `json:"caCert,omitempty"` // with CAKey: the CA that signs the leaf
	CAKey  string `json:"caKey,omitempty"`
	Cert   string `json:"cert,omitempty"` // with Key: the leaf itself; CACert is then what clients trust
	Key    string `json:"key,omitempty"`
}

// DefaultImage is the nginx that private nodes can pull: Google's pull-through
// mirror of Docker Hub answers over Private Google Access, Docker Hub does not.
const DefaultImage = "mirror.gcr.io/library/nginx:1.28"

// withDefaults fills what was left open; o may be nil.
func (o *ILB) withDefaults(exposure string) ILB {
	part := ILB{}
	if o != nil {
		part = *o
	}
	fill(&part.Address, "auto")
	fill(&part.AddressName, "causeway-"+exposure)
	fill(&part.Mode, ModeTerminate)
	fill(&part.Image, DefaultImage)
	fill(&part.ClientAuth, "none")
	fill(&part.Port, 443)
	fill(&part.Replicas, 2)
	return part
}

func (v *validator) ilb(o ILB, exposure string) {
	if o.Address != "auto" {
		if addr, err := netip.ParseAddr(o.Address); err != nil || !addr.Is4() {
			v.add("ilb.address", fmt.Sprintf("must be auto or an IPv4 address, %q is not", o.Address))
		}
	}
	if o.AddressName != "causeway-"+exposure { // the default has no faults but the exposure's name's
		v.form("ilb.addressName", o.AddressName, resourceForm, "must be the name of an address resource")
	}
	if o.Subnet != "" {
		v.form("ilb.subnet", o.Subnet, resourceForm, "must be a subnet's name in the cluster's region")
	}
	v.one("ilb.mode", o.Mode, []string{ModeTerminate, ModePassthrough})
	v.one("ilb.clientAuth", o.ClientAuth, []string{"none", "mtls"})
	v.form("ilb.image", o.Image, imageForm, "must be a container image's name")
	if o.Port < 1 || o.Port > 65535 {
		v.add("ilb.port", fmt.Sprintf("must be 1 to 65535, not %d", o.Port))
	}
	if o.Replicas < 1 || o.Replicas > 50 { // as the templates have it
		v.add("ilb.replicas", fmt.Sprintf("must be 1 to 50, not %d", o.Replicas))
	}
	for i, name := range o.DNSNames {
		v.certName(fmt.Sprintf("ilb.dnsNames[%d]", i), name)
	}
	v.tls(o)
	if o.Hub == nil {
		return
	}
	v.form("ilb.hub.network", o.Hub.Network, networkForm, "must be a network as NAME or PROJECT/NAME")
	for i, name := range o.Hub.Routers {
		v.form(fmt.Sprintf("ilb.hub.routers[%d]", i), name, regionalForm, "must be a Cloud Router as NAME or REGION/NAME")
	}
}

// certName checks a name for the certificate: what certs would refuse is told here,
// and not when half of the work is done.
func (v *validator) certName(field, name string) {
	rest, wildcard := strings.CutPrefix(name, "*.")
	_, failed := netip.ParseAddr(name)
	switch {
	case failed == nil:
		v.add(field, fmt.Sprintf("must be a DNS name, %q is an IP address (the load balancer's own is in the certificate anyway)", name))
	case wildcard && !strings.Contains(rest, "."):
		v.add(field, fmt.Sprintf("must have two labels behind the wildcard, %q has one", name))
	case len(name) > 253:
		v.add(field, fmt.Sprintf("must have at most 253 characters, not %d", len(name)))
	default:
		v.form(field, name, dnsForm, "must be a DNS name")
	}
}

func (v *validator) tls(o ILB) {
	t := o.TLS
	if (t.Cert == "") != (t.Key == "") {
		v.add("ilb.tls", "needs cert and key together")
	}
	if t.CAKey != "" && t.CACert == "" {
		v.add("ilb.tls", "has a CA key without the CA's certificate")
	}
	if t.CAKey != "" && t.Cert != "" {
		v.add("ilb.tls", "has both a CA key and a certificate of its own: the CA key would sign nothing, leave one of them out")
	}
	if t.CACert != "" && t.CAKey == "" && t.Cert == "" {
		v.add("ilb.tls", "has a CA certificate without its key: nothing could be issued; give caKey, or cert and key")
	}
	if t.Cert != "" && t.CACert == "" {
		v.add("ilb.tls", "has a certificate without the CA that signed it (caCert): the kubeconfig needs it to verify")
	}
	if o.Mode == ModePassthrough && t != (TLS{}) {
		v.add("ilb.tls", "has no meaning with mode passthrough, where TLS ends at the API server")
	}
	if o.Mode == ModePassthrough && o.ClientAuth == "mtls" {
		v.add("ilb.clientAuth", "can be mtls with mode terminate only: in passthrough the API server itself takes client certificates")
	}
}
