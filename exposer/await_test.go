package exposer

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestAPodWaitsForItsName runs what the pod runs, with a resolver and a clock of its
// own: the name is known at the third look, or never.
func TestAPodWaitsForItsName(t *testing.T) {
	for name, c := range map[string]struct{ getent, want string }{
		"known at the third look":     {`echo "$2" >>looks; [ "$(wc -l <looks)" -ge 3 ]`, "3 looks for web.svc: -o json\n"},
		"never known: a minute":       {`echo "$2" >>looks; false`, "6 looks for web.svc: -o json\n"},
		"nothing there to look it up": {"", "0 looks for : -o json\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			program := func(file, text string) {
				if err := os.WriteFile(filepath.Join(dir, file), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			program("verify.sh", `touch looks; echo "$(($(wc -l <looks))) looks for $(sort -u looks): $*"`)
			program("sleep", "true")
			program("date", `echo x >>ticks; echo $(($(wc -l <ticks) * 10))`) // ten seconds a look
			for _, tool := range []string{"wc", "touch", "sort"} {
				at, err := exec.LookPath(tool)
				if err != nil {
					t.Fatal(err)
				}
				program(tool, `exec `+at+` "$@"`)
			}
			if c.getent != "" {
				program("getent", c.getent)
			}
			cmd := exec.Command("/bin/sh", "-c", awaitName, "verify.sh", "web.svc", "-o", "json")
			cmd.Dir, cmd.Env = dir, []string{"PATH=" + dir}
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != c.want {
				t.Errorf("%v, %q, want %q", err, out, c.want)
			}
		})
	}
}
