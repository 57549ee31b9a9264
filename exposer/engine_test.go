package exposer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// world is what toy steps live in: things that exist, with a value and an owner.
type world struct {
	mu     sync.Mutex
	things map[string]string
	log    []string
	inside int
	most   int // how many steps ran at the same time
	gate   chan struct{}
}

func newWorld() *world { return &world{things: map[string]string{}} }

func (w *world) did(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = append(w.log, what)
}

// toy is a resource ("ours" when causeway made it) or, with setting, a value on
// a thing that somebody else owns.
type toy struct {
	w       *world
	id      string
	needs   []string
	want    string
	setting bool
	fail    error // Do fails before it changes anything
	after   error // Do fails after the change
	undoErr error
}

func (s *toy) ID() string      { return s.id }
func (s *toy) Title() string   { return "the " + s.id }
func (s *toy) Needs() []string { return s.needs }

func (s *toy) Read(context.Context) (Observed, error) {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	value, exists := s.w.things[s.id]
	switch {
	case exists && value == s.want:
		return Observed{Action: Keep, Exists: true, Ours: !s.setting}, nil
	case s.setting:
		old, err := json.Marshal(value)
		return Observed{Action: Change, Exists: exists, Old: old, Changes: []FieldChange{{Field: s.id, From: value, To: s.want}}}, err
	case exists && strings.HasPrefix(value, "foreign"):
		return Observed{Action: Refuse, Exists: true, Cause: &RunError{Code_: "CW-KUBE-FOREIGN", Text: s.id + " is not ours"}}, nil
	case exists:
		return Observed{Action: Change, Exists: true, Ours: true}, nil
	}
	return Observed{Action: Create}, nil
}

func (s *toy) Do(ctx context.Context, _ func(string)) error {
	s.w.mu.Lock()
	s.w.inside++
	s.w.most = max(s.w.most, s.w.inside)
	full := s.w.inside
	s.w.mu.Unlock()
	defer func() {
		s.w.mu.Lock()
		s.w.inside--
		s.w.mu.Unlock()
	}()
	if s.w.gate != nil { // lets two steps meet, so that "at the same time" is seen, not timed
		if full == 2 {
			close(s.w.gate)
		}
		select {
		case <-s.w.gate:
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Second):
			return errors.New("alone")
		}
	}
	if s.fail != nil {
		return s.fail
	}
	s.w.mu.Lock()
	s.w.things[s.id] = s.want
	s.w.mu.Unlock()
	s.w.did("do " + s.id)
	return s.after
}

func (s *toy) Undo(_ context.Context, old json.RawMessage, _ func(string)) (Undone, error) {
	if s.undoErr != nil {
		return Undone{}, s.undoErr
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	value, exists := s.w.things[s.id]
	switch {
	case !exists:
		return Undone{Outcome: Absent}, nil
	case s.setting && old == nil:
		return Undone{Outcome: Left, Why: "nothing was recorded"}, nil
	case s.setting && value != s.want:
		return Undone{Outcome: Left, Why: "somebody changed it to " + value}, nil
	case s.setting:
		var was string
		if err := json.Unmarshal(old, &was); err != nil {
			return Undone{}, err
		}
		s.w.things[s.id] = was
		s.w.log = append(s.w.log, "restore "+s.id)
		return Undone{Outcome: Restored}, nil
	}
	delete(s.w.things, s.id)
	s.w.log = append(s.w.log, "undo "+s.id)
	return Undone{Outcome: Removed}, nil
}

// memory keeps records for tests; it counts the writes.
type memory struct {
	mu     sync.Mutex
	record Record
	writes int
}

func (m *memory) Load(context.Context, Spec) (Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.record, nil
}
func (m *memory) Save(_ context.Context, r Record, _ bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Steps = slices.Clone(r.Steps)
	m.record, m.writes = r, m.writes+1
	return nil
}
func (m *memory) Forget(context.Context, Spec) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.record = Record{}
	return nil
}

func toyRun(records Records) Run {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return Run{Records: records, Progress: Quiet{}, Now: func() time.Time { return at }, By: "net@host"}
}

// toySteps: two that can run together, one behind both, one setting.
func toySteps(w *world) []Step {
	return []Step{
		&toy{w: w, id: "address", want: "10.0.0.7"},
		&toy{w: w, id: "namespace", want: "made"},
		&toy{w: w, id: "service", want: "made", needs: []string{"address", "namespace"}},
		&toy{w: w, id: "export", want: "true", setting: true},
	}
}

func mustPlan(t *testing.T, steps []Step) Plan {
	t.Helper()
	plan, err := MakePlan(t.Context(), steps)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func TestApplyThenDestroyLeavesTheWorldAsItWas(t *testing.T) {
	t.Parallel()
	w, records := newWorld(), &memory{}
	w.things["export"] = "false"
	steps := toySteps(w)

	plan := mustPlan(t, steps)
	if plan.Empty() || plan.Count(Create) != 3 || plan.Count(Change) != 1 {
		t.Fatalf("first plan: %+v", plan.Items)
	}
	if len(w.log) != 0 {
		t.Fatalf("planning changed something: %v", w.log)
	}
	again, err := Apply(t.Context(), plan, toyRun(records))
	if err != nil || !again.Empty() {
		t.Fatalf("apply: %v, then %+v", err, again.Items)
	}
	if records.record.Finished == nil || string(records.record.Old("export")) != `"false"` {
		t.Errorf("record after apply: %+v", records.record)
	}

	writes, did := records.writes, len(w.log)
	if _, err := Apply(t.Context(), mustPlan(t, steps), toyRun(records)); err != nil {
		t.Fatal(err)
	}
	if records.writes != writes || len(w.log) != did {
		t.Errorf("second apply wrote: %d records, steps %v", records.writes-writes, w.log[did:])
	}

	items, err := Destroy(t.Context(), steps, records.record, toyRun(records))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"export": "false"}, w.things); diff != "" {
		t.Errorf("left after destroy (-want +got):\n%s", diff)
	}
	if at := slices.Index(w.log, "undo service"); at > slices.Index(w.log, "undo address") || at > slices.Index(w.log, "undo namespace") {
		t.Errorf("undone in the wrong order: %v", w.log)
	}
	outcomes := map[string]Outcome{}
	for _, item := range items {
		outcomes[item.ID] = item.Outcome
	}
	want := map[string]Outcome{"address": Removed, "namespace": Removed, "service": Removed, "export": Restored}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if len(records.record.Steps) != 0 {
		t.Error("the record outlived a complete destroy")
	}
}

func TestApplyRunsIndependentStepsAtTheSameTime(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.gate = make(chan struct{})
	steps := []Step{&toy{w: w, id: "a", want: "1"}, &toy{w: w, id: "b", want: "1"}}
	if _, err := Apply(t.Context(), mustPlan(t, steps), toyRun(&memory{})); err != nil {
		t.Fatal(err)
	}
	if w.most != 2 {
		t.Errorf("%d steps ran at the same time, want 2", w.most)
	}
}

func TestAFailureAtEveryStepIsKeptToldAndResumed(t *testing.T) {
	t.Parallel()
	for i := range toySteps(newWorld()) {
		for _, when := range []string{"before", "after"} {
			t.Run(fmt.Sprintf("%d %s", i, when), func(t *testing.T) {
				t.Parallel()
				w, records := newWorld(), &memory{}
				w.things["export"] = "false"
				steps := toySteps(w)
				boom := errors.New("boom")
				broken := steps[i].(*toy)
				if when == "before" {
					broken.fail = boom
				} else {
					broken.after = boom
				}
				_, err := Apply(t.Context(), mustPlan(t, steps), toyRun(records))
				var stopped *Stopped
				if !errors.Is(err, boom) || !errors.As(err, &stopped) {
					t.Fatalf("apply with a failing step: %v", err)
				}
				for _, item := range w.log {
					if strings.HasPrefix(item, "undo") {
						t.Errorf("a failure undid something: %v", w.log)
					}
				}
				broken.fail, broken.after = nil, nil
				if again, err := Apply(t.Context(), mustPlan(t, steps), toyRun(records)); err != nil || !again.Empty() {
					t.Fatalf("resume: %v", err)
				}
				if string(records.record.Old("export")) != `"false"` {
					t.Errorf("the old value was lost on the way: %s", records.record.Old("export"))
				}
				if _, err := Destroy(t.Context(), steps, records.record, toyRun(records)); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(map[string]string{"export": "false"}, w.things); diff != "" {
					t.Errorf("left (-want +got):\n%s", diff)
				}
			})
		}
	}
}

func TestApplyRefusesBeforeItChangesAnything(t *testing.T) {
	t.Parallel()
	w, records := newWorld(), &memory{}
	w.things["service"] = "foreign"
	_, err := Apply(t.Context(), mustPlan(t, toySteps(w)), toyRun(records))
	var precondition *PreconditionError
	if !errors.As(err, &precondition) || precondition.Code() != "CW-KUBE-FOREIGN" {
		t.Fatalf("apply: %v", err)
	}
	if len(w.log) != 0 || records.writes != 0 {
		t.Errorf("it changed something first: %v", w.log)
	}
}

func TestApplySaysWhenAStepDidNotTake(t *testing.T) {
	t.Parallel()
	w := newWorld()
	step := &forgetful{toy{w: w, id: "address", want: "10.0.0.7"}}
	_, err := Apply(t.Context(), mustPlan(t, []Step{step}), toyRun(&memory{}))
	if codeOf(err) != "CW-RUN-NOT-CONVERGED" || !strings.Contains(err.Error(), "address") {
		t.Fatalf("apply: %v", err)
	}
}

// forgetful reports success without doing anything.
type forgetful struct{ toy }

func (*forgetful) Do(context.Context, func(string)) error { return nil }

func TestInterruptStopsAndKeeps(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	w, records := newWorld(), &memory{}
	steps := []Step{
		&cancelling{toy{w: w, id: "a", want: "1"}, cancel},
		&toy{w: w, id: "b", want: "1", needs: []string{"a"}},
	}
	_, err := Apply(ctx, mustPlan(t, steps), toyRun(records))
	var interrupted *Interrupted
	if !errors.As(err, &interrupted) {
		t.Fatalf("apply: %v", err)
	}
	if w.things["a"] != "1" || w.things["b"] != "" || records.record.Finished != nil {
		t.Errorf("after the interrupt: %v, record %+v", w.things, records.record)
	}
	if !strings.Contains(err.Error(), "not reached: b") {
		t.Errorf("the error does not say what is missing: %v", err)
	}
}

type cancelling struct {
	toy
	cancel context.CancelFunc
}

func (c *cancelling) Do(ctx context.Context, note func(string)) error {
	c.cancel()
	return c.toy.Do(context.WithoutCancel(ctx), note)
}

func TestDestroyGoesOnPastAFailureAndListsWhatIsLeft(t *testing.T) {
	t.Parallel()
	w, records := newWorld(), &memory{}
	w.things["export"] = "false"
	steps := toySteps(w)
	if _, err := Apply(t.Context(), mustPlan(t, steps), toyRun(records)); err != nil {
		t.Fatal(err)
	}
	w.things["export"] = "somebody's"
	steps[1].(*toy).undoErr = errors.New("namespace hangs")
	items, err := Destroy(t.Context(), steps, records.record, toyRun(records))
	if err == nil || !strings.Contains(err.Error(), "namespace hangs") {
		t.Fatalf("destroy: %v", err)
	}
	if diff := cmp.Diff(map[string]string{"namespace": "made", "export": "somebody's"}, w.things); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
	if len(records.record.Steps) == 0 {
		t.Error("the record was forgotten though something is left")
	}
	for _, item := range items {
		if item.ID == "export" && (item.Outcome != Left || !strings.Contains(item.Why, "somebody")) {
			t.Errorf("a value that somebody changed: %+v", item)
		}
	}
}

func TestTheLockIsTakenBeforeTheFirstChangeAndGivenBack(t *testing.T) {
	t.Parallel()
	w := newWorld()
	run := toyRun(&memory{})
	released := false
	run.Lock = func(context.Context) (func(), error) {
		if len(w.log) > 0 {
			t.Error("changed before the lock")
		}
		return func() { released = true }, nil
	}
	if _, err := Apply(t.Context(), mustPlan(t, toySteps(w)), run); err != nil || !released {
		t.Errorf("apply: %v, released %v", err, released)
	}
	run.Lock = func(context.Context) (func(), error) { return nil, errors.New("held") }
	if _, err := Destroy(t.Context(), toySteps(w), Record{}, run); err == nil || err.Error() != "held" {
		t.Errorf("destroy without the lock: %v", err)
	}
}
