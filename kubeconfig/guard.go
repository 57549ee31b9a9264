package kubeconfig

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Contexts names the contexts of a kubeconfig, in the file's order. The error has
// the code CW-CFG-PARSE.
func Contexts(data []byte) ([]string, error) {
	config, err := parse("read existing kubeconfig", data)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, item := range config.items(contexts) {
		names = append(names, nameOf(item))
	}
	return names, nil
}

// Writable reports, before the work that a kubeconfig is the end of, whether Update
// could write one at path: its directory, or the nearest one above it that is there,
// takes a file, and what lies there is a plain file. It leaves nothing behind. The
// lock is not tried: who holds it now has let go of it by then. The error has the code
// CW-CFG-WRITE.
func Writable(path string) error {
	const op = "write kubeconfig"
	target, err := resolve(path)
	if err != nil {
		return failure(op, "CW-CFG-WRITE", err.Error(), err)
	}
	for _, file := range []string{path, target} {
		dir := filepath.Dir(file)
		for _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir); _, err = os.Stat(dir) {
			dir = filepath.Dir(dir)
		}
		// The very name that Update makes, so that what a killed run leaves is found again.
		try, err := os.CreateTemp(dir, "."+filepath.Base(file)+".causeway-*")
		if err != nil {
			return failure(op, "CW-CFG-WRITE", err.Error(), err)
		}
		try.Close()
		if err := os.Remove(try.Name()); err != nil {
			return failure(op, "CW-CFG-WRITE", err.Error(), err)
		}
	}
	return nil
}
