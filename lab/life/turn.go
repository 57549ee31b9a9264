package life

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// TurnBound is how long Turn waits at most: as long as the tests of another package
// may hold the machine's one lab.
const TurnBound = 20 * time.Minute

// Turn waits until no other test program holds the machine's one lab: go test runs
// packages at the same time. The turn ends with the returned function, or with the
// process.
func (l Lab) Turn(ctx context.Context) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, TurnBound)
	defer cancel()
	if err := os.MkdirAll(l.Place.Cache, 0o755); err != nil {
		return nil, fmt.Errorf("wait for the lab: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(l.Place.Cache, "lab-turn"), os.O_CREATE|os.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("wait for the lab: %w", err)
	}
	for {
		if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			return func() { f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, fmt.Errorf("wait for the lab, which other tests hold: %w", ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
