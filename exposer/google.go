package exposer

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"causeway/kubeconfig"
)

// GoogleClient says as whom the users of a kubeconfig act that holds no identity
// itself. The zero value is each user's own: Application Default Credentials, or
// what CLOUDSDK_AUTH_... says where the kubeconfig is used.
type GoogleClient struct {
	Impersonate string // service account, or a chain "delegate,...,account"
	TokenFile   string // a bare access token, on the machine that uses the kubeconfig
}

// gkePlugin is Google's own exec plugin; what stands here is what
// `gcloud container clusters get-credentials --dns-endpoint` writes.
const (
	gkePlugin     = "gke-gcloud-auth-plugin"
	gkePluginAPI  = "client.authentication.k8s.io/v1beta1"
	gkePluginHint = "Install gke-gcloud-auth-plugin for use with kubectl by following https://cloud.google.com/kubernetes-engine/docs/how-to/cluster-access-for-kubectl#install_plugin"
)

const googleHint = "causeway gets the Google token for this kubeconfig: install causeway, or ask who gave you the file for one with gke-gcloud-auth-plugin (--auth-plugin gcloud)"

// googleExec is the entry of the program that gets the token.
func (j Job) googleExec(spec Spec) *kubeconfig.Exec {
	if spec.authPlugin() == PluginGcloud {
		exec := &kubeconfig.Exec{Command: gkePlugin, API: gkePluginAPI, InstallHint: gkePluginHint}
		if j.Google.Impersonate != "" {
			exec.Args = []string{"--impersonate_service_account=" + j.Google.Impersonate}
		}
		if j.Google.TokenFile != "" { // the plugin asks gcloud, which has no flag of it here
			exec.Env = map[string]string{"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": j.Google.TokenFile}
		}
		return exec
	}
	exec := &kubeconfig.Exec{Command: j.Command, Args: []string{"credential", "--google"}, NoCluster: true, InstallHint: googleHint}
	if j.Google.Impersonate != "" {
		exec.Args = append(exec.Args, "--impersonate-service-account", j.Google.Impersonate)
	}
	if j.Google.TokenFile != "" {
		exec.Args = append(exec.Args, "--access-token-file", j.Google.TokenFile)
	}
	return exec
}

// buildGoogle makes a kubeconfig that holds no secret at all: where to go, and
// which program gets the user's token.
func (j Job) buildGoogle(spec Spec, endpoint Endpoint) (Made, error) {
	name, exec := j.ContextName(spec), j.googleExec(spec)
	bytes, err := kubeconfig.Build(kubeconfig.Params{Context: name, ClusterName: name, UserName: name,
		Server: endpoint.URL, CA: endpoint.CA, TLSServerName: endpoint.TLSServerName, Exec: exec})
	if err != nil {
		return Made{}, fmt.Errorf("build kubeconfig: %w", err)
	}
	return Made{Bytes: bytes, Context: name, Plugin: spec.plugin()}, nil
}

// authPlugin is the program that gets a Google identity's token for clients.
func (s Spec) authPlugin() string {
	if s.Method == "gateway" {
		return s.Gateway.AuthPlugin
	}
	return s.DNS.AuthPlugin
}

// plugin names the program for people.
func (s Spec) plugin() string {
	if s.authPlugin() == PluginGcloud {
		return gkePlugin
	}
	return "causeway credential"
}

// reuseGoogle keeps a kubeconfig that leads to the endpoint by the same program.
// Arguments that this run was not told stay as the user has them.
func (j Job) reuseGoogle(spec Spec, endpoint Endpoint, alone []byte, have kubeconfig.Summary) (Made, bool, error) {
	want := j.googleExec(spec)
	same := have.Server == endpoint.URL && have.TLSServerName == endpoint.TLSServerName && string(have.CA) == string(endpoint.CA) &&
		have.Renewing && have.Account == "" && have.Command == want.Command
	if j.Google != (GoogleClient{}) {
		same = same && slices.Equal(have.Args, want.Args)
	}
	if !same {
		return Made{}, false, nil
	}
	return Made{Bytes: alone, Context: have.Context, Plugin: spec.plugin(), Reused: true}, true, nil
}

// rereadToken is how long clients may keep a token that does not say when it ends:
// whoever refreshes the file that it is in keeps them going.
const rereadToken = time.Minute

// GoogleCredential answers a Kubernetes client as client.authentication.k8s.io
// wants it, in the version that execInfo (KUBERNETES_EXEC_INFO, may be empty) asks
// for. A zero expires means that the token says none.
func GoogleCredential(execInfo, token string, expires, now time.Time) ([]byte, error) {
	var info struct {
		APIVersion string `json:"apiVersion"`
	}
	if execInfo != "" {
		if err := json.Unmarshal([]byte(execInfo), &info); err != nil {
			return nil, &RunError{Code_: "CW-TOKEN-PLUGIN", Text: "get Google token: KUBERNETES_EXEC_INFO is not what Kubernetes clients set"}
		}
	}
	fill(&info.APIVersion, "client.authentication.k8s.io/v1")
	if expires.IsZero() {
		expires = now.Add(rereadToken)
	}
	return json.Marshal(map[string]any{
		"apiVersion": info.APIVersion, "kind": "ExecCredential",
		"status": map[string]any{"token": token, "expirationTimestamp": expires.UTC().Format(time.RFC3339)},
	})
}
