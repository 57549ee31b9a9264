package exposer

import (
	"context"
	"fmt"
	"strings"
)

// Ways of a trace: packets of the client, their answers, and what the way could
// run out of.
const (
	Forward = "forward" // from the far side to the API server
	Return  = "return"  // and back
	Limits  = "limits"
)

// Verdict is how one hop of the network stands.
type Verdict string

// The verdicts.
const (
	Good    Verdict = "ok"
	Broken  Verdict = "broken"  // nothing passes here
	Waits   Verdict = "waits"   // for the far side's half, or for Google to finish
	Warns   Verdict = "warns"   // passes, and may not for long
	Unknown Verdict = "unknown" // could not be looked at
)

// TraceHop is one place that packets pass, as the cloud's configuration and
// status tell: no packet is sent for it.
type TraceHop struct {
	Way     string  `json:"way"`
	Name    string  `json:"name"`
	Verdict Verdict `json:"verdict"`
	Text    string  `json:"text"` // what was seen
	Code    string  `json:"code,omitempty"`
	Fix     string  `json:"fix,omitempty"`
}

// Trace is the network between the far side and the API server, hop by hop, out
// and back.
type Trace struct {
	Hops []TraceHop `json:"hops"`
}

// Traced is an exposure whose network the cloud can tell of.
type Traced interface {
	Trace(ctx context.Context) (Trace, error)
}

// Of is the verdict on a whole way: its worst hop's.
func (t Trace) Of(way string) Verdict {
	worst := Good
	for _, hop := range t.Hops {
		if hop.Way == way && severity(hop.Verdict) > severity(worst) {
			worst = hop.Verdict
		}
	}
	return worst
}

func severity(v Verdict) int {
	for i, one := range []Verdict{Good, Warns, Unknown, Waits, Broken} {
		if v == one {
			return i
		}
	}
	return 0
}

// checks are the hops as lines of a status.
func (t Trace) checks() []Check {
	var checks []Check
	for _, hop := range t.Hops {
		check := Check{Name: hop.Way + ": " + hop.Name, Value: hop.Text, OK: hop.Verdict == Good, Code: hop.Code}
		if hop.Verdict == Waits {
			check.Value = "waits: " + hop.Text
		}
		checks = append(checks, check)
	}
	return checks
}

// Err names the hops that nothing passes; nil when there is none. Hops that wait
// are no error: what they wait for is said in them.
func (t Trace) Err() error {
	var broken []TraceHop
	for _, hop := range t.Hops {
		if hop.Verdict == Broken {
			broken = append(broken, hop)
		}
	}
	if len(broken) == 0 {
		return nil
	}
	return &TraceError{Hops: broken}
}

// TraceError is a way that the network's configuration does not let through. It
// ends in exit code 5, as a probe's failure does.
type TraceError struct{ Hops []TraceHop }

func (e *TraceError) Error() string {
	lines := make([]string, len(e.Hops))
	for i, hop := range e.Hops {
		lines[i] = fmt.Sprintf("%s, %s way: %s", hop.Name, hop.Way, hop.Text)
		if hop.Code != "" {
			lines[i] += " [" + hop.Code + "]"
		}
		if hop.Fix != "" {
			lines[i] += "\n    fix: " + hop.Fix
		}
	}
	if len(lines) == 1 {
		return "trace the way: " + lines[0]
	}
	return fmt.Sprintf("trace the way: it is broken at %d hops:\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// Code is the first broken hop's.
func (e *TraceError) Code() string {
	for _, hop := range e.Hops {
		if hop.Code != "" {
			return hop.Code
		}
	}
	return ""
}
