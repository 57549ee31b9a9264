// Package life brings the lab up and takes it away, from the machine's side:
// it checks the machine, makes the networks, starts the daemon, waits, and at
// the end proves that the machine is as it was. Everything may be killed at any
// time; Up and Down start from what they find.
package life

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/daemon"
	"causeway/lab/machine"
	"causeway/lab/netns"
	"causeway/lab/place"
	"causeway/lab/proc"
	"causeway/lab/topology"
)

// StartBound is how long `up` waits at most, stopBound `down`: kube-apiserver
// and etcd alone may take 7 s.
const (
	StartBound = 4 * time.Minute
	stopBound  = 20 * time.Second
)

// Lab is the lab of one place on this machine.
type Lab struct {
	Place place.Place
	Out   io.Writer     // what it does, for people
	Line  topology.Line // between far and the cluster's VPC
}

// Up brings the lab up and returns its state when all is ready. A lab that is
// up already is left alone; the rest of a broken one is taken away first.
func (l Lab) Up(ctx context.Context) (daemon.State, error) {
	unlock, err := l.lock()
	if err != nil {
		return daemon.State{}, err
	}
	defer unlock()
	config, err := daemon.ReadConfig(l.Place)
	if err == nil {
		if state, err := daemon.ReadState(l.Place); err == nil && config.Init.Alive() && state.Phase == daemon.Ready {
			if config.Line != l.Line {
				return state, fmt.Errorf("bring the lab up: one with the line %s is up, not %s: make lab-down takes it away", config.Line, l.Line)
			}
			fmt.Fprintln(l.Out, "The lab is up already.")
			return state, nil
		}
	}
	if l.remains() {
		fmt.Fprintln(l.Out, "Taking away what is left of an earlier lab ...")
		if err := l.takeAway(); err != nil {
			return daemon.State{}, err
		}
	}
	facts, problems := machine.Check(l.Place, l.Line)
	if len(problems) > 0 {
		return daemon.State{}, problems
	}
	began := time.Now()
	state, err := l.start(ctx, facts)
	if err != nil {
		l.keepLogs()
		clearErr := l.clear()
		return state, errors.Join(fmt.Errorf("bring the lab up: %w", err), clearErr)
	}
	fmt.Fprintf(l.Out, "The lab is up, after %s.\n", time.Since(began).Round(100*time.Millisecond))
	return state, nil
}

func (l Lab) start(ctx context.Context, facts machine.Facts) (daemon.State, error) {
	if err := os.MkdirAll(filepath.Dir(l.Place.Log("x")), 0o700); err != nil {
		return daemon.State{}, err
	}
	if err := l.remember(machine.Take()); err != nil {
		return daemon.State{}, err
	}
	if err := l.seed(); err != nil {
		return daemon.State{}, err
	}
	config := daemon.Config{
		Place: l.Place, Line: l.Line, CgroupV1: facts.CgroupV1, KeepOOMScore: facts.KeepOOMScore,
		Snapshotter: facts.Snapshotter, PluginDir: facts.PluginDir,
	}
	// Written before each thing that it is needed for to take away again.
	if err := config.Write(); err != nil {
		return daemon.State{}, err
	}
	var err error
	if config.Controllers, err = machine.MakeCgroup(facts.CgroupV1); err != nil {
		return daemon.State{}, errors.Join(err, config.Write())
	}
	if err := config.Write(); err != nil {
		return daemon.State{}, err
	}
	if err := netns.Create(l.Line.Namespaces()); err != nil {
		return daemon.State{}, err
	}
	if err := netns.Wire(l.Line); err != nil {
		return daemon.State{}, err
	}
	fmt.Fprintf(l.Out, "  networks %s\n", strings.Join(l.Line.Namespaces(), ", "))
	cmd, err := l.spawn()
	if err != nil {
		return daemon.State{}, err
	}
	if config.Init, err = proc.Identify(cmd.Process.Pid); err != nil {
		return daemon.State{}, fmt.Errorf("start the lab's daemon: %w\n%s", err, proc.Tail(l.Place.Log("daemon"), 10))
	}
	if err := config.Write(); err != nil {
		return daemon.State{}, err
	}
	return l.await(ctx, cmd)
}

// seed takes the emulator's first state along: the daemon sees another /var and
// another working directory.
func (l Lab) seed() error {
	if err := os.MkdirAll(filepath.Dir(daemon.SeedFile(l.Place, "x")), 0o700); err != nil {
		return fmt.Errorf("take the seed along: %w", err)
	}
	for _, name := range l.Line.Seeds() {
		file, err := gcptest.SeedFile(name)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read seed: %w", err)
		}
		if err := os.WriteFile(daemon.SeedFile(l.Place, name), text, 0o600); err != nil {
			return fmt.Errorf("take the seed along: %w", err)
		}
	}
	return nil
}

// spawn starts process 1 of the lab's own pid and mount namespaces, away from
// this terminal.
func (l Lab) spawn() (*exec.Cmd, error) {
	log, err := os.OpenFile(l.Place.Log("daemon"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("start the lab's daemon: %w", err)
	}
	defer log.Close()
	cmd := exec.Command("/proc/self/exe", "init", l.Place.Run)
	cmd.Stdout, cmd.Stderr, cmd.Dir = log, log, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:       true,
		Cloneflags:   syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS, // Go makes its mounts private with this flag
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the lab's daemon: %w", err)
	}
	return cmd, nil
}

// await shows the daemon's steps until it is ready or has failed.
func (l Lab) await(ctx context.Context, cmd *exec.Cmd) (daemon.State, error) {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, StartBound)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	shown, told := map[int]bool{}, time.Now()
	for {
		state, err := daemon.ReadState(l.Place)
		if err == nil {
			for i, s := range state.Steps {
				if s.Done && !shown[i] {
					shown[i], told = true, time.Now()
					fmt.Fprintf(l.Out, "  %-45s %5.1f s\n", s.Title, s.Took.Seconds())
				}
			}
			switch state.Phase {
			case daemon.Ready:
				return state, nil
			case daemon.Failed:
				return state, errors.New(state.Error)
			}
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			for _, s := range state.Steps {
				if !s.Done && s.Failure == "" {
					fmt.Fprintf(l.Out, "  ... waiting for %s (%.0f s)\n", s.Title, time.Since(s.Began).Seconds())
				}
			}
		}
		select {
		case err := <-ended:
			return state, fmt.Errorf("the daemon ended (%v):\n%s", err, proc.Tail(l.Place.Log("daemon"), 15))
		case <-ctx.Done():
			return state, fmt.Errorf("wait for the lab: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// Down takes the lab away and compares the machine with what it was.
func (l Lab) Down(context.Context) error {
	unlock, err := l.lock()
	if err != nil {
		return err
	}
	defer unlock()
	if !l.remains() {
		fmt.Fprintln(l.Out, "There is no lab.")
		return nil
	}
	began := time.Now()
	if err := l.takeAway(); err != nil {
		return err
	}
	fmt.Fprintf(l.Out, "That took %s.\n", time.Since(began).Round(100*time.Millisecond))
	return nil
}

// takeAway ends the lab and proves that the machine is as it was before.
func (l Lab) takeAway() error {
	before, known := l.recall()
	if err := l.clear(); err != nil {
		return err
	}
	if left := l.left(); len(left) > 0 {
		return fmt.Errorf("take the lab away: still there: %s", strings.Join(left, ", "))
	}
	if !known {
		fmt.Fprintln(l.Out, "The lab is gone. How the machine was before is not known: its record was gone.")
		return nil
	}
	if diff := before.Diff(machine.Take()); len(diff) > 0 {
		return fmt.Errorf("take the lab away: the machine is not as before:\n  %s", strings.Join(diff, "\n  "))
	}
	fmt.Fprintf(l.Out, "The lab is gone; the machine is as it was: no process of it, and the same %s.\n", strings.Join(before.Kinds(), ", "))
	return nil
}

// Status tells how the lab is; fs.ErrNotExist when there is none.
func (l Lab) Status() (daemon.State, error) {
	config, err := daemon.ReadConfig(l.Place)
	if err != nil {
		return daemon.State{}, err
	}
	state, err := daemon.ReadState(l.Place)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return daemon.State{}, err
	}
	if !config.Init.Alive() {
		state.Phase, state.Error = daemon.Failed, "the lab's daemon is gone; `down` cleans up, `up` starts anew"
	}
	return state, nil
}
