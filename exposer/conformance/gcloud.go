package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"causeway/internal/gcptest"
)

// Installed reports whether programs are on this machine; where one is not, it says
// loudly what is not shown then.
func Installed(t *testing.T, programs ...string) bool {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		t.Logf("NOT RUN: %s is not installed here; that it and causeway agree was not tested (1 test counted as not run)", program)
		if file := os.Getenv("CAUSEWAY_NOT_RUN_FILE"); file != "" {
			out, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			if _, err := out.WriteString(t.Name() + ": " + program + " is not installed\n"); err != nil {
				t.Fatal(err)
			}
		}
		return false
	}
	return true
}

// GcloudEnv is an environment in which gcloud works with the emulator.
func GcloudEnv(t *testing.T, google *gcptest.Server) []string {
	t.Helper()
	home := t.TempDir()
	token := filepath.Join(home, "token")
	if err := google.WriteToken(token); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "CLOUDSDK_CONFIG=" + home, "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=" + token,
		"CLOUDSDK_CORE_PROJECT=lab-project", "CLOUDSDK_CORE_DISABLE_PROMPTS=1", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1", "KUBECONFIG=" + filepath.Join(home, "kubeconfig"),
		"CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1", "CLOUDSDK_CORE_CHECK_GCE_METADATA=0", "CLOUDSDK_CORE_DISABLE_FILE_LOGGING=1"}
	for name, value := range google.Env() {
		env = append(env, name+"="+value)
	}
	return env
}

// Program runs a program that must succeed, and returns what it printed.
func Program(t *testing.T, env []string, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = env
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, said.String())
	}
	return string(out)
}
