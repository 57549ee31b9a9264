package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// tlsHop shakes hands with verification on: chain against the kubeconfig's CA, name
// against tls-server-name or the server's host, dates against the clock. When that
// fails, crypto/tls hands out the refused certificates in the error, so the
// diagnosis needs no unverified connection.
func tlsHop(ctx context.Context, s *session) Result {
	if s.insecure {
		return fail("CW-PROBE-INSECURE", nil, "the kubeconfig says insecure-skip-tls-verify: anyone on the way could read the token; not tried")
	}
	conn, err := s.dialTCP(ctx)
	if err != nil {
		return connectFailure(err, serverHostPort(s.server))
	}
	defer func() { _ = conn.Close() }()
	if s.proxy.url != nil {
		if conn, err = s.tunnel(ctx, conn); err != nil {
			return requestFailure(err, "CW-PROBE-PROXY-REFUSED", "the proxy")
		}
	}
	config := s.tls.Clone()
	config.NextProtos = []string{"h2", "http/1.1"}
	asked := watchClientCertificate(config)
	secure := tls.Client(conn, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		if asked() && strings.HasPrefix(rootText(err), "remote error: tls:") {
			// TLS 1.2 says no more than "handshake failure" to a missing certificate.
			return fail("CW-PROBE-CLIENT-CERT", err, "the server asked for a client certificate and refused: %v", rootCause(err))
		}
		return s.handshakeFailure(err, config)
	}
	if asked() {
		if err := secondThoughts(secure); err != nil {
			return fail("CW-PROBE-CLIENT-CERT", err, "the server asked for a client certificate and refused: %v", rootCause(err))
		}
	}
	return s.handshakeDone(secure.ConnectionState())
}

// secondThoughts waits for the alert by which a TLS 1.3 server refuses the client's
// certificate after the client's side of the handshake is over. Silence and data both
// mean that it did not.
func secondThoughts(secure *tls.Conn) error {
	if secure.ConnectionState().Version != tls.VersionTLS13 {
		return nil
	}
	_ = secure.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	if _, err := secure.Read(make([]byte, 1)); err != nil && strings.HasPrefix(rootText(err), "remote error: tls:") {
		return err
	}
	return nil
}

// watchClientCertificate tells afterwards whether the server asked for a client's
// certificate; which one is sent stays as the kubeconfig says.
func watchClientCertificate(config *tls.Config) (asked func() bool) {
	was := false
	choose, own := config.GetClientCertificate, config.Certificates
	config.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		was = true
		if choose != nil {
			return choose(info)
		}
		for i := range own {
			if info.SupportsCertificate(&own[i]) == nil {
				return &own[i], nil
			}
		}
		return &tls.Certificate{}, nil
	}
	return func() bool { return was }
}

// rootText is the error without the addresses that net.OpError may put in front.
func rootText(err error) string {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + op.Err.Error()
	}
	return err.Error()
}

func (s *session) handshakeDone(state tls.ConnectionState) Result {
	s.alpn = state.NegotiatedProtocol
	leaf := state.PeerCertificates[0]
	left := leaf.NotAfter.Sub(s.options.Now())
	days := int(left.Hours() / 24)
	alpn := s.alpn
	if alpn == "" {
		alpn = "no ALPN"
	}
	detail := fmt.Sprintf("%s, %s, %s; certificate for %s, by %s, ends %s (%s left)",
		tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite), alpn, bears(leaf), issuer(leaf), stamp(leaf.NotAfter), roughly(left))
	result := pass("%s", detail)
	if s.options.MinDaysLeft > 0 && days < s.options.MinDaysLeft {
		result = warn("CW-PROBE-TLS-SOON", "%s", detail)
	}
	return result.fact("protocol", tls.VersionName(state.Version)).fact("cipher", tls.CipherSuiteName(state.CipherSuite)).
		fact("alpn", s.alpn).fact("days_left", strconv.Itoa(days)).certificate(leaf)
}

func (r Result) certificate(leaf *x509.Certificate) Result {
	return r.fact("names", bears(leaf)).fact("issuer", issuer(leaf)).fact("subject", clip(leaf.Subject.String(), 120)).
		fact("not_after", leaf.NotAfter.UTC().Format(time.RFC3339))
}

func (s *session) handshakeFailure(err error, config *tls.Config) Result {
	var refused *tls.CertificateVerificationError
	if errors.As(err, &refused) && len(refused.UnverifiedCertificates) > 0 {
		return s.certificateRefused(refused, config)
	}
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return fail("CW-PROBE-NOT-TLS", err, "the answer is not TLS%s", plainWords(record))
	case timedOut(err):
		return fail("CW-PROBE-TLS-TIMEOUT", err, "TCP connects, and the TLS handshake gets no answer")
	case cut(err):
		return fail("CW-PROBE-TLS", err, "the connection was cut during the handshake (%v)", rootCause(err))
	}
	return fail("CW-PROBE-TLS", err, "the handshake failed: %v", rootCause(err))
}

// plainWords says that the answer was HTTP, when its first bytes are "HTTP/" (a
// record header holds five bytes).
func plainWords(record tls.RecordHeaderError) string {
	if string(record.RecordHeader[:]) == "HTTP/" {
		return ", it is plain HTTP"
	}
	return ""
}

// certificateRefused names every fault of the certificate, not only the first that
// crypto/x509 meets: an expired certificate of another CA wants both cured.
func (s *session) certificateRefused(refused *tls.CertificateVerificationError, config *tls.Config) Result {
	leaf := refused.UnverifiedCertificates[0]
	type fault struct{ code, text string }
	var faults []fault
	if err := leaf.VerifyHostname(config.ServerName); err != nil {
		faults = append(faults, fault{"CW-PROBE-TLS-SAN", fmt.Sprintf("the certificate is not for %s but for %s", config.ServerName, bears(leaf))})
	}
	switch now := s.options.Now(); {
	case now.After(leaf.NotAfter):
		faults = append(faults, fault{"CW-PROBE-TLS-EXPIRED", fmt.Sprintf("the certificate ended %s, %s ago", stamp(leaf.NotAfter), roughly(now.Sub(leaf.NotAfter)))})
	case now.Before(leaf.NotBefore):
		faults = append(faults, fault{"CW-PROBE-TLS-EXPIRED", fmt.Sprintf("the certificate begins only at %s, and this machine's clock says %s", stamp(leaf.NotBefore), stamp(now))})
	}
	if err := chain(refused.UnverifiedCertificates, config.RootCAs); err != nil {
		code, text := s.untrusted(err, refused.UnverifiedCertificates)
		faults = append(faults, fault{code, text})
	}
	if len(faults) == 0 {
		return fail("CW-PROBE-TLS", refused, "the certificate was refused: %v", refused.Err).certificate(leaf)
	}
	texts := make([]string, len(faults))
	for i, f := range faults {
		texts[i] = f.text
	}
	return fail(faults[0].code, refused, "%s", strings.Join(texts, "; and ")).certificate(leaf)
}

// untrusted says whose fault it is that a chain does not hold: the kubeconfig's, when
// it pins a CA to what is a public certificate; somebody's on the way, when it trusts
// the public CAs and none of them signed.
func (s *session) untrusted(err error, shown []*x509.Certificate) (code, text string) {
	signer := issuer(shown[0])
	var unknown x509.UnknownAuthorityError
	switch {
	case !errors.As(err, &unknown):
		return "CW-PROBE-TLS-CA", "the chain does not hold: " + err.Error()
	case !s.pinned:
		return "CW-PROBE-TLS-INSPECTED", fmt.Sprintf("signed by %s, which is no public CA that this machine trusts: something on the way opens TLS, or this machine has no roots", signer)
	case chain(shown, s.public()) == nil:
		return "CW-PROBE-TLS-PINNED", fmt.Sprintf("it is a public one, signed by %s, and the kubeconfig pins another CA", signer)
	}
	return "CW-PROBE-TLS-CA", fmt.Sprintf("signed by %s, which the kubeconfig's CA does not cover", signer)
}

// public are the roots that count where the kubeconfig has no CA; nil: the system's.
func (s *session) public() *x509.CertPool {
	if len(s.options.Roots) == 0 {
		return nil
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.options.Roots)
	return roots
}

// chain verifies the signatures alone, at a moment when the leaf is valid, so that
// dates and names don't hide an unknown CA.
func chain(certificates []*x509.Certificate, roots *x509.CertPool) error {
	leaf, rest := certificates[0], x509.NewCertPool()
	for _, certificate := range certificates[1:] {
		rest.AddCert(certificate)
	}
	middle := leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: rest, CurrentTime: middle})
	return err
}

// bears lists what a certificate is for; one without SANs is for nothing, whatever
// its common name: Go clients have ignored it since 1.15.
func bears(leaf *x509.Certificate) string {
	var names []string
	for _, ip := range leaf.IPAddresses {
		names = append(names, ip.String())
	}
	names = append(names, leaf.DNSNames...)
	if len(names) == 0 {
		return fmt.Sprintf("no name at all (only the common name %q, which clients ignore)", clip(leaf.Subject.CommonName, 60))
	}
	const most = 12
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d more", more))
	}
	return clip(strings.Join(names, ", "), 600)
}

func issuer(leaf *x509.Certificate) string { return clip(leaf.Issuer.String(), 120) }
