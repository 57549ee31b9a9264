// Package daemon is the lab while it runs: it brings up cluster and emulator,
// watches them, tells of it in a state file, and takes them down in order. It
// runs in pid and mount namespaces of its own (see Init and machine.Isolate);
// package life starts and ends it from outside.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/cluster"
	"causeway/lab/dataplane"
	"causeway/lab/images"
	"causeway/lab/machine"
	"causeway/lab/netns"
	"causeway/lab/place"
	"causeway/lab/topology"
)

// Run brings the lab up and keeps it until SIGTERM.
func Run(p place.Place) error {
	config, err := ReadConfig(p)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	board := newBoard(p)
	d := &daemon{config: config, place: p, board: board}
	defer d.down()
	if err := d.up(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		board.update(func(s *State) { s.Phase, s.Error = Failed, err.Error(); s.Components = d.components() })
		<-ctx.Done() // the one who started the lab reads the failure, then ends it
		return err
	}
	d.watch(ctx)
	return nil
}

type daemon struct {
	config  Config
	place   place.Place
	board   *board
	cluster *cluster.Cluster
	google  *gcptest.Server
	plane   *dataplane.Plane // nil on a static line
	spaces  map[string]*netns.Space
	closers []func() // run in reverse order by down

	exchange *dataplane.Exchange // nil where there are no consumers
	tokens   tokens
	gateway  *Gateway         // nil where Google's front ends are not
	second   *cluster.Cluster // of a fleet, else nil
}

func (d *daemon) note(text string) {
	d.board.update(func(s *State) { s.Notes = append(s.Notes, time.Now().Format(time.TimeOnly)+" "+text) })
}

func (d *daemon) up(ctx context.Context) error {
	d.spaces = map[string]*netns.Space{}
	for _, name := range d.config.Line.Namespaces() {
		// Opened before Isolate hides their names.
		s, err := netns.Open(name)
		if err != nil {
			return err
		}
		d.spaces[name] = s
	}
	if err := machine.Isolate([]string{d.place.Run, d.place.Cache}); err != nil {
		return err
	}
	releases, err := images.Releases(d.place)
	if err != nil {
		return err
	}
	if d.tokens, err = makeTokens(d.place); err != nil {
		return err
	}
	d.cluster, err = cluster.New(cluster.Options{
		Place: d.place, Plane: topology.TheFirst, Master: d.spaces[topology.Master], VPC: d.spaces[topology.VPC],
		AccessTokens: d.tokens.masters(), Users: d.tokens.users(), KeepOOMScore: d.config.KeepOOMScore, CgroupV1: d.config.CgroupV1,
		CgroupRoot: machine.CgroupRoot, Snapshotter: d.config.Snapshotter, PluginDir: d.config.PluginDir, Note: d.note,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = together(cancel,
		func() error {
			return d.board.step("control plane: etcd and kube-apiserver", func() error { return d.cluster.StartControlPlane(ctx) })
		},
		func() error { return d.images(ctx, releases[0]) },
		func() error { return d.startSecond(ctx) },
	)
	if err != nil {
		return err
	}
	if err := d.board.step("node Ready", func() error {
		if err := d.cluster.StartNode(); err != nil {
			return err
		}
		return d.cluster.AwaitReady(ctx)
	}); err != nil {
		return err
	}
	google, err := d.startGoogle()
	if err != nil {
		return err
	}
	if err := d.startLoadBalancers(ctx); err != nil {
		return err
	}
	if err := d.startFleet(); err != nil {
		return err
	}
	env, err := d.doors(ctx, google)
	if err != nil {
		return err
	}
	d.board.update(func(s *State) {
		s.Phase, s.Env, s.Components = Ready, env, d.components()
		s.NginxImage, s.ToolsImage = releases[0].Image(), images.Tools
	})
	return nil
}

// images starts containerd while the archives are built, then imports them.
func (d *daemon) images(ctx context.Context, release images.Release) error {
	var archives []string
	if err := together(func() {},
		func() error {
			return d.board.step("containerd", func() error { return d.cluster.StartContainerd(ctx) })
		},
		func() (err error) {
			return d.board.step("images: pause, nginx "+release.Version+", tools", func() error {
				archives, err = images.Build(d.place, release)
				return err
			})
		},
	); err != nil {
		return err
	}
	return d.board.step("images into containerd", func() error {
		for _, archive := range archives {
			if err := d.cluster.Import(ctx, archive); err != nil {
				return err
			}
		}
		return nil
	})
}

// together runs what does not depend on each other, and gives up on the rest
// when one fails.
func together(cancel func(), fs ...func() error) error {
	var wait sync.WaitGroup
	errs := make([]error, len(fs))
	for i, f := range fs {
		wait.Go(func() {
			if errs[i] = f(); errs[i] != nil {
				cancel()
			}
		})
	}
	wait.Wait()
	var kept []error
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			kept = append(kept, err)
		}
	}
	if len(kept) == 0 {
		return errors.Join(errs...)
	}
	return errors.Join(kept...)
}

// watch keeps the state file true until the lab is to end.
func (d *daemon) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := d.components()
			text := fmt.Sprint(now)
			if text == last {
				continue // nothing to write
			}
			last = text
			failed := d.cluster.Err()
			if d.second != nil {
				failed = errors.Join(failed, d.second.Err())
			}
			d.board.update(func(s *State) {
				s.Components = now
				if failed != nil {
					s.Phase, s.Error = Failed, failed.Error()
				}
			})
		}
	}
}

func (d *daemon) components() []Component {
	if d.cluster == nil {
		return nil
	}
	var list []Component
	processes := d.cluster.Processes()
	if d.second != nil {
		processes = append(processes, d.second.Processes()...)
	}
	if d.plane != nil {
		processes = append(processes, d.plane.Processes()...)
	}
	for _, p := range processes {
		c := Component{Name: p.Name()}
		c.PID, c.Restarts = p.State()
		if err := p.Err(); err != nil {
			c.Error = err.Error()
		}
		list = append(list, c)
	}
	return list
}

// down ends everything in order. What a kill leaves out, the end of the pid
// namespace does.
func (d *daemon) down() {
	d.board.update(func(s *State) {
		if s.Phase != Failed {
			s.Phase = Stopping
		}
	})
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
	var wait sync.WaitGroup
	for _, c := range []*cluster.Cluster{d.cluster, d.second} {
		if c != nil {
			wait.Go(c.Stop)
		}
	}
	wait.Wait()
	fmt.Fprintln(os.Stderr, "the lab's processes have ended")
}
