package probe

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/http/httpproxy"
	"golang.org/x/net/proxy"
	"k8s.io/client-go/rest"
)

// proxyChoice is the proxy that kubectl would take for this server, or none.
type proxyChoice struct {
	url    *url.URL
	source string // "proxy-url in the kubeconfig", or the variable
	given  bool   // by the kubeconfig, so it is meant
}

// chooseProxy follows client-go: proxy-url wins, then HTTPS_PROXY unless NO_PROXY
// excepts the server. Loopback is never proxied by the environment.
func chooseProxy(config *rest.Config, server *url.URL, getenv func(string) string) (proxyChoice, error) {
	if config.Proxy != nil {
		u, err := config.Proxy(&http.Request{URL: server})
		if err != nil {
			return proxyChoice{}, fmt.Errorf("proxy-url in the kubeconfig: %w", err)
		}
		return proxyChoice{url: u, source: "proxy-url in the kubeconfig", given: u != nil}, nil
	}
	first := func(names ...string) (string, string) {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return value, name
			}
		}
		return "", ""
	}
	value, source := first("HTTPS_PROXY", "https_proxy")
	except, _ := first("NO_PROXY", "no_proxy")
	choose := (&httpproxy.Config{HTTPSProxy: value, NoProxy: except}).ProxyFunc()
	u, err := choose(server)
	if err != nil {
		return proxyChoice{}, fmt.Errorf("%s: it is no URL of a proxy", source) // the value may hold a password
	}
	return proxyChoice{url: u, source: source}, nil
}

func (p proxyChoice) choose(*http.Request) (*url.URL, error) { return p.url, nil }

// String names the proxy without its password.
func (p proxyChoice) String() string { return p.url.Redacted() + " (" + p.source + ")" }

// hostPort is what has to be dialled: the proxy's address, or the server's.
func (p proxyChoice) hostPort(server *url.URL) (host, port string) {
	u := server
	if p.url != nil {
		u = p.url
	}
	if port = u.Port(); port == "" {
		port = map[string]string{"http": "80", "https": "443", "socks5": "1080", "socks5h": "1080"}[u.Scheme]
	}
	return u.Hostname(), port
}

func serverHostPort(server *url.URL) string {
	host, port := proxyChoice{}.hostPort(server)
	return net.JoinHostPort(host, port)
}

// refusedByProxy is a proxy's answer to CONNECT that is not 200.
type refusedByProxy struct{ status string }

func (e *refusedByProxy) Error() string { return "the proxy answered CONNECT with " + e.status }

// tunnel asks the proxy on the other side of conn for a connection to the server.
func (s *session) tunnel(ctx context.Context, conn net.Conn) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
		defer func() { _ = conn.SetDeadline(time.Time{}) }()
	}
	target := serverHostPort(s.server)
	switch s.proxy.url.Scheme {
	case "socks5", "socks5h":
		return socksTunnel(conn, s.proxy.url, target)
	case "https":
		secure := tls.Client(conn, &tls.Config{ServerName: s.proxy.url.Hostname(), MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("tls to the proxy: %w", err)
		}
		conn = secure
	}
	request := &http.Request{Method: http.MethodConnect, URL: &url.URL{Opaque: target}, Host: target, Header: http.Header{}}
	if user := s.proxy.url.User; user != nil {
		password, _ := user.Password()
		request.Header.Set("Proxy-Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(user.Username()+":"+password)))
	}
	if err := request.Write(conn); err != nil {
		return nil, fmt.Errorf("ask the proxy: %w", err)
	}
	// No byte beyond the answer can be there yet: the server speaks after the client.
	response, err := http.ReadResponse(bufio.NewReader(conn), request)
	if err != nil {
		return nil, fmt.Errorf("ask the proxy: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, &refusedByProxy{response.Status}
	}
	return conn, nil
}

func socksTunnel(conn net.Conn, u *url.URL, target string) (net.Conn, error) {
	var auth *proxy.Auth
	if u.User != nil {
		password, _ := u.User.Password()
		auth = &proxy.Auth{User: u.User.Username(), Password: password}
	}
	dialer, err := proxy.SOCKS5("tcp", u.Host, auth, given{conn})
	if err != nil {
		return nil, fmt.Errorf("socks proxy: %w", err)
	}
	tunnelled, err := dialer.Dial("tcp", target)
	if err != nil {
		return nil, &refusedByProxy{err.Error()}
	}
	return tunnelled, nil
}

// given is a dialer that hands out the connection that is already there.
type given struct{ conn net.Conn }

func (g given) Dial(string, string) (net.Conn, error) { return g.conn, nil }
