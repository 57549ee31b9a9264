package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/ui"
)

func (a *app) applyCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "apply METHOD", Short: "plan, confirm, make it so, write a kubeconfig and prove it",
		Long: `Plans, shows the plan, asks (unless --yes), applies, and ends with a kubeconfig
that was probed before it was written. Running it again changes nothing; running
it after a failure or Ctrl-C goes on where it stopped.`,
		Example: "  causeway apply ilb --project P --location L --cluster C --client-cidr 172.31.0.0/16\n  causeway apply -f exposure.yaml --yes",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.apply(cmd, c, args) },
	}
	c.clusterFlags(cmd)
	c.methodFlags(cmd)
	c.fileFlags(cmd)
	outputFlag(cmd, &c.output)
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "stop after the plan")
	cmd.Flags().StringVar(&c.from, "from", exposer.FromAuto, "where to probe from: auto, local or cluster")
	return cmd
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
		s.showStanding(result)
		return err
	}
	if c.output != "table" {
		return a.writeData(c.output, result)
	}
	s.showApplied(result)
	return nil
}

// confirm shows the plan and asks, unless --yes.
func (s *session) confirm(exposure exposer.Exposure, plan exposer.Plan) (bool, error) {
	if s.flags.output == "table" {
		s.app.showPlan(exposure, plan)
	}
	if exposure.Spec().Access.Role == "cluster-admin" {
		s.story("the kubeconfig will be cluster-admin: whoever has it can do everything in this cluster")
	}
	if s.flags.yes {
		return true, nil
	}
	if !s.app.ask {
		return false, &usageError{text: "stdin is no terminal to ask on: give --yes", cmd: "causeway apply"}
	}
	return ui.Confirm(s.app.in, s.app.err, "Apply this plan?")
}

// showStanding says, after a failed probe, that everything is in place.
func (s *session) showStanding(result exposer.Applied) {
	if result.Probe != nil {
		s.story("everything is in place at " + result.Endpoint.URL + ", but the probe failed; no kubeconfig was written")
		s.story("look again:  causeway apply " + s.spec.Method + " (the same flags)")
	}
	if result.Changed {
		s.story("undo:        " + destroyLine(s.spec))
	}
}

func (s *session) showApplied(result exposer.Applied) {
	out := s.app.out
	if !result.Changed {
		fmt.Fprintln(out, "nothing to change")
	}
	fmt.Fprintf(out, "endpoint    %s\n", result.Endpoint.URL)
	if result.Endpoint.TLSServerName != "" {
		fmt.Fprintf(out, "server name %s\n", result.Endpoint.TLSServerName)
	}
	fmt.Fprintf(out, "kubeconfig  %s\n", result.Kubeconfig)
	switch {
	case result.Expires != nil:
		fmt.Fprintf(out, "token       ends %s (in %s)\n", result.Expires.UTC().Format(time.RFC3339), result.Expires.Sub(s.app.now()).Round(time.Minute))
	default:
		fmt.Fprintln(out, "token       does not end: it is as good as a password, keep it so")
	}
	fmt.Fprintf(out, "\nnext, on the far side:\n  kubectl --kubeconfig %s get nodes\n  causeway verify --kubeconfig %s\n", result.Kubeconfig, result.Kubeconfig)
	fmt.Fprintf(out, "for a colleague there:\n  causeway handoff %s\nundo:\n  %s\n", clusterFlagsOf(s.spec), destroyLine(s.spec))
}

func destroyLine(spec exposer.Spec) string { return "causeway destroy " + clusterFlagsOf(spec) }

// clusterFlagsOf are the arguments that name an exposure again.
func clusterFlagsOf(spec exposer.Spec) string {
	line := fmt.Sprintf("%s --project %s --location %s --cluster %s", spec.Method, spec.Cluster.Project, spec.Cluster.Location, spec.Cluster.Name)
	if spec.Name != spec.Cluster.Name {
		line += " --name " + spec.Name
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
