package route

import (
	"context"
	"time"

	"causeway/exposer"
)

// Checks implements exposer.Watchful: how the way stands, hop by hop.
func (x *exposure) Checks(ctx context.Context, _ time.Duration) ([]exposer.Check, error) {
	trace, err := x.Trace(ctx)
	if err != nil {
		return nil, err
	}
	var checks []exposer.Check
	for _, h := range trace.Hops {
		check := exposer.Check{Name: h.Way + ": " + h.Name, Value: h.Text, OK: h.Verdict == exposer.Good, Code: h.Code}
		if h.Verdict == exposer.Waits {
			check.Value = "waits: " + h.Text
		}
		checks = append(checks, check)
	}
	return checks, nil
}
