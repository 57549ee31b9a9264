package nginxtest_test

import (
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// TestAMachineThatCannotMakeRootsGoesOn runs the script where it must give up: as
// root for want of a keyring, else for want of root.
func TestAMachineThatCannotMakeRootsGoesOn(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []string
		code      int
		says      string
	}{
		"it says so and is content":           {nil, 0, "going on without newer releases"},
		"with --strict it is an error":        {[]string{"--strict"}, 1, "going on without newer releases"},
		"an option that it does not know":     {[]string{"--wrong"}, 2, "unknown option --wrong"},
		"asked for help it tells how it goes": {[]string{"--help"}, 0, "usage: scripts/nginx-releases.sh"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command("sh", append([]string{"../../scripts/nginx-releases.sh"}, test.arguments...)...)
			cmd.Env = append(cmd.Environ(), "CAUSEWAY_CACHE="+t.TempDir(), "DEBIAN_KEYRING=/nonexistent")
			out, err := cmd.CombinedOutput()
			code := 0
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != test.code || !strings.Contains(string(out), test.says) {
				t.Errorf("exit %d, want %d:\n%s", code, test.code, out)
			}
		})
	}
}
