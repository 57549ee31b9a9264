// Package house holds the rules of the house that no compiler checks: who may
// import whom.
package house

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers, from the top. A package may import packages of lower layers only;
// packages of one layer do not know each other.
func layer(pkg string) int {
	rules := []struct {
		prefix string
		layer  int
	}{
		{"cmd", 8}, {"bench", 8}, {"exposer/all", 7}, {"exposer/routing", 4}, {"exposer/fleet", 4}, {"exposer/detect", 5}, {"exposer", 6},
		{"internal/gcptest/discovery", 1}, {"internal/gcptest", 2}, {"internal/kubetest", 2}, {"internal/nginxtest", 2}, {"internal/house", 2},
		{"internal/gcp", 1}, {"internal/kube", 1}, {"internal/ui", 1}, {"certs", 1}, {"kubeconfig", 1}, {"probe", 1}, {"templates", 1},
		{"internal/explain", 0}, {"internal/safefile", 0}, {"scripts", 0},
	}
	if pkg == "exposer" {
		return 3
	}
	for _, r := range rules {
		if pkg == r.prefix || strings.HasPrefix(pkg, r.prefix+"/") {
			return r.layer
		}
	}
	return -1
}

// forbidden names what each package must not import, by prefix.
var forbidden = []struct{ from, what, why string }{
	{"exposer", "github.com/spf13/cobra", "the job knows no command line"},
	{"exposer", "cloud.google.com/go", "internal/gcp is the only door to Google"},
	{"exposer", "google.golang.org/api", "internal/gcp is the only door to Google"},
	{"exposer", "k8s.io/client-go", "internal/kube is the only door to Kubernetes"},
	{"cmd", "cloud.google.com/go", "internal/gcp is the only door to Google"},
	{"cmd", "k8s.io/client-go", "internal/kube is the only door to Kubernetes"},
	{"kubeconfig", "net/http", "kubeconfig is pure"},
	{"certs", "net/http", "certs is pure"},
	{"templates", "net/http", "templates is pure"},
}

// testSupport are packages that only tests, lab and bench import; they may use
// the SDKs.
var testSupport = map[string]bool{"exposer/conformance": true, "internal/gcptest": true, "internal/gcptest/discovery": true,
	"internal/kubetest": true, "internal/nginxtest": true, "bench": true}

func TestImportRules(t *testing.T) {
	t.Parallel()
	for pkg, imports := range imports(t) {
		from := strings.TrimPrefix(pkg, "causeway/")
		if layer(from) < 0 {
			t.Errorf("%s stands in no layer: say in this test where it belongs", from)
		}
		for _, imported := range imports {
			for _, rule := range forbidden {
				if testSupport[from] {
					break
				}
				if (from == rule.from || strings.HasPrefix(from, rule.from+"/")) && (imported == rule.what || strings.HasPrefix(imported, rule.what+"/")) {
					t.Errorf("%s imports %s: %s", from, imported, rule.why)
				}
			}
			to, own := strings.CutPrefix(imported, "causeway/")
			if testSupport[to] && !testSupport[from] {
				t.Errorf("%s imports %s: test support has no place in the product", from, to)
			}
			if own && layer(to) >= layer(from) {
				t.Errorf("%s imports %s: imports run one way, downwards", from, to)
			}
		}
	}
}

// imports lists the direct imports of each package, without those of its tests.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "causeway/...")
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list packages: %v\n%s", err, stderr.String())
	}
	all := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		all[fields[0]] = fields[1:]
	}
	if !slices.Contains(all["causeway/exposer"], "context") {
		t.Fatal("go list found no imports of causeway/exposer: this test would see nothing")
	}
	return all
}
