package templates_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"causeway/templates"
)

// fixedCA is a certificate that never changes, for the goldens.
func fixedCA(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("../testdata/ilb/cluster-ca.crt")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// newCA makes a certificate for tests that compare nothing.
func newCA(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	certificate := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "cluster CA"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, certificate, certificate, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// sound are values that render.
func sound(ca []byte) templates.ILB {
	return templates.ILB{
		Exposure: "prod", Namespace: "causeway-prod", Mode: templates.Terminate,
		Image: "mirror.gcr.io/library/nginx:1.28", HTTP2: true,
		Upstream: netip.MustParseAddrPort("10.40.0.1:443"), UpstreamCA: ca,
		ClientCIDRs: []netip.Prefix{netip.MustParsePrefix("172.31.0.0/16")},
		Address:     netip.MustParseAddr("10.128.0.28"), AddressName: "causeway-prod",
		IPBy: templates.ByAnnotation, TLSHash: strings.Repeat("ab", 32),
	}
}

func TestValuesThatBreakOutAreRefusedByField(t *testing.T) {
	ca := newCA(t)
	set := func(change func(*templates.ILB)) templates.ILB {
		values := sound(ca)
		change(&values)
		return values
	}
	for name, test := range map[string]struct {
		values templates.ILB
		want   string
	}{
		"an exposure that ends a YAML line": {set(func(v *templates.ILB) { v.Exposure = "a\nkind: Pod" }), "exposure:"},
		"an exposure of 41 characters":      {set(func(v *templates.ILB) { v.Exposure = strings.Repeat("a", 41) }), "exposure:"},
		"a namespace with a quote":          {set(func(v *templates.ILB) { v.Namespace = `a"b` }), "namespace:"},
		"a mode that is none":               {set(func(v *templates.ILB) { v.Mode = "both" }), "mode:"},
		"client certificates in passthrough": {set(func(v *templates.ILB) {
			v.Mode, v.ClientAuth, v.HTTP2 = templates.Passthrough, true, false
		}), "mode:"},
		"an image with a space":                  {set(func(v *templates.ILB) { v.Image = "nginx:1 --privileged" }), "image:"},
		"an image with a line break":             {set(func(v *templates.ILB) { v.Image = "nginx\n" }), "image:"},
		"an upstream name that ends a directive": {set(func(v *templates.ILB) { v.UpstreamName = "a;load_module x" }), "upstream name:"},
		"an upstream name with a variable":       {set(func(v *templates.ILB) { v.UpstreamName = "$http_host" }), "upstream name:"},
		"no upstream":                            {set(func(v *templates.ILB) { v.Upstream = netip.AddrPort{} }), "upstream:"},
		"an upstream with a zone":                {set(func(v *templates.ILB) { v.Upstream = netip.MustParseAddrPort("[fe80::1%;x]:443") }), "upstream:"},
		"an upstream CA that is no PEM":          {set(func(v *templates.ILB) { v.UpstreamCA = []byte("trust me") }), "upstream CA:"},
		"an upstream CA that is no certificate": {set(func(v *templates.ILB) {
			v.UpstreamCA = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
		}), "upstream CA:"},
		"no client network":                       {set(func(v *templates.ILB) { v.ClientCIDRs = nil }), "client CIDRs:"},
		"a client network with host bits":         {set(func(v *templates.ILB) { v.ClientCIDRs = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")} }), "client CIDR:"},
		"no address":                              {set(func(v *templates.ILB) { v.Address = netip.Addr{} }), "address:"},
		"an address name with a comma":            {set(func(v *templates.ILB) { v.AddressName = "a,b" }), "address name:"},
		"the annotation without an address name":  {set(func(v *templates.ILB) { v.AddressName = "" }), "address name:"},
		"a subnet as a URL":                       {set(func(v *templates.ILB) { v.Subnet = "regions/r/subnetworks/s" }), "subnet:"},
		"another way to the address":              {set(func(v *templates.ILB) { v.IPBy = "hope" }), "address by:"},
		"a hash that is none":                     {set(func(v *templates.ILB) { v.TLSHash = "x" }), "TLS hash:"},
		"a port out of range":                     {set(func(v *templates.ILB) { v.Port = 70000 }), "port:"},
		"fewer than no replicas":                  {set(func(v *templates.ILB) { v.Replicas = -1 }), "replicas:"},
		"an API port out of range":                {set(func(v *templates.ILB) { v.APIPorts = []int{0} }), "API port:"},
		"a run folder that ends a directive":      {set(func(v *templates.ILB) { v.Layout.RunDir = "/tmp;x" }), "run folder:"},
		"a TLS folder that is relative":           {set(func(v *templates.ILB) { v.Layout.TLSDir = "tls" }), "TLS folder:"},
		"an access log that is a syslog address":  {set(func(v *templates.ILB) { v.Layout.AccessLog = "syslog:server=x" }), "access log:"},
		"an error log with a level":               {set(func(v *templates.ILB) { v.Layout.ErrorLog = "stderr debug" }), "error log:"},
		"a listen address with parameters":        {set(func(v *templates.ILB) { v.Layout.Listen = "8443 default_server" }), "listen:"},
		"a health address that is a Unix socket":  {set(func(v *templates.ILB) { v.Layout.Health = "unix:/x" }), "health:"},
		"more workers than any machine would run": {set(func(v *templates.ILB) { v.Layout.Workers = 1000 }), "workers:"},
	} {
		t.Run(name, func(t *testing.T) {
			_, confErr := test.values.NginxConf()
			_, err := test.values.Manifests()
			layoutOnly := test.values.Layout != templates.Layout{}
			if confErr == nil || !strings.Contains(confErr.Error(), test.want) {
				t.Errorf("configuration: error %v, want one about %q", confErr, test.want)
			}
			if !layoutOnly && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("manifests: error %v, want one about %q", err, test.want)
			}
		})
	}
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	err := templates.ILB{Exposure: "A", Image: " ", Port: -1}.Validate()
	for _, want := range []string{"exposure:", "namespace:", "mode:", "image:", "port:", "upstream:", "upstream CA:", "address:", "client CIDRs:"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not tell of %q", err, want)
		}
	}
}
