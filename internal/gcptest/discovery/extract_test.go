package discovery

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the extracts from the module's discovery documents")

// TestExtractIsWhatTheModuleSays holds the embedded extract to the documents of
// the google.golang.org/api version that go.mod names.
func TestExtractIsWhatTheModuleSays(t *testing.T) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Fatalf("go list -m google.golang.org/api: %v", err)
	}
	module := strings.TrimSpace(string(out))
	for name, ids := range Wanted() {
		full, err := os.ReadFile(filepath.Join(module, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		doc, err := Extract(full, ids)
		if err != nil {
			t.Fatal(err)
		}
		want, err := json.MarshalIndent(doc, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, '\n')
		file := filepath.Join("extract", doc.Name+"-"+doc.Version+".json")
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s is not what %s says: run go test ./internal/gcptest/discovery -update", file, name)
		}
	}
}
