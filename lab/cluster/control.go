package cluster

import (
	"context"
	"crypto/x509/pkix"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"causeway/lab/topology"
)

// Server is the first API server's address inside the lab's networks.
func Server() string { return serverOf(topology.TheFirst) }

func serverOf(p topology.ControlPlane) string {
	return fmt.Sprintf("https://%s:%d", p.Address, topology.MasterPort)
}

// issue makes the components' certificates and kubeconfigs.
func (c *Cluster) issue() error {
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	ips := []netip.Addr{c.o.Plane.ServiceIP, c.o.Plane.Address, topology.PSCEndpoint, netip.MustParseAddr("127.0.0.1")}
	if err := c.authority.Issue("apiserver", pkix.Name{CommonName: "kube-apiserver"}, names, ips); err != nil {
		return err
	}
	if err := c.authority.Issue("kubelet-client", pkix.Name{CommonName: "kube-apiserver-kubelet-client", Organization: []string{"system:masters"}}, nil, nil); err != nil {
		return err
	}
	for name, subject := range map[string]pkix.Name{
		"admin":                   {CommonName: "lab-admin", Organization: []string{"system:masters"}},
		"kube-controller-manager": {CommonName: "system:kube-controller-manager"},
		"kube-scheduler":          {CommonName: "system:kube-scheduler"},
		// A right to everything: kube-proxy and the load-balancer stand-in are
		// the provider's, and no test looks at their rights.
		"kube-proxy":    {CommonName: "system:kube-proxy"},
		"load-balancer": {CommonName: "lab-load-balancer", Organization: []string{"system:masters"}},
		"kubelet":       {CommonName: "system:node:" + c.o.Plane.NodeName, Organization: []string{"system:nodes"}},
	} {
		if _, err := c.authority.Kubeconfig(name, c.Server(), subject); err != nil {
			return err
		}
	}
	return nil
}

// StartControlPlane starts etcd and kube-apiserver, and, when the API server is
// ready, the controller manager and the scheduler.
func (c *Cluster) StartControlPlane(ctx context.Context) error {
	if err := c.startAPI(ctx); err != nil {
		return err
	}
	if err := c.startControllers("--allocate-node-cidrs=true", "--cluster-cidr="+c.o.Plane.PodCIDR.String(), "--node-cidr-mask-size=24",
		"--service-cluster-ip-range="+c.o.Plane.ServiceCIDR.String()); err != nil {
		return err
	}
	return c.start("kube-scheduler", "kube-scheduler", c.o.Master,
		"--kubeconfig="+c.authority.Path("kube-scheduler.kubeconfig"),
		"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=10259",
		"--kube-api-qps=100", "--kube-api-burst=200",
	)
}

// startAPI starts etcd and kube-apiserver and waits until they answer.
func (c *Cluster) startAPI(ctx context.Context) error {
	if err := c.start("etcd", "etcd", c.o.Master,
		"--name=lab", "--data-dir="+filepath.Join(c.o.Place.Data, c.apart("etcd")),
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380", "--initial-advertise-peer-urls=http://127.0.0.1:2380",
		"--initial-cluster=lab=http://127.0.0.1:2380",
		"--unsafe-no-fsync", // the data does not outlive the lab
		"--log-level=warn",
	); err != nil {
		return err
	}
	if err := c.startAPIServer(); err != nil {
		return err
	}
	return c.await(ctx, c.apart("kube-apiserver"), 90*time.Second, func(ctx context.Context) error {
		_, err := c.Get(ctx, "/readyz")
		return err
	})
}

func (c *Cluster) startControllers(more ...string) error {
	return c.start("kube-controller-manager", "kube-controller-manager", c.o.Master, append([]string{
		"--kubeconfig=" + c.authority.Path("kube-controller-manager.kubeconfig"),
		"--service-account-private-key-file=" + c.authority.Path("sa.key"),
		"--root-ca-file=" + c.authority.Path("ca.crt"),
		"--leader-elect=false", "--bind-address=127.0.0.1", "--secure-port=10257",
		// Each controller with its own rights: those of the manager itself are few.
		"--use-service-account-credentials=true",
		"--kube-api-qps=100", "--kube-api-burst=200",
	}, more...)...)
}

// Authentication lets nobody in without a credential but to the health
// endpoints, as GKE's limited anonymous access: so a request without a token
// ends with 401, and nginx's readiness probe needs no credential.
const Authentication = `apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
  - path: /livez
  - path: /readyz
  - path: /healthz
`

// audit logs who came, from where, and what for: the lab's user, Connect
// Gateway, and the ServiceAccounts outside kube-system, once a request.
const audit = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  userGroups: ["system:serviceaccounts:kube-system"]
- level: Metadata
  users: ["user@example.com", "connect-gateway"]
- level: Metadata
  userGroups: ["system:serviceaccounts"]
- level: None
`

func (c *Cluster) startAPIServer() error {
	config, err := c.write("authentication.yaml", Authentication)
	if err != nil {
		return err
	}
	policy, err := c.write("audit.yaml", audit)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.authority.Path("tokens.csv"), []byte(tokenFile(c.o)), 0o600); err != nil {
		return fmt.Errorf("write access tokens: %w", err)
	}
	key := c.authority.Path
	return c.start("kube-apiserver", "kube-apiserver", c.o.Master,
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address="+c.o.Plane.Address.String(), fmt.Sprintf("--secure-port=%d", topology.MasterPort),
		"--service-cluster-ip-range="+c.o.Plane.ServiceCIDR.String(),
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		"--authentication-config="+config, "--token-auth-file="+key("tokens.csv"),
		"--client-ca-file="+key("ca.crt"),
		"--tls-cert-file="+key("apiserver.crt"), "--tls-private-key-file="+key("apiserver.key"),
		"--kubelet-client-certificate="+key("kubelet-client.crt"), "--kubelet-client-key="+key("kubelet-client.key"),
		// Nobody resolves the node's name.
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-signing-key-file="+key("sa.key"), "--service-account-key-file="+key("sa.pub"),
		// GKE was seen to cap tokens at 48 h (DataDog/stratus-red-team #163).
		"--service-account-max-token-expiration=48h",
		"--audit-policy-file="+policy, "--audit-log-path="+c.o.Place.Log(c.apart("audit")), "--audit-log-mode=blocking",
		"--shutdown-delay-duration=0s", "--profiling=false",
	)
}

// tokenFile is the API server's file of static tokens.
func tokenFile(o Options) string {
	var tokens strings.Builder
	for _, value := range slices.Sorted(maps.Keys(o.AccessTokens)) {
		user := o.AccessTokens[value]
		fmt.Fprintf(&tokens, "%s,%s,%s,\"system:masters\"\n", value, user, user)
	}
	for _, value := range slices.Sorted(maps.Keys(o.Users)) {
		fmt.Fprintf(&tokens, "%s,%s,%s\n", value, o.Users[value], o.Users[value])
	}
	return tokens.String()
}
