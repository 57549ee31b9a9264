package exposer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"causeway/internal/safefile"
)

// State of one step in a record.
type State string

// The states: Doing stands between the two writes around a step, so that a
// killed run shows where it was.
const (
	Pending State = "pending"
	Doing   State = "doing"
	Done    State = "done"
	Failed  State = "failed"
	Kept    State = "kept"
)

// Record is what an apply did. It holds no secret: the spec names key files, it
// does not contain them, and steps record no secret values.
type Record struct {
	Version  int          `json:"version"` // of this format: 1
	Spec     Spec         `json:"spec"`
	By       string       `json:"by"` // user@host of the last apply
	Started  time.Time    `json:"started"`
	Finished *time.Time   `json:"finished,omitempty"` // nil: interrupted, or running
	Steps    []StepRecord `json:"steps"`
}

// changed is when the record was last written in: by an apply, or by an exposure that
// left it an old value.
func (r Record) changed() time.Time {
	last := r.Started
	if r.Finished != nil && r.Finished.After(last) {
		last = *r.Finished
	}
	for _, s := range r.Steps {
		if s.At.After(last) {
			last = s.At
		}
	}
	return last
}

// StepRecord is one step of the last apply.
type StepRecord struct {
	ID    string          `json:"id"`
	State State           `json:"state"`
	At    time.Time       `json:"at"`
	Old   json.RawMessage `json:"old,omitempty"` // a setting's value from before the first apply
}

// Old returns the value that a setting had before the exposure's first apply, or
// nil for anything else.
func (r Record) Old(id string) json.RawMessage {
	for _, s := range r.Steps {
		if s.ID == id {
			return s.Old
		}
	}
	return nil
}

// Records keeps one record an exposure.
type Records interface {
	// Load returns the exposure's record; the zero Record when there is none.
	Load(ctx context.Context, spec Spec) (Record, error)
	// Save writes it. Durable saves also reach the copy that colleagues can
	// read; the others are for resuming on this machine.
	Save(ctx context.Context, record Record, durable bool) error
	// Forget removes it after a complete destroy.
	Forget(ctx context.Context, spec Spec) error
}

// FileRecords keeps records as JSON files, 0600, in one directory (the user's
// state directory: StateDir).
type FileRecords struct{ Dir string }

// StateDir is where records lie on this machine: XDG_STATE_HOME/causeway, by
// default ~/.local/state/causeway.
func StateDir(getenv func(string) string) string {
	if dir := getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "causeway")
	}
	return filepath.Join(getenv("HOME"), ".local", "state", "causeway")
}

func (f FileRecords) path(s Spec) string {
	c := s.Cluster
	return filepath.Join(f.Dir, fmt.Sprintf("%s_%s_%s_%s.json", c.Project, c.Location, c.Name, s.Name))
}

// Load implements Records. A file that does not parse is an error with the
// file's name: it may hold the only copy of old values.
func (f FileRecords) Load(_ context.Context, spec Spec) (Record, error) {
	var record Record
	text, err := os.ReadFile(f.path(spec))
	if errors.Is(err, fs.ErrNotExist) {
		return Record{}, nil
	}
	if err != nil {
		return Record{}, fmt.Errorf("read record: %w", err)
	}
	if err := json.Unmarshal(text, &record); err != nil {
		return Record{}, &RunError{Code_: "CW-RUN-RECORD", Text: "read record " + f.path(spec), Err: err}
	}
	return record, nil
}

// Save implements Records: whole, by a temporary file and rename.
func (f FileRecords) Save(_ context.Context, record Record, _ bool) error {
	text, err := json.MarshalIndent(record, "", "  ")
	if err != nil {
		return fmt.Errorf("write record: %w", err)
	}
	return safefile.Write(f.path(record.Spec), append(text, '\n'))
}

// Ready reports whether a record can be written here: without one nothing is begun.
func (f FileRecords) Ready() error { return safefile.Writable(f.Dir) }

// Ready is FileRecords'; the copy in the cluster comes after it.
func (r sharedRecords) Ready() error { return r.local.Ready() }

// Forget implements Records.
func (f FileRecords) Forget(_ context.Context, spec Spec) error {
	return safefile.Remove(f.path(spec))
}

// book is the record of the run that is going on; its methods may be called by
// several steps at a time.
type book struct {
	mu      sync.Mutex
	run     context.Context
	ctx     context.Context // without the run's cancellation: the last words must be written
	records Records
	record  Record
	now     func() time.Time
}

// openBook writes the record before the first change: what is planned, and each
// setting's old value, the earliest one known.
func openBook(ctx context.Context, run Run, plan Plan) (*book, error) {
	before, err := run.Records.Load(ctx, run.Spec)
	if err != nil {
		return nil, err
	}
	b := &book{run: ctx, ctx: context.WithoutCancel(ctx), records: run.Records, now: run.Now}
	b.record = Record{Version: 1, Spec: run.Spec, By: run.By, Started: run.Now()}
	for _, item := range plan.Items {
		step := StepRecord{ID: item.ID, State: Pending, At: run.Now(), Old: item.Old}
		if item.Action == Keep {
			step.State = Kept
		}
		if old := before.Old(item.ID); old != nil {
			step.Old = old
		}
		b.record.Steps = append(b.record.Steps, step)
	}
	for _, step := range before.Steps { // a setting that this spec does not ask for any more is still to be restored
		if step.Old != nil && !slices.ContainsFunc(plan.Items, func(item Item) bool { return item.ID == step.ID }) {
			b.record.Steps = append(b.record.Steps, StepRecord{ID: step.ID, State: Kept, At: step.At, Old: step.Old})
		}
	}
	return b, b.records.Save(b.ctx, b.record, true)
}

// mark notes a step's new state.
func (b *book) mark(id string, state State) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.record.Steps {
		if b.record.Steps[i].ID == id {
			b.record.Steps[i].State, b.record.Steps[i].At = state, b.now()
		}
	}
	return b.records.Save(b.ctx, b.record, false)
}

// forget drops a setting's old value; the next mark writes it.
func (b *book) forget(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.record.Steps {
		if b.record.Steps[i].ID == id {
			b.record.Steps[i].Old = nil
		}
	}
}

// lastWords bounds the write of a record whose run was ended: it lies on this machine
// by then, and a cluster that is silent must not hold who pressed Ctrl-C.
const lastWords = 10 * time.Second

// close writes the record's end.
func (b *book) close(finished bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	ctx, cancel := b.ctx, func() {}
	if b.run.Err() != nil {
		ctx, cancel = context.WithTimeout(b.ctx, lastWords)
	}
	defer cancel()
	if finished {
		at := b.now()
		b.record.Finished = &at
	}
	return b.records.Save(ctx, b.record, true)
}
