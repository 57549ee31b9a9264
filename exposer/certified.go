package exposer

import (
	"context"

	"causeway/certs"
)

// Certificates are what an exposure serves and trusts.
type Certificates struct {
	Bundle []byte      // PEM: what clients trust
	Server *certs.Pair // nil: none yet
	Client *certs.Pair // mtls
}

// Certified is an exposure with certificates of causeway's own.
type Certified interface {
	Certificates(ctx context.Context) (Certificates, error)
	// Rotate issues the server's certificate anew and lets the pods follow one
	// by one; with ca also the CA, so that old kubeconfigs go on working as long
	// as the old CA lives and new ones trust both.
	Rotate(ctx context.Context, ca bool, run Run) error
}
