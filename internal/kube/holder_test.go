package kube

import (
	"os"
	"os/exec"
	"testing"
)

func TestEndedHereKnowsOnlyThisMachinesProcesses(t *testing.T) {
	t.Parallel()
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	ended := EndedHere("bastion")
	for name, c := range map[string]struct {
		holder string
		want   bool
	}{
		"a process that runs":           {HolderName("net", "bastion", os.Getpid()) + " (a1b2c3)", false},
		"one that ended":                {HolderName("net", "bastion", gone.Process.Pid) + " (a1b2c3)", true},
		"one that ended, unmarked":      {HolderName("net", "bastion", gone.Process.Pid), true},
		"one of another machine":        {HolderName("net", "laptop", gone.Process.Pid), false},
		"a name that only ends like it": {HolderName("net", "other-bastion", gone.Process.Pid), false},
		"another tool's name":           {"kube-scheduler_5f3a", false},
		"no number":                     {"net@bastion pid x", false},
		"every process":                 {"net@bastion pid 0", false},
		"nobody":                        {"", false},
	} {
		if got := ended(c.holder); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
