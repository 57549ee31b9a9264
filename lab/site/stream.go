package site

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// Stream is a command that goes on: a followed watch, a log, a port-forward.
type Stream struct {
	Line string
	cmd  *exec.Cmd
	echo func(string)
	news chan struct{}
	done chan struct{}

	mu    sync.Mutex
	lines []Came
	err   error
}

// Came is a line with the moment at which it arrived.
type Came struct {
	At   time.Time
	Text string
}

// Follow starts a command and collects its lines, stdout and stderr alike. echo
// is told each; it may be nil. The caller must Stop it.
func (s *Site) Follow(ctx context.Context, w Who, echo func(string), args ...string) (*Stream, error) {
	if echo == nil {
		echo = func(string) {}
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	f := &Stream{Line: Line(args), cmd: s.Command(ctx, w, args...), echo: echo, news: make(chan struct{}, 1), done: make(chan struct{})}
	f.cmd.Stdout, f.cmd.Stderr = write, write
	err = s.Start(w, f.cmd)
	write.Close()
	if err != nil {
		read.Close()
		return nil, fmt.Errorf("%s: %w", f.Line, err)
	}
	go f.collect(read)
	return f, nil
}

func (f *Stream) collect(r io.ReadCloser) {
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		f.mu.Lock()
		f.lines = append(f.lines, Came{time.Now(), scanner.Text()})
		f.mu.Unlock()
		f.echo(scanner.Text())
		f.ring()
	}
	r.Close()
	err := f.cmd.Wait()
	f.mu.Lock()
	f.err = err
	f.mu.Unlock()
	close(f.done)
	f.ring()
}

func (f *Stream) ring() {
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// Lines returns what came so far.
func (f *Stream) Lines() []Came {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Came(nil), f.lines...)
}

// Await waits until a line has all the texts, counting from line number from,
// and returns it.
func (f *Stream) Await(ctx context.Context, from int, bound time.Duration, texts ...string) (Came, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	for {
		for _, line := range f.Lines()[min(from, len(f.Lines())):] {
			if hasAll(line.Text, texts) {
				return line, nil
			}
		}
		select {
		case <-f.news:
		case <-f.done:
			return Came{}, fmt.Errorf("%s: ended before %q came: %s", f.Line, texts, f.text())
		case <-ctx.Done():
			return Came{}, fmt.Errorf("%s: no %q within %s; what came: %s", f.Line, texts, bound, f.text())
		}
	}
}

func hasAll(line string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(line, text) {
			return false
		}
	}
	return true
}

func (f *Stream) text() string {
	var texts []string
	for _, line := range f.Lines() {
		texts = append(texts, line.Text)
	}
	return "\n  " + strings.Join(texts, "\n  ")
}

// Stop ends the command, as Ctrl-C would, and waits for it.
func (f *Stream) Stop() {
	_ = f.cmd.Process.Signal(os.Interrupt) // it may have ended
	select {
	case <-f.done:
	case <-time.After(3 * time.Second):
		_ = f.cmd.Process.Kill()
		<-f.done
	}
}

// Wait waits until the command ends and returns its exit code and all it printed.
func (f *Stream) Wait(ctx context.Context, bound time.Duration) (int, string, error) {
	select {
	case <-f.done:
		return f.cmd.ProcessState.ExitCode(), f.text(), nil
	case <-ctx.Done():
		return 0, f.text(), ctx.Err()
	case <-time.After(bound):
		return 0, f.text(), fmt.Errorf("%s: did not end within %s", f.Line, bound)
	}
}

// Interrupt does what Ctrl-C does.
func (f *Stream) Interrupt() error { return f.cmd.Process.Signal(os.Interrupt) }

// Ended says whether the command has ended by itself.
func (f *Stream) Ended() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}
