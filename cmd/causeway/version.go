package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the Makefile (-ldflags -X main.version=...).
var version = "devel"

func (a *app) versionCommand() *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use: "version", Short: "print the version", Args: noArguments,
		Long:    "Prints the version of causeway, the Go that built it, and the platform.",
		Example: "  causeway version\n  causeway version -o json",
		RunE: func(*cobra.Command, []string) error {
			info := map[string]string{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			if build, ok := debug.ReadBuildInfo(); ok {
				for _, setting := range build.Settings {
					if setting.Key == "vcs.revision" {
						info["revision"] = setting.Value
					}
				}
			}
			if output != "table" {
				return a.writeData(output, info)
			}
			fmt.Fprintf(a.out, "causeway %s (%s, %s)\n", info["version"], info["go"], info["platform"])
			return nil
		},
	}
	outputFlag(cmd, &output)
	return cmd
}
