// Package small is the lab without a node, for a machine that allows neither
// namespaces nor containers: a real kube-apiserver with its etcd, the emulator of
// Google's APIs, and in place of load balancer and pods a real nginx that runs
// the configuration which was deployed, on the reserved address itself. The
// emulator's subnet lies in 127.0.0.0/8 for that, where every address can be
// bound. It needs no root, and all of it ends with the process.
//
// What it can't show: a node's business (exec, logs, port-forward), and who is
// kept out by address.
package small

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"

	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
	"causeway/internal/nginxtest"
	"causeway/lab/cluster"
	"causeway/lab/daemon"
	"causeway/lab/place"
	"causeway/lab/topology"
)

// Subnet is where the load balancers' addresses come from.
var Subnet = netip.MustParsePrefix("127.20.0.0/16")

// Port is the load balancers': below 1024 only root may listen.
const Port = 8443

// operationTime is how long the emulator's operations and the load balancer take.
const operationTime = time.Second

// Options say what to run.
type Options struct {
	Place  place.Place
	Dir    string // for files; the caller removes it
	Getenv func(string) string
	Note   func(string)
}

// Lab is the smaller lab while it runs.
type Lab struct {
	State  daemon.State // as the whole lab's: environment and images
	server *kubetest.Server
	nginx  nginxtest.Binary
	google *gcptest.Server
	note   func(string)
	dir    string
	stops  []func() error // in the order of the starts
}

// Start brings it up. The caller must Stop it, also after an error.
func Start(ctx context.Context, o Options) (*Lab, error) {
	l := &Lab{note: o.Note, dir: o.Dir}
	found, err := nginxtest.Find(o.Getenv)
	if err != nil {
		return l, err
	}
	l.nginx = nginxtest.Newest(found)
	authentication := filepath.Join(o.Dir, "authentication.yaml")
	if err := os.WriteFile(authentication, []byte(cluster.Authentication), 0o600); err != nil {
		return l, err
	}
	l.server, err = kubetest.StartServer(ctx, kubetest.Options{BinDir: filepath.Dir(o.Place.Bin("x")), Dir: filepath.Join(o.Dir, "kube"), Note: o.Note,
		ExtraArgs: []string{"--authentication-config=" + authentication}})
	if err != nil {
		return l, err
	}
	l.stops = append(l.stops, l.server.Stop)
	workloads, err := l.server.StartWorkloads()
	if err != nil {
		return l, err
	}
	l.stops = append(l.stops, func() error { workloads.Stop(); return nil })
	base, err := l.startGoogle()
	if err != nil {
		return l, err
	}
	if err := l.startLoadBalancers(); err != nil {
		return l, err
	}
	return l, l.point(base)
}

// startGoogle starts the emulator with the lab's seed, moved to loopback.
func (l *Lab) startGoogle() (string, error) {
	file, err := gcptest.SeedFile("lab")
	if err != nil {
		return "", err
	}
	seed, err := gcptest.ReadSeed(file)
	if err != nil {
		return "", err
	}
	move(&seed, l.server.AddrPort())
	if l.google, err = gcptest.New(gcptest.Options{OperationTime: operationTime, Tokens: []string{kubetest.GoogleToken}}); err != nil {
		return "", err
	}
	if err := l.google.Fill(seed); err != nil {
		return "", err
	}
	if err := l.google.SetClusterCA(topology.Project, topology.Location, topology.Cluster, l.server.CA); err != nil {
		return "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("start the emulator: %w", err)
	}
	served := &http.Server{Handler: daemon.Control(l.google, daemon.Beside{}), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := served.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			l.note("the emulator ended: " + err.Error())
		}
	}()
	l.stops = append(l.stops, served.Close)
	return "http://" + listener.Addr().String(), nil
}

// move puts subnet and control plane of a seed on loopback addresses.
func move(seed *gcptest.Seed, api netip.AddrPort) {
	seed.Machines = nil
	for _, r := range seed.Resources {
		if _, ok := r.Body["ipCidrRange"]; ok {
			r.Body["ipCidrRange"], r.Body["gatewayAddress"] = Subnet.String(), Subnet.Addr().Next().String()
		}
		for _, at := range [][]string{{}, {"privateClusterConfig"}, {"controlPlaneEndpointsConfig", "ipEndpointsConfig"}} {
			body := r.Body
			for _, field := range at {
				body, _ = body[field].(map[string]any)
			}
			for _, field := range []string{"endpoint", "privateEndpoint"} {
				if _, ok := body[field]; ok {
					body[field] = api.String()
				}
			}
		}
	}
}

func (l *Lab) startLoadBalancers() error {
	controller, err := gcptest.NewILBController(l.google, topology.Project, topology.Region, l.server.Config)
	if err != nil {
		return err
	}
	controller.CreateTime, controller.DeleteTime = operationTime, operationTime
	runner, err := newRunner(l)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{}, 2)
	go func() {
		if err := controller.Run(ctx); err != nil {
			l.note("the load-balancer stand-in ended: " + err.Error())
		}
		done <- struct{}{}
	}()
	go func() { runner.run(ctx); done <- struct{}{} }()
	l.stops = append(l.stops, func() error { cancel(); <-done; <-done; return runner.stop() })
	return nil
}

// point writes what causeway and kubectl need to find all this.
func (l *Lab) point(base string) error {
	admin, err := l.server.Kubeconfig("lab", kubetest.GoogleToken)
	if err != nil {
		return err
	}
	kubeconfig, token := filepath.Join(l.dir, "admin.kubeconfig"), filepath.Join(l.dir, "access-token")
	if err := errors.Join(os.WriteFile(kubeconfig, admin, 0o600), os.WriteFile(token, []byte(kubetest.GoogleToken+"\n"), 0o600)); err != nil {
		return err
	}
	l.State = daemon.State{Phase: daemon.Ready, NginxImage: "mirror.gcr.io/library/nginx:" + l.nginx.Version, Env: []daemon.Variable{
		{Name: "KUBECONFIG", Value: kubeconfig}, {Name: "CLOUDSDK_CORE_PROJECT", Value: topology.Project},
		{Name: "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", Value: token},
	}}
	overrides := gcptest.Env(base)
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		l.State.Env = append(l.State.Env, daemon.Variable{Name: name, Value: overrides[name]})
	}
	return nil
}

// Stop ends everything, the last started first.
func (l *Lab) Stop() error {
	var errs []error
	for i := len(l.stops) - 1; i >= 0; i-- {
		errs = append(errs, l.stops[i]())
	}
	l.stops = nil
	return errors.Join(errs...)
}
