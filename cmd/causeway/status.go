package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/ui"
	"causeway/kubeconfig"
)

func (a *app) statusCommand() *cobra.Command {
	c := &common{}
	var warnDays int
	cmd := &cobra.Command{
		Use: "status METHOD", Short: "show what stands against what should; exit 4 when something needs you",
		Example: "  causeway status ilb --project P --location L --cluster C --warn-days 30",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.status(cmd, c, args, warnDays) },
	}
	c.clusterFlags(cmd)
	outputFlag(cmd, &c.output)
	cmd.Flags().IntVar(&warnDays, "warn-days", 14, "certificates and tokens that end sooner need you")
	cmd.Flags().StringVar(&c.kubeconfig, "kubeconfig-out", "", "the kubeconfig that apply wrote (default: causeway-NAME.kubeconfig here)")
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
	if check, ok := a.tokenCheck(s.job.File, warnDays); ok {
		status.Checks = append(status.Checks, check)
	}
	if c.output != "table" {
		err = a.writeData(c.output, status)
	} else {
		a.showStatus(status)
	}
	if err == nil && !status.OK() {
		err = &exitStatus{code: exitPrecondition, quiet: true}
	}
	return err
}

// tokenCheck looks at the token in the kubeconfig, where that lies here.
func (a *app) tokenCheck(file exposer.Output, warnDays int) (exposer.Check, bool) {
	text, err := kubeconfig.Read(file.Path)
	if err != nil {
		return exposer.Check{}, false
	}
	have, err := kubeconfig.Inspect(text, file.Context)
	if err != nil || have.Expires.IsZero() {
		return exposer.Check{}, false
	}
	left := have.Expires.Sub(a.now())
	days := int(left.Hours() / 24)
	check := exposer.Check{Name: "token", Days: &days, OK: left > time.Duration(warnDays)*24*time.Hour || have.Renewing,
		Value: fmt.Sprintf("in %s, ends %s (in %s)", file.Path, have.Expires.UTC().Format(time.RFC3339), left.Round(time.Minute))}
	if !check.OK {
		check.Code = "CW-TOKEN-ENDS"
	}
	return check, true
}

func (a *app) showStatus(status exposer.Status) {
	var rows [][]string
	for _, fact := range status.Facts {
		rows = append(rows, []string{"", fact.Name, fact.Value})
	}
	for _, check := range status.Checks {
		word := "ok"
		if !check.OK {
			word = "LOOK"
		}
		rows = append(rows, []string{word, check.Name, joinCode(check.Value, check.Code)})
	}
	for _, item := range status.Drift {
		rows = append(rows, []string{"DRIFT", item.ID, string(item.Action) + ": " + about(item)})
	}
	ui.Table(a.out, []string{"", "what", "how it stands"}, rows, a.colour())
}

func joinCode(text, code string) string {
	if code == "" {
		return text
	}
	return text + " [" + code + "]"
}
