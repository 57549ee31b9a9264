package kubeconfig

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	lockPause = 50 * time.Millisecond
	lockTries = 100 // times lockPause: 5 s; kubectl holds its lock for milliseconds
	maxLinks  = 40  // Linux' own limit for symbolic links in a row
)

// DefaultPath is the file that kubectl and gcloud write to: the first one named in
// KUBECONFIG, else ~/.kube/config. The error has the code CW-CFG-WRITE.
func DefaultPath(getenv func(string) string) (string, error) {
	for _, path := range filepath.SplitList(getenv("KUBECONFIG")) {
		if path != "" {
			return path, nil
		}
	}
	home := getenv("HOME")
	if home == "" {
		return "", failure("find kubeconfig", "CW-CFG-WRITE", "neither KUBECONFIG nor HOME is set; name the file with --kubeconfig-out", nil)
	}
	return filepath.Join(home, ".kube", "config"), nil
}

// Read reads a kubeconfig. A file that is not there is an error that
// errors.Is(err, fs.ErrNotExist) knows.
func Read(path string) ([]byte, error) {
	const op = "read kubeconfig"
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.IsDir() {
		return nil, failure(op, "CW-CFG-PARSE", path+" is a directory", nil)
	}
	data, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	if len(data) > maxSize {
		return nil, failure(op, "CW-CFG-PARSE", path+" is longer than 16 MiB", nil)
	}
	return data, nil
}

// WriteFile writes a kubeconfig whole or not at all: 0600, by a temporary file
// beside it and a rename, under the lock that kubectl takes, through symbolic links,
// owner kept. Missing directories are made, 0700. Codes: CW-CFG-LOCKED, CW-CFG-WRITE.
func WriteFile(path string, data []byte) error {
	return Update(path, func([]byte) ([]byte, error) { return data, nil })
}

// Update reads a kubeconfig (nil when there is none), has change make a new one, and
// writes it as WriteFile does, all under one lock, so that nothing that another
// program writes meanwhile is lost. What has not changed is not written.
func Update(path string, change func(old []byte) ([]byte, error)) error {
	return system().update(path, change)
}

// disk is what writing takes from the operating system, handed in so that tests can
// fail and kill at each step.
type disk struct {
	rename func(from, to string) error
	pause  func() // between two tries for the lock
	tries  int
}

func system() disk {
	return disk{rename: os.Rename, pause: func() { time.Sleep(lockPause) }, tries: lockTries}
}

func (d disk) update(path string, change func([]byte) ([]byte, error)) (err error) {
	const op = "write kubeconfig"
	target, err := resolve(path)
	if err != nil {
		return failure(op, "CW-CFG-WRITE", err.Error(), err)
	}
	for _, file := range []string{path, target} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return failure(op, "CW-CFG-WRITE", err.Error(), err)
		}
	}
	// kubectl locks the name that it was given: with a link, both names count.
	locks := []string{path}
	if target != path {
		locks = append(locks, target)
	}
	for _, name := range locks {
		unlock, err := d.lock(name + ".lock")
		if err != nil {
			return err
		}
		defer unlock()
	}
	old, err := Read(target)
	if errors.Is(err, fs.ErrNotExist) {
		old, err = nil, nil
	}
	if err != nil {
		return err
	}
	data, err := change(bytes.Clone(old))
	if err != nil {
		return err
	}
	if err := d.replace(target, old, data); err != nil {
		return failure(op, "CW-CFG-WRITE", err.Error(), err)
	}
	return nil
}

// resolve follows symbolic links to the file that is to be written, which need not
// exist. It refuses what is no plain file: a rename would replace a device.
func resolve(path string) (string, error) {
	for range maxLinks {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil
		case err != nil:
			return "", err
		case info.Mode()&fs.ModeSymlink == 0:
			if !info.Mode().IsRegular() {
				return "", fmt.Errorf("%s is not a plain file", path)
			}
			return path, nil
		}
		link, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(path), link)
		}
		path = link
	}
	return "", fmt.Errorf("%s: too many symbolic links", path)
}

// lock makes the lock file as client-go does, and waits a while for one that is held.
func (d disk) lock(name string) (unlock func(), err error) {
	const op = "lock kubeconfig"
	for try := 1; ; try++ {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0)
		if err == nil {
			file.Close()
			return func() { os.Remove(name) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, failure(op, "CW-CFG-WRITE", err.Error(), err)
		}
		if try >= d.tries {
			since := "a moment ago"
			if info, err := os.Lstat(name); err == nil {
				since = info.ModTime().UTC().Format(time.RFC3339)
			}
			return nil, failure(op, "CW-CFG-LOCKED", fmt.Sprintf("another program holds %s since %s; if none does, delete that file", name, since), err)
		}
		d.pause()
	}
}

// replace writes data beside target and renames it. It runs under the lock, so that
// temporary files that lie there are of runs that were killed: they hold tokens, and go.
func (d disk) replace(target string, old, data []byte) error {
	info, err := os.Stat(target)
	if err == nil && info.Mode().Perm() == 0o600 && bytes.Equal(old, data) {
		return nil
	}
	dir, base := filepath.Split(target)
	pattern := "." + base + ".causeway-"
	if left, err := filepath.Glob(escape(filepath.Join(dir, pattern)) + "*"); err == nil {
		for _, name := range left {
			os.Remove(name)
		}
	}
	temp, err := os.CreateTemp(filepath.Clean(dir+"."), pattern+"*")
	if err != nil {
		return err
	}
	err = fill(temp, data)
	if err == nil && info != nil {
		err = keepOwner(temp.Name(), info)
	}
	if err == nil {
		err = d.rename(temp.Name(), target)
	}
	if err != nil {
		os.Remove(temp.Name())
		return err
	}
	if parent, err := os.Open(filepath.Clean(dir + ".")); err == nil {
		parent.Sync() // the rename itself; some file systems know no such call
		parent.Close()
	}
	return nil
}

// fill writes a file out to the disk and closes it.
func fill(file *os.File, data []byte) error {
	_, err := file.Write(data)
	return errors.Join(err, file.Sync(), file.Close())
}

// escape makes a name that filepath.Glob takes literally.
func escape(name string) string {
	var out []rune
	for _, r := range name {
		if r == '*' || r == '?' || r == '[' || r == '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}
