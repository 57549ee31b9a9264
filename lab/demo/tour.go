package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"causeway/lab/daemon"
	"causeway/lab/flow"
	"causeway/lab/site"
	"causeway/lab/topology"
)

// tour is the main job in the whole lab.
type tour struct {
	stage

	operator site.Session
	far      site.Session // with the first kubeconfig
	consumer site.Session // in a network of its own
	before   site.Picture
	port     []string // flags for a port that is not the usual one
	flow     *flow.Flow

	alice      site.Session // somebody of the far side with a Google identity
	pod        site.Session // in the fleet's other cluster
	clusterset string       // the name that it calls
}

// Exposures of the tour: the first bears the cluster's name, as by default.
const (
	namePass = "pass"
	nameMTLS = "mtls"
)

// mainJob is the demo's one act without --route.
func (d Demo) mainJob() act {
	return act{
		title: "The lab: a private cluster, the networks around it, another of its fleet, Google's APIs", line: topology.LineFleet, introduce: d.introduce,
		tour:  func(on stage) tourist { return &tour{stage: on} },
		after: "\nThe routed way (VPN, BGP and the peerings, with packets that follow them): make demo-route\n",
	}
}

func (d Demo) introduce(state daemon.State) {
	fmt.Fprintf(d.Out, `
# The operator works on a machine of the cluster's VPC, with a Google access token and
# no kubeconfig. The far side (%s, from %s) has a route to the VPC's subnet %s,
# and none to the control plane %s. What follows is run in their network namespaces
# (%s, %s). Google's APIs are the emulator:
`, topology.FarHost, topology.FarCIDR, topology.SubnetCIDR, topology.MasterIP, topology.VPC, topology.Far)
	d.environment(state)
}

// environment shows what points the operator's tools at the emulator.
func (d Demo) environment(state daemon.State) {
	for _, v := range state.Env {
		if v.Name != "KUBECONFIG" {
			fmt.Fprintf(d.Out, "#   %s=%s\n", v.Name, v.Value)
		}
	}
}

func (t *tour) run(ctx context.Context) error {
	who, err := t.s.Operator("main")
	if err != nil {
		return err
	}
	t.operator = t.s.Session(who, t.out)
	defer func() {
		if t.flow != nil {
			t.flow.Stop()
		}
	}()
	return t.parts(ctx, slices.Concat([]part{
		{"What the cluster is and runs before", t.prepare},
		{"Which of the six methods can work: causeway detect", t.detect},
		{"The plan: only reads", t.plan},
		{"The apply", t.apply},
		{"The far side: the probe, with nothing but the kubeconfig", t.probe},
		{"The far side: kubectl", t.verbs},
		{"The far side without causeway: verify.sh, curl and openssl", t.script},
		{"Who is kept out", t.keptOut},
		{"A second apply changes nothing", t.again},
		{"Status, and the certificate is rotated while requests flow", t.rotate},
		{"Meanwhile, mode passthrough: TLS ends at the API server", t.passthrough},
		{"Meanwhile, client certificates: --client-auth mtls", t.mtls},
		{"Meanwhile, another organisation: Private Service Connect, the producer's half", t.publish},
		{"The customer's half, in a network of the very same range", t.consume},
		{"The customer is turned away, and let in again", t.rejected},
		{"Who leaves first: the exposure beneath may not", t.unpublish},
		{"By name, without any line: the cluster's DNS endpoint", t.dns},
		{"What the requests felt of the rotation", t.felt},
	}, t.ofTheFleet(), []part{
		{"Destroy, and the proof that nothing is left", t.destroy},
	}))
}

// part is one part of a tour.
type part struct {
	title string
	do    func(context.Context) error
}

// parts does them one after the other, up to the first that fails.
func (s stage) parts(ctx context.Context, list []part) error {
	for _, one := range list {
		if err := s.report.part(one.title, func() error { return one.do(ctx) }); err != nil {
			return err
		}
	}
	return nil
}

// named are the arguments that name an exposure; the first needs no name.
func named(name string) []string {
	args := []string{"ilb", "--location", topology.Location, "--cluster", topology.Cluster}
	if name != "" {
		args = append(args, "--name", name)
	}
	return args
}

func (t *tour) applied(name string, more ...string) []string {
	args := append(named(name), "--client-cidr", topology.FarCIDR.String(), "--role", "cluster-admin", "--image", t.s.State.NginxImage)
	return append(append(args, t.port...), more...)
}

func command(verb string, args []string, more ...string) []string {
	return append(append([]string{"causeway"}, append(strings.Fields(verb), args...)...), more...)
}

func (t *tour) prepare(ctx context.Context) error {
	if err := t.s.OpenShop(ctx); err != nil {
		return err
	}
	provider := t.s.Session(t.s.Provider(), t.out)
	if _, err := provider.Do(ctx, "kubectl", "get", "pods", "--all-namespaces", "-o", "wide"); err != nil {
		return err
	}
	var err error
	if t.before, err = untouched(ctx, t.s); err != nil {
		return err
	}
	who, err := t.s.Far("nobody", nil)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n# the far side's way to the control plane: none\n")
	_, err = t.s.Session(who, t.out).DoWith(ctx, nil, curlNoRoute, "curl", "-sS", "--max-time", "2", "https://"+topology.MasterIP.String()+"/version")
	return err
}

const curlNoRoute = 7 // curl's exit code: man curl, EXIT CODES

func (t *tour) plan(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("plan", t.applied(""))...); err != nil {
		return err
	}
	after, err := t.s.Take(ctx)
	if err != nil {
		return err
	}
	return same("the plan changed something", t.before, after)
}

func same(what string, before, after site.Picture) error {
	if diff := before.Diff(after); len(diff) > 0 {
		return fmt.Errorf("%s:\n  %s", what, strings.Join(diff, "\n  "))
	}
	return nil
}

func (t *tour) apply(ctx context.Context) error {
	_, err := t.operator.Do(ctx, command("apply", t.applied(""), "--yes")...)
	return err
}

// carry takes a kubeconfig that apply wrote to an empty home of the far side.
func (t *tour) carry(name string) (site.Session, error) {
	file := "causeway-" + topology.Cluster + ".kubeconfig"
	if name != "" {
		file = "causeway-" + name + ".kubeconfig"
	}
	text, err := os.ReadFile(filepath.Join(t.operator.Who.Home, file))
	if err != nil {
		return site.Session{}, err
	}
	who, err := t.s.Far("demo"+name, text)
	fmt.Fprintf(t.out, "# %s was carried to an empty home of the far side, as ~/.kube/config\n", file)
	return t.s.Session(who, t.out), err
}

func (t *tour) kubeconfig() ([]byte, error) {
	return os.ReadFile(filepath.Join(t.far.Who.Home, ".kube", "config"))
}

func (t *tour) probe(ctx context.Context) (err error) {
	if t.far, err = t.carry(""); err != nil {
		return err
	}
	_, err = t.far.Do(ctx, "causeway", "verify", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web, "--large-body")
	return err
}

func (t *tour) verbs(ctx context.Context) error { return t.far.EveryVerb(ctx) }

func (t *tour) script(ctx context.Context) error {
	_, err := t.far.Do(ctx, "verify.sh", "--kubeconfig", ".kube/config", "--exec", site.Shop+"/"+site.Web, "--large-body")
	return err
}

func (t *tour) keptOut(ctx context.Context) error {
	text, err := t.kubeconfig()
	if err != nil {
		return err
	}
	u, err := site.Unpack(t.far.Who, text)
	if err != nil {
		return err
	}
	fmt.Fprintln(t.out, "# without the token: 401")
	if err := t.far.Anonymous(ctx, append(u.Curl, u.URL+"/api")...); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n# with the token, from %s, an address of the far side outside the client networks: nothing\n", topology.Stranger)
	return t.far.Stranger(ctx, append(u.Curl, "-H", "@"+u.Header, u.URL+"/api")...)
}

// again counts what a second apply asks, of Google and of the cluster. The probe
// from a pod is left out: it is not the apply, and shows up as such.
func (t *tour) again(ctx context.Context) error {
	if err := t.s.ResetGoogle(ctx); err != nil {
		return err
	}
	mark, err := t.s.Watermark()
	if err != nil {
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
	count, err := t.s.Count(ctx, mark)
	if err != nil {
		return err
	}
	fmt.Fprintf(t.out, "# %s\n", count)
	if count.Writes() > 0 || count.Requests() > site.SecondApplyBound {
		return fmt.Errorf("the second apply made %s; at most %d and no write are allowed", count, site.SecondApplyBound)
	}
	after, err := t.s.Take(ctx)
	if err != nil {
		return err
	}
	return same("the second apply changed something", before, after)
}

func (t *tour) rotate(ctx context.Context) error {
	if _, err := t.operator.Do(ctx, command("status", named(""), "--warn-days", "0")...); err != nil {
		return err
	}
	text, err := t.kubeconfig()
	if err != nil {
		return err
	}
	if t.flow, err = flow.Start(ctx, flow.Config{Kubeconfig: text, Dial: t.s.FarSpace().Dial, Workers: 8, Pause: 20 * time.Millisecond}); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "\n# from here on eight clients of the far side ask without a rest\n")
	_, err = t.operator.Do(ctx, command("certs rotate", named(""))...)
	return err
}

// felt waits until the pods with the old certificate are gone and judges.
func (t *tour) felt(ctx context.Context) error {
	if err := t.s.AwaitOnlyNewPods(ctx, "causeway-"+topology.Cluster, 90*time.Second); err != nil {
		return err
	}
	return judge(t.out, t)
}
