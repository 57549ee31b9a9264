package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"causeway/internal/explain"
)

func (a *app) explainCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "explain [CODE]", Short: "say what a code means, why it happens and what to do",
		Long:    "Prints the catalogue's entry of a code that causeway printed (CW-...), or the list of all codes.",
		Example: "  causeway explain CW-NET-OVERLAP\n  causeway explain",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.explainAll(output)
			}
			entry, ok := explain.Lookup(args[0])
			if !ok {
				return &hinted{&usageError{text: fmt.Sprintf("there is no code %q", args[0]), cmd: cmd.CommandPath()}, []next{{"causeway explain", "all codes"}}}
			}
			if output != "table" {
				return a.writeData(output, entry)
			}
			fmt.Fprintf(a.out, "%s: %s\n\nWhat\n%s\n\nWhy\n%s\n\nFix\n%s\n", entry.Code, entry.Title,
				indent(entry.What), indent(entry.Why), indent(entry.Fix))
			return nil
		},
	}
	outputFlag(cmd, &output)
	return cmd
}

func (a *app) explainAll(output string) error {
	entries, err := explain.All()
	if err != nil {
		return err
	}
	if output != "table" {
		return a.writeData(output, entries)
	}
	for _, entry := range entries {
		fmt.Fprintf(a.out, "%-28s %s\n", entry.Code, entry.Title)
	}
	return nil
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
