package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/exposer/detect"
	"causeway/internal/gcp"
	"causeway/internal/ui"
)

const detectLong = `Reads a cluster and the networks around it, and says which of the six methods can
work there: what is in the way of each and what to do about it, what the far side
needs, who clients are, what it costs and what it exposes. Then which to take, with
the command to type, in which words in capitals are for you to fill in; -o yaml has
those of the other methods too.

It changes nothing, and needs no right but to read: roles/container.clusterViewer on
the cluster's project, roles/compute.networkViewer on the network's and the hub's,
roles/serviceusage.serviceUsageViewer on the fleet's. What it may not look at is listed,
and narrows the answer.

Exit code 4 where none of the methods can work, not even after something.`

func (a *app) detectCommand() *cobra.Command {
	c := &common{}
	var region string
	cmd := &cobra.Command{
		Use: "detect", Short: "say which methods can work for a cluster, and which to take; change nothing", Long: detectLong,
		Example: "  causeway detect --project P --location L --cluster C\n" +
			"  causeway detect --project P --location L --cluster C --client-cidr 172.31.0.0/16",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.detect(cmd, c, region) },
	}
	group(cmd, aboutCluster, c.clusterFlags)
	group(cmd, aboutFarSide, func(f *flagSet) {
		f.StringSliceVar(&c.spec.FarSide.CIDRs, "client-cidr", nil, "`CIDR` of a network that clients come from, such as 172.31.0.0/16; may be repeated (default: any)")
		f.StringVar(&region, "from-region", "", "Google's `REGION` that the far side's line enters (default: any)")
	})
	outputFlag(cmd, &c.output)
	group(cmd, aboutReach, c.googleFlags)
	group(cmd, aboutRun, c.endFlags)
	return cmd
}

func (a *app) detect(cmd *cobra.Command, c *common, region string) error {
	ref := c.spec.Cluster
	if ref.Project == "" {
		ref.Project = gcp.DefaultProject(a.getenv)
	}
	if err := exposer.ValidateTarget(ref, c.spec.FarSide); err != nil {
		return err
	}
	if region != "" && !regionForm.MatchString(region) {
		return &usageError{text: fmt.Sprintf("--from-region must be a region such as europe-west3, %q is not", region), cmd: cmd.CommandPath()}
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), c.timeout, &timeoutError{c.timeout.String()})
	defer cancel()
	s := &session{app: a, flags: c, ctx: ctx, progress: ui.NewProgress(a.err, a.tty, a.now).Colour(a.colourErr())}
	google, _, err := s.google(c.tokenFile, c.impersonate)
	if err != nil {
		return err
	}
	facts, err := detect.Read(ctx, google, ref)
	if err != nil {
		return err
	}
	report := facts.Assess(detect.Ask{Clients: c.spec.FarSide.Prefixes(), FromRegion: region})
	if c.output != "table" {
		err = a.writeData(c.output, report)
	} else {
		showReport(a.out, report, a.colourOut())
	}
	if err == nil && !report.Possible() {
		err = &exitStatus{exitPrecondition}
	}
	return err
}

// regionForm is a region's name, not a zone's.
var regionForm = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]+$`)

// Widths of the two tables: together with their gaps, 110 columns.
var (
	verdictWidths = []int{0, 0, 85}
	aspectWidths  = []int{0, 22, 19, 17, 16, 19}
)

// wide is how wide the answer gets, but for commands.
const wide = 110

// words are the verdicts, as they read in a table.
var words = map[detect.Verdict]string{detect.Works: "works", detect.After: "works after", detect.Cannot: "cannot", detect.Unknown: "unknown"}

// showReport writes the whole answer.
func showReport(w io.Writer, r detect.Report, colour bool) {
	for _, fact := range r.Facts() {
		for i, line := range strings.Split(ui.Wrap(fact.Value, wide-19), "\n") {
			name := fact.Name
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(w, "%-18s %s\n", name, line)
		}
	}
	var verdicts, aspects [][]string
	for _, m := range r.Methods {
		why := joinCode(m.Reason, m.Code)
		if len(m.First) > 0 {
			why += "\nfirst: " + steps(m.First)
		}
		verdicts = append(verdicts, []string{m.Method, words[m.Verdict], why})
		aspects = append(aspects, []string{m.Method, m.FarSide, m.Streaming, m.Identity, m.Cost, m.Exposes})
	}
	fmt.Fprintln(w)
	ui.Grid(w, []string{"method", "verdict", "why"}, verdicts, verdictWidths, colour)
	fmt.Fprintln(w)
	ui.Grid(w, []string{"method", "far side needs", "streaming", "identity", "costs", "exposes"}, aspects, aspectWidths, colour)
	showUnseen(w, r.Unseen)
	showChoice(w, r)
}

// showUnseen lists what may not be looked at, by the cure.
func showUnseen(w io.Writer, all []detect.Unseen) {
	told := map[string]bool{}
	for _, first := range all {
		if told[first.Project+first.Fix] {
			continue
		}
		told[first.Project+first.Fix] = true
		head := "not seen in project " + first.Project
		if first.Fix != "" {
			head += " (" + first.Fix + ")"
		}
		fmt.Fprintf(w, "\n%s:\n", ui.Wrap(head, wide-1))
		for _, u := range all {
			if u.Project == first.Project && u.Fix == first.Fix {
				why := u.Permission
				if why == "" {
					why = u.Reason
				}
				fmt.Fprintf(w, "  %s\n", strings.ReplaceAll(ui.Wrap(u.What+": "+why, wide-4), "\n", "\n    "))
			}
		}
	}
}

// showChoice ends with what to take; commands stand on lines of their own, whole, so
// that they can be copied.
func showChoice(w io.Writer, r detect.Report) {
	if r.Recommended == "" {
		fmt.Fprintf(w, "\n%s\n", ui.Wrap("recommended: none, because "+r.Because, wide))
		return
	}
	fmt.Fprintf(w, "\n%s\n", ui.Wrap("recommended: "+r.Recommended+", because "+r.Because, wide))
	for _, first := range r.Method(r.Recommended).First {
		switch {
		case first.Command != "":
			fmt.Fprintf(w, "  %s\n", first.Command)
		case first.Flag == "":
			fmt.Fprintf(w, "  (first: %s)\n", first.What)
		}
	}
	fmt.Fprintf(w, "  %s\n", r.Command)
	if r.Instead != nil {
		fmt.Fprintf(w, "%s\n  %s\n", ui.Wrap("or "+r.Instead.Method+": "+r.Instead.Because, wide), r.Instead.Command)
	}
}

// steps are what to do first, in words; -o yaml has the commands.
func steps(first []detect.Step) string {
	texts := make([]string, len(first))
	for i, step := range first {
		texts[i] = step.What
		if step.Flag != "" && !strings.Contains(step.What, step.Flag) {
			texts[i] += " (" + step.Flag + ")"
		}
	}
	return strings.Join(texts, "; ")
}
