package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"
)

// waitsForSignals has this binary play a run that does not end by itself.
const waitsForSignals = "CAUSEWAY_TEST_SIGNALS"

// TestSignalsOfARun is the run; TestASecondSignalEndsAtOnce starts it.
func TestSignalsOfARun(t *testing.T) {
	if os.Getenv(waitsForSignals) == "" {
		return // it plays its part in the other test alone
	}
	ctx, stop := untilSignal(context.Background())
	defer stop()
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("ends:", context.Cause(ctx), errors.Is(context.Cause(ctx), context.Canceled))
	time.Sleep(time.Minute) // a request that hangs
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	// What these tests run under may ignore a hang-up, as nohup does, and its children
	// with it; what is caught here is as ever for them.
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGHUP)
	defer signal.Stop(caught)
	for name, c := range map[string]struct {
		first, second syscall.Signal
		says          string
	}{
		"Ctrl-C twice":                {syscall.SIGINT, syscall.SIGINT, "ends: interrupt signal received true"},
		"SIGTERM twice":               {syscall.SIGTERM, syscall.SIGTERM, "ends: terminated signal received true"},
		"a lost session, then a kill": {syscall.SIGHUP, syscall.SIGTERM, "ends: hangup signal received true"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			run := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestSignalsOfARun$")
			run.Env = append(os.Environ(), waitsForSignals+"=1")
			out, err := run.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := run.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			if !lines.Scan() || lines.Text() != "ready" {
				t.Fatalf("it says %q", lines.Text())
			}
			if err := run.Process.Signal(c.first); err != nil {
				t.Fatal(err)
			}
			if !lines.Scan() || lines.Text() != c.says {
				t.Fatalf("it says %q, want %q", lines.Text(), c.says)
			}
			ended := make(chan error, 1)
			go func() { ended <- run.Wait() }()
			for { // the first signal's handler goes a moment after the context
				select {
				case <-ended:
					status, _ := run.ProcessState.Sys().(syscall.WaitStatus)
					if !status.Signaled() || status.Signal() != c.second {
						t.Errorf("it ended by %v, not by the second signal", run.ProcessState)
					}
					return
				case <-time.After(10 * time.Millisecond):
					_ = run.Process.Signal(c.second) // it may have ended just now
				}
			}
		})
	}
}
