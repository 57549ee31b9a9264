package certs

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestNewAuthority(t *testing.T) {
	ca := newCA(t, at(noon))
	cert := ca.Certificate()
	if key, ok := cert.PublicKey.(*ecdsa.PublicKey); !ok || key.Curve != elliptic.P256() {
		t.Errorf("key is %T, want ECDSA P-256", cert.PublicKey)
	}
	if !cert.IsCA || !cert.BasicConstraintsValid || cert.MaxPathLen != 1 {
		t.Errorf("CA %v, valid constraints %v, path length %d; want true, true, 1", cert.IsCA, cert.BasicConstraintsValid, cert.MaxPathLen)
	}
	if want := x509.KeyUsageCertSign | x509.KeyUsageCRLSign; cert.KeyUsage != want {
		t.Errorf("key usage %b, want %b", cert.KeyUsage, want)
	}
	if len(cert.ExtKeyUsage) != 0 || cert.PermittedDNSDomainsCritical || len(cert.PermittedIPRanges) != 0 {
		t.Errorf("the CA is constrained: %v", cert)
	}
	if !cert.NotBefore.Equal(noon.Add(-5*time.Minute)) || cert.NotAfter.Sub(cert.NotBefore)+time.Second != DefaultCALife {
		t.Errorf("valid from %s to %s", cert.NotBefore, cert.NotAfter)
	}
	if len(cert.SubjectKeyId) != 20 || !bytes.Equal(cert.SubjectKeyId, cert.AuthorityKeyId) && len(cert.AuthorityKeyId) != 0 {
		t.Errorf("SKI %x, AKI %x", cert.SubjectKeyId, cert.AuthorityKeyId)
	}
	if cert.SerialNumber.Sign() <= 0 || cert.SerialNumber.BitLen() != 127 {
		t.Errorf("serial number of %d bits", cert.SerialNumber.BitLen())
	}
	if cert.Subject.CommonName != "causeway prod CA" || len(cert.Subject.SerialNumber) != 12 {
		t.Errorf("subject %s", cert.Subject)
	}
	if other := newCA(t, at(noon)); bytes.Equal(other.Certificate().RawSubject, cert.RawSubject) {
		t.Error("two CAs of one exposure share a subject")
	}
}

func TestNewAuthorityRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		options Options
		codes   []string
	}{
		"no name":             {Options{}, []string{"CW-TLS-NAME"}},
		"a name too long":     {Options{Name: strings.Repeat("a", 41)}, []string{"CW-TLS-NAME"}},
		"a minute's lifetime": {Options{Name: "a", Lifetime: time.Minute}, []string{"CW-TLS-LIFETIME"}},
		"both, told at once":  {Options{Lifetime: -1}, []string{"CW-TLS-NAME", "CW-TLS-LIFETIME"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewAuthority(at(noon), test.options)
			want(t, err, test.codes, "create certificate authority")
		})
	}
}

func TestNewAuthorityWithoutRandomness(t *testing.T) {
	_, err := NewAuthority(Env{Rand: strings.NewReader("short")}, Options{Name: "a"})
	if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "draw serial number") {
		t.Errorf("error %v", err)
	}
}

func TestIssueServer(t *testing.T) {
	ca := newCA(t, at(noon))
	pair, err := ca.IssueServer(ServerRequest{
		DNSNames: []string{"API.corp.example.", "api.corp.example", "*.corp.example"},
		IPs:      []netip.Addr{netip.MustParseAddr("::ffff:10.0.0.5"), address, netip.MustParseAddr("fd00::5")},
	})
	if err != nil {
		t.Fatal(err)
	}
	leaf := pair.Leaf()
	if diff := cmp.Diff([]string{"api.corp.example", "*.corp.example"}, leaf.DNSNames); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"10.0.0.5", "fd00::5"}, texts(leaf.IPAddresses)); diff != "" {
		t.Error(diff)
	}
	if leaf.KeyUsage != x509.KeyUsageDigitalSignature || len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth {
		t.Errorf("usage %v %v", leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if leaf.IsCA || !leaf.BasicConstraintsValid {
		t.Error("the leaf does not say CA:FALSE")
	}
	if !bytes.Equal(leaf.AuthorityKeyId, ca.Certificate().SubjectKeyId) || len(leaf.SubjectKeyId) != 20 {
		t.Errorf("SKI %x, AKI %x", leaf.SubjectKeyId, leaf.AuthorityKeyId)
	}
	if !leaf.NotBefore.Equal(noon.Add(-Backdate)) && !leaf.NotBefore.Equal(ca.Certificate().NotBefore) {
		t.Errorf("begins %s", leaf.NotBefore)
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore) + time.Second; life != DefaultLeafLife {
		t.Errorf("lives %s, both ends counted; want %s", life, DefaultLeafLife)
	}
	if leaf.Subject.CommonName != "api.corp.example" {
		t.Errorf("common name %q", leaf.Subject.CommonName)
	}
	if got := len(pair.Chain()); got != 1 {
		t.Errorf("%d certificates are sent, want the leaf alone: clients have the root", got)
	}
	if err := VerifyChain(at(noon), pair, ca.Trust(), "10.0.0.5"); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(ServerRequest{DNSNames: leaf.DNSNames, IPs: []netip.Addr{address, netip.MustParseAddr("fd00::5")}}, pair.Request(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func texts(ips []net.IP) []string {
	var all []string
	for _, ip := range ips {
		all = append(all, ip.String())
	}
	return all
}

func TestIssueServerRefuses(t *testing.T) {
	ca := newCA(t, at(noon))
	for name, test := range map[string]struct {
		request ServerRequest
		codes   []string
		text    string
	}{
		"nothing to cover":            {ServerRequest{}, []string{"CW-TLS-SAN"}, "at least one"},
		"an address as a name":        {ServerRequest{DNSNames: []string{"10.0.0.5"}}, []string{"CW-TLS-NAME"}, "is an IP address"},
		"a name with a space":         {ServerRequest{DNSNames: []string{"a b"}}, []string{"CW-TLS-NAME"}, "not a DNS name"},
		"a URL":                       {ServerRequest{DNSNames: []string{"https://a.example"}}, []string{"CW-TLS-NAME"}, "not a DNS name"},
		"an empty name":               {ServerRequest{DNSNames: []string{""}}, []string{"CW-TLS-NAME"}, "not a DNS name"},
		"a label of 64":               {ServerRequest{DNSNames: []string{strings.Repeat("a", 64)}}, []string{"CW-TLS-NAME"}, "not a DNS name"},
		"a name of 254":               {ServerRequest{DNSNames: []string{strings.Repeat("a.", 126) + "aa"}}, []string{"CW-TLS-NAME"}, "not a DNS name"},
		"an umlaut":                   {ServerRequest{DNSNames: []string{"bücher.example"}}, []string{"CW-TLS-NAME"}, "xn--"},
		"a wildcard in the middle":    {ServerRequest{DNSNames: []string{"a.*.example"}}, []string{"CW-TLS-NAME"}, "not a DNS name"},
		"a wildcard for all of .com":  {ServerRequest{DNSNames: []string{"*.com"}}, []string{"CW-TLS-NAME"}, "not a DNS name"},
		"no address at all":           {ServerRequest{IPs: []netip.Addr{{}}}, []string{"CW-TLS-NAME"}, "empty"},
		"0.0.0.0":                     {ServerRequest{IPs: []netip.Addr{netip.IPv4Unspecified()}}, []string{"CW-TLS-NAME"}, "not one that clients"},
		"a multicast address":         {ServerRequest{IPs: []netip.Addr{netip.MustParseAddr("224.0.0.1")}}, []string{"CW-TLS-NAME"}, "not one that clients"},
		"a zone":                      {ServerRequest{IPs: []netip.Addr{netip.MustParseAddr("fe80::1%eth0")}}, []string{"CW-TLS-NAME"}, "zone"},
		"826 days":                    {ServerRequest{IPs: []netip.Addr{address}, Lifetime: 826 * 24 * time.Hour}, []string{"CW-TLS-LIFETIME"}, "825 days"},
		"a minute":                    {ServerRequest{IPs: []netip.Addr{address}, Lifetime: time.Minute}, []string{"CW-TLS-LIFETIME"}, "1h0m0s"},
		"several faults told at once": {ServerRequest{DNSNames: []string{"_", "1.2.3.4"}, Lifetime: 1}, []string{"CW-TLS-NAME", "CW-TLS-NAME", "CW-TLS-LIFETIME"}, "3 problems:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ca.IssueServer(test.request)
			want(t, err, test.codes, "issue server certificate: ", test.text)
		})
	}
}

func TestLongNameStaysOutOfTheSubject(t *testing.T) {
	long := strings.Repeat("a", 60) + ".corp.example"
	pair, err := newCA(t, at(noon)).IssueServer(ServerRequest{DNSNames: []string{long}})
	if err != nil {
		t.Fatal(err)
	}
	if got := pair.Leaf().Subject.CommonName; got != "causeway server" {
		t.Errorf("common name %q", got)
	}
	if err := pair.Covers([]string{long}, nil); err != nil {
		t.Error(err)
	}
}

func TestLeafNeverOutlivesItsCA(t *testing.T) {
	ca, err := NewAuthority(at(noon), Options{Name: "short", Lifetime: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	pair := newServer(t, ca)
	if !pair.Leaf().NotAfter.Equal(ca.Certificate().NotAfter) {
		t.Errorf("leaf ends %s, CA %s", pair.Leaf().NotAfter, ca.Certificate().NotAfter)
	}
	_, err = ca.IssueServer(ServerRequest{IPs: []netip.Addr{address}, Lifetime: 49 * time.Hour})
	want(t, err, []string{"CW-TLS-LIFETIME"}, "beyond the CA's end")
	ca.env = at(noon.Add(48 * time.Hour))
	_, err = ca.IssueServer(ServerRequest{IPs: []netip.Addr{address}})
	want(t, err, []string{"CW-TLS-EXPIRED"}, "rotate it first")
}

func TestIssueClient(t *testing.T) {
	ca := newCA(t, at(noon))
	pair := newClient(t, ca)
	leaf := pair.Leaf()
	if leaf.Subject.String() != "CN=far-side,O=ops" {
		t.Errorf("subject %s", leaf.Subject)
	}
	if len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageClientAuth || leaf.KeyUsage != x509.KeyUsageDigitalSignature {
		t.Errorf("usage %v %v", leaf.KeyUsage, leaf.ExtKeyUsage)
	}
	if _, err := LoadPair(at(noon), pair.CertPEM, pair.KeyPEM, Want{Client: true, CA: ca.Trust()}); err != nil {
		t.Error(err)
	}
	want(t, VerifyChain(at(noon), pair, ca.Trust(), ""), []string{"CW-TLS-USAGE"}, "usage")
}

func TestIssueClientRefuses(t *testing.T) {
	ca := newCA(t, at(noon))
	for name, test := range map[string]struct {
		request ClientRequest
		codes   []string
	}{
		"no name":               {ClientRequest{}, []string{"CW-TLS-NAME"}},
		"a name too long":       {ClientRequest{CommonName: strings.Repeat("x", 65)}, []string{"CW-TLS-NAME"}},
		"Kubernetes' own group": {ClientRequest{CommonName: "a", Organizations: []string{"system:masters"}}, []string{"CW-TLS-NAME"}},
		"Kubernetes' own user":  {ClientRequest{CommonName: "system:admin"}, []string{"CW-TLS-NAME"}},
		"a line break":          {ClientRequest{CommonName: "a\nb"}, []string{"CW-TLS-NAME"}},
		"many groups":           {ClientRequest{CommonName: "a", Organizations: make([]string, 17)}, []string{"CW-TLS-NAME"}},
		"three years":           {ClientRequest{CommonName: "a", Lifetime: 1095 * 24 * time.Hour}, []string{"CW-TLS-LIFETIME"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ca.IssueClient(test.request)
			want(t, err, test.codes, "issue client certificate: ")
		})
	}
}

func TestDaysLeft(t *testing.T) {
	cert := &x509.Certificate{NotAfter: noon}
	for left, days := range map[time.Duration]int{
		0: 0, time.Hour: 0, 24 * time.Hour: 1, 47 * time.Hour: 1, -time.Second: -1, -25 * time.Hour: -2,
	} {
		if got := DaysLeft(cert, noon.Add(-left)); got != days {
			t.Errorf("%s left are %d days, want %d", left, got, days)
		}
	}
}
