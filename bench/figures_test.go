package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"causeway/internal/nginxtest"
)

func TestMedianIsTheMiddleOne(t *testing.T) {
	for name, test := range map[string]struct {
		values []float64
		want   float64
	}{
		"of none": {nil, 0}, "of one": {[]float64{3}, 3}, "of three": {[]float64{9, 1, 2}, 2}, "of four": {[]float64{4, 1, 2, 3}, 2.5},
	} {
		if got := median(test.values); got != test.want {
			t.Errorf("%s: %v, want %v", name, got, test.want)
		}
	}
}

func TestQuantilesComeFromSortedTimes(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(100-i)*time.Millisecond)
	}
	if s := quantiles(times); s.p50 != 51*time.Millisecond || s.p99 != 100*time.Millisecond {
		t.Errorf("p50 %s, p99 %s", s.p50, s.p99)
	}
	if s := quantiles(nil); s != (sample{}) {
		t.Errorf("of nothing: %+v", s)
	}
}

func TestTheRatioComparesRoundByRound(t *testing.T) {
	// The machine was half as fast in the second round: for both.
	direct := &figures{saturated: []sample{{perSecond: 1000}, {perSecond: 500}, {perSecond: 1000}}}
	w := &figures{saturated: []sample{{perSecond: 800}, {perSecond: 400}, {perSecond: 900}}}
	if got := ratio(w, direct); got != 0.8 {
		t.Errorf("%v, want 0.8", got)
	}
}

func TestGoalsNameWhatIsMissed(t *testing.T) {
	results := func(terminate, passthrough float64, paced time.Duration) map[string]*figures {
		of := func(perSecond float64, p50 time.Duration) *figures {
			return &figures{saturated: []sample{{perSecond: perSecond}}, paced: []sample{{p50: p50}}}
		}
		return map[string]*figures{"direct": of(1000, time.Millisecond), "terminate": of(terminate, paced), "passthrough": of(passthrough, paced)}
	}
	all := options{only: map[string]bool{"saturated": true, "paced": true}}
	for name, test := range map[string]struct {
		results map[string]*figures
		want    []string
	}{
		"everything kept":     {results(850, 900, 1400*time.Microsecond), nil},
		"terminate too slow":  {results(790, 900, time.Millisecond), []string{"terminate: 0.79 of direct"}},
		"both too slow":       {results(700, 870, time.Millisecond), []string{"terminate: 0.70", "passthrough: 0.87"}},
		"too late when paced": {results(850, 900, 1600*time.Microsecond), []string{"terminate: p50 0.60 ms above direct"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := goals(test.results, all)
			if (err == nil) != (test.want == nil) {
				t.Fatalf("error %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
		})
	}
}

func TestTheReportHasALineForEachWay(t *testing.T) {
	var out bytes.Buffer
	ways := []way{{name: "direct"}, {name: "terminate", pids: func() []int { return nil }}}
	results := map[string]*figures{
		"direct":    {saturated: []sample{{perSecond: 1000, p50: time.Millisecond}}, paced: []sample{{p50: time.Millisecond}}},
		"terminate": {saturated: []sample{{perSecond: 850, proxyCPU: 50 * time.Microsecond}}, paced: []sample{{p50: 1200 * time.Microsecond}}},
	}
	report(&out, ways, results, options{only: map[string]bool{"saturated": true, "paced": true}, connections: 20, paceRate: 200})
	for _, want := range []string{"20 connections", "0.85", "50 µs", "200 a second", "0.20 ms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report has no %q:\n%s", want, out.String())
		}
	}
}

func TestFlagsThatMakeNoSenseAreRefused(t *testing.T) {
	for name, test := range map[string]struct {
		arguments []string
		want      string
	}{
		"a part that is none":         {[]string{"-only", "sideways"}, "sideways"},
		"no rounds":                   {[]string{"-rounds", "0"}, "at least 1"},
		"fewer requests than ways in": {[]string{"-requests", "5"}, "at least"},
		"an unknown flag":             {[]string{"-nothing"}, "not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parse(test.arguments, io.Discard); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
	if o, err := parse([]string{"-only", "list"}, io.Discard); err != nil || !o.only["list"] || o.only["paced"] || o.rounds < 7 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestTheReleaseIsChosenOrWhatIsAtHandIsNamed(t *testing.T) {
	binaries := []nginxtest.Binary{{Version: "1.22.1"}, {Version: "1.26.3"}}
	if b, err := choose(binaries, ""); err != nil || b.Version != "1.26.3" {
		t.Errorf("%v, %v", b, err)
	}
	if b, err := choose(binaries, "1.22.1"); err != nil || b.Version != "1.22.1" {
		t.Errorf("%v, %v", b, err)
	}
	if _, err := choose(binaries, "1.2"); err == nil || !strings.Contains(err.Error(), "1.22.1, 1.26.3") {
		t.Errorf("error %v", err)
	}
}

func TestAProcessTellsItsTimeAndMemory(t *testing.T) {
	own := os.Getpid()
	if spent, err := cpuTime(own); err != nil || spent < 0 {
		t.Errorf("time %s, %v", spent, err)
	}
	if used, err := memory(own); err != nil || used < 1<<20 {
		t.Errorf("memory %d, %v", used, err)
	}
	if _, err := cpuTime(1 << 30); err == nil {
		t.Error("a process that is none has a time")
	}
}
