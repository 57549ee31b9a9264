package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// matches checks that the key is the first certificate's.
func (p *problems) matches(what string, certs []*x509.Certificate, key crypto.Signer) {
	if key == nil || len(certs) == 0 || sameKey(certs[0].PublicKey, key.Public()) {
		return
	}
	for i, cert := range certs[1:] {
		if sameKey(cert.PublicKey, key.Public()) {
			p.add("CW-TLS-KEY-MISMATCH", "the %s key belongs to certificate %d of the file (%s), not to the first: put that one first", what, i+2, cert.Subject)
			return
		}
	}
	p.add("CW-TLS-KEY-MISMATCH", "the %s key does not belong to the %s certificate (%s)", what, what, certs[0].Subject)
}

// validity checks that a certificate is valid now.
func (p *problems) validity(what string, cert *x509.Certificate, now time.Time) {
	switch {
	case cert.NotAfter.Before(cert.NotBefore):
		p.add("CW-TLS-EXPIRED", "the %s (%s) ends before it begins", what, cert.Subject)
	case now.After(cert.NotAfter):
		p.add("CW-TLS-EXPIRED", "the %s (%s) expired at %s", what, cert.Subject, stamp(cert.NotAfter))
	case now.Before(cert.NotBefore):
		p.add("CW-TLS-NOT-YET-VALID", "the %s (%s) is valid only from %s; it is %s now", what, cert.Subject, stamp(cert.NotBefore), stamp(now))
	}
}

// sound refuses certificates that usual clients refuse whoever signed them.
func (p *problems) sound(what string, cert *x509.Certificate) {
	p.algorithm(what+"'s key", cert.PublicKey)
	switch cert.SignatureAlgorithm {
	case x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1, x509.UnknownSignatureAlgorithm:
		if !selfSigned(cert) { // a trust anchor's own signature is not checked by anyone
			p.add("CW-TLS-UNSUPPORTED", "the %s (%s) is signed with %s, which clients refuse", what, cert.Subject, cert.SignatureAlgorithm)
		}
	}
	if len(cert.UnhandledCriticalExtensions) > 0 {
		p.add("CW-TLS-UNSUPPORTED", "the %s (%s) has a critical extension %s that Go clients refuse", what, cert.Subject, cert.UnhandledCriticalExtensions[0])
	}
}

// authority checks that a certificate may sign others for servers.
func (p *problems) authority(cert *x509.Certificate, now time.Time) {
	const what = "CA certificate"
	p.sound(what, cert)
	p.validity(what, cert, now)
	switch {
	case cert.Version < 3:
		p.add("CW-TLS-NOT-CA", "the %s (%s) is of X.509 version %d and can't say CA:TRUE", what, cert.Subject, cert.Version)
	case !cert.BasicConstraintsValid || !cert.IsCA:
		p.add("CW-TLS-NOT-CA", "the %s (%s) is not a CA: its basic constraints don't say CA:TRUE", what, cert.Subject)
	case cert.KeyUsage != 0 && cert.KeyUsage&x509.KeyUsageCertSign == 0:
		p.add("CW-TLS-NOT-CA", "the %s (%s) may not sign certificates: its key usage lacks keyCertSign", what, cert.Subject)
	}
	if hasUsages(cert) && !hasUsage(cert, x509.ExtKeyUsageServerAuth) && !hasUsage(cert, x509.ExtKeyUsageAny) {
		p.add("CW-TLS-USAGE", "the %s (%s) is limited to extended key usages without server authentication", what, cert.Subject)
	}
}

// usage checks that a leaf may stand for a server or a client with all of Go,
// OpenSSL and Java. OpenSSL, unlike the others, does not take anyExtendedKeyUsage
// for either.
func (p *problems) usage(what string, leaf *x509.Certificate, want x509.ExtKeyUsage) {
	name := "server authentication (serverAuth)"
	if want == x509.ExtKeyUsageClientAuth {
		name = "client authentication (clientAuth)"
	}
	if hasUsages(leaf) && !hasUsage(leaf, want) {
		p.add("CW-TLS-USAGE", "the %s (%s) is not for %s: its extended key usage names %s", what, leaf.Subject, name, usageNames(leaf))
	}
	if leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		p.add("CW-TLS-USAGE", "the %s (%s) may not sign: its key usage lacks digitalSignature, which TLS 1.3 needs", what, leaf.Subject)
	}
}

func hasUsages(cert *x509.Certificate) bool {
	return len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) > 0
}

func hasUsage(cert *x509.Certificate, usage x509.ExtKeyUsage) bool {
	return slices.Contains(cert.ExtKeyUsage, usage)
}

func usageNames(cert *x509.Certificate) string {
	var names []string
	for _, usage := range cert.ExtKeyUsage {
		names = append(names, usage.String())
	}
	for _, oid := range cert.UnknownExtKeyUsage {
		names = append(names, oid.String())
	}
	return strings.Join(names, ", ")
}

// chain checks that each certificate is signed by the next, leaf first.
func (p *problems) chain(what string, certs []*x509.Certificate, now time.Time) {
	if len(certs) > maxChain {
		p.add("CW-TLS-CHAIN", "the %s chain has %d certificates; Java takes at most %d", what, len(certs), maxChain)
		return
	}
	for i, cert := range certs[1:] {
		if slices.ContainsFunc(certs[:i+1], cert.Equal) {
			p.add("CW-TLS-CHAIN", "certificate %d of the %s chain (%s) stands there twice", i+2, what, cert.Subject)
			return
		}
	}
	for i := 0; i+1 < len(certs); i++ {
		if certs[i].CheckSignatureFrom(certs[i+1]) == nil {
			continue
		}
		p.add("CW-TLS-CHAIN", "certificate %d of the %s chain (%s) is not signed by the next one (%s)%s",
			i+1, what, certs[i].Subject, certs[i+1].Subject, orderHint(certs))
		break
	}
	for i, cert := range certs[1:] {
		name := fmt.Sprintf("certificate %d of the %s chain", i+2, what)
		p.sound(name, cert)
		p.validity(name, cert, now)
	}
}

// orderHint says in which order the certificates would make a chain, if in any.
func orderHint(certs []*x509.Certificate) string {
	ordered := []*x509.Certificate{certs[0]}
	rest := slices.Clone(certs[1:])
	for len(rest) > 0 {
		last := ordered[len(ordered)-1]
		next := slices.IndexFunc(rest, func(c *x509.Certificate) bool { return last.CheckSignatureFrom(c) == nil })
		if next < 0 {
			if !bytes.Equal(last.RawIssuer, last.RawSubject) {
				return fmt.Sprintf(": the issuer of %q (%s) is missing, or others stand in its place", last.Subject, last.Issuer)
			}
			return fmt.Sprintf(": %q does not belong to it", rest[0].Subject)
		}
		ordered, rest = append(ordered, rest[next]), slices.Delete(rest, next, next+1)
	}
	var names []string
	for _, cert := range ordered {
		names = append(names, fmt.Sprintf("%q", cert.Subject))
	}
	return ": the right order is " + strings.Join(names, ", ")
}

// verify builds the chain as a client does and gives each failure its own code.
func (p *problems) verify(chain, roots []*x509.Certificate, now time.Time, usage x509.ExtKeyUsage) {
	options := x509.VerifyOptions{
		Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(),
		CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
	}
	for _, root := range roots {
		options.Roots.AddCert(root)
	}
	for _, cert := range chain[1:] {
		options.Intermediates.AddCert(cert)
	}
	_, err := chain[0].Verify(options)
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case err == nil:
	case errors.As(err, &unknown):
		p.add("CW-TLS-TRUST", "no certificate of the CA bundle signed %q, issued by %q; the bundle holds %s", chain[0].Subject, chain[0].Issuer, subjects(roots))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		p.add("CW-TLS-EXPIRED", "a certificate of the chain is not valid at %s: %v", stamp(now), err)
	case errors.As(err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		p.add("CW-TLS-USAGE", "the chain does not allow this usage: %v", err)
	default:
		p.add("CW-TLS-CHAIN", "the chain is refused: %v", err)
	}
}

func subjects(certs []*x509.Certificate) string {
	var names []string
	for _, cert := range certs {
		names = append(names, fmt.Sprintf("%q", cert.Subject))
	}
	return strings.Join(names, ", ")
}
