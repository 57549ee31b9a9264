package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/ui"
)

func (a *app) planCommand() *cobra.Command {
	c := &common{}
	var exitCode bool
	cmd := &cobra.Command{
		Use: "plan METHOD", Short: "show what apply would create, change and keep; change nothing",
		Example: "  causeway plan ilb --project P --location L --cluster C --client-cidr 172.31.0.0/16",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.plan(cmd, c, args, exitCode)
		},
	}
	c.clusterFlags(cmd)
	c.methodFlags(cmd)
	outputFlag(cmd, &c.output)
	cmd.Flags().BoolVar(&exitCode, "exit-code", false, "exit with 3 when the plan has changes")
	return cmd
}

func (a *app) plan(cmd *cobra.Command, c *common, args []string, exitCode bool) error {
	s, err := a.open(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	exposure, plan, problems, err := s.job.Plan(s.ctx, s.spec)
	if err != nil {
		return err
	}
	if c.output != "table" {
		err = a.writeData(c.output, map[string]any{"facts": exposure.Facts(), "plan": plan.Items, "problems": problems})
	} else {
		a.showPlan(exposure, plan)
	}
	if err == nil && len(problems) > 0 {
		err = &exposer.PreconditionError{Verb: "plan " + s.spec.Method, Problems: problems}
	}
	if err == nil && exitCode && !plan.Empty() {
		err = &exitStatus{code: exitChanges, quiet: true}
	}
	return err
}

// showPlan writes the facts and the plan as tables to stdout.
func (a *app) showPlan(exposure exposer.Exposure, plan exposer.Plan) {
	for _, fact := range exposure.Facts() {
		fmt.Fprintf(a.out, "%-18s %s\n", fact.Name, fact.Value)
	}
	fmt.Fprintln(a.out)
	rows := make([][]string, 0, len(plan.Items))
	for _, item := range plan.Items {
		rows = append(rows, []string{string(item.Action), item.ID, about(item)})
	}
	ui.Table(a.out, []string{"action", "what", "why"}, rows, a.colour())
	fmt.Fprintf(a.out, "\n%d to create, %d to change, %d kept, %d refused\n",
		plan.Count(exposer.Create), plan.Count(exposer.Change), plan.Count(exposer.Keep), plan.Count(exposer.Refuse))
}

// about says why, with the fields that differ.
func about(item exposer.Item) string {
	parts := []string{}
	if item.Why != "" {
		parts = append(parts, item.Why)
	}
	for _, change := range item.Changes {
		parts = append(parts, fmt.Sprintf("%s: %s -> %s", change.Field, orNone(change.From), orNone(change.To)))
	}
	if item.Cause != "" {
		parts = append(parts, item.Cause)
	}
	return strings.Join(parts, "\n")
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

func (a *app) colour() bool { return a.tty && a.getenv("NO_COLOR") == "" }
