package kube

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"syscall"
)

// HolderName names a run in a Lease: who, on which machine, as which process.
func HolderName(user, host string, pid int) string {
	return fmt.Sprintf("%s@%s pid %d", user, host, pid)
}

// EndedHere knows of holders on this machine whether their process still runs: a
// run that was killed a moment ago must not keep its own repetition out for a
// minute. Of other machines' holders it knows nothing.
func EndedHere(host string) func(holder string) bool {
	return func(holder string) bool {
		who, rest, ok := strings.Cut(holder, " pid ")
		if !ok || !strings.HasSuffix(who, "@"+host) {
			return false
		}
		number, _, _ := strings.Cut(rest, " ")
		pid, err := strconv.Atoi(number)
		return err == nil && pid > 0 && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
	}
}
