// Package netns makes, enters and deletes the lab's network namespaces. It
// touches nothing of the machine's own network: links are made inside the
// namespaces, and each namespace is a bind mount in /var/run/netns, as
// `ip netns add` makes it, so that nsenter and ip find it.
//
//	if err := netns.Create(line.Namespaces()); err != nil { ... }
//	err := netns.Do("cw-far", func() error { ... })
package netns

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	vns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Dir is where namespaces are named.
const Dir = "/var/run/netns"

// Create makes the namespaces that are missing.
func Create(names []string) error {
	if err := os.MkdirAll(Dir, 0o755); err != nil {
		return fmt.Errorf("create network namespaces: %w", err)
	}
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(Dir, name)); err == nil {
			continue
		}
		if err := create(name); err != nil {
			return fmt.Errorf("create network namespace %s: %w", name, err)
		}
	}
	return nil
}

// create works on a thread of its own, which ends with the goroutine: a thread
// that could not be put back into its namespace must not run other Go code.
func create(name string) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- err
			return
		}
		path := filepath.Join(Dir, name)
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o444)
		if err != nil {
			done <- err
			return
		}
		f.Close()
		err = unix.Mount(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid()), path, "none", unix.MS_BIND, "")
		if err != nil {
			os.Remove(path)
		}
		done <- err
	}()
	return <-done
}

// Delete takes the namespaces away; one that is not there is no error. What
// runs in a namespace keeps it alive, so stop that first.
func Delete(names []string) error {
	var errs []error
	for _, name := range names {
		path := filepath.Join(Dir, name)
		// A crash between two runs can leave several mounts on one name.
		for unix.Unmount(path, unix.MNT_DETACH) == nil {
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("delete network namespace %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// List names the namespaces that exist and begin with prefix.
func List(prefix string) []string {
	entries, err := os.ReadDir(Dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names
}

// Space is an open namespace: it can be entered also where /var/run is hidden.
type Space struct {
	Name   string
	handle vns.NsHandle
}

// Open opens a namespace by its name.
func Open(name string) (*Space, error) {
	h, err := vns.GetFromPath(filepath.Join(Dir, name))
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", name, err)
	}
	return &Space{Name: name, handle: h}, nil
}

// Close lets go of the namespace.
func (s *Space) Close() error { return s.handle.Close() }

// Do runs f on a thread that is in the namespace. Goroutines that f starts are
// not in it; sockets and processes that f makes are.
func (s *Space) Do(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := vns.Set(s.handle); err != nil {
			done <- fmt.Errorf("enter network namespace %s: %w", s.Name, err)
			return
		}
		done <- f()
	}()
	return <-done
}

// Start starts a command in the namespace.
func (s *Space) Start(cmd *exec.Cmd) error { return s.Do(cmd.Start) }

// Listen listens on an address of the namespace.
func (s *Space) Listen(network, address string) (net.Listener, error) {
	var l net.Listener
	err := s.Do(func() (err error) { l, err = net.Listen(network, address); return err })
	return l, err
}

// ListenPacket is Listen for packets.
func (s *Space) ListenPacket(network, address string) (net.PacketConn, error) {
	var c net.PacketConn
	err := s.Do(func() (err error) { c, err = net.ListenPacket(network, address); return err })
	return c, err
}

// Dial connects from the namespace. The address must be an IP address: a name
// would be looked up by another thread, outside.
func (s *Space) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	var c net.Conn
	err := s.Do(func() (err error) {
		// Without Happy Eyeballs the connection is made on this very thread.
		c, err = (&net.Dialer{FallbackDelay: -1}).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// Do opens the named namespace and runs f in it.
func Do(name string, f func() error) error {
	s, err := Open(name)
	if err != nil {
		return err
	}
	defer s.Close()
	return s.Do(f)
}
