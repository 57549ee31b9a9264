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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	app := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, outTTY: isTerminal(os.Stdout), tty: isTerminal(os.Stderr), ask: isTerminal(os.Stdin),
		getenv: os.Getenv, now: time.Now, rand: rand.Reader, methods: all.Methods(),
	}
	code := app.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
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
