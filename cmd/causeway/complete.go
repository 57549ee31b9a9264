package main

import (
	"strings"

	"github.com/spf13/cobra"

	"causeway/internal/explain"
)

// flagWords are what a flag's value can be, where there are few.
var flagWords = map[string][]string{
	"output":       {"table", "json", "yaml"},
	"via":          {"auto", "context", "private", "public", "dns", "gateway"},
	"from":         {"auto", "local", "cluster"},
	"mode":         {"terminate", "passthrough"},
	"client-auth":  {"none", "mtls"},
	"token":        {"bound", "renewing", "secret"},
	"role":         {"view", "edit", "admin", "node-reader", "cluster-admin"},
	"peer":         {"aws", "other"},
	"through":      {"rest", "crd"},
	"accept":       {"manual", "automatic"},
	"identity":     {"google", "account"},
	"auth-plugin":  {"causeway", "gcloud"},
	"gateway-role": {"reader", "editor", "admin"},
	"secrets":      {"include", "encrypt", "omit"},
}

// completeArguments tells the shell, by the tab key, what can stand behind a verb and
// behind a flag.
func (a *app) completeArguments(root *cobra.Command) {
	for _, cmd := range root.Commands() {
		a.completeArguments(cmd)
		switch {
		case strings.Contains(cmd.Use, "METHOD"):
			cmd.ValidArgsFunction = first(a.methodNames())
		case cmd.Name() == "explain":
			cmd.ValidArgsFunction = completeCode
		case cmd.Runnable():
			cmd.ValidArgsFunction = cobra.NoFileCompletions
		}
		for flag, values := range flagWords {
			if cmd.Flags().Lookup(flag) != nil {
				// It fails only where a flag is unknown or was given words before.
				_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
			}
		}
	}
}

// first completes the first argument; there is no second one.
func first(values []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return values, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeCode lists the catalogue's codes, in any case in which they are begun.
func completeCode(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	entries, err := explain.All()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var codes []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Code, strings.ToUpper(typed)) {
			codes = append(codes, entry.Code+"\t"+entry.Title)
		}
	}
	return codes, cobra.ShellCompDirectiveNoFileComp
}
