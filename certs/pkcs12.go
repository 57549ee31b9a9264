package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"strings"

	"software.sslmate.com/src/go-pkcs12"
)

// Profile names the ciphers of a PKCS#12 file.
type Profile string

const (
	// Modern is PBES2 with AES-256 and a SHA-256 MAC: OpenSSL 1.1.1, Java 12 (and
	// 8u301, 11.0.12), Windows Server 2019, and each of them since.
	Modern Profile = "modern"
	// Modern2026 adds the PBMAC1 of RFC 9579: OpenSSL 3.4 and Java 26, nothing older.
	Modern2026 Profile = "modern-2026"
	// Legacy is 3DES with a SHA-1 MAC, for what can't read Modern: older Java and
	// Windows, macOS' keychain before 15. Its ciphers are weak: guard the file itself.
	Legacy Profile = "legacy"
)

const (
	// modernIterations is the work for one guess of a password. Java's own default is
	// 10,000; .NET refuses files that sum up to more than 600,000 (KB5025823), and a
	// file has three such numbers.
	modernIterations = 100_000
	// legacyIterations is OpenSSL's default; more would not save 3DES and SHA-1.
	legacyIterations = 2048
	// maxIterations is keytool's limit (MAX_ITERATION_COUNT in the JDK's
	// PKCS12KeyStore). A larger number in a file only burns time.
	maxIterations = 5_000_000
	minPassword   = 6 // keytool's
)

// ParseProfile reads a profile's name; the empty one is Modern.
func ParseProfile(name string) (Profile, error) {
	switch Profile(name) {
	case "", Modern:
		return Modern, nil
	case Modern2026, Legacy:
		return Profile(name), nil
	}
	var p problems
	p.add("CW-TLS-P12", "ciphers %q are not one of %s, %s, %s", name, Modern, Modern2026, Legacy)
	return "", p.err("choose PKCS#12 ciphers")
}

func (profile Profile) encoder(env Env) (*pkcs12.Encoder, error) {
	known, err := ParseProfile(string(profile))
	if err != nil {
		return nil, err
	}
	switch known {
	case Legacy:
		return pkcs12.LegacyDES.WithIterations(legacyIterations).WithRand(env.random()), nil
	case Modern2026:
		return pkcs12.Modern2026.WithIterations(modernIterations).WithRand(env.random()), nil
	}
	return pkcs12.Modern2023.WithIterations(modernIterations).WithRand(env.random()), nil
}

// ParsePassword takes a PKCS#12 password from a file's content: one line, without
// its end. At least 6 characters, as keytool wants, all printable ASCII, as Java's
// PBE keys take no other.
func ParsePassword(content []byte) (string, error) {
	password := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	var p problems
	p.password(password)
	return password, p.err("read PKCS#12 password")
}

func (p *problems) password(password string) {
	if len(password) < minPassword {
		p.add("CW-TLS-P12-PASSWORD", "the password has fewer than %d characters, which Java's keytool refuses", minPassword)
	}
	if strings.ContainsFunc(password, func(r rune) bool { return r < 0x20 || r > 0x7e }) {
		p.add("CW-TLS-P12-PASSWORD", "the password holds something else than printable ASCII, which Java can't use, or more than one line")
	}
}

// EncodeClientP12 makes a PKCS#12 file of a client's key, its chain and the CAs.
func EncodeClientP12(env Env, pair Pair, caPEM []byte, password string, profile Profile) ([]byte, error) {
	const op = "encode client PKCS#12"
	var p problems
	p.password(password)
	chain := p.certificates("client certificate", pair.CertPEM)
	key := p.key("client key", pair.KeyPEM)
	p.matches("client", chain, key)
	var cas []*x509.Certificate
	if len(caPEM) > 0 {
		cas = p.certificates("CA bundle", caPEM)
	}
	if err := p.err(op); err != nil {
		return nil, err
	}
	others := slices.Clone(chain[1:])
	for _, ca := range cas {
		if !slices.ContainsFunc(others, ca.Equal) {
			others = append(others, ca)
		}
	}
	encoder, err := profile.encoder(env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	data, err := encoder.Encode(key, chain[0], others, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return data, nil
}

// EncodeTrustStore makes a PKCS#12 file of CAs that Java takes as a trust store.
// Each has an alias of its own, from its fingerprint: Java keeps only the last of
// those that share one.
func EncodeTrustStore(env Env, caPEM []byte, password string, profile Profile) ([]byte, error) {
	const op = "encode PKCS#12 trust store"
	var p problems
	p.password(password)
	cas := p.certificates("CA bundle", caPEM)
	if err := p.err(op); err != nil {
		return nil, err
	}
	var entries []pkcs12.TrustStoreEntry
	for _, ca := range cas {
		id := strings.ReplaceAll(strings.TrimPrefix(Fingerprint(ca), "SHA256:"), ":", "")
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: ca, FriendlyName: "causeway-ca-" + id[:12]})
	}
	encoder, err := profile.encoder(env)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	data, err := encoder.EncodeTrustStoreEntries(entries, password)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return data, nil
}

// P12 is what a PKCS#12 file holds: a pair with its CAs, or, for a trust store, a
// zero Pair and the CAs.
type P12 struct {
	Pair Pair
	CAs  []byte // PEM
}

// DecodeP12 reads a client bundle or a Java trust store, in DER. Errors are *Error
// with CW-TLS-P12-PASSWORD or CW-TLS-P12. The certificates are not checked further:
// see LoadPair.
func DecodeP12(data []byte, password string) (P12, error) {
	const op = "read PKCS#12"
	var p problems
	if len(data) > maxInput {
		p.add("CW-TLS-P12", "the file is %d bytes long, more than 1 MiB", len(data))
		return P12{}, p.err(op)
	}
	if excessive(data, 0) {
		p.add("CW-TLS-P12", "the file asks for more than %d rounds of key derivation", maxIterations)
		return P12{}, p.err(op)
	}
	key, leaf, cas, err := pkcs12.DecodeChain(data, password)
	if err == nil {
		return p.bundle(op, key, append([]*x509.Certificate{leaf}, cas...))
	}
	if roots, trustErr := pkcs12.DecodeTrustStore(data, password); trustErr == nil && len(roots) > 0 {
		return P12{CAs: encodeCerts(roots...)}, nil
	}
	if errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption) {
		p.add("CW-TLS-P12-PASSWORD", "the password is not the file's")
	} else {
		p.add("CW-TLS-P12", "it is neither a key with its certificates nor a Java trust store: %v", err)
	}
	return P12{}, p.err(op)
}

// bundle sorts the certificates of a file: the key's own is the leaf, wherever it
// stands (some tools write the CA first); those that are self-signed are CAs.
func (p *problems) bundle(op string, key any, certs []*x509.Certificate) (P12, error) {
	signer, ok := key.(crypto.Signer)
	if !ok {
		p.add("CW-TLS-UNSUPPORTED", "the key is of a kind that can't sign (%T)", key)
		return P12{}, p.err(op)
	}
	at := slices.IndexFunc(certs, func(c *x509.Certificate) bool { return sameKey(c.PublicKey, signer.Public()) })
	if at < 0 {
		p.add("CW-TLS-KEY-MISMATCH", "the key belongs to none of the %d certificates", len(certs))
		return P12{}, p.err(op)
	}
	keyPEM, err := encodeKey(signer)
	if err != nil {
		p.add("CW-TLS-UNSUPPORTED", "the key can't be written as PKCS#8")
		return P12{}, p.err(op)
	}
	chain, cas := []*x509.Certificate{certs[at]}, []*x509.Certificate(nil)
	for i, cert := range certs {
		switch {
		case i == at:
		case selfSigned(cert):
			cas = append(cas, cert)
		default:
			chain = append(chain, cert)
		}
	}
	return P12{Pair: Pair{CertPEM: encodeCerts(chain...), KeyPEM: keyPEM}, CAs: encodeCerts(cas...)}, nil
}

// excessive looks for a number of iterations above maxIterations in what is not
// encrypted: an INTEGER behind an OCTET STRING (the salt) in the same SEQUENCE. The
// decoder has no bound of its own, and a file of 100 bytes could hold it for hours.
func excessive(der []byte, depth int) bool {
	if depth > 32 {
		return false // deeper than PKCS#12 is nested; the decoder refuses it
	}
	salted := false
	for len(der) > 0 {
		var value asn1.RawValue
		rest, err := asn1.Unmarshal(der, &value)
		if err != nil {
			return false
		}
		der = rest
		universal := value.Class == asn1.ClassUniversal
		switch {
		case universal && value.Tag == asn1.TagInteger && salted:
			number := bytes.TrimLeft(value.Bytes, "\x00")
			var rounds uint32
			for _, b := range number {
				rounds = rounds<<8 | uint32(b)
			}
			if len(number) > 4 || rounds > maxIterations {
				return true
			}
		case universal && value.Tag == asn1.TagOctetString:
			salted = true
			if excessive(value.Bytes, depth+1) {
				return true
			}
		case value.IsCompound:
			if excessive(value.Bytes, depth+1) {
				return true
			}
		}
	}
	return false
}
