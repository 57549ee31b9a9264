package exposer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"causeway/internal/explain"
)

// Problem is one reason why an exposure can't work, or not yet.
type Problem struct {
	Code string `json:"code,omitempty"`
	Text string `json:"text"`
	Fix  string `json:"fix,omitempty"` // one command or one sentence

	cause error
}

// ProblemOf makes a problem of an error, with the code that it carries.
func ProblemOf(err error) Problem {
	return Problem{Code: codeOf(err), Text: err.Error(), cause: err}
}

// PreconditionError says, before anything was changed, everything that stands in
// the way. It ends in exit code 4.
type PreconditionError struct {
	Verb     string // "apply ilb"
	Problems []Problem
}

func (e *PreconditionError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Text
		if p.Code != "" {
			lines[i] += " [" + p.Code + "]"
		}
		if p.Fix != "" {
			lines[i] += "\n    fix: " + p.Fix
		}
	}
	if len(lines) == 1 {
		return e.Verb + ": " + lines[0]
	}
	return fmt.Sprintf("%s: %d things stand in the way:\n  %s", e.Verb, len(lines), strings.Join(lines, "\n  "))
}

// Code is the first problem's.
func (e *PreconditionError) Code() string {
	for _, p := range e.Problems {
		if p.Code != "" {
			return p.Code
		}
	}
	return ""
}

// Unwrap gives the errors behind the problems.
func (e *PreconditionError) Unwrap() []error {
	var causes []error
	for _, p := range e.Problems {
		if p.cause != nil {
			causes = append(causes, p.cause)
		}
	}
	return causes
}

func codeOf(err error) string { return explain.CodeOf(err) }

// MissingRight reports whether err is the refusal of a right, or of an API that
// is off. There may be more of them, so whoever meets one asks for all.
func MissingRight(err error) bool {
	return slices.Contains([]string{"CW-GCP-PERMISSION", "CW-GCP-API-DISABLED", "CW-KUBE-FORBIDDEN"}, codeOf(err))
}

// RunError is a failure of the engine itself, with its code.
type RunError struct {
	Code_ string
	Text  string
	Err   error
}

func (e *RunError) Error() string {
	if e.Err == nil {
		return e.Text
	}
	return e.Text + ": " + e.Err.Error()
}

// Code implements explain.Coder.
func (e *RunError) Code() string { return e.Code_ }

// Unwrap gives the cause.
func (e *RunError) Unwrap() error { return e.Err }

// join drops nil errors; it is errors.Join under a name that reads well here.
func join(errs ...error) error { return errors.Join(errs...) }
