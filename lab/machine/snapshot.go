package machine

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

// Snapshot is what of the machine the lab could change, by kind: one line for
// each thing.
type Snapshot map[string][]string

// Take looks at the machine. Only what the lab could touch is looked at: a
// machine in use changes elsewhere all the time.
func Take() Snapshot {
	s := Snapshot{}
	s["network links"] = links()
	s["network namespaces"] = names("/var/run/netns")
	s["firewall rules"] = firewall()
	s["mounts"] = mounts()
	s["control groups"] = groups()
	s["kernel settings"] = settings()
	s["files"] = files()
	return s
}

// Diff lists what differs, as "kind: + line" for what came and "- line" for
// what went.
func (s Snapshot) Diff(after Snapshot) []string {
	var diffs []string
	for kind, before := range s {
		for _, line := range minus(after[kind], before) {
			diffs = append(diffs, kind+": + "+line)
		}
		for _, line := range minus(before, after[kind]) {
			diffs = append(diffs, kind+": - "+line)
		}
	}
	sort.Strings(diffs)
	return diffs
}

func minus(a, b []string) []string {
	count := map[string]int{}
	for _, line := range b {
		count[line]++
	}
	var rest []string
	for _, line := range a {
		if count[line]--; count[line] < 0 {
			rest = append(rest, line)
		}
	}
	return rest
}

func links() []string {
	interfaces, err := net.Interfaces()
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	for _, i := range interfaces {
		addresses, _ := i.Addrs()
		lines = append(lines, fmt.Sprintf("%s %v", i.Name, addresses))
	}
	return lines
}

func names(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var lines []string
	for _, e := range entries {
		lines = append(lines, e.Name())
	}
	return lines
}

// firewall reads the machine's rules without counters, which always move: nft
// shows those of either iptables, iptables-save only its own.
func firewall() []string {
	if path, err := lookPath("nft"); err == nil {
		if out, err := exec.Command(path, "-s", "list", "ruleset").Output(); err == nil {
			return lines(string(out), "#")
		}
	}
	path, err := lookPath("iptables-save")
	if err != nil {
		return nil
	}
	out, err := exec.Command(path).Output()
	if err != nil {
		return nil
	}
	return lines(string(out), "#:")
}

// lines splits text, leaving out lines that begin with one of skip's characters.
func lines(text, skip string) []string {
	var out []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.ContainsAny(line[:1], skip) {
			out = append(out, line)
		}
	}
	return out
}

// mounts lists this mount namespace's mount points that look like the lab's.
// The machine's others may come and go (another container engine's, a user's).
func mounts() []string {
	text, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		for _, ours := range []string{"kubelet", "causeway", "/netns/cw-", "/netns/cni-"} {
			if strings.Contains(fields[1], ours) {
				out = append(out, fields[1])
				break
			}
		}
	}
	return out
}

func groups() []string {
	v1, err := cgroupVersion()
	if err != nil {
		return nil
	}
	var out []string
	for _, dir := range hierarchies(v1) {
		for _, name := range []string{CgroupRoot, "/kubepods", "/k8s.io"} {
			path := filepath.Join(filepath.Dir(dir), name)
			if _, err := os.Stat(path); err == nil {
				out = append(out, path)
			}
		}
	}
	if text, err := os.ReadFile(filepath.Join(cgroupDir, "cgroup.subtree_control")); err == nil {
		out = append(out, "enabled "+strings.TrimSpace(string(text)))
	}
	return out
}

func settings() []string {
	more := []string{"net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet", "net/ipv4/conf/all/rp_filter"}
	for name := range tunables {
		more = append(more, name)
	}
	sort.Strings(more)
	var out []string
	for _, name := range more {
		if text, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			out = append(out, name+" = "+strings.TrimSpace(string(text)))
		}
	}
	return out
}

// files lists what is in the directories that containers' programs write to.
func files() []string {
	var out []string
	for _, dir := range []string{"/run", "/run/containerd", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/cni", "/var/lib/cni/networks", "/var/log/pods", "/var/log/containers", "/etc/cni/net.d", "/etc/kubernetes"} {
		if _, err := os.Stat(dir); err == nil {
			out = append(out, dir)
		}
		if dir == "/run" {
			continue // others' files come and go there
		}
		for _, name := range names(dir) {
			out = append(out, filepath.Join(dir, name))
		}
	}
	return out
}

// Kinds names what was looked at.
func (s Snapshot) Kinds() []string {
	var kinds []string
	for kind := range s {
		kinds = append(kinds, kind)
	}
	sort.Strings(kinds)
	return kinds
}
