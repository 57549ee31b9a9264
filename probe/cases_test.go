package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
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

// held answers a watch as a proxy that waits for the first event, over the versions.
func held(f *fake, versions ...int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for _, version := range versions {
			if r.URL.Query().Get("watch") == "true" && r.ProtoMajor == version {
				<-f.ended(r)
				return
			}
		}
		f.serveAPI(w, r)
	}
}

func streamCases() map[string]failing {
	short := func(_ *fake, o *Options) { o.HeaderWait = 200 * time.Millisecond }
	return map[string]failing{
		"a proxy that holds a quiet watch over HTTP/2": {
			server:  func(_ *testing.T, f *fake) { f.over["/api/v1/namespaces"] = held(f, 2) },
			options: short,
			hop:     HopWatch, code: "CW-PROBE-WATCH-HELD", says: "over h2 on a watch where nothing happens (after",
		},
		"a proxy that holds a quiet watch over both": {
			server:  func(_ *testing.T, f *fake) { f.over["/api/v1/namespaces"] = held(f, 1, 2) },
			options: short,
			hop:     HopWatch, code: "CW-PROBE-WATCH-HELD", says: "over http/1.1",
		},
		"a proxy without watches": {
			server: func(_ *testing.T, f *fake) {
				f.over["/api/v1/namespaces"] = func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Query().Get("watch") == "true" {
						page(504, "504 Gateway Time-out")(w, r)
						return
					}
					f.serveAPI(w, r)
				}
			},
			hop: HopWatch, code: "CW-PROBE-UPSTREAM", says: "504",
		},
		"a proxy that buffers events": {
			server: func(_ *testing.T, f *fake) {
				f.over["/api/v1/namespaces/shop/configmaps"] = func(w http.ResponseWriter, r *http.Request) {
					if r.Method == http.MethodPost {
						answerJSON(w, 201, `{}`)
						return
					}
					f.serveAPI(w, r)
				}
			},
			options: func(_ *fake, o *Options) { o.WatchChange, o.HopTimeout = true, 500*time.Millisecond },
			hop:     HopWatch, code: "CW-PROBE-WATCH-BUFFERED", says: "did not come through the watch", goOnly: "verify.sh changes nothing",
		},
		"a proxy that drops the Upgrade header": {
			server: over(execURL, func(w http.ResponseWriter, _ *http.Request) {
				statusAnswer(w, 400, "BadRequest", "Upgrade request required")
			}),
			options: withExec, args: []string{"--exec", "shop/web/nginx"},
			hop: HopExecWebSocket, code: "CW-PROBE-UPGRADE", says: "Upgrade request required",
		},
		"an API server that lets SPDY no longer through (426)": {
			server: over(execURL, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Upgrade") == "websocket" {
					serveExec(w, r)
					return
				}
				http.Error(w, "Upgrade Required", http.StatusUpgradeRequired)
			}),
			options: withExec, args: []string{"--exec", "shop/web/nginx"},
			hop: HopExecSPDY, code: "CW-PROBE-UPGRADE", says: "SPDY",
		},
		"a filter that shows a page in the place of the upgrade": {
			server:  over(execURL, page(403, "Blocked by policy")),
			options: withExec, args: []string{"--exec", "shop/web/nginx"},
			hop: HopExecWebSocket, code: "CW-PROBE-UPGRADE", says: `a page titled "Blocked by policy"`,
		},
		"a Pod that is gone": {
			server: over(execURL, func(w http.ResponseWriter, _ *http.Request) {
				statusAnswer(w, 404, "NotFound", `pods "web" not found`)
			}),
			options: withExec, args: []string{"--exec", "shop/web"},
			hop: HopExecWebSocket, code: "CW-PROBE-EXEC-TARGET", says: "not found",
		},
		"a right to exec that is missing": {
			server: over(execURL, func(w http.ResponseWriter, _ *http.Request) {
				statusAnswer(w, 403, "Forbidden", `pods "web" is forbidden: User "x" cannot create resource "pods/exec"`)
			}),
			options: withExec, args: []string{"--exec", "shop/web"},
			hop: HopExecWebSocket, code: "CW-PROBE-FORBIDDEN", says: "pods/exec",
		},
		"a kubelet out of reach": {
			server: over(execURL, func(w http.ResponseWriter, _ *http.Request) {
				statusAnswer(w, 500, "InternalError", "error dialing backend: dial tcp 10.0.0.2:10250: i/o timeout")
			}),
			options: withExec, args: []string{"--exec", "shop/web"},
			hop: HopExecWebSocket, code: "CW-PROBE-EXEC-BACKEND", says: "error dialing backend",
		},
		"a body limit of the proxy": {
			server: func(_ *testing.T, f *fake) {
				f.over[reviewURL] = func(w http.ResponseWriter, r *http.Request) {
					if r.ContentLength > 1<<20 {
						_, _ = io.Copy(io.Discard, r.Body)
						page(413, "413 Request Entity Too Large")(w, r)
						return
					}
					f.serveAPI(w, r)
				}
			},
			options: func(_ *fake, o *Options) { o.LargeBody = true }, args: []string{"--large-body"},
			hop: HopLargeBody, code: "CW-PROBE-BODY-LIMIT", says: "413",
		},
		"a read timeout of the proxy": {
			server:  idleEnd(func(*fake, *http.Request) { panic(http.ErrAbortHandler) }),
			options: func(_ *fake, o *Options) { o.Idle = 3 * time.Second }, args: []string{"--idle", "3"},
			hop: HopIdle, code: "CW-PROBE-IDLE-CUT", says: "of 3.0 s",
		},
		"a proxy that ends quiet watches politely": {
			server:  idleEnd(func(*fake, *http.Request) {}),
			options: func(_ *fake, o *Options) { o.Idle = 3 * time.Second }, args: []string{"--idle", "3"},
			hop: HopIdle, code: "CW-PROBE-IDLE-CUT", says: "before the 3.0 s that were asked for",
		},
		"a firewall that forgets quiet connections": {
			server: idleEnd(func(f *fake, r *http.Request) {
				select {
				case <-r.Context().Done():
				case <-f.done:
				}
			}),
			options: func(_ *fake, o *Options) { o.Idle, o.HopTimeout, o.HeaderWait = time.Second, time.Second, time.Second },
			args:    []string{"--idle", "1", "--timeout", "1"},
			hop:     HopIdle, code: "CW-PROBE-IDLE-LOST", says: "dropped without a word",
		},
	}
}

// idleEnd serves the first watches well, and ends the idle one in the given way. The
// idle watch is told by its default protocol: it comes last.
func idleEnd(end func(*fake, *http.Request)) func(*testing.T, *fake) {
	return func(_ *testing.T, f *fake) {
		watches := 0
		f.over["/api/v1/namespaces"] = func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("watch") == "true" {
				if f.Lock(); watches == 2 {
					f.Unlock()
					w.Header().Set("Content-Type", "application/json")
					w.WriteHeader(200)
					w.(http.Flusher).Flush()
					end(f, r)
					return
				}
				watches++
				f.Unlock()
			}
			f.serveAPI(w, r)
		}
	}
}

func dialError(cause error) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("connect: %w", cause)}
	}
}

// instead puts a raw listener in the place of the server.
func instead(serve func(*fake, net.Conn)) func(*fake, *clientcmdapi.Cluster, *clientcmdapi.AuthInfo) {
	return func(f *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
		c.Server = "https://" + f.raw(func(conn net.Conn) { serve(f, conn) })
	}
}
