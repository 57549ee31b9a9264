package ui

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	// Escape sequences are written so that a diff shows them.
	shown := strings.ReplaceAll(string(got), "\x1b", "␛")
	if *update {
		if err := os.WriteFile(path, []byte(shown), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if diff := cmp.Diff(string(want), shown); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// clock is moved by hand; ticks never come by themselves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

func still(p *Progress) *Progress {
	p.every = func(time.Duration) (<-chan time.Time, func()) { return nil, func() {} }
	return p
}

// story is what a small apply tells: two steps at the same time, one that waits,
// one that fails.
func story(p *Progress, c *clock) {
	pass := func(d time.Duration) { c.at = c.at.Add(d); p.tick() }
	p.Start("address/causeway-prod", "address causeway-prod")
	pass(400 * time.Millisecond)
	p.Start("secret/causeway-ca", "Secret causeway-ca")
	p.Note("address/causeway-prod", "the operation is PENDING")
	pass(500 * time.Millisecond)
	p.Done("secret/causeway-ca", 500*time.Millisecond, "")
	p.Note("address/causeway-prod", "the operation is RUNNING")
	p.Note("address/causeway-prod", "the operation is RUNNING")
	pass(3 * time.Second)
	p.Done("address/causeway-prod", 3900*time.Millisecond, "10.156.0.26")
	p.Line("Service and Deployment come next")
	p.Start("service/causeway-proxy", "Service causeway-proxy")
	p.Start("deployment/causeway-proxy", "Deployment causeway-proxy")
	for range 12 {
		pass(time.Second)
	}
	p.Note("deployment/causeway-proxy", "1 of 2 pods are ready:\n  ImagePullBackOff")
	for range 15 {
		pass(time.Second)
	}
	p.Done("service/causeway-proxy", 27*time.Second, "")
	p.Fail("deployment/causeway-proxy", errors.New("wait for Deployment: the image does not pull\nfix: --image"))
	p.Done("never/begun", 0, "")
}

func TestProgress(t *testing.T) {
	for name, make := range map[string]func(*bytes.Buffer, *clock) *Progress{
		"log.golden":      func(b *bytes.Buffer, c *clock) *Progress { return NewProgress(b, false, c.now) },
		"terminal.golden": func(b *bytes.Buffer, c *clock) *Progress { return NewProgress(b, true, c.now) },
		"terminal-nocolor.golden": func(b *bytes.Buffer, c *clock) *Progress {
			return NewProgress(b, true, c.now).Colour(false)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			c := &clock{at: time.Unix(1_800_000_000, 0)}
			story(still(make(&out, c)), c)
			golden(t, name, out.Bytes())
		})
	}
}

func TestTerminalEndsWithWhatALogTells(t *testing.T) {
	var out bytes.Buffer
	c := &clock{at: time.Unix(1_800_000_000, 0)}
	story(still(NewProgress(&out, true, c.now).Colour(false)), c)
	golden(t, "screen.golden", []byte(strings.Join(screen(out.String()), "\n")+"\n"))
}

// screen plays what was written on a terminal that knows "up and clear" only.
func screen(written string) []string {
	var lines []string
	for _, part := range strings.SplitAfter(written, "\n") {
		for strings.HasPrefix(part, "\x1b[") {
			rest := part[2:]
			end := strings.IndexAny(rest, "AJ")
			if rest[end] == 'A' {
				up := 0
				for _, digit := range rest[:end] {
					up = up*10 + int(digit-'0')
				}
				lines = lines[:len(lines)-up]
			}
			part = rest[end+1:]
		}
		if part != "" {
			lines = append(lines, strings.TrimSuffix(part, "\n"))
		}
	}
	return lines
}

func TestLinesFitTheTerminal(t *testing.T) {
	var out bytes.Buffer
	c := &clock{at: time.Unix(0, 0)}
	p := still(NewProgress(&out, true, c.now).Colour(false))
	p.width = 40
	p.Start("x", "a step with a title that is far longer than the terminal is wide")
	p.Note("x", strings.Repeat("ü", 200))
	for _, line := range screen(out.String()) {
		if n := len([]rune(line)); n > 40 {
			t.Errorf("%d wide: %s", n, line)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out, true, time.Now).Colour(false)
	var wait sync.WaitGroup
	for _, id := range strings.Split("abcdefgh", "") {
		wait.Go(func() {
			p.Start(id, id)
			p.Note(id, "note")
			p.Done(id, time.Second, "")
		})
	}
	wait.Wait()
	if lines := screen(out.String()); len(lines) != 8 {
		t.Errorf("%d lines stay: %q", len(lines), lines)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stop != nil {
		t.Error("the goroutine outlives the steps")
	}
}

func TestTicksDrawAnew(t *testing.T) {
	ticks, ended := make(chan time.Time), make(chan bool)
	drawn := &counting{}
	p := NewProgress(drawn, true, time.Now)
	p.every = func(time.Duration) (<-chan time.Time, func()) { return ticks, func() { close(ended) } }
	p.Start("x", "x")
	before := drawn.count()
	ticks <- time.Time{}
	ticks <- time.Time{} // taken only after the first was drawn
	if drawn.count() <= before {
		t.Error("a tick draws nothing")
	}
	p.Done("x", 0, "")
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Error("the ticker is not stopped")
	}
}

type counting struct {
	mu sync.Mutex
	n  int
}

func (c *counting) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n++
	return len(b), nil
}

func (c *counting) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

func TestTable(t *testing.T) {
	rows := [][]string{
		{"create", "address causeway-prod", ""},
		{"keep", "Namespace causeway-prod", "is as it should be"},
		{"change", "Deployment causeway-proxy", "spec.replicas: 1 -> 2\nspec.template: nginx:1.27 -> nginx:1.28"},
		{"refuse", "Service causeway-proxy", "not ours (Zürich, 東京)"},
	}
	for name, colour := range map[string]bool{"table.golden": false, "table-colour.golden": true} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			Table(&out, []string{"action", "what", "why"}, rows, colour)
			golden(t, name, out.Bytes())
		})
	}
}

func TestAWideTableWrapsItsLastColumn(t *testing.T) {
	var out bytes.Buffer
	long := strings.Repeat("why it is so ", 20)
	Table(&out, []string{"action", "what", "why"}, [][]string{
		{"refuse", "address/causeway-" + strings.Repeat("x", 40), long}, {"keep", "namespace/causeway-prod", "is as it should be"}}, true)
	words := 0
	for line := range strings.SplitSeq(out.String(), "\n") {
		plain := strings.NewReplacer("\x1b[31m", "", "\x1b[2m", "", "\x1b[0m", "").Replace(line)
		if len(plain) > tableWidth {
			t.Errorf("%d columns: %s", len(plain), plain)
		}
		words += strings.Count(plain, "why it")
	}
	if words < 15 { // some of them are cut between the two words
		t.Errorf("text is lost:\n%s", out.String())
	}
}

func TestTableWithoutRows(t *testing.T) {
	var out bytes.Buffer
	Table(&out, []string{"a", "b"}, nil, false)
	if got := out.String(); got != "A   B\n" {
		t.Errorf("%q", got)
	}
}

func TestConfirm(t *testing.T) {
	for answer, want := range map[string]bool{
		"y\n": true, "yes\n": true, "YES\r\n": true, " y \n": true, "n\n": false, "\n": false, "": false, "yep\n": false, "y": true,
	} {
		var out bytes.Buffer
		got, err := Confirm(t.Context(), strings.NewReader(answer), &out, "Apply this plan?")
		if err != nil || got != want {
			t.Errorf("answer %q: %v, %v", answer, got, err)
		}
		if !strings.HasPrefix(out.String(), "Apply this plan? [y/N] ") {
			t.Errorf("asked %q", out.String())
		}
	}
	if _, err := Confirm(t.Context(), broken{}, &bytes.Buffer{}, "?"); err == nil {
		t.Error("an input that breaks is no answer")
	}
}

// TestAQuestionEndsWithItsContext: Ctrl-C at a question must not wait for a line.
func TestAQuestionEndsWithItsContext(t *testing.T) {
	silent, typing := io.Pipe()
	defer typing.Close()
	why := errors.New("interrupt signal received")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	var out bytes.Buffer
	if yes, err := Confirm(ctx, silent, &out, "Destroy?"); yes || !errors.Is(err, why) {
		t.Errorf("%v, %v", yes, err)
	}
	if out.String() != "Destroy? [y/N] \n" {
		t.Errorf("the shell's prompt would stand behind the question: %q", out.String())
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestRedact(t *testing.T) {
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"
	for name, test := range map[string]struct{ text, want string }{
		"a ServiceAccount's token": {"token " + jwt + " refused", "token (redacted) refused"},
		"a Google token":           {"ya29.a0AfH6SMBx-y_z", "(redacted)"},
		"a header":                 {"Authorization: Bearer abcdefghijk", "Authorization: (redacted)"},
		"a key":                    {"-----BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nx", "(redacted)\nx"},
		"a key that is cut off":    {"a -----BEGIN PRIVATE KEY-----\nMHc", "a (redacted)"},
		"a certificate":            {"-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"},
		"plain words":              {"the bearer of this, 10.0.0.1, sha256:ab", "the bearer of this, 10.0.0.1, sha256:ab"},
	} {
		if got := Redact(test.text); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

func TestNoSecretGetsOut(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl"
	for _, tty := range []bool{true, false} {
		var out bytes.Buffer
		p := still(NewProgress(&out, tty, time.Now))
		p.Start("a", "title "+secret)
		p.Note("a", "note "+secret)
		p.Done("a", 0, "done "+secret)
		p.Start("b", "b")
		p.Fail("b", errors.New("fail "+secret))
		p.Line("line " + secret)
		Table(&out, []string{"x"}, [][]string{{secret}}, tty)
		if strings.Contains(out.String(), "c2lnbmF0dXJl") {
			t.Errorf("tty %v: a token is shown: %s", tty, out.String())
		}
	}
}

func TestEnded(t *testing.T) {
	for took, want := range map[time.Duration]string{
		0: "0.0s", 440 * time.Millisecond: "0.4s", 9900 * time.Millisecond: "9.9s", 12 * time.Second: "12s", 125 * time.Second: "2m05s", time.Hour: "60m00s",
	} {
		if got := ended(took); got != want {
			t.Errorf("%s: %q, want %q", took, got, want)
		}
	}
}

func TestAGridWrapsEachColumnAtItsOwnWidth(t *testing.T) {
	var out bytes.Buffer
	rows := [][]string{{"ilb", "works", "one two three four"}, {"route", "cannot", "five\nsix"}}
	Grid(&out, []string{"method", "verdict", "why"}, rows, []int{0, 0, 9}, true)
	plain := strings.NewReplacer("\x1b[32m", "", "\x1b[31m", "", "\x1b[0m", "").Replace(out.String())
	want := "METHOD  VERDICT  WHY\nilb     works    one two\n                 three\n                 four\nroute   cannot   five\n                 six\n"
	if plain != want {
		t.Errorf("%q", plain)
	}
	if !strings.Contains(out.String(), "\x1b[32mworks\x1b[0m") || !strings.Contains(out.String(), "\x1b[31mcannot\x1b[0m") {
		t.Errorf("no colours: %q", out.String())
	}
}

func TestWrapKeepsLinesAndLeavesNoBlanksBehind(t *testing.T) {
	if got := Wrap("one two three\nfour", 8); got != "one two\nthree\nfour" {
		t.Errorf("%q", got)
	}
}
