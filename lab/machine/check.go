// Package machine knows the machine that the lab runs on: whether it has what
// the lab needs (Check), how to keep the lab's mounts, kernel settings and
// control groups away from it (Isolate, Cgroup), and whether it is as it was
// before (Snapshot).
package machine

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"causeway/lab/place"
	"causeway/lab/topology"
)

// Problem is one thing that the machine lacks, with its cure.
type Problem struct {
	What, Cure string
	// Fatal: no set-up on this machine cures it, so the lab's full form cannot run here.
	Fatal bool
}

func (p Problem) String() string { return p.What + ": " + p.Cure }

// Problems is everything that the machine lacks, told at once.
type Problems []Problem

func (ps Problems) Error() string {
	lines := []string{fmt.Sprintf("check this machine: %d things are missing:", len(ps))}
	if len(ps) == 1 {
		lines[0] = "check this machine: one thing is missing:"
	}
	for _, p := range ps {
		lines = append(lines, "  - "+p.String())
	}
	return strings.Join(lines, "\n")
}

// Facts is what the lab must know of the machine to fit in.
type Facts struct {
	CgroupV1     bool
	KeepOOMScore bool   // no CAP_SYS_RESOURCE
	Snapshotter  string // overlayfs or native
	PluginDir    string // of the CNI plugins
}

// programs that the machine must have, and the Debian package of each.
var programs = [][2]string{
	{"containerd", "containerd"}, {"ctr", "containerd"}, {"containerd-shim-runc-v2", "containerd"}, {"runc", "runc"},
	{"iptables", "iptables"}, {"iptables-save", "iptables"}, {"iptables-restore", "iptables"}, {"conntrack", "conntrack"},
	{"ip", "iproute2"}, {"nsenter", "util-linux"}, {"curl", "curl"}, {"openssl", "openssl"},
}

// speakers are the programs that a line takes which follows the emulator.
var speakers = [][2]string{{"bird", "bird2"}}

// Check looks at everything before anything starts. The facts hold only when
// there is no problem.
func Check(p place.Place, line topology.Line) (Facts, Problems) {
	var problems Problems
	lack := func(fatal bool, what, cure string) {
		problems = append(problems, Problem{What: what, Cure: cure, Fatal: fatal})
	}
	if os.Geteuid() != 0 {
		lack(true, "root", "network namespaces and containers need it; run as root")
	} else if err := isolation(); err != nil {
		lack(true, "the right to make namespaces and mounts", fmt.Sprintf("this machine refuses it (%v); an unprivileged container can't run the lab, a virtual machine or a privileged container can", err))
	}
	for _, program := range wanted(line) {
		if _, err := lookPath(program[0]); err != nil {
			lack(false, "the program "+program[0], "install the package "+program[1]+" (scripts/setup.sh does)")
		}
	}
	var facts Facts
	if facts.PluginDir = pluginDir(); facts.PluginDir == "" {
		lack(false, "the CNI plugins ptp and host-local", "install the package containernetworking-plugins (scripts/setup.sh does)")
	}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl", "pause"} {
		if _, err := os.Stat(p.Bin(name)); err != nil {
			lack(false, p.Bin(name), "run scripts/build-kubernetes.sh all")
		}
	}
	var err error
	if facts.CgroupV1, err = cgroupVersion(); err != nil {
		lack(true, "control groups", err.Error())
	}
	facts.KeepOOMScore = !hasCapability(24) // CAP_SYS_RESOURCE, linux/capability.h
	facts.Snapshotter = snapshotter(p)
	if free, err := freeBytes(p.Cache); err == nil && free < 1<<30 {
		lack(false, "disk space", fmt.Sprintf("%d MB are free below %s, 1024 MB are needed", free>>20, p.Cache))
	}
	return facts, problems
}

// wanted lists the programs that a lab with the line takes.
func wanted(line topology.Line) [][2]string {
	if line.Moves() {
		return slices.Concat(programs, speakers)
	}
	return programs
}

func lookPath(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	// Not on every user's PATH.
	return exec.LookPath(filepath.Join("/usr/sbin", program))
}

func pluginDir() string {
	for _, dir := range []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"} {
		_, errPTP := os.Stat(filepath.Join(dir, "ptp"))
		_, errLocal := os.Stat(filepath.Join(dir, "host-local"))
		if errPTP == nil && errLocal == nil {
			return dir
		}
	}
	return ""
}

// isolation tries what the lab is made of: namespaces and a mount of proc.
func isolation() error {
	cmd := exec.Command("/bin/sh", "-c", "mount -n -t proc proc /proc && mount -n -t tmpfs lab /tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNET, Unshareflags: syscall.CLONE_NEWNS}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}

// hasCapability reads this process's effective capabilities.
func hasCapability(bit uint) bool {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			mask, err := strconv.ParseUint(strings.TrimSpace(value), 16, 64)
			return err == nil && mask&(1<<bit) != 0
		}
	}
	return false
}

// snapshotter tries an overlay mount where containerd will make its own: it
// fails inside another overlay, as in many containers.
func snapshotter(p place.Place) string {
	if os.MkdirAll(p.Cache, 0o755) != nil {
		return "native"
	}
	dir, err := os.MkdirTemp(p.Cache, ".overlay-")
	if err != nil {
		return "native"
	}
	defer os.RemoveAll(dir)
	for _, sub := range []string{"lower", "upper", "work", "merged"} {
		if os.Mkdir(filepath.Join(dir, sub), 0o755) != nil {
			return "native"
		}
	}
	options := fmt.Sprintf("lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", dir, dir, dir)
	merged := filepath.Join(dir, "merged")
	if syscall.Mount("overlay", merged, "overlay", 0, options) != nil {
		return "native"
	}
	_ = syscall.Unmount(merged, 0) // a mount that was just made and nobody uses
	return "overlayfs"
}

func freeBytes(dir string) (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return s.Bavail * uint64(s.Bsize), nil
}
