package nginxtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"causeway/templates"
)

// Config says what to run.
type Config struct {
	Dir    string        // a directory of its own, made if it is not there
	Values templates.ILB // rendered with a layout inside Dir
	Cert   []byte        // PEM: the server's chain, mode terminate
	Key    []byte        // PEM
	// ClientCA is what client certificates are verified with, where Values asks.
	ClientCA []byte
	// Conf is a whole configuration instead of a rendered one: the seed's, for
	// instance. %DIR% in it is Dir, %LISTEN% the address.
	Conf []byte
	// Listen and Health are addresses to take; free loopback ones when not given.
	Listen, Health netip.AddrPort
	Env            []string // beside the machine's own
	UID            uint32   // when root runs the test: the user and group to be; 0 stays root
}

// Run is an nginx that was started.
type Run struct {
	Addr   netip.AddrPort // the TLS port
	Health netip.AddrPort // /healthz and /readyz; not for a Config with Conf
	Dir    string
	PID    int // of the master

	binary Binary
	cmd    *exec.Cmd
	done   chan struct{}
	once   sync.Once
	err    error
}

// How long nginx may take to listen, and to end. Both are far beyond what it
// takes on a busy machine.
const (
	startTimeout = 20 * time.Second
	stopTimeout  = 20 * time.Second
)

// Prepare writes the configuration and the files that it names into Dir and
// returns the addresses that it listens on.
func (b Binary) Prepare(c Config) (listen, health netip.AddrPort, err error) {
	if listen, err = orFree(c.Listen); err != nil {
		return listen, health, err
	}
	if health, err = orFree(c.Health); err != nil {
		return listen, health, err
	}
	contents := map[string][]byte{"modules/stream.conf": b.loadModules()}
	if c.Conf != nil {
		replacer := strings.NewReplacer("%DIR%", c.Dir, "%LISTEN%", listen.String())
		contents["nginx.conf"] = []byte(replacer.Replace(string(c.Conf)))
	} else {
		c.Values.Layout = layout(c, listen, health)
		if contents["nginx.conf"], err = c.Values.NginxConf(); err != nil {
			return listen, health, err
		}
		if contents["upstream-ca.crt"], err = c.Values.CA(); err != nil {
			return listen, health, err
		}
	}
	if c.Cert != nil {
		contents["tls/tls.crt"], contents["tls/tls.key"] = c.Cert, c.Key
	}
	if c.ClientCA != nil {
		contents["tls/client-ca.crt"] = c.ClientCA
	}
	for name, content := range contents {
		path := filepath.Join(c.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return listen, health, fmt.Errorf("prepare nginx: %w", err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return listen, health, fmt.Errorf("prepare nginx: %w", err)
		}
	}
	if c.UID == 0 {
		return listen, health, nil
	}
	err = filepath.WalkDir(c.Dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, int(c.UID), int(c.UID)))
	})
	return listen, health, err
}

// layout is the container's, moved into Dir.
func layout(c Config, listen, health netip.AddrPort) templates.Layout {
	return templates.Layout{
		Listen: listen.String(), Health: health.String(),
		TLSDir: filepath.Join(c.Dir, "tls"), ConfDir: c.Dir, RunDir: c.Dir,
		Modules:   filepath.Join(c.Dir, "modules", "*.conf"),
		AccessLog: filepath.Join(c.Dir, "access.log"), ErrorLog: filepath.Join(c.Dir, "error.log"),
		Workers: c.Values.Layout.Workers,
	}
}

func (b Binary) loadModules() []byte {
	var out bytes.Buffer
	for _, module := range b.Modules {
		fmt.Fprintf(&out, "load_module %s;\n", module)
	}
	return out.Bytes()
}

// Check runs `nginx -t` on the configuration. Its text comes back also when it
// succeeds, so that warnings can be looked for.
func Check(ctx context.Context, b Binary, c Config) (string, error) {
	if _, _, err := b.Prepare(c); err != nil {
		return "", err
	}
	out, err := b.command(ctx, c, "-t").CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("check configuration with nginx %s: %w: %s", b.Version, err, bytes.TrimSpace(out))
	}
	return string(out), nil
}

func (b Binary) command(ctx context.Context, c Config, more ...string) *exec.Cmd {
	arguments := append(slices.Clone(b.Command[1:]), "-p", c.Dir, "-e", filepath.Join(c.Dir, "error.log"), "-c", filepath.Join(c.Dir, "nginx.conf"))
	cmd := exec.CommandContext(ctx, b.Command[0], append(arguments, more...)...)
	cmd.Env = append(os.Environ(), c.Env...)
	if b.Root != "" {
		// OpenSSL would read the machine's own configuration, which is of another release.
		cmd.Env = append(cmd.Env, "OPENSSL_CONF="+filepath.Join(b.Root, "etc/ssl/openssl.cnf"))
	}
	return cmd
}

// Start runs nginx and returns when it listens. It ends with Stop, not with ctx,
// which bounds the start alone. An error holds what nginx said.
func Start(ctx context.Context, b Binary, c Config) (*Run, error) {
	if !filepath.IsAbs(c.Dir) {
		return nil, fmt.Errorf("start nginx: %q is not an absolute directory", c.Dir)
	}
	listen, health, err := b.Prepare(c)
	if err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	cmd := b.command(context.WithoutCancel(ctx), c)
	said, err := os.Create(filepath.Join(c.Dir, "stderr.log"))
	if err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	defer said.Close()
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if c.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: c.UID, Gid: c.UID}
	}
	run := &Run{Addr: listen, Health: health, Dir: c.Dir, binary: b, cmd: cmd, done: make(chan struct{})}
	if err := run.start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	wait := []netip.AddrPort{listen}
	if c.Conf == nil {
		wait = append(wait, health)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, address := range wait {
		if err := run.listens(ctx, address); err != nil {
			return nil, errors.Join(fmt.Errorf("start nginx %s: %w: %s", b.Version, err, run.said()), run.Kill())
		}
	}
	return run, nil
}

// start runs the child so that the kernel ends it when this process is killed.
// That is tied to the thread that forked, which therefore stays with the
// goroutine until nginx has ended. In a group of its own, so that Ctrl-C in the
// terminal leaves the order of the ending to the caller.
func (r *Run) start() error {
	r.cmd.SysProcAttr.Pdeathsig, r.cmd.SysProcAttr.Setpgid = syscall.SIGTERM, true
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := r.cmd.Start()
		if err == nil {
			r.PID = r.cmd.Process.Pid
		}
		started <- err
		if err == nil {
			r.err = r.cmd.Wait()
		}
		close(r.done)
	}()
	return <-started
}

// listens polls until the address takes connections or nginx ended.
func (r *Run) listens(ctx context.Context, address netip.AddrPort) error {
	dialer := net.Dialer{Timeout: time.Second}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		connection, err := dialer.DialContext(ctx, "tcp", address.String())
		if err == nil {
			return connection.Close()
		}
		select {
		case <-r.done:
			return errors.New("it ended")
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w", address, err)
		case <-tick.C:
		}
	}
}

func (r *Run) said() string {
	text, err := os.ReadFile(filepath.Join(r.Dir, "stderr.log"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text) + r.ErrorLog())
}

// ErrorLog and AccessLog return what nginx wrote so far. The access log lags by
// up to a second.
func (r *Run) ErrorLog() string { return r.read("error.log") }

// AccessLog returns the access log's lines so far.
func (r *Run) AccessLog() string { return r.read("access.log") }

func (r *Run) read(name string) string {
	text, err := os.ReadFile(filepath.Join(r.Dir, name))
	if err != nil {
		return ""
	}
	return string(text)
}

// Quit asks nginx to end without cutting anything; Wait says when it has.
func (r *Run) Quit() error { return r.signal(syscall.SIGQUIT) }

// Reload makes nginx read its files anew, in workers of their own.
func (r *Run) Reload() error { return r.signal(syscall.SIGHUP) }

func (r *Run) signal(signal syscall.Signal) error {
	if err := r.cmd.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal nginx: %w", err)
	}
	return nil
}

// Wait returns when nginx has ended, or an error when ctx does first.
func (r *Run) Wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("wait for nginx %s to end: %w", r.binary.Version, ctx.Err())
	}
}

// Stop ends nginx at once, cutting what is open, and waits for it. A second call
// does nothing.
func (r *Run) Stop() error {
	var err error
	r.once.Do(func() {
		if err = r.signal(syscall.SIGTERM); err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		if err = r.Wait(ctx); err != nil && ctx.Err() != nil {
			err = errors.Join(err, r.Kill())
		}
	})
	return err
}

// Kill ends the master and its workers without asking.
func (r *Run) Kill() error {
	for _, pid := range append(r.Workers(), r.PID) {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("kill nginx: %w", err)
		}
	}
	<-r.done
	return nil
}

// Workers returns the process ids of the workers, as the kernel knows them.
func (r *Run) Workers() []int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", r.PID, r.PID))
	if err != nil {
		return nil
	}
	var pids []int
	for field := range strings.FieldsSeq(string(text)) {
		if pid, err := strconv.Atoi(field); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// orFree returns the address, or a loopback one that was free a moment ago.
func orFree(address netip.AddrPort) (netip.AddrPort, error) {
	if address.IsValid() {
		return address, nil
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return netip.ParseAddrPort(listener.Addr().String())
}
