package certs

import (
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

// label is one label of a DNS name, RFC 1123 section 2.1.
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// names brings the names and addresses of a request into the form in which they
// stand in a certificate: lower case, no closing dot, each once.
func (p *problems) names(dns []string, ips []netip.Addr) ([]string, []netip.Addr) {
	var names []string
	for _, name := range dns {
		if clean, ok := p.dnsName(name); ok && !slices.Contains(names, clean) {
			names = append(names, clean)
		}
	}
	var addresses []netip.Addr
	for _, ip := range ips {
		ip = ip.Unmap()
		switch {
		case !ip.IsValid():
			p.add("CW-TLS-NAME", "an IP address of the certificate is empty")
		case ip.Zone() != "":
			p.add("CW-TLS-NAME", "address %s has a zone, which a certificate can't hold", ip)
		case ip.IsUnspecified(), ip.IsMulticast():
			p.add("CW-TLS-NAME", "address %s is not one that clients connect to", ip)
		case !slices.Contains(addresses, ip):
			addresses = append(addresses, ip)
		}
	}
	return names, addresses
}

// dnsName checks one name; a wildcard may stand as the whole first label, with at
// least two labels after it (RFC 6125 section 6.4.3 and what clients make of it).
func (p *problems) dnsName(name string) (string, bool) {
	clean := strings.ToLower(strings.TrimSuffix(name, "."))
	if _, err := netip.ParseAddr(clean); err == nil {
		p.add("CW-TLS-NAME", "%q is an IP address: give it as one, clients look for it among the IP addresses", name)
		return "", false
	}
	for _, r := range clean {
		if r > 127 {
			p.add("CW-TLS-NAME", "DNS name %q is not ASCII: give its xn-- form", name)
			return "", false
		}
	}
	rest, wildcard := strings.CutPrefix(clean, "*.")
	labels := strings.Split(rest, ".")
	valid := len(clean) <= 253 && (!wildcard || len(labels) >= 2)
	for _, l := range labels {
		valid = valid && label.MatchString(l)
	}
	if !valid {
		p.add("CW-TLS-NAME", "%q is not a DNS name", name)
		return "", false
	}
	return clean, true
}

// netIPs turns addresses into the form of crypto/x509.
func netIPs(addresses []netip.Addr) []net.IP {
	var ips []net.IP
	for _, address := range addresses {
		ips = append(ips, net.IP(address.AsSlice()))
	}
	return ips
}
