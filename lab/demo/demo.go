// Package demo runs causeway's main job in the lab, from nothing to nothing, and
// shows it: each command as a person types it, what it prints, and at the end
// how long each part took. It stops at the first thing that is not as it must
// be, and takes away what it brought up whatever happens.
//
//	err := demo.Demo{Lab: lab, Root: "..", Out: os.Stdout}.Run(ctx)
package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"causeway/lab/daemon"
	"causeway/lab/life"
	"causeway/lab/machine"
	"causeway/lab/place"
	"causeway/lab/site"
	"causeway/lab/topology"
)

// Demo is one run.
type Demo struct {
	Place  place.Place
	Root   string // the repository's root, with bin/causeway and scripts/
	Out    io.Writer
	Getenv func(string) string
	Small  bool // the smaller form even where the whole lab could run
	Route  bool // the routed way instead: VPN, BGP and the peerings
}

// takeAwayBound bounds the end of a demo that was interrupted.
const takeAwayBound = 3 * time.Minute

// Run runs the whole lab's demo, or says why it can't and runs the smaller form.
// The routed way has none: its packets need networks.
func (d Demo) Run(ctx context.Context) error {
	report := &report{out: d.Out, began: time.Now()}
	if d.Small {
		fmt.Fprintln(d.Out, "The smaller form was asked for.")
		return d.small(ctx, report)
	}
	acts := []act{d.mainJob()}
	if d.Route {
		acts = []act{d.routedWay(), d.hubWay()}
	}
	if _, problems := machine.Check(d.Place, acts[0].line); len(problems) > 0 {
		switch {
		case d.Route:
			return fmt.Errorf("the routed way is shown in the whole lab alone: %w", problems)
		case !fatal(problems):
			return fmt.Errorf("%w\n(or the smaller form, without a node: go run . demo --small)", problems)
		}
		fmt.Fprintf(d.Out, "The whole lab cannot run here:\n%s\nThe same job runs in its smaller form instead.\n", problems)
		return d.small(ctx, report)
	}
	err := d.play(ctx, report, acts)
	if err != nil && ctx.Err() != nil {
		return errors.Join(context.Canceled, err)
	}
	if err == nil {
		report.table()
		fmt.Fprint(d.Out, acts[len(acts)-1].after)
	}
	return err
}

func fatal(problems machine.Problems) bool {
	for _, p := range problems {
		if p.Fatal {
			return true
		}
	}
	return false
}

func (d Demo) tools() site.Tools {
	return site.Tools{Causeway: filepath.Join(d.Root, "bin", "causeway"), Script: filepath.Join(d.Root, "scripts", "verify.sh")}
}

// act is what is shown in one lab.
type act struct {
	title     string
	line      topology.Line
	introduce func(daemon.State)
	tour      func(stage) tourist
	after     string // the demo's very last words
}

// stage is where a tour goes.
type stage struct {
	demo   Demo
	report *report
	s      *site.Site
	out    io.Writer // indented
}

// tourist is one tour of the lab.
type tourist interface {
	run(context.Context) error
	// leave takes what is left of the tour out of a lab that stays up.
	leave(context.Context) error
}

// play plays the acts one after the other. In a lab that is up already only the
// act of its line can be played.
func (d Demo) play(ctx context.Context, r *report, acts []act) error {
	story := &indent{w: d.Out}
	state, err := life.Lab{Place: d.Place, Out: story}.Status()
	if err == nil && state.Phase == daemon.Ready && len(acts) > 1 {
		config, err := daemon.ReadConfig(d.Place)
		if err != nil {
			return err
		}
		if at := slices.IndexFunc(acts, func(a act) bool { return a.line == config.Line }); at >= 0 {
			fmt.Fprintf(d.Out, "A lab with the line %s is up: only the demo's part on this line is shown.\n", config.Line)
			acts = acts[at : at+1]
		}
	}
	for _, a := range acts {
		if err := d.act(ctx, r, story, a); err != nil {
			return err
		}
	}
	return nil
}

// act plays one act in the whole lab: its own, or one that is up, which stays.
func (d Demo) act(ctx context.Context, r *report, story *indent, a act) (err error) {
	lab := life.Lab{Place: d.Place, Out: story, Line: a.line}
	_, statusErr := lab.Status()
	own := statusErr != nil // none, or the rest of one, which up clears away
	var state daemon.State
	took := r.part(a.title, func() error {
		if !own {
			fmt.Fprintln(d.Out, "A lab is up already: the demo runs in it, and leaves it up.")
			config, err := daemon.ReadConfig(d.Place)
			if err == nil && a.line == topology.LineFleet && config.Line == topology.LineStatic {
				lab.Line = config.Line // the same, without the fleet
			}
		}
		state, err = lab.Up(ctx)
		if err == nil {
			a.introduce(state)
		}
		return err
	})
	if took != nil {
		return took
	}
	if own {
		defer func() {
			// Not with ctx: it may have ended, and what was brought up goes all the same.
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeAwayBound)
			defer cancel()
			down := r.part("The lab goes, and the machine is as it was", func() error { return lab.Down(late) })
			err = errors.Join(err, down)
		}()
	}
	dir := filepath.Join(d.Place.Run, "demo")
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	s, err := site.Open(d.Place, state, d.tools(), dir)
	if err != nil {
		return err
	}
	defer s.Close()
	defer os.RemoveAll(dir)
	tour := a.tour(stage{demo: d, report: r, s: s, out: story})
	err = tour.run(ctx)
	if !own {
		err = errors.Join(err, tour.leave(ctx))
	}
	return err
}

// report shows the parts and keeps their times.
type report struct {
	out   io.Writer
	began time.Time
	parts []timed
}

type timed struct {
	title string
	took  time.Duration
}

// part runs f under a heading.
func (r *report) part(title string, f func() error) error {
	fmt.Fprintf(r.out, "\n== %d. %s\n", len(r.parts)+1, title)
	began := time.Now()
	err := f()
	r.parts = append(r.parts, timed{title, time.Since(began)})
	if err != nil {
		fmt.Fprintf(r.out, "\n!! part %d failed\n", len(r.parts))
	}
	return err
}

// table is the demo's last words.
func (r *report) table() {
	fmt.Fprintln(r.out, "\n== The time that each part took")
	w := tabwriter.NewWriter(r.out, 0, 0, 2, ' ', 0)
	for i, p := range r.parts {
		fmt.Fprintf(w, "  %d.\t%s\t%6.1f s\n", i+1, p.title, p.took.Seconds())
	}
	fmt.Fprintf(w, "  \tall\t%6.1f s\n", time.Since(r.began).Seconds())
	_ = w.Flush() // the terminal may have gone
}

// indent puts what commands print two columns in; prompts and headings are not.
type indent struct {
	mu   sync.Mutex
	w    io.Writer
	rest []byte
}

func (i *indent) Write(p []byte) (int, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rest = append(i.rest, p...)
	for {
		n := bytes.IndexByte(i.rest, '\n')
		if n < 0 {
			return len(p), nil
		}
		if err := i.line(string(i.rest[:n])); err != nil {
			return 0, err
		}
		i.rest = i.rest[n+1:]
	}
}

func (i *indent) line(text string) error {
	// Progress redraws its line; what counts is the last drawing.
	text = strings.TrimRight(text[strings.LastIndexByte(text, '\r')+1:], " ")
	if text != "" && !strings.HasPrefix(text, "#") && !prompted(text) {
		text = "  " + text
	}
	_, err := fmt.Fprintln(i.w, text)
	return err
}

func prompted(text string) bool {
	for _, who := range []string{"operator", "far", "alice", "pod", "consumer", "partner", "provider", "somebody"} {
		if strings.HasPrefix(text, who+"$ ") {
			return true
		}
	}
	return false
}
