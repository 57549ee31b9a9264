// Package safefile owns how causeway writes its own files: whole or not at all,
// and for nobody's eyes but the user's. It must not know what is in them.
// (Kubeconfigs, which others write too, have their own way in causeway/kubeconfig.)
//
//	err := safefile.Write("/home/net/.local/state/causeway/record.json", text)
package safefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Write writes data to path, 0600, by a temporary file beside it, fsync and
// rename. Missing directories are made, 0700. On an error the old file, if there
// was one, is untouched.
func Write(path string, data []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*") // 0600 by CreateTemp
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = temp.Write(data)
	err = errors.Join(err, temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.Remove(temp.Name()))
	}
	return nil
}

// Writable reports whether Write could put a file into dir: dir, or the nearest
// directory above it that is there, takes one. It leaves nothing behind.
func Writable(dir string) error {
	at := dir
	for _, err := os.Stat(at); errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at); _, err = os.Stat(at) {
		at = filepath.Dir(at)
	}
	temp, err := os.CreateTemp(at, ".causeway-*")
	if err != nil {
		return fmt.Errorf("write into %s: %w", dir, err)
	}
	return errors.Join(temp.Close(), os.Remove(temp.Name()))
}

// Remove removes the file and what a killed Write left beside it. A file that is
// not there is no error.
func Remove(path string) error {
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"-*"))
	if err != nil {
		return fmt.Errorf("remove %s: %w", path, err)
	}
	for _, name := range append(left, path) {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove %s: %w", path, err)
		}
	}
	return nil
}
