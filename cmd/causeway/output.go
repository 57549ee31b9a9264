package main

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// outputFlag adds -o, which means the same for every verb that answers with data.
func outputFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVarP(into, "output", "o", "table", "form of the answer: table, json or yaml")
	cmd.PreRunE = chain(cmd.PreRunE, func(cmd *cobra.Command, _ []string) error {
		switch *into {
		case "table", "json", "yaml":
			return nil
		}
		return &usageError{text: fmt.Sprintf("--output must be table, json or yaml, not %q", *into), cmd: cmd.CommandPath()}
	})
}

func chain(first, second func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	if first == nil {
		return second
	}
	return func(cmd *cobra.Command, args []string) error {
		if err := first(cmd, args); err != nil {
			return err
		}
		return second(cmd, args)
	}
}

// writeData writes a value as json or yaml to stdout.
func (a *app) writeData(output string, value any) error {
	if output == "yaml" {
		text, err := yaml.Marshal(value)
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		_, err = a.out.Write(text)
		return err
	}
	encoder := json.NewEncoder(a.out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// writeJSONAs writes text that is JSON already as what -o asks for.
func (a *app) writeJSONAs(output string, text []byte) error {
	if output == "yaml" {
		converted, err := yaml.JSONToYAML(text)
		if err != nil {
			return fmt.Errorf("write answer: %w", err)
		}
		text = converted
	}
	_, err := a.out.Write(text)
	return err
}
