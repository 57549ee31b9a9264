package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"

	"causeway/internal/gcptest"
	"causeway/lab/cluster"
	"causeway/lab/netns"
	"causeway/lab/pods"
	"causeway/lab/resolver"
	"causeway/lab/topology"
)

// How long an export takes to come into force, and to go: long enough to be seen in the
// progress. Google's take some five minutes, and up to thirty.
const (
	exportTime   = 3 * time.Second
	withdrawTime = time.Second
)

// startSecond starts the fleet's second cluster, where the line has one.
func (d *daemon) startSecond(ctx context.Context) (err error) {
	if !d.config.Line.Fleet() {
		return nil
	}
	d.second, err = cluster.New(cluster.Options{
		Place: d.place, Plane: topology.TheSecond, Master: d.spaces[topology.SecondMaster], VPC: d.spaces[topology.SecondSpace],
		AccessTokens: d.tokens.masters(), Users: d.tokens.users(), Note: d.note,
	})
	if err != nil {
		return err
	}
	return d.board.step("second cluster: control plane and kube-proxy", func() error { return d.second.StartWithoutPods(ctx) })
}

// membershipOf is the path of the membership that a cluster gets when it is registered
// under its own name, in its region.
func membershipOf(clusterName string) string {
	return fmt.Sprintf("projects/%s/locations/%s/memberships/%s", topology.Project, topology.Region, clusterName)
}

// startFleet runs the stand-in for the importer of multi-cluster Services over both
// clusters, and tells the second one's Pods the names that it makes.
func (d *daemon) startFleet() error {
	if d.second == nil {
		return nil
	}
	clusters := map[string]*rest.Config{}
	for _, one := range []struct {
		cluster *cluster.Cluster
		space   *netns.Space
		name    string
	}{{d.cluster, d.spaces[topology.Master], topology.Cluster}, {d.second, d.spaces[topology.SecondMaster], topology.SecondCluster}} {
		config, err := provider(one.cluster, one.space)
		if err != nil {
			return fmt.Errorf("start the importer stand-in: %w", err)
		}
		clusters[membershipOf(one.name)] = config
	}
	importer, err := gcptest.NewImporter(d.google, topology.Project, clusters)
	if err != nil {
		return fmt.Errorf("start the importer stand-in: %w", err)
	}
	importer.ExportTime, importer.WithdrawTime, importer.RetryInterval = exportTime, withdrawTime, time.Second
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := importer.Run(ctx); err != nil {
			d.note("the importer stand-in ended: " + err.Error())
		}
	}()
	d.closers = append(d.closers, func() { cancel(); <-done })
	if err := d.startResolver(func() map[string][]netip.Addr { return importer.Names(membershipOf(topology.SecondCluster)) }); err != nil {
		return err
	}
	return d.startPods()
}

// startPods runs the second cluster's Pods, which has no container runtime: as processes
// in its node's network, where whoever stands is taken for a Pod.
func (d *daemon) startPods() error {
	config, err := provider(d.second, d.spaces[topology.SecondMaster])
	if err != nil {
		return fmt.Errorf("start the stand-in for a kubelet: %w", err)
	}
	pair, err := d.second.KubeletCertificate()
	if err != nil {
		return fmt.Errorf("start the stand-in for a kubelet: %w", err)
	}
	space := d.spaces[topology.SecondSpace]
	listener, err := space.Listen("tcp", netip.AddrPortFrom(topology.TheSecond.NodeIP, pods.Port).String())
	if err != nil {
		return fmt.Errorf("start the stand-in for a kubelet: %w", err)
	}
	runner, err := pods.Start(pods.Options{Config: config, Node: topology.TheSecond.NodeName, Listener: listener, Certificate: pair,
		Space: space, Resolv: d.place.Resolv(topology.SecondSpace), Dir: filepath.Join(d.place.Run, "pods"), Note: d.note})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	d.closers = append(d.closers, runner.Stop)
	return nil
}

// startResolver answers the second cluster's Pods.
func (d *daemon) startResolver(names resolver.Names) error {
	r, err := resolver.Start(d.spaces[topology.SecondSpace], netip.AddrPortFrom(topology.Resolver, 53), names, d.note)
	if err != nil {
		return err
	}
	d.closers = append(d.closers, r.Stop)
	file := d.place.Resolv(topology.SecondSpace)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("write the resolver's file: %w", err)
	}
	return os.WriteFile(file, []byte(resolver.File(topology.Resolver)), 0o644)
}
