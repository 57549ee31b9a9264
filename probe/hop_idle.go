package probe

import (
	"context"
	"errors"
	"io"
	"time"
)

// idleHop holds a quiet watch for the asked time and lets the API server end it: only
// bytes that arrive after the silence prove that the connection outlived it (one that a
// firewall has forgotten looks open for ever). No byte crosses in between but TCP's
// keep-alive, as under kubectl.
func idleHop(ctx context.Context, s *session) Result {
	want := s.options.Idle.Truncate(time.Second)
	switch {
	case want <= 0:
		return skip("not asked for")
	case s.quiet == "":
		return skip("the identity may watch neither namespaces nor pods in %s", s.namespace)
	}
	start := s.options.Now() // before the headers: a proxy may hold them back
	response, err := s.openWatch(ctx, "", s.quiet, s.quietQuery(want))
	if err != nil {
		return requestFailure(err, "CW-PROBE-IDLE-CUT", "hold a watch")
	}
	if response.StatusCode != 200 {
		if trouble := s.watchRefused(response); trouble != nil {
			return *trouble
		}
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, io.LimitReader(response.Body, maxAnswer))
	held := s.options.Now().Sub(start)
	switch {
	case errors.Is(err, context.DeadlineExceeded) || timedOut(err):
		return fail("CW-PROBE-IDLE-LOST", err, "after %s of silence the end of the watch did not arrive: the connection was dropped without a word", seconds(want))
	case err != nil:
		return fail("CW-PROBE-IDLE-CUT", err, "a quiet watch was cut after %s of %s (%v)", seconds(held), seconds(want), rootCause(err))
	case held < want-time.Second:
		return fail("CW-PROBE-IDLE-CUT", nil, "a quiet watch was ended after %s, before the %s that were asked for", seconds(held), seconds(want))
	}
	return pass("a quiet watch lived for %s over %s, and its end arrived", seconds(held), response.Proto)
}
