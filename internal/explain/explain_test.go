package explain

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite docs/troubleshooting.md")

const root = "../.."

func TestEachCatalogueFileIsAnEntry(t *testing.T) {
	t.Parallel()
	entries, err := All()
	if err != nil {
		t.Fatal(err)
	}
	form := regexp.MustCompile(`^CW(-[A-Z0-9]+){2,}$`)
	for _, entry := range entries {
		if !form.MatchString(entry.Code) {
			t.Errorf("%s is no code", entry.Code)
		}
		if strings.HasSuffix(entry.Title, ".") || len(entry.Title) > 90 {
			t.Errorf("%s: title %q is no short line", entry.Code, entry.Title)
		}
	}
}

// TestCodesAndCatalogueAgree keeps the product from naming a code that nobody
// explains, and the catalogue from explaining what nobody says.
func TestCodesAndCatalogueAgree(t *testing.T) {
	t.Parallel()
	used := map[string]string{}
	code := regexp.MustCompile(`["'=]?(CW(?:-[A-Z0-9]+){2,})`)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		source := strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "verify.sh")
		if d.IsDir() || !source {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, match := range code.FindAllStringSubmatch(string(text), -1) {
			used[match[1]] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for c, path := range used {
		if _, ok := Lookup(c); !ok {
			t.Errorf("%s uses %s, which the catalogue does not explain", path, c)
		}
	}
	entries, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if used[entry.Code] == "" {
			t.Errorf("the catalogue explains %s, which nobody uses", entry.Code)
		}
	}
}

// TestTroubleshootingPage keeps docs/troubleshooting.md the same text as the
// catalogue; -update writes it.
func TestTroubleshootingPage(t *testing.T) {
	t.Parallel()
	entries, err := All()
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	page.WriteString("# Troubleshooting\n\nEvery known cause, by its code. `causeway explain CODE` prints the same text.\nThis page is made from the catalogue (`make docs`); don't edit it.\n")
	for _, e := range entries {
		fmt.Fprintf(&page, "\n## %s\n\n*%s*\n\n**What.** %s\n\n**Why.** %s\n\n**Fix.** %s\n", e.Code, e.Title, e.What, e.Why, e.Fix)
	}
	path := filepath.Join(root, "docs", "troubleshooting.md")
	if *update {
		if err := os.WriteFile(path, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(path)
	if err != nil || string(have) != page.String() {
		t.Errorf("docs/troubleshooting.md differs from the catalogue (%v): run `make docs`", err)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	if entry, ok := Lookup(" cw-run-locked "); !ok || entry.Code != "CW-RUN-LOCKED" || entry.Fix == "" {
		t.Errorf("lookup in lower case: %+v %v", entry, ok)
	}
	for _, code := range []string{"", "CW-NO-SUCH", "../explain", "CW-RUN-LOCKED.md"} {
		if _, ok := Lookup(code); ok {
			t.Errorf("lookup of %q found something", code)
		}
	}
}

type coded struct{}

func (coded) Error() string { return "x" }
func (coded) Code() string  { return "CW-A-B" }

func TestCodeOfLooksThroughWrapping(t *testing.T) {
	t.Parallel()
	if got := CodeOf(errors.Join(errors.New("a"), fmt.Errorf("b: %w", coded{}))); got != "CW-A-B" {
		t.Errorf("code of a wrapped error: %q", got)
	}
	if got := CodeOf(errors.New("a")); got != "" {
		t.Errorf("code of an error without one: %q", got)
	}
}

func TestParseSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"no title": "CW-A-B: x\n## What\na\n## Why\nb\n## Fix\nc\n", "another code": "# CW-X-Y: x\n## What\na\n## Why\nb\n## Fix\nc\n",
		"no fix": "# CW-A-B: x\n## What\na\n## Why\nb\n",
	} {
		if _, err := parse("CW-A-B", text); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
