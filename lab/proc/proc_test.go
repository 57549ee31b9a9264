package proc

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	rest := " S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20"
	for name, c := range map[string]struct {
		text  string
		state byte
		start uint64
		fails bool
	}{
		"a plain name":                        {"12 (etcd)" + rest, 'S', 4711, false},
		"a name with spaces and parentheses":  {"12 (a) b (c))" + rest, 'S', 4711, false},
		"a process that has ended":            {"12 (x) Z" + rest[2:], 'Z', 4711, false},
		"a text that was cut off":             {"12 (x) S 1 2", 0, 0, true},
		"a text without the program's name":   {"12 S 1", 0, 0, true},
		"a start time that is not any number": {"12 (x)" + strings.Replace(rest, "4711", "soon", 1), 'S', 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			state, start, err := parseStat([]byte(c.text))
			if (err != nil) != c.fails {
				t.Fatalf("error %v, want one: %t", err, c.fails)
			}
			if err == nil && (state != c.state || start != c.start) {
				t.Errorf("got %c %d, want %c %d", state, start, c.state, c.start)
			}
		})
	}
}

func TestIdentIsOfThisVeryProcess(t *testing.T) {
	me, err := Identify(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if !me.Alive() {
		t.Error("this process is not alive")
	}
	other := me
	other.Start++
	if other.Alive() {
		t.Error("a process with the same pid and another start is taken for this one")
	}
	if err := other.Signal(syscall.SIGKILL); err != os.ErrProcessDone {
		t.Errorf("signal to another: %v", err)
	}
	child := exec.Command("true")
	if err := child.Run(); err != nil {
		t.Fatal(err)
	}
	if (Ident{PID: child.Process.Pid, Start: 1}).Alive() || (Ident{}).Alive() {
		t.Error("a process that has ended is alive")
	}
}

type notes struct {
	mu   sync.Mutex
	text []string
}

func (n *notes) add(s string) { n.mu.Lock(); defer n.mu.Unlock(); n.text = append(n.text, s) }

func start(t *testing.T, script string) (*Process, *notes) {
	t.Helper()
	n := &notes{}
	p, err := Start(Command{Name: "job", Path: "/bin/sh", Args: []string{"-c", script}, Log: filepath.Join(t.TempDir(), "log")}, n.add)
	if err != nil {
		t.Fatal(err)
	}
	return p, n
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !check() {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestAKilledProcessIsStartedAgain(t *testing.T) {
	p, n := start(t, "exec sleep 60")
	pid, _ := p.State()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "started again", func() bool { now, again := p.State(); return again == 1 && now != pid })
	p.Stop(5 * time.Second)
	if p.Err() != nil {
		t.Errorf("given up: %v", p.Err())
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.text) != 1 || !strings.Contains(n.text[0], "job ended (signal: killed)") {
		t.Errorf("notes: %q", n.text)
	}
}

func TestAProcessThatKeepsDyingIsGivenUpWithItsLastWords(t *testing.T) {
	p, _ := start(t, "echo no such flag; exit 3")
	eventually(t, "given up", func() bool { return p.Err() != nil })
	for _, want := range []string{"run job", "exit status 3", "no such flag"} {
		if !strings.Contains(p.Err().Error(), want) {
			t.Errorf("error %q lacks %q", p.Err(), want)
		}
	}
	p.Stop(time.Second) // returns at once
}

func TestStopKillsWhatDoesNotEnd(t *testing.T) {
	p, _ := start(t, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
	eventually(t, "the trap is set", func() bool { return p.Tail(1) == "ready" })
	began := time.Now()
	p.Stop(100 * time.Millisecond)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stop took %s", took)
	}
	if _, restarts := p.State(); restarts != 0 {
		t.Errorf("started again %d times after stop", restarts)
	}
}

func TestAMissingProgramIsAnErrorAtOnce(t *testing.T) {
	_, err := Start(Command{Name: "etcd", Path: "/does/not/exist", Log: filepath.Join(t.TempDir(), "log")}, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "start etcd") {
		t.Errorf("error %v", err)
	}
}
