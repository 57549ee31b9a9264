package dns

import (
	"context"
	"time"

	"causeway/exposer"
)

// Checks implements exposer.Watchful: how the endpoint stands.
func (x *exposure) Checks(ctx context.Context, _ time.Duration) ([]exposer.Check, error) {
	trace, err := x.Trace(ctx)
	if err != nil {
		return nil, err
	}
	var checks []exposer.Check
	for _, h := range trace.Hops {
		checks = append(checks, exposer.Check{Name: h.Name, Value: h.Text, OK: h.Verdict == exposer.Good, Code: h.Code})
	}
	return checks, nil
}
