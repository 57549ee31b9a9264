// Package proc runs the lab's processes: each with its output in a file, in a
// network namespace, started again when it dies, and ended within a bound.
//
//	p, err := proc.Start(proc.Command{Name: "etcd", Path: bin, Args: args, Space: master, Log: path})
//	defer p.Stop(5 * time.Second)
package proc

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"causeway/lab/netns"
)

// Command says what is to run.
type Command struct {
	Name  string
	Path  string
	Args  []string
	Env   []string     // nothing else is inherited but PATH
	Space *netns.Space // nil: where the caller is
	Log   string       // file that takes stdout and stderr
}

// Process is a Command that is kept running until Stop.
type Process struct {
	cmd  Command
	note func(string)

	mu       sync.Mutex
	current  *exec.Cmd
	restarts int
	err      error // why it is given up
	stopping bool
	done     chan struct{} // closed when it runs no more and will not be started again
}

// MaxRestarts within RestartWindow: a process that dies more often is given up.
const (
	MaxRestarts   = 5
	RestartWindow = time.Minute
)

// Start starts the process and watches it. note is told of each death.
func Start(c Command, note func(string)) (*Process, error) {
	p := &Process{cmd: c, note: note, done: make(chan struct{})}
	if err := p.spawn(); err != nil {
		return nil, err
	}
	go p.watch()
	return p, nil
}

func (p *Process) spawn() error {
	log, err := os.OpenFile(p.cmd.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.cmd.Name, err)
	}
	defer log.Close()
	cmd := exec.Command(p.cmd.Path, p.cmd.Args...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, p.cmd.Env...)
	// A group of its own: a terminal's Ctrl-C must not end etcd before kube-apiserver.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	start := cmd.Start
	if p.cmd.Space != nil {
		start = func() error { return p.cmd.Space.Start(cmd) }
	}
	if err := start(); err != nil {
		return fmt.Errorf("start %s: %w", p.cmd.Name, err)
	}
	p.mu.Lock()
	p.current = cmd
	p.mu.Unlock()
	return nil
}

// watch waits for the process and starts it again when it was not asked to end.
func (p *Process) watch() {
	defer close(p.done)
	var deaths []time.Time
	for {
		p.mu.Lock()
		cmd := p.current
		p.mu.Unlock()
		ended := cmd.Wait()
		p.mu.Lock()
		if p.stopping {
			p.mu.Unlock()
			return
		}
		p.restarts++
		p.mu.Unlock()
		now := time.Now()
		deaths = append(deaths, now)
		for len(deaths) > 0 && now.Sub(deaths[0]) > RestartWindow {
			deaths = deaths[1:]
		}
		if len(deaths) > MaxRestarts {
			p.give(fmt.Errorf("run %s: it ended %d times within %s, last with: %v\n%s", p.cmd.Name, len(deaths), RestartWindow, ended, p.Tail(10)))
			return
		}
		p.note(fmt.Sprintf("%s ended (%v); starting it again", p.cmd.Name, ended))
		time.Sleep(300 * time.Millisecond) // a port may need a moment to be free
		p.mu.Lock()
		stopping := p.stopping
		p.mu.Unlock()
		if stopping {
			return
		}
		if err := p.spawn(); err != nil {
			p.give(err)
			return
		}
	}
}

func (p *Process) give(err error) {
	p.mu.Lock()
	p.err = err
	p.mu.Unlock()
	p.note(err.Error())
}

// Err tells why the process was given up; nil while it runs.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// Name is the Command's name.
func (p *Process) Name() string { return p.cmd.Name }

// State is the process's pid as this process sees it, and how often it was
// started again.
func (p *Process) State() (pid, restarts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current.Process.Pid, p.restarts
}

// Stop asks the process to end, and kills it when it has not within the bound.
func (p *Process) Stop(bound time.Duration) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.stopping = true
	current := p.current
	p.mu.Unlock()
	_ = current.Process.Signal(syscall.SIGTERM) // ended already: nothing to do
	select {
	case <-p.done:
	case <-time.After(bound):
		p.mu.Lock()
		_ = p.current.Process.Kill()
		p.mu.Unlock()
		<-p.done
	}
}

// Tail returns the last n lines of the output.
func (p *Process) Tail(n int) string { return Tail(p.cmd.Log, n) }

// Tail returns the last n lines of a file, or why it can't be read.
func Tail(path string, n int) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	return strings.TrimSpace(string(bytes.Join(lines[max(0, len(lines)-n):], []byte("\n"))))
}
