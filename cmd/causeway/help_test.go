package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// TestHelp holds every command's help to a golden: it is documentation.
func TestHelp(t *testing.T) {
	a := &app{getenv: func(string) string { return "" }}
	var visit func(*cobra.Command)
	visit = func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		t.Run(name, func(t *testing.T) {
			got := typed(t, nil, append(strings.Fields(cmd.CommandPath())[1:], "--help")...)
			if got.code != exitDone || got.err != "" {
				t.Errorf("exit %d\n%s", got.code, got.err)
			}
			for line := range strings.SplitSeq(got.out, "\n") {
				if len(line) > 120 {
					t.Errorf("%d columns: %s", len(line), line)
				}
			}
			compareGolden(t, filepath.Join("testdata", "help", name+".golden"), got.out)
		})
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(a.root())
}

// TestEveryFlagStandsUnderAHeading: one that does not would be found by nobody.
func TestEveryFlagStandsUnderAHeading(t *testing.T) {
	a := &app{getenv: func(string) string { return "" }}
	for _, cmd := range a.root().Commands() {
		if cmd.Hidden {
			continue
		}
		for line := range strings.SplitSeq(cmd.LocalFlags().FlagUsages(), "\n") {
			name, _, _ := strings.Cut(strings.TrimLeft(strings.TrimSpace(line), "-"), " ")
			if strings.Contains(line, ", --") {
				_, name, _ = strings.Cut(line, "--")
				name, _, _ = strings.Cut(name, " ")
			}
			if flag := cmd.LocalFlags().Lookup(name); flag != nil && len(flag.Annotations[groupKey]) == 0 {
				t.Errorf("%s --%s has no heading", cmd.CommandPath(), name)
			}
		}
	}
}

func TestNothingTypedShowsHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"certs"}} {
		if got := typed(t, nil, args...); got.code != exitDone || !strings.Contains(got.out, "Usage:") || got.err != "" {
			t.Errorf("causeway %v: exit %d\n%s%s", args, got.code, got.out, got.err)
		}
	}
}

func TestExplainTakesAnyCase(t *testing.T) {
	got := typed(t, nil, "explain", "cw-net-cidr")
	compareGolden(t, "testdata/explain.golden", got.out)
	if all := typed(t, nil, "explain"); !strings.Contains(all.out, "CW-NET-CIDR  ") {
		t.Errorf("the list lacks it:\n%s", all.out)
	}
}
