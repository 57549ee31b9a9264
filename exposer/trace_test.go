package exposer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"causeway/internal/explain"
)

func TestTheVerdictOnAWayIsItsWorstHops(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		hops []Verdict
		want Verdict
		fail bool
	}{
		"no hop":                   {nil, Good, false},
		"all good":                 {[]Verdict{Good, Good}, Good, false},
		"one warns":                {[]Verdict{Good, Warns, Good}, Warns, false},
		"one could not be seen":    {[]Verdict{Warns, Unknown}, Unknown, false},
		"one waits":                {[]Verdict{Unknown, Waits, Warns}, Waits, false},
		"one is broken":            {[]Verdict{Waits, Broken, Good}, Broken, true},
		"a verdict that is none":   {[]Verdict{"fine"}, Good, false},
		"broken before what waits": {[]Verdict{Broken, Waits}, Broken, true},
		"several are broken":       {[]Verdict{Broken, Broken}, Broken, true},
		"what waits is not broken": {[]Verdict{Waits}, Waits, false},
		"what warns is not broken": {[]Verdict{Warns}, Warns, false},
		"unknown stops nobody":     {[]Verdict{Unknown}, Unknown, false},
	} {
		var way Trace
		for _, verdict := range c.hops {
			way.Hops = append(way.Hops, TraceHop{Way: Forward, Name: "h", Verdict: verdict})
		}
		way.Hops = append(way.Hops, TraceHop{Way: Limits, Name: "l", Verdict: Warns}) // another way's
		if got := way.Of(Forward); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		if got := way.Of(Return); got != Good {
			t.Errorf("%s: the return way is %s", name, got)
		}
		if err := way.Err(); (err != nil) != c.fail {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestABrokenWayNamesItsHopsAndTheirCures(t *testing.T) {
	t.Parallel()
	one := TraceHop{Way: Return, Name: "control plane's peering", Verdict: Broken, Text: "does not export custom routes", Code: "CW-ROUTE-NOT-EXPORTED", Fix: "causeway apply route"}
	err := Trace{Hops: []TraceHop{{Way: Forward, Name: "x", Verdict: Waits, Text: "not there yet"}, one}}.Err()
	want := "trace the way: control plane's peering, return way: does not export custom routes [CW-ROUTE-NOT-EXPORTED]\n    fix: causeway apply route"
	if err == nil || err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if got := explain.CodeOf(fmt.Errorf("verify: %w", err)); got != "CW-ROUTE-NOT-EXPORTED" {
		t.Errorf("code %q", got)
	}
	plain := TraceHop{Way: Forward, Name: "line", Verdict: Broken, Text: "no line"}
	err = Trace{Hops: []TraceHop{plain, one}}.Err()
	var broken *TraceError
	if !errors.As(err, &broken) || len(broken.Hops) != 2 || broken.Code() != "CW-ROUTE-NOT-EXPORTED" {
		t.Errorf("error %v", err)
	}
	for _, says := range []string{"it is broken at 2 hops:", "line, forward way: no line", "fix: causeway apply route"} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("the error does not say %q: %v", says, err)
		}
	}
	if code := (&TraceError{Hops: []TraceHop{plain}}).Code(); code != "" {
		t.Errorf("code %q of a hop without one", code)
	}
}

func TestATraceAsData(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(Trace{Hops: []TraceHop{{Way: Forward, Name: "tunnel t0", Verdict: Good, Text: "established"}}})
	if want := `{"hops":[{"way":"forward","name":"tunnel t0","verdict":"ok","text":"established"}]}`; err != nil || string(text) != want {
		t.Errorf("%s %v, want %s", text, err, want)
	}
}
