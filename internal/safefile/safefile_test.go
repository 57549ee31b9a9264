package safefile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteIsWholePrivateAndReplaces(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "er", "record.json")
	for _, text := range []string{"first", "second, longer"} {
		if err := Write(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(path)
		if err != nil || string(have) != text {
			t.Errorf("read back %q, %v", have, err)
		}
	}
	for name, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		info, err := os.Stat(name)
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: mode %v, %v; want %v", name, info.Mode().Perm(), err, want)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Errorf("a temporary file was left: %v %v", entries, err)
	}
}

func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(path, []byte("x")); err == nil {
		t.Error("wrote over a directory")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("a temporary file was left: %v %v", entries, err)
	}
	if err := Write(filepath.Join(path, "inside", "..", "..", "ok"), []byte("x")); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, "ok")
	if err := Write(filepath.Join(file, "below"), []byte("x")); err == nil {
		t.Error("wrote below a file")
	}
}

func TestRemoveTakesWhatAKilledWriteLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "record.json")
	for _, name := range []string{"record.json", ".record.json-123", "other.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // the second time there is nothing to remove
		if err := Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != "other.json" {
		t.Errorf("left: %v %v", entries, err)
	}
}

func TestWritable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for below, want := range map[string]bool{"": true, "a": true, "a/b/c": true, "file": false, "file/b": false} {
		if err := Writable(filepath.Join(dir, below)); (err == nil) != want {
			t.Errorf("%q: %v", below, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("it left %v (%v)", left, err)
	}
}
