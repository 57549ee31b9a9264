package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/exposer"
	"causeway/exposer/all"
	"causeway/exposer/detect"
)

// listener is a method that takes note of the spec that it is opened with, and stops
// there.
type listener struct {
	exposer.Method
	heard *exposer.Spec
}

var errHeard = errors.New("heard")

func (l listener) Open(_ context.Context, spec exposer.Spec, _ exposer.Deps) (exposer.Exposure, error) {
	*l.heard = spec
	return nil, errHeard
}

// resolved types a command, and returns the spec that its method was opened with.
func resolved(t *testing.T, env map[string]string, words ...string) exposer.Spec {
	t.Helper()
	var heard exposer.Spec
	var out, story bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &story, now: time.Now, getenv: func(name string) string { return env[name] }}
	for _, method := range all.Methods() {
		a.methods = append(a.methods, listener{method, &heard})
	}
	if a.run(t.Context(), words); !strings.Contains(story.String(), errHeard.Error()) {
		t.Errorf("causeway %s\nis not taken:\n%s", strings.Join(words, " "), story.String())
	}
	return heard
}

// filled puts values into the words in capitals that are the reader's to fill in.
var filled = strings.NewReplacer("CLIENT_CIDR", "172.31.0.0/16", "FREE_CIDR", "10.200.0.0/28", "CONSUMER_PROJECT", "consumer-project")

// TestEveryCommandThatDetectPrintsIsTaken: parsed by the real flags, and made into a
// valid spec of that method and cluster, for each method, step and choice of each
// seeded cluster.
func TestEveryCommandThatDetectPrintsIsTaken(t *testing.T) {
	taken := map[string]int{}
	for name, s := range clusters {
		t.Run(name, func(t *testing.T) {
			_, env := s.looks(t)
			env["HOME"] = t.TempDir()
			var report detect.Report
			if err := json.Unmarshal([]byte(typed(t, env, append(s.args(), "-o", "json")...).out), &report); err != nil {
				t.Fatal(err)
			}
			for _, command := range commandsOf(report) {
				words := strings.Fields(filled.Replace(command))
				if words[0] != "causeway" {
					continue
				}
				method, spec := words[2], resolved(t, env, words[1:]...)
				taken[method]++
				if c := spec.Cluster; spec.Method != method || c.Project != report.Cluster.Project || c.Location != report.Cluster.Location || c.Name != report.Cluster.Name {
					t.Errorf("%s\nis a spec of %s for %+v", command, spec.Method, c)
				}
			}
		})
	}
	for _, method := range []string{"ilb", "route", "psc", "gateway", "mcs", "dns"} {
		if taken[method] < len(clusters) {
			t.Errorf("%s: %d commands of %d clusters were looked at", method, taken[method], len(clusters))
		}
	}
}

func commandsOf(r detect.Report) []string {
	commands := []string{}
	for _, m := range r.Methods {
		commands = append(commands, m.Command)
		for _, step := range m.First {
			commands = append(commands, step.Command)
		}
	}
	if r.Instead != nil {
		commands = append(commands, r.Instead.Command)
	}
	return slices.DeleteFunc(append(commands, r.Command), func(c string) bool { return c == "" })
}
