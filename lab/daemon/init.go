package daemon

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"causeway/lab/place"
)

// Inner runs the lab's own inner processes, which are this very program started
// again: a program that brings the lab up calls it first of all, and ends with
// exit when inner. What they are told stands in <run>/config.json.
func Inner(args []string, stderr io.Writer) (exit int, inner bool) {
	if len(args) != 2 || args[0] != "init" && args[0] != "daemon" {
		return 0, false
	}
	config, err := ReadConfig(place.Place{Run: args[1]})
	if err == nil && args[0] == "init" {
		return Init([]string{"daemon", args[1]}), true
	}
	if err == nil {
		err = Run(config.Place)
	}
	if err != nil {
		fmt.Fprintln(stderr, "lab:", err)
		return 1, true
	}
	return 0, true
}

// Init is process 1 of the lab's pid namespace: it starts the daemon, collects
// orphans, and ends with the daemon. When it ends, in any way, the kernel kills
// everything else in the namespace, and with the last process the lab's mounts
// are gone.
func Init(args []string) (exit int) {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		fmt.Fprintf(os.Stderr, "start the lab's daemon: %v\n", err)
		return 1
	}
	go func() {
		for s := range signals {
			if s != syscall.SIGHUP { // a terminal that closes does not end the lab
				_ = cmd.Process.Signal(syscall.SIGTERM)
			}
		}
	}()
	for {
		// Not cmd.Wait: this loop collects every child, the daemon's orphans too.
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			fmt.Fprintf(os.Stderr, "wait for the lab's daemon: %v\n", err)
			return 1
		case pid == cmd.Process.Pid:
			return status.ExitStatus()
		}
	}
}
