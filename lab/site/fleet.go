package site

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"causeway/internal/gcptest"
	"causeway/lab/topology"
)

// Fleet tells whether the lab has the second cluster.
func (s *Site) Fleet() bool { return s.spaces[topology.SecondSpace] != nil }

// Pod is whoever stands for a Pod of the fleet's second cluster: with an address of its
// Pod range, its node's kube-proxy and the resolver of its Pods. Its home holds a
// kubeconfig, none when empty.
func (s *Site) Pod(name string, kubeconfig []byte) (Who, error) {
	w := Who{Name: "pod", Home: filepath.Join(s.Dir, "pod-"+name), space: s.spaces[topology.SecondSpace]}
	if !s.Fleet() {
		return w, fmt.Errorf("find the second cluster: this lab's line has none")
	}
	if err := os.MkdirAll(filepath.Join(w.Home, ".kube"), 0o700); err != nil || kubeconfig == nil {
		return w, err
	}
	return w, os.WriteFile(filepath.Join(w.Home, ".kube", "config"), kubeconfig, 0o600)
}

// Alice is somebody of the far side with a Google identity of her own, who may do nothing
// until it is granted to her: her home holds her access token and a kubeconfig.
func (s *Site) Alice(name string, kubeconfig []byte) (Who, error) {
	w, err := s.Far(name, kubeconfig)
	if err != nil {
		return w, err
	}
	w.Name = "alice"
	token, err := os.ReadFile(s.Place.AliceToken())
	if err != nil {
		return w, fmt.Errorf("find Alice's access token: %w", err)
	}
	file := filepath.Join(w.Home, "access-token")
	return w.With("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=" + file), os.WriteFile(file, token, 0o600)
}

// Forgotten waits until a name does not resolve any more where w stands.
func (n Session) Forgotten(ctx context.Context, host string, bound time.Duration) error {
	name, _, _ := strings.Cut(host, ":")
	deadline := time.Now().Add(bound)
	for n.Run(ctx, n.Who, "getent", "ahostsv4", name).Code != getentNotFound {
		if time.Now().After(deadline) {
			return fmt.Errorf("resolve %s: it still has an address, %s after it was withdrawn", name, bound)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(200 * time.Millisecond):
		}
	}
	_, err := n.DoWith(ctx, nil, getentNotFound, "getent", "ahostsv4", name)
	return err
}

// getentNotFound is getent's exit code for what is not found (man getent).
const getentNotFound = 2

// SecondProvider is the provider's staff as admin of the second cluster.
func (s *Site) SecondProvider() Who {
	w := s.Provider().With("KUBECONFIG=" + s.Place.SecondKubeconfig())
	w.Home = s.Dir
	return w
}

// FailGateway has Connect Gateway fail in a documented way; "" ends that.
func (s *Site) FailGateway(ctx context.Context, failure gcptest.GatewayFailure) error {
	verb := http.MethodPut
	if failure == "" {
		verb = http.MethodDelete
	}
	_, err := s.control(ctx, verb, "gateway", failure)
	return err
}

// withFleet adds the second cluster's objects to the first's, and leaves out what
// Google's importer itself puts into each member's cluster: that is no exposure's, and
// stays.
func (s *Site) withFleet(ctx context.Context, first []string) ([]string, error) {
	second, err := s.listing(ctx, s.SecondProvider())
	for _, line := range second {
		first = append(first, topology.SecondCluster+": "+line)
	}
	return slices.DeleteFunc(first, importers), err
}

// importers tells an object that comes with multi-cluster Services: the importer's own
// namespace, and the kinds.
func importers(line string) bool {
	line = strings.TrimPrefix(line, topology.SecondCluster+": ")
	return strings.Contains(line, " gke-mcs/") || strings.HasPrefix(line, "Namespace /gke-mcs ") ||
		strings.Contains(line, ".net.gke.io ")
}
