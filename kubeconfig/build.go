package kubeconfig

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"
	"sigs.k8s.io/yaml"
)

// execAPI is the version of the exec plugin protocol, the one that is not beta;
// kubectl knows it since 1.22.
const execAPI = "client.authentication.k8s.io/v1"

// Params is what goes into a kubeconfig with one context.
type Params struct {
	Context       string // the context's name
	ClusterName   string // default: Context
	UserName      string // default: Context
	Server        string // https URL
	CA            []byte // PEM bundle; empty where the server has a public certificate
	TLSServerName string // checked in the certificate instead of the URL's host
	Namespace     string // the context's default namespace
	Token         string // bearer token; not together with Exec
	Exec          *Exec
	ClientCert    []byte // PEM, for mtls; with ClientKey
	ClientKey     []byte // PEM
}

// Exec is a plugin that gives the token. Its interactiveMode is Never: it runs in
// CI and in controllers as it does in a terminal. Of one that speaks the protocol's
// beta it is left open, as gcloud leaves it.
type Exec struct {
	Command     string // a path, or a name to be found on PATH
	Args        []string
	Env         map[string]string
	InstallHint string // shown by kubectl when the command is not there; "" is causeway's own
	API         string // version of the protocol; "" is client.authentication.k8s.io/v1
	NoCluster   bool   // the plugin need not be told which cluster it is called for
}

const installHint = "causeway renews the token of this kubeconfig: install causeway, or ask who gave you the file for one with a token in it"

// Build makes a kubeconfig with one cluster, user and context, which is its current
// context, from data that stands in the file itself. Every problem is told at once,
// with the code CW-CFG-PARAMS.
func Build(params Params) ([]byte, error) {
	const op = "build kubeconfig"
	if params.ClusterName == "" {
		params.ClusterName = params.Context
	}
	if params.UserName == "" {
		params.UserName = params.Context
	}
	if found := params.problems(); len(found) > 0 {
		return nil, &Error{Op: op, Problems: found, Known: "CW-CFG-PARAMS"}
	}
	config := clientcmdv1.Config{
		Kind: "Config", APIVersion: "v1", CurrentContext: params.Context,
		Clusters: []clientcmdv1.NamedCluster{{Name: params.ClusterName, Cluster: clientcmdv1.Cluster{
			Server: params.Server, TLSServerName: params.TLSServerName, CertificateAuthorityData: params.CA,
		}}},
		AuthInfos: []clientcmdv1.NamedAuthInfo{{Name: params.UserName, AuthInfo: clientcmdv1.AuthInfo{
			Token: params.Token, ClientCertificateData: params.ClientCert, ClientKeyData: params.ClientKey,
			Exec: params.Exec.config(),
		}}},
		Contexts: []clientcmdv1.NamedContext{{Name: params.Context, Context: clientcmdv1.Context{
			Cluster: params.ClusterName, AuthInfo: params.UserName, Namespace: params.Namespace,
		}}},
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return unset.ReplaceAll(text, nil), nil
}

// unset are the lines of an exec plugin's lists that are not there: the type writes
// them as null, gcloud leaves them out.
var unset = regexp.MustCompile(`(?m)^ +(args|env): null\n`)

func (e *Exec) config() *clientcmdv1.ExecConfig {
	if e == nil {
		return nil
	}
	hint := e.InstallHint
	if hint == "" {
		hint = installHint
	}
	config := &clientcmdv1.ExecConfig{
		Command: e.Command, Args: e.Args, APIVersion: e.API, InstallHint: hint,
		// A plugin that renews a token does so at the cluster that the client talks to.
		ProvideClusterInfo: !e.NoCluster,
	}
	if e.API == "" {
		config.APIVersion, config.InteractiveMode = execAPI, clientcmdv1.NeverExecInteractiveMode
	}
	for _, name := range slices.Sorted(maps.Keys(e.Env)) {
		config.Env = append(config.Env, clientcmdv1.ExecEnvVar{Name: name, Value: e.Env[name]})
	}
	return config
}

func (params Params) problems() []string {
	var found []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	add(params.Context == "", "the context has no name")
	for what, text := range map[string]string{
		"context": params.Context, "cluster": params.ClusterName, "user": params.UserName,
		"namespace": params.Namespace, "TLS server name": params.TLSServerName,
	} {
		add(strings.ContainsFunc(text, control), "the name of the %s holds a control character", what)
	}
	if problem := serverProblem(params.Server); problem != "" {
		add(true, "server %s", problem)
	}
	add(len(params.CA) > 0 && !onlyCertificates(params.CA), "the CA is not PEM of certificates alone")
	add(params.Token != "" && params.Exec != nil, "token and exec plugin exclude each other")
	add(strings.ContainsFunc(params.Token, func(r rune) bool { return r <= ' ' || r > '~' }), "the token holds a space, a line break or another character that no token has")
	if params.Exec != nil {
		add(params.Exec.Command == "", "the exec plugin has no command")
		_, unnamed := params.Exec.Env[""]
		add(unnamed, "a variable of the exec plugin has no name")
	}
	switch hasCert, hasKey := len(params.ClientCert) > 0, len(params.ClientKey) > 0; {
	case hasCert != hasKey:
		add(true, "client certificate and client key go together: one is missing")
	case hasCert:
		_, err := tls.X509KeyPair(params.ClientCert, params.ClientKey)
		add(err != nil, "client certificate and client key do not belong together, or one is not PEM")
	}
	slices.Sort(found) // the names above come from a map
	return found
}

func control(r rune) bool { return r < ' ' || r == 0x7f }

// serverProblem says what is wrong with the server's URL, "" for nothing.
func serverProblem(server string) string {
	if server == "" {
		return "is missing"
	}
	u, err := url.Parse(server)
	switch {
	case err != nil:
		return "is not a URL"
	case u.Scheme != "https":
		return fmt.Sprintf("%q is not https: a token would go out readable", u.Redacted())
	case u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Sprintf("%q must be https://HOST[:PORT][/PATH]", u.Redacted())
	}
	return ""
}

// onlyCertificates says whether text is certificates and nothing secret.
func onlyCertificates(text []byte) bool {
	count := 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			return false
		}
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			return false
		}
		count++
	}
	return count > 0
}
