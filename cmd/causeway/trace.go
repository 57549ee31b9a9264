package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/ui"
)

// ways are the headings of a trace, in the order in which packets pass.
var ways = []struct{ way, words string }{
	{exposer.Forward, "from the far side to the API server"},
	{exposer.Return, "and back"},
	{exposer.Limits, "limits"},
}

// showTrace writes the network's hops as one table, each way with its verdict.
func showTrace(w io.Writer, trace exposer.Trace, colour bool) {
	var rows [][]string
	var fixes fixes
	for _, one := range ways {
		for _, hop := range trace.Hops {
			if hop.Way != one.way {
				continue
			}
			rows = append(rows, []string{string(hop.Verdict), hop.Way, hop.Name, joinCode(hop.Text, hop.Code)})
			fixes.add(hop.Verdict, hop.Name, hop.Fix)
		}
	}
	ui.Table(w, []string{"verdict", "way", "hop", "what was seen"}, rows, colour)
	fixes.show(w)
	fmt.Fprintln(w)
	for _, one := range ways[:2] {
		if !slices.ContainsFunc(trace.Hops, func(h exposer.TraceHop) bool { return h.Way == one.way }) {
			continue
		}
		fmt.Fprintf(w, "%-8s %s: %s\n", one.way, one.words, verdictWords(trace.Of(one.way)))
	}
}

// fixes are the cures of what a table shows. They stand below it, each on a line of
// its own: a command that a cell wraps can't be pasted.
type fixes struct {
	of    map[string][]string // what each cures
	order []string
}

// add adds the cure of one row, where it needs one; rows may share it.
func (f *fixes) add(verdict exposer.Verdict, what, fix string) {
	if fix == "" || verdict == exposer.Good {
		return
	}
	if f.of == nil {
		f.of = map[string][]string{}
	}
	if f.of[fix] == nil {
		f.order = append(f.order, fix)
	}
	f.of[fix] = append(f.of[fix], what)
}

func (f fixes) show(w io.Writer) {
	for i, fix := range f.order {
		if i == 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "fix of %s:\n  %s\n", strings.Join(f.of[fix], ", "), ui.Redact(fix))
	}
}

func verdictWords(v exposer.Verdict) string {
	switch v {
	case exposer.Good:
		return "open"
	case exposer.Warns:
		return "open, with a warning"
	case exposer.Waits:
		return "waits for what is said above"
	case exposer.Unknown:
		return "not all of it could be looked at"
	}
	return "broken"
}
