package templates_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/templates"
)

func ids(manifests []templates.Manifest) []string {
	var list []string
	for _, m := range manifests {
		list = append(list, m.ID)
	}
	return list
}

func TestAccessIsBoundWhereItIsAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		access templates.Access
		want   []string
		role   string
	}{
		"the whole cluster": {templates.Access{Role: "view"},
			[]string{"serviceaccount/causeway-client", "clusterrolebinding/causeway-prod-client"}, "view"},
		"two namespaces, in whatever order and number": {templates.Access{Role: "edit", Namespaces: []string{"b", "a", "b"}},
			[]string{"serviceaccount/causeway-client", "rolebinding/a/causeway-prod-client", "rolebinding/b/causeway-prod-client"}, "edit"},
		"nodes": {templates.Access{Role: templates.RoleNodeReader},
			[]string{"serviceaccount/causeway-client", "clusterrole/causeway-prod-node-reader", "clusterrolebinding/causeway-prod-client"}, "causeway-prod-node-reader"},
	} {
		t.Run(name, func(t *testing.T) {
			test.access.Exposure, test.access.Namespace = "prod", "causeway-prod"
			manifests, err := test.access.Manifests()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, ids(manifests)); diff != "" {
				t.Error(diff)
			}
			binding := manifests[len(manifests)-1].Object.Object
			if role := at(t, binding, "roleRef", "name"); role != test.role {
				t.Errorf("bound to %v, want %s", role, test.role)
			}
			if subject := at(t, binding, "subjects", 0, "namespace"); subject != "causeway-prod" {
				t.Errorf("the subject is in %v", subject)
			}
		})
	}
}

func TestTheRenewerMayMakeTokensOfItselfAlone(t *testing.T) {
	manifests, err := templates.Access{Exposure: "prod", Namespace: "causeway-prod", Role: "view"}.Renewer()
	if err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{
		"apiGroups": []any{""}, "resources": []any{"serviceaccounts/token"}, "resourceNames": []any{"causeway-client"}, "verbs": []any{"create"},
	}}
	if diff := cmp.Diff(want, at(t, manifests[0].Object.Object, "rules")); diff != "" {
		t.Error(diff)
	}
}

func TestAccessThatCannotBeIsRefusedByField(t *testing.T) {
	sound := templates.Access{Exposure: "prod", Namespace: "causeway-prod", Role: "view"}
	for name, test := range map[string]struct {
		change func(*templates.Access)
		want   string
	}{
		"an exposure that is no name":   {func(a *templates.Access) { a.Exposure = "a b" }, "exposure:"},
		"no namespace":                  {func(a *templates.Access) { a.Namespace = "" }, "namespace:"},
		"a role with a slash":           {func(a *templates.Access) { a.Role = "../view" }, "role:"},
		"no role":                       {func(a *templates.Access) { a.Role = "" }, "role:"},
		"nodes in a namespace":          {func(a *templates.Access) { a.Role, a.Namespaces = templates.RoleNodeReader, []string{"a"} }, "role:"},
		"a namespace that is no name":   {func(a *templates.Access) { a.Namespaces = []string{"A"} }, "namespaces:"},
		"a namespace with a line break": {func(a *templates.Access) { a.Namespaces = []string{"a\nb"} }, "namespaces:"},
	} {
		t.Run(name, func(t *testing.T) {
			access := sound
			test.change(&access)
			_, first := access.Manifests()
			_, second := access.Renewer()
			_, third := access.TokenSecret()
			for _, err := range []error{first, second, third} {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want one about %q", err, test.want)
				}
			}
		})
	}
}

func TestSecretsAreNotShown(t *testing.T) {
	secret, err := templates.Secret("prod", "causeway-prod", templates.TLSSecretName, "kubernetes.io/tls",
		map[string][]byte{"tls.crt": []byte("certificate"), "tls.key": []byte("private key")})
	if err != nil {
		t.Fatal(err)
	}
	shown := string(secret.Redacted())
	for _, hidden := range []string{"private key", "cHJpdmF0ZSBrZXk=", "Y2VydGlmaWNhdGU="} {
		if strings.Contains(shown, hidden) {
			t.Errorf("%q is shown:\n%s", hidden, shown)
		}
	}
	if !strings.Contains(shown, "(secret, sha256:") || !strings.Contains(shown, "kubernetes.io/tls") {
		t.Errorf("shown is:\n%s", shown)
	}
	if !strings.Contains(string(secret.YAML), "cHJpdmF0ZSBrZXk=") {
		t.Error("showing it changed the manifest")
	}
	if _, err := templates.Secret("prod", "causeway-prod", templates.TLSSecretName, "kubernetes.io/tls", map[string][]byte{"tls.key": nil}); err == nil || !strings.Contains(err.Error(), "tls.key is empty") {
		t.Errorf("a secret without its key: error %v", err)
	}
	if _, err := templates.Secret("prod", "NO", templates.CASecretName, "Opaque", map[string][]byte{"ca.crt": []byte("c")}); err == nil || !strings.Contains(err.Error(), "namespace:") {
		t.Errorf("a secret in no namespace: error %v", err)
	}
}

func TestAHashKnowsWhereOneContentEnds(t *testing.T) {
	a := templates.Hash(map[string][]byte{"a": []byte("bc"), "d": nil})
	for name, contents := range map[string]map[string][]byte{
		"a byte moved from content to name": {"ab": []byte("c"), "d": nil},
		"one content less":                  {"a": []byte("bc")},
		"another content":                   {"a": []byte("bd"), "d": nil},
	} {
		if templates.Hash(contents) == a {
			t.Errorf("%s: the same hash", name)
		}
	}
}
