package ui

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// hues are the words in a first column that have a colour.
var hues = map[string]string{
	"create": green, "change": yellow, "refuse": red, "keep": faint,
	"ok": green, "pass": green, "warn": yellow, "fail": red, "skip": faint, "missing": red, "differs": yellow,
	"works": green, "works after": yellow, "cannot": red,
	"broken": red, "waits": yellow, "warns": yellow, "unknown": yellow,
	"removed": green, "restored": green, "absent": faint, "left": yellow,
}

// tableWidth is how wide a table gets before its last column wraps: two windows
// of it stand beside each other on a usual screen.
const tableWidth = 110

// Table writes rows in columns, without lines, as kubectl does; the head in
// capitals. With colour the words of the first column that mean good or bad
// carry one. The last column wraps where the table would get too wide.
func Table(w io.Writer, header []string, rows [][]string, colour bool) {
	t := table.NewWriter()
	t.SetOutputMirror(nil)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "   "
	style.Format.Header = text.FormatUpper
	t.SetStyle(style)
	t.SetColumnConfigs([]table.ColumnConfig{{Number: len(header), WidthMax: lastWidth(header, rows), WidthMaxEnforcer: wrapLines}})
	t.AppendHeader(cells(header, false))
	for _, row := range rows {
		t.AppendRow(cells(row, colour))
	}
	// Trailing blanks make copied text and goldens ugly.
	for line := range strings.SplitSeq(t.Render(), "\n") {
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// Grid is Table for rows of many texts: each column wraps at its own width, 0 for
// as wide as it is. With colour the words of the first two columns may carry one.
func Grid(w io.Writer, header []string, rows [][]string, widths []int, colour bool) {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header = text.FormatUpper
	t.SetStyle(style)
	var columns []table.ColumnConfig
	for i, width := range widths {
		columns = append(columns, table.ColumnConfig{Number: i + 1, WidthMax: width, WidthMaxEnforcer: wrapLines})
	}
	t.SetColumnConfigs(columns)
	t.AppendHeader(cells(header, false))
	for _, row := range rows {
		line := cells(row, colour)
		if hue := hues[row[1]]; hue != "" {
			line[1] = paint(colour, hue, Redact(row[1]))
		}
		t.AppendRow(line)
	}
	for line := range strings.SplitSeq(t.Render(), "\n") {
		fmt.Fprintln(w, strings.TrimRight(line, " "))
	}
}

// Wrap breaks lines between words, so that none is wider than width where that can
// be.
func Wrap(words string, width int) string { return wrapLines(words, width) }

// wrapLines wraps each line of a cell for itself: go-pretty's own wrapping joins them.
func wrapLines(cell string, width int) string {
	lines := strings.Split(cell, "\n")
	for i, line := range lines {
		if width > 0 {
			line = text.WrapSoft(line, width)
		}
		lines[i] = trailing.ReplaceAllString(line, "")
	}
	return strings.Join(lines, "\n")
}

// trailing blanks are what wrapping leaves at the ends of lines.
var trailing = regexp.MustCompile(`(?m) +$`)

// lastWidth is what the columns before leave for the last one, at least 30.
func lastWidth(header []string, rows [][]string) int {
	left := tableWidth
	for i := range len(header) - 1 {
		wide := utf8.RuneCountInString(header[i])
		for _, row := range rows {
			if i < len(row) {
				wide = max(wide, text.LongestLineLen(row[i]))
			}
		}
		left -= wide + 3
	}
	return max(left, 30)
}

func cells(values []string, colour bool) table.Row {
	row := make(table.Row, len(values))
	for i, value := range values {
		value = Redact(value)
		if hue := hues[strings.ToLower(value)]; i == 0 && hue != "" {
			value = paint(colour, hue, value)
		}
		row[i] = value
	}
	return row
}

// Confirm asks a question that yes or y answers; everything else, and the end of
// the input, is no. The end of ctx ends the question too, with its cause as the
// error: a terminal's read knows no other end than a typed line.
func Confirm(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprintf(out, "%s [y/N] ", question)
	type line struct {
		text string
		err  error
	}
	typed := make(chan line, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		typed <- line{text, err}
	}()
	var answer line
	select {
	case answer = <-typed:
	case <-ctx.Done():
		fmt.Fprintln(out)
		return false, fmt.Errorf("wait for an answer: %w", context.Cause(ctx))
	}
	if answer.err != nil && answer.err != io.EOF {
		return false, fmt.Errorf("read answer: %w", answer.err)
	}
	if answer.err == io.EOF {
		fmt.Fprintln(out)
	}
	switch strings.ToLower(strings.TrimSpace(answer.text)) {
	case "y", "yes":
		return true, nil
	}
	return false, nil
}
