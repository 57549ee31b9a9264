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
	manifests, err := accessManifests(spec)
	if err != nil {
		return nil, err
	}
	steps := ObjectSteps(cluster, spec.Name, namespaceID, manifests)
	for _, step := range steps {
		// The cluster deletes a token Secret whose ServiceAccount it does not find.
		if o, ok := step.(*Object); ok && o.Ref.Kind == "Secret" {
			o.After = append(o.After, "serviceaccount/"+spec.Access.account())
		}
	}
	return steps, nil
}

func accessManifests(spec Spec) ([]templates.Manifest, error) {
	access := accessOf(spec)
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
	return manifests, err
}

func accessOf(spec Spec) templates.Access {
	a := spec.Access
	return templates.Access{Exposure: spec.Name, Namespace: spec.Namespace, Account: a.Account, Role: a.Role, Namespaces: a.Namespaces}
}

// account is the ServiceAccount that a kubeconfig of this access belongs to.
func (a Access) account() string {
	if a.Account == "" {
		return ClientAccount
	}
	return a.Account
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
		token, err := cluster.SecretToken(ctx, spec.Namespace, accessOf(spec).TokenSecretName(), note)
		return Credential{Token: token}, err
	}
	token, err := cluster.Token(ctx, spec.Namespace, spec.Access.account(), spec.Access.TTL())
	if err != nil {
		return Credential{}, err
	}
	return Credential{Token: token.Value, Expires: token.Expires, Capped: token.Capped}, nil
}

// CheckAccess looks for the role and the namespaces that the far side is to get
// rights by and in: Kubernetes takes a binding to a role that does not exist, and
// it gives nothing.
func CheckAccess(ctx context.Context, cluster *kube.Client, spec Spec) ([]Problem, error) {
	var problems []Problem
	absent := func(ref kube.Ref, code, fix string) error {
		live, err := cluster.Get(ctx, ref)
		if codeOf(err) == "CW-KUBE-FORBIDDEN" {
			return nil // who may not look can still bind it
		}
		if err == nil && live == nil {
			problems = append(problems, Problem{Code: code, Text: ref.String() + " does not exist in the cluster", Fix: fix})
		}
		return err
	}
	if role := spec.Access.Role; role != templates.RoleNodeReader {
		if err := absent(kube.Ref{Group: rbacGroup, Version: "v1", Kind: "ClusterRole", Name: role}, "CW-KUBE-ROLE",
			"name one of `kubectl get clusterroles` with --role"); err != nil {
			return problems, err
		}
	}
	for _, ns := range spec.Access.Namespaces {
		if ns == spec.Namespace {
			continue
		}
		if err := absent(kube.Ref{Version: "v1", Kind: "Namespace", Name: ns}, "CW-KUBE-NAMESPACE",
			"make it first, or leave it out of access.namespaces"); err != nil {
			return problems, err
		}
	}
	return problems, nil
}
