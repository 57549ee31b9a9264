package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/internal/ui"
)

func (a *app) destroyCommand() *cobra.Command {
	c := &common{}
	cmd := &cobra.Command{
		Use: "destroy METHOD", Short: "remove what apply made, restore what it set, leave the rest",
		Long: `Removes only what carries this exposure's mark, in the reverse order, waits until
Google has let go of each, and lists what is left and why. Settings get their old
value back where nobody changed them since. The tokens of the exposure's kubeconfigs
are void afterwards. What is gone already is no error.`,
		Example: "  causeway destroy ilb --project P --location L --cluster C --dry-run\n  causeway destroy ilb --project P --location L --cluster C",
		Args:    atMostMethod,
		RunE:    func(cmd *cobra.Command, args []string) error { return a.destroy(cmd, c, args) },
	}
	c.exposureFlags(cmd)
	group(cmd, aboutExposure, func(f *flagSet) {
		f.StringVar(&c.ilb.AddressName, "address-name", "", "`NAME` of the address resource, where apply was given one and its record is lost")
	})
	outputFlag(cmd, &c.output)
	c.runFlags(cmd, func(f *flagSet) {
		f.BoolVarP(&c.yes, "yes", "y", false, "do not ask")
		f.BoolVar(&c.dryRun, "dry-run", false, "show what would go and what would stay, and stop")
	})
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
		return a.answerDestroy(c.output, items, planned)
	}
	if nothing := !slices.ContainsFunc(items, func(i exposer.DestroyItem) bool { return i.Outcome != exposer.Absent }); nothing {
		c.yes = true // only a record may be left to forget: nobody need be asked
	}
	if !c.yes {
		var text bytes.Buffer
		showDestroy(&text, items, planned, a.colourErr())
		s.story(text.String())
	}
	if yes, err := s.ask("Destroy?", cmd.CommandPath()); err != nil || !yes {
		return orDeclined(err)
	}
	items, err = s.job.Destroy(s.ctx, exposure, record)
	if shown := a.answerDestroy(c.output, items, done); shown != nil {
		return shown
	}
	if err != nil {
		return &hinted{err, []next{{s.again("destroy"), "go on; what is gone already is no error"}}}
	}
	if _, err := os.Stat(s.job.File.Path); err == nil {
		about := "its token is void"
		if exposure.Spec().ByGoogle() {
			about = "it holds no secret, and works as long as the endpoint is open"
		}
		s.story(s.job.File.Path + " is still here; " + about)
	}
	return nil
}

func orDeclined(err error) error {
	if err != nil {
		return err
	}
	return exposer.ErrDeclined
}

// tense says whether outcomes are told as what is meant or as what was done.
type tense int

const (
	planned tense = iota
	done
)

func (t tense) word(outcome exposer.Outcome) string {
	words := map[exposer.Outcome]string{exposer.Removed: "remove", exposer.Restored: "restore", exposer.Left: "leave"}
	if word := words[outcome]; t == planned && word != "" {
		return word
	}
	return string(outcome)
}

// sum is the word behind a number.
func (t tense) sum(outcome exposer.Outcome) string {
	switch {
	case outcome == exposer.Absent:
		return "not there"
	case outcome == exposer.Left:
		return "left in place"
	case t == planned:
		return "to " + t.word(outcome)
	}
	return t.word(outcome)
}

func (a *app) answerDestroy(output string, items []exposer.DestroyItem, words tense) error {
	if output != "table" {
		return a.writeData(output, map[string]any{"items": items})
	}
	showDestroy(a.out, items, words, a.colourOut())
	return nil
}

func showDestroy(w io.Writer, items []exposer.DestroyItem, words tense, colour bool) {
	rows := make([][]string, 0, len(items))
	count := map[exposer.Outcome]int{}
	for _, item := range items {
		count[item.Outcome]++
		if item.Outcome == exposer.Absent {
			continue
		}
		rows = append(rows, []string{words.word(item.Outcome), item.ID, item.Why})
	}
	if len(rows) == 0 {
		fmt.Fprintf(w, "nothing of this exposure is there (%s looked for)\n", plural(len(items), "thing"))
		return
	}
	ui.Table(w, []string{"outcome", "what", "why"}, rows, colour)
	var parts []string
	for _, outcome := range []exposer.Outcome{exposer.Removed, exposer.Restored, exposer.Absent, exposer.Left} {
		if n := count[outcome]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, words.sum(outcome)))
		}
	}
	fmt.Fprintf(w, "\n%s\n", strings.Join(parts, ", "))
}

// openRecorded is open for verbs on an exposure that stands: what the flags leave
// out comes from its record.
func (a *app) openRecorded(cmd *cobra.Command, c *common, args []string) (*session, error) {
	if c.file == "" {
		c.recorded = exposer.FileRecords{Dir: exposer.StateDir(a.getenv)}
	}
	return a.open(cmd, c, args)
}
