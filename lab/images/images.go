// Package images builds the lab's container images from files that the machine
// has, so that no registry is needed: pause, nginx as the product deploys it,
// and a small image with a shell for the demo's own workload. Each is a docker
// archive that containerd imports.
//
//	release, err := images.NewestNginx(place)
//	archives, err := images.Build(place, release)
package images

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"causeway/lab/place"
)

// The images' names: in this one place.
const (
	Pause = "registry.k8s.io/pause:3.10"
	Tools = "mirror.gcr.io/library/busybox:1.36"
	// nginxName is where the product's default image comes from; the tag is the
	// release that is really in it, because the product decides by it.
	nginxName = "mirror.gcr.io/library/nginx:"
)

// Release is an nginx that was found on the machine.
type Release struct {
	Version string
	Root    string // root of its file system
}

// Image is the name that the release's image gets.
func (r Release) Image() string { return nginxName + r.Version }

var versionForm = regexp.MustCompile(`nginx/(\d+(?:\.\d+)+)`)

// Releases lists every nginx at hand, the newest first: those of
// scripts/nginx-releases.sh and the machine's own.
func Releases(p place.Place) ([]Release, error) {
	var found []Release
	dirs, _ := filepath.Glob(filepath.Join(p.Cache, "nginx", "[0-9]*"))
	for _, dir := range dirs {
		if _, err := resolve(dir, "/usr/sbin/nginx"); err == nil {
			found = append(found, Release{Version: filepath.Base(dir), Root: dir})
		}
	}
	if path, err := lookNginx(); err == nil {
		out, err := exec.Command(path, "-v").CombinedOutput()
		if m := versionForm.FindSubmatch(out); err == nil && m != nil {
			found = append(found, Release{Version: string(m[1]), Root: "/"})
		}
	}
	if len(found) == 0 {
		return nil, errors.New("find nginx: neither /usr/sbin/nginx nor a release of scripts/nginx-releases.sh is there")
	}
	for i := range found {
		for j := i + 1; j < len(found); j++ {
			if newer(found[j].Version, found[i].Version) {
				found[i], found[j] = found[j], found[i]
			}
		}
	}
	return found, nil
}

func lookNginx() (string, error) {
	const path = "/usr/sbin/nginx" // not on every user's PATH
	_, err := os.Stat(path)
	return path, err
}

// newer compares dotted versions by their numbers.
func newer(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := 0; i < len(as) && i < len(bs); i++ {
		x, _ := strconv.Atoi(as[i])
		y, _ := strconv.Atoi(bs[i])
		if x != y {
			return x > y
		}
	}
	return len(as) > len(bs)
}

// Build makes the archives that are missing and returns their paths: pause
// first, then nginx and the tools.
func Build(p place.Place, release Release) ([]string, error) {
	builds := []struct {
		file string
		from []string // files whose change means a new image
		make func(path string) error
	}{
		{"pause.tar", []string{p.Bin("pause")}, func(path string) error { return buildPause(path, p) }},
		{"nginx-" + release.Version + ".tar", []string{filepath.Join(release.Root, "/usr/sbin/nginx")}, func(path string) error { return buildNginx(path, release) }},
		{"tools.tar", []string{"/usr/bin/curl", "/usr/bin/openssl"}, buildTools},
	}
	var paths []string
	for _, b := range builds {
		path := filepath.Join(p.Images(), formatOf+b.file)
		if !upToDate(path, b.from) {
			if err := b.make(path); err != nil {
				return nil, err
			}
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// formatOf is a part of each archive's name: a change of how images are built
// makes them anew.
const formatOf = "v1-"

func upToDate(path string, from []string) bool {
	made, err := os.Stat(path)
	if err != nil {
		return false
	}
	for _, f := range from {
		source, err := os.Stat(f)
		if err != nil || source.ModTime().After(made.ModTime()) {
			return false
		}
	}
	return true
}

func buildPause(path string, p place.Place) error {
	program, err := os.ReadFile(p.Bin("pause"))
	if err != nil {
		return fmt.Errorf("build image %s: %w", Pause, err)
	}
	t := newTree()
	t.text("/pause", string(program), 0o755)
	return archive(path, Pause, t, config{User: "65535:65535", Entrypoint: []string{"/pause"}})
}

// shell is what a POSIX script such as scripts/verify.sh finds in an image.
var shell = []string{
	"/bin/sh", "/bin/cat", "/bin/chmod", "/bin/cp", "/bin/date", "/bin/dd", "/bin/echo", "/bin/false", "/bin/grep",
	"/bin/ls", "/bin/mkdir", "/bin/mktemp", "/bin/mv", "/bin/rm", "/bin/rmdir", "/bin/sed", "/bin/sleep", "/bin/tar",
	"/bin/touch", "/bin/true", "/bin/uname", "/usr/bin/awk", "/usr/bin/base64", "/usr/bin/basename", "/usr/bin/cut",
	"/usr/bin/dirname", "/usr/bin/env", "/usr/bin/expr", "/usr/bin/head", "/usr/bin/id", "/usr/bin/od", "/usr/bin/printf",
	"/usr/bin/seq", "/usr/bin/sha256sum", "/usr/bin/sort", "/usr/bin/stat", "/usr/bin/tail", "/usr/bin/tee", "/usr/bin/test",
	"/usr/bin/timeout", "/usr/bin/tr", "/usr/bin/uniq", "/usr/bin/wc", "/usr/bin/yes",
	"/usr/bin/curl", "/usr/bin/openssl",
}

func addShell(t *tree) error {
	// The file system's own links (/bin -> usr/bin) come first, so that every
	// other path goes through them.
	for _, link := range []string{"/bin", "/lib", "/lib64", "/sbin"} {
		if err := t.file(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for _, program := range shell {
		if err := t.file(program); err != nil {
			return err
		}
	}
	// openssl complains without its configuration; it need not say anything.
	t.text("/etc/ssl/openssl.cnf", "", 0o644)
	t.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnginx:x:101:101:nginx:/nonexistent:/bin/false\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n", 0o644)
	t.text("/etc/group", "root:x:0:\nnginx:x:101:\nnogroup:x:65534:\n", 0o644)
	t.text("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n", 0o644)
	t.dir("/tmp", 0o1777, 0)
	t.dir("/root", 0o700, 0)
	t.dir("/var/tmp", 0o1777, 0)
	return nil
}

func buildTools(path string) error {
	t := newTree("/")
	if err := addShell(t); err != nil {
		return fmt.Errorf("build image %s: %w", Tools, err)
	}
	return archive(path, Tools, t, config{Env: imagePath(), Cmd: []string{"/bin/sh"}, WorkingDir: "/"})
}

// buildNginx builds what the published nginx image is for the product: the
// program, its modules, mime.types, the user nginx with uid 101, a shell.
func buildNginx(path string, r Release) error {
	t := newTree(r.Root, "/")
	if err := addShell(t); err != nil {
		return fmt.Errorf("build image %s: %w", r.Image(), err)
	}
	for _, name := range []string{"/usr/sbin/nginx", "/etc/nginx/mime.types"} {
		if err := t.file(name); err != nil {
			return fmt.Errorf("build image %s: %w", r.Image(), err)
		}
	}
	if err := addStream(t); err != nil {
		return fmt.Errorf("build image %s: %w", r.Image(), err)
	}
	t.text("/etc/nginx/nginx.conf", "include /etc/nginx/modules-enabled/*.conf;\nevents {}\nhttp { include /etc/nginx/mime.types; server { listen 80; } }\n", 0o644)
	for _, dir := range []string{"/var/cache/nginx", "/var/log/nginx", "/var/lib/nginx", "/run"} {
		t.dir(dir, 0o755, 101)
	}
	return archive(path, r.Image(), t, config{
		Env: append(imagePath(), "NGINX_VERSION="+r.Version), Cmd: []string{"nginx", "-g", "daemon off;"}, StopSignal: "SIGQUIT",
	})
}

// addStream adds the stream module, which the published image has built in and
// Debian has as a file: modules-enabled/*.conf loads it, as on Debian.
func addStream(t *tree) error {
	const module = "/usr/lib/nginx/modules/ngx_stream_module.so"
	if err := t.file(module); err != nil {
		return fmt.Errorf("%w (package libnginx-mod-stream)", err)
	}
	t.text("/etc/nginx/modules-enabled/50-mod-stream.conf", "load_module "+module+";\n", 0o644)
	return nil
}

func imagePath() []string {
	return []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
}
