package probe

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
)

// Table writes the report for people: a line a hop, then the times, the equal curl
// line and, when a hop failed, where it ends and what to type next. The only error
// is that of the writer.
func Table(w io.Writer, report Report) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "probe of %s", report.Server)
	if report.Context != "" {
		fmt.Fprintf(out, ", context %s", report.Context)
	}
	fmt.Fprintf(out, ", from %s\n", report.From)
	for _, result := range report.Results {
		fmt.Fprintln(out, Line(result))
		if result.Code != "" {
			fmt.Fprintf(out, "%33s%s: %s\n", "", result.Code, result.Hint)
		}
	}
	if t := report.Times; t.Total > 0 {
		fmt.Fprintf(out, "times   namelookup %s  connect %s  appconnect %s  starttransfer %s  total %s s\n",
			curlTime(t.NameLookup), curlTime(t.Connect), curlTime(t.AppConnect), curlTime(t.StartTransfer), curlTime(t.Total))
	}
	if report.Curl != "" {
		fmt.Fprintf(out, "curl    %s\n", report.Curl)
	}
	fmt.Fprintf(out, "result  %s\n", summary(report))
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write probe report: %w", err)
	}
	return nil
}

// Line is one result as one line of the table, for those who show hops as they come.
func Line(result Result) string {
	took := millis(result.Took)
	if result.Status == Skip {
		took = "-"
	}
	return strings.TrimRight(fmt.Sprintf("  %-4s  %-14s  %9s  %s", mark(result.Status), result.Hop, took, result.Detail), " ")
}

// mark makes a failure visible where there is no colour.
func mark(status Status) string {
	if status == Fail {
		return "FAIL"
	}
	return string(status)
}

func summary(report Report) string {
	if failed := report.Failed(); failed != nil {
		return fmt.Sprintf("fails at %s; more: causeway explain %s", failed.Hop, failed.Code)
	}
	warned := 0
	for _, result := range report.Results {
		if result.Status == Warn {
			warned++
		}
	}
	if warned > 0 {
		return fmt.Sprintf("works, with %d to look at", warned)
	}
	return "works"
}

// curlTime writes seconds with six decimals, as curl does.
func curlTime(d time.Duration) string { return fmt.Sprintf("%.6f", d.Seconds()) }
