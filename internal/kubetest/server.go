package kubetest

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
)

// Server is a running etcd with its kube-apiserver.
type Server struct {
	Config    *rest.Config // of a cluster admin, by bearer token
	URL       string       // https://127.0.0.1:PORT
	CA        []byte       // PEM of the cluster's CA
	Dir       string       // keys, logs (etcd.log, kube-apiserver.log)
	ServiceIP netip.Addr   // ClusterIP of the `kubernetes` Service, in the certificate

	options   Options
	authority *authority
	tokenKey  *ecdsa.PrivateKey
	adminTok  string
	etcd      *process
	api       *process
	ownDir    bool
	stopOnce  sync.Once
	stopErr   error
}

// StartServer starts etcd and kube-apiserver and waits until the server is ready
// and its `kubernetes` Service exists. It ends early when ctx ends. The caller
// must Stop it.
func StartServer(ctx context.Context, options Options) (*Server, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, options.StartTimeout)
	defer cancel()
	for attempt := 1; ; attempt++ {
		server, err := startOnce(ctx, options)
		// Between finding a free port and using it somebody may take it.
		if err != nil && attempt < 3 && strings.Contains(err.Error(), "address already in use") {
			continue
		}
		return server, err
	}
}

func startOnce(ctx context.Context, options Options) (*Server, error) {
	s := &Server{options: options, Dir: options.Dir, ServiceIP: options.ServiceCIDR.Masked().Addr().Next()}
	if err := s.prepare(); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	if err := s.run(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// prepare makes the directory and everything in it that the processes read.
func (s *Server) prepare() error {
	if s.Dir == "" {
		dir, err := newTempDir()
		if err != nil {
			return err
		}
		s.Dir, s.ownDir = dir, true
	} else if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return fmt.Errorf("make directory: %w", err)
	}
	var err error
	if s.authority, err = newAuthority(s.options.Rand); err != nil {
		return err
	}
	s.CA = s.authority.pem
	random := make([]byte, 16)
	if _, err := io.ReadFull(s.options.Rand, random); err != nil {
		return fmt.Errorf("make admin token: %w", err)
	}
	s.adminTok = hex.EncodeToString(random)
	names := append([]string{"kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1", "::1", s.ServiceIP.String()}, s.options.SANs...)
	cert, key, err := s.authority.issue(pkix.Name{CommonName: "kube-apiserver"}, x509.ExtKeyUsageServerAuth, names)
	if err != nil {
		return err
	}
	var tokenKeyPEM []byte
	if s.tokenKey, tokenKeyPEM, err = signingKey(s.options.Rand); err != nil {
		return err
	}
	tokens := append([]Token{{Value: s.adminTok, User: "admin", Groups: []string{"system:masters"}}}, s.options.Tokens...)
	for name, content := range map[string][]byte{
		"ca.crt": s.CA, "server.crt": cert, "server.key": key, "tokens.key": tokenKeyPEM,
		"tokens.csv": []byte(tokenFile(tokens)),
	} {
		if err := os.WriteFile(s.path(name), content, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

func (s *Server) path(name string) string { return filepath.Join(s.Dir, name) }

// run starts both processes and waits until the API server is ready.
func (s *Server) run(ctx context.Context) error {
	began := time.Now()
	ports, err := freePorts(3)
	if err != nil {
		return err
	}
	etcdURL := "http://127.0.0.1:" + strconv.Itoa(ports[0])
	peerURL := "http://127.0.0.1:" + strconv.Itoa(ports[1])
	s.etcd, err = startProcess("etcd", s.path("etcd.log"), filepath.Join(s.options.BinDir, "etcd"),
		"--name=kubetest", "--data-dir="+s.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls="+etcdURL, "--advertise-client-urls="+etcdURL,
		"--listen-peer-urls="+peerURL, "--initial-advertise-peer-urls="+peerURL, "--initial-cluster=kubetest="+peerURL)
	if err != nil {
		return err
	}
	port := strconv.Itoa(ports[2])
	s.URL = "https://127.0.0.1:" + port
	s.Config = s.ConfigFor(s.adminTok)
	s.api, err = startProcess("kube-apiserver", s.path("kube-apiserver.log"),
		filepath.Join(s.options.BinDir, "kube-apiserver"), s.apiArgs(etcdURL, port)...)
	if err != nil {
		return err
	}
	if err := s.waitReady(ctx); err != nil {
		return err
	}
	s.options.Note(fmt.Sprintf("kube-apiserver ready at %s after %s", s.URL, time.Since(began).Round(100*time.Millisecond)))
	return nil
}

func (s *Server) apiArgs(etcdURL, port string) []string {
	args := []string{
		"--etcd-servers=" + etcdURL,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + port,
		"--tls-cert-file=" + s.path("server.crt"), "--tls-private-key-file=" + s.path("server.key"),
		"--client-ca-file=" + s.path("ca.crt"), "--token-auth-file=" + s.path("tokens.csv"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + s.path("tokens.key"), "--service-account-signing-key-file=" + s.path("tokens.key"),
		"--service-account-max-token-expiration=" + s.options.MaxTokenLife.String(),
		"--service-cluster-ip-range=" + s.options.ServiceCIDR.String(),
		"--authorization-mode=RBAC", "--allow-privileged=true",
		// The endpoint of `kubernetes` would be a loopback address, which the API refuses.
		"--endpoint-reconciler-type=none",
		// No drain of watches on stop: a test has nobody to drain.
		"--shutdown-delay-duration=0s", "--profiling=false",
	}
	return append(args, s.options.ExtraArgs...)
}

// waitReady polls /readyz and then the `kubernetes` Service, until ctx ends or a
// process dies.
func (s *Server) waitReady(ctx context.Context) error {
	transport, err := rest.TransportFor(s.Config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	client := &http.Client{Transport: transport, Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	paths := []string{"/readyz", "/api/v1/namespaces/default/services/kubernetes", "/api/v1/namespaces/kube-system"}
	for len(paths) > 0 {
		if ok(ctx, client, s.URL+paths[0]) {
			paths = paths[1:]
			continue
		}
		if err := errors.Join(s.etcd.ended(), s.api.ended()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s of kube-apiserver: %w\n%s", paths[0], context.Cause(ctx), s.api.tail(15))
		case <-tick.C:
		}
	}
	return nil
}

func ok(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body) // so that the connection is used again
	return response.StatusCode == http.StatusOK
}

// Stop ends kube-apiserver, then etcd, each within Options.StopTimeout, and
// removes the directory when the server made it. It may be called twice.
func (s *Server) Stop() error {
	s.stopOnce.Do(func() {
		// The other way round, kube-apiserver waits a minute for its etcd.
		s.api.stop(s.options.StopTimeout)
		s.etcd.stop(s.options.StopTimeout)
		if s.ownDir {
			s.stopErr = os.RemoveAll(s.Dir)
		}
	})
	return s.stopErr
}
