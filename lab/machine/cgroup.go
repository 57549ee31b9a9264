package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const cgroupDir = "/sys/fs/cgroup"

// CgroupRoot is the control group below which kubelet puts every Pod.
const CgroupRoot = "/causeway-lab"

// cgroupVersion tells which version the machine has.
func cgroupVersion() (v1 bool, err error) {
	var s unix.Statfs_t
	if err := unix.Statfs(cgroupDir, &s); err != nil {
		return false, fmt.Errorf("%s is not there: %w", cgroupDir, err)
	}
	if s.Type == unix.CGROUP2_SUPER_MAGIC {
		return false, writable(cgroupDir)
	}
	for _, controller := range []string{"cpu", "cpuset", "memory", "pids"} {
		if err := writable(filepath.Join(cgroupDir, controller)); err != nil {
			return true, err
		}
	}
	return true, nil
}

func writable(dir string) error {
	if err := unix.Access(dir, unix.W_OK); err != nil {
		return fmt.Errorf("%s can't be written to: %w", dir, err)
	}
	return nil
}

// hierarchies lists the directories that stand for CgroupRoot: one with cgroup
// v2, one a controller with v1.
func hierarchies(v1 bool) []string {
	if !v1 {
		return []string{filepath.Join(cgroupDir, CgroupRoot)}
	}
	entries, err := os.ReadDir(cgroupDir)
	if err != nil {
		return nil
	}
	var dirs []string
	for _, e := range entries {
		dir := filepath.Join(cgroupDir, e.Name())
		// Links (cpu -> cpu,cpuacct) name what is listed anyway.
		if e.Type()&fs.ModeSymlink == 0 && e.IsDir() && e.Name() != "unified" {
			if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
				dirs = append(dirs, filepath.Join(dir, CgroupRoot))
			}
		}
	}
	return dirs
}

// MakeCgroup makes CgroupRoot. With cgroup v2 the controllers that kubelet needs
// are enabled at the root; it returns those that were not before, for
// RemoveCgroup to turn off again.
func MakeCgroup(v1 bool) (enabled []string, err error) {
	if !v1 {
		if enabled, err = enableControllers(); err != nil {
			return enabled, fmt.Errorf("make control group: %w", err)
		}
	}
	for _, dir := range hierarchies(v1) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return enabled, fmt.Errorf("make control group: %w", err)
		}
		// A new v1 cpuset is empty, and nothing can run in an empty one.
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			value, err := os.ReadFile(filepath.Join(filepath.Dir(dir), file))
			if err == nil && v1 {
				_ = os.WriteFile(filepath.Join(dir, file), value, 0o644) // kubelet tells when it matters
			}
		}
	}
	if !v1 {
		controllers, err := os.ReadFile(filepath.Join(cgroupDir, CgroupRoot, "cgroup.controllers"))
		if err != nil {
			return enabled, fmt.Errorf("make control group: %w", err)
		}
		for _, c := range strings.Fields(string(controllers)) {
			_ = os.WriteFile(filepath.Join(cgroupDir, CgroupRoot, "cgroup.subtree_control"), []byte("+"+c), 0o644)
		}
	}
	return enabled, nil
}

func enableControllers() (enabled []string, err error) {
	available, err := os.ReadFile(filepath.Join(cgroupDir, "cgroup.controllers"))
	if err != nil {
		return nil, err
	}
	control := filepath.Join(cgroupDir, "cgroup.subtree_control")
	have, err := os.ReadFile(control)
	if err != nil {
		return nil, err
	}
	on := strings.Fields(string(have))
	for _, c := range strings.Fields(string(available)) {
		if contains(on, c) {
			continue
		}
		if err := os.WriteFile(control, []byte("+"+c), 0o644); err != nil {
			// Inside a container the root group holds processes, which v2 forbids
			// (EBUSY); cpu, memory and pids decide whether kubelet starts.
			if c == "cpu" || c == "memory" || c == "pids" || c == "cpuset" {
				return enabled, fmt.Errorf("enable controller %s: %w", c, err)
			}
			continue
		}
		enabled = append(enabled, c)
	}
	return enabled, nil
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// RemoveCgroup kills what is left below CgroupRoot and takes it away.
func RemoveCgroup(v1 bool, enabled []string) error {
	var errs []error
	dirs := hierarchies(v1)
	if v1 { // beside v1's controllers, runc makes its groups in the v2 tree that holds none
		dirs = append(dirs, filepath.Join(cgroupDir, "unified", CgroupRoot))
	}
	for _, dir := range dirs {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := removeTree(dir); err != nil {
			errs = append(errs, fmt.Errorf("remove control group: %w", err))
		}
	}
	if !v1 {
		for _, c := range enabled {
			_ = os.WriteFile(filepath.Join(cgroupDir, "cgroup.subtree_control"), []byte("-"+c), 0o644) // somebody else may use it by now
		}
	}
	return errors.Join(errs...)
}

// removeTree removes a group from its leaves up. A group whose last process
// has just been killed is busy for a moment.
func removeTree(dir string) error {
	deadline := time.Now().Add(5 * time.Second)
	for {
		err := removeOnce(dir)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func removeOnce(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		if d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i := len(dirs) - 1; i >= 0; i-- {
		killAll(dirs[i])
		if err := os.Remove(dirs[i]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// killAll kills the processes of a group of ours: containers that outlived
// everything that knew them.
func killAll(dir string) {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil {
		return
	}
	for _, field := range bytes.Fields(text) {
		if pid, err := strconv.Atoi(string(field)); err == nil && pid > 1 {
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended meanwhile
		}
	}
}
