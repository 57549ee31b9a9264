package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"causeway/lab/images"
	"causeway/lab/topology"
)

// Inside the daemon's private mounts /run and /var/lib are the lab's own, so
// the usual paths can be used and nothing of them is on the machine.
const (
	containerdSocket = "/run/containerd/containerd.sock"
	kubeletRoot      = "/var/lib/kubelet"
)

// StartContainerd starts containerd and waits until it answers.
func (c *Cluster) StartContainerd(ctx context.Context) error {
	cni, err := c.write("cni/10-lab.conflist", cniConfig())
	if err != nil {
		return err
	}
	config, err := c.write("containerd.toml", c.containerdConfig(cni))
	if err != nil {
		return err
	}
	path, err := exec.LookPath("containerd")
	if err != nil {
		return fmt.Errorf("start containerd: %w", err)
	}
	if err := c.start("containerd", path, c.o.VPC, "--config", config); err != nil {
		return err
	}
	return c.await(ctx, "containerd", 30*time.Second, func(ctx context.Context) error {
		_, err := c.ctr(ctx, "version")
		return err
	})
}

// Import loads an image archive for kubelet.
func (c *Cluster) Import(ctx context.Context, archive string) error {
	_, err := c.ctr(ctx, "images", "import", "--snapshotter", c.o.Snapshotter, archive)
	return err
}

func (c *Cluster) ctr(ctx context.Context, args ...string) ([]byte, error) {
	args = append([]string{"--address", containerdSocket, "--namespace", "k8s.io"}, args...)
	out, err := exec.CommandContext(ctx, "ctr", args...).CombinedOutput()
	if err != nil {
		return out, fmt.Errorf("run ctr %s: %w: %s", args[4], err, out)
	}
	return out, nil
}

// StartNode starts kubelet and kube-proxy. containerd runs and the API server
// is ready before.
func (c *Cluster) StartNode() error {
	// The node's containers get the lab's own resolver file: the machine's may
	// name a resolver that the lab's networks can't reach, and there is no DNS here.
	resolv, err := c.write("resolv.conf", "# no DNS in the lab\n")
	if err != nil {
		return err
	}
	kubelet, err := c.write("kubelet.json", c.kubeletConfig(resolv))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(kubeletRoot, 0o755); err != nil {
		return fmt.Errorf("start kubelet: %w", err)
	}
	if err := c.start("kubelet", "kubelet", c.o.VPC,
		"--config="+kubelet, "--kubeconfig="+c.authority.Path("kubelet.kubeconfig"),
		"--root-dir="+kubeletRoot, "--cert-dir="+kubeletRoot+"/pki",
		"--node-ip="+c.o.Plane.NodeIP.String(), "--hostname-override="+c.o.Plane.NodeName,
		"--node-labels=cloud.google.com/gke-nodepool=default-pool,topology.kubernetes.io/region="+topology.Region+",topology.kubernetes.io/zone="+topology.Region+"-a",
	); err != nil {
		return err
	}
	return c.startProxy()
}

// startProxy starts kube-proxy.
func (c *Cluster) startProxy() error {
	proxy, err := c.write("kube-proxy.json", kubeProxyConfig(c.authority.Path("kube-proxy.kubeconfig"), c.o.Plane.PodCIDR))
	if err != nil {
		return err
	}
	return c.start("kube-proxy", "kube-proxy", c.o.VPC, "--config="+proxy, "--hostname-override="+c.o.Plane.NodeName)
}

// cniConfig uses ptp, not bridge: each Pod's traffic is then routed and passes
// kube-proxy's rules without the kernel's bridge filter module. GKE's nodes
// route to each Pod likewise.
func cniConfig() string {
	return mustJSON(map[string]any{
		"cniVersion": "0.4.0", "name": "lab",
		"plugins": []any{map[string]any{
			"type": "ptp", "ipMasq": false, "mtu": 1460, // GCP's default MTU
			"ipam": map[string]any{
				"type":    "host-local",
				"dataDir": "/var/lib/cni/networks",
				"ranges":  []any{[]any{map[string]any{"subnet": topology.NodePodCIDR.String()}}},
				"routes":  []any{map[string]any{"dst": "0.0.0.0/0"}},
			},
		}},
	})
}

// containerdConfig is written in version 2: containerd 1.6 reads it, and newer
// releases convert it.
func (c *Cluster) containerdConfig(cni string) string {
	return fmt.Sprintf(`version = 2
root = %q
state = "/run/containerd"

[grpc]
  address = %q

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  # Loading the AppArmor profile would change the machine.
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE runc dies with "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = %t
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = %q
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
`, c.o.Place.Data+"/containerd", containerdSocket, images.Pause, c.o.KeepOOMScore, c.o.PluginDir, dirOf(cni), c.o.Snapshotter)
}

func (c *Cluster) kubeletConfig(resolv string) string {
	return mustJSON(map[string]any{
		"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"x509":      map[string]any{"clientCAFile": c.authority.Path("ca.crt")},
		},
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"cgroupDriver":             "cgroupfs", "cgroupRoot": c.o.CgroupRoot,
		"failCgroupV1": false, "enforceNodeAllocatable": []string{}, "failSwapOn": false,
		"resolvConf": resolv,
		// Nobody answers there; without it each Pod gets a warning event.
		"clusterDNS": []string{"10.40.0.10"}, "clusterDomain": "cluster.local",
		// A full disk must neither evict Pods nor remove images: there is no
		// registry to fetch them from again.
		"evictionHard":                   map[string]string{"memory.available": "50Mi", "nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%", "imagefs.inodesFree": "0%"},
		"imageGCHighThresholdPercent":    100,
		"nodeStatusUpdateFrequency":      "5s",
		"streamingConnectionIdleTimeout": "4h",
		// A Pod that a test restarts comes back soon.
		"crashLoopBackOff": map[string]any{"maxContainerRestartPeriod": "5s"},
	})
}

func kubeProxyConfig(kubeconfig string, pods netip.Prefix) string {
	return mustJSON(map[string]any{
		"apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
		"mode": "iptables", "clusterCIDR": pods.String(),
		"clientConnection": map[string]any{"kubeconfig": kubeconfig},
		// Connection tracking limits are the machine's, not the lab's: 0 leaves them.
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
		"iptables":  map[string]any{"minSyncPeriod": "200ms"},
	})
}

func mustJSON(v any) string {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err) // maps of strings and numbers: it can't be
	}
	return string(text)
}
