package nginxtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Binary is one release of nginx at hand.
type Binary struct {
	Version string   // "1.26.3"
	Root    string   // the root file system that it comes from, "" for the machine's own
	Command []string // what to execute, before nginx's own arguments
	Modules []string // load_module lines' files that the stream configuration needs; none where it is built in
	Stream  bool     // can run mode passthrough
}

// CacheDir is where built things lie: CAUSEWAY_CACHE, or causeway in the user's
// cache directory.
func CacheDir(getenv func(string) string) string {
	if dir := getenv("CAUSEWAY_CACHE"); dir != "" {
		return dir
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "causeway")
	}
	return filepath.Join(getenv("HOME"), ".cache", "causeway")
}

// Find returns every nginx at hand, the oldest first. The error says which make
// target brings one when there is none at all.
func Find(getenv func(string) string) ([]Binary, error) {
	var found []Binary
	for _, path := range []string{"/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/nginx/sbin/nginx"} {
		if binary, err := inspect("", []string{path}); err == nil {
			found = append(found, binary)
			break
		}
	}
	roots, err := filepath.Glob(filepath.Join(CacheDir(getenv), "nginx", "[0-9]*"))
	if err != nil {
		return nil, fmt.Errorf("find nginx: %w", err)
	}
	for _, root := range roots {
		command, err := foreign(root)
		if err != nil {
			return nil, err
		}
		binary, err := inspect(root, command)
		if err != nil {
			return nil, err
		}
		found = append(found, binary)
	}
	if len(found) == 0 {
		return nil, errors.New("find nginx: none on this machine; `make setup` installs it")
	}
	slices.SortStableFunc(found, func(a, b Binary) int { return slices.Compare(numbers(a.Version), numbers(b.Version)) })
	// The same release twice proves nothing more.
	return slices.CompactFunc(found, func(a, b Binary) bool { return a.Version == b.Version }), nil
}

// Newest returns the last of what Find returned.
func Newest(binaries []Binary) Binary { return binaries[len(binaries)-1] }

// AtLeast says whether the release is that one or a later one.
func (b Binary) AtLeast(version string) bool {
	return slices.Compare(numbers(b.Version), numbers(version)) >= 0
}

// foreign is the command for the nginx of a root file system: its own dynamic
// loader with its own libraries, so that neither chroot nor root is needed.
func foreign(root string) ([]string, error) {
	loaders, err := filepath.Glob(filepath.Join(root, "lib*", "ld-linux-*.so.*"))
	if err != nil || len(loaders) == 0 {
		return nil, fmt.Errorf("find nginx in %s: no dynamic loader (make it again: scripts/nginx-releases.sh --again)", root)
	}
	libraries, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu*"))
	if err != nil {
		return nil, fmt.Errorf("find nginx in %s: %w", root, err)
	}
	libraries = append(libraries, filepath.Join(root, "usr", "lib"))
	return []string{loaders[0], "--library-path", strings.Join(libraries, ":"), filepath.Join(root, "usr", "sbin", "nginx")}, nil
}

var versionLine = regexp.MustCompile(`nginx version: nginx/([0-9]+\.[0-9]+\.[0-9]+)`)

// inspect asks a binary for its version and how it has the stream module.
func inspect(root string, command []string) (Binary, error) {
	out, err := exec.Command(command[0], append(slices.Clone(command[1:]), "-V")...).CombinedOutput()
	if err != nil {
		return Binary{}, fmt.Errorf("ask %s for its version: %w: %s", command[len(command)-1], err, out)
	}
	match := versionLine.FindSubmatch(out)
	if match == nil {
		return Binary{}, fmt.Errorf("ask %s for its version: answered %q", command[len(command)-1], out)
	}
	binary := Binary{Version: string(match[1]), Root: root, Command: command}
	module := filepath.Join("/", root, "usr/lib/nginx/modules/ngx_stream_module.so")
	switch _, err := os.Stat(module); {
	case err == nil:
		binary.Modules, binary.Stream = []string{module}, true
	case strings.Contains(string(out), "--with-stream "):
		binary.Stream = true
	}
	return binary, nil
}

func numbers(version string) []int {
	var list []int
	for part := range strings.SplitSeq(version, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			n = 0
		}
		list = append(list, n)
	}
	return list
}
