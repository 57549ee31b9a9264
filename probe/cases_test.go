package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// failing is one way to fail: what to break, and what both the probe in Go and
// verify.sh must say about it.
type failing struct {
	server     func(*testing.T, *fake)                                    // breaks the server
	certify    func(*x509.Certificate)                                    // breaks its certificate
	kubeconfig func(*fake, *clientcmdapi.Cluster, *clientcmdapi.AuthInfo) // breaks the kubeconfig
	options    func(*fake, *Options)
	args       []string // the same for verify.sh
	env        []string // for verify.sh
	hop, code  string
	says       string // in the Go detail
	goOnly     string // why verify.sh can't be asked
}

func over(prefix string, handler http.HandlerFunc) func(*testing.T, *fake) {
	return func(_ *testing.T, f *fake) { f.over[prefix] = handler }
}

const (
	reviewURL = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
	execURL   = "/api/v1/namespaces/shop/pods/web/exec"
)

func withExec(_ *fake, o *Options) {
	o.Exec = &ExecTarget{Namespace: "shop", Pod: "web", Container: "nginx", Command: []string{"echo", "hello"}}
}

func connectCases() map[string]failing {
	return map[string]failing{
		"a name that nobody knows": {
			kubeconfig: func(_ *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				c.Server = "https://" + strings.Repeat("x", 64) + ".example" // too long a label: no resolver asks the network for it
			},
			hop: HopResolve, code: "CW-PROBE-RESOLVE", says: "xxx.example",
		},
		"a DNS server that does not answer": {
			kubeconfig: func(_ *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				c.Server = "https://kube.example"
			},
			options: func(_ *fake, o *Options) {
				o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
					return nil, &net.DNSError{Err: "i/o timeout", Name: "kube.example", IsTimeout: true}
				}
			},
			hop: HopResolve, code: "CW-PROBE-RESOLVE", says: "the DNS server does not answer", goOnly: "needs a resolver of its own",
		},
		"a server URL without TLS": {
			kubeconfig: func(f *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				c.Server, c.CertificateAuthorityData = strings.Replace(f.URL, "https", "http", 1), nil
			},
			hop: HopResolve, code: "CW-PROBE-NOT-HTTPS", says: "not https",
		},
		"a port where nobody listens": {
			kubeconfig: func(_ *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				listener, err := net.Listen("tcp", "127.0.0.1:0")
				if err == nil {
					c.Server = "https://" + listener.Addr().String()
					_ = listener.Close()
				}
			},
			hop: HopConnect, code: "CW-PROBE-REFUSED", says: "refused the connection",
		},
		"packets that vanish": {
			options: func(_ *fake, o *Options) {
				o.HopTimeout = 200 * time.Millisecond
				o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) {
					<-ctx.Done()
					return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
				}
			},
			hop: HopConnect, code: "CW-PROBE-TIMEOUT", says: "did not answer in time", goOnly: "curl's dialler is its own",
		},
		"a network without a route": {
			options: func(_ *fake, o *Options) { o.Dial = dialError(syscall.EHOSTUNREACH) },
			hop:     HopConnect, code: "CW-PROBE-NO-ROUTE", says: "no route to 127.0.0.1", goOnly: "curl's dialler is its own",
		},
		"a sandbox that forbids connections": {
			options: func(_ *fake, o *Options) { o.Dial = dialError(errors.New("operation not permitted")) },
			hop:     HopConnect, code: "CW-PROBE-CONNECT", says: "operation not permitted", goOnly: "curl's dialler is its own",
		},
		"a proxy that refuses CONNECT": {
			kubeconfig: func(f *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				c.ProxyURL = "http://user:hunter2@" + f.raw(func(conn net.Conn) {
					if request, err := http.ReadRequest(bufio.NewReader(conn)); err == nil && request.Method == http.MethodConnect {
						_, _ = io.WriteString(conn, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
					}
					_ = conn.Close()
				})
			},
			hop: HopConnect, code: "CW-PROBE-PROXY-REFUSED", says: "403 Forbidden",
		},
	}
}

func tlsCases() map[string]failing {
	return map[string]failing{
		"plain HTTP on the TLS port": {
			kubeconfig: instead(func(_ *fake, c net.Conn) {
				_, _ = c.Read(make([]byte, 4096))
				_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n400 Bad Request")
				_ = c.Close()
			}),
			hop: HopTLS, code: "CW-PROBE-NOT-TLS", says: "it is plain HTTP",
		},
		"a listener that never answers": {
			kubeconfig: instead(func(f *fake, c net.Conn) { <-f.done; _ = c.Close() }),
			options:    func(_ *fake, o *Options) { o.HopTimeout = 300 * time.Millisecond },
			args:       []string{"--timeout", "1"},
			hop:        HopTLS, code: "CW-PROBE-TLS-TIMEOUT", says: "the TLS handshake gets no answer",
		},
		"a listener that hangs up": {
			kubeconfig: instead(func(_ *fake, c net.Conn) { _, _ = c.Read(make([]byte, 4096)); _ = c.Close() }),
			hop:        HopTLS, code: "CW-PROBE-TLS", says: "cut during the handshake",
		},
		"a certificate for another address": {
			certify: func(c *x509.Certificate) { c.IPAddresses = []net.IP{net.ParseIP("10.10.0.50")} },
			hop:     HopTLS, code: "CW-PROBE-TLS-SAN", says: "is not for 127.0.0.1 but for 10.10.0.50, kubernetes.default.svc",
		},
		"a certificate with a common name alone": {
			certify: func(c *x509.Certificate) { c.IPAddresses, c.DNSNames, c.Subject.CommonName = nil, nil, "127.0.0.1" },
			hop:     HopTLS, code: "CW-PROBE-TLS-SAN", says: `no name at all (only the common name "127.0.0.1"`,
		},
		"a tls-server-name that the certificate lacks": {
			kubeconfig: func(_ *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.TLSServerName = "kube.example" },
			hop:        HopTLS, code: "CW-PROBE-TLS-SAN", says: "is not for kube.example",
		},
		"a certificate that has ended": {
			certify: func(c *x509.Certificate) {
				c.NotBefore, c.NotAfter = time.Now().AddDate(0, -2, 0), time.Now().Add(-50*time.Hour)
			},
			hop: HopTLS, code: "CW-PROBE-TLS-EXPIRED", says: "50 h ago",
		},
		"a certificate that has not begun": {
			certify: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(48 * time.Hour) },
			hop:     HopTLS, code: "CW-PROBE-TLS-EXPIRED", says: "this machine's clock says",
		},
		"another CA": {
			kubeconfig: func(f *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				c.CertificateAuthorityData = f.otherCA
			},
			hop: HopTLS, code: "CW-PROBE-TLS-CA", says: "signed by CN=causeway toy CA, which the kubeconfig's CA does not cover",
		},
		"another CA, another name and too late, all at once": {
			certify: func(c *x509.Certificate) {
				c.IPAddresses, c.NotBefore, c.NotAfter = nil, time.Now().AddDate(0, -2, 0), time.Now().Add(-50*time.Hour)
			},
			kubeconfig: func(f *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				c.CertificateAuthorityData = f.otherCA
			},
			hop: HopTLS, code: "CW-PROBE-TLS-SAN", says: "50 h ago; and signed by",
		},
		"a kubeconfig that switches verification off": {
			kubeconfig: func(_ *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				c.InsecureSkipTLSVerify, c.CertificateAuthorityData = true, nil
			},
			hop: HopTLS, code: "CW-PROBE-INSECURE", says: "not tried",
		},
		"a proxy that wants a client certificate in TLS 1.2": {
			server: func(_ *testing.T, f *fake) {
				f.TLS.ClientAuth, f.TLS.MaxVersion = tls.RequireAnyClientCert, tls.VersionTLS12
			},
			hop: HopTLS, code: "CW-PROBE-CLIENT-CERT", says: "asked for a client certificate and refused",
		},
		"a proxy that wants a client certificate in TLS 1.3": {
			server: func(_ *testing.T, f *fake) { f.TLS.ClientAuth = tls.RequireAnyClientCert },
			hop:    HopTLS, code: "CW-PROBE-CLIENT-CERT", says: "certificate required",
		},
	}
}

func httpCases() map[string]failing {
	return map[string]failing{
		"nginx without a client certificate": {
			server: over("/", page(400, "400 No required SSL certificate was sent")),
			hop:    HopHTTP, code: "CW-PROBE-CLIENT-CERT", says: "nginx/1.22.1",
		},
		"nginx without an upstream": {
			server: over("/", page(502, "502 Bad Gateway")),
			hop:    HopHTTP, code: "CW-PROBE-UPSTREAM", says: `502 Bad Gateway from nginx/1.22.1, a page titled "502 Bad Gateway"`,
		},
		"a welcome page": {
			server: over("/", page(200, "Welcome to nginx!")),
			hop:    HopHTTP, code: "CW-PROBE-NOT-KUBE", says: "Welcome to nginx!",
		},
		"a host that nobody serves": {
			server: over("/", page(404, "404 Not Found")),
			hop:    HopHTTP, code: "CW-PROBE-NOT-KUBE", says: "404",
		},
		"a captive portal": {
			server: over("/", func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "https://login.example/", http.StatusFound)
			}),
			hop: HopHTTP, code: "CW-PROBE-NOT-KUBE", says: "redirects to https://login.example/",
		},
		"a connection that is cut": {
			server: over("/", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
			hop:    HopHTTP, code: "CW-PROBE-HTTP", says: "GET /version",
		},
		"an API server in trouble": {
			server: over("/version", func(w http.ResponseWriter, _ *http.Request) {
				statusAnswer(w, 500, "InternalError", "etcdserver: no leader")
			}),
			hop: HopHTTP, code: "CW-PROBE-HTTP", says: "500: etcdserver: no leader",
		},
		"a wrong token": {
			kubeconfig: func(_ *fake, _ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) { u.Token = "other-secret-value" },
			hop:        HopIdentity, code: "CW-PROBE-UNAUTHORIZED", says: "wrong, revoked or has ended",
		},
		"no token": {
			kubeconfig: func(_ *fake, _ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) { u.Token = "" },
			hop:        HopIdentity, code: "CW-PROBE-UNAUTHORIZED", says: "the kubeconfig sent no token",
		},
		"a token that has ended": {
			kubeconfig: func(_ *fake, _ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
				u.Token = jwt(time.Now().Add(-3 * time.Hour))
			},
			hop: HopIdentity, code: "CW-PROBE-TOKEN-EXPIRED", says: "3 h ago",
		},
		"a good token of another cluster": {
			kubeconfig: func(_ *fake, _ *clientcmdapi.Cluster, u *clientcmdapi.AuthInfo) {
				u.Token = jwt(time.Now().Add(3 * time.Hour))
			},
			hop: HopIdentity, code: "CW-PROBE-UNAUTHORIZED", says: "another cluster's",
		},
		"a client certificate that the proxy drops": {
			server: over(reviewURL, func(w http.ResponseWriter, _ *http.Request) {
				statusAnswer(w, 403, "Forbidden", `selfsubjectreviews.authentication.k8s.io is forbidden: User "system:anonymous" cannot create resource`)
			}),
			hop: HopIdentity, code: "CW-PROBE-ANONYMOUS", says: "system:anonymous",
		},
		"an API server that answers to nobody": {
			server: func(_ *testing.T, f *fake) { f.user = "system:anonymous" },
			hop:    HopIdentity, code: "CW-PROBE-ANONYMOUS", says: "the token that was sent did not arrive",
		},
		"a filter that lets only GET through": {
			server: over(reviewURL, page(405, "405 Not Allowed")),
			hop:    HopIdentity, code: "CW-PROBE-NOT-KUBE", says: "405",
		},
		"rights that are missing": {
			server: func(_ *testing.T, f *fake) { f.denied["create pods/exec"] = true },
			options: func(_ *fake, o *Options) {
				o.Rights = []Right{{Verb: "get", Resource: "pods"}, {Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "shop"}}
			},
			args: []string{"--right", "get:pods", "--right", "create:pods/exec:shop"},
			hop:  HopRights, code: "CW-PROBE-RIGHTS", says: "1 of 2; not allowed: create pods/exec in shop",
		},
		"a list that is forbidden after all": {
			server: over("/api/v1/namespaces", func(w http.ResponseWriter, _ *http.Request) {
				statusAnswer(w, 403, "Forbidden", "namespaces is forbidden")
			}),
			hop: HopList, code: "CW-PROBE-FORBIDDEN", says: "403: namespaces is forbidden",
		},
		"a list that is a page": {
			server: over("/api/v1/namespaces", page(200, "Sign in")),
			hop:    HopList, code: "CW-PROBE-LIST", says: "Sign in",
		},
	}
}
