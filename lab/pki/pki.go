// Package pki makes the lab cluster's own keys: its CA, the certificates of its
// components, and the kubeconfigs that hold them; and the root behind Google's front ends. It is not the product's CA
// (that is package certs): here a cloud provider's part is played.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// Authority is the cluster's CA; it writes what it issues into a directory.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	PEM  []byte // the CA's certificate
}

// New makes the cluster's CA (ca.crt) and the key that signs ServiceAccount tokens
// (sa.key, sa.pub) in dir.
func New(dir string) (*Authority, error) {
	a, err := Root(dir, "lab-cluster-ca")
	if err != nil {
		return nil, err
	}
	return a, a.tokenKey()
}

// Root makes a CA of that name (ca.crt) in dir: also the one that stands for the
// public CAs, which the cluster's own has nothing to do with.
func Root(dir, name string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make cluster keys: %w", err)
	}
	a := &Authority{dir: dir}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, fmt.Errorf("make cluster CA: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, a.key.Public(), a.key)
	if err != nil {
		return nil, fmt.Errorf("make cluster CA: %w", err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("make cluster CA: %w", err)
	}
	a.PEM = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a, a.write("ca.crt", a.PEM)
}

func (a *Authority) tokenKey() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make token key: %w", err)
	}
	if err := a.writeKey("sa.key", key); err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("make token key: %w", err)
	}
	return a.write("sa.pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// Path is where a file that this authority wrote lies.
func (a *Authority) Path(name string) string { return filepath.Join(a.dir, name) }

// Issue writes NAME.crt and NAME.key; with names or addresses it is a server's
// certificate too.
func (a *Authority) Issue(name string, subject pkix.Name, dnsNames []string, ips []netip.Addr) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("issue certificate %s: %w", name, err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: subject,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames: dnsNames,
	}
	for _, ip := range ips {
		template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
	}
	if len(dnsNames)+len(ips) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("issue certificate %s: %w", name, err)
	}
	if err := a.write(name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})); err != nil {
		return err
	}
	return a.writeKey(name+".key", key)
}

// Kubeconfig issues a client certificate and writes NAME.kubeconfig with it.
func (a *Authority) Kubeconfig(name, server string, subject pkix.Name) (path string, err error) {
	if err := a.Issue(name, subject, nil, nil); err != nil {
		return "", err
	}
	text, err := a.Config(name, server)
	if err != nil {
		return "", err
	}
	return a.Path(name + ".kubeconfig"), a.write(name+".kubeconfig", text)
}

// Config renders a kubeconfig with the certificate that was issued under name.
func (a *Authority) Config(name, server string) ([]byte, error) {
	cert, err := os.ReadFile(a.Path(name + ".crt"))
	if err != nil {
		return nil, fmt.Errorf("render kubeconfig %s: %w", name, err)
	}
	key, err := os.ReadFile(a.Path(name + ".key"))
	if err != nil {
		return nil, fmt.Errorf("render kubeconfig %s: %w", name, err)
	}
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: lab
contexts:
- name: lab
  context: {cluster: lab, user: %s}
clusters:
- name: lab
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
`, name, server, b64(a.PEM), name, b64(cert), b64(key)), nil
}

func (a *Authority) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("write key %s: %w", name, err)
	}
	return a.write(name, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}))
}

func (a *Authority) write(name string, data []byte) error {
	if err := os.WriteFile(a.Path(name), data, 0o600); err != nil {
		return fmt.Errorf("write cluster keys: %w", err)
	}
	return nil
}
