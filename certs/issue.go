package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// ServerRequest is what a server's certificate is to cover. At least one name or
// address is needed.
type ServerRequest struct {
	DNSNames []string // RFC 1123 names; a wildcard as the whole first label
	IPs      []netip.Addr
	// Lifetime 0 is DefaultLeafLife or what is left of the CA's, whichever is shorter.
	// A lifetime that is asked for and can't be had is an error.
	Lifetime time.Duration
}

// ClientRequest says who a client's certificate names. nginx checks it; Kubernetes
// never sees it, so that names with the prefix "system:" are refused as misleading.
type ClientRequest struct {
	CommonName    string
	Organizations []string
	Lifetime      time.Duration // as in ServerRequest
}

// IssueServer makes a new key and a certificate for it, and checks the result as a
// client would, against the CA's own constraints too. CertPEM holds the leaf and
// the certificates that a client may lack. Errors are *Error with CW-TLS-NAME,
// CW-TLS-SAN, CW-TLS-LIFETIME, CW-TLS-CHAIN.
func (a *Authority) IssueServer(r ServerRequest) (Pair, error) {
	const op = "issue server certificate"
	var p problems
	names, addresses := p.names(r.DNSNames, r.IPs)
	if len(r.DNSNames)+len(r.IPs) == 0 {
		p.add("CW-TLS-SAN", "a server's certificate needs at least one DNS name or IP address")
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: serverName(names)},
		DNSNames:    names,
		IPAddresses: netIPs(addresses),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	return a.issue(op, template, r.Lifetime, p)
}

// IssueClient makes a new key and a client's certificate, for mtls. Note that a
// server that trusts this CA for clients lets in every client certificate of it:
// for a company's CA, use an Authority of the exposure's own instead.
func (a *Authority) IssueClient(r ClientRequest) (Pair, error) {
	const op = "issue client certificate"
	var p problems
	if r.CommonName == "" || len(r.CommonName) > maxCommonName {
		p.add("CW-TLS-NAME", "the client's common name must have 1 to %d bytes", maxCommonName)
	}
	if len(r.Organizations) > maxOrganizations {
		p.add("CW-TLS-NAME", "%d organizations are more than %d", len(r.Organizations), maxOrganizations)
	}
	for _, name := range slices.Concat([]string{r.CommonName}, r.Organizations) {
		if strings.HasPrefix(name, "system:") {
			p.add("CW-TLS-NAME", "%q is a name of Kubernetes' own, and this certificate gives no right in Kubernetes", name)
		}
		if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			p.add("CW-TLS-NAME", "%q holds a control character", name)
		}
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: r.CommonName, Organization: r.Organizations},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	return a.issue(op, template, r.Lifetime, p)
}

// serverName is the common name: the first DNS name. Clients read only the SANs; it
// is there for people. An address never stands in it: OpenSSL would hold it against
// the CA's constraints on DNS names. A name that is too long for it is left out.
func serverName(names []string) string {
	if len(names) > 0 && len(names[0]) <= maxCommonName {
		return names[0]
	}
	return "causeway server"
}

// issue fills in what all leaves share, signs, and checks the result.
func (a *Authority) issue(op string, template *x509.Certificate, life time.Duration, p problems) (Pair, error) {
	now := a.env.now()
	template.NotBefore, template.NotAfter = p.period(now, life, a.cert)
	if err := p.err(op); err != nil {
		return Pair{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("%s: generate key: %w", op, err)
	}
	if template.SubjectKeyId, err = keyID(key.Public()); err != nil {
		return Pair{}, fmt.Errorf("%s: %w", op, err)
	}
	if template.SerialNumber, err = newSerial(a.env.random()); err != nil {
		return Pair{}, fmt.Errorf("%s: %w", op, err)
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.BasicConstraintsValid = true
	leaf, err := sign(template, a.cert, key.Public(), a.signer)
	if err != nil {
		return Pair{}, fmt.Errorf("%s: %w", op, err)
	}
	chain := append([]*x509.Certificate{leaf}, a.issuers(now)...)
	keyPEM, err := encodeKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("%s: %w", op, err)
	}
	// The CA may be the user's: with name constraints or usages of its own.
	p.verify(chain, []*x509.Certificate{a.anchor()}, now, template.ExtKeyUsage[0])
	if err := p.err(op); err != nil {
		return Pair{}, err
	}
	return Pair{CertPEM: encodeCerts(chain...), KeyPEM: keyPEM}, nil
}

// period decides from when to when a leaf is valid: never beyond its CA.
func (p *problems) period(now time.Time, life time.Duration, ca *x509.Certificate) (from, to time.Time) {
	from = now.Add(-Backdate)
	if from.Before(ca.NotBefore) {
		from = ca.NotBefore
	}
	asked := life != 0
	if !asked {
		life = DefaultLeafLife
	}
	if life < minLife || life > MaxLeafLife {
		p.add("CW-TLS-LIFETIME", "a lifetime of %s is not between %s and %d days", life, minLife, days(MaxLeafLife))
		return from, from
	}
	to = end(from, life)
	switch {
	case now.Add(minLife).After(ca.NotAfter):
		p.add("CW-TLS-EXPIRED", "the CA %q ends at %s: rotate it first", ca.Subject, stamp(ca.NotAfter))
	case to.After(ca.NotAfter) && asked:
		p.add("CW-TLS-LIFETIME", "a lifetime of %s goes beyond the CA's end at %s", life, stamp(ca.NotAfter))
	case to.After(ca.NotAfter):
		to = ca.NotAfter
	}
	return from, to
}

func days(d time.Duration) int { return int(d / (24 * time.Hour)) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
