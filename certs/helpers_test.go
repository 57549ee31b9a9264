package certs

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// noon is the time in tests that need no other program: those have the real clock.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(t time.Time) Env { return Env{Now: func() time.Time { return t }} }

var address = netip.MustParseAddr("10.0.0.5")

func newCA(t testing.TB, env Env) *Authority {
	t.Helper()
	ca, err := NewAuthority(env, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

func newServer(t testing.TB, ca *Authority) Pair {
	t.Helper()
	pair, err := ca.IssueServer(ServerRequest{DNSNames: []string{"api.corp.example", "localhost"}, IPs: []netip.Addr{address, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("fd00::5")}})
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func newClient(t testing.TB, ca *Authority) Pair {
	t.Helper()
	pair, err := ca.IssueClient(ClientRequest{CommonName: "far-side", Organizations: []string{"ops"}})
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// want checks an error's codes, and that its text holds all of texts.
func want(t *testing.T, err error, codes []string, texts ...string) {
	t.Helper()
	var problem *Error
	if !errors.As(err, &problem) {
		t.Fatalf("error is %v, want one with the codes %v", err, codes)
	}
	if got := strings.Join(problem.Codes(), " "); got != strings.Join(codes, " ") {
		t.Errorf("codes are %s, want %s\n%v", got, strings.Join(codes, " "), err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error lacks %q:\n%v", text, err)
		}
	}
}

// custom is a certificate that this package would not make, for what users bring.
type custom struct {
	name     string
	ca       bool
	edit     func(*x509.Certificate)
	parent   *custom
	key      crypto.Signer
	cert     *x509.Certificate
	from, to time.Time
}

// build signs the certificate with its parent's key, or its own.
func (c *custom) build(t testing.TB) *custom {
	t.Helper()
	if c.key == nil {
		c.key = ecKey(t)
	}
	if c.from.IsZero() {
		c.from, c.to = noon.Add(-time.Hour), noon.Add(240*time.Hour)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: c.name},
		NotBefore: c.from, NotAfter: c.to, BasicConstraintsValid: true, IsCA: c.ca,
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if c.ca {
		template.KeyUsage = x509.KeyUsageCertSign
	} else {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.DNSNames, template.IPAddresses = []string{"api.corp.example"}, []net.IP{net.ParseIP("10.0.0.5")}
	}
	if c.edit != nil {
		c.edit(template)
	}
	parent, signer := template, c.key
	if c.parent != nil {
		parent, signer = c.parent.cert, c.parent.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, c.key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	if c.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *custom) certPEM() []byte { return encodeCerts(c.cert) }

func (c *custom) keyPEM(t testing.TB) []byte {
	t.Helper()
	text, err := encodeKey(c.key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func block(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func join(texts ...[]byte) []byte { return bytes.Join(texts, nil) }

// tool runs a program that must be there, and returns what it writes to both streams.
func tool(t testing.TB, name string, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed: `make setup` installs it", name)
	}
	command := exec.CommandContext(t.Context(), path, args...)
	command.Env = append(os.Environ(), "LC_ALL=C", "P12PASS="+password)
	out, err := command.CombinedOutput()
	return string(out), err
}

func openssl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := tool(t, "openssl", args...)
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// java finds a program of the JDK. Where there is none the test says so, loudly, and
// goes on without: openssl is required, Java is not.
func java(t testing.TB, name string, args ...string) (out string, ok bool) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Logf("NOT TESTED WITH JAVA: %s is not installed; `apt-get install openjdk-17-jdk-headless` brings it", name)
		return "", false
	}
	out, err := tool(t, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out, true
}

// files writes named contents into a directory of the test's own.
func files(t testing.TB, contents map[string][]byte) func(name string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string) string { return filepath.Join(dir, name) }
}
