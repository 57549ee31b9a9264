package images

import (
	"archive/tar"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
)

// tree collects the files of an image's one layer. A path is looked for in the
// roots, in their order; the first that has it gives it.
type tree struct {
	roots   []string
	entries map[string]entry // by path inside the image, without the leading slash
}

type entry struct {
	header tar.Header
	source string // file to copy from, when data is nil
	data   []byte
}

func newTree(roots ...string) *tree { return &tree{roots: roots, entries: map[string]entry{}} }

// text adds a file with a fixed content.
func (t *tree) text(name, content string, mode int64) {
	name = strings.TrimPrefix(name, "/")
	t.parents(name)
	t.entries[name] = entry{header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(content))}, data: []byte(content)}
}

// dir adds a directory.
func (t *tree) dir(name string, mode int64, uid int) {
	name = strings.Trim(name, "/")
	t.parents(name)
	t.entries[name] = entry{header: tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: mode, Uid: uid, Gid: uid}}
}

// file adds a file of one of the roots under its own path, with the links that
// lead to it, and, for a program or library, everything that it loads.
func (t *tree) file(name string) error {
	for _, root := range t.roots {
		if _, err := resolve(root, name); err != nil {
			continue
		}
		return t.from(root, name, 0)
	}
	return fmt.Errorf("find %s in %s: %w", name, strings.Join(t.roots, ", "), fs.ErrNotExist)
}

// from adds name of root: each link on the way as a link, then the file.
func (t *tree) from(root, name string, depth int) error {
	if depth > 20 {
		return fmt.Errorf("follow %s: too many links", name)
	}
	clean := strings.TrimPrefix(path.Clean("/"+name), "/")
	parts := strings.Split(clean, "/")
	for i := range parts {
		at := strings.Join(parts[:i+1], "/")
		info, err := os.Lstat(filepath.Join(root, at))
		if err != nil {
			return fmt.Errorf("take %s from %s: %w", name, root, err)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(filepath.Join(root, at))
			if err != nil {
				return err
			}
			if _, known := t.entries[at]; !known {
				t.parents(at)
				t.entries[at] = entry{header: tar.Header{Name: at, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}}
			}
			if !path.IsAbs(target) {
				target = path.Join("/", path.Dir(at), target)
			}
			return t.from(root, path.Join(append([]string{target}, parts[i+1:]...)...), depth+1)
		}
		if i < len(parts)-1 {
			continue
		}
		if info.IsDir() {
			t.dir(at, 0o755, 0)
			return nil
		}
		if _, known := t.entries[at]; known {
			return nil
		}
		t.parents(at)
		t.entries[at] = entry{
			header: tar.Header{Name: at, Typeflag: tar.TypeReg, Mode: int64(info.Mode().Perm()) | 0o444, Size: info.Size()},
			source: filepath.Join(root, at),
		}
		return t.loads(filepath.Join(root, at))
	}
	return nil
}

// loads adds the loader and the shared libraries that an ELF file names.
func (t *tree) loads(file string) error {
	f, err := elf.Open(file)
	if err != nil {
		return nil // no ELF file: a script, a table
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			text, err := io.ReadAll(p.Open())
			if err != nil {
				return err
			}
			if err := t.file(strings.TrimRight(string(text), "\x00")); err != nil {
				return err
			}
		}
	}
	libraries, err := f.ImportedLibraries()
	if err != nil {
		return nil // static
	}
	for _, library := range libraries {
		if err := t.library(library); err != nil {
			return fmt.Errorf("%s loads %s: %w", file, library, err)
		}
	}
	return nil
}

// library finds a shared library where Debian's loader looks.
func (t *tree) library(name string) error {
	for _, root := range t.roots {
		for _, pattern := range []string{"lib/*-linux-gnu*", "usr/lib/*-linux-gnu*", "lib64", "lib", "usr/lib"} {
			dirs, _ := filepath.Glob(filepath.Join(root, pattern)) // the pattern is well formed
			for _, dir := range dirs {
				inside := strings.TrimPrefix(strings.TrimPrefix(dir, strings.TrimSuffix(root, "/")), "/") + "/" + name
				if _, err := resolve(root, inside); err == nil {
					return t.from(root, inside, 0)
				}
			}
		}
	}
	return fs.ErrNotExist
}

// parents adds the directories above name that the image does not have yet.
func (t *tree) parents(name string) {
	for dir := path.Dir(name); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if _, known := t.entries[dir]; !known {
			t.entries[dir] = entry{header: tar.Header{Name: dir + "/", Typeflag: tar.TypeDir, Mode: 0o755}}
		}
	}
}

// write writes the layer, sorted, so that the same files give the same bytes.
func (t *tree) write(w io.Writer) error {
	names := make([]string, 0, len(t.entries))
	for name := range t.entries {
		names = append(names, name)
	}
	sort.Strings(names)
	out := tar.NewWriter(w)
	for _, name := range names {
		e := t.entries[name]
		if err := out.WriteHeader(&e.header); err != nil {
			return fmt.Errorf("write layer: %s: %w", name, err)
		}
		if e.header.Typeflag != tar.TypeReg {
			continue
		}
		if e.data != nil {
			if _, err := out.Write(e.data); err != nil {
				return err
			}
			continue
		}
		if err := copyFile(out, e.source); err != nil {
			return fmt.Errorf("write layer: %s: %w", name, err)
		}
	}
	return out.Close()
}

func copyFile(w io.Writer, source string) error {
	f, err := os.Open(source)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// resolve follows links inside root only, never out of it, and returns the
// file's path on the machine.
func resolve(root, name string) (string, error) {
	rest := strings.Split(strings.Trim(path.Clean("/"+name), "/"), "/")
	at := "/"
	for links := 0; len(rest) > 0; {
		next := path.Join(at, rest[0])
		rest = rest[1:]
		info, err := os.Lstat(filepath.Join(root, next))
		if err != nil {
			return "", err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			at = next
			continue
		}
		if links++; links > 40 {
			return "", errors.New("too many links")
		}
		target, err := os.Readlink(filepath.Join(root, next))
		if err != nil {
			return "", err
		}
		if path.IsAbs(target) {
			at = "/"
		}
		rest = append(strings.Split(strings.Trim(path.Clean(target), "/"), "/"), rest...)
	}
	return filepath.Join(root, at), nil
}
