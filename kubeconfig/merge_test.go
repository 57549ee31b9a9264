package kubeconfig

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

func foreign(t testing.TB) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/foreign.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func merge(t testing.TB, existing, add []byte, o MergeOptions) []byte {
	t.Helper()
	text, err := Merge(existing, add, o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func plain(t testing.TB, text []byte) tree {
	t.Helper()
	config, err := parse("test", text)
	if err != nil {
		t.Fatal(err)
	}
	return config
}

// TestMergeKeepsWhatIsForeign: a file with clusters of other tools, extensions,
// preferences and fields that nobody knows.
func TestMergeKeepsWhatIsForeign(t *testing.T) {
	before := plain(t, foreign(t))
	text := merge(t, foreign(t), ours(t), MergeOptions{})
	after := plain(t, text)
	for _, list := range []string{clusters, contexts, users} {
		had := len(before.items(list))
		if diff := cmp.Diff(before.items(list), after.items(list)[:had]); diff != "" {
			t.Errorf("%s changed:\n%s", list, diff)
		}
		if got := after.items(list)[had:]; len(got) != 1 || nameOf(got[0]) != "causeway-prod" {
			t.Errorf("%s: added %v", list, got)
		}
	}
	for field, value := range before {
		if field != clusters && field != contexts && field != users {
			if diff := cmp.Diff(value, after[field]); diff != "" {
				t.Errorf("%s changed:\n%s", field, diff)
			}
		}
	}
	if !bytes.Contains(text, []byte("12345678901234567")) {
		t.Error("a large number lost digits")
	}
	if got := strings.Fields(kubectl(t, text, "config", "get-contexts", "-o", "name")); strings.Join(got, " ") != "causeway-prod gke_p_l_c minikube" {
		t.Errorf("kubectl sees %v", got)
	}
	if got := strings.TrimSpace(kubectl(t, text, "config", "current-context")); got != "minikube" {
		t.Errorf("current context became %s", got)
	}
	if got := kubectl(t, text, "config", "view", "--context", "causeway-prod", "--minify", "-o", "jsonpath={.clusters[0].cluster.server} {.contexts[0].context.namespace}"); got != "https://10.0.0.5 apps" {
		t.Errorf("kubectl reads %q", got)
	}
}

func TestMerge(t *testing.T) {
	fresh := build(t, Params{Context: "causeway-prod", Server: "https://10.0.0.9", Token: "new"})
	for name, test := range map[string]struct {
		existing, add []byte
		options       MergeOptions
		current       string
		contexts      string
		server        string
	}{
		"into nothing":                           {nil, ours(t), MergeOptions{}, "", "causeway-prod", "https://10.0.0.5"},
		"into nothing, made current":             {nil, ours(t), MergeOptions{SetCurrent: true}, "causeway-prod", "causeway-prod", "https://10.0.0.5"},
		"into comments":                          {[]byte("# mine\n---\n# still\n"), ours(t), MergeOptions{}, "", "causeway-prod", "https://10.0.0.5"},
		"into what kubectl makes":                {[]byte("apiVersion: v1\nclusters: null\ncontexts: null\ncurrent-context: \"\"\nkind: Config\npreferences: {}\nusers: null\n"), ours(t), MergeOptions{}, "", "causeway-prod", "https://10.0.0.5"},
		"into JSON":                              {[]byte(`{"apiVersion":"v1","kind":"Config","contexts":[{"name":"a","context":{"cluster":"a","user":"a"}}],"current-context":"a"}`), ours(t), MergeOptions{}, "a", "a causeway-prod", "https://10.0.0.5"},
		"into a file of other tools":             {foreign(t), ours(t), MergeOptions{}, "minikube", "gke_p_l_c minikube causeway-prod", "https://10.0.0.5"},
		"into a file of other tools, current":    {foreign(t), ours(t), MergeOptions{SetCurrent: true}, "causeway-prod", "gke_p_l_c minikube causeway-prod", "https://10.0.0.5"},
		"over an older one, which keeps its row": {merge(t, ours(t), foreign(t), MergeOptions{}), fresh, MergeOptions{}, "causeway-prod", "causeway-prod gke_p_l_c minikube", "https://10.0.0.9"},
	} {
		t.Run(name, func(t *testing.T) {
			text := merge(t, test.existing, test.add, test.options)
			config := plain(t, text)
			var names []string
			for _, item := range config.items(contexts) {
				names = append(names, nameOf(item))
			}
			if got := strings.Join(names, " "); got != test.contexts {
				t.Errorf("contexts %q, want %q", got, test.contexts)
			}
			if got := text2(config, "current-context"); got != test.current {
				t.Errorf("current context %q, want %q", got, test.current)
			}
			if got := config.inner(clusters, "causeway-prod")["server"]; got != test.server {
				t.Errorf("server %v, want %s", got, test.server)
			}
			if _, err := clientcmd.Load(text); err != nil {
				t.Errorf("client-go: %v", err)
			}
			if again := merge(t, text, test.add, test.options); !bytes.Equal(again, text) {
				t.Errorf("a second merge changes it:\n%s", cmp.Diff(string(text), string(again)))
			}
			kubectl(t, text, "config", "view")
		})
	}
}

func text2(t tree, field string) string { return text(entry(t), field) }

// TestMergeReplacesWhole: a field of the old entry does not survive in the new one,
// as an old client certificate beside a new token would.
func TestMergeReplacesWhole(t *testing.T) {
	cert, key := selfSigned(t, "old")
	old := build(t, Params{Context: "c", Server: "https://a.example", TLSServerName: "kubernetes", ClientCert: cert, ClientKey: key})
	next := build(t, Params{Context: "c", Server: "https://a.example", Token: "t"})
	if got := merge(t, old, next, MergeOptions{}); !bytes.Equal(got, next) {
		t.Error(cmp.Diff(string(next), string(got)))
	}
}

func TestMergeRefuses(t *testing.T) {
	for name, test := range map[string]struct{ existing, text string }{
		"text":                    {"hello", "the whole of it is a string"},
		"a list":                  {"- a", "the whole of it is a list"},
		"no YAML":                 {"a: [", "line 1 is not YAML"},
		"a tab":                   {"users:\n\t- x: secret", "line 2 is not YAML"},
		"another kind":            {"kind: Pod\n", "its kind is not Config"},
		"another version":         {"apiVersion: v2\n", "its apiVersion is not v1"},
		"a key set twice":         {"users: []\nusers: []\n", "line 2 sets a key that was set before"},
		"two documents":           {"kind: Config\n---\nkind: Config\n", "several YAML documents"},
		"two documents in a row":  {"--- {kind: Config}\n---\nkind: Config\n", "several YAML documents"},
		"users as a mapping":      {"users: {a: b}\n", "users is not a list but a mapping"},
		"an entry that is text":   {"users: [secret]\n", "users[0] is a string"},
		"an entry that is null":   {"users: [~]\n", "users[0] is a null"},
		"a number for a name":     {"users: [{name: 1}]\n", "users[0].name is a number; put it into quotes"},
		"a name twice":            {"users: [{name: a}, {name: a}]\n", `users holds "a" twice`},
		"a user that is text":     {"users: [{name: a, user: secret}]\n", "users[0].user is a string"},
		"a number as the current": {"current-context: 5\n", "current-context is a number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Merge([]byte(test.existing), ours(t), MergeOptions{})
			want(t, err, "CW-CFG-PARSE", "read existing kubeconfig: ", test.text)
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error quotes the file: %v", err)
			}
			_, err = Merge(nil, []byte(test.existing), MergeOptions{})
			want(t, err, "CW-CFG-PARSE", "read new kubeconfig: ")
			for call, err := range map[string]error{
				"Remove":    second(Remove([]byte(test.existing), "a")),
				"Extract":   second(Extract([]byte(test.existing), "a")),
				"Conflicts": second(Conflicts([]byte(test.existing), ours(t))),
				"conflicts": second(Conflicts(ours(t), []byte(test.existing))),
			} {
				t.Run(call, func(t *testing.T) { want(t, err, "CW-CFG-PARSE") })
			}
		})
	}
	_, err := Merge(make([]byte, maxSize+1), nil, MergeOptions{})
	want(t, err, "CW-CFG-PARSE", "more than 16 MiB")
	_, err = Merge(ours(t), nil, MergeOptions{SetCurrent: true})
	want(t, err, "CW-CFG-NO-CONTEXT", "it has no contexts")
	_, err = Merge(nil, []byte("contexts: [{name: a}, {name: b}]"), MergeOptions{SetCurrent: true})
	want(t, err, "CW-CFG-NO-CONTEXT", `it has "a", "b"`)
}

func second[T any](_ T, err error) error { return err }

func TestRemove(t *testing.T) {
	merged := merge(t, foreign(t), ours(t), MergeOptions{SetCurrent: true})
	text, err := Remove(merged, "causeway-prod")
	if err != nil {
		t.Fatal(err)
	}
	wanted := plain(t, foreign(t))
	wanted["current-context"] = ""
	if diff := cmp.Diff(wanted, plain(t, text)); diff != "" {
		t.Errorf("something is left, or missing:\n%s", diff)
	}
	again, err := Remove(text, "causeway-prod")
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("a second time it changes something: %v", err)
	}
	kubectl(t, text, "config", "view")
}

func TestRemoveKeepsWhatOthersUse(t *testing.T) {
	shared := []byte(`
clusters: [{name: k, cluster: {server: "https://a"}}]
users: [{name: u, user: {token: t}}, {name: v, user: {token: t}}]
contexts:
- {name: one, context: {cluster: k, user: u}}
- {name: two, context: {cluster: k, user: v}}
current-context: two
`)
	text, err := Remove(shared, "one")
	if err != nil {
		t.Fatal(err)
	}
	config := plain(t, text)
	if config.find(clusters, "k") != 0 || config.find(users, "u") != -1 || config.find(users, "v") != 0 || config["current-context"] != "two" {
		t.Errorf("%s", text)
	}
}

func TestExtract(t *testing.T) {
	cert, key := selfSigned(t, "client")
	for name, params := range map[string]Params{
		"a token":         {Context: "causeway-prod", Server: "https://10.0.0.5", CA: cert, Token: jwt(accountClaims), Namespace: "apps"},
		"a plugin":        {Context: "c", ClusterName: "k", UserName: "u", Server: "https://10.0.0.5", Exec: &Exec{Command: "x"}},
		"a certificate":   {Context: "c", Server: "https://10.0.0.5", ClientCert: cert, ClientKey: key},
		"nobody to speak": {Context: "c", Server: "https://10.0.0.5"},
	} {
		t.Run(name, func(t *testing.T) {
			made := build(t, params)
			alone, err := Extract(merge(t, foreign(t), made, MergeOptions{}), params.Context)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(made), string(alone)); diff != "" {
				t.Errorf("it does not come out as it went in:\n%s", diff)
			}
		})
	}
	for name, config := range map[string]string{
		"no such context": "contexts: [{name: other, context: {}}]",
		"no cluster":      "contexts: [{name: c, context: {cluster: k, user: u}}]\nusers: [{name: u}]",
		"no user":         "contexts: [{name: c, context: {cluster: k, user: u}}]\nclusters: [{name: k}]",
		"an empty file":   "",
	} {
		if alone, err := Extract([]byte(config), "c"); alone != nil || err != nil {
			t.Errorf("%s: %q, %v", name, alone, err)
		}
	}
}

func TestConflicts(t *testing.T) {
	made := ours(t)
	for name, test := range map[string]struct {
		existing []byte
		found    string
	}{
		"an empty file":               {nil, ""},
		"other tools' entries":        {foreign(t), ""},
		"the same":                    {made, ""},
		"the same with another token": {build(t, Params{Context: "causeway-prod", Server: "https://10.0.0.5", Token: "old", Namespace: "other"}), ""},
		"another server":              {build(t, Params{Context: "causeway-prod", Server: "https://10.0.0.6", Token: "old"}), "clusters/causeway-prod"},
		"another kind of user":        {build(t, Params{Context: "causeway-prod", Server: "https://10.0.0.5", Exec: &Exec{Command: "x"}}), "users/causeway-prod"},
		"another context":             {build(t, Params{Context: "causeway-prod", ClusterName: "k", UserName: "u", Server: "https://10.0.0.5"}), "contexts/causeway-prod"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := Conflicts(test.existing, made)
			if err != nil || strings.Join(found, " ") != test.found {
				t.Errorf("%v, %v; want %q", found, err, test.found)
			}
		})
	}
}
