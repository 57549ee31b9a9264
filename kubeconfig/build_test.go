package kubeconfig

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestBuildLoads has client-go read what Build makes, and confirm that it is usable.
func TestBuildLoads(t *testing.T) {
	ca, _ := selfSigned(t, "ca")
	cert, key := selfSigned(t, "client")
	for name, test := range map[string]struct {
		params Params
		check  func(*testing.T, *clientcmdapi.Cluster, *clientcmdapi.AuthInfo, *clientcmdapi.Context)
	}{
		"a token": {Params{Context: "c", Server: "https://10.0.0.5", CA: ca, Token: "t0ken"}, func(t *testing.T, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo, context *clientcmdapi.Context) {
			if user.Token != "t0ken" || string(cluster.CertificateAuthorityData) != string(ca) || cluster.InsecureSkipTLSVerify || user.Exec != nil {
				t.Errorf("%+v %+v", cluster, user)
			}
			if context.Cluster != "c" || context.AuthInfo != "c" || context.Namespace != "" {
				t.Errorf("%+v", context)
			}
		}},
		"names, port, TLS server name and namespace": {Params{Context: "c", ClusterName: "k", UserName: "u", Server: "https://[fd00::5]:8443/base", TLSServerName: "kubernetes", Namespace: "apps"}, func(t *testing.T, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo, context *clientcmdapi.Context) {
			if cluster.Server != "https://[fd00::5]:8443/base" || cluster.TLSServerName != "kubernetes" || context.Cluster != "k" || context.AuthInfo != "u" || context.Namespace != "apps" {
				t.Errorf("%+v %+v", cluster, context)
			}
		}},
		"an exec plugin beside a client certificate": {Params{Context: "c", Server: "https://a.example", CA: ca, ClientCert: cert, ClientKey: key, Exec: &Exec{
			Command: "causeway", Args: []string{"credential"}, Env: map[string]string{"B": "2", "A": "1"},
		}}, func(t *testing.T, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo, context *clientcmdapi.Context) {
			wanted := clientcmdapi.ExecConfig{
				Command: "causeway", Args: []string{"credential"}, APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: "Never", ProvideClusterInfo: true,
				Env: []clientcmdapi.ExecEnvVar{{Name: "A", Value: "1"}, {Name: "B", Value: "2"}}, InstallHint: installHint,
			}
			if diff := cmp.Diff(wanted.String(), user.Exec.String()); diff != "" {
				t.Error(diff)
			}
			if string(user.ClientCertificateData) != string(cert) || string(user.ClientKeyData) != string(key) {
				t.Error("the client's certificate is another one")
			}
		}},
		"a hint of the caller's own": {Params{Context: "c", Server: "https://a.example", Exec: &Exec{Command: "x", InstallHint: "ask Eve"}}, func(t *testing.T, _ *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo, _ *clientcmdapi.Context) {
			if user.Exec.InstallHint != "ask Eve" {
				t.Errorf("%q", user.Exec.InstallHint)
			}
		}},
		"names that YAML reads as something else": {Params{Context: "on", ClusterName: "1e3", UserName: "null", Server: "https://a.example", Token: "0x10", Namespace: "yes"}, func(t *testing.T, _ *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo, context *clientcmdapi.Context) {
			if context.Cluster != "1e3" || context.AuthInfo != "null" || context.Namespace != "yes" || user.Token != "0x10" {
				t.Errorf("%+v", context)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			text := build(t, test.params)
			config, err := clientcmd.Load(text)
			if err != nil {
				t.Fatal(err)
			}
			if err := clientcmd.ConfirmUsable(*config, ""); err != nil {
				t.Error(err)
			}
			if config.CurrentContext != test.params.Context {
				t.Errorf("current context %q", config.CurrentContext)
			}
			context := config.Contexts[test.params.Context]
			test.check(t, config.Clusters[context.Cluster], config.AuthInfos[context.AuthInfo], context)
			if got := kubectl(t, text, "config", "current-context"); strings.TrimSpace(got) != test.params.Context {
				t.Errorf("kubectl reads %q", got)
			}
			kubectl(t, text, "config", "view", "--minify", "--raw")
		})
	}
}

func TestBuildRefuses(t *testing.T) {
	ca, _ := selfSigned(t, "ca")
	cert, key := selfSigned(t, "client")
	other, _ := selfSigned(t, "other")
	good := func(edit func(*Params)) Params {
		params := Params{Context: "c", Server: "https://10.0.0.5", CA: ca, Token: "secret-token"}
		edit(&params)
		return params
	}
	for name, test := range map[string]struct {
		params Params
		texts  []string
	}{
		"nothing":                        {Params{}, []string{"several problems", "context has no name", "server is missing"}},
		"http":                           {good(func(p *Params) { p.Server = "http://10.0.0.5" }), []string{"not https"}},
		"an address alone":               {good(func(p *Params) { p.Server = "10.0.0.5" }), []string{"not https"}},
		"a password in the URL":          {good(func(p *Params) { p.Server = "https://u:hunter2@10.0.0.5" }), []string{"must be https://HOST"}},
		"a query":                        {good(func(p *Params) { p.Server = "https://10.0.0.5?x=1" }), []string{"must be https://HOST"}},
		"no host":                        {good(func(p *Params) { p.Server = "https://:443" }), []string{"must be https://HOST"}},
		"no URL":                         {good(func(p *Params) { p.Server = "https://a b" }), []string{"is not a URL"}},
		"a CA that is text":              {good(func(p *Params) { p.CA = []byte("hello") }), []string{"CA is not PEM"}},
		"a CA with a key in it":          {good(func(p *Params) { p.CA = append(ca, key...) }), []string{"certificates alone"}},
		"a damaged CA":                   {good(func(p *Params) { p.CA = []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n") }), []string{"CA is not PEM"}},
		"a token with its line end":      {good(func(p *Params) { p.Token = "secret-token\n" }), []string{"line break"}},
		"token and plugin":               {good(func(p *Params) { p.Exec = &Exec{Command: "x"} }), []string{"exclude each other"}},
		"a plugin without a command":     {good(func(p *Params) { p.Token, p.Exec = "", &Exec{Env: map[string]string{"": "x"}} }), []string{"no command", "no name"}},
		"a certificate without its key":  {good(func(p *Params) { p.ClientCert = cert }), []string{"one is missing"}},
		"a certificate of another key":   {good(func(p *Params) { p.ClientCert, p.ClientKey = other, key }), []string{"do not belong together"}},
		"a line break in a name":         {good(func(p *Params) { p.Context = "a\nb" }), []string{"context holds a control"}},
		"a line break in the namespace":  {good(func(p *Params) { p.Namespace = "a\nb" }), []string{"namespace holds"}},
		"a line break in the TLS server": {good(func(p *Params) { p.TLSServerName = "a\nb" }), []string{"TLS server name holds"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Build(test.params)
			want(t, err, "CW-CFG-PARAMS", append(test.texts, "build kubeconfig: ")...)
			for _, secret := range []string{"secret-token", "hunter2", string(key)} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error holds a secret: %v", err)
				}
			}
		})
	}
}

// TestBuildGolden holds the file's form, which people compare and scripts/verify.sh reads.
func TestBuildGolden(t *testing.T) {
	for name, params := range map[string]Params{
		"token": {Context: "causeway-prod", Server: "https://10.0.0.5", TLSServerName: "kubernetes", Namespace: "apps", Token: "t0ken"},
		"exec":  {Context: "causeway-prod", Server: "https://10.0.0.5", Exec: &Exec{Command: "/usr/bin/causeway", Args: []string{"credential"}, Env: map[string]string{"A": "b"}}},
	} {
		got, path := build(t, params), "testdata/"+name+".golden.yaml"
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		golden, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(golden), string(got)); diff != "" {
			t.Errorf("%s (run with -update after a wanted change):\n%s", path, diff)
		}
	}
}

func TestBuildOfPluginsThatAreNotCauseways(t *testing.T) {
	t.Parallel()
	base := Params{Context: "c", Server: "https://gke-x.europe-west3.gke.goog"}
	for name, c := range map[string]struct {
		exec  Exec
		has   []string
		hasNo []string
	}{
		"one that speaks the beta, as gcloud writes it": {Exec{Command: "gke-gcloud-auth-plugin", API: "client.authentication.k8s.io/v1beta1", InstallHint: "x"},
			[]string{"apiVersion: client.authentication.k8s.io/v1beta1", "provideClusterInfo: true"}, []string{"interactiveMode", "args", "env", "certificate-authority"}},
		"one that need not know the cluster": {Exec{Command: "causeway", Args: []string{"credential", "--google"}, NoCluster: true},
			[]string{"apiVersion: client.authentication.k8s.io/v1\n", "interactiveMode: Never", "provideClusterInfo: false", "- --google"}, []string{"env", "certificate-authority"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			params := base
			params.Exec = &c.exec
			text := string(build(t, params))
			for _, want := range c.has {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing:\n%s", want, text)
				}
			}
			for _, not := range c.hasNo {
				if strings.Contains(text, not+":") || strings.Contains(text, not+"-data:") {
					t.Errorf("%q is there:\n%s", not, text)
				}
			}
			if have, err := Inspect([]byte(text), ""); err != nil || have.Command != c.exec.Command || len(have.Args) != len(c.exec.Args) {
				t.Errorf("read back: %+v %v", have, err)
			}
		})
	}
}
