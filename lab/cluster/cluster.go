// Package cluster runs the lab's Kubernetes: the control plane in the master
// network, one node in the VPC. It writes configurations and starts processes;
// the networks (package netns), the images (package images) and the private
// mounts (package machine) are there before.
//
// Order matters at the end: kube-apiserver is stopped before its etcd, else it
// lets a minute pass.
package cluster

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"causeway/lab/netns"
	"causeway/lab/pki"
	"causeway/lab/place"
	"causeway/lab/proc"
	"causeway/lab/topology"
)

// Options say how the cluster is to run on this machine.
type Options struct {
	Place place.Place
	// Plane is which cluster it is: the first, or one beside it whose files and
	// processes are kept apart by its name.
	Plane       topology.ControlPlane
	Master, VPC *netns.Space // of its control plane, and of its node
	// AccessTokens are Google access tokens that the API server takes, as GKE
	// does, each with the user's e-mail address.
	AccessTokens map[string]string
	// Users are tokens of those who have no rights until somebody grants them.
	Users map[string]string
	// KeepOOMScore: this process may not lower oom_score_adj (no
	// CAP_SYS_RESOURCE), so containerd must not try either.
	KeepOOMScore bool
	// CgroupV1 tells which cgroup version the machine has.
	CgroupV1 bool
	// CgroupRoot is the cgroup below which all Pods are put.
	CgroupRoot string
	// Snapshotter is containerd's: overlayfs, or native where that can't be.
	Snapshotter string
	// PluginDir is where the CNI plugins lie.
	PluginDir string
	Note      func(string)
}

// Cluster is a running, or starting, cluster.
type Cluster struct {
	o         Options
	authority *pki.Authority
	client    *http.Client

	mu        sync.Mutex
	processes []*proc.Process // in the order of their start
}

// New makes the cluster's keys. It starts nothing.
func New(o Options) (*Cluster, error) {
	keys := o.Place.Keys()
	if o.Plane.Name != topology.TheFirst.Name {
		keys = filepath.Join(keys, o.Plane.Name)
	}
	for _, dir := range []string{o.Place.Run, filepath.Dir(o.Place.Log("x")), o.Place.Data, keys} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the lab's directories: %w", err)
		}
	}
	authority, err := pki.New(keys)
	if err != nil {
		return nil, err
	}
	c := &Cluster{o: o, authority: authority}
	return c, c.issue()
}

// apart is the name of a file or process of this cluster: the first one's are plain.
func (c *Cluster) apart(name string) string {
	if c.o.Plane.Name == topology.TheFirst.Name {
		return name
	}
	return c.o.Plane.Name + "-" + name
}

// Server is the API server's address inside the lab's networks.
func (c *Cluster) Server() string { return serverOf(c.o.Plane) }

// Kubeconfig is the path of a component's kubeconfig: admin, or the provider's.
func (c *Cluster) Kubeconfig(name string) string { return c.authority.Path(name + ".kubeconfig") }

// CA is the cluster's CA certificate in PEM.
func (c *Cluster) CA() []byte { return c.authority.PEM }

// start runs one component from the built binaries, or from the machine where
// path is absolute.
func (c *Cluster) start(name, path string, space *netns.Space, args ...string) error {
	if !filepath.IsAbs(path) {
		path = c.o.Place.Bin(path)
	}
	p, err := proc.Start(proc.Command{
		Name: c.apart(name), Path: path, Args: args, Space: space, Log: c.o.Place.Log(c.apart(name)),
		Env: []string{"HOME=" + c.o.Place.Data, "TMPDIR=/tmp"},
	}, c.o.Note)
	if err != nil {
		return err
	}
	c.mu.Lock()
	c.processes = append(c.processes, p)
	c.mu.Unlock()
	return nil
}

// Processes lists what was started.
func (c *Cluster) Processes() []*proc.Process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*proc.Process(nil), c.processes...)
}

// Err tells of a process that was given up.
func (c *Cluster) Err() error {
	var errs []error
	for _, p := range c.Processes() {
		errs = append(errs, p.Err())
	}
	return errors.Join(errs...)
}

// Stop ends all processes: the node's, then the control plane's with etcd last.
func (c *Cluster) Stop() {
	bounds := map[string]time.Duration{"kube-apiserver": 4 * time.Second, "etcd": 3 * time.Second}
	groups := [][]string{{"kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager"}, {"containerd"}, {"kube-apiserver"}, {"etcd"}}
	for _, group := range groups {
		var wait sync.WaitGroup
		for _, p := range c.Processes() {
			for _, name := range group {
				if p.Name() != c.apart(name) {
					continue
				}
				bound := bounds[name]
				if bound == 0 {
					bound = 2 * time.Second
				}
				wait.Go(func() { p.Stop(bound) })
			}
		}
		wait.Wait()
	}
}

// write writes a configuration file and returns its path.
func (c *Cluster) write(name, text string) (string, error) {
	path := filepath.Join(c.o.Place.Run, "config", c.apart(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	return path, nil
}
