// Package bird runs a BIRD 2 routing daemon in a network namespace and asks it
// through its control socket, as birdc does. It knows nothing of what is
// configured: package dataplane writes one side's configuration, and the far
// side's engineer brings the other.
//
//	s, err := bird.Start(bird.Options{Name: "router", Dir: run, Space: vpc, Log: log}, text)
//	defer s.Stop()
//	protocols, err := s.Protocols()
package bird

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"causeway/lab/netns"
	"causeway/lab/proc"
)

// startBound is how long bird may take until its socket answers; stopBound until
// it has ended its sessions.
const (
	startBound = 5 * time.Second
	stopBound  = 2 * time.Second
)

// Options say where a Speaker runs.
type Options struct {
	Name  string // of the process
	Dir   string // for its configuration and its socket; a short path (unix(7): 107 bytes)
	Log   string // file
	Space *netns.Space
	Note  func(string) // told of each death
}

// Speaker is a running bird.
type Speaker struct {
	o       Options
	process *proc.Process
}

func (o Options) file(ending string) string { return filepath.Join(o.Dir, o.Name+ending) }

func program() (string, error) {
	if path, err := exec.LookPath("bird"); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/bird") // not on every user's PATH
}

// Check has bird read a configuration without running it, and returns what it
// finds wrong. dir is for the file that it reads.
func Check(dir, config string) error {
	path, err := program()
	if err != nil {
		return fmt.Errorf("check bird's configuration: %w", err)
	}
	file, err := os.CreateTemp(dir, "check-*.conf")
	if err != nil {
		return fmt.Errorf("check bird's configuration: %w", err)
	}
	defer os.Remove(file.Name())
	_, err = file.WriteString(config)
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("check bird's configuration: %w", err)
	}
	out, err := exec.Command(path, "-p", "-c", file.Name()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("check bird's configuration: %w: %s", err, strings.TrimSpace(strings.ReplaceAll(string(out), file.Name(), "bird.conf")))
	}
	return nil
}

// Start runs bird with a configuration and waits until it answers.
func Start(o Options, config string) (*Speaker, error) {
	path, err := program()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	if err := os.WriteFile(o.file(".conf"), []byte(config), 0o600); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Name, err)
	}
	s := &Speaker{o: o}
	s.process, err = proc.Start(proc.Command{
		Name: o.Name, Path: path, Args: []string{"-f", "-c", o.file(".conf"), "-s", o.file(".ctl")}, Space: o.Space, Log: o.Log,
	}, o.Note)
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(startBound); ; {
		if _, err = s.ask("show status"); err == nil {
			return s, nil
		}
		if time.Now().After(deadline) || s.process.Err() != nil {
			tail := s.process.Tail(5)
			s.Stop()
			return nil, fmt.Errorf("start %s: it does not answer: %w\n%s", o.Name, err, tail)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Configure gives a running bird another configuration: what has not changed in it
// goes on undisturbed.
func (s *Speaker) Configure(config string) error {
	if err := os.WriteFile(s.o.file(".conf"), []byte(config), 0o600); err != nil {
		return fmt.Errorf("configure %s: %w", s.o.Name, err)
	}
	if _, err := s.ask("configure"); err != nil {
		return fmt.Errorf("configure %s: %w", s.o.Name, err)
	}
	return nil
}

// Process is what runs, for those who watch over the lab.
func (s *Speaker) Process() *proc.Process { return s.process }

// Stop ends bird; its sessions end with a word to the other side.
func (s *Speaker) Stop() {
	s.process.Stop(stopBound)
	for _, ending := range []string{".ctl", ".conf"} {
		_ = os.Remove(s.o.file(ending)) // the run directory may be gone already
	}
}
