package exposer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"causeway/probe"
)

// Places to probe from.
const (
	FromAuto    = "auto"    // here, or from the cluster when this machine has no way to the address
	FromLocal   = "local"   // this machine
	FromCluster = "cluster" // a pod: beside the proxy, or in another cluster that the way leads to
)

// reachWait is how long auto waits for a TCP connection before it takes it that
// this machine has no way: three SYNs (1 s and 2 s apart) went unanswered.
const reachWait = 3500 * time.Millisecond

// errNoWayFromHere is a probe that could be made on the far side only: this
// machine has no way to the address, and a pod in the cluster would prove nothing
// of the method's way.
var errNoWayFromHere = errors.New("this machine has no way to the address")

// noPodsHere is for methods whose way no pod of the cluster would pass.
const noPodsHere = "a pod there would not pass the way that this method opens; probe from the far side"

const noPacketSent = "this machine has no way to the address, so no packet was sent: prove the way on the far side with causeway verify"

// Verify probes the way with exactly the kubeconfig's bytes. The report is whole
// also when a hop failed; the error is then a *probe.Error that names the hop.
func (j Job) Verify(ctx context.Context, exposure Exposure, made Made) (probe.Report, error) {
	if j.From == FromCluster {
		pods, why, err := probePods(ctx, exposure)
		if err == nil && len(pods) == 0 {
			err = errors.New("probe from the cluster: " + why)
		}
		if err != nil {
			return probe.Report{}, err
		}
		return j.verifyInPods(ctx, exposure, pods, made)
	}
	if j.auto() && exposure != nil && !j.reaches(ctx, exposure) {
		pods, _, err := probePods(ctx, exposure)
		if err != nil {
			return probe.Report{}, err
		}
		if len(pods) == 0 {
			return probe.Report{}, errNoWayFromHere
		}
		usual := "a private one: that is usual"
		if pods[0].Cluster != "" {
			usual = "other clusters alone have one: that is usual"
		}
		j.Story(fmt.Sprintf("this machine has no way to the address (%s); probing from %s", usual, places(pods)))
		return j.verifyInPods(ctx, exposure, pods, made)
	}
	if j.Hop != nil {
		j.Story("probing from this machine")
	}
	return probe.Run(ctx, probe.Target{Kubeconfig: made.Bytes, Context: made.Context}, j.Probe, j.Hop)
}

// VerifyStanding probes an exposure that stands, with the kubeconfig that apply
// wrote when it is here and good, and with a new one in memory otherwise.
//
// Where the cloud can tell of the way, its trace comes first; an error then
// joins what both found.
func (j Job) VerifyStanding(ctx context.Context, spec Spec) (*Trace, probe.Report, error) {
	exposure, _, err := j.Standing(ctx, spec)
	if err != nil {
		return nil, probe.Report{}, err
	}
	if _, err := MakePlan(ctx, exposure.Steps()); err != nil {
		return nil, probe.Report{}, err
	}
	trace, broken := j.trace(ctx, exposure)
	if broken != nil && trace == nil {
		return nil, probe.Report{}, broken
	}
	if missing, _ := half(exposure); missing != "" {
		j.Story(missing)
		return trace, probe.Report{}, broken
	}
	endpoint, err := exposure.Endpoint(ctx)
	if err != nil {
		return trace, probe.Report{}, join(broken, err)
	}
	made, err := j.Kubeconfig(ctx, exposure, endpoint, false)
	if err != nil {
		return trace, probe.Report{}, join(broken, err)
	}
	report, err := j.Verify(ctx, exposure, made)
	switch {
	case errors.Is(err, errNoWayFromHere):
		err = nil
		if broken == nil { // else the trace says why there is none
			j.Story(noPacketSent)
		}
	case MissingRight(err) && j.unproven(err) != "":
		j.Story(j.unproven(err))
		err = nil
	}
	return trace, report, join(broken, err)
}

// unproven says what a probe leaves open that was to be made from another cluster,
// because this machine has no way, and whose pod did not run; "" for any other error.
func (j Job) unproven(err error) string {
	var pod *PodError
	if !j.auto() || !errors.As(err, &pod) {
		return ""
	}
	text := "the probe's pod did not run in cluster " + pod.Cluster
	if code := codeOf(err); code != "" {
		text += " (" + code + ")"
	}
	return text + ": nothing is known against the way, but it is not proven; prove it by hand, with causeway verify --kubeconfig in a Pod there"
}

func (j Job) auto() bool { return j.From == FromAuto || j.From == "" }

// probePods are the places where the script can run for an exposure; none: why says
// what keeps from it.
func probePods(ctx context.Context, exposure Exposure) (pods []ProbePod, why string, err error) {
	in, ok := exposure.(InCluster)
	if !ok || exposure.Cluster() == nil {
		return nil, noPodsHere, nil
	}
	return in.ProbePods(ctx)
}

// places names them in a sentence.
func places(pods []ProbePod) string {
	var all []string
	for _, pod := range pods {
		all = append(all, pod.where())
	}
	return strings.Join(all, ", then from ")
}

// reaches tries one TCP connection to the endpoint.
func (j Job) reaches(ctx context.Context, exposure Exposure) bool {
	endpoint, err := exposure.Endpoint(ctx)
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, reachWait)
	defer cancel()
	dial := j.Deps.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	conn, err := dial(ctx, "tcp", endpoint.HostPort())
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// verifyInPods runs verify.sh in a pod of each place, one after the other, and gives
// the first report in which a hop failed, else the first of all. Where auto chose the
// places, one whose pod does not run counts when no other one's does.
func (j Job) verifyInPods(ctx context.Context, exposure Exposure, pods []ProbePod, made Made) (probe.Report, error) {
	if exposure.Spec().Access.Token == TokenRenewing {
		// The script knows no exec plugins, and a pod has no causeway.
		var err error
		if made, err = static(made); err != nil {
			return probe.Report{}, err
		}
	}
	var reports []probe.Report
	var unrun error
	for _, pod := range pods {
		report, err := j.verifyInPod(ctx, pod, made)
		switch {
		case err != nil && ctx.Err() == nil && j.unproven(err) != "":
			if unrun == nil {
				unrun = err
			}
			continue
		case err != nil:
			return report, err
		case len(reports) > 0:
			j.Story(fmt.Sprintf("the probe from %s passed too", pod.where()))
		}
		reports = append(reports, report)
	}
	if len(reports) == 0 {
		return probe.Report{}, unrun
	}
	if unrun != nil {
		j.Story(j.unproven(unrun))
	}
	return reports[0], nil
}

// verifyInPod runs verify.sh in one place and reads its report.
func (j Job) verifyInPod(ctx context.Context, pod ProbePod, made Made) (probe.Report, error) {
	log, err := j.runScript(ctx, pod, made)
	if err != nil {
		return probe.Report{}, pod.failed(err)
	}
	report, err := probe.ParseScript(log)
	if err != nil {
		return report, pod.failed(err)
	}
	report.From = pod.from()
	for _, result := range report.Results {
		if j.Hop != nil {
			j.Hop(result)
		}
	}
	return report, report.Err()
}

// runScript runs the script as a step that people see: a pod needs its time.
func (j Job) runScript(ctx context.Context, pod ProbePod, made Made) ([]byte, error) {
	id := strings.TrimSuffix("probe/"+pod.Cluster, "/")
	begin := j.Deps.Now()
	j.Progress.Start(id, "probe from "+pod.where())
	log, err := pod.run(ctx, j.Script, made, func(text string) { j.Progress.Note(id, text) })
	if err != nil {
		j.Progress.Fail(id, err)
		return nil, err
	}
	j.Progress.Done(id, j.Deps.Now().Sub(begin), "")
	return log, nil
}

// static is the same kubeconfig with the plugin's token in it, for the probe: a
// token of its own would prove nothing about the one that the file has.
func static(made Made) (Made, error) {
	var file map[string]any
	if err := yaml.Unmarshal(made.Bytes, &file); err != nil {
		return Made{}, fmt.Errorf("read kubeconfig: %w", err)
	}
	users, _, _ := unstructured.NestedSlice(file, "users")
	for _, each := range users {
		user, _ := each.(map[string]any)
		env, _, _ := unstructured.NestedSlice(user, "user", "exec", "env")
		for _, one := range env {
			if pair, _ := one.(map[string]any); pair["name"] == TokenVariable {
				entry := user["user"].(map[string]any)
				delete(entry, "exec")
				entry["token"] = pair["value"]
			}
		}
	}
	file["users"] = users
	text, err := yaml.Marshal(file)
	if err != nil {
		return Made{}, fmt.Errorf("write kubeconfig: %w", err)
	}
	made.Bytes = text
	return made, nil
}

// InCluster is an exposure whose way can be probed from a pod.
type InCluster interface {
	// ProbePods are the places where the far side's script can run as things stand, and
	// would pass the way; none: why says what keeps from it, in a sentence without an end.
	ProbePods(ctx context.Context) (pods []ProbePod, why string, err error)
}
