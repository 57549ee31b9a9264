package main

import (
	"fmt"
	"io"
	"slices"

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
	told := map[string]bool{} // a cure that several hops share is told once
	for _, one := range ways {
		for _, hop := range trace.Hops {
			if hop.Way != one.way {
				continue
			}
			text := joinCode(hop.Text, hop.Code)
			if hop.Fix != "" && hop.Verdict != exposer.Good && !told[hop.Fix] {
				told[hop.Fix] = true
				text += "\nfix: " + hop.Fix
			}
			rows = append(rows, []string{string(hop.Verdict), hop.Way, hop.Name, text})
		}
	}
	ui.Table(w, []string{"verdict", "way", "hop", "what was seen"}, rows, colour)
	fmt.Fprintln(w)
	for _, one := range ways[:2] {
		if !slices.ContainsFunc(trace.Hops, func(h exposer.TraceHop) bool { return h.Way == one.way }) {
			continue
		}
		fmt.Fprintf(w, "%-8s %s: %s\n", one.way, one.words, verdictWords(trace.Of(one.way)))
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
