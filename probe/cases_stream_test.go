package probe

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

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
	short := func(_ *fake, o *Options) { o.HeaderWait = time.Second }
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
		"a proxy that holds a quiet watch and cuts it": {
			server: func(_ *testing.T, f *fake) {
				f.over["/api/v1/namespaces"] = func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Query().Get("watch") == "true" {
						select {
						case <-time.After(time.Second):
						case <-f.done:
						}
						panic(http.ErrAbortHandler)
					}
					f.serveAPI(w, r)
				}
			},
			hop: HopWatch, code: "CW-PROBE-WATCH-HELD", says: "until the connection was cut after 1.",
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
			options: func(_ *fake, o *Options) { o.WatchChange, o.HopTimeout = true, 2*time.Second },
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
			options: func(_ *fake, o *Options) { o.Idle, o.HopTimeout = time.Second, 3*time.Second },
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
