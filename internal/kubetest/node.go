package kubetest

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const nodeName = "kubetest-node"

// startNode registers a node whose kubelet answers for the logs of Pods.
func (c *Controllers) startNode(ctx context.Context) error {
	ca, err := newAuthority(rand.Reader)
	if err != nil {
		return err
	}
	certPEM, keyPEM, err := ca.issue(pkix.Name{CommonName: nodeName}, x509.ExtKeyUsageServerAuth, []string{"127.0.0.1"})
	if err != nil {
		return err
	}
	pair, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("load kubelet certificate: %w", err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for kubelet: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		text := c.logs[r.PathValue("namespace")+"/"+r.PathValue("pod")]
		c.mu.Unlock()
		_, _ = io.WriteString(w, text)
	})
	c.kubelet = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	go func() { _ = c.kubelet.ServeTLS(listener, "", "") }()

	node := map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": nodeName,
		"labels": map[string]any{"kubernetes.io/hostname": nodeName, "kubernetes.io/os": "linux"}}}
	if _, err := c.create(ctx, nodes, node); err != nil {
		return fmt.Errorf("register node: %w", err)
	}
	made, err := c.client.Resource(nodes).Get(ctx, nodeName, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("register node: %w", err)
	}
	made.Object["status"] = map[string]any{
		"addresses":       []any{map[string]any{"type": "InternalIP", "address": "127.0.0.1"}},
		"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]any{"Port": int64(listener.Addr().(*net.TCPAddr).Port)}},
		"conditions":      []any{condition("Ready", true, "KubeletReady", "kubelet is posting ready status")},
	}
	if _, err := c.client.Resource(nodes).UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		return fmt.Errorf("set node status: %w", err)
	}
	return nil
}

// pod schedules and runs a Pod, and removes one that is being deleted.
func (c *Controllers) pod(ctx context.Context, pod *unstructured.Unstructured, gone bool) error {
	owner := metav1.GetControllerOf(pod)
	if gone || pod.GetDeletionTimestamp() != nil {
		if !gone {
			if err := c.deletePod(ctx, pod); ignorable(err) != nil {
				return err
			}
		}
		return c.ownerOf(ctx, pod, owner)
	}
	if by, _, _ := unstructured.NestedString(pod.Object, "spec", "schedulerName"); by != "" && by != "default-scheduler" {
		return nil // another's to schedule and to run
	}
	image, _ := firstContainer(pod)["image"].(string)
	assigned, _, _ := unstructured.NestedString(pod.Object, "spec", "nodeName")
	phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
	_, reported, _ := unstructured.NestedSlice(pod.Object, "status", "containerStatuses")
	switch {
	case strings.HasSuffix(image, ":unschedulable"):
		return c.unschedulable(ctx, pod)
	case assigned == "":
		return c.bind(ctx, pod) // the change comes back as an event
	case phase == "Pending" && !reported:
		if err := c.runPod(ctx, pod, image, owner == nil); err != nil {
			return err
		}
	}
	return c.ownerOf(ctx, pod, owner)
}

// ownerOf brings the Deployment of a Pod up to date, when it has one.
func (c *Controllers) ownerOf(ctx context.Context, pod *unstructured.Unstructured, owner *metav1.OwnerReference) error {
	if owner == nil || owner.Kind != "Deployment" {
		return nil
	}
	d, err := c.client.Resource(deployments).Namespace(pod.GetNamespace()).Get(ctx, owner.Name, metav1.GetOptions{})
	if err != nil || d.GetUID() != owner.UID {
		return err
	}
	return c.deployment(ctx, d, false)
}

func (c *Controllers) bind(ctx context.Context, pod *unstructured.Unstructured) error {
	binding := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Binding",
		"metadata": map[string]any{"name": pod.GetName(), "namespace": pod.GetNamespace()},
		"target":   map[string]any{"apiVersion": "v1", "kind": "Node", "name": nodeName}}}
	_, err := c.client.Resource(pods).Namespace(pod.GetNamespace()).Create(ctx, binding, metav1.CreateOptions{}, "binding")
	return err
}

func (c *Controllers) unschedulable(ctx context.Context, pod *unstructured.Unstructured) error {
	if conditions, _, _ := unstructured.NestedSlice(pod.Object, "status", "conditions"); len(conditions) > 0 {
		return nil
	}
	message := "0/1 nodes are available: 1 Insufficient cpu."
	scheduled := condition("PodScheduled", false, "Unschedulable", message)
	c.event(ctx, pod, "Warning", "default-scheduler", "FailedScheduling", message)
	return c.podStatus(ctx, pod, map[string]any{"phase": "Pending", "conditions": []any{scheduled}})
}

// runPod sets the status that a kubelet would come to.
func (c *Controllers) runPod(ctx context.Context, pod *unstructured.Unstructured, image string, lone bool) error {
	container := firstContainer(pod)
	state := map[string]any{"running": map[string]any{"startedAt": time.Now().UTC().Format(time.RFC3339)}}
	ready, phase := true, "Running"
	switch {
	case strings.HasSuffix(image, ":missing"):
		message := fmt.Sprintf("Back-off pulling image %q: ErrImagePull: failed to resolve reference: %s: not found", image, image)
		state = map[string]any{"waiting": map[string]any{"reason": "ImagePullBackOff", "message": message}}
		ready, phase = false, "Pending"
		c.event(ctx, pod, "Warning", "kubelet", "Failed", fmt.Sprintf("Failed to pull image %q: not found", image))
	case strings.HasSuffix(image, ":crash"):
		state = map[string]any{"waiting": map[string]any{"reason": "CrashLoopBackOff",
			"message": "back-off 10s restarting failed container=" + fmt.Sprint(container["name"])}}
		ready = false
		c.event(ctx, pod, "Warning", "kubelet", "BackOff", "Back-off restarting failed container")
		c.setLog(pod, "nginx: [emerg] unknown directive \"ssl\" in /etc/nginx/nginx.conf:12\n")
	case strings.HasSuffix(image, ":unready"):
		ready = false
		c.event(ctx, pod, "Warning", "kubelet", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 502")
	case lone:
		ready = false
		state, phase = c.runLone(pod)
	}
	ip := c.podIP()
	status := map[string]any{"phase": phase, "hostIP": "127.0.0.1", "podIP": ip,
		"podIPs":     []any{map[string]any{"ip": ip}},
		"conditions": []any{condition("PodScheduled", true, "", ""), condition("Ready", ready, "", "")},
		"containerStatuses": []any{map[string]any{"name": container["name"], "image": image, "imageID": "",
			"ready": ready, "restartCount": int64(0), "state": state}}}
	return c.podStatus(ctx, pod, status)
}

// podIP is the next address of the node's range: 10.52.0.0/16 in the first
// cluster of a binary, 10.53.0.0/16 in the second. Nothing answers there.
func (c *Controllers) podIP() string {
	n := c.serial.Add(1)
	return netip.AddrFrom4([4]byte{10, c.podNet, byte(n >> 8), byte(n)}).String()
}

// runLone runs a Pod without an owner to its end.
func (c *Controllers) runLone(pod *unstructured.Unstructured) (state map[string]any, phase string) {
	c.mu.Lock()
	run := c.run[pod.GetNamespace()]
	c.mu.Unlock()
	exit := 0
	if run != nil {
		var text string
		text, exit = run(pod)
		c.setLog(pod, text)
	}
	phase, reason := "Succeeded", "Completed"
	if exit != 0 {
		phase, reason = "Failed", "Error"
	}
	return map[string]any{"terminated": map[string]any{"exitCode": int64(exit), "reason": reason}}, phase
}

func (c *Controllers) setLog(pod *unstructured.Unstructured, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.logs[pod.GetNamespace()+"/"+pod.GetName()] = text
}

func (c *Controllers) podStatus(ctx context.Context, pod *unstructured.Unstructured, status map[string]any) error {
	changed := pod.DeepCopy()
	changed.Object["status"] = status
	_, err := c.client.Resource(pods).Namespace(pod.GetNamespace()).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	return err
}

func firstContainer(pod *unstructured.Unstructured) map[string]any {
	containers, _, _ := unstructured.NestedSlice(pod.Object, "spec", "containers")
	if len(containers) == 0 {
		return nil
	}
	first, _ := containers[0].(map[string]any)
	return first
}

func podReady(pod *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedSlice(pod.Object, "status", "conditions")
	for _, each := range conditions {
		if m, isMap := each.(map[string]any); isMap && m["type"] == "Ready" {
			return m["status"] == "True" && pod.GetDeletionTimestamp() == nil
		}
	}
	return false
}
