package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/gcp"
	"causeway/internal/ui"
	"causeway/probe"
)

// Exit codes, the same for every verb (docs/design.md has the table).
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitChanges      = 3
	exitPrecondition = 4
	exitProbe        = 5
	exitInterrupted  = 130
)

// exitStatus ends a verb with a code after everything was told.
type exitStatus struct{ code int }

func (e *exitStatus) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// usageError is a mistake on the command line.
type usageError struct{ text, cmd string }

func (e *usageError) Error() string { return e.text }

// next is a command that the user may type after an error, and what for.
type next struct{ command, why string }

// hinted is an error after which there is something to type.
type hinted struct {
	err  error
	next []next
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }

// explainError writes an error as what happened, what is known of it, and what to
// type next.
func (a *app) explainError(err error, cmd string) {
	fmt.Fprintln(a.err, ui.Redact("causeway: "+strings.ReplaceAll(err.Error(), "\n", "\n  ")))
	if errors.Is(err, exposer.ErrDeclined) {
		return
	}
	if fix := fixOf(err); fix != "" {
		fmt.Fprintln(a.err, "  fix: "+ui.Redact(fix))
	}
	a.showNext(nextOf(err, cmd))
}

// fixOf is the cure in one line, where the error knows one and has not told it.
func fixOf(err error) string {
	var (
		hop    *probe.Error
		listed *exposer.PreconditionError
		google *gcp.Error
	)
	switch {
	case errors.As(err, &listed):
	case errors.As(err, &hop):
		return hop.Hint
	case errors.As(err, &google):
		return google.Hint()
	}
	return ""
}

func nextOf(err error, cmd string) []next {
	var (
		lines []next
		usage *usageError
		spec  *exposer.SpecError
		with  *hinted
	)
	code := explain.CodeOf(err)
	switch {
	case errors.As(err, &with):
		lines = append(lines, with.next...)
	case errors.As(err, &usage):
		lines = append(lines, next{usage.cmd + " --help", "its arguments and flags"})
	case errors.As(err, &spec) && code == "CW-SPEC-INVALID":
		lines = append(lines, next{cmd + " --help", "its flags"})
	}
	for _, code := range codesOf(err) {
		if entry, ok := explain.Lookup(code); ok {
			lines = append(lines, next{"causeway explain " + code, entry.Title})
		}
	}
	return lines
}

// codesOf are the codes of an error: of each thing that stands in the way, or one.
func codesOf(err error) []string {
	var listed *exposer.PreconditionError
	if !errors.As(err, &listed) {
		return []string{explain.CodeOf(err)}
	}
	var codes []string
	for _, problem := range listed.Problems {
		if !slices.Contains(codes, problem.Code) {
			codes = append(codes, problem.Code)
		}
	}
	return codes
}

// showNext writes commands on lines of their own, so that they can be copied.
func (a *app) showNext(lines []next) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintln(a.err, "next:")
	wide := 0
	for _, one := range lines {
		if len(one.command) <= 60 {
			wide = max(wide, len(one.command))
		}
	}
	for _, one := range lines {
		fmt.Fprintf(a.err, "  %-*s  # %s\n", wide, one.command, one.why)
	}
}

// exitCode is the house's table.
func exitCode(ctx context.Context, err error) int {
	var (
		status      *exitStatus
		usage       *usageError
		spec        *exposer.SpecError
		missing     *exposer.PreconditionError
		hop         *probe.Error
		way         *exposer.TraceError
		interrupted *exposer.Interrupted
	)
	switch {
	case errors.As(err, &status):
		return status.code
	case errors.As(err, &interrupted), errors.Is(context.Cause(ctx), context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &spec):
		return exitUsage
	case errors.As(err, &missing):
		return exitPrecondition
	case errors.As(err, &hop), errors.As(err, &way):
		return exitProbe
	}
	return exitFailed
}
