package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"strings"
)

const (
	blockCertificate = "CERTIFICATE"
	blockKey         = "PRIVATE KEY"
)

// encodeCerts writes certificates as PEM, one after another, without comments or
// anything else that stood in the input (a key, above all).
func encodeCerts(certs ...*x509.Certificate) []byte {
	var out bytes.Buffer
	for _, cert := range certs {
		out.Write(pem.EncodeToMemory(&pem.Block{Type: blockCertificate, Bytes: cert.Raw}))
	}
	return out.Bytes()
}

// encodeKey writes a key as unencrypted PKCS#8, which nginx, kubectl, OpenSSL and
// Java all read.
func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: blockKey, Bytes: der}), nil
}

// pemBlocks splits PEM input, and says by name what else it may be.
func (p *problems) pemBlocks(what string, data []byte) []*pem.Block {
	if len(data) > maxInput {
		p.add("CW-TLS-PEM", "the %s is %d bytes long, more than 1 MiB: this is not a PEM file of certificates", what, len(data))
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // the mark that Windows editors put first
	var blocks []*pem.Block
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		blocks, data = append(blocks, block), rest
	}
	if len(blocks) == 0 {
		p.add("CW-TLS-PEM", "the %s holds no PEM block%s", what, notPEM(data))
	} else if bytes.Contains(data, []byte("-----BEGIN ")) {
		p.add("CW-TLS-PEM", "the %s is cut off or damaged after PEM block %d", what, len(blocks))
	}
	return blocks
}

// notPEM guesses what stands where PEM was expected.
func notPEM(data []byte) string {
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return ": it is empty"
	case bytes.HasPrefix(data, []byte{0x30, 0x82}), bytes.HasPrefix(data, []byte{0x30, 0x80}):
		return ": it looks like DER or PKCS#12; convert it with `openssl x509 -inform der`, `openssl pkey -inform der` or `openssl pkcs12`"
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}), bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return ": it is UTF-16 text; save it as UTF-8"
	case bytes.Contains(data, []byte("-----BEGIN ")):
		return " that is whole: it is cut off or damaged"
	}
	return ""
}

// certificates reads the CERTIFICATE blocks of data. A key in the same file is
// passed over: it never goes into what is public.
func (p *problems) certificates(what string, data []byte) []*x509.Certificate {
	before := len(*p)
	var certs []*x509.Certificate
	for _, block := range p.pemBlocks(what, data) {
		switch {
		case block.Type == blockCertificate:
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				p.add("CW-TLS-PEM", "certificate %d of the %s can't be read: %v", len(certs)+1, what, err)
				return nil
			}
			certs = append(certs, cert)
		case strings.HasSuffix(block.Type, "PRIVATE KEY"), block.Type == "EC PARAMETERS", block.Type == "DH PARAMETERS":
		case block.Type == "CERTIFICATE REQUEST", block.Type == "NEW CERTIFICATE REQUEST":
			p.add("CW-TLS-PEM", "the %s holds a certificate request, not the certificate that a CA made of it", what)
		case block.Type == "TRUSTED CERTIFICATE":
			p.add("CW-TLS-PEM", "the %s holds OpenSSL's TRUSTED CERTIFICATE form; write it again with `openssl x509 -in FILE`", what)
		default:
			p.add("CW-TLS-PEM", "the %s holds a PEM block %q, which is no certificate", what, block.Type)
		}
	}
	if len(certs) == 0 && len(*p) == before {
		p.add("CW-TLS-PEM", "the %s holds no certificate", what)
	}
	return certs
}

// key reads the one private key in data: PKCS#8, PKCS#1 or SEC1, unencrypted.
func (p *problems) key(what string, data []byte) crypto.Signer {
	before := len(*p)
	var keys []crypto.Signer
	for _, block := range p.pemBlocks(what, data) {
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue // certificates and EC PARAMETERS may stand beside the key
		}
		if name := encryption(block); name != "" {
			p.add("CW-TLS-KEY-ENCRYPTED", "the %s is encrypted (%s); nginx would ask for the password at each start: decrypt it with `openssl pkey -in FILE -out NEW`", what, name)
			continue
		}
		key, err := parseKey(block)
		if err != nil {
			p.add("CW-TLS-PEM", "the %s can't be read: PEM block %q is not what its name says or is damaged", what, block.Type)
			continue
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			p.add("CW-TLS-UNSUPPORTED", "the %s is of a kind that can't sign (%T)", what, key)
			continue
		}
		keys = append(keys, signer)
	}
	switch {
	case len(keys) == 1:
		p.algorithm(what, keys[0].Public())
		return keys[0]
	case len(keys) > 1:
		p.add("CW-TLS-PEM", "the %s holds %d private keys; leave one", what, len(keys))
	case len(*p) == before:
		p.add("CW-TLS-PEM", "the %s holds no private key", what)
	}
	return nil
}

// encryption names the way in which a key block is encrypted, or "".
func encryption(block *pem.Block) string {
	switch {
	case block.Type == "ENCRYPTED PRIVATE KEY":
		return "PKCS#8, ENCRYPTED PRIVATE KEY"
	case strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED"):
		return "OpenSSL's old form, Proc-Type 4,ENCRYPTED"
	case block.Type == "OPENSSH PRIVATE KEY" && !bytes.Contains(block.Bytes, []byte("\x00\x00\x00\x04none\x00\x00\x00\x04none")):
		return "OpenSSH"
	}
	return ""
}

// parseKey reads a key block by its content, as some tools name blocks wrongly.
// The parsers' own errors are not passed on: they may quote bytes of the key.
func parseKey(block *pem.Block) (any, error) {
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key, nil
	}
	return nil, err
}

// algorithm refuses keys that a usual client or server would not use.
func (p *problems) algorithm(what string, public crypto.PublicKey) {
	switch key := public.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			p.add("CW-TLS-UNSUPPORTED", "the %s is RSA with %d bits; OpenSSL wants at least %d, Go at most %d", what, bits, minRSABits, maxRSABits)
		}
	case *ecdsa.PublicKey:
		switch key.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
		default:
			p.add("CW-TLS-UNSUPPORTED", "the %s is on curve %s; TLS 1.3 knows P-256, P-384 and P-521", what, key.Curve.Params().Name)
		}
	case ed25519.PublicKey:
	default:
		p.add("CW-TLS-UNSUPPORTED", "the %s is of a kind that TLS clients don't know (%T); use ECDSA, RSA or Ed25519", what, public)
	}
}

// sameKey says whether two public keys are equal.
func sameKey(a, b crypto.PublicKey) bool {
	comparable, ok := a.(interface{ Equal(crypto.PublicKey) bool })
	return ok && comparable.Equal(b)
}
