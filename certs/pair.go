package certs

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Pair is a certificate with its chain, leaf first, and its key, both PEM. KeyPEM
// is secret.
type Pair struct {
	CertPEM []byte
	KeyPEM  []byte
}

// Want is what LoadPair checks beside the certificate itself; all of it is optional.
type Want struct {
	DNSNames []string     // each must be covered by the SANs
	IPs      []netip.Addr // each must be covered by the SANs
	CA       []byte       // PEM; the chain must end here
	Client   bool         // a client's certificate instead of a server's
}

// LoadPair reads a certificate and key that a user brings or a Secret holds, and
// checks all at once: PEM, key type, that the key is the certificate's, the chain's
// order, validity now, usage, and what want says. The result is normalised: only
// certificates, a closing root left out, the key as PKCS#8. The error is an *Error.
func LoadPair(env Env, certPEM, keyPEM []byte, want Want) (Pair, error) {
	what, usage := "server", x509.ExtKeyUsageServerAuth
	if want.Client {
		what, usage = "client", x509.ExtKeyUsageClientAuth
	}
	op := "load " + what + " certificate"
	var p problems
	chain := p.certificates(what+" certificate", certPEM)
	key := p.key(what+" key", keyPEM)
	if len(chain) == 0 {
		return Pair{}, p.err(op)
	}
	p.matches(what, chain, key)
	p.sound(what+" certificate", chain[0])
	p.validity(what+" certificate", chain[0], env.now())
	p.usage(what+" certificate", chain[0], usage)
	p.chain(what, chain, env.now())
	p.covers(chain[0], want.DNSNames, want.IPs)
	if len(want.CA) > 0 {
		p.ends(chain, want.CA, env.now(), usage)
	}
	if err := p.err(op); err != nil {
		return Pair{}, err
	}
	if last := len(chain) - 1; last > 0 && selfSigned(chain[last]) {
		chain = chain[:last] // who needs the root has it
	}
	keyText, err := encodeKey(key)
	if err != nil {
		p.add("CW-TLS-UNSUPPORTED", "the key can't be written as PKCS#8")
		return Pair{}, p.err(op)
	}
	return Pair{CertPEM: encodeCerts(chain...), KeyPEM: keyText}, nil
}

// ends checks that the chain ends at the bundle. The leaf's own dates and usage were
// told already: they are kept from hiding that the CA is another one.
func (p *problems) ends(chain []*x509.Certificate, bundle []byte, now time.Time, usage x509.ExtKeyUsage) {
	roots := p.certificates("CA bundle", bundle)
	if len(roots) == 0 {
		return
	}
	if now.After(chain[0].NotAfter) {
		now = chain[0].NotAfter
	}
	if now.Before(chain[0].NotBefore) {
		now = chain[0].NotBefore
	}
	var found problems
	found.verify(chain, roots, now, usage)
	for _, problem := range found {
		if !slices.ContainsFunc(*p, func(told Problem) bool { return told.Code == problem.Code }) {
			*p = append(*p, problem)
		}
	}
}

// Covers says whether the SANs cover all of these names and addresses; the error
// has the code CW-TLS-SAN and names what is missing and what is there.
func (p Pair) Covers(names []string, ips []netip.Addr) error {
	const op = "check server certificate"
	var found problems
	leaf := p.Leaf()
	if leaf == nil {
		found.add("CW-TLS-PEM", "it can't be read")
		return found.err(op)
	}
	found.covers(leaf, names, ips)
	return found.err(op)
}

func (p *problems) covers(leaf *x509.Certificate, names []string, ips []netip.Addr) {
	var missing []string
	for _, name := range names {
		clean := strings.ToLower(strings.TrimSuffix(name, "."))
		listed := slices.ContainsFunc(leaf.DNSNames, func(have string) bool { return strings.EqualFold(have, clean) })
		if !listed && leaf.VerifyHostname(clean) != nil {
			missing = append(missing, name)
		}
	}
	for _, ip := range ips {
		if leaf.VerifyHostname(ip.Unmap().String()) != nil {
			missing = append(missing, ip.String())
		}
	}
	if len(missing) == 0 {
		return
	}
	have := "for " + strings.Join(sans(leaf), ", ")
	if len(sans(leaf)) == 0 {
		have = "for no name at all: it has only the common name \"" + leaf.Subject.CommonName + "\", which clients don't read"
	}
	p.add("CW-TLS-SAN", "the certificate is not valid for %s; it is valid %s", strings.Join(missing, ", "), have)
}

// sans are the names and addresses of a certificate.
func sans(cert *x509.Certificate) []string {
	names := slices.Clone(cert.DNSNames)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// Chain is the leaf and what follows it, or nil if CertPEM can't be read.
func (p Pair) Chain() []*x509.Certificate {
	var found problems
	return found.certificates("certificate", p.CertPEM)
}

// Leaf is the first certificate, or nil if CertPEM can't be read.
func (p Pair) Leaf() *x509.Certificate {
	if chain := p.Chain(); len(chain) > 0 {
		return chain[0]
	}
	return nil
}

// Request is what has to be asked for to renew this server's certificate: the same
// names and addresses, the default lifetime.
func (p Pair) Request() ServerRequest {
	leaf := p.Leaf()
	if leaf == nil {
		return ServerRequest{}
	}
	request := ServerRequest{DNSNames: slices.Clone(leaf.DNSNames)}
	for _, ip := range leaf.IPAddresses {
		if address, ok := netip.AddrFromSlice(ip); ok {
			request.IPs = append(request.IPs, address.Unmap())
		}
	}
	return request
}

// VerifyChain checks a server's certificate as a client does that trusts caPEM and
// connects to name (a DNS name or an IP address; "" skips the name). Codes:
// CW-TLS-TRUST (another CA, failure 20), CW-TLS-SAN, CW-TLS-EXPIRED, CW-TLS-USAGE.
func VerifyChain(env Env, pair Pair, caPEM []byte, name string) error {
	const op = "verify server certificate"
	var p problems
	chain := p.certificates("server certificate", pair.CertPEM)
	roots := p.certificates("CA bundle", caPEM)
	if len(chain) == 0 || len(roots) == 0 {
		return p.err(op)
	}
	p.verify(chain, roots, env.now(), x509.ExtKeyUsageServerAuth)
	if address, err := netip.ParseAddr(name); err == nil {
		p.covers(chain[0], nil, []netip.Addr{address})
	} else if name != "" {
		p.covers(chain[0], []string{name}, nil)
	}
	return p.err(op)
}

// ParseBundle reads the certificates of a CA bundle, for status and show.
func ParseBundle(caPEM []byte) ([]*x509.Certificate, error) {
	var p problems
	certs := p.certificates("CA bundle", caPEM)
	return certs, p.err("read CA bundle")
}

// Fingerprint is the SHA-256 of a certificate as people compare it,
// "SHA256:ab:cd:...", 32 bytes in lower case.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	text := hex.EncodeToString(sum[:])
	parts := make([]string, 0, len(sum))
	for i := 0; i < len(text); i += 2 {
		parts = append(parts, text[i:i+2])
	}
	return "SHA256:" + strings.Join(parts, ":")
}

// FingerprintPEM is Fingerprint of the first certificate in PEM, or "".
func FingerprintPEM(certPEM []byte) string {
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != blockCertificate {
		return ""
	}
	return Fingerprint(&x509.Certificate{Raw: block.Bytes})
}

// DaysLeft is the number of whole days until a certificate ends; negative, rounded
// away from zero, when it has ended.
func DaysLeft(cert *x509.Certificate, now time.Time) int {
	return int(math.Floor(cert.NotAfter.Sub(now).Hours() / 24))
}
