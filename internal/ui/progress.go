package ui

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// How often a terminal is drawn again, and how often a log is told what is being
// waited for.
const (
	frameEvery  = 120 * time.Millisecond
	remindEvery = 10 * time.Second
)

// Progress shows steps that run at the same time. On a terminal each has a line
// that lives until it ends; elsewhere (a log, a CI) each start, note and end is a
// plain line, and every ten seconds one says what is being waited for.
//
// It is safe for use at the same time, and needs no closing: it keeps a
// goroutine only while a step runs.
type Progress struct {
	mu     sync.Mutex
	out    io.Writer
	tty    bool
	colour bool
	width  int
	now    func() time.Time
	every  func(time.Duration) (ticks <-chan time.Time, stop func())

	text  bytes.Buffer // what goes out with the next flush: whole frames do not flicker
	alive []*line      // in the order in which they began
	drawn int          // lines on the terminal that will be drawn over
	frame int
	stop  chan struct{} // of the goroutine; nil while none runs
}

// line is one step that runs.
type line struct {
	id, title, note string
	began           time.Time
	told            time.Time // when a plain line last said something of it
}

// NewProgress makes one. tty says whether out is a terminal; colours are on then.
func NewProgress(out io.Writer, tty bool, now func() time.Time) *Progress {
	p := &Progress{out: out, tty: tty, colour: tty, width: 100, now: now,
		every: func(d time.Duration) (<-chan time.Time, func()) {
			ticker := time.NewTicker(d)
			return ticker.C, ticker.Stop
		}}
	if file, isFile := out.(interface{ Fd() uintptr }); isFile && tty {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 20 {
			p.width = width
		}
	}
	return p
}

// Colour turns colours on or off (NO_COLOR) and returns p.
func (p *Progress) Colour(on bool) *Progress {
	p.colour = on
	return p
}

// Start says that a step begins.
func (p *Progress) Start(id, title string) {
	p.mu.Lock()
	defer p.flush()
	now := p.now()
	p.alive = append(p.alive, &line{id: id, title: oneLine(title), began: now, told: now})
	if p.tty {
		p.draw()
	} else {
		p.plain("start", p.alive[len(p.alive)-1], "")
	}
	p.run()
}

// Note says what a step is waiting for. The same text again says nothing.
func (p *Progress) Note(id, text string) {
	p.mu.Lock()
	defer p.flush()
	l := p.find(id)
	text = oneLine(text)
	if l == nil || l.note == text {
		return
	}
	l.note = text
	if p.tty {
		p.draw()
		return
	}
	l.told = p.now()
	p.plain("note", l, ": "+text)
}

// Done says that a step has ended well, after took; text may be empty.
func (p *Progress) Done(id string, took time.Duration, text string) {
	p.mu.Lock()
	defer p.flush()
	l := p.take(id)
	if !p.tty {
		p.plain("done", l, " ("+ended(took)+")"+after(": ", oneLine(text)))
		return
	}
	p.above(p.paint(green, "✓") + " " + l.title + p.paint(faint, "  "+ended(took)) + after("  ", oneLine(text)))
}

// Fail says that a step has failed.
func (p *Progress) Fail(id string, err error) {
	p.mu.Lock()
	defer p.flush()
	l := p.take(id)
	text := Redact(err.Error())
	if !p.tty {
		p.plain("FAIL", l, ": "+strings.ReplaceAll(text, "\n", "\n       "))
		return
	}
	p.above(p.paint(red, "✗") + " " + l.title + p.paint(faint, "  "+ended(p.now().Sub(l.began))) + "\n  " + strings.ReplaceAll(text, "\n", "\n  "))
}

// Line writes a line of the story between the steps' lines.
func (p *Progress) Line(text string) {
	p.mu.Lock()
	defer p.flush()
	p.above(Redact(text))
}

// flush writes what has been put together, and lets the next one in.
func (p *Progress) flush() {
	if p.text.Len() > 0 {
		_, _ = p.out.Write(p.text.Bytes()) // who cannot hear the story still gets the job done
		p.text.Reset()
	}
	p.mu.Unlock()
}

func (p *Progress) find(id string) *line {
	for _, l := range p.alive {
		if l.id == id {
			return l
		}
	}
	return nil
}

// take removes a step's line. One that never began still gets its end told.
func (p *Progress) take(id string) *line {
	for i, l := range p.alive {
		if l.id == id {
			p.alive = append(p.alive[:i], p.alive[i+1:]...)
			if len(p.alive) == 0 && p.stop != nil {
				close(p.stop)
				p.stop = nil
			}
			return l
		}
	}
	return &line{id: id, title: id, began: p.now()}
}

// plain writes a line for a log.
func (p *Progress) plain(word string, l *line, text string) {
	fmt.Fprintf(&p.text, "%-5s  %s%s\n", word, l.title, text)
}

// above writes a line that stays, over those that live.
func (p *Progress) above(text string) {
	p.erase()
	fmt.Fprintln(&p.text, text)
	if p.tty {
		p.draw()
	}
}

func (p *Progress) erase() {
	if p.drawn > 0 {
		fmt.Fprintf(&p.text, "\x1b[%dA\x1b[J", p.drawn) // up, and clear to the end
		p.drawn = 0
	}
}

// draw shows the living lines anew, each cut to the terminal's width: a line
// that wraps would be two, and the next erase would leave one behind.
func (p *Progress) draw() {
	p.erase()
	const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	shape := string([]rune(spinner)[p.frame%utf8.RuneCountInString(spinner)])
	for _, l := range p.alive {
		elapsed := ended(p.now().Sub(l.began))
		text := cut(l.title+after("  ", l.note), p.width-len(elapsed)-5)
		fmt.Fprintf(&p.text, "%s %s  %s\n", p.paint(cyan, shape), text, p.paint(faint, elapsed))
	}
	p.drawn = len(p.alive)
}

// run keeps one goroutine while steps live.
func (p *Progress) run() {
	if p.stop != nil {
		return
	}
	stop := make(chan struct{})
	p.stop = stop
	period := time.Second // plain lines: who is due is looked up each second
	if p.tty {
		period = frameEvery
	}
	ticks, end := p.every(period)
	go func() {
		defer end()
		for {
			select {
			case <-stop:
				return
			case <-ticks:
				p.tick()
			}
		}
	}()
}

// tick draws the next frame, or tells a log what is being waited for.
func (p *Progress) tick() {
	p.mu.Lock()
	defer p.flush()
	if p.tty {
		p.frame++
		if len(p.alive) > 0 {
			p.draw()
		}
		return
	}
	now := p.now()
	for _, l := range p.alive {
		if now.Sub(l.told) < remindEvery {
			continue
		}
		l.told = now
		waits := "running"
		if l.note != "" {
			waits = l.note
		}
		p.plain("wait", l, ": "+waits+" ("+ended(now.Sub(l.began))+")")
	}
}

// The few colours that are used (SGR codes).
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
	faint  = "2"
)

func (p *Progress) paint(code, text string) string { return paint(p.colour, code, text) }

func paint(on bool, code, text string) string {
	if !on || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// ended renders a duration as people read it: 0.4s, 12s, 2m05s.
func ended(took time.Duration) string {
	switch {
	case took < 10*time.Second:
		return fmt.Sprintf("%.1fs", took.Seconds())
	case took < time.Minute:
		return fmt.Sprintf("%.0fs", took.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(took.Minutes()), int(took.Seconds())%60)
}

func after(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}

func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(Redact(text), "\n", " ")), " ")
}

func cut(text string, width int) string {
	if utf8.RuneCountInString(text) <= width {
		return text
	}
	return string([]rune(text)[:max(0, width-1)]) + "…"
}
