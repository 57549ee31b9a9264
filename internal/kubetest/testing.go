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

// shared is the one server of a test binary. It is the package's only state,
// because `go test` gives a binary no other place that all its tests see.
var shared struct {
	once   sync.Once
	server *Server
	err    error
	count  atomic.Int64
}

// StartMain runs the tests of a binary and stops its server, when one was started:
//
//	func TestMain(m *testing.M) { os.Exit(kubetest.StartMain(m)) }
func StartMain(m *testing.M) int {
	code := m.Run()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Stop(); err != nil && code == 0 {
		_, _ = fmt.Fprintln(os.Stderr, "stop kube-apiserver:", err)
		return 1
	}
	return code
}

// Start returns the binary's server and starts it at the first call. The binary
// needs StartMain in its TestMain; without it the kernel kills the processes
// when the binary ends, and the next start removes their directory.
func Start(t testing.TB) *Server {
	t.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = StartServer(context.Background(), Options{})
	})
	if shared.err != nil {
		t.Fatalf("start a Kubernetes API: %v", shared.err)
	}
	return shared.server
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
