package ilb

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/certs"
	"causeway/exposer"
	"causeway/exposer/conformance"
)

// key reads one value of a Secret of the exposure's.
func key(t testing.TB, w *conformance.World, secret, name string) []byte {
	t.Helper()
	live := get(t, w, secrets, w.Spec.Namespace, secret)
	if live == nil {
		t.Fatalf("there is no Secret %s", secret)
	}
	data, _ := live.Object["data"].(map[string]any)
	encoded, _ := data[name].(string)
	value, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// served is what nginx serves.
func served(t testing.TB, w *conformance.World) certs.Pair {
	t.Helper()
	return certs.Pair{CertPEM: key(t, w, "causeway-tls", "tls.crt"), KeyPEM: key(t, w, "causeway-tls", "tls.key")}
}

// trusted fails the test unless a client that trusts ca accepts what is served for
// the load balancer's address.
func trusted(t testing.TB, w *conformance.World, ca []byte, who string) {
	t.Helper()
	if err := certs.VerifyChain(certs.Env{Now: w.Now, Rand: rand.Reader}, served(t, w), ca, ipOf(t, w)); err != nil {
		t.Errorf("%s does not accept the certificate: %v", who, err)
	}
}

func at(days int) func() time.Time {
	return func() time.Time { return time.Now().AddDate(0, 0, days) }
}

func TestTheCertificateCoversTheAddressAndTheNames(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.DNSNames = []string{"k8s.example.com"} })
	apply(t, w)
	leaf := served(t, w).Leaf()
	if len(leaf.IPAddresses) != 1 || leaf.IPAddresses[0].String() != ipOf(t, w) || !slices.Contains(leaf.DNSNames, "k8s.example.com") {
		t.Errorf("the certificate is for %v and %v", leaf.IPAddresses, leaf.DNSNames)
	}
	trusted(t, w, key(t, w, "causeway-ca", "ca-bundle.crt"), "a new client")
	destroy(t, w)
}

func TestACertificateNearItsEndIsIssuedAnew(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.ClientAuth = "mtls" })
	before := w.State()
	apply(t, w)
	first, ca := served(t, w), key(t, w, "causeway-ca", "ca-bundle.crt")
	w.Now = at(397 - renewDays - 2)
	unchanged(t, w) // still more than a month
	for when, day := range map[string]int{"within a month": 397 - renewDays + 2, "after its end": 397 + 397 + 30} {
		w.Now = at(day)
		plan := apply(t, w)
		want := []string{"change deployment/causeway-proxy", "change secret/causeway-client-tls", "change secret/causeway-tls"}
		if got := todo(plan); !slices.Equal(got, want) {
			t.Errorf("%s: plan %v, want %v", when, got, want)
		}
		trusted(t, w, ca, "an old client, "+when)
		unchanged(t, w)
	}
	if string(first.CertPEM) == string(served(t, w).CertPEM) {
		t.Error("the certificate is the old one")
	}
	w.Now = time.Now
	destroy(t, w)
	w.Gone(t, before)
}

func rotate(t testing.TB, w *conformance.World, ca bool) error {
	t.Helper()
	x := open(t, w, false)
	run := exposer.Run{Spec: x.Spec(), Progress: exposer.Quiet{}, Now: w.Now}
	return x.Rotate(t.Context(), ca, run)
}

func TestRotation(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.ClientAuth = "mtls" })
	before := w.State()
	apply(t, w)
	first, old := served(t, w), key(t, w, "causeway-ca", "ca-bundle.crt")
	clients := key(t, w, "causeway-tls", "client-ca.crt")
	if err := rotate(t, w, false); err != nil {
		t.Fatal(err)
	}
	if string(served(t, w).CertPEM) == string(first.CertPEM) {
		t.Error("the certificate is the old one")
	}
	trusted(t, w, old, "an old client after the certificate's rotation")
	unchanged(t, w)

	for range 2 { // a CA may be rotated again
		if err := rotate(t, w, true); err != nil {
			t.Fatal(err)
		}
		bundle := key(t, w, "causeway-ca", "ca-bundle.crt")
		if string(bundle) == string(old) {
			t.Error("the CA is the old one")
		}
		trusted(t, w, old, "a client of before the CA's rotation")
		trusted(t, w, bundle, "a new client")
		unchanged(t, w)
		old = bundle
	}
	if string(clients) != string(key(t, w, "causeway-tls", "client-ca.crt")) {
		t.Error("the CA of the clients changed with the server's: their certificates are worth nothing now")
	}
	destroy(t, w)
	w.Gone(t, before)
}

func TestAnExpiredCA(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{})
	before := w.State()
	apply(t, w)
	w.Now = at(366 * 11)
	_, err := w.Apply(t.Context(), Method{})
	wantError[*exposer.PreconditionError](t, err, "CW-TLS-CA-ENDED", "has expired")
	wantCode(t, rotate(t, w, false), "CW-TLS-CA-ENDED")
	if err := rotate(t, w, true); err != nil {
		t.Fatal(err)
	}
	trusted(t, w, key(t, w, "causeway-ca", "ca-bundle.crt"), "a new client")
	unchanged(t, w)
	w.Now = at(366 * 25) // and destroy needs no good CA
	destroy(t, w)
	w.Now = time.Now
	w.Gone(t, before)
}

func TestMtls(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.ClientAuth = "mtls" })
	apply(t, w)
	client := certs.Pair{CertPEM: key(t, w, clientTLSName, "tls.crt"), KeyPEM: key(t, w, clientTLSName, "tls.key")}
	admits := key(t, w, "causeway-tls", "client-ca.crt")
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(admits)
	if _, err := client.Leaf().Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("nginx would not let the client in: %v", err)
	}
	if _, err := served(t, w).Leaf().Verify(x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err == nil {
		t.Error("the CA that lets clients in is the one that signs the server: whoever gets a certificate of that gets in")
	}
	endpoint := endpointOf(t, w)
	if string(endpoint.ClientCert) != string(client.CertPEM) || len(endpoint.ClientKey) == 0 {
		t.Error("the kubeconfig would not carry the client's certificate")
	}
	destroy(t, w)
}

func endpointOf(t testing.TB, w *conformance.World) exposer.Endpoint {
	t.Helper()
	x := open(t, w, false)
	if _, err := exposer.MakePlan(t.Context(), x.Steps()); err != nil {
		t.Fatal(err)
	}
	endpoint, err := x.Endpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

func TestPassthroughTrustsTheClustersCA(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.Mode = exposer.ModePassthrough })
	before := w.State()
	apply(t, w)
	endpoint := endpointOf(t, w)
	if string(endpoint.CA) != string(w.Server.CA) || endpoint.TLSServerName != "kubernetes.default.svc" || len(endpoint.ServerCert) > 0 {
		t.Errorf("endpoint: %+v", endpoint)
	}
	wantCode(t, rotate(t, w, false), "CW-TLS-PASSTHROUGH")
	destroy(t, w)
	w.Gone(t, before)
}

func authority(t testing.TB, now func() time.Time, life time.Duration) *certs.Authority {
	t.Helper()
	ca, err := certs.NewAuthority(certs.Env{Now: now, Rand: rand.Reader}, certs.Options{Name: "company", Lifetime: life})
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// files writes PEM files and returns their paths.
func files(t testing.TB, contents ...[]byte) []string {
	t.Helper()
	var paths []string
	for i, content := range contents {
		path := filepath.Join(t.TempDir(), string(rune('a'+i))+".pem")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	return paths
}

func TestACAOfTheUsers(t *testing.T) {
	t.Parallel()
	ca := authority(t, time.Now, 0)
	cert, private := ca.PEM()
	paths := files(t, cert, private)
	w := world(t, conformance.Options{}, func(s *exposer.Spec) {
		s.ILB.TLS, s.ILB.ClientAuth = exposer.TLS{CACert: paths[0], CAKey: paths[1]}, "mtls"
	})
	before := w.State()
	apply(t, w)
	trusted(t, w, ca.Trust(), "who trusts the company's CA")
	if err := certs.VerifyChain(certs.Env{}, certs.Pair{CertPEM: key(t, w, clientTLSName, "tls.crt")}, ca.Trust(), ""); err == nil {
		t.Error("clients are let in by the company's CA: it would let in whoever has a certificate of the company's")
	}
	unchanged(t, w)
	if err := rotate(t, w, false); err != nil {
		t.Error(err)
	}
	wantCode(t, rotate(t, w, true), "CW-TLS-NO-CA-KEY")
	destroy(t, w)
	w.Gone(t, before)
}

func TestACertificateOfTheUsers(t *testing.T) {
	t.Parallel()
	ca := authority(t, time.Now, 0)
	pair, err := ca.IssueServer(certs.ServerRequest{IPs: []netip.Addr{netip.MustParseAddr("10.156.0.50")}})
	if err != nil {
		t.Fatal(err)
	}
	paths := files(t, ca.Trust(), pair.CertPEM, pair.KeyPEM)
	w := world(t, conformance.Options{}, func(s *exposer.Spec) {
		s.ILB.Address, s.ILB.TLS = "10.156.0.50", exposer.TLS{CACert: paths[0], Cert: paths[1], Key: paths[2]}
	})
	before := w.State()
	apply(t, w)
	if string(served(t, w).CertPEM) != string(pair.CertPEM) {
		t.Error("nginx serves another certificate")
	}
	if got := key(t, w, "causeway-ca", "ca.key"); len(got) > 0 {
		t.Error("a CA was made that nobody needs")
	}
	unchanged(t, w)
	wantCode(t, rotate(t, w, false), "CW-TLS-NO-CA-KEY")
	destroy(t, w)
	w.Gone(t, before)

	w.Spec.ILB.Address = "10.156.0.51" // which it does not cover
	plan, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-TLS-SAN", "10.156.0.51")
	if len(plan.Items) == 0 {
		t.Error("no plan was made")
	}
	destroy(t, w)
	w.Gone(t, before)
}

func TestFilesOfTheUsersThatCanNotBeUsed(t *testing.T) {
	t.Parallel()
	good, other := authority(t, time.Now, 0), authority(t, time.Now, 0)
	ended := authority(t, at(-400), 100*24*time.Hour)
	leaf, err := good.IssueServer(certs.ServerRequest{DNSNames: []string{"a.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	cert, private := good.PEM()
	_, foreign := other.PEM()
	endedCert, endedKey := ended.PEM()
	for name, c := range map[string]struct {
		caCert, caKey, cert, key []byte
		code, field              string
	}{
		"a CA with another's key":                {caCert: cert, caKey: foreign, code: "CW-TLS-KEY-MISMATCH", field: "ilb.tls.caCert"},
		"a CA that has expired":                  {caCert: endedCert, caKey: endedKey, code: "CW-TLS-EXPIRED", field: "ilb.tls.caCert"},
		"a certificate that is no CA":            {caCert: leaf.CertPEM, caKey: leaf.KeyPEM, code: "CW-TLS-NOT-CA", field: "ilb.tls.caCert"},
		"no PEM":                                 {caCert: []byte("hello"), caKey: private, code: "CW-TLS-PEM", field: "ilb.tls.caCert"},
		"a leaf of another CA":                   {caCert: other.Trust(), cert: leaf.CertPEM, key: leaf.KeyPEM, code: "CW-TLS-TRUST", field: "ilb.tls.cert"},
		"a leaf with another's key":              {caCert: cert, cert: leaf.CertPEM, key: foreign, code: "CW-TLS-KEY-MISMATCH", field: "ilb.tls.cert"},
		"a leaf that lacks a name of --dns-name": {caCert: cert, cert: leaf.CertPEM, key: leaf.KeyPEM, code: "CW-TLS-SAN", field: "ilb.tls.cert"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tls exposer.TLS
			for _, file := range []struct {
				to      *string
				content []byte
			}{{&tls.CACert, c.caCert}, {&tls.CAKey, c.caKey}, {&tls.Cert, c.cert}, {&tls.Key, c.key}} {
				if file.content != nil {
					*file.to = files(t, file.content)[0]
				}
			}
			w := world(t, conformance.Options{NoController: true}, func(s *exposer.Spec) {
				s.ILB.TLS = tls
				if c.code == "CW-TLS-SAN" {
					s.ILB.DNSNames = []string{"b.example.com"}
				}
			})
			before := w.State()
			_, err := w.Apply(t.Context(), Method{})
			wantError[*exposer.SpecError](t, err, c.code, c.field)
			if strings.Contains(err.Error(), "PRIVATE KEY") {
				t.Errorf("the error shows a key: %v", err)
			}
			untouched(t, w, before)
		})
	}
	t.Run("files that are not there", func(t *testing.T) {
		t.Parallel()
		w := world(t, conformance.Options{NoController: true}, func(s *exposer.Spec) {
			s.ILB.TLS = exposer.TLS{CACert: "/nowhere/ca.crt", CAKey: "/nowhere/ca.key"}
		})
		_, err := w.Apply(t.Context(), Method{})
		wantError[*exposer.SpecError](t, err, "CW-SPEC-INVALID", "ilb.tls.caCert", "ilb.tls.caKey", "/nowhere/ca.key")
	})
}

func TestSecretsThatSomebodyBroke(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{}, func(s *exposer.Spec) { s.ILB.ClientAuth = "mtls" })
	before := w.State()
	apply(t, w)
	garbage := map[string]any{"data": map[string]any{"tls.crt": base64.StdEncoding.EncodeToString([]byte("x"))}}
	edit(t, w, secrets, w.Spec.Namespace, "causeway-tls", garbage)
	edit(t, w, secrets, w.Spec.Namespace, clientTLSName, garbage)
	apply(t, w) // both are issued anew
	trusted(t, w, key(t, w, "causeway-ca", "ca-bundle.crt"), "a client")
	unchanged(t, w)
	// The CA's key is not: every kubeconfig would be worth nothing.
	edit(t, w, secrets, w.Spec.Namespace, "causeway-ca", map[string]any{"data": map[string]any{"ca.key": base64.StdEncoding.EncodeToString([]byte("x"))}})
	_, err := w.Apply(t.Context(), Method{})
	wantCode(t, err, "CW-TLS-PEM", "read Secret causeway-ca")
	plain(t, err)
	destroy(t, w) // which needs none of it
	w.Gone(t, before)
}

func TestStatusOfCertificates(t *testing.T) {
	t.Parallel()
	w := world(t, conformance.Options{})
	apply(t, w)
	check := func(warn time.Duration) map[string]exposer.Check {
		t.Helper()
		job, err := w.Job(Method{})
		if err != nil {
			t.Fatal(err)
		}
		status, err := job.Status(t.Context(), w.Spec, warn)
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]exposer.Check{"(all)": {OK: status.OK()}}
		for _, c := range status.Checks {
			all[c.Name] = c
		}
		return all
	}
	if c := check(30 * 24 * time.Hour); !c["certificate"].OK || *c["certificate"].Days != 396 && *c["certificate"].Days != 397 || !c["proxy"].OK || !c["load balancer"].OK || !c["last apply"].OK {
		t.Errorf("a fresh exposure: %+v", c)
	}
	if c := check(398 * 24 * time.Hour); c["certificate"].OK || c["certificate"].Code != "CW-TLS-ENDS" || c["(all)"].OK || !c["certificate authority"].OK {
		t.Errorf("with more days to warn than are left: %+v", c)
	}
	remove(t, w, deployments, w.Spec.Namespace, proxyName)
	remove(t, w, serviceKind, w.Spec.Namespace, proxyName)
	if c := check(time.Hour); c["proxy"].OK || c["load balancer"].OK || c["(all)"].OK {
		t.Errorf("without proxy and load balancer: %+v", c)
	}
	destroy(t, w)
}
