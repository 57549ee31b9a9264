package pods

import (
	"crypto/tls"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"

	"causeway/lab/pki"
)

// api is the part of an API server that the runner asks: one Pod, its Secret, and what
// was written.
type api struct {
	mu     sync.Mutex
	pod    map[string]any // nil: gone
	phases []string
	exit   float64
	bound  string
	gone   bool
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var body map[string]any
	_ = json.NewDecoder(r.Body).Decode(&body) // a read has none
	const at = "/api/v1/namespaces/fleet/pods/probe-1"
	switch r.Method + " " + r.URL.Path {
	case "GET /api/v1/pods":
		items := []any{map[string]any{"metadata": map[string]any{"uid": "other"}, "spec": map[string]any{"schedulerName": "theirs"}, "status": map[string]any{"phase": "Pending"}}}
		if a.pod != nil {
			items = append(items, a.pod)
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"items": items})
	case "GET /api/v1/namespaces/fleet/secrets/held":
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"verify.sh": base64.StdEncoding.EncodeToString([]byte("echo begins; cat \"$1\"; sleep ${2:-0}; exit 5\n")),
			"kubeconfig": base64.StdEncoding.EncodeToString([]byte("a kubeconfig\n"))}})
	case "POST " + at + "/binding":
		a.bound = fmt.Sprint(body["target"].(map[string]any)["name"])
	case "PATCH " + at + "/status":
		status := body["status"].(map[string]any)
		a.phases = append(a.phases, fmt.Sprint(status["phase"]))
		a.pod["status"] = status
		state := status["containerStatuses"].([]any)[0].(map[string]any)["state"].(map[string]any)
		if ended, ok := state["terminated"].(map[string]any); ok {
			a.exit = ended["exitCode"].(float64)
		}
	case "DELETE " + at:
		a.pod, a.gone = nil, true
	default:
		http.NotFound(w, r)
	}
}

func (a *api) look(see func() bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return see()
}

func probe(args ...string) map[string]any {
	command := []any{"/bin/sh", "/causeway/verify.sh", "/causeway/kubeconfig"}
	for _, arg := range args {
		command = append(command, arg)
	}
	return map[string]any{
		"metadata": map[string]any{"namespace": "fleet", "name": "probe-1", "uid": "1"}, "status": map[string]any{"phase": "Pending"},
		"spec": map[string]any{"schedulerName": "default-scheduler",
			"containers": []any{map[string]any{"name": "verify", "image": "nginx:1", "command": command,
				"volumeMounts": []any{map[string]any{"name": "files", "mountPath": "/causeway"}}}},
			"volumes": []any{map[string]any{"name": "files", "secret": map[string]any{"secretName": "held"}}}},
	}
}

// start runs a runner over an API server with one Pod, and gives the kubelet's address.
func start(t *testing.T, a *api) (kubelet string) {
	t.Helper()
	authority, err := pki.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.Issue("kubelet", pkix.Name{CommonName: "node-1"}, []string{"node-1"}, nil); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(authority.Path("kubelet.crt"), authority.Path("kubelet.key"))
	if err != nil {
		t.Fatal(err)
	}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	front, logs := listen(), listen()
	server := &http.Server{Handler: a, ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(front) }()
	t.Cleanup(func() { server.Close() })
	dir := t.TempDir()
	r, err := Start(Options{Config: &rest.Config{Host: "http://" + front.Addr().String()}, Node: "node-1", Listener: logs, Certificate: pair, Dir: dir,
		Note: func(text string) { t.Error(text) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Stop()
		left, err := filepath.Glob(filepath.Join(dir, "*", "*", "kubeconfig"))
		if a.gone && (err != nil || len(left) > 0) {
			t.Errorf("the Pod's files are left: %v %v", left, err)
		}
	})
	return logs.Addr().String()
}

func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 10 s still not: %s", what)
		}
	}
}

func readLog(t *testing.T, kubelet string) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // as kube-apiserver does in the lab
	resp, err := client.Get("https://" + kubelet + "/containerLogs/fleet/probe-1/verify")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestAPodRunsToItsEnd(t *testing.T) {
	a := &api{pod: probe()}
	kubelet := start(t, a)
	until(t, "the Pod has ended", func() bool { return a.look(func() bool { return len(a.phases) == 2 }) })
	if diff := cmp.Diff([]string{"Running", "Failed"}, a.phases); diff != "" || a.exit != 5 || a.bound != "node-1" {
		t.Errorf("%s exit %v, bound to %q", diff, a.exit, a.bound)
	}
	if got := readLog(t, kubelet); got != "begins\na kubeconfig\n" {
		t.Errorf("the log is %q", got)
	}
	a.look(func() bool {
		a.pod["metadata"].(map[string]any)["deletionTimestamp"] = "2026-01-01T00:00:00Z"
		return true
	})
	until(t, "the Pod is gone", func() bool { return a.look(func() bool { return a.gone }) })
}

func TestADeletedPodEndsAtOnce(t *testing.T) {
	a := &api{pod: probe("3600")}
	kubelet := start(t, a)
	until(t, "the Pod runs", func() bool {
		return a.look(func() bool { return len(a.phases) == 1 }) && strings.Contains(readLog(t, kubelet), "a kubeconfig")
	})
	a.look(func() bool {
		a.pod["metadata"].(map[string]any)["deletionTimestamp"] = "2026-01-01T00:00:00Z"
		return true
	})
	until(t, "the Pod is gone", func() bool { return a.look(func() bool { return a.gone }) })
}

func TestFilesOfTheContainerLieElsewhere(t *testing.T) {
	var p pod
	text, err := json.Marshal(probe("--tmp", "/tmp/x", "/causewayed"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	args, tmp := p.command("/run/1")
	if diff := cmp.Diff([]string{"/bin/sh", "/run/1/files/verify.sh", "/run/1/files/kubeconfig", "--tmp", "/tmp/x", "/causewayed"}, args); diff != "" || tmp != "/run/1" {
		t.Errorf("%s%s", diff, tmp)
	}
}
