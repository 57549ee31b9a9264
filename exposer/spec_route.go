package exposer

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
)

// Route is what the method route can be told.
type Route struct {
	Network            string   `json:"network,omitempty"`            // PROJECT/NAME or NAME that the line ends in; default: the cluster's
	Routers            []string `json:"routers,omitempty"`            // REGION/NAME or NAME; default: those that learn the client networks
	BGPPeers           []string `json:"bgpPeers,omitempty"`           // with an advertised list of their own, which gets the range too
	ImportCustomRoutes bool     `json:"importCustomRoutes,omitempty"` // also import over the control plane's peering
	ServicePeering     bool     `json:"servicePeering,omitempty"`     // the same for servicenetworking-googleapis-com
	GlobalAccess       bool     `json:"globalAccess,omitempty"`       // let in who enters the VPC in another region
	VPN                *VPN     `json:"vpn,omitempty"`                // make the line too
}

// VPN is the line itself: an HA VPN between the VPC and the far side.
type VPN struct {
	Region        string   `json:"region,omitempty"`        // default: the cluster's
	Gateway       string   `json:"gateway,omitempty"`       // default: causeway-NAME
	Router        string   `json:"router,omitempty"`        // default: causeway-NAME; one that exists is used
	ASN           uint32   `json:"asn,omitempty"`           // of the Cloud Router
	Peer          string   `json:"peer,omitempty"`          // aws or other
	PeerASN       uint32   `json:"peerASN,omitempty"`       // of the far side's router
	PeerAddresses []string `json:"peerAddresses,omitempty"` // its outside addresses: none known yet, one, two or four
	Links         []string `json:"links,omitempty"`         // a /30 for each tunnel; default: free ones
	Secrets       Secrets  `json:"secrets,omitempty"`
}

// Secrets says where the pre-shared keys come from: one source, a key a tunnel.
type Secrets struct {
	Files     []string `json:"files,omitempty"`     // one for all tunnels, or one each
	Env       string   `json:"env,omitempty"`       // variable; with _0 to _3 behind it where set, else one for all
	Directory string   `json:"directory,omitempty"` // files TUNNEL.psk, made where they are missing
}

// Kinds of far side, which decide who takes which address of a link.
const (
	PeerAWS   = "aws"   // .1 is AWS's, .2 Google's; AWS reserves some ranges
	PeerOther = "other" // .1 is Google's, .2 the far side's
)

// DefaultASN is the Cloud Router's where nobody says otherwise, and FarASN the
// far side's: private ones (RFC 6996); AWS's own default is 64512.
const (
	DefaultASN = 64514
	FarASN     = 64512
)

func (o *Route) withDefaults(exposure string) Route {
	part := Route{}
	if o != nil {
		part = *o
	}
	if part.VPN != nil {
		vpn := *part.VPN
		fill(&vpn.Gateway, "causeway-"+exposure)
		fill(&vpn.Router, "causeway-"+exposure)
		fill(&vpn.ASN, DefaultASN)
		fill(&vpn.Peer, PeerOther)
		fill(&vpn.PeerASN, FarASN)
		part.VPN = &vpn
	}
	return part
}

// Tunnels lists which interface of Google's gateway meets which of the far
// side's, in the order of the tunnels: with AWS's four, two to each (Google's
// guide on AWS peer gateways); two, one each; a single one gets both.
func (v VPN) Tunnels() [][2]int {
	switch len(v.PeerAddresses) {
	case 1:
		return [][2]int{{0, 0}, {1, 0}}
	case 2:
		return [][2]int{{0, 0}, {1, 1}}
	case 4:
		return [][2]int{{0, 0}, {0, 1}, {1, 2}, {1, 3}}
	}
	return nil
}

// regionalForm is NAME or REGION/NAME.
var regionalForm = regexp.MustCompile(`^([a-z]+-[a-z]+[0-9]+/)?[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// networkForm is NAME or PROJECT/NAME.
var networkForm = regexp.MustCompile(`^([a-z0-9.:-]+/)?[a-z]([-a-z0-9]{0,61}[a-z0-9])?$`)

// envForm is an environment variable's name.
var envForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (v *validator) route(o Route) {
	if o.Network != "" {
		v.form("route.network", o.Network, networkForm, "must be a network as NAME or PROJECT/NAME")
	}
	for i, name := range o.Routers {
		v.form(fmt.Sprintf("route.routers[%d]", i), name, regionalForm, "must be a Cloud Router as NAME or REGION/NAME")
	}
	for i, name := range o.BGPPeers {
		v.form(fmt.Sprintf("route.bgpPeers[%d]", i), name, resourceForm, "must be a BGP peer's name")
	}
	if o.VPN == nil {
		return
	}
	if len(o.Routers) > 0 {
		v.add("route.routers", "can't be named where causeway makes the line: route.vpn.router says which router it ends at")
	}
	v.vpn(*o.VPN)
}

func (v *validator) vpn(o VPN) {
	if o.Region != "" {
		v.form("route.vpn.region", o.Region, regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+$`), "must be a region such as europe-west3")
	}
	v.form("route.vpn.gateway", o.Gateway, resourceForm, "must be a VPN gateway's name")
	v.form("route.vpn.router", o.Router, resourceForm, "must be a Cloud Router's name")
	v.one("route.vpn.peer", o.Peer, []string{PeerAWS, PeerOther})
	if !privateASN(o.ASN) {
		v.add("route.vpn.asn", fmt.Sprintf("must be private (64512 to 65534 or 4200000000 to 4294967294), %d is not", o.ASN))
	}
	if o.PeerASN == 0 || o.PeerASN == o.ASN {
		v.add("route.vpn.peerASN", fmt.Sprintf("must be the far side's own, not %d: the sessions are external BGP", o.PeerASN))
	}
	v.peerAddresses(o)
	v.links(o)
	sources := 0
	for _, given := range []bool{len(o.Secrets.Files) > 0, o.Secrets.Env != "", o.Secrets.Directory != ""} {
		if given {
			sources++
		}
	}
	switch {
	case sources > 1:
		v.add("route.vpn.secrets", "must name one source of the pre-shared keys: files, env or directory")
	case sources == 0 && len(o.PeerAddresses) > 0:
		v.add("route.vpn.secrets", "is missing: name the pre-shared keys (--psk-file, --psk-env), or a directory where causeway makes them (--psk-dir)")
	}
	if n := len(o.Secrets.Files); n > 1 && n != len(o.Tunnels()) {
		v.add("route.vpn.secrets.files", fmt.Sprintf("must be one for all tunnels or one for each of the %d, not %d", len(o.Tunnels()), n))
	}
	if o.Secrets.Env != "" && !envForm.MatchString(o.Secrets.Env) {
		v.add("route.vpn.secrets.env", fmt.Sprintf("must be the name of an environment variable, %q is not", o.Secrets.Env))
	}
}

// privateASN is RFC 6996's, less the last of each range, which RFC 7300 reserves.
func privateASN(asn uint32) bool {
	return asn >= 64512 && asn <= 65534 || asn >= 4200000000 && asn <= 4294967294
}

func (v *validator) peerAddresses(o VPN) {
	allowed := []int{0, 1, 2}
	if o.Peer == PeerAWS {
		allowed = []int{0, 4}
	}
	if n := len(o.PeerAddresses); !slices.Contains(allowed, n) {
		v.add("route.vpn.peerAddresses", fmt.Sprintf("must be %v addresses for the peer %s, not %d", allowed[1:], o.Peer, n))
	}
	seen := map[netip.Addr]bool{}
	for i, text := range o.PeerAddresses {
		field := fmt.Sprintf("route.vpn.peerAddresses[%d]", i)
		addr, err := netip.ParseAddr(text)
		switch {
		case err != nil || !addr.Is4():
			v.add(field, fmt.Sprintf("must be the IPv4 address of the far side's VPN gateway, %q is not", text))
		case seen[addr]:
			v.add(field, fmt.Sprintf("is named twice: %s", addr))
		}
		seen[addr] = true
	}
}

func (v *validator) links(o VPN) {
	if n := len(o.Links); n > 0 && len(o.PeerAddresses) > 0 && n != len(o.Tunnels()) {
		v.add("route.vpn.links", fmt.Sprintf("must be one for each of the %d tunnels, not %d", len(o.Tunnels()), n))
	}
	seen := map[netip.Prefix]bool{}
	for i, text := range o.Links {
		field := fmt.Sprintf("route.vpn.links[%d]", i)
		link, err := netip.ParsePrefix(text)
		switch {
		case err != nil || link.Bits() != 30 || link.Masked() != link || !linkLocal.Contains(link.Addr()):
			v.add(field, fmt.Sprintf("must be a /30 of 169.254.0.0/16, %q is not", text))
		case !LinkAllowed(link, o.Peer):
			by := "AWS"
			if link.Contains(metadataServer) {
				by = "Google's metadata server"
			}
			v.coded(field, fmt.Sprintf("is reserved by %s: %s", by, link), "CW-NET-LINK-LOCAL")
		case seen[link]:
			v.coded(field, fmt.Sprintf("is named twice: %s", link), "CW-NET-LINK-LOCAL")
		}
		seen[link] = true
	}
}

var (
	linkLocal      = netip.MustParsePrefix("169.254.0.0/16")
	metadataServer = netip.MustParseAddr("169.254.169.254")
)

// LinkAllowed reports whether a /30 may carry a BGP session with this kind of
// far side: AWS keeps 169.254.0.0/30 to 169.254.5.0/30 and 169.254.169.252/30 for
// itself (its CreateVpnConnection's TunnelInsideCidr), and Google answers on
// 169.254.169.254, whatever the far side.
func LinkAllowed(link netip.Prefix, peer string) bool {
	if link.Contains(metadataServer) {
		return false
	}
	third, fourth := link.Addr().As4()[2], link.Addr().As4()[3]
	return peer != PeerAWS || third > 5 || fourth != 0
}
