package kubetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// instance is a server that all tests of a binary share.
type instance struct {
	once   sync.Once
	server *Server
	err    error
}

func (i *instance) start(t testing.TB) *Server {
	t.Helper()
	i.once.Do(func() {
		i.server, i.err = StartServer(context.Background(), Options{})
	})
	if i.err != nil {
		t.Fatalf("start a Kubernetes API: %v", i.err)
	}
	return i.server
}

// shared are the servers of a test binary, most have only the first. It is the
// package's only state, because `go test` gives a binary no other place that all
// its tests see.
var shared struct {
	instance
	second instance
	count  atomic.Int64
}

// StartMain runs the tests of a binary and stops its servers, when any was started:
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.StartMain(m)) }
func StartMain(m *testing.M) int {
	code := m.Run()
	for _, server := range []*Server{shared.server, shared.second.server} {
		if server == nil {
			continue
		}
		if err := server.Stop(); err != nil && code == 0 {
			_, _ = fmt.Fprintln(os.Stderr, "stop kube-apiserver:", err)
			code = 1
		}
	}
	return code
}

// Start returns the binary's server and starts it at the first call. The binary
// needs StartMain in its TestMain; without it the kernel kills the processes
// when the binary ends, and the next start removes their directory.
func Start(t testing.TB) *Server {
	t.Helper()
	return shared.start(t)
}

// StartSecond returns the binary's second server, which stands for another
// cluster: it shares nothing with the first. It costs as much as the first, some
// five seconds, so only tests of what goes on between clusters want it.
func StartSecond(t testing.TB) *Server {
	t.Helper()
	return shared.second.start(t)
}

// Namespace makes a fresh namespace and deletes it when the test ends (it is gone
// only where Workloads run, as in a cluster without a controller manager).
func (s *Server) Namespace(t testing.TB) string {
	t.Helper()
	client, err := dynamic.NewForConfig(s.Config)
	if err != nil {
		t.Fatalf("make client: %v", err)
	}
	name := fmt.Sprintf("test-%d", shared.count.Add(1))
	namespaces := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: "namespaces"})
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": name}}}
	if _, err := namespaces.Create(context.Background(), object, metav1.CreateOptions{}); err != nil {
		t.Fatalf("make namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = namespaces.Delete(context.Background(), name, metav1.DeleteOptions{}) // the test may have deleted it
	})
	return name
}

const tempPrefix = "causeway-kubetest-"

// newTempDir makes a directory that names its owner's pid, and removes those
// whose owner was killed before it could.
func newTempDir() (string, error) {
	base := os.TempDir()
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() && syscall.Access("/dev/shm", 2) == nil {
		base = "/dev/shm" // etcd's writes cost no disk
	}
	old, _ := filepath.Glob(filepath.Join(base, tempPrefix+"*"))
	for _, dir := range old {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), tempPrefix), "-")
		if n, err := strconv.Atoi(pid); err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
	dir, err := os.MkdirTemp(base, tempPrefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return "", fmt.Errorf("make directory: %w", err)
	}
	return dir, nil
}
