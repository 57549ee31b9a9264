package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/ui"
)

func (a *app) destroyCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "destroy METHOD", Short: "remove what apply made, restore what it set, leave the rest",
		Long: `Removes only what carries this exposure's mark, in the reverse order, waits until
Google has let go of each, and lists what is left and why.`,
		Example: "  causeway destroy ilb --project P --location L --cluster C",
		Args:    cobra.MaximumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.destroy(cmd, c, args) },
	}
	c.clusterFlags(cmd)
	outputFlag(cmd, &c.output)
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "show what would go and what would stay, and stop")
	cmd.Flags().StringVar(&c.ilb.AddressName, "address-name", "", "name of the address resource, if apply was given one")
	return cmd
}

func (a *app) destroy(cmd *cobra.Command, c *common, args []string) error {
	s, err := a.openRecorded(cmd, c, args)
	if err != nil {
		return err
	}
	defer s.cancel()
	exposure, record, items, err := s.job.PlanDestroy(s.ctx, s.spec)
	if err != nil {
		return err
	}
	if c.dryRun {
		return a.showDestroy(c.output, items)
	}
	if !c.yes {
		if c.output == "table" {
			if err := a.showDestroy(c.output, items); err != nil {
				return err
			}
		}
		if !a.ask {
			return &usageError{text: "stdin is no terminal to ask on: give --yes", cmd: cmd.CommandPath()}
		}
		yes, err := ui.Confirm(a.in, a.err, "Remove these?")
		if err != nil {
			return err
		}
		if !yes {
			return exposer.ErrDeclined
		}
	}
	items, err = s.job.Destroy(s.ctx, exposure, record)
	if shown := a.showDestroy(c.output, items); shown != nil {
		return shown
	}
	return err
}

func (a *app) showDestroy(output string, items []exposer.DestroyItem) error {
	if output != "table" {
		return a.writeData(output, map[string]any{"items": items})
	}
	rows := make([][]string, 0, len(items))
	left := 0
	for _, item := range items {
		if item.Outcome == exposer.Left {
			left++
		}
		rows = append(rows, []string{string(item.Outcome), item.ID, item.Why})
	}
	ui.Table(a.out, []string{"outcome", "what", "why"}, rows, a.colour())
	if left > 0 {
		fmt.Fprintf(a.out, "\n%d left in place\n", left)
	}
	return nil
}

// openRecorded is open for verbs on an exposure that stands: what the flags leave
// out comes from its record.
func (a *app) openRecorded(cmd *cobra.Command, c *common, args []string) (*session, error) {
	if c.file == "" {
		c.recorded = exposer.FileRecords{Dir: exposer.StateDir(a.getenv)}
	}
	return a.open(cmd, c, args)
}
