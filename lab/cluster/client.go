package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"causeway/lab/topology"
)

func dirOf(path string) string { return filepath.Dir(path) }

// DialAPI connects to the API server inside the master network.
func (c *Cluster) DialAPI(ctx context.Context) (net.Conn, error) {
	return c.o.Master.Dial(ctx, "tcp", fmt.Sprintf("%s:%d", c.o.Plane.Address, topology.MasterPort))
}

// Get reads a path of the API as the cluster's admin.
func (c *Cluster) Get(ctx context.Context, path string) ([]byte, error) {
	client, err := c.adminClient()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.Server()+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get %s: %s: %.300s", path, resp.Status, body)
	}
	return body, nil
}

func (c *Cluster) adminClient() (*http.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client != nil {
		return c.client, nil
	}
	cert, err := tls.LoadX509KeyPair(c.authority.Path("admin.crt"), c.authority.Path("admin.key"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.CA())
	c.client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{cert}},
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return c.DialAPI(ctx) },
	}}
	return c.client, nil
}

// AwaitReady waits until the node is Ready and Pods can be made.
func (c *Cluster) AwaitReady(ctx context.Context) error {
	return c.await(ctx, "the node to be Ready", 120*time.Second, func(ctx context.Context) error {
		body, err := c.Get(ctx, "/api/v1/nodes/"+topology.NodeName)
		if err != nil {
			return err
		}
		if err := nodeReady(body); err != nil {
			return err
		}
		// Made by the controller manager: without it no Pod is admitted.
		_, err = c.Get(ctx, "/api/v1/namespaces/default/serviceaccounts/default")
		return err
	})
}

func nodeReady(body []byte) error {
	var node struct {
		Spec struct {
			PodCIDR string
			Taints  []struct{ Key string }
		}
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal(body, &node); err != nil {
		return err
	}
	for _, cond := range node.Status.Conditions {
		if cond.Type == "Ready" {
			if cond.Status == "True" {
				return schedulable(node.Spec.PodCIDR, len(node.Spec.Taints))
			}
			return fmt.Errorf("node %s is not Ready: %s", topology.NodeName, cond.Message)
		}
	}
	return fmt.Errorf("node %s has no condition Ready yet", topology.NodeName)
}

// schedulable: the controller manager gives the node its Pod range, and takes the
// not-ready taint away a moment after the node is Ready; no Pod starts before.
func schedulable(podCIDR string, taints int) error {
	if podCIDR == "" || taints > 0 {
		return fmt.Errorf("node %s is Ready, but has %d taints and the Pod range %q", topology.NodeName, taints, podCIDR)
	}
	return nil
}

// await polls until check passes; it ends early when a process is given up.
func (c *Cluster) await(ctx context.Context, what string, bound time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		once, cancelOnce := context.WithTimeout(ctx, 5*time.Second)
		err := check(once)
		cancelOnce()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		if err := c.Err(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("wait for %s: not within %s: %w", what, bound, last)
		case <-tick.C:
		}
	}
}
