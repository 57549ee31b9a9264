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
				if len(line) > helpWidth {
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

// TestMistakesAreCorrected: what was meant, where it can be guessed, and what to type.
func TestMistakesAreCorrected(t *testing.T) {
	for name, c := range map[string]struct {
		args string
		says []string
	}{
		"a method without a verb":        {"ilb", []string{"ilb is a method, and the verb goes before it", "causeway plan ilb --help"}},
		"a flag with two letters turned": {"apply ilb --client-cdir 10.0.0.0/8", []string{"did you mean --client-cidr?", "causeway apply --help"}},
		"a flag with a letter too few":   {"detect --projct p", []string{"did you mean --project?"}},
		"a verb typed as a flag":         {"--version", []string{"unknown flag: --version", "  causeway version  #"}},
		"a verb below another":           {"certs shwo", []string{`there is no command "certs shwo"; did you mean show?`, "causeway certs --help"}},
		"a code with a slip":             {"explain cw-net-cird", []string{`there is no code "cw-net-cird"`, "causeway explain CW-NET-CIDR  #", "# all codes"}},
		"two codes at once":              {"explain CW-NET-CIDR CW-NET-PUBLIC", []string{"one CODE is enough", "causeway explain --help"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := typed(t, nil, strings.Fields(c.args)...)
			if got.code != exitUsage || got.out != "" {
				t.Errorf("exit %d, want 2; stdout %q", got.code, got.out)
			}
			for _, part := range append(c.says, "next:") {
				if !strings.Contains(got.err, part) {
					t.Errorf("it does not say %q:\n%s", part, got.err)
				}
			}
		})
	}
	if got := typed(t, nil, "apply", "--nonsense"); strings.Contains(got.err, "did you mean") {
		t.Errorf("a guess out of nothing: %s", got.err)
	}
}

// TestTheTabKey asks as the completion scripts of cobra do.
func TestTheTabKey(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"the methods behind a verb":    {[]string{"apply", ""}, "ilb\nroute\npsc\ndns\ngateway\nmcs\n:4\n"},
		"and nothing behind a method":  {[]string{"apply", "ilb", ""}, ":4\n"},
		"of verbs below others too":    {[]string{"certs", "show", ""}, "ilb\nroute\npsc\ndns\ngateway\nmcs\n:4\n"},
		"the values of a flag":         {[]string{"apply", "--mode", ""}, "terminate\npassthrough\n:4\n"},
		"codes, in any case":           {[]string{"explain", "cw-net-cid"}, "CW-NET-CIDR\tnot an IPv4 network in CIDR form\n:4\n"},
		"files where a file is wanted": {[]string{"apply", "-f", ""}, ":0\n"},
		"nothing where nothing can be": {[]string{"version", ""}, ":4\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := typed(t, nil, append([]string{"__complete"}, c.args...)...); got.code != exitDone || got.out != c.want {
				t.Errorf("exit %d, %q, want %q", got.code, got.out, c.want)
			}
		})
	}
}

// TestWhatCompletesIsTaken: the words that the tab key offers are those of the help.
func TestWhatCompletesIsTaken(t *testing.T) {
	a := &app{getenv: func(string) string { return "" }}
	for flag, values := range flagWords {
		found := false
		for _, cmd := range a.root().Commands() {
			if f := cmd.Flags().Lookup(flag); f != nil {
				found = true
				for _, value := range values {
					if !strings.Contains(f.Usage, value) {
						t.Errorf("%s --%s offers %s, which its help does not name: %s", cmd.Name(), flag, value, f.Usage)
					}
				}
			}
		}
		if !found {
			t.Errorf("there is no flag --%s", flag)
		}
	}
}

func TestWhatWasTypedIsToldAsItCanBeTypedAgain(t *testing.T) {
	for name, c := range map[string]struct {
		typed []string
		verb  string
		more  []string
		want  string
	}{
		"a plan becomes its apply":           {[]string{"plan", "ilb", "--cluster", "c", "--exit-code"}, "apply", nil, "causeway apply ilb --cluster c"},
		"a dry run its run":                  {[]string{"apply", "--dry-run", "-f", "a.yaml"}, "apply", nil, "causeway apply -f a.yaml"},
		"a question is left out":             {[]string{"apply", "-f", "a.yaml"}, "apply", []string{"--yes"}, "causeway apply -f a.yaml --yes"},
		"a verb of two words":                {[]string{"mcs", "disable", "--project", "p"}, "mcs disable", []string{"--yes"}, "causeway mcs disable --project p --yes"},
		"what a shell would read otherwise":  {[]string{"apply", "-f", "my file's.yaml"}, "apply", nil, `causeway apply -f 'my file'\''s.yaml'`},
		"nothing was typed, as in some test": {nil, "apply", nil, "causeway apply"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&app{args: c.typed}).same(c.verb, c.more...); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
