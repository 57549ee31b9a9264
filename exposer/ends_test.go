package exposer

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// ending is a toy that the run's end meets while it works.
type ending struct {
	toy
	end func()
}

func (e *ending) Do(ctx context.Context, _ func(string)) error {
	e.end()
	<-ctx.Done()
	return context.Cause(ctx)
}

func (e *ending) Undo(ctx context.Context, _ json.RawMessage, _ func(string)) (Undone, error) {
	e.end()
	<-ctx.Done()
	return Undone{}, context.Cause(ctx)
}

// impatient says that the whole command took too long, as cmd does.
type impatient struct{}

func (impatient) Error() string { return "not done within 1m0s; --timeout gives more" }
func (impatient) Code() string  { return "CW-RUN-TIMEOUT" }

// TestHowARunEnds: only what the user ended is interrupted. The end of --timeout is
// a failure with its own code, in apply and in destroy alike.
func TestHowARunEnds(t *testing.T) {
	t.Parallel()
	ends := map[string]struct {
		why         error
		interrupted bool
		code        string
	}{
		"by Ctrl-C":    {context.Canceled, true, ""},
		"by --timeout": {impatient{}, false, "CW-RUN-TIMEOUT"},
	}
	for name, c := range ends {
		for verb, run := range map[string]func(context.Context, []Step, Records) error{
			"apply": func(ctx context.Context, steps []Step, records Records) error {
				_, err := Apply(ctx, mustPlan(t, steps), toyRun(records))
				return err
			},
			"destroy": func(ctx context.Context, steps []Step, records Records) error {
				_, err := Destroy(ctx, steps, Record{}, toyRun(records))
				return err
			},
		} {
			t.Run(verb+" "+name, func(t *testing.T) {
				t.Parallel()
				ctx, cancel := context.WithCancelCause(t.Context())
				w := newWorld()
				err := run(ctx, []Step{&ending{toy{w: w, id: "a", want: "1"}, func() { cancel(c.why) }}}, &memory{})
				var interrupted *Interrupted
				if errors.As(err, &interrupted) != c.interrupted || codeOf(err) != c.code {
					t.Errorf("it ended by %v (code %q)", err, codeOf(err))
				}
				if strings.Contains(err.Error(), "interrupted") != c.interrupted {
					t.Errorf("its words: %v", err)
				}
			})
		}
	}
}

// slow keeps records where nobody answers any more, once the run has ended.
type slow struct {
	memory
	ended context.Context
	bound []time.Duration // that the saves after the end had
}

func (s *slow) Save(ctx context.Context, r Record, durable bool) error {
	if s.ended.Err() != nil && durable {
		deadline, bounded := ctx.Deadline()
		if !bounded {
			return errors.New("this would wait for ever")
		}
		s.bound = append(s.bound, time.Until(deadline))
	}
	return s.memory.Save(ctx, r, durable)
}

// TestTheLastWordsAreBounded: after Ctrl-C the record is still written, and a
// cluster that does not answer any more holds nobody for it.
func TestTheLastWordsAreBounded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	records := &slow{ended: ctx}
	steps := []Step{&ending{toy{w: newWorld(), id: "a", want: "1"}, cancel}}
	_, err := Apply(ctx, mustPlan(t, steps), toyRun(records))
	if err == nil || strings.Contains(err.Error(), "for ever") || len(records.bound) != 1 || records.bound[0] > 15*time.Second {
		t.Errorf("%v, bounds %v", err, records.bound)
	}
	if records.record.Steps[0].State != Failed {
		t.Errorf("the record says %+v", records.record.Steps)
	}
}
