package exposer

import (
	"context"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/internal/kube"
	"causeway/templates"
)

// ProbeName begins the names of the probe's pod and of the Secret that carries script
// and kubeconfig to it; in the exposure's own cluster it is the Secret's.
const ProbeName = "causeway-probe"

// probeBound bounds the pod: an image pull and twelve hops.
const probeBound = 5 * time.Minute

// ProbePod is a place where the far side's script can run: a pod that is as
// restricted as the proxy itself, of which nothing is left behind.
type ProbePod struct {
	Kube      *kube.Client
	Cluster   string // where that is another cluster than the exposure's own: its name
	Exposure  string
	Namespace string
	Image     string
	// Args are arguments of the script beside the kubeconfig's, found when it is to
	// run; nil: none.
	Args func(ctx context.Context) ([]string, error)
	// Await is a name that the pod waits for, at most awaitName, before the script
	// begins: one that was just made needs a moment to be known. "": it does not wait.
	Await string
}

// name is the Secret's. In another cluster exposures of its own may have their probes
// in the same namespace.
func (p ProbePod) name() string {
	if p.Cluster == "" {
		return ProbeName
	}
	return ProbeName + "-" + p.Exposure
}

// from names the place in a report.
func (p ProbePod) from() string {
	if p.Cluster == "" {
		return FromCluster
	}
	return FromCluster + " " + p.Cluster
}

// where names it in a sentence.
func (p ProbePod) where() string {
	if p.Cluster == "" {
		return "a pod in the cluster"
	}
	return "a pod in cluster " + p.Cluster
}

// PodError is a probe that was not made, because its pod did not run or said nothing
// of use: nothing is known of the way.
type PodError struct {
	Cluster string
	Err     error
}

func (e *PodError) Error() string { return "probe from cluster " + e.Cluster + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *PodError) Unwrap() error { return e.Err }

// failed is an error of the pod's.
func (p ProbePod) failed(err error) error {
	if err == nil || p.Cluster == "" {
		return err
	}
	return &PodError{Cluster: p.Cluster, Err: err}
}

// run runs script with the kubeconfig beside it, and returns what it printed. What of
// it can't be removed is told to note.
func (p ProbePod) run(ctx context.Context, script []byte, made Made, note func(string)) ([]byte, error) {
	args := []string{"--kubeconfig", "/causeway/kubeconfig", "--context", made.Context}
	if p.Args != nil {
		more, err := p.Args(ctx)
		if err != nil {
			return nil, err
		}
		args = append(args, more...)
	}
	args = append(args, "--from", FromCluster, "-o", "json")
	secret, err := templates.Secret(p.Exposure, p.Namespace, p.name(), "Opaque", map[string][]byte{"verify.sh": script, "kubeconfig": made.Bytes})
	if err != nil {
		return nil, err
	}
	// Before the first write: a request whose answer was lost may have made it.
	defer p.dropSecret(ctx, note)
	if err := p.Kube.Apply(ctx, secret.Object); err != nil {
		return nil, err
	}
	ran, err := p.Kube.RunPod(ctx, p.manifest(args), probeBound, note)
	return ran.Log, err
}

// dropSecret removes the kubeconfig's copy, also after Ctrl-C.
func (p ProbePod) dropSecret(ctx context.Context, note func(string)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	live, err := p.Kube.Get(ctx, kube.Ref{Version: "v1", Kind: "Secret", Namespace: p.Namespace, Name: p.name()})
	if err == nil && live != nil && live.GetLabels()[ExposureLabel] == p.Exposure {
		err = p.Kube.Delete(ctx, live)
	}
	if err != nil && !MissingRight(err) { // without the right there is none
		note("the Secret " + p.name() + " stays until destroy: " + err.Error())
	}
}

// awaitName waits at most a minute for the name $1, where the image can look one up,
// and then runs the script $0 with the other arguments.
const awaitName = `name=$1; shift; end=$(($(date +%s) + 60)); command -v getent >/dev/null && ` +
	`while ! getent hosts "$name" >/dev/null && [ "$(date +%s)" -lt "$end" ]; do sleep 1; done; exec /bin/sh "$0" "$@"`

// manifest is the pod's.
func (p ProbePod) manifest(args []string) *unstructured.Unstructured {
	command := []any{"/bin/sh"}
	if p.Await != "" {
		command = append(command, "-c", awaitName)
	}
	command = append(command, "/causeway/verify.sh")
	if p.Await != "" {
		command = append(command, p.Await)
	}
	for _, arg := range args {
		command = append(command, arg)
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"generateName": p.name() + "-", "namespace": p.Namespace, "labels": map[string]any{
			ManagedByLabel: "causeway", ExposureLabel: p.Exposure, templates.LabelProbe: templates.ProbeValue}},
		"spec": map[string]any{
			"restartPolicy": "Never", "automountServiceAccountToken": false, "enableServiceLinks": false,
			"activeDeadlineSeconds": int64(probeBound / time.Second), "terminationGracePeriodSeconds": int64(1),
			"securityContext": map[string]any{"runAsNonRoot": true, "runAsUser": int64(101), "runAsGroup": int64(101), "fsGroup": int64(101),
				"seccompProfile": map[string]any{"type": "RuntimeDefault"}},
			"containers": []any{map[string]any{
				"name": "verify", "image": p.Image, "imagePullPolicy": "IfNotPresent", "command": command,
				"securityContext": map[string]any{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
					"capabilities": map[string]any{"drop": []any{"ALL"}}},
				"resources": map[string]any{"requests": map[string]any{"cpu": "50m", "memory": "32Mi"}, "limits": map[string]any{"cpu": "1", "memory": "128Mi"}},
				"volumeMounts": []any{map[string]any{"name": "causeway", "mountPath": "/causeway", "readOnly": true},
					map[string]any{"name": "tmp", "mountPath": "/tmp"}},
			}},
			"volumes": []any{
				map[string]any{"name": "causeway", "secret": map[string]any{"secretName": p.name(), "defaultMode": int64(0o440)}},
				map[string]any{"name": "tmp", "emptyDir": map[string]any{"sizeLimit": "16Mi"}},
			},
		},
	}}
}

// Leftovers are what a run that was killed left there, for destroy: a step each, with
// prefix before its name and behind those of after. What may not be looked for is not
// found.
func (p ProbePod) Leftovers(ctx context.Context, prefix string, after ...string) ([]Step, error) {
	var refs []kube.Ref
	secret := kube.Ref{Version: "v1", Kind: "Secret", Namespace: p.Namespace, Name: p.name()}
	live, err := p.Kube.Get(ctx, secret)
	if err != nil && !MissingRight(err) {
		return nil, err
	}
	if live != nil && live.GetLabels()[ExposureLabel] == p.Exposure {
		refs = append(refs, secret)
	}
	pods, err := p.Kube.List(ctx, kube.Ref{Version: "v1", Kind: "Pod", Namespace: p.Namespace}, ExposureLabel+"="+p.Exposure+","+templates.LabelProbe+"="+templates.ProbeValue)
	if err != nil && !MissingRight(err) {
		return nil, err
	}
	for i := range pods {
		refs = append(refs, kube.RefOf(&pods[i]))
	}
	var steps []Step
	for _, ref := range refs {
		steps = append(steps, &Object{Cluster: p.Kube, Exposure: p.Exposure, Ref: ref, After: after,
			Name:  strings.Join([]string{prefix, strings.ToLower(ref.Kind), ref.Namespace, ref.Name}, "/"),
			About: ref.String() + " (of a probe that was cut off)",
			Build: func() (*unstructured.Unstructured, string, error) { return nil, "is removed", nil }})
	}
	return steps, nil
}
