package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"k8s.io/client-go/rest"
)

// ServerVersion is the API server's, as "v1.34.1-gke.100".
func (c *Client) ServerVersion(ctx context.Context) (string, error) {
	body, _, err := c.raw(ctx, "/version", "application/json")
	if err != nil {
		return "", err
	}
	var version struct{ GitVersion string }
	if err := json.Unmarshal(body, &version); err != nil {
		return "", fmt.Errorf("read /version: %w", err)
	}
	return version.GitVersion, nil
}

// ServerCertificate is the certificate that the API server itself presents. By
// the DNS endpoint one sees Google's front end instead: then the private and the
// public endpoint are asked, by a TLS handshake alone.
func (c *Client) ServerCertificate(ctx context.Context) (*x509.Certificate, error) {
	if c.via == ByDNS {
		return c.certificateElsewhere(ctx)
	}
	_, response, err := c.raw(ctx, "/version", "")
	if response == nil {
		return nil, err // any answer shows the certificate, a refusal too
	}
	if response.TLS == nil || len(response.TLS.PeerCertificates) == 0 {
		return nil, fail("CW-TLS-SERVER-NAME", "read", "certificate of "+c.host, "the connection is not TLS")
	}
	return response.TLS.PeerCertificates[0], nil
}

func (c *Client) certificateElsewhere(ctx context.Context) (*x509.Certificate, error) {
	errs := []error{errors.New("by the DNS endpoint only Google's certificate is seen")}
	for _, server := range c.tlsOf {
		parsed, err := url.Parse(server)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		certificate, err := c.handshake(ctx, hostPort(parsed.String()))
		if err == nil {
			return certificate, nil
		}
		errs = append(errs, err)
	}
	return nil, fail("CW-TLS-SERVER-NAME", "read", "certificate of the API server", "%w", errors.Join(errs...))
}

// handshake reads the certificate of an address and verifies its chain against
// the cluster's CA. Its name is not compared: names are what is being asked for.
func (c *Client) handshake(ctx context.Context, address string) (*x509.Certificate, error) {
	ctx, cancel := context.WithTimeout(ctx, endpointBound)
	defer cancel()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.clusterCA)
	var leaf *x509.Certificate
	verify := func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, other := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(other)
		}
		leaf = state.PeerCertificates[0]
		_, err := leaf.Verify(options)
		return err
	}
	dialer := tls.Dialer{Config: &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true, VerifyConnection: verify}}
	conn, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return leaf, conn.Close()
}

// ServerNames are the DNS names and addresses that the API server's certificate
// bears, DNS names first.
func (c *Client) ServerNames(ctx context.Context) ([]string, error) {
	certificate, err := c.ServerCertificate(ctx)
	if err != nil {
		return nil, err
	}
	names := slices.Clone(certificate.DNSNames)
	for _, ip := range certificate.IPAddresses {
		names = append(names, ip.String())
	}
	return names, nil
}

// CA is the PEM bundle that the client verifies the server with; empty: the
// system's roots.
func (c *Client) CA() []byte {
	config := rest.CopyConfig(c.config)
	if err := rest.LoadTLSFiles(config); err != nil {
		return nil // the client works, so they were readable when it was made
	}
	return config.CAData
}
