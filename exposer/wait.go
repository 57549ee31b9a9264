package exposer

import (
	"context"
	"errors"
	"time"
)

// pollEvery is how often a wait looks again: often enough that nobody notices,
// seldom enough that a wait of ten minutes costs 300 requests.
const pollEvery = 2 * time.Second

// errTimedOut marks a wait that reached its bound.
var errTimedOut = errors.New("not within the time allowed")

// Poll calls done at once and then every two seconds until it reports true,
// fails, the bound has passed (TimedOut) or ctx ends.
func (d Deps) Poll(ctx context.Context, bound time.Duration, done func(context.Context) (bool, error)) error {
	after := d.After
	if after == nil {
		after = time.After
	}
	for expired := after(bound); ; {
		if ok, err := done(ctx); ok || err != nil {
			return err
		}
		select {
		case <-after(pollEvery):
		case <-expired:
			return errTimedOut
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// TimedOut reports whether Poll ended at its bound.
func TimedOut(err error) bool { return errors.Is(err, errTimedOut) }
