package proc

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
)

// Ident names a process for good: a pid alone is given to another process
// once its owner has ended.
type Ident struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"` // clock ticks since boot, field 22 of /proc/PID/stat
}

// Identify reads the identity of a running process.
func Identify(pid int) (Ident, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Ident{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	state, start, err := parseStat(text)
	if err != nil {
		return Ident{}, fmt.Errorf("identify process %d: %w", pid, err)
	}
	if state == 'Z' {
		return Ident{}, fmt.Errorf("identify process %d: it has ended", pid)
	}
	return Ident{PID: pid, Start: start}, nil
}

// parseStat reads state and start time. The second field is the program's name
// in parentheses and may itself hold spaces and parentheses.
func parseStat(text []byte) (state byte, start uint64, err error) {
	end := bytes.LastIndexByte(text, ')')
	if end < 0 {
		return 0, 0, fmt.Errorf("no program name in stat")
	}
	fields := bytes.Fields(text[end+1:])
	if len(fields) < 20 {
		return 0, 0, fmt.Errorf("stat has %d fields after the name, 20 needed", len(fields))
	}
	start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	return fields[0][0], start, err
}

// Alive tells whether this very process still runs.
func (i Ident) Alive() bool {
	if i.PID <= 0 {
		return false
	}
	now, err := Identify(i.PID)
	return err == nil && now == i
}

// Signal sends a signal, to this very process or to nobody.
func (i Ident) Signal(sig syscall.Signal) error {
	if !i.Alive() {
		return os.ErrProcessDone
	}
	return syscall.Kill(i.PID, sig)
}
