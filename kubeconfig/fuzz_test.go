package kubeconfig

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

// FuzzMerge: whatever the file holds, it is refused, or everything in it that is not
// replaced comes out the same, a second merge changes nothing, and Remove takes out
// again what was added.
func FuzzMerge(f *testing.F) {
	f.Add(foreign(f), true)
	f.Add([]byte(ours(f)), false)
	f.Add([]byte("users: [{name: causeway-prod, user: {}}, {name: \"\"}]\nx: 1e400"), false)
	f.Add([]byte(`{"contexts": [], "current-context": null, "a": "\u0000\u2028<>&"}`), true)
	f.Add([]byte("# only a comment\n"), false)
	f.Add([]byte("a: &a [x]\nb: *a\n? [complex]\n: key\n"), false)
	add := ours(f)
	f.Fuzz(func(t *testing.T, existing []byte, current bool) {
		merged, err := Merge(existing, add, MergeOptions{SetCurrent: current})
		if err != nil {
			if coded, ok := err.(*Error); !ok || coded.Code() == "" {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		before, after := plain(t, existing), plain(t, merged)
		for _, list := range []string{clusters, contexts, users} {
			for _, item := range before.items(list) {
				at := after.find(list, nameOf(item))
				if at < 0 {
					t.Fatalf("%s/%s is lost", list, nameOf(item))
				}
				if nameOf(item) != "causeway-prod" && !cmp.Equal(item, after.items(list)[at]) {
					t.Errorf("%s/%s changed: %s", list, nameOf(item), cmp.Diff(item, after.items(list)[at]))
				}
			}
		}
		if !current && text2(before, "current-context") != text2(after, "current-context") {
			t.Error("current-context changed without being asked")
		}
		if again, err := Merge(merged, add, MergeOptions{SetCurrent: current}); err != nil || !bytes.Equal(again, merged) {
			t.Errorf("a second merge: %v\n%s", err, cmp.Diff(string(merged), string(again)))
		}
		if alone, err := Extract(merged, "causeway-prod"); err != nil || !bytes.Equal(alone, add) {
			t.Errorf("extract: %v\n%s", err, cmp.Diff(string(add), string(alone)))
		}
		removed, err := Remove(merged, "causeway-prod")
		if err != nil || plain(t, removed).find(contexts, "causeway-prod") >= 0 {
			t.Errorf("remove: %v\n%s", err, removed)
		}
		if _, err := clientcmd.Load(existing); err == nil {
			if _, err := clientcmd.Load(merged); err != nil {
				t.Errorf("client-go read the old file, but not the new one: %v\n%s", err, merged)
			}
		}
	})
}

// FuzzInspect: no input panics, and errors have codes.
func FuzzInspect(f *testing.F) {
	f.Add(foreign(f), "minikube")
	f.Add(ours(f), "")
	f.Add([]byte("contexts: [{name: c, context: {cluster: k}}]\nclusters: [{name: k, cluster: {certificate-authority-data: AAAA}}]"), "c")
	f.Fuzz(func(t *testing.T, data []byte, context string) {
		if _, err := Inspect(data, context); err != nil {
			if coded, ok := err.(*Error); !ok || coded.Code() == "" {
				t.Fatalf("an error without a code: %v", err)
			}
		}
	})
}

// FuzzParseToken: no input panics.
func FuzzParseToken(f *testing.F) {
	f.Add(jwt(accountClaims))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) { ParseToken(token) })
}
