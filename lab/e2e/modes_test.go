//go:build e2e

package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"causeway/lab/flow"
	"causeway/lab/site"
	"causeway/lab/topology"
)

func TestEveryVerbFromTheFarSideInEveryMode(t *testing.T) {
	for name, flags := range map[string][]string{
		"terminate":   nil,
		"passthrough": {"--mode", "passthrough"},
		"mtls":        {"--client-auth", "mtls"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, x := within(t), begin(t, name)
			x.apply(ctx, flags...)
			x.must(lab.Run(ctx, x.far.Who, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", "shop/web-0", "--large-body"), 0)
			x.must(lab.Run(ctx, x.far.Who, "verify.sh", "--kubeconfig", ".kube/config", "--exec", "shop/web-0", "--large-body"), 0)
			x.ok(x.far.EveryVerb(ctx))
			x.keepsOut(ctx)
			x.changesNothing(ctx, flags...)
			x.must(lab.Run(ctx, x.operator.Who, x.command("status", "--warn-days", "0")...), 0)
			// The machine itself, from outside: by the context of its kubeconfig.
			host := lab.Provider()
			got := x.must(lab.Run(ctx, host, x.command("verify", "--from", "cluster", "-o", "json")...), 0)
			if !strings.Contains(got.Stdout, `"from": "cluster"`) && !strings.Contains(got.Stdout, `"from":"cluster"`) {
				t.Errorf("verify --from cluster does not say where it probed from:\n%s", got.Stdout)
			}
		})
	}
}

// keepsOut tries the ways that must not work: failure 16, and 18 for mtls.
func (x *exposure) keepsOut(ctx context.Context) {
	x.t.Helper()
	u := x.unpack()
	x.ok(x.far.Anonymous(ctx, append(append(u.Curl, u.Client...), u.URL+"/api")...))
	withToken := append(append(u.Curl, u.Client...), "-H", "@"+u.Header, u.URL+"/api")
	x.ok(x.far.Stranger(ctx, withToken...))
	if len(u.Client) > 0 {
		x.ok(x.far.NoCertificate(ctx, append(u.Curl, "-H", "@"+u.Header, u.URL+"/api")...))
	}
	// The way itself is good: the same call from a client address is answered.
	r := x.must(lab.Run(ctx, x.far.Who, append([]string{"curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}"}, withToken...)...), 0)
	if r.Stdout != "200" {
		x.t.Errorf("with all credentials, from a client address: %s, want 200", r.Stdout)
	}
}

// changesNothing applies a second time: no write, at most 30 requests.
func (x *exposure) changesNothing(ctx context.Context, flags ...string) {
	x.t.Helper()
	before, err := lab.Take(ctx)
	x.ok(err)
	x.ok(lab.ResetGoogle(ctx))
	mark, err := lab.Watermark()
	x.ok(err)
	r := x.must(lab.Run(ctx, x.operator.Who, x.applying(flags...)...), 0)
	if !strings.Contains(r.Stdout, "nothing to change") {
		x.t.Errorf("a second apply does not say that nothing is to change:\n%s", r.Text())
	}
	count, err := lab.Count(ctx, mark)
	x.ok(err)
	if count.Writes() > 0 || count.Requests() > site.SecondApplyBound {
		x.t.Errorf("a second apply made %s", count)
	}
	after, err := lab.Take(ctx)
	x.ok(err)
	if diff := before.Diff(after); len(diff) > 0 {
		x.t.Errorf("a second apply changed: %s", strings.Join(diff, "; "))
	}
	x.t.Log(count)
}

// A stranger that gets nothing proves something only when the stranger's packets
// have a way: with its network among the client networks it gets an answer.
func TestAnAddressGetsInWhenTheClientNetworksHoldIt(t *testing.T) {
	t.Parallel()
	ctx, x := within(t), begin(t, "strangers")
	x.apply(ctx, "--client-cidr", topology.Stranger.String()+"/32")
	u := x.unpack()
	args := append([]string{"curl", "-sS", "--max-time", "10", "-o", "/dev/null", "-w", "%{http_code}", "--interface", topology.Stranger.String()}, u.Curl...)
	r := x.must(lab.Run(ctx, x.far.Who, append(args, "-H", "@"+u.Header, u.URL+"/api")...), 0)
	if r.Stdout != "200" {
		t.Errorf("the stranger got %s, want 200", r.Stdout)
	}
}

// Ten thousand requests while the certificate, then the CA are rotated, and then
// each pod is restarted; and a quiet watch (failure 23: others cut it at 90 s).
func TestRotationAndRestartsAreNotFelt(t *testing.T) {
	t.Parallel()
	ctx, x := within(t), begin(t, "steady")
	x.apply(ctx)
	idle, err := lab.Follow(ctx, x.far.Who, nil, "causeway", "verify", "--kubeconfig", ".kube/config", "--idle", "100s")
	x.ok(err)
	defer idle.Stop()
	f, err := flow.Start(ctx, flow.Config{Kubeconfig: x.text, Dial: lab.FarSpace().Dial, Workers: 8, Pause: 30 * time.Millisecond})
	x.ok(err)
	stopped := false
	defer func() {
		if !stopped {
			f.Stop()
		}
	}()
	x.must(lab.Run(ctx, x.operator.Who, x.command("certs rotate")...), 0)
	x.must(lab.Run(ctx, x.operator.Who, x.command("certs rotate", "--ca")...), 0)
	admin := lab.Provider()
	pods := x.must(lab.Run(ctx, admin, "kubectl", "-n", x.namespace(), "get", "pods", "-o", `jsonpath={range .items[?(@.status.phase=="Running")]}{.metadata.name}/{.metadata.deletionTimestamp} {end}`), 0)
	restarted := 0
	for _, field := range strings.Fields(pods.Stdout) {
		pod, ending, _ := strings.Cut(field, "/")
		if ending != "" {
			continue
		}
		x.must(lab.Run(ctx, admin, "kubectl", "-n", x.namespace(), "delete", "pod", pod, "--wait=false"), 0)
		x.must(lab.Run(ctx, admin, "kubectl", "-n", x.namespace(), "rollout", "status", "deployment/causeway-proxy", "--timeout=60s"), 0)
		restarted++
	}
	if restarted != 2 {
		t.Errorf("%d pods were restarted, want 2: %s", restarted, pods.Stdout)
	}
	// Until the last drained pod has closed its connections, and there were enough.
	for deadline := time.Now().Add(2 * time.Minute); f.Requests() < 10_000 || drainsWithin(ctx, x, 45*time.Second) != nil; {
		if time.Now().After(deadline) {
			t.Fatalf("only %d requests, or pods that do not end, after two minutes", f.Requests())
		}
	}
	report := f.Stop()
	stopped = true
	t.Log(report)
	if report.Failed > 0 {
		t.Errorf("requests failed: %s", strings.Join(report.Failures, "; "))
	}
	if strings.Join(report.Versions, " ") != "HTTP/1.1 HTTP/2.0" {
		t.Errorf("answered over %v, want both versions", report.Versions)
	}
	code, text, err := idle.Wait(ctx, 2*time.Minute)
	if err != nil || code != 0 {
		t.Errorf("a watch that was quiet for 100 s, its pod replaced meanwhile: exit %d (%v):%s", code, err, text)
	}
	// The kubeconfig from before the CA's rotation still works.
	x.must(lab.Run(ctx, x.far.Who, "kubectl", "get", "nodes"), 0)
}

// drainsWithin waits until each pod that ends has closed its clients' kept
// connections: 30 s after its end began nginx quits, and only watches hold it.
func drainsWithin(ctx context.Context, x *exposure, bound time.Duration) error {
	deadline := time.Now().Add(bound)
	for time.Now().Before(deadline) {
		r := lab.Run(ctx, lab.Provider(), "kubectl", "-n", x.namespace(), "get", "pods", "-o", `jsonpath={range .items[*]}{.metadata.deletionTimestamp} {end}`)
		ending := strings.Fields(r.Stdout)
		newest := time.Time{}
		for _, text := range ending {
			if at, err := time.Parse(time.RFC3339, text); err == nil && at.After(newest) {
				newest = at
			}
		}
		// deletionTimestamp is when the grace is over: 335 s after the end began.
		if r.Code == 0 && (len(ending) == 0 || time.Now().After(newest.Add(-335*time.Second+35*time.Second))) {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return context.DeadlineExceeded
}
