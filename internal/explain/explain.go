// Package explain owns the catalogue of known causes: for each stable code
// (CW-TLS-SAN) what is wrong, why it happens and what to do about it.
//
// Errors all over the product carry a code (they implement Coder); the command
// `causeway explain CODE` and docs/troubleshooting.md print the same text, which
// stands once, in catalog/CODE.md. The package knows no other package and does
// no I/O beyond its embedded files.
//
//	entry, ok := explain.Lookup("CW-TLS-SAN")
//	fmt.Println(entry.Title, entry.Fix)
package explain

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

//go:embed catalog/*.md
var files embed.FS

// Coder is an error whose cause is known: Code returns the catalogue's code.
type Coder interface{ Code() string }

// Entry is one known cause.
type Entry struct {
	Code  string `json:"code"`
	Title string `json:"title"` // one line, lower case, what is wrong
	What  string `json:"what"`  // what happens, as the user sees it
	Why   string `json:"why"`   // the cause
	Fix   string `json:"fix"`   // what to do, with the commands to type
}

// CodeOf returns the code of the first error in err's tree that carries one, or "".
func CodeOf(err error) string {
	var coder Coder
	if errors.As(err, &coder) {
		return coder.Code()
	}
	return ""
}

// Lookup finds the entry of a code, in any case of letters.
func Lookup(code string) (Entry, bool) {
	code = strings.ToUpper(strings.TrimSpace(code))
	text, err := files.ReadFile("catalog/" + code + ".md")
	if err != nil {
		return Entry{}, false
	}
	entry, err := parse(code, string(text))
	return entry, err == nil
}

// All returns every entry, sorted by code. The error names a file that does not
// have the form of an entry; the package's test keeps it from occurring.
func All() ([]Entry, error) {
	names, err := fs.Glob(files, "catalog/*.md")
	if err != nil {
		return nil, fmt.Errorf("list catalogue: %w", err)
	}
	slices.Sort(names)
	entries := make([]Entry, 0, len(names))
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read catalogue: %w", err)
		}
		entry, err := parse(strings.TrimSuffix(path.Base(name), ".md"), string(text))
		if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
	}
	return entries, nil
}

// parse reads "# CODE: title" and the sections What, Why and Fix.
func parse(code, text string) (Entry, error) {
	head, body, _ := strings.Cut(text, "\n")
	title, ok := strings.CutPrefix(head, "# "+code+": ")
	if !ok {
		return Entry{}, fmt.Errorf("parse catalogue entry %s: first line must be %q", code, "# "+code+": title")
	}
	entry := Entry{Code: code, Title: strings.TrimSpace(title)}
	sections := map[string]*string{"What": &entry.What, "Why": &entry.Why, "Fix": &entry.Fix}
	for section := range strings.SplitSeq("\n"+body, "\n## ") {
		name, content, _ := strings.Cut(section, "\n")
		if into, ok := sections[strings.TrimSpace(name)]; ok {
			*into = strings.TrimSpace(content)
		}
	}
	if entry.What == "" || entry.Why == "" || entry.Fix == "" {
		return Entry{}, fmt.Errorf("parse catalogue entry %s: needs the sections What, Why and Fix", code)
	}
	return entry, nil
}
