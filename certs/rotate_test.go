package certs

import (
	"bytes"
	"crypto/x509"
	"net/netip"
	"testing"
	"time"
)

// TestRenewUnderTheKeptCA: a kubeconfig holds the CA, so a new leaf needs no new one.
func TestRenewUnderTheKeptCA(t *testing.T) {
	ca := newCA(t, at(noon))
	first := newServer(t, ca)
	certPEM, keyPEM := ca.PEM()
	later := noon.Add(390 * 24 * time.Hour)
	kept, err := LoadAuthority(at(later), certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	second, err := kept.IssueServer(first.Request())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first.KeyPEM, second.KeyPEM) || first.Leaf().SerialNumber.Cmp(second.Leaf().SerialNumber) == 0 {
		t.Error("the renewed certificate has the old key or serial number")
	}
	if err := second.Covers([]string{"api.corp.example", "localhost"}, []netip.Addr{address}); err != nil {
		t.Error(err)
	}
	if err := VerifyChain(at(later.Add(100*24*time.Hour)), second, ca.Trust(), "10.0.0.5"); err != nil {
		t.Error(err)
	}
}

// TestRotateKeepsEveryClient: during the overlap a server's certificate of either CA
// is accepted by a client with the old CA, the new one, or both.
func TestRotateKeepsEveryClient(t *testing.T) {
	old := newCA(t, at(noon))
	later := noon.Add(3000 * 24 * time.Hour)
	rotation, err := Rotate(at(later), old, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	if !rotation.Crossed {
		t.Fatal("the old CA did not sign the new one")
	}
	certPEM, keyPEM := rotation.New.PEM()
	stored, err := LoadAuthority(at(later), certPEM, keyPEM)
	if err != nil {
		t.Fatal(err)
	}
	until, ok := stored.Crossed()
	if !ok || !until.Equal(old.Certificate().NotAfter) {
		t.Errorf("crossed %v until %s, want until the old CA's end", ok, until)
	}
	old.env = at(later)
	for server, pair := range map[string]Pair{"old": newServer(t, old), "new": newServer(t, rotation.New), "stored": newServer(t, stored)} {
		for client, trust := range map[string][]byte{"old": old.Trust(), "new": rotation.New.Trust(), "bundle": rotation.Bundle, "stored": certPEM} {
			err := VerifyChain(at(later), pair, trust, "10.0.0.5")
			// The cross certificate vouches for the new CA to clients of the old one; nothing
			// vouches for the old CA to those that know the new one alone.
			if server == "old" && (client == "new" || client == "stored") {
				want(t, err, []string{"CW-TLS-TRUST"})
			} else if err != nil {
				t.Errorf("client with %s, server with %s: %v", client, server, err)
			}
		}
	}
}

func TestCrossCertificate(t *testing.T) {
	old := newCA(t, at(noon))
	rotation, err := Rotate(at(noon), old, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	cross := newServer(t, rotation.New).Chain()[1]
	if !cross.IsCA || cross.MaxPathLen != 0 || !cross.MaxPathLenZero {
		t.Errorf("path length %d", cross.MaxPathLen)
	}
	if !bytes.Equal(cross.SubjectKeyId, rotation.New.Certificate().SubjectKeyId) || !bytes.Equal(cross.AuthorityKeyId, old.Certificate().SubjectKeyId) {
		t.Error("key identifiers don't link the CAs")
	}
	if !bytes.Equal(cross.RawSubject, rotation.New.Certificate().RawSubject) {
		t.Error("the cross certificate has another subject")
	}
	alone := rotation.New.WithoutCross()
	if got := len(newServer(t, alone).Chain()); got != 1 {
		t.Errorf("after the overlap %d certificates are sent, want 1", got)
	}
	want(t, VerifyChain(at(noon), newServer(t, alone), old.Trust(), "10.0.0.5"), []string{"CW-TLS-TRUST"})
	if _, ok := alone.Crossed(); ok {
		t.Error("WithoutCross is still crossed")
	}
}

func TestCrossIsNotSentWhenItHasExpired(t *testing.T) {
	old, err := NewAuthority(at(noon), Options{Name: "prod", Lifetime: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	rotation, err := Rotate(at(noon), old, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM := rotation.New.PEM()
	stored, err := LoadAuthority(at(noon.Add(72*time.Hour)), certPEM, keyPEM)
	if err != nil {
		t.Fatalf("an expired cross certificate keeps the CA from being loaded: %v", err)
	}
	if got := len(newServer(t, stored).Chain()); got != 1 {
		t.Errorf("%d certificates are sent, want 1", got)
	}
}

func TestRotateWithoutCross(t *testing.T) {
	root := (&custom{name: "root", ca: true}).build(t)
	for name, test := range map[string]struct {
		old *custom
		now time.Time
	}{
		"a CA with path length 0": {(&custom{name: "zero", ca: true, edit: func(c *x509.Certificate) { c.MaxPathLenZero = true }}).build(t), noon},
		"a CA that ends soon":     {(&custom{name: "soon", ca: true, from: noon.Add(-time.Hour), to: noon.Add(time.Minute)}).build(t), noon},
		"a CA below a company's":  {(&custom{name: "middle", ca: true, parent: root}).build(t), noon},
	} {
		t.Run(name, func(t *testing.T) {
			old, err := LoadAuthority(at(noon), test.old.certPEM(), test.old.keyPEM(t))
			if err != nil {
				t.Fatal(err)
			}
			rotation, err := Rotate(at(test.now), old, Options{Name: "prod"})
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := rotation.New.Crossed(); ok || rotation.Crossed {
				t.Error("a cross certificate was made that clients refuse")
			}
			if err := VerifyChain(at(noon), newServer(t, rotation.New), rotation.Bundle, "10.0.0.5"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRotateAfterTheEnd: a CA that has expired can't be loaded, but must be replaceable.
func TestRotateAfterTheEnd(t *testing.T) {
	certPEM, keyPEM := newCA(t, at(noon)).PEM()
	late := at(noon.Add(DefaultCALife + time.Hour))
	_, err := LoadAuthority(late, certPEM, keyPEM)
	want(t, err, []string{"CW-TLS-EXPIRED"}, "expired at 2036-")
	rotation, err := Rotate(late, nil, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(rotation.Bundle, rotation.New.Trust()) || rotation.Crossed {
		t.Error("something of the old CA is in the bundle")
	}
	if err := VerifyChain(late, newServer(t, rotation.New), rotation.Bundle, "10.0.0.5"); err != nil {
		t.Error(err)
	}
}

func TestRotateRefuses(t *testing.T) {
	_, err := Rotate(at(noon), newCA(t, at(noon)), Options{})
	want(t, err, []string{"CW-TLS-NAME"}, "rotate certificate authority: ")
}

func TestBundle(t *testing.T) {
	a, b := newCA(t, at(noon)), newCA(t, at(noon))
	gone := (&custom{name: "gone", ca: true, from: noon.Add(-2 * time.Hour), to: noon.Add(-time.Hour)}).build(t)
	leaf := newServer(t, a)
	rotation, err := Rotate(at(noon), a, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	stored, _ := rotation.New.PEM()
	for name, test := range map[string]struct {
		in    [][]byte
		out   []byte
		codes []string
	}{
		"two, in order":                   {[][]byte{b.Trust(), a.Trust()}, join(b.Trust(), a.Trust()), nil},
		"each once":                       {[][]byte{join(a.Trust(), b.Trust()), a.Trust()}, join(a.Trust(), b.Trust()), nil},
		"without what has expired":        {[][]byte{gone.certPEM(), a.Trust()}, a.Trust(), nil},
		"without cross certificates":      {[][]byte{stored, a.Trust()}, join(rotation.New.Trust(), a.Trust()), nil},
		"nothing that is valid":           {[][]byte{gone.certPEM()}, nil, []string{"CW-TLS-EXPIRED"}},
		"nothing":                         {nil, nil, []string{"CW-TLS-EXPIRED"}},
		"a file without a certificate":    {[][]byte{a.Trust(), nil}, nil, []string{"CW-TLS-PEM"}},
		"a server's certificate among it": {[][]byte{a.Trust(), leaf.CertPEM}, nil, []string{"CW-TLS-NOT-CA"}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := Bundle(at(noon), test.in...)
			if len(test.codes) > 0 {
				want(t, err, test.codes, "bundle CA certificates: ")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(out, test.out) {
				t.Errorf("got\n%s\nwant\n%s", out, test.out)
			}
		})
	}
}

func TestFingerprintIsOpenSSLs(t *testing.T) {
	ca := newCA(t, Env{})
	file := files(t, map[string][]byte{"ca.pem": ca.Trust()})
	out := openssl(t, "x509", "-in", file("ca.pem"), "-noout", "-fingerprint", "-sha256")
	_, printed, _ := bytes.Cut([]byte(out), []byte("="))
	if got := Fingerprint(ca.Certificate()); got != "SHA256:"+string(bytes.ToLower(bytes.TrimSpace(printed))) {
		t.Errorf("%s, openssl says %s", got, printed)
	}
	if FingerprintPEM(ca.Trust()) != Fingerprint(ca.Certificate()) {
		t.Error("FingerprintPEM differs")
	}
	if certs, err := ParseBundle(ca.Trust()); err != nil || len(certs) != 1 {
		t.Errorf("ParseBundle: %d certificates, %v", len(certs), err)
	}
}
