package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"causeway/lab/flow"
	"causeway/lab/site"
	"causeway/lab/small"
)

// small runs the same job where neither namespaces nor containers are allowed.
func (d Demo) small(ctx context.Context, r *report) (err error) {
	for _, name := range []string{"etcd", "kube-apiserver", "kubectl"} {
		if _, err := os.Stat(d.Place.Bin(name)); err != nil {
			return fmt.Errorf("find %s: run scripts/build-kubernetes.sh all: %w", name, err)
		}
	}
	dir, err := os.MkdirTemp("", "causeway-demo-")
	if err != nil {
		return fmt.Errorf("run the smaller form: %w", err)
	}
	defer os.RemoveAll(dir)
	t := &smallTour{tour: tour{stage: stage{demo: d, report: r, out: &indent{w: d.Out}}}}
	defer func() {
		if t.lab == nil {
			return
		}
		err = errors.Join(err, r.part("All of it ends", t.end))
		if err == nil {
			r.table()
		}
	}()
	return t.all(ctx, dir)
}

type smallTour struct {
	tour
	lab *small.Lab
}

func (t *smallTour) all(ctx context.Context, dir string) error {
	return t.parts(ctx, []part{
		{"The smaller lab: a real API server, Google's APIs, and nginx", func(ctx context.Context) error { return t.start(ctx, dir) }},
		{"The plan: only reads", t.plan},
		{"The apply", t.apply},
		{"The far side: the probe, with nothing but the kubeconfig", t.probe},
		{"The far side: kubectl", t.verbs},
		{"The far side without causeway: verify.sh, curl and openssl", t.script},
		{"Who is kept out", t.keptOut},
		{"A second apply changes nothing", t.again},
		{"Status, and the certificate is rotated while requests flow", t.rotate},
		{"Mode passthrough: TLS ends at the API server", t.passthrough},
		{"Client certificates: --client-auth mtls", t.mtls},
		{"What the requests felt of the rotation", t.felt},
		{"Destroy, and the proof that nothing is left", t.destroy},
	})
}

func (t *smallTour) start(ctx context.Context, dir string) error {
	fmt.Fprint(t.demo.Out, `
# Real: kube-apiserver and etcd, causeway, kubectl, and an nginx that runs the deployed
# configuration on the reserved address. Stood in for: Google, its load balancer, the
# node and its pods. All are on this machine's loopback addresses.
# Not shown here, for want of a node: exec over WebSocket and SPDY, logs, port-forward,
# cp; and, for want of networks, that addresses outside the client networks are kept out.
`)
	var err error
	t.lab, err = small.Start(ctx, small.Options{Place: t.demo.Place, Dir: dir, Getenv: t.demo.Getenv,
		Note: func(text string) { fmt.Fprintln(t.out, "#", text) }})
	if err != nil {
		return err
	}
	for _, v := range t.lab.State.Env {
		fmt.Fprintf(t.demo.Out, "#   %s=%s\n", v.Name, v.Value)
	}
	if t.s, err = site.OpenSmall(t.demo.Place, t.lab.State, t.demo.tools(), dir); err != nil {
		return err
	}
	who, err := t.s.Operator("main")
	if err != nil {
		return err
	}
	t.operator = t.s.Session(who, t.out)
	t.port = []string{"--port", fmt.Sprint(small.Port)}
	if t.before, err = t.s.Take(ctx); err != nil {
		return err
	}
	fmt.Fprintf(t.demo.Out, "# %d objects in the cluster\n", len(t.before.Cluster))
	return nil
}

func (t *smallTour) end() error {
	if t.flow != nil {
		t.flow.Stop()
	}
	return t.lab.Stop()
}

func (t *smallTour) probe(ctx context.Context) (err error) {
	if t.far, err = t.carry(""); err != nil {
		return err
	}
	_, err = t.far.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--large-body")
	return err
}

func (t *smallTour) verbs(ctx context.Context) error { return smallVerbs(ctx, t.far) }

// smallVerbs is what kubectl can do where no node is.
func smallVerbs(ctx context.Context, far site.Session) error {
	for _, args := range [][]string{
		{"kubectl", "get", "namespaces"}, {"kubectl", "get", "pods", "--all-namespaces"},
	} {
		if _, err := far.Do(ctx, args...); err != nil {
			return err
		}
	}
	return far.WatchConfigMaps(ctx)
}

func (t *smallTour) script(ctx context.Context) error {
	_, err := t.far.Do(ctx, "verify.sh", "--kubeconfig", ".kube/config", "--large-body")
	return err
}

func (t *smallTour) keptOut(ctx context.Context) error {
	text, err := t.kubeconfig()
	if err != nil {
		return err
	}
	u, err := site.Unpack(t.far.Who, text)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, "# without the token: 401")
	return t.far.Anonymous(ctx, append(u.Curl, u.URL+"/api")...)
}

// again is the whole tour's, without the cluster's audit log.
func (t *smallTour) again(ctx context.Context) error {
	if err := t.s.ResetGoogle(ctx); err != nil {
		return err
	}
	before, err := t.s.Take(ctx)
	if err != nil {
		return err
	}
	r, err := t.operator.Do(ctx, command("apply", t.applied(""), "--yes")...)
	if err != nil {
		return err
	}
	if !strings.Contains(r.Stdout, "nothing to change") {
		return errors.New("the second apply did not say that there is nothing to change")
	}
	google, err := t.s.Google(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "# to Google: %d reads, %d writes\n", google.Reads, google.Writes)
	if google.Writes > 0 {
		return fmt.Errorf("the second apply made %d writes to Google", google.Writes)
	}
	after, err := t.s.Take(ctx)
	if err != nil {
		return err
	}
	return same("the second apply changed something", before, after)
}

func (t *smallTour) rotate(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("status", named(""), "--warn-days", "0")...); err != nil {
		return err
	}
	text, err := t.kubeconfig()
	if err != nil {
		return err
	}
	if t.flow, err = flow.Start(ctx, flow.Config{Kubeconfig: text, Workers: 8, Pause: 20 * time.Millisecond}); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n# from here on eight clients ask without a rest\n")
	_, err = t.operator.Do(ctx, command("certs rotate", named(""))...)
	return err
}

func (t *smallTour) felt(context.Context) error { return judge(t.out, &t.tour) }

func (t *smallTour) passthrough(ctx context.Context) error {
	far, err := t.exposeAnd(ctx, namePass, "--mode", "passthrough")
	if err != nil {
		return err
	}
	return smallVerbs(ctx, far)
}

func (t *smallTour) mtls(ctx context.Context) error {
	far, err := t.exposeAnd(ctx, nameMTLS, "--client-auth", "mtls")
	if err != nil {
		return err
	}
	return t.withoutCertificate(ctx, far)
}

// exposeAnd makes one more exposure and probes it.
func (t *smallTour) exposeAnd(ctx context.Context, name string, flags ...string) (site.Session, error) {
	if _, err := t.operator.Do(ctx, command("apply", t.applied(name, flags...), "--yes")...); err != nil {
		return site.Session{}, err
	}
	far, err := t.carry(name)
	if err != nil {
		return far, err
	}
	_, err = far.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--large-body")
	return far, err
}

// judge ends the flow and looks at what came of it.
func judge(out io.Writer, t *tour) error {
	report := t.flow.Stop()
	t.flow = nil
	fmt.Fprintf(out, "# %s\n", report)
	if report.Failed > 0 || report.Requests == 0 {
		return fmt.Errorf("requests failed while the certificate was rotated: %s", strings.Join(report.Failures, "; "))
	}
	return nil
}
