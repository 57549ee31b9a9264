package probe

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"causeway/internal/explain"

	"github.com/google/go-cmp/cmp"
)

const verifySh = "../scripts/verify.sh"

// shells are those that the script is to run under; sh is there everywhere, the others
// are asked where they are.
func shells() [][]string {
	found := [][]string{{"sh"}}
	for _, shell := range [][]string{{"dash"}, {"busybox", "sh"}, {"bash", "--posix"}} {
		if _, err := exec.LookPath(shell[0]); err == nil {
			found = append(found, shell)
		}
	}
	return found
}

// runScript runs verify.sh in an empty environment and gives stdout, stderr and exit.
func runScript(t *testing.T, shell, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("curl is not installed: make setup installs it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, shell[0], append(append(slices.Clone(shell[1:]), verifySh), args...)...)
	temp := t.TempDir()
	command.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + temp, "TMPDIR=" + temp}, env...)
	var out, errs bytes.Buffer
	command.Stdout, command.Stderr = &out, &errs
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run verify.sh: %v", err)
	}
	left, err := os.ReadDir(temp)
	if err != nil || len(left) != 0 {
		t.Errorf("verify.sh left %v in its temporary directory (%v)", left, err)
	}
	return out.String(), errs.String(), command.ProcessState.ExitCode()
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVerifyShNamesEachFailureAtItsHop(t *testing.T) {
	t.Parallel()
	for name, c := range allCases() {
		t.Run(name, func(t *testing.T) {
			if c.goOnly != "" {
				return // said in the case: it needs a clock, dialler or resolver of its own
			}
			t.Parallel()
			f, kubeconfig := c.start(t)
			path := writeFile(t, "kubeconfig", kubeconfig)
			args := append([]string{"--kubeconfig", path, "-o", "json", "--timeout", "5"}, c.args...)
			stdout, stderr, code := runScript(t, []string{"sh"}, c.env, args...)
			checkNoSecret(t, f, stdout+stderr)
			report, err := ParseScript([]byte(stdout))
			if err != nil {
				t.Fatalf("%v\nexit %d\nstdout:\n%s\nstderr:\n%s", err, code, stdout, stderr)
			}
			failed := report.Failed()
			if failed == nil || failed.Hop != c.hop || failed.Code != c.code || code != 5 {
				t.Fatalf("exit %d, failed %+v, want 5 and %s at %s\n%s%s", code, failed, c.code, c.hop, table(report), stderr)
			}
			if failed.Hint != HintFor(c.code) || stderr != "" {
				t.Errorf("hint %q, stderr %q", failed.Hint, stderr)
			}
			checkRest(t, report)
		})
	}
}

func TestVerifyShPassesAWorkingServerUnderEachShell(t *testing.T) {
	t.Parallel()
	for _, shell := range shells() {
		t.Run(strings.Join(shell, " "), func(t *testing.T) {
			t.Parallel()
			f, _ := failing{}.start(t)
			f.token = jwt(time.Now().Add(47*time.Hour + time.Minute))
			path := writeFile(t, "kubeconfig", f.kubeconfig(t, nil))
			stdout, stderr, code := runScript(t, shell, nil, "--kubeconfig", path, "-o", "json",
				"--right", "get:pods", "--exec", "shop/web/nginx", "--large-body", "--idle", "1", "--from", "cluster")
			report, err := ParseScript([]byte(stdout))
			if err != nil || code != 0 || stderr != "" {
				t.Fatalf("exit %d, %v\n%s\n%s", code, err, stdout, stderr)
			}
			checkNoSecret(t, f, stdout)
			for _, r := range report.Results {
				if r.Status != Pass || r.Code != "" {
					t.Errorf("%s: %s %s %q", r.Hop, r.Status, r.Code, r.Detail)
				}
			}
			if f.hits.Load() == 0 || report.From != "cluster" || report.Tool != "verify.sh" || report.Context != "causeway-shop" {
				t.Errorf("%d requests with the token; %+v", f.hits.Load(), report)
			}
			if times := report.Times; times.Connect > times.AppConnect || times.AppConnect > times.StartTransfer || times.Total == 0 {
				t.Errorf("times are not in order: %+v", times)
			}
		})
	}
}

// The two tools go the same hops, so whoever reads one JSON reads the other.
func TestTheTwoJSONFormsHaveTheSameFieldsAndFacts(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	f.token = jwt(time.Now().Add(time.Hour))
	kubeconfig := f.kubeconfig(t, nil)
	fromGo, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	goJSON, err := JSON(fromGo)
	if err != nil {
		t.Fatal(err)
	}
	stdout, _, _ := runScript(t, []string{"sh"}, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json")
	key := regexp.MustCompile(`"[a-z_0-9.]+": `)
	fields := func(text string) []string {
		found := key.FindAllString(text, -1)
		slices.Sort(found)
		return slices.Compact(found)
	}
	want := slices.DeleteFunc(fields(string(goJSON)), func(field string) bool {
		return field == `"local_address": ` // curl tells the other end only
	})
	if diff := cmp.Diff(want, fields(stdout)); diff != "" {
		t.Errorf("fields (-Go +verify.sh):\n%s", diff)
	}
	fromScript, err := ParseScript([]byte(stdout))
	if err != nil {
		t.Fatal(err)
	}
	for _, fact := range []string{"names", "not_after", "days_left", "protocol", "alpn"} {
		if a, b := fromGo.Hop(HopTLS).Facts[fact], fromScript.Hop(HopTLS).Facts[fact]; a != b {
			t.Errorf("fact %s is %q in Go and %q in verify.sh", fact, a, b)
		}
	}
	if a, b := fromGo.Hop(HopIdentity).Facts["token_ends"], fromScript.Hop(HopIdentity).Facts["token_ends"]; a != b {
		t.Errorf("token_ends is %q in Go and %q in verify.sh", a, b)
	}
	if fromGo.Curl != fromScript.Curl {
		t.Errorf("curl lines differ:\n%s\n%s", fromGo.Curl, fromScript.Curl)
	}
}

func TestTheScriptsHintsAreTheGoHints(t *testing.T) {
	text, err := os.ReadFile(verifySh)
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^\t(CW-[A-Z-]+)\) echo '(.*)' ;;$`).FindAllStringSubmatch(string(text), -1)
	hinted := map[string]bool{}
	for _, line := range lines {
		hinted[line[1]] = true
		if hint := strings.ReplaceAll(line[2], `'\''`, "'"); hint != HintFor(line[1]) {
			t.Errorf("%s: verify.sh says %q, Go says %q", line[1], hint, HintFor(line[1]))
		}
	}
	for _, code := range regexp.MustCompile(`CW-[A-Z]+-[A-Z-]*[A-Z]`).FindAllString(string(text), -1) {
		if !hinted[code] {
			t.Errorf("verify.sh uses %s and has no hint for it", code)
		}
	}
}

func TestEachHintHasItsPageInTheCatalogue(t *testing.T) {
	for _, h := range hints() {
		if _, ok := explain.Lookup(h[0]); !ok {
			t.Errorf("%s is not in the catalogue", h[0])
		}
	}
}
