package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// figures are all rounds of one way.
type figures struct{ saturated, paced []sample }

func over[T float64 | time.Duration](samples []sample, pick func(sample) T) T {
	values := make([]T, 0, len(samples))
	for _, s := range samples {
		values = append(values, pick(s))
	}
	return median(values)
}

// ratio is a way's throughput against the direct way's, as the median over rounds
// of the quotient within a round: what slows the whole machine for a while slows
// both.
func ratio(w, direct *figures) float64 {
	var quotients []float64
	for i := range min(len(w.saturated), len(direct.saturated)) {
		quotients = append(quotients, w.saturated[i].perSecond/direct.saturated[i].perSecond)
	}
	return median(quotients)
}

func ms(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond)) }
func us(d time.Duration) string { return fmt.Sprintf("%d µs", d.Microseconds()) }
func mib(n int64) string        { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }

// report prints the table of small GETs.
func report(out io.Writer, ways []way, results map[string]*figures, o options) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	direct := results["direct"]
	if o.only["saturated"] {
		fmt.Fprintf(out, "\nsmall GETs, %d connections, as fast as they go\n", o.connections)
		fmt.Fprintln(table, "way\tagainst direct\trequests/s\tp50\tp99\tproxy CPU/request\tkube-apiserver CPU/request\t")
		for _, w := range ways {
			f := results[w.name]
			proxy := "-"
			if w.pids != nil {
				proxy = us(over(f.saturated, func(s sample) time.Duration { return s.proxyCPU }))
			}
			fmt.Fprintf(table, "%s\t%.2f\t%.0f\t%s\t%s\t%s\t%s\t\n", w.name, ratio(f, direct),
				over(f.saturated, func(s sample) float64 { return s.perSecond }),
				ms(over(f.saturated, func(s sample) time.Duration { return s.p50 })),
				ms(over(f.saturated, func(s sample) time.Duration { return s.p99 })), proxy,
				us(over(f.saturated, func(s sample) time.Duration { return s.serverCPU })))
		}
		table.Flush()
	}
	if o.only["paced"] {
		fmt.Fprintf(out, "\nsmall GETs, %d a second over 5 connections\n", o.paceRate)
		fmt.Fprintln(table, "way\tp50\tmore than direct\tp99\t")
		base := over(direct.paced, func(s sample) time.Duration { return s.p50 })
		for _, w := range ways {
			f := results[w.name]
			p50 := over(f.paced, func(s sample) time.Duration { return s.p50 })
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t\n", w.name, ms(p50), ms(p50-base), ms(over(f.paced, func(s sample) time.Duration { return s.p99 })))
		}
		table.Flush()
	}
}

func (b *bed) measureLists(ctx context.Context, o options, token string, out io.Writer) error {
	request := get("/api/v1/namespaces/"+namespace+"/configmaps?resourceVersion=0", token)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	took := map[string][]time.Duration{}
	var size int64
	for range o.rounds {
		for _, w := range b.ways {
			t, n, err := lists(ctx, w, request, 3)
			if err != nil {
				return err
			}
			took[w.name], size = append(took[w.name], t), n
		}
	}
	fmt.Fprintf(out, "\na list of %s\n", mib(size))
	fmt.Fprintln(table, "way\ttime\tagainst direct\t")
	base := median(took["direct"])
	for _, w := range b.ways {
		t := median(took[w.name])
		fmt.Fprintf(table, "%s\t%s\t%.2f\t\n", w.name, ms(t), float64(t)/float64(base))
	}
	return table.Flush()
}

func (b *bed) measureWatches(ctx context.Context, o options, token string, out, notes io.Writer) error {
	var results []watching
	for _, w := range b.ways {
		if w.name != "terminate" && w.name != "passthrough" {
			continue
		}
		fmt.Fprintf(notes, "%d watches through %s\n", o.watches, w.name)
		result, err := b.watchMany(ctx, w, token, o.watches)
		if err != nil {
			return err
		}
		results = append(results, result)
	}
	fmt.Fprintf(out, "\n%d watches at once, then one change\n", o.watches)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "way\tevents arrived\tnginx memory before\twith them\ta watch\tslowest headers\tfirst event\tlast event\t")
	var missing error
	for _, r := range results {
		fmt.Fprintf(table, "%s\t%d of %d\t%s\t%s\t%.0f KiB\t%s\t%s\t%s\t\n", r.way, r.arrived, r.watches, mib(r.before), mib(r.with),
			float64(r.with-r.before)/float64(r.watches)/1024, ms(r.headers), ms(r.first), ms(r.all))
		if r.arrived != r.watches {
			missing = errors.Join(missing, fmt.Errorf("watch through %s: %d of %d events arrived", r.way, r.arrived, r.watches))
		}
	}
	return errors.Join(table.Flush(), missing)
}

// What the product promises (README).
const (
	terminateGoal   = 0.80
	passthroughGoal = 0.88
	pacedGoal       = 500 * time.Microsecond
)

// goals names every promise that the figures do not keep.
func goals(results map[string]*figures, o options) error {
	var missed []error
	direct := results["direct"]
	if o.only["saturated"] {
		for name, goal := range map[string]float64{"terminate": terminateGoal, "passthrough": passthroughGoal} {
			if got := ratio(results[name], direct); got < goal {
				missed = append(missed, fmt.Errorf("%s: %.2f of direct, promised is %.2f", name, got, goal))
			}
		}
	}
	if o.only["paced"] {
		p50 := func(name string) time.Duration {
			return over(results[name].paced, func(s sample) time.Duration { return s.p50 })
		}
		if more := p50("terminate") - p50("direct"); more > pacedGoal {
			missed = append(missed, fmt.Errorf("terminate: p50 %s above direct, promised is %s", ms(more), ms(pacedGoal)))
		}
	}
	return errors.Join(missed...)
}
