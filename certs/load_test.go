package certs

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func ecKey(t testing.TB) crypto.Signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func edKey(t testing.TB) crypto.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func der(t testing.TB, bytes []byte, err error) []byte {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return bytes
}

func pkcs8(t testing.TB, key any) []byte {
	t.Helper()
	bytes, err := x509.MarshalPKCS8PrivateKey(key)
	return der(t, bytes, err)
}

func sec1(t testing.TB, key crypto.Signer) []byte {
	t.Helper()
	bytes, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	return der(t, bytes, err)
}

// TestOwnCAInEveryForm loads a user's CA of each key type and form, issues from it,
// and stores and loads it again.
func TestOwnCAInEveryForm(t *testing.T) {
	rsa2048, ec, ed := rsaKey(t, 2048), ecKey(t), edKey(t)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := x509.MarshalPKIXPublicKey(ec.Public())
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key  crypto.Signer
		text []byte
	}{
		"RSA in PKCS#1":                        {rsa2048, block("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsa2048))},
		"RSA in PKCS#8":                        {rsa2048, block("PRIVATE KEY", pkcs8(t, rsa2048))},
		"ECDSA in SEC1":                        {ec, block("EC PRIVATE KEY", sec1(t, ec))},
		"ECDSA in SEC1 after its parameters":   {ec, join(block("EC PARAMETERS", curve), block("EC PRIVATE KEY", sec1(t, ec)))},
		"ECDSA in PKCS#8":                      {ec, block("PRIVATE KEY", pkcs8(t, ec))},
		"ECDSA P-384 in PKCS#8":                {p384, block("PRIVATE KEY", pkcs8(t, p384))},
		"Ed25519 in PKCS#8":                    {ed, block("PRIVATE KEY", pkcs8(t, ed))},
		"a block that is named wrongly":        {rsa2048, block("PRIVATE KEY", x509.MarshalPKCS1PrivateKey(rsa2048))},
		"with a byte order mark and CRLF":      {ec, join([]byte("\xef\xbb\xbf"), bytes.ReplaceAll(block("PRIVATE KEY", pkcs8(t, ec)), []byte("\n"), []byte("\r\n")))},
		"with text before and after the block": {ec, join([]byte("Bag Attributes\n  x: y\n"), block("PRIVATE KEY", pkcs8(t, ec)), []byte("\n\n"))},
	} {
		t.Run(name, func(t *testing.T) {
			root := (&custom{name: "corp root", ca: true, key: test.key}).build(t)
			ca, err := LoadAuthority(at(noon), root.certPEM(), test.text)
			if err != nil {
				t.Fatal(err)
			}
			certPEM, keyPEM := ca.PEM()
			if ca, err = LoadAuthority(at(noon), certPEM, keyPEM); err != nil {
				t.Fatalf("load again: %v", err)
			}
			pair := newServer(t, ca)
			if err := VerifyChain(at(noon), pair, ca.Trust(), "api.corp.example"); err != nil {
				t.Error(err)
			}
			if _, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM); err != nil {
				t.Error(err)
			}
			if _, err := LoadPair(at(noon), pair.CertPEM, pair.KeyPEM, Want{CA: ca.Trust(), IPs: []netip.Addr{address}}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOwnIntermediateCA(t *testing.T) {
	root := (&custom{name: "root", ca: true}).build(t)
	middle := (&custom{name: "middle", ca: true, parent: root, edit: func(c *x509.Certificate) { c.MaxPathLenZero = true }}).build(t)
	ca, err := LoadAuthority(at(noon), join(middle.certPEM(), root.certPEM()), middle.keyPEM(t))
	if err != nil {
		t.Fatal(err)
	}
	pair := newServer(t, ca)
	if got := len(pair.Chain()); got != 2 {
		t.Errorf("%d certificates are sent, want leaf and intermediate", got)
	}
	if !bytes.Equal(ca.Trust(), root.certPEM()) {
		t.Error("clients are not given the root")
	}
	alone, err := LoadAuthority(at(noon), middle.certPEM(), middle.keyPEM(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(alone.Trust(), middle.certPEM()) {
		t.Error("without its root, clients are to trust the intermediate")
	}
	if err := VerifyChain(at(noon), newServer(t, alone), alone.Trust(), "10.0.0.5"); err != nil {
		t.Error(err)
	}
}

func TestOwnCAWithConstraints(t *testing.T) {
	root := (&custom{name: "root", ca: true, edit: func(c *x509.Certificate) {
		c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"corp.example"}, true
		_, network, _ := net.ParseCIDR("10.0.0.0/24")
		c.PermittedIPRanges = []*net.IPNet{network}
	}}).build(t)
	ca, err := LoadAuthority(at(noon), root.certPEM(), root.keyPEM(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.IssueServer(ServerRequest{DNSNames: []string{"api.corp.example"}, IPs: []netip.Addr{address}}); err != nil {
		t.Error(err)
	}
	_, err = ca.IssueServer(ServerRequest{IPs: []netip.Addr{netip.MustParseAddr("10.9.9.9")}})
	want(t, err, []string{"CW-TLS-CHAIN"}, "10.9.9.9")
	_, err = ca.IssueServer(ServerRequest{DNSNames: []string{"api.other.example"}})
	want(t, err, []string{"CW-TLS-CHAIN"}, "api.other.example")
}

func TestLoadAuthorityRefuses(t *testing.T) {
	root := (&custom{name: "root", ca: true}).build(t)
	leaf := (&custom{name: "leaf", parent: root}).build(t)
	old := (&custom{name: "old", ca: true, from: noon.Add(-48 * time.Hour), to: noon.Add(-time.Hour)}).build(t)
	mute := (&custom{name: "mute", ca: true, edit: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }}).build(t)
	mail := (&custom{name: "mail", ca: true, edit: func(c *x509.Certificate) {
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}
	}}).build(t)
	middle := (&custom{name: "middle", ca: true, parent: root}).build(t)
	for name, test := range map[string]struct {
		cert, key []byte
		codes     []string
		text      string
	}{
		"a certificate without CA:TRUE":        {leaf.certPEM(), leaf.keyPEM(t), []string{"CW-TLS-NOT-CA"}, "CA:TRUE"},
		"the key of another":                   {root.certPEM(), leaf.keyPEM(t), []string{"CW-TLS-KEY-MISMATCH"}, "does not belong"},
		"an expired CA":                        {old.certPEM(), old.keyPEM(t), []string{"CW-TLS-EXPIRED"}, "expired at 2026-11-21T11:00:00Z"},
		"a CA without keyCertSign":             {mute.certPEM(), mute.keyPEM(t), []string{"CW-TLS-NOT-CA"}, "keyCertSign"},
		"a CA for e-mail":                      {mail.certPEM(), mail.keyPEM(t), []string{"CW-TLS-USAGE"}, "without server authentication"},
		"the root before the intermediate":     {join(root.certPEM(), middle.certPEM()), middle.keyPEM(t), []string{"CW-TLS-KEY-MISMATCH", "CW-TLS-CHAIN"}, "put that one first"},
		"expired, not a CA, and the wrong key": {(&custom{name: "x", from: noon.Add(-2 * time.Hour), to: noon.Add(-time.Hour)}).build(t).certPEM(), root.keyPEM(t), []string{"CW-TLS-KEY-MISMATCH", "CW-TLS-EXPIRED", "CW-TLS-NOT-CA"}, "3 problems"},
		"nothing":                              {nil, nil, []string{"CW-TLS-PEM", "CW-TLS-PEM"}, "it is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadAuthority(at(noon), test.cert, test.key)
			want(t, err, test.codes, "load certificate authority: ", test.text)
		})
	}
}

func TestLoadPairNormalises(t *testing.T) {
	root := (&custom{name: "root", ca: true}).build(t)
	middle := (&custom{name: "middle", ca: true, parent: root}).build(t)
	leaf := (&custom{name: "leaf", parent: middle}).build(t)
	both := join([]byte("# a comment\n"), leaf.keyPEM(t), leaf.certPEM(), middle.certPEM(), root.certPEM())
	pair, err := LoadPair(at(noon), both, both, Want{CA: root.certPEM(), DNSNames: []string{"API.corp.example."}, IPs: []netip.Addr{address}})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(pair.CertPEM, join(leaf.certPEM(), middle.certPEM())) {
		t.Errorf("the chain is not leaf and intermediate alone:\n%s", pair.CertPEM)
	}
	if bytes.Contains(pair.CertPEM, []byte("PRIVATE")) || !bytes.Equal(pair.KeyPEM, leaf.keyPEM(t)) {
		t.Error("certificate and key are not apart")
	}
}

func TestSelfSignedServerCertificate(t *testing.T) {
	for name, ca := range map[string]bool{"that says CA:FALSE": false, "as openssl req -x509 makes it": true} {
		t.Run(name, func(t *testing.T) {
			own := (&custom{name: "self", ca: ca, edit: func(c *x509.Certificate) {
				c.KeyUsage, c.ExtKeyUsage, c.IPAddresses = 0, nil, []net.IP{{10, 0, 0, 5}}
			}}).build(t)
			pair, err := LoadPair(at(noon), own.certPEM(), own.keyPEM(t), Want{CA: own.certPEM(), IPs: []netip.Addr{address}})
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyChain(at(noon), pair, own.certPEM(), "10.0.0.5"); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLoadPairRefuses(t *testing.T) {
	root := (&custom{name: "root", ca: true}).build(t)
	middle := (&custom{name: "middle", ca: true, parent: root}).build(t)
	lower := (&custom{name: "lower", ca: true, parent: middle}).build(t)
	leaf := (&custom{name: "leaf", parent: lower}).build(t)
	other := (&custom{name: "other", ca: true}).build(t)
	edited := func(edit func(*x509.Certificate)) *custom {
		return (&custom{name: "edited", parent: root, edit: edit}).build(t)
	}
	mail := edited(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection} })
	some := edited(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} })
	agree := edited(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyAgreement })
	bare := edited(func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = nil, nil })
	late := (&custom{name: "late", parent: root, from: noon.Add(time.Hour), to: noon.Add(2 * time.Hour)}).build(t)
	gone := (&custom{name: "gone", parent: root, from: noon.Add(-2 * time.Hour), to: noon.Add(-time.Hour)}).build(t)
	weak := (&custom{name: "weak", parent: root, key: rsaKey(t, 1024)}).build(t)
	p224, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve := (&custom{name: "curve", parent: root, key: p224}).build(t)
	here := Want{CA: root.certPEM(), IPs: []netip.Addr{address}}

	type test struct {
		cert, key []byte
		want      Want
		codes     []string
		texts     []string
	}
	for name, test := range map[string]test{
		"the key of another":          {mail.certPEM(), leaf.keyPEM(t), Want{}, []string{"CW-TLS-KEY-MISMATCH", "CW-TLS-USAGE"}, []string{"does not belong", "emailProtection"}},
		"the intermediate first":      {join(lower.certPEM(), leaf.certPEM(), middle.certPEM()), leaf.keyPEM(t), Want{}, []string{"CW-TLS-KEY-MISMATCH", "CW-TLS-USAGE", "CW-TLS-CHAIN"}, []string{"certificate 2 of the file", "put that one first"}},
		"intermediates swapped":       {join(leaf.certPEM(), middle.certPEM(), lower.certPEM()), leaf.keyPEM(t), here, []string{"CW-TLS-CHAIN"}, []string{`the right order is "CN=leaf", "CN=lower", "CN=middle"`}},
		"an intermediate missing":     {join(leaf.certPEM(), middle.certPEM()), leaf.keyPEM(t), Want{}, []string{"CW-TLS-CHAIN"}, []string{`the issuer of "CN=leaf" (CN=lower) is missing`}},
		"a stranger in the chain":     {join(leaf.certPEM(), lower.certPEM(), middle.certPEM(), root.certPEM(), other.certPEM()), leaf.keyPEM(t), Want{}, []string{"CW-TLS-CHAIN"}, []string{`"CN=other" does not belong to it`}},
		"a certificate twice":         {join(leaf.certPEM(), lower.certPEM(), lower.certPEM()), leaf.keyPEM(t), Want{}, []string{"CW-TLS-CHAIN"}, []string{"stands there twice"}},
		"eleven certificates":         {bytes.Repeat(leaf.certPEM(), 11), leaf.keyPEM(t), Want{}, []string{"CW-TLS-CHAIN"}, []string{"Java takes at most 10"}},
		"not the CA that is given":    {join(leaf.certPEM(), lower.certPEM(), middle.certPEM()), leaf.keyPEM(t), Want{CA: other.certPEM()}, []string{"CW-TLS-TRUST"}, []string{`"CN=other"`}},
		"no chain to the CA":          {leaf.certPEM(), leaf.keyPEM(t), Want{CA: root.certPEM()}, []string{"CW-TLS-TRUST"}, nil},
		"for e-mail":                  {mail.certPEM(), mail.keyPEM(t), here, []string{"CW-TLS-USAGE"}, []string{"not for server authentication"}},
		"for any usage":               {some.certPEM(), some.keyPEM(t), here, []string{"CW-TLS-USAGE"}, nil},
		"a server's for a client":     {leaf.certPEM(), leaf.keyPEM(t), Want{Client: true}, []string{"CW-TLS-USAGE"}, []string{"load client certificate", "not for client authentication"}},
		"for key agreement alone":     {agree.certPEM(), agree.keyPEM(t), here, []string{"CW-TLS-USAGE"}, []string{"digitalSignature"}},
		"expired":                     {gone.certPEM(), gone.keyPEM(t), here, []string{"CW-TLS-EXPIRED"}, []string{"expired at"}},
		"not valid yet":               {late.certPEM(), late.keyPEM(t), here, []string{"CW-TLS-NOT-YET-VALID"}, []string{"only from 2026-11-21T13:00:00Z"}},
		"another name and address":    {leaf.certPEM(), leaf.keyPEM(t), Want{DNSNames: []string{"b.example", "api.corp.example"}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.6"), address}}, []string{"CW-TLS-SAN"}, []string{"not valid for b.example, 10.0.0.6; it is valid for api.corp.example, 10.0.0.5"}},
		"a common name alone":         {bare.certPEM(), bare.keyPEM(t), here, []string{"CW-TLS-SAN"}, []string{`only the common name "edited"`}},
		"RSA of 1024 bits":            {weak.certPEM(), weak.keyPEM(t), here, []string{"CW-TLS-UNSUPPORTED", "CW-TLS-UNSUPPORTED"}, []string{"1024 bits"}},
		"a curve of before":           {curve.certPEM(), curve.keyPEM(t), here, []string{"CW-TLS-UNSUPPORTED", "CW-TLS-UNSUPPORTED"}, []string{"P-224"}},
		"all at once":                 {join(gone.certPEM(), leaf.certPEM()), other.keyPEM(t), Want{IPs: []netip.Addr{netip.MustParseAddr("10.0.0.6")}, CA: other.certPEM()}, []string{"CW-TLS-KEY-MISMATCH", "CW-TLS-EXPIRED", "CW-TLS-CHAIN", "CW-TLS-SAN", "CW-TLS-TRUST"}, []string{"5 problems:\n  - "}},
		"a certificate for the key":   {leaf.certPEM(), leaf.certPEM(), Want{}, []string{"CW-TLS-PEM"}, []string{"the server key holds no private key"}},
		"a key for the certificate":   {leaf.keyPEM(t), leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{"the server certificate holds no certificate"}},
		"two keys":                    {leaf.certPEM(), join(leaf.keyPEM(t), other.keyPEM(t)), Want{}, []string{"CW-TLS-PEM"}, []string{"2 private keys"}},
		"DER":                         {leaf.cert.Raw, leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{"looks like DER or PKCS#12"}},
		"UTF-16":                      {[]byte("\xff\xfe-\x00-\x00"), leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{"UTF-16"}},
		"a file cut off":              {leaf.certPEM()[:200], leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{"cut off or damaged"}},
		"a chain cut off":             {join(leaf.certPEM(), lower.certPEM()[:200]), leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{"damaged after PEM block 1"}},
		"a damaged certificate":       {block("CERTIFICATE", []byte("xx")), leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{"certificate 1 of the server certificate can't be read"}},
		"a damaged key":               {leaf.certPEM(), block("EC PRIVATE KEY", []byte("xx")), Want{}, []string{"CW-TLS-PEM"}, []string{"damaged"}},
		"a certificate request":       {block("CERTIFICATE REQUEST", []byte("xx")), leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{"certificate request"}},
		"OpenSSL's trusted form":      {block("TRUSTED CERTIFICATE", []byte("xx")), leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{"openssl x509"}},
		"a public key":                {block("PUBLIC KEY", []byte("xx")), leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{`"PUBLIC KEY"`}},
		"two megabytes":               {make([]byte, 2<<20), leaf.keyPEM(t), Want{}, []string{"CW-TLS-PEM"}, []string{"more than 1 MiB"}},
		"a password in front (PKCS8)": {leaf.certPEM(), block("ENCRYPTED PRIVATE KEY", []byte("xx")), Want{}, []string{"CW-TLS-KEY-ENCRYPTED"}, []string{"ENCRYPTED PRIVATE KEY", "openssl pkey"}},
		"a password (old OpenSSL)":    {leaf.certPEM(), pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-256-CBC,00"}, Bytes: []byte("xx")}), Want{}, []string{"CW-TLS-KEY-ENCRYPTED"}, []string{"Proc-Type 4,ENCRYPTED"}},
		"a password (OpenSSH)":        {leaf.certPEM(), block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00\x00\x00\x00\x0aaes256-ctr")), Want{}, []string{"CW-TLS-KEY-ENCRYPTED"}, []string{"OpenSSH"}},
		"OpenSSH without a password":  {leaf.certPEM(), block("OPENSSH PRIVATE KEY", []byte("openssh-key-v1\x00\x00\x00\x00\x04none\x00\x00\x00\x04none")), Want{}, []string{"CW-TLS-PEM"}, []string{"OPENSSH PRIVATE KEY"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadPair(at(noon), test.cert, test.key, test.want)
			want(t, err, test.codes, test.texts...)
		})
	}
}

// TestWeakSignature: a SHA-1 signature and X.509 version 1, neither of which Go makes
// any more. openssl's x509 command does.
func TestWeakSignature(t *testing.T) {
	file := files(t, nil)
	openssl(t, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", file("ca.key"), "-out", file("ca.pem"), "-subj", "/CN=root", "-days", "30")
	openssl(t, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", file("leaf.key"), "-out", file("leaf.csr"), "-subj", "/CN=leaf")
	openssl(t, "x509", "-req", "-sha1", "-in", file("leaf.csr"), "-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-set_serial", "1", "-days", "30", "-out", file("leaf.pem"))
	_, err := LoadPair(Env{}, read(t, file("leaf.pem")), read(t, file("leaf.key")), Want{IPs: []netip.Addr{address}})
	want(t, err, []string{"CW-TLS-UNSUPPORTED", "CW-TLS-SAN"}, "signed with ECDSA-SHA1", `only the common name "leaf"`)
	_, err = LoadAuthority(Env{}, read(t, file("leaf.pem")), read(t, file("leaf.key")))
	want(t, err, []string{"CW-TLS-UNSUPPORTED", "CW-TLS-NOT-CA"}, "signed with ECDSA-SHA1")
	openssl(t, "x509", "-in", file("ca.pem"), "-signkey", file("ca.key"), "-sha1", "-days", "30", "-out", file("sha1.pem"))
	if _, err := LoadAuthority(Env{}, read(t, file("sha1.pem")), read(t, file("ca.key"))); err != nil {
		t.Errorf("nobody checks a root's own signature, so SHA-1 there is no problem: %v", err)
	}
}

func TestVersion1IsNoCA(t *testing.T) {
	var p problems
	p.authority(&x509.Certificate{Version: 1, PublicKey: ecKey(t).Public(), SignatureAlgorithm: x509.ECDSAWithSHA256, NotAfter: noon}, noon)
	want(t, p.err("check"), []string{"CW-TLS-NOT-CA"}, "version 1")
}

func TestUnusualCertificates(t *testing.T) {
	oid := asn1.ObjectIdentifier{1, 2, 3, 4}
	critical := (&custom{name: "critical", edit: func(c *x509.Certificate) {
		c.ExtraExtensions = []pkix.Extension{{Id: oid, Critical: true, Value: []byte{5, 0}}}
	}}).build(t)
	special := (&custom{name: "special", edit: func(c *x509.Certificate) {
		c.ExtKeyUsage, c.UnknownExtKeyUsage = nil, []asn1.ObjectIdentifier{oid}
	}}).build(t)
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		cert, key []byte
		codes     []string
		text      string
	}{
		"a critical extension":       {critical.certPEM(), critical.keyPEM(t), []string{"CW-TLS-UNSUPPORTED"}, "critical extension 1.2.3.4"},
		"a usage of somebody's own":  {special.certPEM(), special.keyPEM(t), []string{"CW-TLS-USAGE"}, "names 1.2.3.4"},
		"a key for agreement":        {special.certPEM(), block("PRIVATE KEY", pkcs8(t, x25519)), []string{"CW-TLS-UNSUPPORTED", "CW-TLS-USAGE"}, "can't sign"},
		"text that is no PEM at all": {[]byte("hello"), special.keyPEM(t), []string{"CW-TLS-PEM"}, "holds no PEM block"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := LoadPair(at(noon), test.cert, test.key, Want{})
			want(t, err, test.codes, test.text)
		})
	}
	good := (&custom{name: "good"}).build(t)
	_, err = LoadPair(at(noon), good.certPEM(), good.keyPEM(t), Want{CA: []byte("hello")})
	want(t, err, []string{"CW-TLS-PEM"}, "the CA bundle holds no PEM block")
}

// TestErrorsHoldNoKey looks for the key's bytes in what is said about a key that is
// damaged in its middle.
func TestErrorsHoldNoKey(t *testing.T) {
	leaf := (&custom{name: "leaf"}).build(t)
	text := string(leaf.keyPEM(t))
	lines := strings.Split(text, "\n")
	damaged := strings.Replace(text, lines[1][:8], "AAAAAAAA", 1)
	_, err := LoadPair(at(noon), leaf.certPEM(), []byte(damaged), Want{})
	if err == nil {
		t.Fatal("a damaged key was taken")
	}
	for _, line := range lines[1 : len(lines)-2] {
		if strings.Contains(err.Error(), line[:min(16, len(line))]) {
			t.Errorf("the error quotes the key: %v", err)
		}
	}
}
