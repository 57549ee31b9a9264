package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"causeway/internal/kubetest"
	"causeway/internal/nginxtest"
	"causeway/templates"
)

// way is one path to the API server.
type way struct {
	name string
	addr netip.AddrPort
	tls  *tls.Config
	pids func() []int // the proxy's processes; nil for the direct way
	stop func() error
}

// usage is the processor time of both sides so far.
type usage struct{ proxy, server time.Duration }

func (w way) cpu(server int) (usage, error) {
	var u usage
	var err error
	if u.server, err = cpuTime(server); err != nil {
		return u, err
	}
	if w.pids == nil {
		return u, nil
	}
	for _, pid := range w.pids() {
		spent, err := cpuTime(pid)
		if err != nil {
			return u, err
		}
		u.proxy += spent
	}
	return u, nil
}

func (w way) memory() (int64, error) {
	var total int64
	for _, pid := range w.pids() {
		n, err := memory(pid)
		if err != nil {
			return 0, err
		}
		total += n
	}
	return total, nil
}

// bed is everything that is measured: the API server and the ways to it.
type bed struct {
	server    *kubetest.Server
	serverPID int
	nginx     nginxtest.Binary
	ways      []way
}

// setUp starts the API server and all ways. What it started is stopped by
// tearDown, also after an error.
func setUp(ctx context.Context, dir string, binary nginxtest.Binary, o options) (*bed, error) {
	b := &bed{nginx: binary}
	var err error
	if b.server, err = kubetest.StartServer(ctx, kubetest.Options{}); err != nil {
		return b, err
	}
	for _, pid := range children(os.Getpid()) {
		if command(pid) == "kube-apiserver" {
			b.serverPID = pid
		}
	}
	if b.serverPID == 0 {
		return b, errors.New("find kube-apiserver: not among the children")
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(b.server.CA)
	direct := way{
		name: "direct", addr: b.server.AddrPort(),
		tls: &tls.Config{RootCAs: pool, ServerName: "kubernetes.default.svc"},
	}
	b.ways = append(b.ways, direct)
	for _, start := range []func(context.Context, string, way, options) (way, error){
		b.terminate, b.passthrough, b.baseline, b.haproxy,
	} {
		w, err := start(ctx, dir, direct, o)
		if err != nil {
			return b, err
		}
		b.ways = append(b.ways, w)
	}
	return b, nil
}

func (b *bed) tearDown() error {
	var err error
	for _, w := range b.ways {
		if w.stop != nil {
			err = errors.Join(err, w.stop())
		}
	}
	if b.server != nil {
		err = errors.Join(err, b.server.Stop())
	}
	return err
}

func (b *bed) values(mode string, o options) templates.ILB {
	return templates.ILB{
		Exposure: "bench", Namespace: "causeway-bench", Mode: mode, Image: "nginx:" + b.nginx.Version,
		HTTP2:    mode == templates.Terminate && templates.HTTP2OK(b.nginx.Version),
		Upstream: b.server.AddrPort(), UpstreamCA: b.server.CA,
		ClientCIDRs: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Address:     netip.MustParseAddr("127.0.0.1"),
		Layout:      templates.Layout{Workers: o.workers},
	}
}

func (b *bed) terminate(ctx context.Context, dir string, _ way, o options) (way, error) {
	return b.http(ctx, "terminate", nginxtest.Config{Dir: filepath.Join(dir, "terminate"), Values: b.values(templates.Terminate, o)}, o)
}

func (b *bed) baseline(ctx context.Context, dir string, _ way, o options) (way, error) {
	script, err := os.ReadFile(o.baseline)
	if err != nil {
		return way{}, fmt.Errorf("read baseline (run from the repository's root): %w", err)
	}
	config := nginxtest.Config{Dir: filepath.Join(dir, "baseline"), Conf: nginxtest.Baseline(string(script), b.server.AddrPort(), true)}
	return b.http(ctx, "the script's", config, o)
}

// http starts an nginx that ends TLS with a certificate of its own.
func (b *bed) http(ctx context.Context, name string, config nginxtest.Config, o options) (way, error) {
	ca, err := nginxtest.NewCA("bench")
	if err != nil {
		return way{}, err
	}
	if config.Cert, config.Key, err = ca.Issue("bench", "127.0.0.1"); err != nil {
		return way{}, err
	}
	w, err := b.nginxWay(ctx, name, config)
	w.tls = ca.ClientTLS("127.0.0.1")
	return w, err
}

func (b *bed) passthrough(ctx context.Context, dir string, direct way, o options) (way, error) {
	w, err := b.nginxWay(ctx, "passthrough", nginxtest.Config{Dir: filepath.Join(dir, "passthrough"), Values: b.values(templates.Passthrough, o)})
	w.tls = direct.tls
	return w, err
}

func (b *bed) nginxWay(ctx context.Context, name string, config nginxtest.Config) (way, error) {
	run, err := nginxtest.Start(ctx, b.nginx, config)
	if err != nil {
		return way{}, err
	}
	return way{name: name, addr: run.Addr, stop: run.Stop, pids: func() []int { return append(run.Workers(), run.PID) }}, nil
}

// haproxy is the measure for a proxy that passes bytes.
func (b *bed) haproxy(ctx context.Context, dir string, direct way, _ options) (way, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return way{}, fmt.Errorf("find a free port: %w", err)
	}
	addr := netip.MustParseAddrPort(listener.Addr().String())
	if err := listener.Close(); err != nil {
		return way{}, fmt.Errorf("find a free port: %w", err)
	}
	path := filepath.Join(dir, "haproxy.cfg")
	text := fmt.Sprintf("global\n  maxconn 4096\ndefaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n"+
		"listen api\n  bind %s\n  server api %s\n", addr, direct.addr)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return way{}, fmt.Errorf("write haproxy's configuration: %w", err)
	}
	cmd := exec.Command("haproxy", "-db", "-f", path)
	if err := cmd.Start(); err != nil {
		return way{}, fmt.Errorf("start haproxy (`make setup` installs it): %w", err)
	}
	stop := func() error {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			return fmt.Errorf("stop haproxy: %w", err)
		}
		_ = cmd.Wait() // ends with the signal's status
		return nil
	}
	w := way{name: "haproxy tcp", addr: addr, tls: direct.tls, stop: stop, pids: func() []int { return []int{cmd.Process.Pid} }}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		c, err := dial(ctx, w)
		if err == nil {
			return w, c.Close()
		}
		if ctx.Err() != nil {
			return w, errors.Join(err, stop())
		}
		time.Sleep(20 * time.Millisecond)
	}
}
