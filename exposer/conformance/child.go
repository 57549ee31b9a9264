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
	Spec   exposer.Spec
	Google string
	Host   string
	Token  string
	CA     []byte
}

func (w *World) handOver() error {
	text, err := json.Marshal(handed{Spec: w.Spec, Google: w.Google.URL(), Host: w.Server.Config.Host, Token: w.Server.Config.BearerToken, CA: w.Server.CA})
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
	w := &World{Spec: h.Spec, Dir: dir, Counter: &Counter{}, Progress: exposer.Quiet{}, Now: time.Now, speed: 1, began: time.Now(), google: h.Google, Others: others,
		Server: &kubetest.Server{CA: h.CA, Config: &rest.Config{Host: h.Host, BearerToken: h.Token, TLSClientConfig: rest.TLSClientConfig{CAData: h.CA}}}}
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
