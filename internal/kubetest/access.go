package kubetest

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"k8s.io/client-go/rest"
)

// ConfigFor is a client's configuration that authenticates with the token, for
// example GoogleToken. Its rate limit is off: a test should not wait for itself.
func (s *Server) ConfigFor(token string) *rest.Config {
	return &rest.Config{
		Host: s.URL, BearerToken: token, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{CAData: s.CA},
	}
}

// AddrPort is where the server listens.
func (s *Server) AddrPort() netip.AddrPort {
	return netip.MustParseAddrPort(strings.TrimPrefix(s.URL, "https://"))
}

// ClientCert issues a certificate with which its bearer is the user name in the
// groups, both as PEM.
func (s *Server) ClientCert(name string, groups ...string) (certPEM, keyPEM []byte, err error) {
	return s.authority.issue(pkix.Name{CommonName: name, Organization: groups}, x509.ExtKeyUsageClientAuth, nil)
}

// Kubeconfig is a file's content with one context of that name, for the token.
func (s *Server) Kubeconfig(context, token string) ([]byte, error) {
	type named map[string]any
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": context,
		"clusters": []named{{"name": context, "cluster": map[string]any{
			"server": s.URL, "certificate-authority-data": s.CA}}},
		"users":    []named{{"name": context, "user": map[string]any{"token": token}}},
		"contexts": []named{{"name": context, "context": map[string]any{"cluster": context, "user": context}}},
	}
	text, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig: %w", err)
	}
	return text, nil
}
