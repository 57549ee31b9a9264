package main

import (
	"fmt"
	"io"
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
		Long: "Reads the cluster, its network and what stands already, and shows what apply\n" +
			"would do, with everything that stands in the way. Nothing is changed.\n\n" + methodsHelp,
		Example: "  causeway plan ilb --project P --location L --cluster C --client-cidr 172.31.0.0/16\n" +
			"  causeway plan route --project P --location L --cluster C --client-cidr 172.31.0.0/16\n" +
			"  causeway plan -f exposure.yaml --exit-code",
		Args: atMostMethod,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.plan(cmd, c, args, exitCode)
		},
	}
	c.exposureFlags(cmd)
	c.methodFlags(cmd)
	outputFlag(cmd, &c.output)
	c.runFlags(cmd, func(f *flagSet) {
		f.BoolVar(&exitCode, "exit-code", false, "exit with 3 when the plan has changes")
	})
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
		err = a.writeData(c.output, map[string]any{"facts": exposure.Facts(), "plan": plan.Items, "problems": append([]exposer.Problem{}, problems...)})
	} else {
		showPlan(a.out, exposure, plan, a.colourOut())
	}
	switch {
	case err != nil:
		return err
	case len(problems) > 0:
		return &exposer.PreconditionError{Verb: "plan " + s.spec.Method, Problems: problems}
	case exitCode && !plan.Empty():
		return &exitStatus{exitChanges}
	case !plan.Empty():
		s.story("nothing was changed; to do it:\n  " + a.same("apply"))
	}
	return nil
}

// showPlan writes the facts and the plan as tables.
func showPlan(w io.Writer, exposure exposer.Exposure, plan exposer.Plan, colour bool) {
	for _, fact := range exposure.Facts() {
		fmt.Fprintf(w, "%-18s %s\n", fact.Name, fact.Value)
	}
	fmt.Fprintln(w)
	rows := make([][]string, 0, len(plan.Items))
	for _, item := range plan.Items {
		rows = append(rows, []string{string(item.Action), item.ID, about(item)})
	}
	ui.Table(w, []string{"action", "what", "why"}, rows, colour)
	fmt.Fprintf(w, "\n%s\n", counted(plan))
}

// counted sums a plan up: "12 to create, 3 to keep".
func counted(plan exposer.Plan) string {
	var parts []string
	for _, one := range []struct {
		action exposer.Action
		words  string
	}{{exposer.Create, "to create"}, {exposer.Change, "to change"}, {exposer.Refuse, "refused"}, {exposer.Keep, "kept as it is"}} {
		if n := plan.Count(one.action); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, one.words))
		}
	}
	if plan.Empty() {
		return "nothing to change: all " + fmt.Sprint(len(plan.Items)) + " stand as they should"
	}
	return strings.Join(parts, ", ")
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

// colourOut reports whether tables on stdout may have colours.
func (a *app) colourOut() bool { return a.outTTY && a.getenv("NO_COLOR") == "" }

// colourErr reports whether the story on stderr may have colours.
func (a *app) colourErr() bool { return a.tty && a.getenv("NO_COLOR") == "" }
