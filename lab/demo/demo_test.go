package demo

import (
	"errors"
	"strings"
	"testing"
	"time"

	"causeway/lab/machine"
)

func TestOutputIsIndentedAndPromptsAreNot(t *testing.T) {
	var out strings.Builder
	w := &indent{w: &out}
	for _, piece := range []string{"far$ kubectl ", "get nodes\nNAME   ", "  \n\n# a remark\n10 %\r100 %\n", "$ no prompt\n"} {
		if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
			t.Fatal(n, err)
		}
	}
	want := "far$ kubectl get nodes\n  NAME\n\n# a remark\n  100 %\n  $ no prompt\n"
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestPartsAreNumberedAndTimed(t *testing.T) {
	var out strings.Builder
	r := &report{out: &out, began: time.Now()}
	if err := r.part("the first", func() error { return nil }); err != nil {
		t.Fatal(err)
	}
	failure := errors.New("no")
	if err := r.part("the second", func() error { return failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	r.table()
	for _, want := range []string{"== 1. the first\n", "== 2. the second\n", "!! part 2 failed\n", "  1.  the first", "all"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestOnlyWhatNoSetUpCuresLeadsToTheSmallerForm(t *testing.T) {
	if fatal(machine.Problems{{What: "the program runc"}}) {
		t.Error("a missing package is cured by set-up")
	}
	if !fatal(machine.Problems{{What: "the program runc"}, {What: "root", Fatal: true}}) {
		t.Error("no root is cured by nothing")
	}
}

func TestTheFirstExposureNeedsNoName(t *testing.T) {
	if got := strings.Join(command("certs rotate", named("")), " "); got != "causeway certs rotate ilb --location europe-west3 --cluster private-cluster" {
		t.Error(got)
	}
	if got := strings.Join(command("destroy", named("pass"), "--yes"), " "); !strings.HasSuffix(got, "--name pass --yes") {
		t.Error(got)
	}
}
