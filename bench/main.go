package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"causeway/internal/nginxtest"
)

// options are the flags.
type options struct {
	rounds, requests, connections int
	paceRate                      int
	paceLength                    time.Duration
	watches                       int
	workers                       int
	only                          map[string]bool
	nginx, baseline, path         string
	check                         bool
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Getenv); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		cancel()
		os.Exit(1)
	}
}

func parse(arguments []string, notes io.Writer) (options, error) {
	var o options
	var only string
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(notes)
	flags.IntVar(&o.rounds, "rounds", 7, "rounds; in each every way has its turn")
	flags.IntVar(&o.requests, "requests", 5000, "requests of a way in a saturated round")
	flags.IntVar(&o.connections, "connections", 20, "connections that saturate")
	flags.IntVar(&o.paceRate, "rate", 200, "requests a second when paced, over 5 connections")
	flags.DurationVar(&o.paceLength, "paced-for", 4*time.Second, "length of a paced round of a way")
	flags.IntVar(&o.watches, "watches", 1000, "watches at once")
	flags.IntVar(&o.workers, "workers", 0, "nginx workers (0: as rendered for a cluster)")
	flags.StringVar(&only, "only", "saturated,paced,list,watches", "what to measure")
	flags.StringVar(&o.nginx, "nginx", "", "release of nginx, of those at hand (default: the newest)")
	flags.StringVar(&o.baseline, "baseline", "testdata/baseline/default.conf", "the script's server block")
	flags.StringVar(&o.path, "path", "/api/v1/namespaces", "what the small GETs read")
	flags.BoolVar(&o.check, "check", false, "exit 1 when a goal is missed")
	if err := flags.Parse(arguments); err != nil {
		return o, err
	}
	o.only = map[string]bool{}
	for part := range strings.SplitSeq(only, ",") {
		switch part {
		case "saturated", "paced", "list", "watches":
			o.only[part] = true
		default:
			return o, fmt.Errorf("read flags: -only knows saturated, paced, list and watches, not %q", part)
		}
	}
	if o.rounds < 1 || o.requests < o.connections || o.connections < 1 || o.paceRate < 1 {
		return o, errors.New("read flags: rounds, requests, connections and rate are at least 1, requests at least connections")
	}
	return o, nil
}

func run(ctx context.Context, arguments []string, out, notes io.Writer, getenv func(string) string) (err error) {
	o, err := parse(arguments, notes)
	if err != nil {
		return err
	}
	binaries, err := nginxtest.Find(getenv)
	if err != nil {
		return err
	}
	binary, err := choose(binaries, o.nginx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "causeway-bench-")
	if err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	// nginx's workers run as another user when root starts it.
	if err := os.Chmod(dir, 0o755); err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	fmt.Fprintf(notes, "starting etcd, kube-apiserver, nginx %s and haproxy\n", binary.Version)
	b, err := setUp(ctx, dir, binary, o)
	defer func() { err = errors.Join(err, b.tearDown()) }()
	if err != nil {
		return err
	}
	return b.measure(ctx, o, out, notes)
}

func choose(binaries []nginxtest.Binary, version string) (nginxtest.Binary, error) {
	if version == "" {
		return nginxtest.Newest(binaries), nil
	}
	var have []string
	for _, binary := range binaries {
		if binary.Version == version {
			return binary, nil
		}
		have = append(have, binary.Version)
	}
	return nginxtest.Binary{}, fmt.Errorf("find nginx %s: at hand are %s", version, strings.Join(have, ", "))
}

// measure runs what was asked for and prints it.
func (b *bed) measure(ctx context.Context, o options, out, notes io.Writer) error {
	fmt.Fprintf(out, "nginx %s; %d rounds, the ways taking turns; medians\n", b.nginx.Version, o.rounds)
	token, err := b.prepare(ctx)
	if err != nil {
		return err
	}
	request := get(o.path, token)
	results := map[string]*figures{}
	for _, w := range b.ways {
		results[w.name] = &figures{}
	}
	for round := range o.rounds {
		fmt.Fprintf(notes, "round %d of %d\n", round+1, o.rounds)
		for i := range b.ways {
			// Each round begins with another way.
			w := b.ways[(i+round)%len(b.ways)]
			if err := b.turn(ctx, w, o, request, results[w.name]); err != nil {
				return err
			}
		}
	}
	report(out, b.ways, results, o)
	var problems []error
	if o.only["list"] {
		problems = append(problems, b.measureLists(ctx, o, token, out))
	}
	if o.only["watches"] {
		problems = append(problems, b.measureWatches(ctx, o, token, out, notes))
	}
	if o.check {
		problems = append(problems, goals(results, o))
	}
	return errors.Join(problems...)
}

// turn is one way's part of one round.
func (b *bed) turn(ctx context.Context, w way, o options, request []byte, into *figures) error {
	if o.only["saturated"] {
		s, err := saturate(ctx, w, b.serverPID, request, o.connections, o.requests)
		if err != nil {
			return err
		}
		into.saturated = append(into.saturated, s)
	}
	if o.only["paced"] {
		s, err := pace(ctx, w, request, 5, o.paceRate, o.paceLength)
		if err != nil {
			return err
		}
		into.paced = append(into.paced, s)
	}
	return nil
}
