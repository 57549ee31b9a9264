package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"causeway/lab/pods"
	"causeway/lab/topology"
)

// fewControllers are those that a cluster without Pods needs: namespaces end, and come
// with what is in each.
const fewControllers = "--controllers=namespace-controller,serviceaccount-controller,root-ca-certificate-publisher-controller,garbage-collector-controller"

// StartWithoutPods starts a cluster that runs no Pod by itself: its control plane, with
// few controllers and no scheduler, and a node that kube-proxy serves alone. Package pods
// can be scheduler and kubelet for the few that there are.
func (c *Cluster) StartWithoutPods(ctx context.Context) error {
	if err := c.startAPI(ctx); err != nil {
		return err
	}
	if err := c.startControllers(fewControllers); err != nil {
		return err
	}
	if err := c.addNode(ctx); err != nil {
		return err
	}
	if err := c.startProxy(); err != nil {
		return err
	}
	return c.await(ctx, c.apart("kube-proxy"), 60*time.Second, func(ctx context.Context) error {
		return c.proxied(ctx)
	})
}

// addNode writes the node: without it kube-proxy waits for one. Ready is what nobody
// measures here, but what there is of the node is.
func (c *Cluster) addNode(ctx context.Context) error {
	p := c.o.Plane
	node := mustJSON(map[string]any{
		"apiVersion": "v1", "kind": "Node",
		"metadata": map[string]any{"name": p.NodeName, "labels": map[string]string{
			"cloud.google.com/gke-nodepool": "default-pool", "topology.kubernetes.io/region": topology.Region, "topology.kubernetes.io/zone": topology.Region + "-a",
		}},
		"spec": map[string]any{"podCIDR": p.PodCIDR.String(), "podCIDRs": []string{p.PodCIDR.String()}},
		"status": map[string]any{
			"addresses":  []any{map[string]string{"type": "InternalIP", "address": p.NodeIP.String()}, map[string]string{"type": "Hostname", "address": p.NodeName}},
			"conditions": []any{map[string]string{"type": "Ready", "status": "True", "reason": "Lab", "message": "no kubelet: kube-proxy alone"}},
			// Where the API server asks for the logs of Pods.
			"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]int{"Port": pods.Port}},
		},
	})
	client, err := c.adminClient()
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Server()+"/api/v1/nodes", strings.NewReader(node))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("add node %s: %w", p.NodeName, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500)) // for the error alone
		return fmt.Errorf("add node %s: %s: %s", p.NodeName, resp.Status, bytes.TrimSpace(text))
	}
	return nil
}

// KubeletCertificate is for whoever stands in for the node's kubelet.
func (c *Cluster) KubeletCertificate() (tls.Certificate, error) {
	const name = "kubelet-serving"
	if err := c.authority.Issue(name, pkix.Name{CommonName: "system:node:" + c.o.Plane.NodeName}, nil, []netip.Addr{c.o.Plane.NodeIP}); err != nil {
		return tls.Certificate{}, err
	}
	return tls.LoadX509KeyPair(c.authority.Path(name+".crt"), c.authority.Path(name+".key"))
}

// proxied looks whether the Service `kubernetes` leads to the API server from the
// node: then kube-proxy works.
func (c *Cluster) proxied(ctx context.Context) error {
	conn, err := c.o.VPC.Dial(ctx, "tcp", fmt.Sprintf("%s:443", c.o.Plane.ServiceIP))
	if err != nil {
		return err
	}
	return conn.Close()
}
