package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"
)

// outputFlag adds -o, which means the same for every verb that answers with data.
func outputFlag(cmd *cobra.Command, into *string) {
	group(cmd, aboutRun, func(f *flagSet) {
		f.StringVarP(into, "output", "o", "table", "`FORM` of the answer on stdout: table, json or yaml")
	})
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

// plural puts a number before a word: 1 pod, 2 pods.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// moment writes when something ends, in UTC (the far side may be on another
// continent), and how long that is from now.
func (a *app) moment(at time.Time) string {
	left := at.Sub(a.now())
	text := at.UTC().Format("2006-01-02 15:04") + " UTC"
	if left <= 0 {
		return text + ", " + span(-left) + " ago"
	}
	return text + ", in " + span(left)
}

// span is a duration as people say it, in one unit.
func span(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return plural(int(d.Round(time.Second)/time.Second), "second")
	case d < 90*time.Minute:
		return plural(int(d.Round(time.Minute)/time.Minute), "minute")
	case d < 72*time.Hour:
		return plural(int(d.Round(time.Hour)/time.Hour), "hour")
	}
	return plural(int(d/(24*time.Hour)), "day")
}
