package kubetest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStopEndsBothProcessesWithinItsBound(t *testing.T) {
	server, err := StartServer(context.Background(), Options{StopTimeout: 4 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	api, etcd, began := server.api.cmd.Process.Pid, server.etcd.cmd.Process.Pid, time.Now()
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	t.Logf("stop took %s", time.Since(began))
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("stop took %s", took)
	}
	for _, pid := range []int{api, etcd} {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d still runs", pid)
		}
	}
	if _, err := os.Stat(server.Dir); !os.IsNotExist(err) {
		t.Errorf("directory %s stays: %v", server.Dir, err)
	}
}

func TestMissingBinariesNameTheTarget(t *testing.T) {
	_, err := StartServer(context.Background(), Options{BinDir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "make tools") {
		t.Fatalf("the error must name the make target: %v", err)
	}
}

func TestServerThatCannotStartShowsItsLog(t *testing.T) {
	_, err := StartServer(context.Background(), Options{ExtraArgs: []string{"--no-such-flag"}})
	if err == nil || !strings.Contains(err.Error(), "no-such-flag") {
		t.Fatalf("the error must carry what kube-apiserver wrote: %v", err)
	}
}

// A test binary that is killed must leave no process behind: the kernel kills
// its children. This binary runs itself as the one that is killed.
func TestKilledOwnerTakesItsProcessesAlong(t *testing.T) {
	if dir := os.Getenv("KUBETEST_CHILD"); dir != "" {
		p, err := startProcess("sleep", filepath.Join(dir, "log"), "/bin/sh", "-c", "echo $$ > "+dir+"/pid; exec sleep 60")
		if err != nil {
			t.Fatal(err)
		}
		<-p.done
		return
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledOwnerTakesItsProcessesAlong$")
	child.Env = append(os.Environ(), "KUBETEST_CHILD="+dir)
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := ""
	for deadline := time.Now().Add(10 * time.Second); pid == ""; time.Sleep(5 * time.Millisecond) {
		text, _ := os.ReadFile(filepath.Join(dir, "pid"))
		if pid = strings.TrimSpace(string(text)); time.Now().After(deadline) {
			t.Fatal("the grandchild never started")
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("process %s outlives its owner", pid)
		}
	}
}
