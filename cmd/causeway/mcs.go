package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/exposer/fleet"
	"causeway/exposer/mcs"
	"causeway/internal/gcp"
	"causeway/internal/ui"
)

func (a *app) mcsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "mcs", Short: "say how multi-cluster Services stand in a fleet, and turn them off",
		Long: `Multi-cluster Services are a feature of a whole fleet: what is said and done here
counts for all of its clusters. To export a Service: causeway apply mcs.`,
		Args: knownCommand, RunE: showHelp}
	cmd.AddCommand(a.mcsStatusCommand(), a.mcsDisableCommand())
	return cmd
}

// whichFleet are the flags that name a fleet.
func (c *common) whichFleet(cmd *cobra.Command) {
	group(cmd, "Which fleet", func(f *flagSet) {
		f.StringVar(&c.spec.Cluster.Project, "project", "", "Google `PROJECT` that hosts the fleet, or of the cluster (default: CLOUDSDK_CORE_PROJECT, GOOGLE_CLOUD_PROJECT, gcloud's active configuration)")
		f.StringVar(&c.fleet.project, "fleet-project", "", "`PROJECT` that hosts the fleet, where it is not that of the cluster (default: what the cluster says)")
	})
}

func (a *app) mcsStatusCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "status", Short: "say how the feature and each membership stand, in plain words, and what to do",
		Long: `Tells the state of the feature, whether the importer has its right, and the code and
description of each membership: what Google says, what it means, and what to do.

Exit code 4 where something is in ERROR or FAILED, or the feature is off.`,
		Example: "  causeway mcs status --project P\n  causeway mcs status --project P --location L --cluster C -o json",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.mcsStatus(cmd, c) },
	}
	c.whichFleet(cmd)
	group(cmd, "Which fleet", func(f *flagSet) {
		f.StringVar(&c.spec.Cluster.Location, "location", "", "`LOCATION` of the cluster: a region or a zone")
		f.StringVar(&c.spec.Cluster.Name, "cluster", "", "`NAME` of the cluster: show its membership alone")
	})
	outputFlag(cmd, &c.output)
	group(cmd, aboutReach, c.googleFlags)
	group(cmd, aboutRun, c.endFlags)
	return cmd
}

// openFleet makes the session of a command on a whole fleet.
func (a *app) openFleet(cmd *cobra.Command, c *common) (*session, *fleet.Fleet, error) {
	ref := c.spec.Cluster
	ref.Project = cmp.Or(ref.Project, gcp.DefaultProject(a.getenv))
	if err := a.checkFleet(cmd, ref, c.fleet.project); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeoutCause(cmd.Context(), c.timeout, &timeoutError{c.timeout.String()})
	s := &session{app: a, flags: c, ctx: ctx, cancel: cancel, progress: ui.NewProgress(a.err, a.tty, a.now).Colour(a.colourErr())}
	google, config, err := s.google(c.tokenFile, c.impersonate)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	s.job.Deps = s.deps(google, google, config)
	f, err := readFleet(ctx, google, ref, c.fleet.project)
	if err != nil {
		cancel()
		return nil, nil, err
	}
	return s, f, nil
}

func (a *app) mcsStatus(cmd *cobra.Command, c *common) error {
	s, f, err := a.openFleet(cmd, c)
	if err != nil {
		return err
	}
	defer s.cancel()
	alone := c.spec.Cluster.Name != ""
	report, err := mcs.ReadReport(s.ctx, s.job.Deps.Google, f, alone)
	if err != nil {
		return err
	}
	if c.output != "table" {
		err = a.writeData(c.output, report)
	} else {
		showMCS(a.out, report, a.colourOut())
	}
	switch {
	case err != nil:
		return err
	case alone && f.Member == nil:
		return &exposer.PreconditionError{Verb: "find the membership of cluster " + c.spec.Cluster.Name, Problems: f.Problems(false, "")}
	case report.Failed():
		return &exitStatus{exitPrecondition}
	}
	return nil
}

func showMCS(w io.Writer, r mcs.Report, colour bool) {
	fmt.Fprintf(w, "multi-cluster Services of the fleet of project %s (%d)\n\n", r.Project, r.Number)
	var fixes fixes
	row := func(name string, s mcs.State) []string {
		fixes.add(s.Verdict, name, s.Fix)
		return []string{string(s.Verdict), name, joinCode(s.Means, s.Explain)}
	}
	rows := [][]string{row("feature", r.Feature), row("importer", r.Importer)}
	for _, m := range r.Members {
		rows = append(rows, row("membership "+m.Location+"/"+m.Membership, m.State))
	}
	ui.Grid(w, []string{"verdict", "what", "state, and what it means"}, rows, []int{0, 0, 70}, colour)
	fixes.show(w)
	if len(r.Unreachable) > 0 {
		fmt.Fprintf(w, "\nnot in the list is what the fleet has in %s: no answer from there [CW-FLEET-UNREACHABLE]\n", strings.Join(r.Unreachable, ", "))
	}
}

func (a *app) mcsDisableCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "disable", Short: "turn multi-cluster Services off in a fleet, exports first",
		Long: `Takes back what makes multi-cluster Services work in a fleet, in the order of Google's
guide, each when the one before is gone: every export that causeway made, which may
take half an hour; the memberships that causeway made, where no exposure by gateway
lives of them; the feature; its API.

Where somebody else exports a Service, or a cluster can't be read that may, it is
refused and says who. Exposures whose export went are taken away by causeway destroy
mcs afterwards.`,
		Example: "  causeway mcs disable --project P --dry-run\n  causeway mcs disable --project P",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.mcsDisable(cmd, c) },
	}
	c.whichFleet(cmd)
	outputFlag(cmd, &c.output)
	group(cmd, aboutReach, c.googleFlags)
	group(cmd, aboutRun, func(f *flagSet) {
		f.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
		f.BoolVar(&c.dryRun, "dry-run", false, "show what would go, and stop")
		c.endFlags(f)
		c.timeout, f.Lookup("timeout").DefValue = time.Hour, time.Hour.String() // exports alone may take half of it
	})
	return cmd
}

func (a *app) mcsDisable(cmd *cobra.Command, c *common) error {
	s, f, err := a.openFleet(cmd, c)
	if err != nil {
		return err
	}
	defer s.cancel()
	todo, err := mcs.Disable(s.ctx, s.job.Deps.Google, s.job.Deps, f)
	if err != nil {
		return err
	}
	if len(todo.Problems) > 0 {
		return &exposer.PreconditionError{Verb: "disable multi-cluster Services of project " + f.Project.ID, Problems: todo.Problems}
	}
	plan, err := exposer.MakePlan(s.ctx, todo.Steps)
	if err != nil {
		return err
	}
	items := exposer.PlanDestroy(plan, exposer.Record{})
	if c.dryRun {
		return a.answerDestroy(c.output, items, planned)
	}
	if nothing := !slices.ContainsFunc(items, func(i exposer.DestroyItem) bool { return i.Outcome != exposer.Absent }); nothing {
		return a.answerDestroy(c.output, items, done)
	}
	if !c.yes {
		var text bytes.Buffer
		showDestroy(&text, items, planned, a.colourErr())
		s.story(text.String())
	}
	if len(todo.Loses) > 0 {
		s.story("without their export are then: " + strings.Join(todo.Loses, ", ") + "; causeway destroy mcs takes away the rest of each")
	}
	if yes, err := s.ask("Turn multi-cluster Services off for the whole fleet?", cmd.CommandPath()); err != nil || !yes {
		return orDeclined(err)
	}
	items, err = exposer.Destroy(s.ctx, todo.Steps, exposer.Record{}, exposer.Run{Records: exposer.Unrecorded{}, Progress: s.progress, Now: a.now})
	if shown := a.answerDestroy(c.output, items, done); shown != nil {
		return shown
	}
	if err != nil {
		return &hinted{err, []next{{"causeway mcs disable --project " + f.Project.ID, "go on; what is gone already is no error"}}}
	}
	return nil
}
