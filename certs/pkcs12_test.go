package certs

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"
)

const password = "correct horse 7"

var profiles = []Profile{Modern, Modern2026, Legacy}

func TestP12RoundTrip(t *testing.T) {
	ca := newCA(t, at(noon))
	rotation, err := Rotate(at(noon), ca, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, rotation.New)
	for _, profile := range profiles {
		t.Run(string(profile), func(t *testing.T) {
			data, err := EncodeClientP12(at(noon), client, rotation.Bundle, password, profile)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeP12(data, password)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Pair.CertPEM, client.CertPEM) || !bytes.Equal(got.Pair.KeyPEM, client.KeyPEM) || !bytes.Equal(got.CAs, rotation.Bundle) {
				t.Error("what is read is not what was written")
			}
			store, err := EncodeTrustStore(at(noon), rotation.Bundle, password, profile)
			if err != nil {
				t.Fatal(err)
			}
			if got, err = DecodeP12(store, password); err != nil || !bytes.Equal(got.CAs, rotation.Bundle) || got.Pair.CertPEM != nil {
				t.Errorf("trust store: %v", err)
			}
			for name, data := range map[string][]byte{"bundle": data, "trust store": store} {
				_, err := DecodeP12(data, "wrong")
				want(t, err, []string{"CW-TLS-P12-PASSWORD"}, "read PKCS#12: the password is not the file's")
				if strings.Contains(err.Error(), "wrong") {
					t.Errorf("%s: the error holds the password", name)
				}
			}
		})
	}
}

func TestP12Refuses(t *testing.T) {
	ca := newCA(t, at(noon))
	client := newClient(t, ca)
	_, err := EncodeClientP12(at(noon), client, nil, "short", Modern)
	want(t, err, []string{"CW-TLS-P12-PASSWORD"}, "fewer than 6")
	_, err = EncodeClientP12(at(noon), Pair{CertPEM: client.CertPEM, KeyPEM: newClient(t, ca).KeyPEM}, ca.Trust(), "Pässwörter", Modern)
	want(t, err, []string{"CW-TLS-P12-PASSWORD", "CW-TLS-KEY-MISMATCH"}, "printable ASCII")
	_, err = EncodeClientP12(at(noon), client, nil, password, "rot13")
	want(t, err, []string{"CW-TLS-P12"}, `"rot13"`, "modern-2026")
	_, err = EncodeTrustStore(at(noon), nil, password, Modern)
	want(t, err, []string{"CW-TLS-PEM"}, "encode PKCS#12 trust store: ")
	_, err = EncodeTrustStore(at(noon), ca.Trust(), password, "rot13")
	want(t, err, []string{"CW-TLS-P12"})
	_, err = EncodeTrustStore(Env{Rand: strings.NewReader("")}, ca.Trust(), password, Modern)
	if err == nil {
		t.Error("a salt was drawn from nothing")
	}
	for name, data := range map[string][]byte{"nothing": nil, "text": []byte("hello"), "PEM": ca.Trust(), "too long": make([]byte, 2<<20), "cut off": cutOff(t, client)} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeP12(data, password)
			want(t, err, []string{"CW-TLS-P12"}, "read PKCS#12: ")
		})
	}
}

func cutOff(t *testing.T, client Pair) []byte {
	t.Helper()
	data, err := EncodeClientP12(at(noon), client, nil, password, Legacy)
	if err != nil {
		t.Fatal(err)
	}
	return data[:len(data)/2]
}

// TestP12ThatWouldTakeHours: the number of rounds stands in the file, unprotected.
func TestP12ThatWouldTakeHours(t *testing.T) {
	data, err := EncodeClientP12(at(noon), newClient(t, newCA(t, at(noon))), nil, password, Modern)
	if err != nil {
		t.Fatal(err)
	}
	rounds, err := asn1.Marshal(modernIterations)
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Count(data, rounds); got < 2 {
		t.Fatalf("%d places hold the number of rounds", got)
	}
	at := 0
	for bytes.Contains(data[at:], rounds) {
		at += bytes.Index(data[at:], rounds)
		evil := bytes.Clone(data)
		copy(evil[at:], []byte{2, 3, 0x7f, 0xff, 0xff})
		_, err := DecodeP12(evil, password)
		want(t, err, []string{"CW-TLS-P12"}, "rounds of key derivation")
		at += len(rounds)
	}
}

// TestP12OfOthers: the CA first, keys of other kinds, and a key of nobody.
func TestP12OfOthers(t *testing.T) {
	root := (&custom{name: "root", ca: true}).build(t)
	for name, key := range map[string]crypto.Signer{"RSA": rsaKey(t, 2048), "Ed25519": edKey(t), "ECDSA": ecKey(t)} {
		t.Run(name, func(t *testing.T) {
			leaf := (&custom{name: "leaf", parent: root, key: key}).build(t)
			data, err := pkcs12.Modern.Encode(key, root.cert, []*x509.Certificate{leaf.cert}, password)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeP12(data, password)
			if err != nil || !bytes.Equal(got.Pair.CertPEM, leaf.certPEM()) || !bytes.Equal(got.CAs, root.certPEM()) {
				t.Errorf("the leaf is not found behind its CA: %v", err)
			}
		})
	}
	stranger := (&custom{name: "stranger"}).build(t)
	data, err := pkcs12.Modern.Encode(ecKey(t), stranger.cert, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	_, err = DecodeP12(data, password)
	want(t, err, []string{"CW-TLS-KEY-MISMATCH"}, "none of the 1 certificates")
}

func TestParsePassword(t *testing.T) {
	for content, code := range map[string]string{
		"secret1\n": "", "secret1\r\n": "", "secret1": "", " with spaces ": "",
		"": "CW-TLS-P12-PASSWORD", "five5\n": "CW-TLS-P12-PASSWORD", "two lines\nhere": "CW-TLS-P12-PASSWORD", "tab\there": "CW-TLS-P12-PASSWORD",
	} {
		got, err := ParsePassword([]byte(content))
		if code == "" {
			if err != nil || got != strings.TrimRight(content, "\r\n") {
				t.Errorf("%q: %q, %v", content, got, err)
			}
			continue
		}
		want(t, err, []string{code}, "read PKCS#12 password: ")
		if len(content) > 5 && strings.Contains(err.Error(), content[:5]) {
			t.Errorf("the error holds the password: %v", err)
		}
	}
}

func TestParseProfile(t *testing.T) {
	for name, profile := range map[string]Profile{"": Modern, "modern": Modern, "modern-2026": Modern2026, "legacy": Legacy} {
		if got, err := ParseProfile(name); got != profile || err != nil {
			t.Errorf("%q: %q, %v", name, got, err)
		}
	}
}

// TestOpenSSLReadsP12 has the real openssl read every kind of file, and names the
// ciphers that it sees. -legacy is where OpenSSL 3 needs its legacy provider; the
// profile Legacy is chosen so that it does not need it.
func TestOpenSSLReadsP12(t *testing.T) {
	ca := newCA(t, Env{})
	client := newClient(t, ca)
	for profile, test := range map[Profile]struct {
		ciphers *regexp.Regexp
		since   string
	}{
		Modern:     {regexp.MustCompile(`MAC: sha256, Iteration 100000(?s:.*)PBES2, PBKDF2, AES-256-CBC, Iteration 100000, PRF hmacWithSHA256`), "1.1"},
		Legacy:     {regexp.MustCompile(`MAC: sha1, Iteration 2048(?s:.*)pbeWithSHA1And3-KeyTripleDES-CBC, Iteration 2048`), "1.1"},
		Modern2026: {regexp.MustCompile(`PBMAC1`), "3.4"},
	} {
		t.Run(string(profile), func(t *testing.T) {
			bundle, err := EncodeClientP12(Env{}, client, ca.Trust(), password, profile)
			if err != nil {
				t.Fatal(err)
			}
			store, err := EncodeTrustStore(Env{}, ca.Trust(), password, profile)
			if err != nil {
				t.Fatal(err)
			}
			file := files(t, map[string][]byte{"client.p12": bundle, "trust.p12": store})
			for _, extra := range [][]string{nil, {"-legacy"}} {
				args := append([]string{"pkcs12", "-in", file("client.p12"), "-passin", "env:P12PASS", "-noenc", "-info"}, extra...)
				out, err := tool(t, "openssl", args...)
				if !opensslSince(t, test.since) {
					if err == nil {
						t.Errorf("this openssl is older than %s and reads it: correct the comment on %s", test.since, profile)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
				if !test.ciphers.MatchString(out) {
					t.Errorf("other ciphers than meant:\n%s", out)
				}
				if got := strings.Count(out, "BEGIN CERTIFICATE"); got != 2 || !strings.Contains(out, "BEGIN PRIVATE KEY") {
					t.Errorf("%d certificates, want client and CA, and the key:\n%s", got, out)
				}
				if out := openssl(t, "pkcs12", "-in", file("trust.p12"), "-passin", "env:P12PASS", "-nokeys", "-info"); strings.Count(out, "BEGIN CERTIFICATE") != 1 {
					t.Errorf("trust store:\n%s", out)
				}
			}
		})
	}
}

func opensslSince(t *testing.T, version string) bool {
	t.Helper()
	var major, minor, wantMajor, wantMinor int
	out := openssl(t, "version")
	if _, err := fmt.Sscanf(out, "OpenSSL %d.%d", &major, &minor); err != nil {
		t.Fatalf("openssl version: %q", out)
	}
	if _, err := fmt.Sscanf(version, "%d.%d", &wantMajor, &wantMinor); err != nil {
		t.Fatal(err)
	}
	return major > wantMajor || major == wantMajor && minor >= wantMinor
}

// TestP12OfOpenSSL reads what openssl writes: today's ciphers, 3DES, and RC2, the
// default of before OpenSSL 3, for which openssl needs -legacy.
func TestP12OfOpenSSL(t *testing.T) {
	ca := newCA(t, Env{})
	client := newClient(t, ca)
	file := files(t, map[string][]byte{"cert.pem": client.CertPEM, "key.pem": client.KeyPEM, "ca.pem": ca.Trust()})
	for name, args := range map[string][]string{
		"as it comes": nil, "3DES": {"-descert"}, "with -legacy": {"-legacy"}, "without a MAC's rounds": {"-nomaciter"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"pkcs12", "-export", "-in", file("cert.pem"), "-inkey", file("key.pem"), "-certfile", file("ca.pem"), "-passout", "env:P12PASS", "-out", file("out.p12")}, args...)
			openssl(t, args...)
			got, err := DecodeP12(read(t, file("out.p12")), password)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Pair.CertPEM, client.CertPEM) || !bytes.Equal(got.Pair.KeyPEM, client.KeyPEM) || !bytes.Equal(got.CAs, ca.Trust()) {
				t.Error("what is read is not what openssl wrote")
			}
		})
	}
}

// TestKeytoolReadsP12: aliases, entry kinds, and both CAs of a rotation.
func TestKeytoolReadsP12(t *testing.T) {
	old := newCA(t, Env{})
	rotation, err := Rotate(Env{}, old, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, rotation.New)
	for _, profile := range []Profile{Modern, Legacy} { // Modern2026 is for Java 26
		t.Run(string(profile), func(t *testing.T) {
			bundle, err := EncodeClientP12(Env{}, client, rotation.Bundle, password, profile)
			if err != nil {
				t.Fatal(err)
			}
			store, err := EncodeTrustStore(Env{}, rotation.Bundle, password, profile)
			if err != nil {
				t.Fatal(err)
			}
			file := files(t, map[string][]byte{"client.p12": bundle, "trust.p12": store})
			list := func(name string) (string, bool) {
				return java(t, "keytool", "-J-Duser.language=en", "-list", "-v", "-storetype", "PKCS12", "-keystore", file(name), "-storepass:env", "P12PASS")
			}
			out, ok := list("client.p12")
			if !ok {
				return
			}
			for _, text := range []string{"Entry type: PrivateKeyEntry", "Owner: CN=far-side, O=ops", "Certificate chain length: "} {
				if !strings.Contains(out, text) {
					t.Errorf("client bundle lacks %q:\n%s", text, out)
				}
			}
			if out, _ = list("trust.p12"); strings.Count(out, "Entry type: trustedCertEntry") != 2 {
				t.Errorf("the trust store does not show both CAs:\n%s", out)
			}
			for _, ca := range []*Authority{old, rotation.New} {
				print := strings.ToUpper(strings.TrimPrefix(Fingerprint(ca.Certificate()), "SHA256:"))
				if !strings.Contains(out, print) {
					t.Errorf("the trust store lacks %s:\n%s", print, out)
				}
			}
		})
	}
}
