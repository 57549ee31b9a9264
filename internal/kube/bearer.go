package kube

import "k8s.io/client-go/rest"

// Bearer is a server and a token for it.
type Bearer struct {
	Server        string // URL
	CA            []byte // PEM; empty: the system's roots
	TLSServerName string // when the URL's host is not in the certificate
	Token         string
	ClientCert    []byte // PEM, where a proxy on the way demands a client's certificate; with ClientKey
	ClientKey     []byte // PEM
}

// FromBearer makes a client that proves itself by the token; nothing is sent yet.
func FromBearer(b Bearer, env Env) (*Client, error) {
	return New(&rest.Config{
		Host: b.Server, BearerToken: b.Token,
		TLSClientConfig: rest.TLSClientConfig{CAData: b.CA, ServerName: b.TLSServerName, CertData: b.ClientCert, KeyData: b.ClientKey},
	}, env)
}
