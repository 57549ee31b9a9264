package gateway

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/internal/kube"
)

// agentNamespace is where the Connect Agent runs, and agentLabel what its Pods bear
// (Connect Gateway's page on troubleshooting).
const (
	agentNamespace = "gke-connect"
	agentLabel     = "app=gke-connect-agent"
)

// agentState is how the Connect Agent of a cluster does.
type agentState struct {
	ready bool
	text  string // what is wrong, or how many Pods are ready
}

// agent looks at the agent's Pods.
func (x *exposure) agent(ctx context.Context) (agentState, error) {
	namespace, err := x.kube.Get(ctx, kube.Ref{Version: "v1", Kind: "Namespace", Name: agentNamespace})
	if err != nil {
		return agentState{}, err
	}
	if namespace == nil {
		return agentState{text: "the cluster has no namespace " + agentNamespace + ": the Connect Agent is not installed"}, nil
	}
	pods, err := x.kube.List(ctx, kube.Ref{Version: "v1", Kind: "Pod", Namespace: agentNamespace}, agentLabel)
	if err != nil {
		return agentState{}, err
	}
	ready := 0
	for i := range pods {
		if podReady(pods[i]) {
			ready++
		}
	}
	switch {
	case len(pods) == 0:
		return agentState{text: fmt.Sprintf("namespace %s has no Pod with the label %s: the Connect Agent does not run", agentNamespace, agentLabel)}, nil
	case ready == 0:
		return agentState{text: fmt.Sprintf("none of the Connect Agent's %d Pods is ready: `kubectl get pods -n %s` says why", len(pods), agentNamespace)}, nil
	}
	return agentState{ready: true, text: fmt.Sprintf("%d of %d Pods ready", ready, len(pods))}, nil
}

func podReady(pod unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(pod.Object, "status", "conditions")
	for _, each := range conditions {
		if c, _ := each.(map[string]any); c["type"] == "Ready" {
			return c["status"] == "True"
		}
	}
	return false
}
