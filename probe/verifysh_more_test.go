package probe

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// spyOn puts a stand-in for a tool first in PATH that notes its arguments, its
// environment and the modes of the files around, and then runs the tool.
func spyOn(t *testing.T, tool string) (env []string, notes string) {
	t.Helper()
	real, err := exec.LookPath(tool)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	notes = filepath.Join(dir, "notes")
	script := fmt.Sprintf("#!/bin/sh\n{ printf 'ARG %%s\\n' \"$@\"; env; find \"$TMPDIR\" -mindepth 1 -exec ls -ld {} +; } >>%s\nexec %s \"$@\"\n", notes, real)
	if err := os.WriteFile(filepath.Join(dir, tool), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"PATH=" + dir + ":" + os.Getenv("PATH")}, notes
}

func TestVerifyShKeepsTheTokenOutOfArgumentsEnvironmentAndOpenFiles(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"curl", "openssl", "awk", "sed", "tr"} {
		f, kubeconfig := failing{}.start(t)
		env, notes := spyOn(t, tool)
		stdout, stderr, code := runScript(t, []string{"sh"}, env, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig))
		if code != 0 || f.hits.Load() == 0 {
			t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
		}
		seen, err := os.ReadFile(notes)
		if err != nil {
			t.Fatalf("%s was not called: %v", tool, err)
		}
		checkNoSecret(t, f, string(seen)+stdout+stderr)
		for line := range strings.SplitSeq(string(seen), "\n") {
			if strings.HasPrefix(line, "-") && !strings.HasPrefix(line, "-rw-------") {
				t.Errorf("others may read %s", line)
			}
		}
	}
}

func TestVerifyShDoesNotReadACurlrcThatSwitchesVerificationOff(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	kubeconfig := f.kubeconfig(t, func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.CertificateAuthorityData = f.otherCA })
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".curlrc"), []byte("insecure\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _, code := runScript(t, []string{"sh"}, []string{"HOME=" + home, "CURL_HOME=" + home}, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig))
	if code != 5 || !strings.Contains(stdout, "CW-PROBE-TLS-CA") || f.hits.Load() != 0 {
		t.Errorf("exit %d, the token was sent %d times\n%s", code, f.hits.Load(), stdout)
	}
}

// withoutOpenssl is a PATH with everything but openssl.
func withoutOpenssl(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range strings.Fields("sh curl awk sed tr cut head tail grep cat date mktemp rm base64 dirname wc dd env") {
		real, err := exec.LookPath(tool)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(real, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	return []string{"PATH=" + dir}
}

func TestVerifyShWorksWithCurlAlone(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	f.token = jwt(time.Now().Add(time.Hour))
	stdout, stderr, code := runScript(t, []string{"sh"}, withoutOpenssl(t), "--kubeconfig", writeFile(t, "kubeconfig", f.kubeconfig(t, nil)), "-o", "json")
	report, err := ParseScript([]byte(stdout))
	if err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if r := report.Hop(HopTLS); !strings.Contains(r.Detail, "no openssl here: its names are not listed") || r.Facts["days_left"] != "100" {
		t.Errorf("tls: %q, %v", r.Detail, r.Facts)
	}
}

// The image of the in-cluster run, and many a router, have busybox and curl alone.
func TestVerifyShWorksWithBusyboxsToolsAlone(t *testing.T) {
	t.Parallel()
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Log("busybox is not installed; nothing to try it with")
		return
	}
	path := withoutOpenssl(t)
	dir := strings.TrimPrefix(path[0], "PATH=")
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if entry.Name() == "curl" {
			continue
		}
		if err := errors.Join(os.Remove(filepath.Join(dir, entry.Name())), os.Symlink(busybox, filepath.Join(dir, entry.Name()))); err != nil {
			t.Fatal(err)
		}
	}
	f, _ := failing{}.start(t)
	f.token = jwt(time.Now().Add(time.Hour))
	stdout, stderr, code := runScript(t, []string{filepath.Join(dir, "sh")}, path, "--kubeconfig", writeFile(t, "kubeconfig", f.kubeconfig(t, nil)),
		"-o", "json", "--large-body", "--idle", "1", "--right", "get:pods")
	report, err := ParseScript([]byte(stdout))
	if err != nil || code != 0 || stderr != "" {
		t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
	}
	if ends := report.Hop(HopIdentity).Facts["token_ends"]; ends == "" || report.Hop(HopTLS).Facts["days_left"] != "100" {
		t.Errorf("token ends %q, tls %v", ends, report.Hop(HopTLS).Facts)
	}
}

func TestVerifyShHeedsNoProxy(t *testing.T) {
	t.Parallel()
	_, kubeconfig := failing{}.start(t)
	env := []string{"HTTPS_PROXY=http://user:hunter2@127.0.0.1:1", "NO_PROXY=127.0.0.1"}
	stdout, stderr, code := runScript(t, []string{"sh"}, env, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig))
	if code != 0 || strings.Contains(stdout, "proxy") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestVerifyShNamesCertificateFaultsWithCurlAlone(t *testing.T) {
	t.Parallel()
	for name, c := range tlsCases() {
		if !strings.HasPrefix(c.code, "CW-PROBE-TLS-") || c.code == "CW-PROBE-TLS-TIMEOUT" ||
			strings.Contains(name, "common name alone") || strings.Contains(name, "all at once") {
			continue // these need the certificate itself
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, kubeconfig := c.start(t)
			stdout, stderr, code := runScript(t, []string{"sh"}, withoutOpenssl(t), "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json")
			report, err := ParseScript([]byte(stdout))
			if err != nil || code != 5 || report.Failed().Code != c.code {
				t.Errorf("exit %d, %v, want %s\n%s%s", code, err, c.code, stdout, stderr)
			}
		})
	}
}

func TestVerifyShTakesAddressCAAndTokenByThemselves(t *testing.T) {
	t.Parallel()
	f, _ := failing{}.start(t)
	ca := writeFile(t, "my ca's.crt", f.ca.pem)
	token := writeFile(t, "token", []byte(f.token+"\n"))
	for name, args := range map[string][]string{
		"as separate words":   {"--server", f.URL + "/", "--ca", ca, "--token-file", token},
		"with an equals sign": {"--server=" + f.URL, "--ca=" + ca, "--token-file=" + token},
		"with a name for TLS": {"--server", f.URL, "--ca", ca, "--token-file", token, "--tls-server-name", "kubernetes.default.svc"},
		"in the table's form": {"--server", f.URL, "--ca", ca, "--token-file", token, "-o", "table"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := runScript(t, []string{"sh"}, nil, args...)
			if code != 0 || stderr != "" || !strings.Contains(stdout, "system:serviceaccount:causeway-shop:causeway-client") || !strings.Contains(stdout, `my ca'\''s.crt`) && !strings.Contains(stdout, `my ca'\\''s.crt`) {
				t.Errorf("exit %d\n%s%s", code, stdout, stderr)
			}
			checkNoSecret(t, f, stdout)
		})
	}
}

func TestVerifyShUsesAClientCertificate(t *testing.T) {
	t.Parallel()
	f, _ := failing{server: func(_ *testing.T, f *fake) { f.TLS.ClientAuth = 2 /* RequireAnyClientCert */ }}.start(t)
	certificate, key := f.clientPair(t)
	kubeconfig := f.kubeconfig(t, func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		u.ClientCertificateData, u.ClientKeyData = certificate, key
	})
	stdout, stderr, code := runScript(t, []string{"sh"}, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig))
	if code != 0 || stderr != "" || !strings.Contains(stdout, "--cert client.crt --key client.key") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{}, nil)
	if err != nil {
		t.Errorf("Run = %v; %s", err, table(report))
	}
}

func TestVerifyShRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	f, kubeconfig := failing{}.start(t)
	good := writeFile(t, "kubeconfig", kubeconfig)
	plugin := writeFile(t, "plugin", f.kubeconfig(t, func(_ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
		u.Token, u.Exec = "", &clientcmdapi.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", Command: "causeway", Args: []string{"token", "shop"}, InteractiveMode: clientcmdapi.NeverExecInteractiveMode}
	}))
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"nothing":                     {nil, "give --kubeconfig FILE or --server URL"},
		"an unknown option":           {[]string{"--kubeconfig", good, "--insecure", "x"}, "unknown option --insecure"},
		"an option without a value":   {[]string{"--kubeconfig"}, "--kubeconfig needs a value"},
		"a word too many":             {[]string{"shop"}, "unknown argument shop"},
		"a file that is not there":    {[]string{"--kubeconfig", "/nonexistent"}, "can't read /nonexistent"},
		"an output it has not":        {[]string{"--kubeconfig", good, "-o", "yaml"}, "-o takes table or json"},
		"a time that is none":         {[]string{"--kubeconfig", good, "--timeout", "soon"}, `"soon" is no whole number`},
		"a context that is not there": {[]string{"--kubeconfig", good, "--context", "nope"}, `no context "nope"`},
		"a kubeconfig in JSON":        {[]string{"--kubeconfig", writeFile(t, "json", []byte("{}\n"))}, "is JSON"},
		"a credential program":        {[]string{"--kubeconfig", plugin}, "gets its token from a program; give one by --token-file"},
		"a CA that is none":           {[]string{"--server", f.URL, "--ca", good}, "curl: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stdout, stderr, code := runScript(t, []string{"sh"}, nil, append(c.args, "-o", "json")...)
			if name == "an option without a value" || name == "an output it has not" {
				stdout, stderr, code = runScript(t, []string{"sh"}, nil, c.args...)
			}
			if code != 2 || !strings.Contains(stderr, "verify.sh: ") || !strings.Contains(stderr, c.says) || strings.Contains(stdout, "{") {
				t.Errorf("exit %d, stderr %q, want 2 and %q\n%s", code, stderr, c.says, stdout)
			}
			checkNoSecret(t, f, stdout+stderr)
		})
	}
}

var changing = regexp.MustCompile(`\d+ (ms|bytes)|127\.0\.0\.1:\d+|\d\.\d{6}|\d{4}-\d\d-\d\dT[0-9:]{8}Z`)

// TestVerifyShsTable compares what people see, with what changes from run to run
// taken out.
func TestVerifyShsTable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]failing{
		"verifysh-works.txt": {},
		"verifysh-san.txt":   tlsCases()["a certificate for another address"],
		"verifysh-held.txt":  streamCases()["a proxy that holds a quiet watch over HTTP/2"],
	} {
		_, kubeconfig := c.start(t)
		stdout, stderr, _ := runScript(t, []string{"sh"}, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig))
		text := changing.ReplaceAllStringFunc(stdout, func(found string) string {
			return regexp.MustCompile(`\d+`).ReplaceAllString(found, "N")
		})
		text = regexp.MustCompile(` +N ms`).ReplaceAllString(text, "  N ms")
		golden(t, name, []byte(text+stderr))
	}
}
