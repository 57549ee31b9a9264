package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/ui"
	"causeway/kubeconfig"
)

func (a *app) statusCommand() *cobra.Command {
	c := &common{}
	var warnDays int
	cmd := &cobra.Command{
		Use: "status METHOD", Short: "show what stands against what should; exit 4 when something needs you",
		Long: `Compares what stands with what was applied: address, load balancer and pods, or the
hops of the way; drift; and the days that certificates and the token have left. Exit
code 4 when one of them needs you.`,
		Example: "  causeway status ilb --project P --location L --cluster C --warn-days 30\n" +
			"  causeway status route --project P --location L --cluster C -o json",
		Args: atMostMethod,
		RunE: func(cmd *cobra.Command, args []string) error { return a.status(cmd, c, args, warnDays) },
	}
	c.exposureFlags(cmd)
	group(cmd, aboutFile, func(f *flagSet) {
		f.StringVar(&c.kubeconfig, "kubeconfig-out", "", "`FILE` that apply wrote, whose token is looked at (default: causeway-NAME.kubeconfig in this directory)")
	})
	outputFlag(cmd, &c.output)
	c.runFlags(cmd, func(f *flagSet) {
		f.IntVar(&warnDays, "warn-days", 14, "`DAYS` before their end in which certificates and tokens need you (a short token: in the second half of its life)")
	})
	return cmd
}

func (a *app) status(cmd *cobra.Command, c *common, args []string, warnDays int) error {
	s, err := a.openRecorded(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	status, err := s.job.Status(s.ctx, s.spec, time.Duration(warnDays)*24*time.Hour)
	if err != nil {
		return err
	}
	if check, ok := a.tokenCheck(s.job.File.Path, s.job.ContextName(s.spec), warnDays); ok {
		status.Checks = append(status.Checks, check)
	}
	if c.output != "table" {
		err = a.writeData(c.output, status)
	} else {
		a.showStatus(status)
	}
	if err == nil && !status.OK() {
		a.showNext(s.needs(status))
		err = &exitStatus{exitPrecondition}
	}
	return err
}

// needs is what to type about what is not as it should be.
func (s *session) needs(status exposer.Status) []next {
	var lines []next
	seen := map[string]bool{}
	for _, check := range status.Checks {
		entry, known := explain.Lookup(check.Code)
		if check.OK || !known || seen[check.Code] {
			continue
		}
		seen[check.Code] = true
		lines = append(lines, next{"causeway explain " + check.Code, entry.Title})
	}
	if len(status.Drift) > 0 {
		lines = append(lines, next{"causeway apply (the arguments of the first time)", "put it right"})
	}
	return lines
}

// tokenCheck looks at the token in the kubeconfig, where that lies here. A token
// whose whole life is shorter than twice the days to warn needs nobody in the
// first half of it.
func (a *app) tokenCheck(path, context string, warnDays int) (exposer.Check, bool) {
	text, err := kubeconfig.Read(path)
	if err != nil {
		return exposer.Check{}, false
	}
	have, err := kubeconfig.Inspect(text, context)
	if err != nil || have.Expires.IsZero() {
		return exposer.Check{}, false
	}
	left := have.Expires.Sub(a.now())
	warn := min(time.Duration(warnDays)*24*time.Hour, have.Expires.Sub(have.Issued)/2)
	days := int(left.Hours() / 24)
	check := exposer.Check{Name: "token", Days: &days, OK: left > warn || have.Renewing,
		Value: fmt.Sprintf("in %s, ends %s", path, a.moment(have.Expires))}
	if !check.OK {
		check.Code = "CW-TOKEN-ENDS"
	}
	return check, true
}

func (a *app) showStatus(status exposer.Status) {
	for _, fact := range status.Facts {
		fmt.Fprintf(a.out, "%-18s %s\n", fact.Name, fact.Value)
	}
	fmt.Fprintln(a.out)
	var rows [][]string
	for _, check := range status.Checks {
		word := "ok"
		if !check.OK {
			word = "LOOK"
		}
		rows = append(rows, []string{word, check.Name, joinCode(check.Value, check.Code)})
	}
	if gone(status) {
		rows = append(rows, []string{"DRIFT", "everything", plural(len(status.Drift), "object") + " that apply would make: nothing of this exposure stands"})
		status.Drift = nil
	}
	for _, item := range status.Drift {
		rows = append(rows, []string{"DRIFT", item.ID, drifted(item)})
	}
	ui.Table(a.out, []string{"state", "what", "how it stands"}, rows, a.colourOut())
}

// gone reports whether nothing stands at all: then a list of it says no more.
func gone(status exposer.Status) bool {
	absent := slices.ContainsFunc(status.Checks, func(c exposer.Check) bool { return c.Code == "CW-RUN-ABSENT" })
	return absent && !slices.ContainsFunc(status.Drift, func(i exposer.Item) bool { return i.Exists })
}

// drifted says how a step differs from what was applied.
func drifted(item exposer.Item) string {
	if item.Action == exposer.Create {
		return "does not exist"
	}
	return about(item)
}

func joinCode(text, code string) string {
	if code == "" {
		return text
	}
	return text + " [" + code + "]"
}
