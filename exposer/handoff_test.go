package exposer_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/certs"
	"causeway/exposer"
	"causeway/kubeconfig"
)

// unpack reads an archive: content by name, and the one folder that all lies in.
func unpack(t testing.TB, archive []byte) (folder string, files map[string][]byte, modes map[string]int64) {
	t.Helper()
	zipped, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	files, modes = map[string][]byte{}, map[string]int64{}
	for reader := tar.NewReader(zipped); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return folder, files, modes
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		folder = filepath.Dir(header.Name)
		files[filepath.Base(header.Name)], modes[filepath.Base(header.Name)] = content, header.Mode
	}
}

func TestHandoff(t *testing.T) {
	t.Parallel()
	w, j := standing(t, func(s *exposer.Spec) { s.ILB.ClientAuth = "mtls" })
	const password = `correct horse 'staple' "battery"`
	hand := func(o exposer.HandoffOptions) map[string][]byte {
		t.Helper()
		o.Script = []byte("#!/bin/sh\nexit 0\n")
		var out bytes.Buffer
		if err := j.Handoff(t.Context(), w.Spec, o, &out); err != nil {
			t.Fatal(err)
		}
		folder, files, modes := unpack(t, out.Bytes())
		if folder != "causeway-"+w.Spec.Name {
			t.Errorf("the folder is %q", folder)
		}
		for name, mode := range modes {
			if want := map[bool]int64{true: 0o755, false: 0o600}[name == "verify.sh"]; mode != want {
				t.Errorf("%s has mode %o", name, mode)
			}
		}
		return files
	}
	names := func(files map[string][]byte) []string { return slices.Sorted(maps.Keys(files)) }

	included := hand(exposer.HandoffOptions{Secrets: exposer.SecretsInclude, Password: password})
	if diff := cmp.Diff([]string{"README.md", "ca.crt", "client.p12", "kubeconfig", "truststore.p12", "verify.sh"}, names(included)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if _, err := kubeconfig.Inspect(included["kubeconfig"], "causeway-"+w.Spec.Name); err != nil {
		t.Errorf("the kubeconfig: %v", err)
	}
	client, err := certs.DecodeP12(included["client.p12"], password)
	if err != nil || client.Pair.Leaf() == nil {
		t.Errorf("client.p12: %v", err)
	}
	trust, err := certs.DecodeP12(included["truststore.p12"], password)
	if err != nil || len(trust.CAs) == 0 {
		t.Errorf("truststore.p12: %v", err)
	}
	page := string(included["README.md"])
	for _, text := range []string{"TCP 443", "172.31.0.0/16", certs.FingerprintPEM(included["ca.crt"]), "| rights | view |", "`kubeconfig`", "secret, keep it like a password"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page does not say %q", text)
		}
	}

	omitted := hand(exposer.HandoffOptions{Secrets: exposer.SecretsOmit, Password: password})
	if diff := cmp.Diff([]string{"README.md", "ca.crt", "truststore.p12", "verify.sh"}, names(omitted)); diff != "" {
		t.Errorf("files without secrets (-want +got):\n%s", diff)
	}
	for name, content := range omitted {
		if regexp.MustCompile(`eyJ[A-Za-z0-9_-]{20,}|PRIVATE KEY|` + password).Match(content) {
			t.Errorf("%s holds a secret", name)
		}
	}

	encrypted := hand(exposer.HandoffOptions{Secrets: exposer.SecretsEncrypt, Password: password})
	if diff := cmp.Diff([]string{"README.md", "ca.crt", "client.p12", "kubeconfig.enc", "truststore.p12", "verify.sh"}, names(encrypted)); diff != "" {
		t.Errorf("encrypted files (-want +got):\n%s", diff)
	}
	plain := decrypt(t, string(encrypted["README.md"]), encrypted["kubeconfig.enc"], password)
	if _, err := kubeconfig.Inspect(plain, "causeway-"+w.Spec.Name); err != nil {
		t.Errorf("the decrypted kubeconfig: %v", err)
	}
	if _, err := certs.DecodeP12(encrypted["client.p12"], password); err != nil {
		t.Errorf("client.p12 is encrypted by itself, and was encrypted twice: %v", err)
	}

	err = j.Handoff(t.Context(), w.Spec, exposer.HandoffOptions{Secrets: exposer.SecretsEncrypt}, io.Discard)
	wantCode(t, err, "CW-SPEC-INVALID")
}

// decrypt runs the very command that the page gives, with the real openssl.
func decrypt(t testing.TB, page string, sealed []byte, password string) []byte {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is not installed: `make tools` installs it")
	}
	line := regexp.MustCompile(`(?m)^    openssl enc .*$`).FindString(page)
	if line == "" {
		t.Fatalf("the page gives no openssl command:\n%s", page)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"kubeconfig.enc": sealed, "password": []byte(password)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := exec.CommandContext(t.Context(), "sh", "-c", line+" -pass file:password")
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", line, err, out)
	}
	plain, err := os.ReadFile(filepath.Join(dir, "kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}
