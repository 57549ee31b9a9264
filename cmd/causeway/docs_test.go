package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"causeway/exposer"
	"causeway/exposer/all"
	"causeway/internal/explain"
)

const repository = "../.."

// pages are the documents that people read, by their path in the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{"README.md": read(t, "README.md")}
	err := filepath.WalkDir(filepath.Join(repository, "docs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".md") {
			name, _ := filepath.Rel(repository, path)
			found[filepath.ToSlash(name)] = read(t, name)
		}
		return err
	})
	if err != nil || len(found) < 10 {
		t.Fatalf("%d pages: %v", len(found), err)
	}
	return found
}

// read is a file of the repository.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// written is a command as a page has it.
type written struct {
	text  string
	whole bool // on a line of its own and without dots: it is there to be copied
}

var (
	// before a command on a line of its own: a prompt, or a helper of docs/lab.md.
	prompt  = regexp.MustCompile(`^\s*(?:\w+\$ |at \S+ |op |far |sh -c '|.*\| )*(causeway [a-z].*)$`)
	inline  = regexp.MustCompile(`^(?s)(?:.*\| )?(causeway\s[a-z].*)$`)
	marks   = regexp.MustCompile(`^causeway exposures? `) // what descriptions of things bear
	apart   = regexp.MustCompile(`\n\n|\n[|*-]|\n\d\.`)
	behind  = regexp.MustCompile(`\s+(?:#|\||<|>|2>&1|&&).*$`)
	dots    = regexp.MustCompile(`\.\.\.|\(the .*arguments.*`)
	letters = strings.NewReplacer(" METHOD", " ilb", " P ", " lab-project ", " L ", " europe-west3 ", " C ", " private-cluster ", " NAME ", " prod ")
)

// commandsIn finds the commands of a page: in code blocks, and in the running text.
func commandsIn(page string) []written {
	var (
		found  []written
		prose  strings.Builder
		value  string // of C="...", which later lines use
		fenced bool
	)
	for line := range strings.SplitSeq(strings.ReplaceAll(page, "\\\n", " "), "\n") {
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
			continue
		}
		if !fenced && !strings.HasPrefix(line, "    ") {
			prose.WriteString(line + "\n")
			continue
		}
		if _, set, ok := strings.Cut(line, `C="`); ok {
			value = strings.TrimSuffix(set, `"`)
		}
		if match := prompt.FindStringSubmatch(strings.ReplaceAll(line, "$C", value)); match != nil {
			found = append(found, command(match[1], true))
		}
	}
	for _, paragraph := range apart.Split(prose.String(), -1) {
		for i, span := range strings.Split(paragraph, "`") {
			if match := inline.FindStringSubmatch(span); i%2 == 1 && match != nil && !marks.MatchString(span) {
				found = append(found, command(match[1], false))
			}
		}
	}
	return found
}

func command(text string, whole bool) written {
	text = strings.Join(strings.Fields(strings.TrimSuffix(text, "'")), " ")
	bare := dots.ReplaceAllString(behind.ReplaceAllString(text, ""), "")
	return written{strings.TrimSpace(letters.Replace(bare + " ")), whole && !dots.MatchString(text)}
}

// TestEveryCommandInTheDocumentsIsOne parses each with the flags and arguments of
// the verb. What is there to be copied is run too, as far as the missing credentials:
// so that nothing that it needs is left out.
func TestEveryCommandInTheDocumentsIsOne(t *testing.T) {
	texts := pages(t)
	a := &app{getenv: func(string) string { return "" }, methods: all.Methods()}
	for _, cmd := range append(a.root().Commands(), subcommands(a.root())...) {
		texts[cmd.CommandPath()+" --help"] = "```\n" + cmd.Example + "\n```\n"
	}
	texts["causeway --help"] = "```\n" + rootExamples + "\n```\n"
	for name, text := range printed(t) {
		texts[name] = "```\n" + text + "\n```\n"
	}
	t.Chdir(withFiles(t))
	count := 0
	for name, text := range texts {
		for _, c := range commandsIn(text) {
			count++
			if fault := refused(a, c.text); fault != "" {
				t.Errorf("%s: %s\n  %s", name, c.text, fault)
			} else if c.whole {
				runsUpToCredentials(t, name, c.text)
			}
		}
	}
	if count < 150 {
		t.Errorf("only %d commands found: the test looks at the wrong places", count)
	}
}

// printed are the goldens of what verbs print: much of it is the next command to type.
func printed(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil || len(files) < 50 {
		t.Fatalf("%d goldens: %v", len(files), err)
	}
	texts := map[string]string{}
	for _, file := range files {
		texts[file] = read(t, filepath.Join("cmd", "causeway", file))
	}
	return texts
}

func subcommands(root *cobra.Command) []*cobra.Command {
	var below []*cobra.Command
	for _, cmd := range root.Commands() {
		below = append(below, cmd.Commands()...)
	}
	return below
}

// withFiles makes the files that commands name.
func withFiles(t *testing.T) string {
	dir := t.TempDir()
	for name, text := range map[string]string{"exposure.yaml": exposureFile, "pw": "correct horse\n", "error.txt": "nothing known\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// refused says what the binary would not take of a command line.
func refused(a *app, text string) string {
	cmd, rest, err := a.root().Find(strings.Fields(text)[1:])
	if err != nil {
		return err.Error()
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err.Error()
	}
	args := cmd.Flags().Args()
	if err := cmd.ValidateArgs(args); err != nil {
		return err.Error()
	}
	if len(args) == 0 || !strings.Contains(cmd.Use, "METHOD") {
		return ""
	}
	if !slices.Contains(a.methodNames(), args[0]) {
		return args[0] + " is no method"
	}
	if err := foreignFlags(cmd, args[0]); err != nil {
		return err.Error()
	}
	return ""
}

// runsUpToCredentials runs a whole command where no Google credentials are: the
// faults of flags and spec come before these.
func runsUpToCredentials(t *testing.T, name, text string) {
	t.Helper()
	if strings.Contains(text, "--kubeconfig ") || strings.Contains(text, "--consume ") || strings.HasPrefix(text, "causeway credential") {
		return // they need a file that only an apply makes
	}
	env := map[string]string{"HOME": t.TempDir(), "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json", "CLOUDSDK_CORE_PROJECT": "lab-project"}
	if got := typed(t, env, strings.Fields(text)[1:]...); got.code == exitUsage {
		t.Errorf("%s: %s\n%s", name, text, got.err)
	}
}

// TestEveryExposureInTheDocumentsIsValid reads the files that pages show.
func TestEveryExposureInTheDocumentsIsValid(t *testing.T) {
	count := 0
	block := regexp.MustCompile("(?s)```yaml\n(apiVersion: causeway.dev/v1\n.*?)```")
	names := strings.NewReplacer("project: P,", "project: lab-project,", "name: C}", "name: private-cluster}")
	for name, page := range pages(t) {
		for _, match := range block.FindAllStringSubmatch(page, -1) {
			count++
			spec, err := exposer.ReadSpec([]byte(names.Replace(match[1])))
			if err == nil {
				err = spec.WithDefaults().Validate((&app{methods: all.Methods()}).methodNames())
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", name, err, match[1])
			}
		}
	}
	if count < 8 {
		t.Errorf("only %d files found", count)
	}
}

// TestTheFilesPageHasEveryField, and the flag of each that it names.
func TestTheFilesPageHasEveryField(t *testing.T) {
	page := read(t, "docs/exposure.md")
	var missing func(of reflect.Type)
	missing = func(of reflect.Type) {
		for of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct {
			return
		}
		for field := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(field).Tag.Get("json"), ",")
			if name == "" || name == "-" {
				continue
			}
			if !regexp.MustCompile(`[\s{]` + name + `:`).MatchString(page) {
				t.Errorf("docs/exposure.md lacks the field %s of %s", name, of.Name())
			}
			missing(of.Field(field).Type)
		}
	}
	missing(reflect.TypeFor[exposer.Spec]())
	apply := (&app{getenv: func(string) string { return "" }}).applyCommand()
	for _, match := range regexp.MustCompile(`(?:# |`+"`"+`)--([a-z-]+)`).FindAllStringSubmatch(page, -1) {
		if apply.Flags().Lookup(match[1]) == nil {
			t.Errorf("docs/exposure.md: apply has no flag --%s", match[1])
		}
	}
}

// TestLinksLeadSomewhere looks at links between pages, their anchors included.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	count := 0
	for name, page := range pages(t) {
		for _, match := range link.FindAllStringSubmatch(page, -1) {
			to, anchor, anchored := strings.Cut(match[1], "#")
			if strings.Contains(to, "://") {
				continue
			}
			count++
			target := name
			if to != "" {
				target = filepath.ToSlash(filepath.Join(filepath.Dir(name), to))
			}
			text, err := os.ReadFile(filepath.Join(repository, target))
			if err != nil {
				t.Errorf("%s links to %s: %v", name, match[1], err)
			} else if anchored && !slices.Contains(anchors(string(text)), anchor) {
				t.Errorf("%s links to %s: there is no such heading", name, match[1])
			}
		}
	}
	if count < 20 {
		t.Errorf("only %d links found", count)
	}
}

// anchors are the names that a page's headings are linked by.
func anchors(page string) []string {
	var found []string
	dropped := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for line := range strings.SplitSeq(page, "\n") {
		if title := strings.TrimLeft(line, "#"); title != line && strings.HasPrefix(title, " ") {
			found = append(found, strings.ReplaceAll(dropped.ReplaceAllString(strings.ToLower(strings.TrimSpace(title)), ""), " ", "-"))
		}
	}
	return found
}

// TestWhatTheDocumentsName: codes, tests, files, make's targets.
func TestWhatTheDocumentsName(t *testing.T) {
	var (
		code   = regexp.MustCompile(`CW(?:-[A-Z0-9]+){2,}`)
		test   = regexp.MustCompile(`\bTest[A-Z]\w+`)
		path   = regexp.MustCompile("`((?:cmd|exposer|internal|probe|templates|certs|lab|scripts|testdata|docs)/[\\w./-]+)`")
		target = regexp.MustCompile(`\bmake ([a-z][a-z0-9-]+)`)
		tests  = testNames(t)
		rules  = read(t, "Makefile")
	)
	for name, page := range pages(t) {
		for _, c := range code.FindAllString(page, -1) {
			if _, ok := explain.Lookup(c); !ok {
				t.Errorf("%s names %s, which the catalogue lacks", name, c)
			}
		}
		for _, one := range test.FindAllString(page, -1) {
			if !tests[one] {
				t.Errorf("%s names %s, and there is no such test", name, one)
			}
		}
		for _, match := range path.FindAllStringSubmatch(page, -1) {
			if _, err := os.Stat(filepath.Join(repository, match[1])); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, line := range codeLines(page) {
			if match := target.FindStringSubmatch(line); match != nil && !strings.Contains(rules, "\n"+match[1]+":") {
				t.Errorf("%s: make has no target %s", name, match[1])
			}
		}
	}
}

// codeLines are the spans and lines of a page that are code.
func codeLines(page string) []string {
	var found []string
	for _, match := range regexp.MustCompile("`([^`\n]+)`").FindAllStringSubmatch(page, -1) {
		found = append(found, match[1])
	}
	for line := range strings.SplitSeq(page, "\n") {
		if strings.HasPrefix(line, "    make ") {
			found = append(found, line)
		}
	}
	return found
}

// testNames are the tests of the whole repository, the lab's included.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	form := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(repository, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, match := range form.FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestEveryMethodIsInEachList: a method that a list of them leaves out is found by
// nobody.
func TestEveryMethodIsInEachList(t *testing.T) {
	texts := pages(t)
	_, table, _ := strings.Cut(texts["docs/methods/README.md"], "\n| |")
	header, _, _ := strings.Cut(table, "\n")
	for _, method := range (&app{methods: all.Methods()}).methodNames() {
		for list, want := range map[string]string{
			"README.md":              "docs/methods/" + method + ".md",
			"docs/methods/README.md": "(" + method + ".md)",
			"docs/design.md":         "methods/" + method + ".md",
		} {
			if !strings.Contains(texts[list], want) {
				t.Errorf("%s has no link to the page of %s", list, method)
			}
		}
		if !strings.Contains(header, " "+method+" |") {
			t.Errorf("the table of docs/methods has no column %s:%s", method, header)
		}
		if !strings.HasPrefix(texts["docs/methods/"+method+".md"], "# The method "+method+"\n") {
			t.Errorf("the page of %s has another title", method)
		}
		if !strings.Contains(methodsHelp, "\n  "+method+" ") {
			t.Errorf("the help does not say what %s is", method)
		}
	}
}
