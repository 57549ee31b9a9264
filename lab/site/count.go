package site

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"causeway/lab/daemon"
)

// SecondApplyBound is how many requests a second apply may make, of Google and
// of the cluster together, and none of them a write.
const SecondApplyBound = 30

// Count is what the operator asked, of Google and of the cluster. What the probe
// from a pod takes stands apart: it is a check, not the apply.
type Count struct {
	GoogleReads, GoogleWrites int
	KubeReads, KubeWrites     int
	ProbeReads, ProbeWrites   int
	Written                   []string
}

// Requests is how many there were without the probe's.
func (c Count) Requests() int { return c.GoogleReads + c.GoogleWrites + c.KubeReads + c.KubeWrites }

// Writes is how many of them were made to change something.
func (c Count) Writes() int { return c.GoogleWrites + c.KubeWrites }

func (c Count) String() string {
	text := fmt.Sprintf("%d requests: %d reads and %d writes to Google, %d reads and %d writes to the cluster", c.Requests(), c.GoogleReads, c.GoogleWrites, c.KubeReads, c.KubeWrites)
	if c.ProbeReads+c.ProbeWrites > 0 {
		text += fmt.Sprintf(" (beside them, for the probe's pod: %d reads, %d writes)", c.ProbeReads, c.ProbeWrites)
	}
	if len(c.Written) > 0 {
		text += "; written: " + strings.Join(c.Written, ", ")
	}
	return text
}

// Count counts since the watermark, and since the last ResetGoogle.
func (s *Site) Count(ctx context.Context, since int64) (Count, error) {
	google, err := s.Google(ctx)
	if err != nil {
		return Count{}, err
	}
	calls, err := s.Calls(since, daemon.Owner)
	if err != nil {
		return Count{}, err
	}
	c := Count{GoogleReads: google.Reads, GoogleWrites: google.Writes}
	for _, call := range calls {
		switch probe := strings.Contains(call.URI, "/causeway-probe") || strings.Contains(call.URI, "/pods"); {
		case probe && call.Write():
			c.ProbeWrites++
		case probe:
			c.ProbeReads++
		case call.Write():
			c.KubeWrites++
			c.Written = append(c.Written, call.Verb+" "+call.URI)
		default:
			c.KubeReads++
		}
	}
	return c, nil
}

// KubeconfigOf reads the kubeconfig in a person's home.
func KubeconfigOf(w Who) ([]byte, error) {
	return os.ReadFile(filepath.Join(w.Home, ".kube", "config"))
}

// NoCertificate asks without a client certificate where one is demanded: nothing
// of the API server may come back, neither data nor its 401.
func (n Session) NoCertificate(ctx context.Context, curl ...string) error {
	args := append([]string{"curl", "-sS", "--max-time", "10", "-w", `%{http_code}\n`}, curl...)
	n.prompt(nil, args)
	r := n.RunTo(ctx, n.Who, n.Out, "", args...)
	switch {
	case r.Err != nil:
		return fmt.Errorf("%s: %w", r.Line, r.Err)
	case strings.Contains(r.Stdout, "apiVersion") || strings.Contains(r.Stdout, "kind"):
		return fmt.Errorf("%s: the API server answered:\n%s", r.Line, r.Stdout)
	case strings.HasSuffix(strings.TrimSpace(r.Stdout), "000"), strings.HasSuffix(strings.TrimSpace(r.Stdout), "400"):
		return nil // the handshake was refused, or nginx's own "No required SSL certificate was sent"
	}
	return fmt.Errorf("%s: answered %q", r.Line, r.Stdout)
}

// AwaitOnlyNewPods waits until no pod of a namespace is ending any more.
func (s *Site) AwaitOnlyNewPods(ctx context.Context, namespace string, bound time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		r := s.Run(ctx, s.Provider(), "kubectl", "-n", namespace, "get", "pods", "-o", `jsonpath={range .items[*]}{.metadata.deletionTimestamp} {end}`)
		if r.Code == 0 && strings.TrimSpace(r.Stdout) == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("wait for the earlier pods in %s to end: not within %s", namespace, bound), r.Want(0))
		case <-tick.C:
		}
	}
}
