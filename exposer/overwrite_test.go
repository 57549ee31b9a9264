package exposer

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"causeway/kubeconfig"
)

// jwt is a token of an account as an issuer would sign it.
func jwt(t *testing.T, issuer, account string) string {
	t.Helper()
	claims, err := json.Marshal(map[string]any{"iss": issuer, "sub": "system:serviceaccount:" + strings.Replace(account, "/", ":", 1), "exp": 4e9})
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode(claims) + ".c2ln"
}

// config is a kubeconfig of one context.
func config(t *testing.T, name, token string, exec *kubeconfig.Exec) []byte {
	t.Helper()
	text, err := kubeconfig.Build(kubeconfig.Params{Context: name, ClusterName: name, UserName: name, Server: "https://10.0.0.9", Token: token, Exec: exec})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestAKubeconfigIsNotWrittenOverAnothers holds the check before the work, and the
// one at the write, to the same answers.
func TestAKubeconfigIsNotWrittenOverAnothers(t *testing.T) {
	t.Parallel()
	const here = issuers + "projects/lab-project/locations/europe-west3/clusters/prod"
	const there = issuers + "projects/other-project/locations/europe-west3/clusters/prod"
	spec := Spec{Method: "ilb", Name: "prod", Namespace: "causeway-prod", Cluster: ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "prod"}}
	made := config(t, "causeway-prod", jwt(t, here, "causeway-prod/causeway-client"), nil)
	plugin := func(command string, args ...string) []byte {
		return config(t, "causeway-prod", "", &kubeconfig.Exec{Command: command, Args: args})
	}
	several, err := kubeconfig.Merge(config(t, "colleague", "abc", nil), made, kubeconfig.MergeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		there         []byte
		alone, merged string // why writing it is refused, without --merge and with it; "": it is not
	}{
		"a file that is empty":                        {nil, "", ""},
		"an earlier one of the same exposure":         {made, "", ""},
		"one of a cluster that does not say its name": {config(t, "causeway-prod", jwt(t, "https://kubernetes.default.svc", "causeway-prod/causeway-client"), nil), "", ""},
		"one of another role":                         {config(t, "causeway-prod", jwt(t, here, "causeway-prod/causeway-client-edit"), nil), "", ""},
		"one with causeway as the plugin":             {plugin("/opt/causeway-1.2", "credential", "--google"), "", ""},
		"one with Google's plugin":                    {plugin("/usr/bin/gke-gcloud-auth-plugin"), "", ""},
		"others' contexts besides":                    {several, "holds the context colleague", ""},
		"others' contexts alone":                      {config(t, "colleague", "abc", nil), "holds the context colleague", ""},
		"the same name of another project's cluster": {config(t, "causeway-prod", jwt(t, there, "causeway-prod/causeway-client"), nil),
			"projects/other-project/", "projects/other-project/"},
		"the same name of another exposure": {config(t, "causeway-prod", jwt(t, here, "causeway-shop/causeway-client"), nil),
			"causeway-shop", "causeway-shop"},
		"the same name of somebody's own account": {config(t, "causeway-prod", jwt(t, here, "causeway-prod/deployer"), nil), "deployer", "deployer"},
		"the same name of somebody's own making":  {config(t, "causeway-prod", "abc", nil), "leads to https://10.0.0.9", "leads to https://10.0.0.9"},
		"the same name of another plugin":         {plugin("aws", "eks", "get-token"), "is not this exposure's", "is not this exposure's"},
		"what is no kubeconfig":                   {[]byte("# Notes\n\n- buy milk\n"), "it is not a kubeconfig", "it is not a kubeconfig"},
	} {
		for merge, want := range map[bool]string{false: c.alone, true: c.merged} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				j := Job{File: Output{Path: filepath.Join(t.TempDir(), "config"), Merge: merge}}
				if err := os.WriteFile(j.File.Path, c.there, 0o600); err != nil {
					t.Fatal(err)
				}
				problems := j.overwrites(placed{spec: spec}, true)
				err := j.File.write(made)
				if want == "" {
					if err != nil || len(problems) > 0 {
						t.Errorf("merge %v: %v, then %v", merge, problems, err)
					}
					return
				}
				if len(problems) != 1 || !strings.Contains(problems[0].Text, want) {
					t.Errorf("merge %v: beforehand it says %+v, want %q", merge, problems, want)
				}
				if err == nil || !strings.Contains(err.Error(), want) || codeOf(err) != problems[0].Code {
					t.Errorf("merge %v: writing says %v (%s), want %q", merge, err, codeOf(err), want)
				}
				if left, failed := os.ReadFile(j.File.Path); failed != nil || string(left) != string(c.there) {
					t.Errorf("merge %v: the file was changed (%v):\n%s", merge, failed, left)
				}
			})
		}
	}
}

// TestAPlaceThatTakesNoKubeconfigIsToldBeforehand: but only where something is to be
// changed, as otherwise a kubeconfig may lie there for good.
func TestAPlaceThatTakesNoKubeconfigIsToldBeforehand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j := Job{File: Output{Path: filepath.Join(dir, "new", "config")}}
	if problems := j.overwrites(placed{spec: Spec{Name: "prod"}}, true); problems != nil {
		t.Errorf("a new file: %v", problems)
	}
	j.File.Path = dir
	problems := j.overwrites(placed{spec: Spec{Name: "prod"}}, true)
	if len(problems) != 1 || !strings.HasPrefix(problems[0].Code, "CW-CFG-") {
		t.Errorf("a directory: %+v", problems)
	}
}

// placed is an exposure of which only the spec counts.
type placed struct {
	Exposure
	spec Spec
}

func (p placed) Spec() Spec { return p.spec }
