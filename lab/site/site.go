// Package site runs commands where people stand in the lab: the operator on a
// machine of the cluster's VPC, the colleague on the far side, customers in networks
// of their own, the provider's own staff who see cluster and cloud from outside. The demo and the end-to-end
// tests share it. It starts and judges; it does not bring the lab up or down.
//
// Those of a fleet are in fleet.go.
//
//	s, err := site.Open(place, state, site.Tools{Causeway: "../bin/causeway", Script: "../scripts/verify.sh"}, dir)
//	got := s.Run(ctx, s.Far(home), "kubectl", "get", "nodes")
package site

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"causeway/lab/daemon"
	"causeway/lab/netns"
	"causeway/lab/place"
	"causeway/lab/topology"
)

// Tools are the product's files that are run.
type Tools struct {
	Causeway string // the built command
	Script   string // scripts/verify.sh
}

// Site is a lab that is up, with what is run in it.
type Site struct {
	Place place.Place
	State daemon.State
	Tools Tools
	Dir   string // for homes and files; the caller removes it

	far, vpc *netns.Space
	spaces   map[string]*netns.Space // those, and the consumers', by name
}

// Open finds what it takes, so that nothing is missing half-way.
func Open(p place.Place, state daemon.State, tools Tools, dir string) (*Site, error) {
	return open(p, state, tools, dir, true)
}

// OpenSmall is Open for the lab's smaller form, where all are on this machine's
// own network.
func OpenSmall(p place.Place, state daemon.State, tools Tools, dir string) (*Site, error) {
	return open(p, state, tools, dir, false)
}

func open(p place.Place, state daemon.State, tools Tools, dir string, whole bool) (*Site, error) {
	for _, path := range []*string{&tools.Causeway, &tools.Script} {
		whole, err := filepath.Abs(*path)
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(whole); err != nil {
			return nil, fmt.Errorf("find what is to be run: %w (make build makes bin/causeway)", err)
		}
		*path = whole
	}
	s := &Site{Place: p, State: state, Tools: tools, Dir: dir, spaces: map[string]*netns.Space{}}
	err := os.MkdirAll(dir, 0o700)
	if err != nil {
		return nil, fmt.Errorf("open the lab: %w", err)
	}
	if !whole {
		return s, nil
	}
	config, err := daemon.ReadConfig(p)
	if err != nil {
		return nil, fmt.Errorf("open the lab: %w", err)
	}
	names := []string{topology.Far, topology.VPC}
	for _, c := range config.Line.Consumers() {
		names = append(names, c.Namespace)
	}
	if config.Line.Fleet() {
		names = append(names, topology.SecondSpace)
	}
	for _, name := range names {
		if s.spaces[name], err = netns.Open(name); err != nil {
			delete(s.spaces, name)
			return nil, errors.Join(err, s.Close())
		}
	}
	s.far, s.vpc = s.spaces[topology.Far], s.spaces[topology.VPC]
	return s, nil
}

// Close lets go of the lab's networks.
func (s *Site) Close() error {
	var errs []error
	for _, space := range s.spaces {
		errs = append(errs, space.Close())
	}
	return errors.Join(errs...)
}

// FarSpace is the far side's network, for clients within this process.
func (s *Site) FarSpace() *netns.Space { return s.far }

// VPCSpace is the cluster's VPC, for servers within this process.
func (s *Site) VPCSpace() *netns.Space { return s.vpc }

// Who is a person's place: a network, a home, an environment.
type Who struct {
	Name  string // of the prompt
	Home  string // also the working directory
	space *netns.Space
	env   []string
}

// With returns the same person with further variables (NAME=value).
func (w Who) With(env ...string) Who {
	w.env = append(append([]string(nil), w.env...), env...)
	return w
}

// Operator is on a machine of the cluster's VPC, with a Google access token and
// without any kubeconfig. Each name has a home, and so records, of its own.
func (s *Site) Operator(name string) (Who, error) {
	w := Who{Name: "operator", Home: filepath.Join(s.Dir, "operator-"+name), space: s.vpc, env: s.google()}
	return w, os.MkdirAll(w.Home, 0o700)
}

// google is the environment of those who call Google's APIs.
func (s *Site) google() []string {
	var env []string
	for _, v := range s.State.Env {
		if v.Name != "KUBECONFIG" {
			env = append(env, v.Name+"="+v.Value)
		}
	}
	return env
}

// Consumer is a customer on the machine of a network of its own, with a Google access
// token: no route leads from there to the cluster's network, nor back.
func (s *Site) Consumer(c topology.Consumer, name string) (Who, error) {
	w := Who{Name: strings.TrimPrefix(c.Namespace, topology.Prefix), Home: filepath.Join(s.Dir, c.Namespace+"-"+name), space: s.spaces[c.Namespace], env: s.google()}
	if w.space == nil {
		return w, fmt.Errorf("find the network %s: this lab's line has no consumers", c.Namespace)
	}
	return w, os.MkdirAll(filepath.Join(w.Home, ".kube"), 0o700)
}

// WithGoogle gives a person of the far side what a Google identity takes: an access
// token in the person's home. The way to Google's front ends is the network's.
func (s *Site) WithGoogle(w Who) (Who, error) {
	token, err := s.token()
	if err != nil {
		return w, err
	}
	file := filepath.Join(w.Home, "access-token")
	return w.With("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=" + file), os.WriteFile(file, []byte(token+"\n"), 0o600)
}

// Far is on a machine of the far side with an empty home but for a kubeconfig
// (none when empty) where kubectl looks for it.
func (s *Site) Far(name string, kubeconfig []byte) (Who, error) {
	w := Who{Name: "far", Home: filepath.Join(s.Dir, "far-"+name), space: s.far}
	if err := os.MkdirAll(filepath.Join(w.Home, ".kube"), 0o700); err != nil {
		return w, err
	}
	if kubeconfig == nil {
		return w, nil
	}
	return w, os.WriteFile(filepath.Join(w.Home, ".kube", "config"), kubeconfig, 0o600)
}

// Provider is on the machine that the lab runs on, as the cluster's admin.
func (s *Site) Provider() Who {
	w := Who{Name: "provider", Home: s.Dir}
	for _, v := range s.State.Env {
		w.env = append(w.env, v.Name+"="+v.Value)
	}
	return w
}

// Command makes a command that w would run: programs are looked for among the
// lab's and the product's first. It ends by SIGINT, as with Ctrl-C, when ctx does.
func (s *Site) Command(ctx context.Context, w Who, args ...string) *exec.Cmd {
	path := args[0]
	switch path {
	case "causeway":
		path = s.Tools.Causeway
	case "verify.sh":
		path = "/bin/sh"
		args = append([]string{"sh", s.Tools.Script}, args[1:]...)
	default:
		if built := s.Place.Bin(path); exists(built) {
			path = built
		}
	}
	args = append([]string{path}, args[1:]...)
	hosts := w.space != nil && exists(s.Place.Hosts(w.space.Name))
	if hosts {
		args = append(s.named(w.space.Name), args...)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = w.Home
	cmd.Env = append([]string{"HOME=" + w.Home, "USER=" + w.Name, "LANG=C.UTF-8", "NO_COLOR=1",
		"PATH=" + filepath.Dir(s.Tools.Causeway) + ":" + filepath.Dir(s.Place.Bin("x")) + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, w.env...)
	// A group of its own: a Ctrl-C at the terminal reaches it through ctx, once.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if hosts {
		cmd.SysProcAttr.Unshareflags = syscall.CLONE_NEWNS // Go makes its mounts private with this flag
		cmd.Env = append(cmd.Env, "SSL_CERT_FILE="+s.Place.Roots())
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// named is what stands before a command for which, in mounts of its own, the network's
// names are the machine's.
func (s *Site) named(namespace string) []string {
	script := `mount --bind "$0" /etc/hosts && exec "$@"`
	if resolv := s.Place.Resolv(namespace); exists(resolv) {
		script = `mount --bind "$0" /etc/hosts && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`
		return []string{"/bin/sh", "-c", script, s.Place.Hosts(namespace), resolv}
	}
	return []string{"/bin/sh", "-c", script, s.Place.Hosts(namespace)}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Start starts a command in w's network.
func (s *Site) Start(w Who, cmd *exec.Cmd) error {
	if w.space == nil {
		return cmd.Start()
	}
	return w.space.Start(cmd)
}

// Result is how a command ended.
type Result struct {
	Line           string // as a person would type it
	Stdout, Stderr string
	Code           int
	Took           time.Duration
	Err            error // it could not be run at all
}

// Text is all that was printed.
func (r Result) Text() string { return r.Stdout + r.Stderr }

// Want returns an error unless the command ended with the code.
func (r Result) Want(code int) error {
	switch {
	case r.Err != nil:
		return fmt.Errorf("%s: %w", r.Line, r.Err)
	case r.Code != code:
		return fmt.Errorf("%s: exit %d, not %d:\n%s", r.Line, r.Code, code, strings.TrimSpace(r.Text()))
	}
	return nil
}

// Run runs a command to its end.
func (s *Site) Run(ctx context.Context, w Who, args ...string) Result {
	return s.RunTo(ctx, w, io.Discard, "", args...)
}

// RunTo is Run with text on stdin, and with all that is printed going to echo as
// it comes. What causeway shows is all in Stdout then.
func (s *Site) RunTo(ctx context.Context, w Who, echo io.Writer, input string, args ...string) Result {
	var stdout, stderr bytes.Buffer
	cmd := s.Command(ctx, w, args...)
	shared := &locked{w: echo} // stdout and stderr come from two goroutines
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), io.MultiWriter(&stdout, shared), io.MultiWriter(&stderr, shared)
	if args[0] == "causeway" && echo != io.Discard {
		cmd.Stderr = cmd.Stdout // one pipe: shown in the order in which it was written
	}
	began := time.Now()
	err := s.Start(w, cmd)
	if err == nil {
		err = cmd.Wait()
	}
	r := Result{Line: Line(args), Stdout: stdout.String(), Stderr: stderr.String(), Took: time.Since(began)}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		r.Code = exit.ExitCode()
	case err != nil:
		r.Code, r.Err = -1, err
	}
	return r
}

type locked struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// Line is a command as a person would type it.
func Line(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = arg
		if arg == "" || strings.ContainsAny(arg, " \t\n'\"$`\\|&;<>()*?{}") {
			quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}
