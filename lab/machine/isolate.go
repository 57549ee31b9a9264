package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// tunables are the kernel settings that kubelet wants (kubelet's
// setupKernelTunables) and would otherwise set on the whole machine. It is shown
// files with the wanted values instead, in the lab's own mounts.
var tunables = map[string]int{
	"vm/overcommit_memory":      1,
	"vm/panic_on_oom":           0,
	"kernel/panic":              10,
	"kernel/panic_on_oops":      1,
	"kernel/keys/root_maxkeys":  1000000,
	"kernel/keys/root_maxbytes": 25 * 1000000,
}

// Isolate gives this process its own view of the machine. It must run in new
// mount and pid namespaces whose mounts do not propagate. Afterwards /proc is
// the pid namespace's, and /run, /var/lib and /var/log are empty file systems
// in memory, but for the paths in keep: what containerd, kubelet and the CNI
// plugins leave there is gone with the last process.
func Isolate(keep []string) error {
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount proc: %w", err)
	}
	kept := map[string]int{}
	for _, path := range keep {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("keep %s: %w", path, err)
		}
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			return fmt.Errorf("keep %s: %w", path, err)
		}
		fd, err := unix.Open(real, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("keep %s: %w", path, err)
		}
		defer unix.Close(fd)
		kept[real] = fd
	}
	for _, dir := range []string{"/run", "/var/lib", "/var/log"} {
		real, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return fmt.Errorf("hide %s: %w", dir, err)
		}
		if err := unix.Mount("lab", real, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755"); err != nil {
			return fmt.Errorf("hide %s: %w", dir, err)
		}
	}
	for path, fd := range kept {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("keep %s: %w", path, err)
		}
		if err := unix.Mount("/proc/self/fd/"+strconv.Itoa(fd), path, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("keep %s: %w", path, err)
		}
	}
	return showTunables()
}

func showTunables() error {
	for name, value := range tunables {
		shown := filepath.Join("/proc/sys", name)
		if _, err := os.Stat(shown); errors.Is(err, fs.ErrNotExist) {
			continue // this kernel has no such setting
		}
		file := filepath.Join("/run/tunables", name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("show kernel setting %s: %w", name, err)
		}
		if err := os.WriteFile(file, []byte(strconv.Itoa(value)+"\n"), 0o644); err != nil {
			return fmt.Errorf("show kernel setting %s: %w", name, err)
		}
		if err := unix.Mount(file, shown, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("show kernel setting %s: %w", name, err)
		}
	}
	return nil
}
