package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/ui"
	"causeway/probe"
)

func (a *app) applyCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "apply METHOD", Short: "plan, ask, make it so, prove it, write a kubeconfig",
		Long: `Plans, shows the plan, asks (unless --yes), applies, probes the way with a new
kubeconfig in memory, and writes that kubeconfig when the probe has passed.
Running it again changes nothing; running it after a failure or Ctrl-C goes on
where it stopped. Nothing is deleted on failure.`,
		Example: "  causeway apply ilb --project P --location L --cluster C --client-cidr 172.31.0.0/16\n" +
			"  causeway apply ilb --project P --location L --cluster C --client-cidr 172.31.0.0/16 \\\n" +
			"    --mode passthrough --dry-run\n" +
			"  causeway apply route --project P --location L --cluster C --client-cidr 172.31.0.0/16 \\\n" +
			"    --vpn --peer aws --peer-asn 64512 --psk-dir keys\n" +
			"  causeway apply psc --project P --location L --cluster C --nat-range 10.200.0.0/28 \\\n" +
			"    --consumer-project consumer --consumer-network vpc --consumer-subnet clients\n" +
			"  causeway apply dns --project P --location L --cluster C --open-dns-endpoint\n" +
			"  causeway apply gateway --project P --location L --cluster C --register \\\n" +
			"    --member user:you@example.com\n" +
			"  causeway apply mcs --project P --location L --cluster C --register\n" +
			"  causeway apply -f exposure.yaml --yes",
		Args: atMostMethod,
		RunE: func(cmd *cobra.Command, args []string) error { return a.apply(cmd, c, args) },
	}
	c.exposureFlags(cmd)
	c.methodFlags(cmd)
	c.fileFlags(cmd)
	fromFlag(cmd, c)
	outputFlag(cmd, &c.output)
	c.runFlags(cmd, func(f *flagSet) {
		f.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
		f.BoolVar(&c.dryRun, "dry-run", false, "stop after the plan (the same as causeway plan)")
	})
	return cmd
}

// fromFlag says where the probe runs.
func fromFlag(cmd *cobra.Command, c *common) {
	group(cmd, aboutProbe, func(f *flagSet) {
		f.StringVar(&c.from, "from", exposer.FromAuto, "`PLACE` to probe from: local (this machine), cluster (a pod: beside nginx, for mcs in each importing cluster) or auto (cluster where this machine has no way to the address)")
	})
}

func (a *app) apply(cmd *cobra.Command, c *common, args []string) error {
	if c.dryRun {
		return a.plan(cmd, c, args, false)
	}
	if err := checkFrom(cmd, c.from); err != nil {
		return err
	}
	s, err := a.open(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	s.job.Confirm = s.confirm
	result, err := s.job.Apply(s.ctx, s.spec)
	if err != nil {
		return s.applyFailed(result, err)
	}
	if c.output != "table" {
		return s.writeApplied(result)
	}
	s.showApplied(result)
	return nil
}

// confirm shows the plan and asks, unless --yes. Both go to stderr: a question
// must be readable where stdout is a file.
func (s *session) confirm(exposure exposer.Exposure, plan exposer.Plan) (bool, error) {
	var text bytes.Buffer
	showPlan(&text, exposure, plan, s.app.colourErr())
	s.story(strings.TrimSuffix(text.String(), "\n") + "\n")
	if exposure.Spec().Access.Role == "cluster-admin" {
		s.story("the kubeconfig will be cluster-admin: whoever has it can do everything in this cluster")
	}
	return s.ask("Apply this plan?", "causeway apply")
}

// ask asks unless --yes was given. Without a terminal to ask on, nobody can
// answer: that is a mistake on the command line, not a no.
func (s *session) ask(question, cmd string) (bool, error) {
	if s.flags.yes {
		return true, nil
	}
	if !s.app.ask {
		err := &usageError{text: "stdin is no terminal to ask on: give --yes; nothing was changed", cmd: cmd}
		return false, &hinted{err, []next{{s.app.same(strings.TrimPrefix(cmd, "causeway "), "--yes"), "without a question"}, {cmd + " --help", "its arguments and flags"}}}
	}
	yes, err := ui.Confirm(s.ctx, s.app.in, s.app.err, question)
	if err != nil {
		err = fmt.Errorf("%w; nothing was changed", err)
	}
	return yes, err
}

// applyFailed adds to a failure what to type next.
func (s *session) applyFailed(result exposer.Applied, err error) error {
	var (
		stopped *exposer.Stopped
		hop     *probe.Error
		way     *exposer.TraceError
		lines   []next
	)
	switch {
	case explain.CodeOf(err) == "CW-RUN-HALF":
		if shown := s.showWay(result); shown != nil {
			return shown
		}
		lines = []next{{s.app.same("apply"), "go on with the cluster's part"}}
	case errors.As(err, &way):
		s.story("everything is in place, but the way is not open: no kubeconfig was written")
		if shown := s.showWay(result); shown != nil {
			return shown
		}
		lines = []next{{s.again("verify"), "look again"}, {s.app.same("apply"), "go on, and write the kubeconfig"}}
	case errors.As(err, &hop):
		s.story("everything is in place at " + result.Endpoint.URL + ", but the probe failed: no kubeconfig was written")
		if s.flags.output != "table" {
			if shown := s.writeApplied(result); shown != nil {
				return shown
			}
		}
		lines = []next{{s.again("verify"), "probe again"}, {s.app.same("apply"), "probe again, and write the kubeconfig"}}
	case errors.As(err, &stopped):
		lines = []next{{s.app.same("apply"), "go on where it stopped"}}
	default:
		return err
	}
	return &hinted{err, append(lines, next{s.again("destroy"), "undo"})}
}

// showWay writes what the cloud tells of a way that is not open yet.
func (s *session) showWay(result exposer.Applied) error {
	if s.flags.output != "table" {
		return s.writeApplied(result)
	}
	if result.Trace != nil {
		showTrace(s.app.out, *result.Trace, s.app.colourOut())
	}
	return nil
}

// writeApplied is the answer for programs: what stands, and the probe's report.
func (s *session) writeApplied(result exposer.Applied) error {
	answer := struct {
		exposer.Applied
		Probe json.RawMessage `json:"probe,omitempty"`
	}{Applied: result}
	if result.Probe != nil {
		report, err := probe.JSON(*result.Probe)
		if err != nil {
			return err
		}
		answer.Probe = report
	}
	return s.app.writeData(s.flags.output, answer)
}

func (s *session) showApplied(result exposer.Applied) {
	out, file := s.app.out, result.Kubeconfig
	if !result.Changed {
		fmt.Fprintln(out, "nothing to change: everything stands as it should"+probed(result))
	}
	if result.Trace != nil {
		showTrace(out, *result.Trace, s.app.colourOut())
		fmt.Fprintln(out)
	}
	if result.Missing != "" {
		fmt.Fprintf(out, "%s\n\n", result.Missing)
		if s.spec.Method == "psc" {
			fmt.Fprintf(out, "for the consumer:\n  %s\n", s.again("handoff"))
		}
		fmt.Fprintf(out, "to undo all of it:\n  %s\n", s.again("destroy"))
		return
	}
	fmt.Fprintf(out, "endpoint     %s\n", result.Endpoint.URL)
	if result.Endpoint.TLSServerName != "" {
		fmt.Fprintf(out, "server name  %s\n", result.Endpoint.TLSServerName)
	}
	fmt.Fprintf(out, "kubeconfig   %s, context %s\n", file, result.Context)
	switch {
	case result.Plugin != "":
		fmt.Fprintf(out, "identity     %s\n", googleIdentity(result.Plugin))
	case result.Expires != nil:
		fmt.Fprintf(out, "token        ends %s%s\n", s.app.moment(*result.Expires), s.renewed())
	default:
		fmt.Fprintln(out, "token        does not end: it is as good as a password, keep it so")
	}
	where := "on the far side"
	if s.spec.Method == "mcs" {
		where = "in a Pod of another cluster of the fleet"
	}
	fmt.Fprintf(out, "\n%s:\n  kubectl %s get namespaces\n  causeway verify %s\n", where, s.fileFlags(result.Context), s.fileFlags(result.Context))
	fmt.Fprintf(out, "for a colleague there:\n  %s\nto undo all of it:\n  %s\n", s.again("handoff"), s.again("destroy"))
}

func (s *session) renewed() string {
	if s.spec.Access.Token == exposer.TokenRenewing {
		return "; causeway renews it before, where the kubeconfig is used"
	}
	return ""
}

// fileFlags name the kubeconfig, and the context where that is not the current one.
func (s *session) fileFlags(context string) string {
	line := "--kubeconfig " + s.job.File.Path
	if s.job.File.Merge && !s.job.File.SetCurrent {
		line += " --context " + context
	}
	return line
}

func checkFrom(cmd *cobra.Command, from string) error {
	switch from {
	case exposer.FromAuto, exposer.FromLocal, exposer.FromCluster:
		return nil
	}
	return &usageError{text: fmt.Sprintf("--from must be auto, local or cluster, not %q", from), cmd: cmd.CommandPath()}
}

// probed says whether the probe ran too: a second apply makes no pod for it.
func probed(result exposer.Applied) string {
	if result.Probe == nil {
		return ""
	}
	return ", and the probe passed"
}
