package exposer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"causeway/probe"
)

// Places to probe from.
const (
	FromAuto    = "auto"    // here, or from the cluster when this machine has no way to the address
	FromLocal   = "local"   // this machine
	FromCluster = "cluster" // a pod beside the proxy
)

// reachWait is how long auto waits for a TCP connection before it takes it that
// this machine has no way: three SYNs (1 s and 2 s apart) went unanswered.
const reachWait = 3500 * time.Millisecond

// errNoWayFromHere is a probe that could be made on the far side only: this
// machine has no way to the address, and a pod in the cluster would prove nothing
// of the method's way.
var errNoWayFromHere = errors.New("this machine has no way to the address")

const noPacketSent = "this machine has no way to the address, so no packet was sent: prove the way on the far side with causeway verify"

// Verify probes the way with exactly the kubeconfig's bytes. The report is whole
// also when a hop failed; the error is then a *probe.Error that names the hop.
func (j Job) Verify(ctx context.Context, exposure Exposure, made Made) (probe.Report, error) {
	from := j.From
	if from == FromAuto || from == "" {
		from = FromLocal
		if exposure != nil && !j.reaches(ctx, exposure) {
			if _, ok := exposure.(InCluster); !ok || exposure.Cluster() == nil {
				return probe.Report{}, errNoWayFromHere
			}
			from = FromCluster
			j.Story("this machine has no way to the address (a private one: that is usual); probing from a pod in the cluster")
		}
	}
	if from == FromCluster {
		return j.verifyInCluster(ctx, exposure, made)
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
	if errors.Is(err, errNoWayFromHere) {
		err = nil
		if broken == nil { // else the trace says why there is none
			j.Story(noPacketSent)
		}
	}
	return trace, report, join(broken, err)
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

// verifyInCluster runs verify.sh in a pod beside the proxy and reads its report.
func (j Job) verifyInCluster(ctx context.Context, exposure Exposure, made Made) (probe.Report, error) {
	pod, ok := exposure.(InCluster)
	if !ok {
		return probe.Report{}, errors.New("probe from the cluster: a pod there would not pass the way that this method opens; probe from the far side")
	}
	if exposure.Spec().Access.Token == TokenRenewing {
		// The script knows no exec plugins, and a pod has no causeway.
		var err error
		if made, err = static(made); err != nil {
			return probe.Report{}, err
		}
	}
	log, err := j.runScript(ctx, pod, made)
	if err != nil {
		return probe.Report{}, err
	}
	report, err := probe.ParseScript(log)
	if err != nil {
		return report, err
	}
	report.From = FromCluster
	for _, result := range report.Results {
		if j.Hop != nil {
			j.Hop(result)
		}
	}
	return report, report.Err()
}

// runScript runs the script as a step that people see: a pod needs its time.
func (j Job) runScript(ctx context.Context, pod InCluster, made Made) ([]byte, error) {
	const id = "probe"
	begin := j.Deps.Now()
	j.Progress.Start(id, "probe from a pod in the cluster")
	log, err := pod.RunScript(ctx, j.Script, made, func(text string) { j.Progress.Note(id, text) })
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

// InCluster is an exposure that can run the far side's script in the cluster.
type InCluster interface {
	// RunScript runs script with the kubeconfig beside it and returns what it
	// printed. Nothing of the pod is left behind.
	RunScript(ctx context.Context, script []byte, made Made, note func(string)) ([]byte, error)
}
