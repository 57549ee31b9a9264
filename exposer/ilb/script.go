package ilb

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/internal/kube"
	"causeway/templates"
)

// probeName is the Secret that carries script and kubeconfig to the probe's pod.
const probeName = "causeway-probe"

// probeBound bounds the pod: an image pull and twelve hops.
const probeBound = 5 * time.Minute

// RunScript implements exposer.InCluster: verify.sh in a pod beside the proxy, as
// restricted as the proxy itself.
//
// The pod asks the Service's ClusterIP instead of the load balancer's address:
// its own address is none of the client networks, and kube-proxy drops what comes
// to the load balancer's address from elsewhere. The certificate is checked for
// the load balancer's address all the same.
func (x *exposure) RunScript(ctx context.Context, script []byte, made exposer.Made, note func(string)) ([]byte, error) {
	service, err := x.kube.Get(ctx, x.proxyRef("Service"))
	if err != nil {
		return nil, err
	}
	ip, port, err := kube.ClusterIP(service)
	if err != nil {
		return nil, fmt.Errorf("probe from the cluster: Service %s: %w", proxyName, err)
	}
	secret, err := x.secretObject(probeName, "Opaque", map[string][]byte{"verify.sh": script, "kubeconfig": made.Bytes})
	if err != nil {
		return nil, err
	}
	if err := x.kube.Apply(ctx, secret); err != nil {
		return nil, err
	}
	defer x.dropProbeSecret(ctx, note)
	ran, err := x.kube.RunPod(ctx, x.probePod(netip.AddrPortFrom(ip, port), made.Context), probeBound, note)
	return ran.Log, err
}

// dropProbeSecret removes the kubeconfig's copy, also after Ctrl-C.
func (x *exposure) dropProbeSecret(ctx context.Context, note func(string)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	live, err := x.kube.Get(ctx, kube.Ref{Version: "v1", Kind: "Secret", Namespace: x.spec.Namespace, Name: probeName})
	if err == nil && live != nil {
		err = x.kube.Delete(ctx, live)
	}
	if err != nil {
		note("the Secret " + probeName + " stays until destroy: " + err.Error())
	}
}

// probePod is the pod's manifest.
func (x *exposure) probePod(target netip.AddrPort, contextName string) *unstructured.Unstructured {
	name := x.addr.String()
	if x.spec.ILB.Mode == exposer.ModePassthrough {
		name = x.serverName
	}
	server := "https://" + target.Addr().String()
	if target.Port() != 443 {
		server += ":" + strconv.Itoa(int(target.Port()))
	}
	command := []any{"/bin/sh", "/causeway/verify.sh", "--kubeconfig", "/causeway/kubeconfig", "--context", contextName,
		"--server", server, "--tls-server-name", name, "--from", exposer.FromCluster, "-o", "json"}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Pod",
		"metadata": map[string]any{"generateName": probeName + "-", "namespace": x.spec.Namespace, "labels": map[string]any{
			exposer.ManagedByLabel: "causeway", exposer.ExposureLabel: x.spec.Name, templates.LabelProbe: templates.ProbeValue}},
		"spec": map[string]any{
			"restartPolicy": "Never", "automountServiceAccountToken": false, "enableServiceLinks": false,
			"activeDeadlineSeconds": int64(probeBound / time.Second), "terminationGracePeriodSeconds": int64(1),
			"securityContext": map[string]any{"runAsNonRoot": true, "runAsUser": int64(101), "runAsGroup": int64(101), "fsGroup": int64(101),
				"seccompProfile": map[string]any{"type": "RuntimeDefault"}},
			"containers": []any{map[string]any{
				"name": "verify", "image": x.spec.ILB.Image, "imagePullPolicy": "IfNotPresent", "command": command,
				"securityContext": map[string]any{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
					"capabilities": map[string]any{"drop": []any{"ALL"}}},
				"resources": map[string]any{"requests": map[string]any{"cpu": "50m", "memory": "32Mi"}, "limits": map[string]any{"cpu": "1", "memory": "128Mi"}},
				"volumeMounts": []any{map[string]any{"name": "causeway", "mountPath": "/causeway", "readOnly": true},
					map[string]any{"name": "tmp", "mountPath": "/tmp"}},
			}},
			"volumes": []any{
				map[string]any{"name": "causeway", "secret": map[string]any{"secretName": probeName, "defaultMode": int64(0o440)}},
				map[string]any{"name": "tmp", "emptyDir": map[string]any{"sizeLimit": "16Mi"}},
			},
		},
	}}
}
