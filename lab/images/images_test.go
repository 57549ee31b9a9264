package images

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/lab/place"
)

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func link(t *testing.T, root, name, target string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

// content lists a layer: files by content, links by "-> target", directories by "/".
func content(t *testing.T, layer *tree) map[string]string {
	t.Helper()
	var b bytes.Buffer
	if err := layer.write(&b); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for r := tar.NewReader(&b); ; {
		h, err := r.Next()
		if err == io.EOF {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			text = []byte("/")
		case tar.TypeSymlink:
			text = []byte("-> " + h.Linkname)
		}
		got[strings.TrimSuffix(h.Name, "/")] = string(text)
	}
}

func TestTreeKeepsLinksAndNeverLeavesItsRoot(t *testing.T) {
	newer, own := t.TempDir(), t.TempDir()
	link(t, newer, "bin", "usr/bin")
	link(t, newer, "usr/bin/awk", "/etc/alternatives/awk")
	link(t, newer, "etc/alternatives/awk", "/usr/bin/mawk")
	write(t, newer, "usr/bin/mawk", "newer mawk")
	write(t, own, "usr/bin/mawk", "own mawk")
	write(t, own, "usr/bin/curl", "own curl")
	layer := newTree(newer, own)
	for _, name := range []string{"/bin/awk", "/usr/bin/curl"} {
		if err := layer.file(name); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{
		"bin": "-> usr/bin", "etc": "/", "etc/alternatives": "/", "etc/alternatives/awk": "-> /usr/bin/mawk",
		"usr": "/", "usr/bin": "/", "usr/bin/awk": "-> /etc/alternatives/awk",
		"usr/bin/mawk": "newer mawk", "usr/bin/curl": "own curl",
	}
	if diff := cmp.Diff(want, content(t, layer)); diff != "" {
		t.Error(diff)
	}
}

func TestAMissingFileIsNamedWithTheRootsThatLackIt(t *testing.T) {
	root := t.TempDir()
	err := newTree(root).file("/usr/sbin/nginx")
	if err == nil || !strings.Contains(err.Error(), "find /usr/sbin/nginx in "+root) {
		t.Errorf("error %v", err)
	}
}

func TestLinksThatGoRoundAreAnError(t *testing.T) {
	root := t.TempDir()
	link(t, root, "a", "b")
	link(t, root, "b", "a")
	if err := newTree(root).file("/a"); err == nil {
		t.Error("no error")
	}
}

// A program is taken with what it loads: it runs with nothing else around it.
func TestAProgramsLibrariesComeWithIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("chroot needs root: run the lab's tests as root")
	}
	layer := newTree("/")
	for _, name := range []string{"/bin", "/lib", "/lib64", "/bin/sh", "/usr/bin/openssl"} {
		if err := layer.file(name); err != nil && name != "/lib64" {
			t.Fatal(err)
		}
	}
	root := t.TempDir()
	var b bytes.Buffer
	if err := layer.write(&b); err != nil {
		t.Fatal(err)
	}
	unpack := exec.Command("tar", "-x", "-C", root)
	unpack.Stdin = &b
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.Command("/usr/sbin/chroot", root, "/bin/sh", "-c", "openssl version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "OpenSSL") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestArchiveIsWhatDockerSaves(t *testing.T) {
	layer := newTree()
	layer.text("/hello", "world", 0o644)
	path := filepath.Join(t.TempDir(), "sub", "x.tar")
	if err := archive(path, "example.com/x:1", layer, config{User: "101", Cmd: []string{"/hello"}}); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	var manifest []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &manifest); err != nil {
		t.Fatal(err)
	}
	if len(manifest) != 1 || files[manifest[0].Config] == nil || files[manifest[0].Layers[0]] == nil || manifest[0].RepoTags[0] != "example.com/x:1" {
		t.Errorf("manifest %+v of files %d", manifest, len(files))
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".archive-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestNewerComparesNumbers(t *testing.T) {
	for name, c := range map[string]struct {
		a, b string
		want bool
	}{
		"ten is more than nine":         {"1.10.0", "1.9.9", true},
		"the same is not newer":         {"1.26.3", "1.26.3", false},
		"a longer one is newer":         {"1.26.3.1", "1.26.3", true},
		"an older patch is not newer":   {"1.26.2", "1.26.3", false},
		"the first number counts first": {"2.0", "1.99.99", true},
	} {
		if got := newer(c.a, c.b); got != c.want {
			t.Errorf("%s: newer(%s, %s) = %t", name, c.a, c.b, got)
		}
	}
}

func TestReleasesTakesTheNewestFirst(t *testing.T) {
	cache := t.TempDir()
	for _, version := range []string{"1.98.0", "1.99.10", "1.99.9"} {
		write(t, cache, "nginx/"+version+"/usr/sbin/nginx", "")
	}
	write(t, cache, "nginx/1.100.0/README", "a root that is not finished")
	found, err := Releases(place.Place{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	for _, r := range found {
		if strings.HasPrefix(r.Root, cache) {
			versions = append(versions, r.Version)
		}
	}
	if diff := cmp.Diff([]string{"1.99.10", "1.99.9", "1.98.0"}, versions); diff != "" {
		t.Error(diff)
	}
}
