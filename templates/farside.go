package templates

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"strings"
	"text/template"
)

//go:embed route/*.tmpl
var routeFiles embed.FS

// Kinds of far side. With AWS the inside addresses, the mapping of tunnels and
// the reserved ranges are AWS's; every other peer follows Google's order.
const (
	PeerAWS   = "aws"
	PeerOther = "other"
)

// Numbers that the far side's configurations carry.
const (
	// FarMTU is the MTU of a tunnel's interface, in bytes of the packet before
	// encryption. Google wants at most 1460 for the gateway's packets
	// (cloud.google.com/network-connectivity/docs/vpn/concepts/mtu-considerations);
	// 1400 bytes become 1456 with AES-GCM: 2 of trailer, 2 of padding, 8 of ESP
	// header, 8 of IV, 16 of ICV, 20 of outer IPv4 header (RFC 4303, RFC 4106).
	FarMTU = 1400
	// FarMSS is what TCP may put into one such packet: FarMTU less 20 bytes of
	// IPv4 header and 20 of TCP header.
	FarMSS = FarMTU - 40
	// FarKeepalive and FarHold are seconds. Cloud Router sends a keepalive every
	// 20 s by default and holds a session for three of them (RouterBgp's
	// keepaliveInterval in the Compute API); the smaller hold time of both sides counts.
	FarKeepalive = 20
	FarHold      = 3 * FarKeepalive
	// FarIKESeconds and FarESPSeconds are the lifetimes that Google's page of IKE
	// ciphers names for phase 1 and phase 2. In IKEv2 each side keeps its own.
	FarIKESeconds = 36000
	FarESPSeconds = 10800
)

// FarSide is everything that the far side's half of the line is rendered from.
// No key is part of it: SecretName only names one.
type FarSide struct {
	Exposure  string // RFC 1123 label, at most 40 characters
	Peer      string // PeerAWS or PeerOther
	GoogleASN uint32 // of the Cloud Router, private (RFC 6996)
	PeerASN   uint32
	Tunnels   []FarTunnel    // one to four, in causeway's order; AWS: four (A1, A2, B1, B2)
	Expect    []netip.Prefix // that Google announces
	Announce  []netip.Prefix // that the far side announces
	Endpoint  netip.AddrPort // the API server, inside one of Expect
	SecretBy  string         // how the keys reach the far side, one line of plain text; optional
}

// FarTunnel is one tunnel with its BGP session.
type FarTunnel struct {
	Name            string     // of the tunnel on Google's side
	GoogleInterface int        // 0 or 1: which address of the HA VPN gateway
	GoogleAddress   netip.Addr // outside, Google's
	PeerAddress     netip.Addr // outside, the far side's; invalid while it is not known (then of every tunnel)
	Link            netip.Prefix
	GoogleIP        netip.Addr // inside; AWS: the second host of Link
	PeerIP          netip.Addr // inside; AWS: the first
	SecretName      string     // reference to the key: a file's name without its folder, or a variable's in capitals
}

// FarFile is one file of the far side's half.
type FarFile struct {
	Name    string // aws-cli.sh, aws.tf, swanctl.conf, bird.conf, frr.conf, cisco-ios-xe.txt, junos.txt, table.md
	About   string // one line: what it is for
	Content []byte
}

// FarInterface is the name of the interface of tunnel i on a Linux router,
// the same in swanctl.conf, bird.conf and table.md.
func FarInterface(i int) string { return fmt.Sprintf("cw%d", i) }

// farFiles are all that there are; the order is that of a reader.
var farFiles = []struct {
	name, about string
	aws         bool // only where the peer is AWS
	early       bool // also while the far side's outside addresses are not known
}{
	{"table.md", "every address, number and key reference, and what to check", false, true},
	{"aws-cli.sh", "AWS: makes gateways and connections with the AWS CLI", true, true},
	{"aws.tf", "AWS: the same for Terraform", true, true},
	{"swanctl.conf", "strongSwan: the IPsec tunnels", false, false},
	{"bird.conf", "BIRD 2: the BGP sessions", false, false},
	{"frr.conf", "FRR: the BGP sessions, in BIRD's place", false, false},
	{"cisco-ios-xe.txt", "Cisco IOS XE: tunnels and BGP", false, false},
	{"junos.txt", "Junos (SRX): tunnels and BGP", false, false},
}

// Known reports whether the far side's outside addresses are known. Without them
// only what makes them (AWS's gateways) and the table can be rendered.
func (f FarSide) Known() bool {
	for _, tunnel := range f.Tunnels {
		if !tunnel.PeerAddress.IsValid() {
			return false
		}
	}
	return len(f.Tunnels) > 0
}

// Files renders the far side's half, ready to paste: for AWS its own files and
// those of a router that stands in for AWS's gateways; before the far side's
// addresses are known only what does not need them. The error joins every value
// that cannot be rendered.
func (f FarSide) Files() ([]FarFile, error) {
	if err := f.Validate(); err != nil {
		return nil, fmt.Errorf("render the far side's files: %w", err)
	}
	view := f.view()
	parsed, err := template.New("route").Funcs(template.FuncMap{"mask": mask, "quoted": quotedList}).
		Option("missingkey=error").ParseFS(routeFiles, "route/*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("parse the far side's templates: %w", err)
	}
	var files []FarFile
	for _, file := range farFiles {
		if file.aws && f.Peer != PeerAWS || !file.early && !f.Known() {
			continue
		}
		var out bytes.Buffer
		if err := parsed.ExecuteTemplate(&out, file.name+".tmpl", view); err != nil {
			return nil, fmt.Errorf("render %s: %w", file.name, err)
		}
		files = append(files, FarFile{Name: file.name, About: file.about, Content: out.Bytes()})
	}
	return files, nil
}

// farView are the values in the form that the templates want.
type farView struct {
	FarSide
	Tunnels     []farTunnel
	Connections []awsConnection // AWS only
	Addresses   []netip.Addr    // Google's outside addresses, each once
	Known       bool
	SecretNames []string // each once
	Short       string   // stands for the exposure in routers' names

	MTU, MSS, Keepalive, Hold, IKESeconds, ESPSeconds int
}

// farTunnel is a tunnel with what is derived from its place in the list.
type farTunnel struct {
	FarTunnel
	Index     int
	Interface string
	Inside    netip.Prefix // the far side's inside address with its mask
	IfID      uint32       // that ties policies and XFRM interface together
	Label     string       // AWS: A1, A2, B1, B2
	Number    int          // AWS: of the tunnel in its connection, 1 or 2
	Unit      int          // number of the tunnel interface on Cisco and Junos
}

// awsConnection is one Site-to-Site connection with its two tunnels.
type awsConnection struct {
	Label         string // a or b
	GoogleAddress netip.Addr
	Tunnels       []farTunnel
}

func (f FarSide) view() farView {
	f.Expect, f.Announce = sortedPrefixes(f.Expect), sortedPrefixes(f.Announce)
	if f.SecretBy == "" {
		f.SecretBy = "by a way of its own, apart from this text"
	}
	view := farView{
		FarSide: f, Known: f.Known(), Short: shortName(f.Exposure), MTU: FarMTU, MSS: FarMSS, Keepalive: FarKeepalive, Hold: FarHold,
		IKESeconds: FarIKESeconds, ESPSeconds: FarESPSeconds,
	}
	addresses, names := map[netip.Addr]bool{}, map[string]bool{}
	for i, tunnel := range f.Tunnels {
		inside := tunnel.PeerIP.As4()
		view.Tunnels = append(view.Tunnels, farTunnel{
			FarTunnel: tunnel, Index: i, Interface: FarInterface(i), Inside: netip.PrefixFrom(tunnel.PeerIP, 30),
			// Links of one machine never overlap, so this is unique there, for other
			// exposures' tunnels too; and it is never 0, which would mean none.
			IfID:  uint32(inside[2])<<8 | uint32(inside[3]),
			Label: "AABB"[i:i+1] + "1212"[i:i+1], Number: i%2 + 1, Unit: 1000 + i,
		})
		if !addresses[tunnel.GoogleAddress] {
			view.Addresses = append(view.Addresses, tunnel.GoogleAddress)
		}
		if !names[tunnel.SecretName] {
			view.SecretNames = append(view.SecretNames, tunnel.SecretName)
		}
		addresses[tunnel.GoogleAddress], names[tunnel.SecretName] = true, true
	}
	if f.Peer == PeerAWS {
		for i, label := range []string{"a", "b"} {
			tunnels := view.Tunnels[2*i : 2*i+2]
			view.Connections = append(view.Connections, awsConnection{label, tunnels[0].GoogleAddress, tunnels})
		}
	}
	return view
}

// ExtendedASN says that AWS wants the ASN in its other field: the first takes
// numbers up to 2147483647 (CreateCustomerGateway's BgpAsnExtended).
func (v farView) ExtendedASN() bool { return v.GoogleASN > 1<<31-1 }

// ByVariable says that the key is handed over in an environment variable.
func (t farTunnel) ByVariable() bool { return variableName.MatchString(t.SecretName) }

// shortName is the exposure's name in at most 24 characters: Junos takes 32 for
// the name of an IKE gateway or a VPN, with what stands before and behind it.
func shortName(exposure string) string {
	if len(exposure) <= 24 {
		return exposure
	}
	return exposure[:17] + "-" + Hash(map[string][]byte{"exposure": []byte(exposure)})[:6]
}

// mask writes the length of a prefix the way Cisco wants it: 255.255.255.252.
func mask(prefix netip.Prefix) string {
	bits := ^uint32(0) << (32 - prefix.Bits())
	return netip.AddrFrom4([4]byte{byte(bits >> 24), byte(bits >> 16), byte(bits >> 8), byte(bits)}).String()
}

// quotedList writes prefixes or names as the inside of a list of strings. None of
// them can hold a quote: the rules in farside_values.go see to it.
func quotedList(values any) (string, error) {
	var texts []string
	switch values := values.(type) {
	case []netip.Prefix:
		for _, value := range values {
			texts = append(texts, `"`+value.String()+`"`)
		}
	case []string:
		for _, value := range values {
			texts = append(texts, `"`+value+`"`)
		}
	default:
		return "", fmt.Errorf("%T is no list of prefixes or names", values)
	}
	return strings.Join(texts, ", "), nil
}
