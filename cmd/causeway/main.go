// Command causeway makes the API server of a private GKE cluster reachable,
// privately, from a third-party cloud or an on-premises network, proves it from
// the far end, and can undo all of it.
//
// One short file a verb: flags become a spec, results become text. The job
// itself is in causeway/exposer.
package main

import (
	"context"
	"crypto/rand"
	"os"
	"os/signal"
	"syscall"
	"time"

	"causeway/exposer/all"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	app := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, outTTY: isTerminal(os.Stdout), tty: isTerminal(os.Stderr), ask: isTerminal(os.Stdin),
		getenv: os.Getenv, now: time.Now, rand: rand.Reader, methods: all.Methods(),
	}
	code := app.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// untilSignal makes a context that ends at the first Ctrl-C, SIGTERM or hang-up (a
// lost ssh session), so that a run stops between two steps, writes its record and
// gives its lock back. From then on Ctrl-C and SIGTERM end the program at once: a
// request that hangs must not hold whoever gives up on it. What nohup has the
// program ignore stays ignored.
func untilSignal(parent context.Context) (context.Context, func()) {
	hung := func() {}
	if !signal.Ignored(syscall.SIGHUP) {
		parent, hung = signal.NotifyContext(parent, syscall.SIGHUP) // a shell may send it a second time by itself
	}
	ctx, stop := signal.NotifyContext(parent, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, func() { stop(); hung() }
}

// isTerminal reports whether a file is a character device that is not /dev/null.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}
