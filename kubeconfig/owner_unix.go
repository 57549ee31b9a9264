//go:build unix

package kubeconfig

import (
	"io/fs"
	"os"
	"syscall"
)

// keepOwner gives a new file the owner of the one that it replaces: with sudo, users
// could otherwise not read their own kubeconfig any more.
func keepOwner(path string, old fs.FileInfo) error {
	have, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if now, ok := info.Sys().(*syscall.Stat_t); ok && now.Uid == have.Uid && now.Gid == have.Gid {
		return nil
	}
	if err := os.Chown(path, int(have.Uid), int(have.Gid)); err != nil && os.Geteuid() == 0 {
		return err
	}
	return nil // others than root can't give files away, and need not
}
