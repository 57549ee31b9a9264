package ilb

import (
	"context"
	"crypto/x509"
	"fmt"
	"net/netip"
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/certs"
	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/templates"
)

// renewDays is when apply issues the leaf anew: a month leaves room for a change
// night that had to be called off.
const renewDays = 30

// clientTLSName is the Secret with the client's certificate (mtls), from which
// kubeconfigs are made again.
const clientTLSName = "causeway-client-tls"

// own are the user's own PEM files.
type own struct {
	ca   *certs.Authority // --ca-cert with --ca-key
	leaf *certs.Pair      // --tls-cert with --tls-key
	root []byte           // what signs the leaf: --ca-cert
}

// env is what certs needs of the world.
func (x *exposure) env() certs.Env { return certs.Env{Now: x.deps.Now, Rand: x.deps.Rand} }

// readOwnFiles loads the user's own CA or leaf; a fault of them is one of the spec
// (*exposer.SpecError).
func (x *exposure) readOwnFiles() error {
	t := x.spec.ILB.TLS
	var text [4][]byte
	var problems []exposer.FieldProblem
	for i, file := range []struct{ field, path string }{{"caCert", t.CACert}, {"caKey", t.CAKey}, {"cert", t.Cert}, {"key", t.Key}} {
		if file.path == "" {
			continue
		}
		content, err := os.ReadFile(file.path)
		if err != nil {
			problems = append(problems, exposer.FieldError("ilb.tls."+file.field, err).Problems...)
		}
		text[i] = content
	}
	if len(problems) > 0 {
		return &exposer.SpecError{Problems: problems}
	}
	switch {
	case t.CAKey != "":
		ca, err := certs.LoadAuthority(x.env(), text[0], text[1])
		if err != nil {
			return exposer.FieldError("ilb.tls.caCert", err)
		}
		x.own.ca = ca
	case t.Cert != "":
		pair, err := certs.LoadPair(x.env(), text[2], text[3], certs.Want{DNSNames: x.spec.ILB.DNSNames, CA: text[0]})
		if err != nil {
			return exposer.FieldError("ilb.tls.cert", err)
		}
		x.own.leaf, x.own.root = &pair, text[0]
	}
	return nil
}

// caSecret is the step that keeps the CA, so that the leaf can be issued anew
// and old kubeconfigs stay good.
func (x *exposure) caSecret() *exposer.Object {
	o := x.secret(templates.CASecretName, "certificate authority")
	o.Build = func() (*unstructured.Unstructured, string, error) {
		if x.caPEM == nil || x.mtls() && x.clientCA == nil {
			return nil, "a CA is made", nil
		}
		object, err := x.caObject()
		return object, "", err
	}
	return o
}

// caStep makes the CA when there is none, before the object is applied.
type caStep struct {
	*exposer.Object
	x *exposure
}

func (s caStep) Read(ctx context.Context) (exposer.Observed, error) {
	if s.x.deps.Leaving { // broken or not, it goes
		return s.Object.Read(ctx)
	}
	if err := s.x.readCA(ctx); err != nil {
		return exposer.Observed{}, err
	}
	seen, err := s.Object.Read(ctx)
	if err == nil && s.x.caEnded && seen.Action != exposer.Refuse {
		seen.Action = exposer.Refuse
		seen.Cause = refusal("CW-TLS-CA-ENDED", "the certificate authority of this exposure has expired")
	}
	return seen, err
}

func (s caStep) Do(ctx context.Context, note func(string)) error {
	if err := s.x.readCA(ctx); err != nil {
		return err
	}
	if err := s.x.makeCAs(); err != nil {
		return err
	}
	return s.Object.Do(ctx, note)
}

// readCA takes both CAs from their Secret; what the user brought comes before
// the one that signs the server's certificate. Those who may come in (mtls) are
// always signed by a CA of causeway's own: a company's CA would let in whoever
// has a certificate of the company's.
func (x *exposure) readCA(ctx context.Context) error {
	var data map[string][]byte
	if x.kube != nil {
		var err error
		if data, err = x.secretData(ctx, templates.CASecretName); err != nil {
			return err
		}
	}
	var err error
	if len(data["client-ca.key"]) > 0 {
		x.clientCA, err = certs.LoadAuthority(x.env(), data["client-ca.crt"], data["client-ca.key"])
		if explain.CodeOf(err) == "CW-TLS-EXPIRED" { // and with it all that it signed: nobody is shut out by another one
			x.clientCA, err = nil, nil
		}
		if err != nil {
			return fmt.Errorf("read Secret %s: client CA: %w", templates.CASecretName, err)
		}
	}
	switch {
	case x.own.ca != nil:
		x.ca, x.caPEM = x.own.ca, x.own.ca.Trust()
	case x.own.leaf != nil:
		x.ca, x.caPEM = nil, x.own.root
	case len(data["ca.key"]) > 0:
		x.caPEM = data["ca-bundle.crt"]
		x.ca, err = certs.LoadAuthority(x.env(), data["ca.crt"], data["ca.key"])
		if x.caEnded = explain.CodeOf(err) == "CW-TLS-EXPIRED"; x.caEnded {
			x.ca = nil
			return nil
		}
		if err != nil {
			return fmt.Errorf("read Secret %s: %w", templates.CASecretName, err)
		}
	}
	return nil
}

// makeCAs makes those of the CAs that are needed and not there.
func (x *exposure) makeCAs() error {
	if x.caPEM == nil {
		ca, err := certs.NewAuthority(x.env(), certs.Options{Name: x.spec.Name})
		if err != nil {
			return err
		}
		x.ca, x.caPEM = ca, ca.Trust()
	}
	if x.mtls() && x.clientCA == nil {
		ca, err := certs.NewAuthority(x.env(), certs.Options{Name: x.spec.Name})
		if err != nil {
			return err
		}
		x.clientCA = ca
	}
	return nil
}

func (x *exposure) mtls() bool { return x.spec.ILB.ClientAuth == "mtls" }

func (x *exposure) caObject() (*unstructured.Unstructured, error) {
	data := map[string][]byte{"ca-bundle.crt": x.caPEM}
	if x.ca != nil {
		data["ca.crt"], data["ca.key"] = x.ca.PEM()
	}
	if x.mtls() && x.clientCA != nil {
		data["client-ca.crt"], data["client-ca.key"] = x.clientCA.PEM()
	}
	return x.secretObject(templates.CASecretName, "Opaque", data)
}

// leafStep keeps what nginx serves: issued by the CA for the address and the
// names, issued anew when it does not cover them, is not the CA's, or ends soon.
type leafStep struct {
	*exposer.Object
	x *exposure
}

func (x *exposure) leafSecret() leafStep {
	o := x.secret(templates.TLSSecretName, "server certificate")
	o.After = append(o.After, x.address().ID(), "secret/"+templates.CASecretName)
	o.Build = func() (*unstructured.Unstructured, string, error) {
		if x.leaf == nil {
			return nil, "a certificate is issued", nil
		}
		object, err := x.leafObject()
		return object, "", err
	}
	return leafStep{o, x}
}

func (s leafStep) Read(ctx context.Context) (exposer.Observed, error) {
	if s.x.deps.Leaving {
		return s.Object.Read(ctx)
	}
	if s.x.own.leaf != nil && s.x.addr.IsValid() {
		if err := s.x.own.leaf.Covers(s.x.certNames()); err != nil {
			return exposer.Observed{Action: exposer.Refuse, Cause: err}, nil
		}
	}
	why, err := s.x.readLeaf(ctx)
	if err != nil {
		return exposer.Observed{}, err
	}
	seen, err := s.Object.Read(ctx)
	if seen.Action == exposer.Change && why != "" {
		seen.Why = why
	}
	return seen, err
}

func (s leafStep) Do(ctx context.Context, note func(string)) error {
	why, err := s.x.readLeaf(ctx)
	if err != nil {
		return err
	}
	if s.x.leaf == nil {
		note(why)
		if err := s.x.issueLeaf(); err != nil {
			return err
		}
	}
	return s.Object.Do(ctx, note)
}

// certNames are the names and addresses under which clients come: the exposure's
// own, and those of who stands on it.
func (x *exposure) certNames() ([]string, []netip.Addr) {
	names, ips := x.guests.Names()
	return slices.Concat(x.spec.ILB.DNSNames, names), append([]netip.Addr{x.addr}, ips...)
}

// beyond is a name or address of a certificate that it need not bear, "" for none.
func beyond(cert *x509.Certificate, names []string, ips []netip.Addr) string {
	for _, name := range cert.DNSNames {
		if !slices.Contains(names, name) {
			return name
		}
	}
	for _, raw := range cert.IPAddresses {
		if ip, ok := netip.AddrFromSlice(raw); ok && !slices.Contains(ips, ip.Unmap()) {
			return ip.Unmap().String()
		}
	}
	return ""
}

// readLeaf sets leaf when the one in the Secret (or the user's own) is good, and
// else says why a new one is needed.
func (x *exposure) readLeaf(ctx context.Context) (why string, err error) {
	x.leaf = nil
	if x.kube == nil || !x.addr.IsValid() {
		return "the address is not known yet", nil
	}
	if x.own.leaf != nil {
		if err := x.own.leaf.Covers(x.certNames()); err != nil {
			return "", err
		}
		x.leaf = x.own.leaf
		return "", nil
	}
	data, err := x.secretData(ctx, templates.TLSSecretName)
	if err != nil {
		return "", err
	}
	if data == nil || x.ca == nil || x.mtls() && x.clientCA == nil {
		return "issues a certificate for " + x.addr.String(), nil
	}
	pair := certs.Pair{CertPEM: data["tls.crt"], KeyPEM: data["tls.key"]}
	names, ips := x.certNames()
	if _, err := certs.LoadPair(x.env(), pair.CertPEM, pair.KeyPEM, certs.Want{DNSNames: names, IPs: ips, CA: x.ca.Trust()}); err != nil {
		return err.Error(), nil
	}
	if extra := beyond(pair.Leaf(), names, ips); extra != "" {
		return "bears " + extra + ", which nobody comes by any more", nil
	}
	if left := certs.DaysLeft(pair.Leaf(), x.deps.Now()); left < renewDays && outlived(pair, x.ca) {
		return fmt.Sprintf("ends in %d days", left), nil
	}
	x.leaf = &pair
	return "", nil
}

// outlived reports whether a certificate ends before its CA does. One that does not
// has all that a new one could have: then it is the CA that has to be renewed.
func outlived(pair certs.Pair, ca *certs.Authority) bool {
	return pair.Leaf().NotAfter.Before(ca.Certificate().NotAfter)
}

func (x *exposure) issueLeaf() error {
	if x.ca == nil {
		return fmt.Errorf("issue certificate: the CA's key is not there")
	}
	names, ips := x.certNames()
	pair, err := x.ca.IssueServer(certs.ServerRequest{DNSNames: names, IPs: ips})
	if err != nil {
		return err
	}
	x.leaf = &pair
	return nil
}

func (x *exposure) leafData() map[string][]byte {
	data := map[string][]byte{"tls.crt": x.leaf.CertPEM, "tls.key": x.leaf.KeyPEM}
	if x.mtls() && x.clientCA != nil {
		data["client-ca.crt"] = x.clientCA.Trust()
	}
	return data
}

func (x *exposure) leafObject() (*unstructured.Unstructured, error) {
	return x.secretObject(templates.TLSSecretName, "kubernetes.io/tls", x.leafData())
}

// clientStep keeps the client's certificate (mtls).
type clientStep struct {
	*exposer.Object
	x *exposure
}

func (x *exposure) clientSecret() clientStep {
	o := x.secret(clientTLSName, "client certificate")
	o.After = append(o.After, "secret/"+templates.CASecretName)
	o.Build = func() (*unstructured.Unstructured, string, error) {
		if x.client == nil {
			return nil, "a client certificate is issued", nil
		}
		object, err := x.secretObject(clientTLSName, "kubernetes.io/tls", map[string][]byte{"tls.crt": x.client.CertPEM, "tls.key": x.client.KeyPEM})
		return object, "", err
	}
	return clientStep{o, x}
}

func (s clientStep) Read(ctx context.Context) (exposer.Observed, error) {
	if s.x.deps.Leaving {
		return s.Object.Read(ctx)
	}
	if err := s.x.readClient(ctx); err != nil {
		return exposer.Observed{}, err
	}
	return s.Object.Read(ctx)
}

func (s clientStep) Do(ctx context.Context, note func(string)) error {
	if err := s.x.readClient(ctx); err != nil {
		return err
	}
	if s.x.client == nil {
		pair, err := s.x.clientCA.IssueClient(certs.ClientRequest{CommonName: exposer.ClientAccount})
		if err != nil {
			return err
		}
		s.x.client = &pair
	}
	return s.Object.Do(ctx, note)
}

func (x *exposure) readClient(ctx context.Context) error {
	x.client = nil
	if x.kube == nil || x.clientCA == nil {
		return nil
	}
	data, err := x.secretData(ctx, clientTLSName)
	if err != nil || data == nil {
		return err
	}
	pair, err := certs.LoadPair(x.env(), data["tls.crt"], data["tls.key"], certs.Want{Client: true, CA: x.clientCA.Trust()})
	if err == nil && (certs.DaysLeft(pair.Leaf(), x.deps.Now()) >= renewDays || !outlived(pair, x.clientCA)) {
		x.client = &certs.Pair{CertPEM: data["tls.crt"], KeyPEM: data["tls.key"]}
	}
	return nil // one that is not good any more is issued anew
}
