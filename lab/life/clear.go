package life

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"causeway/lab/daemon"
	"causeway/lab/machine"
	"causeway/lab/netns"
	"causeway/lab/topology"
)

// lock keeps a second up or down of the same place out. The lock file goes with
// the run directory, so the one who gets it looks whether it is still the file.
func (l Lab) lock() (func(), error) {
	if err := os.MkdirAll(l.Place.Run, 0o700); err != nil {
		return nil, fmt.Errorf("lock the lab: %w", err)
	}
	path := filepath.Join(l.Place.Run, "lock")
	for range 10 {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
		if err != nil {
			return nil, fmt.Errorf("lock the lab: %w", err)
		}
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			f.Close()
			return nil, fmt.Errorf("lock the lab: another up or down is at work: %w", err)
		}
		held, errHeld := f.Stat()
		named, errNamed := os.Stat(path)
		if errHeld == nil && errNamed == nil && os.SameFile(held, named) {
			return func() {
				if !l.remains() { // nothing but the lock is there
					_ = os.RemoveAll(l.Place.Run)
				}
				f.Close()
			}, nil
		}
		f.Close()
		if err := os.MkdirAll(l.Place.Run, 0o700); err != nil {
			return nil, fmt.Errorf("lock the lab: %w", err)
		}
	}
	return nil, errors.New("lock the lab: the run directory keeps vanishing")
}

// remains tells whether anything of a lab is there.
func (l Lab) remains() bool {
	if len(netns.List(topology.Prefix)) > 0 || exists(l.Place.Data) {
		return true
	}
	entries, _ := os.ReadDir(l.Place.Run)
	for _, e := range entries {
		if e.Name() != "lock" {
			return true
		}
	}
	return false
}

// clear ends the daemon, waits for the kernel to let go, and removes all that
// the lab left: networks, control groups, files.
func (l Lab) clear() error {
	config, err := daemon.ReadConfig(l.Place)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(l.Out, "  (%v)\n", err) // cut off while it was written: go on without
	}
	known := err == nil
	if err := l.end(config); err != nil {
		return err
	}
	var errs []error
	errs = append(errs, netns.Delete(netns.List(topology.Prefix)))
	if known {
		errs = append(errs, machine.RemoveCgroup(config.CgroupV1, config.Controllers))
	} else {
		v1 := exists("/sys/fs/cgroup/cpu")
		errs = append(errs, machine.RemoveCgroup(v1, nil))
	}
	errs = append(errs, os.RemoveAll(l.Place.Data))
	entries, _ := os.ReadDir(l.Place.Run)
	for _, e := range entries {
		if e.Name() != "lock" {
			errs = append(errs, os.RemoveAll(filepath.Join(l.Place.Run, e.Name())))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("take the lab away: %w", err)
	}
	return nil
}

// end asks the daemon to end and kills its pid namespace when it has not within
// the bound.
func (l Lab) end(config daemon.Config) error {
	if config.Init.Alive() {
		fmt.Fprintln(l.Out, "Stopping the cluster ...")
		_ = config.Init.Signal(syscall.SIGTERM) // it may have ended this moment
		if !waitFor(stopBound, func() bool { return !config.Init.Alive() }) {
			_ = config.Init.Signal(syscall.SIGKILL)
			if !waitFor(stopBound, func() bool { return !config.Init.Alive() }) {
				return fmt.Errorf("take the lab away: process %d does not end", config.Init.PID)
			}
		}
	}
	// The kernel kills the rest of the pid namespace; until the last is gone the
	// lab's files are in use. A process of the lab without a known init is one
	// whose record was lost: process 1 of a pid namespace of ours all the same.
	if !waitFor(stopBound, func() bool {
		left := l.processes()
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		return len(left) == 0
	}) {
		return fmt.Errorf("take the lab away: processes %v do not end", l.processes())
	}
	return nil
}

// processes finds the lab's processes by what only they have: the daemon's
// arguments, or one of the lab's network namespaces.
func (l Lab) processes() []int {
	spaces := map[string]bool{}
	for _, name := range netns.List(topology.Prefix) {
		if s, ok := namespaceID(filepath.Join(netns.Dir, name)); ok {
			spaces[s] = true
		}
	}
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		var pid int
		if _, err := fmt.Sscan(filepath.Base(dir), &pid); err != nil || pid == os.Getpid() {
			continue
		}
		args, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || len(args) == 0 {
			continue // ended, or the kernel's own
		}
		fields := strings.Split(strings.TrimRight(string(args), "\x00"), "\x00")
		ours := len(fields) == 3 && (fields[1] == "init" || fields[1] == "daemon") && fields[2] == l.Place.Run
		if s, ok := namespaceID(filepath.Join(dir, "ns/net")); ok && spaces[s] {
			// A user's own shell in a namespace is in the way as well: the
			// network it is in is taken away.
			ours = true
		}
		if ours {
			pids = append(pids, pid)
		}
	}
	return pids
}

func namespaceID(path string) (string, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return "", false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return "", false
	}
	return fmt.Sprintf("%d:%d", s.Dev, s.Ino), true
}

// left lists what should be gone and is not.
func (l Lab) left() []string {
	left := netns.List(topology.Prefix)
	for _, pid := range l.processes() {
		left = append(left, fmt.Sprintf("process %d", pid))
	}
	if exists(l.Place.Data) {
		left = append(left, l.Place.Data)
	}
	return left
}

// remember writes how the machine was, for the comparison after `down`.
func (l Lab) remember(s machine.Snapshot) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(l.Place.Run, "before.json"), text, 0o600)
}

func (l Lab) recall() (machine.Snapshot, bool) {
	text, err := os.ReadFile(filepath.Join(l.Place.Run, "before.json"))
	if err != nil {
		return nil, false
	}
	var s machine.Snapshot
	return s, json.Unmarshal(text, &s) == nil
}

// keepLogs moves the logs of a lab that did not come up to where they survive.
func (l Lab) keepLogs() {
	to := filepath.Join(l.Place.Cache, "lab-logs")
	if err := os.RemoveAll(to); err != nil {
		return
	}
	if err := os.CopyFS(to, os.DirFS(filepath.Dir(l.Place.Log("x")))); err == nil {
		fmt.Fprintf(l.Out, "The logs are kept in %s.\n", to)
	}
}

func waitFor(bound time.Duration, done func() bool) bool {
	deadline := time.Now().Add(bound)
	for !done() {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
	return true
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
