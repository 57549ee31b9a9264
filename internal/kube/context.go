package kube

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// byContext picks a kubeconfig context that is this cluster. The name proves
// nothing: only the endpoint or the cluster's CA do.
func (o ConnectOptions) byContext() attempt {
	a := attempt{via: ByContext, about: "context", bound: contextBound}
	if o.Context != "" {
		a.about += " " + o.Context
	}
	config, err := o.loadKubeconfig()
	if err != nil {
		a.skip = err
		return a
	}
	name, err := o.pickContext(config)
	if err != nil {
		a.skip = err
		return a
	}
	a.about = "context " + name
	loaded, err := clientcmd.NewNonInteractiveClientConfig(*config, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		a.skip = fail("CW-CFG-CONTEXT", "read", "kubeconfig context "+name, "%w", err)
		return a
	}
	if o.Proxy != nil && loaded.Proxy == nil {
		loaded.Proxy = o.Proxy
	}
	a.config = loaded
	return a
}

// loadKubeconfig merges the files as kubectl does.
func (o ConnectOptions) loadKubeconfig() (*api.Config, error) {
	if o.Kubeconfig == "" {
		return nil, errors.New("no kubeconfig file is named")
	}
	// Empty paths are dropped: the loader would take the working directory for one.
	paths := slices.DeleteFunc(filepath.SplitList(o.Kubeconfig), func(path string) bool { return path == "" })
	found := slices.DeleteFunc(slices.Clone(paths), func(path string) bool { _, err := os.Stat(path); return err != nil })
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no file %s", strings.Join(paths, ", "))
	}
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: found}
	config, err := rules.Load()
	if err != nil {
		return nil, fail("CW-CFG-CONTEXT", "read", "kubeconfig "+o.Kubeconfig, "%w", err)
	}
	return config, nil
}

// pickContext returns the context to use: the named one when it is this cluster,
// else the current one, else the first by name that is.
func (o ConnectOptions) pickContext(config *api.Config) (string, error) {
	if o.Context != "" {
		context := config.Contexts[o.Context]
		if context == nil {
			return "", fail("CW-CFG-CONTEXT", "use", "kubeconfig context "+o.Context, "there is no such context in %s", o.Kubeconfig)
		}
		return o.Context, o.isThisCluster(o.Context, config.Clusters[context.Cluster])
	}
	var names []string
	for name := range config.Contexts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if a == config.CurrentContext || b == config.CurrentContext {
			return btoi(b == config.CurrentContext) - btoi(a == config.CurrentContext)
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		if o.isThisCluster(name, config.Clusters[config.Contexts[name].Cluster]) == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("no context of %s is this cluster, by endpoint or CA (%d looked at)", o.Kubeconfig, len(names))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// isThisCluster returns nil when the entry is the cluster, verified.
func (o ConnectOptions) isThisCluster(name string, cluster *api.Cluster) error {
	resource := "kubeconfig context " + name
	if cluster == nil {
		return fail("CW-CFG-CONTEXT", "use", resource, "its cluster entry is missing")
	}
	if cluster.InsecureSkipTLSVerify {
		return fail("CW-CFG-CONTEXT-INSECURE", "use", resource, "it turns verification off (insecure-skip-tls-verify)")
	}
	ca := cluster.CertificateAuthorityData
	if len(ca) == 0 && cluster.CertificateAuthority != "" {
		ca, _ = os.ReadFile(cluster.CertificateAuthority) // unreadable: then the endpoint must match
	}
	if sameCA(ca, o.Endpoints.CA) {
		return nil
	}
	host := hostPort(cluster.Server)
	for _, endpoint := range []string{o.Endpoints.Private, o.Endpoints.Public, o.Endpoints.DNS} {
		if endpoint != "" && hostPort(serverURL(endpoint)) == host {
			return nil
		}
	}
	return fail("CW-CFG-CONTEXT-OTHER", "use", resource, "it points to %s, which is neither an endpoint of this cluster nor signed by its CA", cluster.Server)
}

// hostPort is what two URLs of one server have in common.
func hostPort(server string) string {
	parsed, err := url.Parse(server)
	if err != nil || parsed.Host == "" {
		return server
	}
	port := parsed.Port()
	if port == "" {
		port = "443"
	}
	return net.JoinHostPort(strings.ToLower(parsed.Hostname()), port)
}

// sameCA reports whether two PEM bundles share a certificate. During a rotation
// one of them may hold the old CA and the new one.
func sameCA(a, b []byte) bool {
	mine := certificates(a)
	return slices.ContainsFunc(certificates(b), func(der []byte) bool {
		return slices.ContainsFunc(mine, func(other []byte) bool { return bytes.Equal(der, other) })
	})
}

func certificates(text []byte) [][]byte {
	var found [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			found = append(found, block.Bytes)
		}
	}
	return found
}
