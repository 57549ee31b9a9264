package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestVersion measures the program that users get: stripped, as make build makes it.
func TestVersion(t *testing.T) {
	binary := t.TempDir() + "/causeway"
	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w -X main.version=v1.2.3", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(binary)
	if err != nil {
		t.Fatal(err)
	}
	took, memory := fastest(t, binary), peak(t, binary)
	t.Logf("stripped binary %.1f MB; causeway version: %s, %.1f MB", mb(info.Size()), took.Round(100*time.Microsecond), mb(memory))
	if info.Size() >= 70<<20 {
		t.Errorf("the binary has %.1f MB, 70 are allowed", mb(info.Size()))
	}
	if took >= 30*time.Millisecond || memory >= 60<<20 {
		t.Errorf("causeway version takes %s and %.1f MB, 30ms and 60 MB are allowed", took, mb(memory))
	}
	var out bytes.Buffer
	version := exec.CommandContext(t.Context(), binary, "version")
	version.Stdout = &out
	if err := version.Run(); err != nil || !strings.HasPrefix(out.String(), "causeway v1.2.3 (go1.") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func mb(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// fastest is the processors' time of the best of forty runs: what the program takes,
// without what other tests on the same processors take.
func fastest(t *testing.T, binary string) time.Duration {
	t.Helper()
	var times []time.Duration
	for range 40 {
		version := exec.CommandContext(t.Context(), binary, "version")
		if err := version.Run(); err != nil {
			t.Fatal(err)
		}
		times = append(times, version.ProcessState.UserTime()+version.ProcessState.SystemTime())
	}
	return slices.Min(times)
}

// peak is the most memory that the program ever had. It is read while the program
// cannot get rid of its answer, because the pipe is full: the kernel's own account
// of an ended child counts the memory of the parent that started it.
func peak(t *testing.T, binary string) int64 {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	size, _, failed := syscall.Syscall(syscall.SYS_FCNTL, w.Fd(), 1032 /* F_GETPIPE_SZ */, 0)
	if failed != 0 {
		t.Fatal(failed)
	}
	if _, err := w.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	version := exec.CommandContext(t.Context(), binary, "version")
	version.Stdout = w
	if err := version.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var most int64
	same := 0
	for deadline := time.Now().Add(20 * time.Second); same < 20 && time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if now := highWater(t, version.Process.Pid); now > most {
			most, same = now, 0
		} else {
			same++
		}
	}
	r.Close() // the answer has nobody to read it: the program ends
	_ = version.Wait()
	return most
}

// highWater is VmHWM of proc(5): the most that a process ever had in memory.
func highWater(t *testing.T, pid int) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatalf("no VmHWM of %d:\n%s", pid, text)
	return 0
}
