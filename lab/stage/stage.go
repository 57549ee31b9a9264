// Package stage is the main function of the end-to-end tests' packages: it brings a
// lab up for them, runs them, and looks whether cloud, cluster and machine are as
// they were before. Each package brings its own line; they take turns.
//
//	func TestMain(m *testing.M) {
//		os.Exit(stage.Stage{Root: "../..", Open: func(ctx context.Context, s *site.Site) error { lab = s; return nil }}.Main(m))
//	}
package stage

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"causeway/lab/daemon"
	"causeway/lab/life"
	"causeway/lab/place"
	"causeway/lab/site"
	"causeway/lab/topology"
)

// Stage is what a package's tests need.
type Stage struct {
	Root     string // the repository's root
	Line     topology.Line
	Parallel int // tests at a time; 0: as go test decides
	// Open takes the lab that is up, and prepares what all tests share, before the
	// look at how cloud and cluster are.
	Open func(context.Context, *site.Site) error
}

// Tests is *testing.M.
type Tests interface{ Run() int }

// Main runs the tests and returns the exit code. It is called first of all in the
// program: the lab's own processes are this program too.
func (s Stage) Main(m Tests) int {
	if exit, inner := daemon.Inner(os.Args[1:], os.Stderr); inner {
		return exit
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p, err := place.Find(os.Getenv, os.Geteuid())
	if err != nil {
		return fail("find the lab's place", err)
	}
	l := life.Lab{Place: p, Out: os.Stderr, Line: s.Line}
	done, err := l.Turn(ctx)
	if err != nil {
		return fail("begin", err)
	}
	defer done()
	if state, err := l.Status(); err == nil && state.Phase != "" {
		return fail("begin", fmt.Errorf("a lab is there already: make lab-down takes it away"))
	}
	return s.play(ctx, l, m)
}

func (s Stage) play(ctx context.Context, l life.Lab, m Tests) (exit int) {
	state, err := l.Up(ctx)
	if err != nil {
		return fail("bring the lab up", err)
	}
	defer func() {
		// The comparison of the machine with what it was before is part of Down.
		if err := l.Down(context.WithoutCancel(ctx)); err != nil {
			exit = fail("TestTheMachineIsAsItWas", err)
		}
	}()
	root, err := filepath.Abs(s.Root)
	if err != nil {
		return fail("find the repository", err)
	}
	tools := site.Tools{Causeway: filepath.Join(root, "bin", "causeway"), Script: filepath.Join(root, "scripts", "verify.sh")}
	lab, err := site.Open(l.Place, state, tools, filepath.Join(l.Place.Run, "e2e"))
	if err != nil {
		return fail("open the lab", err)
	}
	defer lab.Close()
	if err := s.Open(ctx, lab); err != nil {
		return fail("prepare the lab", err)
	}
	before, err := lab.Take(ctx)
	if err != nil {
		return fail("look at cloud and cluster", err)
	}
	interrupted := make(chan os.Signal, 1) // the tests themselves do not look at signals
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		_ = l.Down(context.Background()) // it tells what is wrong
		os.Exit(130)
	}()
	flag.Parse()
	if s.Parallel > 0 {
		if err := flag.Set("test.parallel", fmt.Sprint(s.Parallel)); err != nil {
			return fail("run in parallel", err)
		}
	}
	exit = m.Run()
	after, err := lab.Take(context.WithoutCancel(ctx))
	if err != nil {
		return fail("look at cloud and cluster", err)
	}
	if diff := before.Diff(after); len(diff) > 0 {
		return fail("TestCloudAndClusterAreAsBefore", errors.New(strings.Join(diff, "; ")))
	}
	return exit
}

func fail(what string, err error) int {
	fmt.Fprintf(os.Stderr, "--- FAIL: %s: %v\n", what, err)
	return 1
}
