package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"slices"
	"time"
)

// Options says what a new CA is to be.
type Options struct {
	Name     string        // the exposure's name, at most 40 characters; it stands in the subject
	Lifetime time.Duration // 0: DefaultCALife
}

// Authority is a certificate authority with its key. It is not changed after it
// was made, so that it may be used at the same time from several goroutines.
type Authority struct {
	env    Env
	cert   *x509.Certificate
	signer crypto.Signer
	cross  []*x509.Certificate // the same name and key, signed by the predecessor
	above  []*x509.Certificate // where cert is not a root: its issuer, that one's issuer, ...
}

// NewAuthority makes a self-signed CA with a new ECDSA P-256 key. The subject holds
// the start of the key's hash, as two CAs of one exposure live side by side during
// a rotation, and Java's trust stores and OpenSSL's look-ups go by the subject.
func NewAuthority(env Env, o Options) (*Authority, error) {
	const op = "create certificate authority"
	var p problems
	if o.Name == "" || len(o.Name) > 40 {
		p.add("CW-TLS-NAME", "the name of the exposure must have 1 to 40 characters")
	}
	life := o.Lifetime
	if life == 0 {
		life = DefaultCALife
	}
	if life < minLife {
		p.add("CW-TLS-LIFETIME", "a lifetime of %s is shorter than %s", life, minLife)
	}
	if err := p.err(op); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("%s: generate key: %w", op, err)
	}
	id, err := keyID(key.Public())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	serial, err := newSerial(env.random())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	from := env.now().Add(-Backdate)
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject: pkix.Name{
			CommonName:   "causeway " + o.Name + " CA",
			SerialNumber: hex.EncodeToString(id[:6]),
		},
		NotBefore:             from,
		NotAfter:              end(from, life),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLen:            1,
		SubjectKeyId:          id,
		AuthorityKeyId:        id,
	}
	cert, err := sign(template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return &Authority{env: env, cert: cert, signer: key}, nil
}

// LoadAuthority reads a CA and its key, be it one that PEM wrote or the user's own
// (RSA, ECDSA or Ed25519; the key in PKCS#8, PKCS#1 or SEC1). The first certificate
// is the CA; its cross certificates and the chain above it, in order, may follow.
// The error is an *Error with every problem.
func LoadAuthority(env Env, certPEM, keyPEM []byte) (*Authority, error) {
	const op = "load certificate authority"
	var p problems
	certs := p.certificates("CA certificate", certPEM)
	key := p.key("CA key", keyPEM)
	if len(certs) == 0 {
		return nil, p.err(op)
	}
	a := &Authority{env: env, cert: certs[0], signer: key}
	for _, cert := range certs[1:] {
		if bytes.Equal(cert.RawSubject, a.cert.RawSubject) && sameKey(cert.PublicKey, a.cert.PublicKey) {
			a.cross = append(a.cross, cert)
		} else {
			a.above = append(a.above, cert)
		}
	}
	p.matches("CA", certs, key)
	p.authority(a.cert, env.now())
	if len(a.above) > 0 {
		p.chain("CA", append([]*x509.Certificate{a.cert}, a.above...), env.now())
	}
	if err := p.err(op); err != nil {
		return nil, err
	}
	return a, nil
}

// Certificate is the CA's own certificate.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// PEM is what LoadAuthority reads again: the certificate with its cross
// certificates and the chain above it, and the key as PKCS#8. The key is secret.
// Clients are given Trust, not this.
func (a *Authority) PEM() (cert, key []byte) {
	key, err := encodeKey(a.signer)
	if err != nil {
		// Only keys of kinds that PKCS#8 knows come through NewAuthority and LoadAuthority.
		return encodeCerts(a.all()...), nil
	}
	return encodeCerts(a.all()...), key
}

func (a *Authority) all() []*x509.Certificate {
	return slices.Concat([]*x509.Certificate{a.cert}, a.cross, a.above)
}

// Trust is what clients have to trust, as PEM: the root if it is known, else the CA
// itself. curl and Go take an intermediate as a trust anchor too; plain OpenSSL
// programs only with -partial_chain.
func (a *Authority) Trust() []byte { return encodeCerts(a.anchor()) }

func (a *Authority) anchor() *x509.Certificate {
	if !selfSigned(a.cert) && len(a.above) > 0 {
		return a.above[len(a.above)-1]
	}
	return a.cert
}

// issuers are the certificates that a server sends after a leaf: all that a client
// may need and does not have.
func (a *Authority) issuers(at time.Time) []*x509.Certificate {
	var sent []*x509.Certificate
	if !selfSigned(a.cert) {
		sent = append(sent, a.cert)
	}
	for _, cert := range slices.Concat(a.above, a.cross) {
		if !selfSigned(cert) && at.Before(cert.NotAfter) {
			sent = append(sent, cert)
		}
	}
	return sent
}

// selfSigned says whether a certificate is signed by its own key.
func selfSigned(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, cert.RawSubject) &&
		cert.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil
}

// end is the last second of a lifetime that begins at from: both ends count
// (RFC 5280 section 4.1.2.5).
func end(from time.Time, life time.Duration) time.Time { return from.Add(life - time.Second) }

// sign makes a certificate and reads it back.
func sign(template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}

// newSerial gives a positive serial number with 127 random bits: more than the 64
// that the Baseline Requirements ask for, below the 20 octets of RFC 5280.
func newSerial(random io.Reader) (*big.Int, error) {
	bytes := make([]byte, 16)
	if _, err := io.ReadFull(random, bytes); err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	bytes[0] = bytes[0]&0x7f | 0x40 // positive, never zero, always the same length
	return new(big.Int).SetBytes(bytes), nil
}

// keyID is the subject key identifier by method 1 of RFC 7093: the first 160 bits
// of the SHA-256 of the public key's bits.
func keyID(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("identify key: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("identify key: %w", err)
	}
	sum := sha256.Sum256(info.Key.Bytes)
	return sum[:20], nil
}
