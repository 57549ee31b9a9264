package kubeconfig

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestContextsOfAFile(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
		code string
	}{
		"none in an empty file":      {"", nil, ""},
		"in the file's order":        {"contexts: [{name: b, context: {}}, {name: a, context: {}}]", []string{"b", "a"}, ""},
		"no answer for what is none": {"- hello", nil, "CW-CFG-PARSE"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Contexts([]byte(c.text))
			var known *Error
			if code := ""; errors.As(err, &known) != (c.code != "") || known != nil && known.Code() != c.code {
				t.Errorf("%v%s", err, code)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestWritableSaysSoBeforehand holds it to what Update then does.
func TestWritableSaysSoBeforehand(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if err := os.WriteFile(at("file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"link": "file", "away": at("elsewhere/config"), "circle": "circle"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, path := range map[string]string{
		"a new file": at("new"), "a directory to be made": at("a/b/config"), "a file that is there": at("file"), "a link": at("link"),
		"a link to what is not there yet": at("away"), "a directory in its place": dir, "a device": os.DevNull,
		"below a file": at("file/config"), "a circle of links": at("circle"),
	} {
		t.Run(name, func(t *testing.T) {
			before := entries(t, dir)
			said := Writable(path)
			if left, err := filepath.Glob(at(".*.causeway-*")); err != nil || len(left) > 0 {
				t.Errorf("it left %v (%v)", left, err)
			}
			if after := entries(t, dir); len(after) != len(before) {
				t.Errorf("it made a directory: %v", after)
			}
			done := WriteFile(path, []byte("apiVersion: v1\nkind: Config\n"))
			if (said == nil) != (done == nil) {
				t.Errorf("it said %v, and writing: %v", said, done)
			}
			var known *Error
			if said != nil && (!errors.As(said, &known) || known.Code() != "CW-CFG-WRITE") {
				t.Errorf("%v has another code", said)
			}
		})
	}
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	found, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
