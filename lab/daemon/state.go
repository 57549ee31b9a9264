package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"causeway/lab/place"
	"causeway/lab/proc"
	"causeway/lab/topology"
)

// Phases of the lab's life.
const (
	Starting = "starting"
	Ready    = "ready"
	Failed   = "failed"
	Stopping = "stopping"
)

// State is what the daemon tells those outside, in <run>/state.json.
type State struct {
	Phase      string      `json:"phase"`
	Error      string      `json:"error,omitempty"`
	Steps      []Step      `json:"steps"`
	Components []Component `json:"components,omitempty"`
	Notes      []string    `json:"notes,omitempty"` // the newest last; at most noteLimit
	Env        []Variable  `json:"env,omitempty"`
	NginxImage string      `json:"nginxImage,omitempty"`
	ToolsImage string      `json:"toolsImage,omitempty"`
}

// Step is one part of bringing the lab up.
type Step struct {
	Title   string        `json:"title"`
	Began   time.Time     `json:"began"`
	Took    time.Duration `json:"took"`
	Done    bool          `json:"done"`
	Failure string        `json:"failure,omitempty"`
}

// Component is one supervised process.
type Component struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"` // inside the lab's pid namespace
	Restarts int    `json:"restarts"`
	Error    string `json:"error,omitempty"`
}

// Variable is one variable of the environment that points tools at the lab.
type Variable struct{ Name, Value string }

const noteLimit = 50

// Config is what the daemon is started with, in <run>/config.json: written by
// the one who starts it, kept for the one who cleans up.
type Config struct {
	Place        place.Place   `json:"place"`
	Line         topology.Line `json:"line"`
	CgroupV1     bool          `json:"cgroupV1"`
	KeepOOMScore bool          `json:"keepOOMScore"`
	Snapshotter  string        `json:"snapshotter"`
	PluginDir    string        `json:"pluginDir"`
	Controllers  []string      `json:"controllers"` // enabled for the lab, to be turned off again
	Init         proc.Ident    `json:"init"`        // process 1 of the lab's pid namespace, as the machine sees it
}

// ReadConfig reads a place's configuration; fs.ErrNotExist when there is no lab.
func ReadConfig(p place.Place) (Config, error) {
	var c Config
	return c, read(filepath.Join(p.Run, "config.json"), &c)
}

// Write writes the configuration.
func (c Config) Write() error { return write(filepath.Join(c.Place.Run, "config.json"), c) }

// ReadState reads what the daemon tells.
func ReadState(p place.Place) (State, error) {
	var s State
	return s, read(filepath.Join(p.Run, "state.json"), &s)
}

func read(path string, v any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, v); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// write replaces the file as a whole: readers poll it.
func write(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(path+".new", path)
}

// board is the daemon's side of State: steps run at the same time.
type board struct {
	path string
	mu   sync.Mutex
	s    State
}

func newBoard(p place.Place) *board {
	return &board{path: filepath.Join(p.Run, "state.json"), s: State{Phase: Starting}}
}

func (b *board) update(f func(*State)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f(&b.s)
	if len(b.s.Notes) > noteLimit {
		b.s.Notes = b.s.Notes[len(b.s.Notes)-noteLimit:]
	}
	// The run directory vanishes when `down` gives up waiting; there is nobody to tell then.
	if err := write(b.path, b.s); err != nil && !errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(os.Stderr, err)
	}
}

// step runs f as a step of bringing the lab up.
func (b *board) step(title string, f func() error) error {
	began := time.Now()
	var i int
	b.update(func(s *State) { i = len(s.Steps); s.Steps = append(s.Steps, Step{Title: title, Began: began}) })
	err := f()
	b.update(func(s *State) {
		s.Steps[i].Took = time.Since(began)
		s.Steps[i].Done = err == nil
		if err != nil {
			s.Steps[i].Failure = err.Error()
		}
	})
	if err != nil {
		return fmt.Errorf("%s: %w", title, err)
	}
	return nil
}
