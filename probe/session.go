package probe

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// session is what the hops learn from and leave to one another.
type session struct {
	options   Options
	context   string
	namespace string
	config    *rest.Config
	insecure  bool // the kubeconfig asks for no verification; never followed
	pinned    bool // the kubeconfig has a CA; without one, the system's roots count
	server    *url.URL
	proxy     proxyChoice
	tls       *tls.Config

	dialHost  string // whom to dial: the server, or the proxy
	dialPort  string
	addresses []netip.Addr
	alpn      string // what the tls hop negotiated
	times     Times
	tokenEnd  expiry
	release   string // of kube-apiserver: v1.33.1

	clients map[string]*http.Client
	quiet   string // path of a collection that may be listed and watched, or ""
	guessed bool   // quiet was not asked for, see guess
	version string // its resourceVersion
}

// expiry keeps the end of the bearer token that was last sent, and not the token.
type expiry struct {
	sync.Mutex
	end     time.Time
	sent    bool
	account bool // it is a ServiceAccount's
}

func newSession(target Target, options Options) (*session, error) {
	broken := func(cause error, detail string) error {
		return &Error{Hop: "kubeconfig", Detail: detail, Hint: HintFor("CW-PROBE-KUBECONFIG"), code: "CW-PROBE-KUBECONFIG", cause: cause}
	}
	file, err := clientcmd.Load(target.Kubeconfig)
	if err != nil {
		// The parser's own message may quote the file, and with it a token.
		return nil, broken(nil, "the kubeconfig can't be read: it is not the YAML or JSON of one")
	}
	if err := besideFile(file, target.Path); err != nil {
		return nil, broken(err, err.Error())
	}
	name := target.Context
	if name == "" {
		name = file.CurrentContext
	}
	loader := clientcmd.NewNonInteractiveClientConfig(*file, name, &clientcmd.ConfigOverrides{}, nil)
	config, err := loader.ClientConfig()
	if err != nil {
		return nil, broken(err, fmt.Sprintf("context %q: %v", name, err))
	}
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, broken(err, fmt.Sprintf("context %q: %v", name, err))
	}
	server, err := url.Parse(config.Host)
	if err != nil || server.Hostname() == "" {
		return nil, broken(err, fmt.Sprintf("context %q: server %q is no URL", name, config.Host))
	}
	s := &session{options: options, context: name, namespace: namespace, server: server, clients: map[string]*http.Client{}}
	if options.Namespace != "" {
		s.namespace = options.Namespace
	}
	s.config = rest.CopyConfig(config)
	s.insecure, s.config.Insecure = config.Insecure, false
	s.pinned = len(config.CAData) > 0 || config.CAFile != ""
	if !s.pinned {
		s.config.CAData = options.Roots
	}
	s.config.UserAgent = "causeway-probe"
	if s.tls, err = rest.TLSConfigFor(s.config); err != nil {
		return nil, broken(err, fmt.Sprintf("context %q: %v", name, err))
	}
	if s.tls == nil {
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	s.tls.Time = options.Now
	if s.tls.ServerName == "" {
		s.tls.ServerName = server.Hostname()
	}
	if s.proxy, err = chooseProxy(config, server, options.Getenv); err != nil {
		return nil, broken(err, err.Error())
	}
	s.config.Proxy = s.proxy.choose
	s.dialHost, s.dialPort = s.proxy.hostPort(server)
	return s, nil
}

// besideFile makes the paths in a kubeconfig relative to its file, as kubectl does,
// and not to where this program was started.
func besideFile(config *api.Config, path string) error {
	if path == "" {
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("find %s: %w", path, err)
	}
	for _, cluster := range config.Clusters {
		cluster.LocationOfOrigin = path
	}
	for _, user := range config.AuthInfos {
		user.LocationOfOrigin = path
	}
	return clientcmd.ResolveLocalPaths(config)
}

func (s *session) close() {
	for _, client := range s.clients {
		client.CloseIdleConnections()
	}
}

// dialTCP dials what the resolve hop found, address after address.
func (s *session) dialTCP(ctx context.Context) (net.Conn, error) {
	if len(s.addresses) == 0 {
		return s.options.Dial(ctx, "tcp", net.JoinHostPort(s.dialHost, s.dialPort))
	}
	var last error
	for i, address := range s.addresses {
		// A dead first address must leave time for the others.
		try, cancel := ctx, func() {}
		if deadline, ok := ctx.Deadline(); ok && i < len(s.addresses)-1 {
			share := time.Until(deadline) / time.Duration(len(s.addresses)-i)
			try, cancel = context.WithTimeout(ctx, share)
		}
		conn, err := s.options.Dial(try, "tcp", net.JoinHostPort(address.String(), s.dialPort))
		cancel()
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

// client gives an HTTP client with the kubeconfig's credentials and CA. proto is
// "" (what ALPN gives), "http/1.1" or "h2".
func (s *session) client(proto string) (*http.Client, error) {
	if client, ok := s.clients[proto]; ok {
		return client, nil
	}
	config := s.tls.Clone()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(proto != "h2")
	protocols.SetHTTP2(proto != "http/1.1")
	transport := &http.Transport{
		TLSClientConfig: config, Protocols: protocols, DisableCompression: true, Proxy: s.proxy.choose,
		TLSHandshakeTimeout: s.options.HopTimeout,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			if address == net.JoinHostPort(s.dialHost, s.dialPort) {
				return s.dialTCP(ctx)
			}
			return s.options.Dial(ctx, network, address)
		},
	}
	wrapped, err := rest.HTTPWrappersForConfig(s.config, &tokenWatch{base: transport, into: &s.tokenEnd})
	if err != nil {
		return nil, fmt.Errorf("build http client: %w", err)
	}
	client := &http.Client{Transport: wrapped, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // an API server never redirects: the answer itself is the finding
	}}
	s.clients[proto] = client
	return client, nil
}

// request builds one for a path below the server's URL.
func (s *session) request(ctx context.Context, method, path string, query url.Values, body []byte) (*http.Request, error) {
	u := s.server.JoinPath(path)
	u.RawQuery = query.Encode()
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), reader)
	if err != nil {
		return nil, fmt.Errorf("build request: %w", err)
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// call sends one request over the default client and reads the whole answer.
func (s *session) call(ctx context.Context, method, path string, query url.Values, body []byte) (answer, error) {
	client, err := s.client("")
	if err != nil {
		return answer{}, err
	}
	request, err := s.request(ctx, method, path, query, body)
	if err != nil {
		return answer{}, err
	}
	response, err := client.Do(request)
	if err != nil {
		return answer{}, err
	}
	return readAnswer(response)
}

// review posts a self-subject review and decodes the answer into object.
func (s *session) review(ctx context.Context, path string, object any) (answer, error) {
	body, err := json.Marshal(object)
	if err != nil {
		return answer{}, fmt.Errorf("encode review: %w", err)
	}
	got, err := s.call(ctx, http.MethodPost, path, nil, body)
	if err != nil || !got.ok() {
		return got, err
	}
	if err := json.Unmarshal(got.body, object); err != nil {
		return got, fmt.Errorf("decode answer of %s: %w", path, err)
	}
	return got, nil
}

// tokenWatch sees which bearer token is sent, whatever its source, to know its end.
type tokenWatch struct {
	base http.RoundTripper
	into *expiry
}

func (t *tokenWatch) RoundTrip(request *http.Request) (*http.Response, error) {
	if token, ok := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer "); ok {
		end, _ := tokenExpiry(token)
		t.into.Lock()
		t.into.sent, t.into.end, t.into.account = true, end, accountToken(token)
		t.into.Unlock()
	}
	return t.base.RoundTrip(request)
}

// CloseIdleConnections lets http.Client.CloseIdleConnections reach the transport.
func (t *tokenWatch) CloseIdleConnections() {
	if closer, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
}
