package certs

import (
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a certificate, a key or a request.
type Problem struct {
	Code string `json:"code"` // CW-TLS-..., as `causeway explain` knows it
	Text string `json:"text"` // one line, without secrets
}

// Error holds every problem found with one thing, so that users mend them at once.
type Error struct {
	Op       string // verb and resource: "load server certificate"
	Problems []Problem
}

// Error is one line for one problem, else a line for each, with its code.
func (e *Error) Error() string {
	if len(e.Problems) == 1 {
		return e.Op + ": " + e.Problems[0].Text
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %d problems:", e.Op, len(e.Problems))
	for _, problem := range e.Problems {
		fmt.Fprintf(&text, "\n  - %s [%s]", problem.Text, problem.Code)
	}
	return text.String()
}

// Code is the first problem's code.
func (e *Error) Code() string {
	if len(e.Problems) == 0 {
		return ""
	}
	return e.Problems[0].Code
}

// Codes are the codes of all problems, in the order in which they were found.
func (e *Error) Codes() []string {
	codes := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		codes[i] = problem.Code
	}
	return codes
}

// problems gathers what is wrong; add what you find, then return err(op).
type problems []Problem

func (p *problems) add(code, format string, args ...any) {
	*p = append(*p, Problem{Code: code, Text: fmt.Sprintf(format, args...)})
}

func (p problems) err(op string) error {
	if len(p) == 0 {
		return nil
	}
	return &Error{Op: op, Problems: p}
}
