package conformance

import "time"

// clock is that of causeway's own waits: it runs so many times faster than the
// machine's, so that a wait of ten minutes can be seen to end.
type clock struct {
	from  time.Time // of the machine
	shown time.Time // by this clock, at from
	speed int       // at least 1
}

func newClock(speed int) clock {
	now := time.Now()
	return clock{from: now, shown: now, speed: max(1, speed)}
}

func (c clock) now() time.Time {
	return c.shown.Add(time.Since(c.from) * time.Duration(c.speed))
}

func (c clock) after(d time.Duration) <-chan time.Time {
	return time.After(d / time.Duration(c.speed))
}

// calm is the same clock, from now on hardly faster than the machine's: for work that
// must succeed, and takes the machine its own time.
func (c clock) calm() clock {
	return clock{from: time.Now(), shown: c.now(), speed: min(c.speed, calmSpeed)}
}

// calmSpeed leaves a minute of the machine's time to a namespace that is to go within
// ten, and makes causeway look again after a fraction of a second.
const calmSpeed = 10
