package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"causeway/exposer"
	"causeway/internal/kubetest"
)

// handed is what a process that is to be killed needs of a world.
type handed struct {
	Spec     exposer.Spec
	Google   string
	Own      handedServer
	Clusters map[string]handedServer
}

// handedServer is a cluster's API server.
type handedServer struct {
	Host, Token string
	CA          []byte
}

func handServer(s *kubetest.Server) handedServer {
	if s == nil {
		return handedServer{}
	}
	return handedServer{Host: s.Config.Host, Token: s.Config.BearerToken, CA: s.CA}
}

func (h handedServer) server() *kubetest.Server {
	if h.Host == "" {
		return nil
	}
	return &kubetest.Server{CA: h.CA, Config: &rest.Config{Host: h.Host, BearerToken: h.Token, TLSClientConfig: rest.TLSClientConfig{CAData: h.CA}}}
}

func (w *World) handOver() error {
	h := handed{Spec: w.Spec, Google: w.Google.URL(), Own: handServer(w.Server), Clusters: map[string]handedServer{}}
	for at, server := range w.Clusters {
		h.Clusters[at] = handServer(server)
	}
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(w.Dir, "world.json"), text, 0o600)
}

// KilledApply is the test that the suite runs in a process of its own, to kill it:
//
//	func TestKilledApply(t *testing.T) { conformance.KilledApply(t, ilb.Method{}) }
//
// In an ordinary run it has nothing to do.
func KilledApply(t *testing.T, method exposer.Method, others ...exposer.Method) {
	dir := os.Getenv(worldTest)
	if dir == "" {
		return
	}
	text, err := os.ReadFile(filepath.Join(dir, "world.json"))
	if err != nil {
		t.Fatal(err)
	}
	var h handed
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	when, id, _ := strings.Cut(os.Getenv(killVariable), " ")
	w := &World{Spec: h.Spec, Dir: dir, Counter: &Counter{}, Progress: exposer.Quiet{}, Now: time.Now, clock: newClock(1), google: h.Google, Others: others,
		Server: h.Own.server(), Clusters: map[string]*kubetest.Server{}}
	for at, server := range h.Clusters {
		w.Clusters[at] = server.server()
	}
	_, err = w.Apply(context.Background(), faulty{method, id, when, killed})
	t.Fatal(fmt.Errorf("apply ended: %w", err))
}

// url is where the emulator answers.
func (w *World) url() string {
	if w.Google == nil {
		return w.google
	}
	return w.Google.URL()
}
