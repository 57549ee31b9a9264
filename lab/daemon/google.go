package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"causeway/internal/gcptest"
	"causeway/lab/cluster"
	"causeway/lab/dataplane"
	"causeway/lab/netns"
	"causeway/lab/place"
	"causeway/lab/topology"
)

// SeedFile is where `up` puts a part of the emulator's first state for the daemon.
func SeedFile(p place.Place, name string) string {
	return filepath.Join(p.Run, "seed", name+".yaml")
}

// operationTime is how long the emulator's operations run: long enough to be
// seen in the progress, shorter than Google's.
const operationTime = time.Second

// startGoogle starts the emulator of Google's APIs and returns its base URL, which is
// the same on the machine, in the VPC and with each consumer: a loopback port of each.
func (d *daemon) startGoogle() (string, error) {
	server, err := gcptest.New(gcptest.Options{OperationTime: operationTime, Tokens: []string{d.tokens.owner}})
	if err != nil {
		return "", fmt.Errorf("start the emulator: %w", err)
	}
	for _, name := range d.config.Line.Seeds() {
		seed, err := gcptest.ReadSeed(SeedFile(d.place, name))
		if err != nil {
			return "", err
		}
		if err := server.Fill(seed); err != nil {
			return "", err
		}
	}
	for _, name := range d.config.Line.Clusters() {
		if err := server.SetClusterCA(topology.Project, topology.Location, name, d.cluster.CA()); err != nil {
			return "", err
		}
	}
	if d.second != nil {
		if err := server.SetClusterCA(topology.Project, topology.Location, topology.SecondCluster, d.second.CA()); err != nil {
			return "", err
		}
	}
	server.AddPrincipal(d.tokens.alice, "user:"+Alice)
	if err := d.startPlane(server); err != nil {
		return "", err
	}
	names, err := d.startFronts(server)
	if err != nil {
		return "", err
	}
	if err := d.startExchange(server, names); err != nil {
		return "", err
	}
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start the emulator: %w", err)
	}
	listeners := []net.Listener{outside}
	for _, name := range d.operators() {
		l, err := d.spaces[name].Listen("tcp", outside.Addr().String())
		if err != nil {
			return "", errors.Join(fmt.Errorf("start the emulator in %s: %w", name, err), outside.Close())
		}
		listeners = append(listeners, l)
	}
	served := &http.Server{Handler: Control(server, Beside{Plane: d.plane, Exchange: d.exchange, Gateway: d.gateway}), ReadHeaderTimeout: 10 * time.Second}
	for _, l := range listeners {
		go func() {
			if err := served.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				d.note("the emulator ended: " + err.Error())
			}
		}()
	}
	d.google = server
	d.closers = append(d.closers, func() { served.Close() })
	return "http://" + outside.Addr().String(), nil
}

// operators names the networks where people call Google's APIs.
func (d *daemon) operators() []string {
	names := []string{topology.VPC}
	for _, c := range d.config.Line.Consumers() {
		names = append(names, c.Namespace)
	}
	return names
}

// startPlane has packets follow the emulator, on a line that does.
func (d *daemon) startPlane(google *gcptest.Server) error {
	if !d.config.Line.Moves() {
		return nil
	}
	plane := dataplane.New(dataplane.Options{Line: d.config.Line, Google: google, Spaces: d.spaces, Place: d.place, Note: d.note})
	google.SetLine(plane)
	if err := plane.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := plane.Run(ctx); err != nil {
			d.note("the data plane ended: " + err.Error())
		}
	}()
	d.closers = append(d.closers, func() { cancel(); <-done })
	d.plane = plane
	return nil
}

// startLoadBalancers runs the stand-ins for Google's controllers of load balancers and,
// where there are consumers, of ServiceAttachment objects, whose kind each cluster of
// GKE's has.
func (d *daemon) startLoadBalancers(ctx context.Context) error {
	config, err := provider(d.cluster, d.spaces[topology.Master])
	if err != nil {
		return fmt.Errorf("start the load-balancer stand-in: %w", err)
	}
	controller, err := gcptest.NewILBController(d.google, topology.Project, topology.Region, config)
	if err != nil {
		return err
	}
	controller.Cluster = topology.Cluster // of several in the seed
	controller.CreateTime, controller.DeleteTime = operationTime, operationTime
	d.follow("load-balancer", controller.Run)
	if len(d.config.Line.Consumers()) == 0 {
		return nil
	}
	// Before the lab is ready: what it has by itself is there before anybody looks.
	if err := gcptest.InstallCRDs(ctx, config, gcptest.ServiceAttachmentKind); err != nil {
		return err
	}
	attachments, err := gcptest.NewAttachmentController(d.google, topology.Project, topology.Region, config)
	if err != nil {
		return err
	}
	attachments.Cluster = topology.Cluster
	attachments.CreateTime, attachments.DeleteTime = operationTime, operationTime
	d.follow("service-attachment", attachments.Run)
	return nil
}

// follow runs a stand-in until the lab ends.
func (d *daemon) follow(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := run(ctx); err != nil {
			d.note("the " + name + " stand-in ended: " + err.Error())
		}
	}()
	d.closers = append(d.closers, func() { cancel(); <-done })
}

// provider is how Google's own controllers reach a cluster.
func provider(c *cluster.Cluster, space *netns.Space) (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig("load-balancer"))
	if err != nil {
		return nil, err
	}
	config.Dial = space.Dial
	return config, nil
}
