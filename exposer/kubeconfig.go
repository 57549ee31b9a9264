package exposer

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"causeway/internal/kube"
	"causeway/kubeconfig"
)

// Output says where the kubeconfig goes.
type Output struct {
	Path       string
	Context    string // the context's name; default causeway-NAME
	Merge      bool   // into an existing file, as get-credentials does
	SetCurrent bool
}

// Made is a kubeconfig in memory.
type Made struct {
	Bytes   []byte // of this exposure alone, whatever it is merged into later
	Context string
	Expires time.Time // of the token; zero: it does not end
	Capped  bool      // the API server gave a shorter life than was asked for
	Reused  bool      // the file at Output.Path holds it already
	Further string    // for a further identity, what tells it apart: "-edit"
	Plugin  string    // the program that gets a Google identity's token; "": the file proves itself
}

// Kubeconfig builds the far side's kubeconfig: the endpoint, what to trust, and
// the client's identity. Unless fresh is set, one that lies at the output path,
// points at the same endpoint and has more than half of its token's life before
// it is kept, so that a second apply makes no token.
func (j Job) Kubeconfig(ctx context.Context, exposure Exposure, endpoint Endpoint, fresh bool) (Made, error) {
	if why := deferred(exposure); why != nil {
		return Made{}, why
	}
	spec := exposure.Spec()
	if carrying, ok := exposure.(Carrying); ok && carrying.Carried() != nil {
		return j.carry(carrying.Carried(), spec, endpoint)
	}
	if !fresh {
		if made, ok, err := j.reuse(spec, endpoint, j.ContextName(spec)); ok || err != nil {
			return made, err
		}
	}
	return j.build(ctx, exposure.Cluster(), spec, endpoint)
}

// carry makes a kubeconfig of a producer's, for the endpoint.
func (j Job) carry(from []byte, spec Spec, endpoint Endpoint) (Made, error) {
	name := j.ContextName(spec)
	text, err := kubeconfig.Retarget(from, name, endpoint.URL, endpoint.TLSServerName)
	if err != nil {
		return Made{}, err
	}
	have, err := kubeconfig.Inspect(text, name)
	return Made{Bytes: text, Context: name, Expires: have.Expires}, err
}

// ContextName is the context's, the cluster's and the user's name: Google's own for
// what it makes a kubeconfig of, where the exposure has been opened.
func (j Job) ContextName(spec Spec) string {
	if j.File.Context != "" {
		return j.File.Context
	}
	if spec.Method == "gateway" && spec.Gateway.Context != "" {
		return spec.Gateway.Context
	}
	return "causeway-" + spec.Name + spec.Access.further()
}

// build makes the kubeconfig with a new token.
func (j Job) build(ctx context.Context, cluster *kube.Client, spec Spec, endpoint Endpoint) (Made, error) {
	if spec.ByGoogle() {
		return j.buildGoogle(spec, endpoint)
	}
	name := j.ContextName(spec)
	credential, err := Mint(ctx, cluster, spec, j.Story)
	if err != nil {
		return Made{}, err
	}
	params := kubeconfig.Params{
		Context: name, ClusterName: name, UserName: name, Server: endpoint.URL, CA: endpoint.CA, TLSServerName: endpoint.TLSServerName,
		Token: credential.Token, ClientCert: endpoint.ClientCert, ClientKey: endpoint.ClientKey,
	}
	if len(spec.Access.Namespaces) > 0 {
		params.Namespace = spec.Access.Namespaces[0]
	}
	if spec.Access.Token == TokenRenewing {
		params.Token, params.Exec = "", renewer(j.Command, spec, credential, endpoint)
	}
	bytes, err := kubeconfig.Build(params)
	if err != nil {
		return Made{}, fmt.Errorf("build kubeconfig: %w", err)
	}
	return Made{Bytes: bytes, Context: name, Expires: credential.Expires, Capped: credential.Capped}, nil
}

// renewer is the exec plugin's entry: causeway itself, which starts with this
// token and renews it before it ends. It may do so for its own token alone. With mtls
// it needs the client's certificate as the client does, and clients tell their plugins
// of the cluster alone.
func renewer(command string, spec Spec, credential Credential, endpoint Endpoint) *kubeconfig.Exec {
	env := map[string]string{TokenVariable: credential.Token}
	if len(endpoint.ClientCert) > 0 {
		env[ClientCertVariable] = base64.StdEncoding.EncodeToString(endpoint.ClientCert)
		env[ClientKeyVariable] = base64.StdEncoding.EncodeToString(endpoint.ClientKey)
	}
	return &kubeconfig.Exec{
		Command: command,
		Args:    []string{"credential", "--namespace", spec.Namespace, "--service-account", spec.Access.account(), "--token-ttl", spec.Access.TTL().String()},
		Env:     env,
	}
}

// What a renewing kubeconfig carries to the plugin: its first token, and with mtls the
// client's certificate and key, each base64 of PEM as elsewhere in a kubeconfig.
const (
	TokenVariable      = "CAUSEWAY_TOKEN"
	ClientCertVariable = "CAUSEWAY_CLIENT_CERTIFICATE_DATA"
	ClientKeyVariable  = "CAUSEWAY_CLIENT_KEY_DATA"
)

// reuse takes this exposure's entries out of the file at the output path when
// they are still good.
func (j Job) reuse(spec Spec, endpoint Endpoint, name string) (Made, bool, error) {
	text, err := kubeconfig.Read(j.File.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Made{}, false, nil
	}
	if err != nil {
		return Made{}, false, err
	}
	alone, err := kubeconfig.Extract(text, name)
	if err != nil || alone == nil {
		return Made{}, false, err
	}
	have, err := kubeconfig.Inspect(alone, name)
	if err != nil {
		return Made{}, false, err
	}
	if spec.ByGoogle() {
		return j.reuseGoogle(spec, endpoint, alone, have)
	}
	same := have.Server == endpoint.URL && have.TLSServerName == endpoint.TLSServerName && string(have.CA) == string(endpoint.CA) &&
		string(have.ClientCert) == string(endpoint.ClientCert) && have.Renewing == (spec.Access.Token == TokenRenewing) &&
		(have.Expires.IsZero() == (spec.Access.Token == TokenSecret)) && have.Account == spec.Namespace+"/"+spec.Access.account()
	if !same {
		return Made{}, false, nil
	}
	if !have.Expires.IsZero() && have.Expires.Sub(j.Deps.Now()) < have.Expires.Sub(have.Issued)/2 {
		return Made{}, false, nil
	}
	return Made{Bytes: alone, Context: name, Expires: have.Expires, Reused: true}, true, nil
}

// write puts the kubeconfig at the output path, 0600, whole or not at all, and not
// over what is somebody else's (CW-CFG-FOREIGN): a file may come while others work.
func (o Output) write(made []byte) error {
	mine, err := kubeconfig.Inspect(made, "")
	if err != nil {
		return err
	}
	return kubeconfig.Update(o.Path, func(old []byte) ([]byte, error) {
		if err := o.foreign(old, mine.Context, mine); err != nil {
			return nil, err
		}
		if !o.Merge {
			return made, nil
		}
		return kubeconfig.Merge(old, made, kubeconfig.MergeOptions{SetCurrent: o.SetCurrent})
	})
}

// Write is write for the verb kubeconfig.
func (o Output) Write(made Made) error { return o.write(made.Bytes) }
