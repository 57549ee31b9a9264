package exposer

import (
	"context"
	"time"

	"causeway/internal/kube"
	"causeway/templates"
)

// ClientAccount is the ServiceAccount that the kubeconfig's token belongs to.
const ClientAccount = templates.ClientName

// AccessSteps are the ServiceAccount, its rights and, where asked for, its
// long-lived token. They are the same for every method.
func AccessSteps(cluster *kube.Client, spec Spec, namespaceID string) ([]Step, error) {
	access := templates.Access{Exposure: spec.Name, Namespace: spec.Namespace, Role: spec.Access.Role, Namespaces: spec.Access.Namespaces}
	manifests, err := access.Manifests()
	if err == nil && spec.Access.Token == TokenRenewing {
		var renewer []templates.Manifest
		renewer, err = access.Renewer()
		manifests = append(manifests, renewer...)
	}
	if err == nil && spec.Access.Token == TokenSecret {
		var secret templates.Manifest
		secret, err = access.TokenSecret()
		manifests = append(manifests, secret)
	}
	if err != nil {
		return nil, err
	}
	return ObjectSteps(cluster, spec.Name, namespaceID, manifests), nil
}

// Credential is what the kubeconfig proves its identity with.
type Credential struct {
	Token   string
	Expires time.Time // zero: never, which is said aloud
	Capped  bool      // the API server gave less than was asked for
}

// Mint gets a token for the client's ServiceAccount: by TokenRequest, or, for
// access.token: secret, from the Secret once the cluster has filled it. The
// expiry is the token's own, whatever was asked for.
func Mint(ctx context.Context, cluster *kube.Client, spec Spec, note func(string)) (Credential, error) {
	if spec.Access.Token == TokenSecret {
		token, err := cluster.SecretToken(ctx, spec.Namespace, templates.TokenSecretName, note)
		return Credential{Token: token}, err
	}
	token, err := cluster.Token(ctx, spec.Namespace, ClientAccount, spec.Access.TTL())
	if err != nil {
		return Credential{}, err
	}
	return Credential{Token: token.Value, Expires: token.Expires, Capped: token.Capped}, nil
}
