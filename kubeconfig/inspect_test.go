package kubeconfig

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestInspect(t *testing.T) {
	ca, _ := selfSigned(t, "ca one")
	ca2, _ := selfSigned(t, "ca two")
	cert, key := selfSigned(t, "far-side")
	bundle := append(append([]byte(nil), ca...), ca2...)
	issued, expires := time.Unix(1795262400, 0).UTC(), time.Unix(1795305600, 0).UTC()
	year := noon.AddDate(1, 0, 0)
	for name, test := range map[string]struct {
		params Params
		want   Summary
	}{
		"a bound token and a bundle": {
			Params{Context: "c", Server: "https://10.0.0.5", CA: bundle, TLSServerName: "kubernetes", Namespace: "apps", Token: jwt(accountClaims)},
			Summary{
				Server: "https://10.0.0.5", TLSServerName: "kubernetes", Namespace: "apps", CA: bundle, CAExpires: year, Auth: []string{"token"},
				Subject: "system:serviceaccount:causeway-prod:causeway-client", Account: "causeway-prod/causeway-client",
				Audiences: []string{"https://kubernetes.default.svc"}, Issued: issued, Expires: expires,
			},
		},
		"a token that does not end": {
			Params{Context: "c", Server: "https://10.0.0.5", Token: jwt(`{"sub":"system:serviceaccount:ns:sa","aud":"one"}`)},
			Summary{Server: "https://10.0.0.5", Auth: []string{"token"}, Subject: "system:serviceaccount:ns:sa", Account: "ns/sa", Audiences: []string{"one"}},
		},
		"a token that is no JWT": {
			Params{Context: "c", Server: "https://10.0.0.5", Token: "abc.def"},
			Summary{Server: "https://10.0.0.5", Auth: []string{"token"}},
		},
		"a renewing one with a client certificate": {
			Params{Context: "c", Server: "https://10.0.0.5", ClientCert: cert, ClientKey: key, Exec: &Exec{Command: "causeway", Env: map[string]string{"A": "1.2.3", "CAUSEWAY_TOKEN": jwt(accountClaims)}}},
			Summary{
				Server: "https://10.0.0.5", ClientCert: cert, ClientSubject: "CN=far-side", ClientExpires: year, Auth: []string{"client certificate", "exec"}, Renewing: true, Command: "causeway",
				Subject: "system:serviceaccount:causeway-prod:causeway-client", Account: "causeway-prod/causeway-client",
				Audiences: []string{"https://kubernetes.default.svc"}, Issued: issued, Expires: expires,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.want.Context, test.want.Cluster, test.want.User = "c", "c", "c"
			for _, current := range []string{"c", ""} {
				got, err := Inspect(build(t, test.params), current)
				if err != nil {
					t.Fatal(err)
				}
				if len(got.CAFingerprints) != strings.Count(string(test.params.CA), "BEGIN") {
					t.Errorf("fingerprints %v", got.CAFingerprints)
				}
				for _, print := range got.CAFingerprints {
					if len(print) != len("SHA256:")+32*3-1 {
						t.Errorf("fingerprint %q", print)
					}
				}
				got.CAFingerprints = nil
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// TestInspectForeign: what causeway never writes but people have.
func TestInspectForeign(t *testing.T) {
	config := []byte(`
clusters:
- name: k
  cluster: {server: "https://a", insecure-skip-tls-verify: true, proxy-url: "http://proxy:3128", certificate-authority: /x/ca.crt}
users:
- name: u
  user: {tokenFile: /x/token, username: me, password: hunter2, client-certificate: /x/c.crt, client-key: /x/c.key, auth-provider: {name: gcp}}
contexts: [{name: c, context: {cluster: k, user: u}}, {name: d, context: {cluster: k, user: nobody}}]
`)
	got, err := Inspect(config, "c")
	if err != nil {
		t.Fatal(err)
	}
	wanted := Summary{
		Context: "c", Cluster: "k", User: "u", Server: "https://a", Insecure: true, ProxyURL: "http://proxy:3128",
		Auth:  []string{"client certificate", "token file", "password", "auth provider"},
		Files: []string{"certificate-authority: /x/ca.crt", "client-certificate: /x/c.crt", "client-key: /x/c.key", "tokenFile: /x/token"},
	}
	if diff := cmp.Diff(wanted, got); diff != "" {
		t.Error(diff)
	}
	if got, err = Inspect(config, "d"); err != nil || len(got.Auth) != 0 {
		t.Errorf("a context whose user is not there is anonymous: %v, %v", got.Auth, err)
	}
	one := []byte("contexts: [{name: only, context: {cluster: k}}]\nclusters: [{name: k}]\n")
	if got, err = Inspect(one, ""); err != nil || got.Context != "only" {
		t.Errorf("the only context counts as the current one: %q, %v", got.Context, err)
	}
	if got, err = Inspect(foreign(t), ""); err != nil || got.Server != "https://192.168.49.2:8443" {
		t.Errorf("%v, %v", got.Server, err)
	}
}

func TestInspectRefuses(t *testing.T) {
	context := "contexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k, cluster: %}]\nusers: [{name: u, user: {token: secret}}]"
	cluster := func(inner string) string { return strings.Replace(context, "%", inner, 1) }
	for name, test := range map[string]struct{ config, context, code, text string }{
		"no such context":         {cluster("{}"), "d", "CW-CFG-NO-CONTEXT", `no context "d"; it has "c"`},
		"no current context":      {"contexts: [{name: a}, {name: b}]", "", "CW-CFG-NO-CONTEXT", `no current context; it has "a", "b"`},
		"an empty file":           {"", "", "CW-CFG-NO-CONTEXT", "it has no contexts"},
		"a cluster that is gone":  {"contexts: [{name: c, context: {cluster: k}}]", "c", "CW-CFG-NO-CONTEXT", `a cluster "k" that is not there`},
		"a CA that is no base64":  {cluster(`{certificate-authority-data: "%%"}`), "c", "CW-CFG-PARSE", "not base64"},
		"a CA without PEM":        {cluster(`{certificate-authority-data: "aGVsbG8="}`), "c", "CW-CFG-PARSE", "holds no certificate"},
		"a CA that is damaged":    {cluster(`{certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBQUEKLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo=}`), "c", "CW-CFG-PARSE", "can't be read"},
		"a client's certificate":  {strings.Replace(cluster("{}"), "token: secret", "client-certificate-data: secret", 1), "c", "CW-CFG-PARSE", "client-certificate-data is not base64"},
		"something else than one": {"kind: Pod", "", "CW-CFG-PARSE", "inspect kubeconfig: it is not a kubeconfig"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Inspect([]byte(test.config), test.context)
			want(t, err, test.code, test.text)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

func TestParseToken(t *testing.T) {
	for name, test := range map[string]struct {
		token string
		want  Claims
		ok    bool
	}{
		"a fraction of a second":     {jwt(`{"exp":1795305600.75,"iat":1}`), Claims{Issued: time.Unix(1, 0).UTC(), Expires: time.Unix(1795305600, 0).UTC()}, true},
		"an end after the year 9999": {jwt(`{"exp":1e300}`), Claims{}, true},
		"an end before 1970":         {jwt(`{"exp":-1}`), Claims{}, true},
		"another subject":            {jwt(`{"sub":"me@corp.example"}`), Claims{Subject: "me@corp.example"}, true},
		"padded":                     {"e30=.e30=.x", Claims{}, true},
		"text for a date":            {jwt(`{"exp":"soon"}`), Claims{}, false},
		"no JSON":                    {jwt(`exp`), Claims{}, false},
		"no base64":                  {"a.!.c", Claims{}, false},
		"two parts":                  {"e30.e30", Claims{}, false},
		"nothing":                    {"", Claims{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := ParseToken(test.token)
			if diff := cmp.Diff(test.want, got); diff != "" || ok != test.ok {
				t.Errorf("%v, want %v\n%s", ok, test.ok, diff)
			}
		})
	}
}
