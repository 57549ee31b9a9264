package kubeconfig

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func write(t testing.TB, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
}

func content(t testing.TB, path string) string {
	t.Helper()
	data, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// alone checks that a directory holds these names and no more: no lock, nothing temporary.
func alone(t testing.TB, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, entry := range entries {
		found = append(found, entry.Name())
	}
	if strings.Join(found, " ") != strings.Join(names, " ") {
		t.Errorf("%s holds %v, want %v", dir, found, names)
	}
}

func mode(t testing.TB, path string) os.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestWriteFile(t *testing.T) {
	t.Run("into directories that are not there", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a", "b", "config")
		if err := WriteFile(path, []byte("new")); err != nil {
			t.Fatal(err)
		}
		if content(t, path) != "new" || mode(t, path) != 0o600 || mode(t, filepath.Dir(path)) != 0o700 || mode(t, filepath.Dir(filepath.Dir(path))) != 0o700 {
			t.Errorf("modes %v %v", mode(t, path), mode(t, filepath.Dir(path)))
		}
		alone(t, filepath.Dir(path), "config")
	})
	t.Run("over a file that all may read", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config")
		write(t, path, "old", 0o644)
		if err := WriteFile(path, []byte("new")); err != nil {
			t.Fatal(err)
		}
		if content(t, path) != "new" || mode(t, path) != 0o600 {
			t.Errorf("mode %v", mode(t, path))
		}
		alone(t, filepath.Dir(path), "config")
	})
	t.Run("the same content, but readable for all", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config")
		write(t, path, "same", 0o644)
		if err := WriteFile(path, []byte("same")); err != nil || mode(t, path) != 0o600 {
			t.Errorf("mode %v, %v", mode(t, path), err)
		}
	})
	t.Run("the same content is not written", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config")
		write(t, path, "same", 0o600)
		d := system()
		d.rename = func(string, string) error { t.Error("written"); return nil }
		if err := d.update(path, func(old []byte) ([]byte, error) { return old, nil }); err != nil {
			t.Error(err)
		}
	})
	t.Run("in the current directory", func(t *testing.T) {
		t.Chdir(t.TempDir())
		if err := WriteFile("config", []byte("new")); err != nil || content(t, "config") != "new" {
			t.Error(err)
		}
	})
	t.Run("where names look like patterns", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "[a]*?")
		if err := WriteFile(filepath.Join(dir, "con[f]ig"), []byte("new")); err != nil {
			t.Fatal(err)
		}
		alone(t, dir, "con[f]ig")
	})
}

func TestWriteThroughLinks(t *testing.T) {
	for name, link := range map[string]func(dir string) string{
		"an absolute link": func(dir string) string { return filepath.Join(dir, "real", "file") },
		"a relative link":  func(string) string { return "real/file" },
		"a link to a link": func(dir string) string {
			os.Symlink("file", filepath.Join(dir, "real", "second"))
			return "real/second"
		},
	} {
		for _, exists := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
					t.Fatal(err)
				}
				if exists {
					write(t, filepath.Join(dir, "real", "file"), "old", 0o600)
				}
				path := filepath.Join(dir, "config")
				if err := os.Symlink(link(dir), path); err != nil {
					t.Fatal(err)
				}
				if err := WriteFile(path, []byte("new")); err != nil {
					t.Fatal(err)
				}
				if info, err := os.Lstat(path); err != nil || info.Mode()&fs.ModeSymlink == 0 {
					t.Error("the link was replaced")
				}
				if got := content(t, filepath.Join(dir, "real", "file")); got != "new" {
					t.Errorf("the file holds %q", got)
				}
				alone(t, dir, "config", "real")
			})
		}
	}
	t.Run("a link to itself", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "config")
		if err := os.Symlink("config", path); err != nil {
			t.Fatal(err)
		}
		want(t, WriteFile(path, nil), "CW-CFG-WRITE", "too many symbolic links")
	})
	t.Run("both names are locked", func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "file"), "old", 0o600)
		if err := os.Symlink("file", filepath.Join(dir, "config")); err != nil {
			t.Fatal(err)
		}
		err := Update(filepath.Join(dir, "config"), func([]byte) ([]byte, error) {
			alone(t, dir, "config", "config.lock", "file", "file.lock")
			return []byte("new"), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		alone(t, dir, "config", "file")
	})
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	want(t, WriteFile(dir, nil), "CW-CFG-WRITE", "not a plain file")
	want(t, WriteFile("/dev/null", nil), "CW-CFG-WRITE", "/dev/null is not a plain file")
	write(t, filepath.Join(dir, "file"), "", 0o600)
	err := WriteFile(filepath.Join(dir, "file", "config"), nil)
	want(t, err, "CW-CFG-WRITE")
	if !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("the cause is lost: %v", err)
	}
}

// TestLock: another program's lock is waited for, a bounded time; then it is named.
func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	write(t, path, "old", 0o600)
	write(t, path+".lock", "", 0)
	pauses := 0
	d := disk{rename: os.Rename, tries: 3, pause: func() { pauses++ }}
	err := d.update(path, func([]byte) ([]byte, error) { t.Error("changed without the lock"); return nil, nil })
	want(t, err, "CW-CFG-LOCKED", path+".lock since 20", "delete that file")
	if pauses != 2 || content(t, path) != "old" {
		t.Errorf("%d pauses", pauses)
	}
	d.pause = func() { os.Remove(path + ".lock") }
	if err := d.update(path, func(old []byte) ([]byte, error) { return append(old, " and new"...), nil }); err != nil {
		t.Fatal(err)
	}
	if content(t, path) != "old and new" {
		t.Errorf("%q", content(t, path))
	}
	alone(t, filepath.Dir(path), "config")
}

// TestKubectlHonoursTheLock: while Update runs, kubectl can't write the same file, and
// afterwards it can.
func TestKubectlHonoursTheLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	write(t, path, string(ours(t)), 0o600)
	set := func() ([]byte, error) {
		program, err := exec.LookPath("kubectl")
		if err != nil {
			t.Fatal("kubectl is not installed: `make tools` builds it")
		}
		return exec.CommandContext(t.Context(), program, "--kubeconfig", path, "config", "set-context", "x", "--cluster=k").CombinedOutput()
	}
	err := Update(path, func(old []byte) ([]byte, error) {
		if out, err := set(); err == nil || !bytes.Contains(out, []byte(".lock")) {
			t.Errorf("kubectl wrote in between: %v\n%s", err, out)
		}
		return Merge(old, build(t, Params{Context: "more", Server: "https://b.example"}), MergeOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	if out, err := set(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	config := plain(t, []byte(content(t, path)))
	for _, name := range []string{"causeway-prod", "more", "x"} {
		if config.find(contexts, name) < 0 {
			t.Errorf("context %s is lost", name)
		}
	}
}

// TestWritersAtOnce: no entry of any of them is lost.
func TestWritersAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	names := []string{"a", "b", "c", "d", "e"}
	var group sync.WaitGroup
	for _, name := range names {
		made := build(t, Params{Context: name, Server: "https://" + name + ".example"})
		group.Go(func() {
			if err := Update(path, func(old []byte) ([]byte, error) { return Merge(old, made, MergeOptions{}) }); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	config := plain(t, []byte(content(t, path)))
	for _, name := range names {
		if config.find(contexts, name) < 0 {
			t.Errorf("context %s is lost", name)
		}
	}
	alone(t, filepath.Dir(path), "config")
}

func TestAFailedWriteLeavesTheOldFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	write(t, path, "old", 0o644)
	d := system()
	d.rename = func(string, string) error { return syscall.EBUSY }
	err := d.update(path, func([]byte) ([]byte, error) { return []byte("new"), nil })
	want(t, err, "CW-CFG-WRITE", "write kubeconfig: ", "busy")
	if !errors.Is(err, syscall.EBUSY) {
		t.Errorf("the cause is lost: %v", err)
	}
	refused := errors.New("changed my mind")
	if err := Update(path, func([]byte) ([]byte, error) { return nil, refused }); err != refused {
		t.Errorf("error %v", err)
	}
	if content(t, path) != "old" || mode(t, path) != 0o644 {
		t.Error("the old file has changed")
	}
	alone(t, filepath.Dir(path), "config")
}

// TestAKilledWriteLeavesTheOldFile kills a process (this test's own program, started
// again) at its last moment before the rename; then the next run cleans up.
func TestAKilledWriteLeavesTheOldFile(t *testing.T) {
	const variable = "KUBECONFIG_TEST_KILLED"
	if path := os.Getenv(variable); path != "" {
		d := system()
		d.rename = func(string, string) error { return syscall.Kill(os.Getpid(), syscall.SIGKILL) }
		t.Fatal(d.update(path, func([]byte) ([]byte, error) { return []byte("new and secret"), nil }))
	}
	path := filepath.Join(t.TempDir(), "config")
	write(t, path, "old", 0o600)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), self, "-test.run=^TestAKilledWriteLeavesTheOldFile$")
	command.Env = append(os.Environ(), variable+"="+path)
	out, err := command.CombinedOutput()
	if command.ProcessState == nil || command.ProcessState.Success() || command.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the other process was not killed: %v\n%s", err, out)
	}
	if content(t, path) != "old" {
		t.Errorf("the file holds %q", content(t, path))
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), ".config.causeway-*"))
	if err != nil || len(left) != 1 || mode(t, left[0]) != 0o600 {
		t.Fatalf("left over: %v, %v", left, err)
	}
	d := system()
	d.tries = 1
	want(t, d.update(path, func(old []byte) ([]byte, error) { return old, nil }), "CW-CFG-LOCKED", "delete that file")
	if err := os.Remove(path + ".lock"); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	alone(t, filepath.Dir(path), "config")
}

func TestRootKeepsTheOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config")
	write(t, path, "old", 0o600)
	if os.Geteuid() == 0 {
		if err := os.Chown(path, 12345, 23456); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	old, now := before.Sys().(*syscall.Stat_t), after.Sys().(*syscall.Stat_t)
	if old.Uid != now.Uid || old.Gid != now.Gid {
		t.Errorf("owner %d:%d became %d:%d", old.Uid, old.Gid, now.Uid, now.Gid)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := Read(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) || !strings.HasPrefix(err.Error(), "read kubeconfig: ") {
		t.Errorf("error %v", err)
	}
	_, err := Read(dir)
	want(t, err, "CW-CFG-PARSE", "is a directory")
	long := filepath.Join(dir, "long")
	write(t, long, "", 0o600)
	if err := os.Truncate(long, maxSize+1); err != nil {
		t.Fatal(err)
	}
	_, err = Read(long)
	want(t, err, "CW-CFG-PARSE", "longer than 16 MiB")
}

func TestDefaultPath(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		want string
	}{
		"a home":                      {map[string]string{"HOME": "/home/me"}, "/home/me/.kube/config"},
		"KUBECONFIG":                  {map[string]string{"HOME": "/home/me", "KUBECONFIG": "/x"}, "/x"},
		"several, the first is empty": {map[string]string{"HOME": "/home/me", "KUBECONFIG": ":/y:/z"}, "/y"},
		"only separators":             {map[string]string{"HOME": "/home/me", "KUBECONFIG": "::"}, "/home/me/.kube/config"},
	} {
		if got, err := DefaultPath(func(key string) string { return test.env[key] }); got != test.want || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, test.want)
		}
	}
	_, err := DefaultPath(func(string) string { return "" })
	want(t, err, "CW-CFG-WRITE", "neither KUBECONFIG nor HOME")
}
