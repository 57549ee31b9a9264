package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// Bounds of one attempt. A way that is routed answers within milliseconds to a
// few hundred; one that is not stays silent. An exec plugin of a kubeconfig may
// start gcloud, which takes a second or two.
const (
	endpointBound = 3 * time.Second
	contextBound  = 10 * time.Second
)

// Endpoints are the addresses that the cluster offers, as a host, host:port or
// URL; empty: it offers none.
type Endpoints struct {
	Private string
	Public  string
	DNS     string
	Gateway string // Connect Gateway's URL for the cluster
	CA      []byte // PEM of the cluster's CA, which signs neither the DNS endpoint nor the gateway
}

// ConnectOptions say how to reach a cluster.
type ConnectOptions struct {
	Via       Via // "" is Auto
	Endpoints Endpoints
	// Tokens gives Google access tokens for the endpoints; nil: only a
	// kubeconfig context can be used.
	Tokens oauth2.TokenSource
	// Context names a kubeconfig context. It must be this cluster. Empty: one
	// that is this cluster, the current one first.
	Context string
	// Kubeconfig is a path, or several as KUBECONFIG has them. Empty: none is read.
	Kubeconfig string
	// PublicCA verifies the DNS endpoint and the gateway; empty: the system's roots. For tests and
	// the lab, whose front end no public CA signs.
	PublicCA []byte
	// Proxy chooses a proxy; nil: http.ProxyFromEnvironment.
	Proxy func(*http.Request) (*url.URL, error)
	// Note is told which way was taken. Env.Note is set to it when empty.
	Note func(string)
	Env  Env
}

// attempt is one way that is tried.
type attempt struct {
	via    Via
	about  string // "private 192.168.50.2"
	config *rest.Config
	skip   error // why there is nothing to try
	bound  time.Duration
}

// outcome of an attempt.
type outcome struct {
	client *Client
	user   string
	err    error
}

// Connect finds a way to the cluster's API server and proves it: the server's
// certificate is verified and the credentials are accepted. With Auto all ways
// are tried at the same time and the first of the order context, private,
// public, dns, gateway that works is taken. The error lists each attempt with its reason.
func Connect(ctx context.Context, options ConnectOptions) (*Client, error) {
	if options.Env.Note == nil {
		options.Env.Note = options.Note
	}
	if options.Note == nil {
		options.Note = func(string) {}
	}
	attempts, err := options.attempts()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the slower ways are given up once one is taken
	taken, results := options.race(ctx, attempts)
	if taken < 0 {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("connect cluster: %w", context.Cause(ctx))
		}
		return nil, unreachable(attempts, results)
	}
	options.Note("reaches the cluster by " + attempts[taken].about + as(results[taken].user))
	client := results[taken].client
	if client.via == ByDNS || client.via == ByGateway {
		client.clusterCA = options.Endpoints.CA
		for _, endpoint := range []string{options.Endpoints.Private, options.Endpoints.Public} {
			if endpoint != "" {
				client.tlsOf = append(client.tlsOf, serverURL(endpoint))
			}
		}
	}
	return client, nil
}

// race tries all ways at once and returns the index of the one to take: the
// first in the order that works. A way before it that is still silent after
// endpointBound (a kubeconfig's plugin, say) is not waited for. -1: none works.
func (o ConnectOptions) race(ctx context.Context, attempts []attempt) (int, []outcome) {
	type numbered struct {
		index int
		outcome
	}
	ended := make(chan numbered, len(attempts))
	for i, a := range attempts {
		go func() { ended <- numbered{i, o.try(ctx, a)} }()
	}
	results, patient := make([]outcome, len(attempts)), o.Env.withDefaults().After(endpointBound)
	for open := len(attempts); open > 0; {
		select {
		case n := <-ended:
			results[n.index], open = n.outcome, open-1
		case <-patient:
			patient = nil
		}
		for i, result := range results {
			if result.client != nil {
				return i, results
			}
			if result.err == nil && patient != nil {
				break // still under way, and it comes first
			}
		}
	}
	return -1, results
}

func as(user string) string {
	if user == "" {
		return ""
	}
	return ", as " + user
}

// attempts lists what Via asks for.
func (o ConnectOptions) attempts() ([]attempt, error) {
	all := []attempt{o.byContext(), o.byEndpoint(ByPrivate, o.Endpoints.Private, o.Endpoints.CA),
		o.byEndpoint(ByPublic, o.Endpoints.Public, o.Endpoints.CA), o.byEndpoint(ByDNS, o.Endpoints.DNS, o.PublicCA)}
	if o.Endpoints.Gateway != "" || o.Via == ByGateway {
		all = append(all, o.byEndpoint(ByGateway, o.Endpoints.Gateway, o.PublicCA))
	}
	if o.Via == Auto || o.Via == "" {
		return all, nil
	}
	for _, a := range all {
		if a.via == o.Via {
			return []attempt{a}, nil
		}
	}
	return nil, fail("CW-SPEC-INVALID", "connect", "cluster", "--via %s: it is none of auto, context, private, public, dns, gateway", o.Via)
}

func (o ConnectOptions) byEndpoint(via Via, endpoint string, ca []byte) attempt {
	a := attempt{via: via, about: string(via), bound: endpointBound}
	switch {
	case endpoint == "":
		a.skip = errors.New("the cluster has none")
	case o.Tokens == nil:
		a.skip = errors.New("there are no Google credentials")
	case len(ca) == 0 && via != ByDNS && via != ByGateway:
		a.skip = errors.New("the cluster's CA is not known, so nothing could be verified")
	default:
		a.about += " endpoint " + endpoint
		tokens := o.Tokens
		a.config = &rest.Config{
			Host: serverURL(endpoint), TLSClientConfig: rest.TLSClientConfig{CAData: ca}, Proxy: o.Proxy,
			WrapTransport: func(base http.RoundTripper) http.RoundTripper {
				return &oauth2.Transport{Source: tokens, Base: base}
			},
		}
	}
	return a
}

func serverURL(endpoint string) string {
	if strings.Contains(endpoint, "://") {
		return strings.TrimSuffix(endpoint, "/")
	}
	return "https://" + endpoint
}

// try connects one way and asks the server who we are: that proves the way, the
// certificate and the credentials with one request.
func (o ConnectOptions) try(ctx context.Context, a attempt) outcome {
	if a.skip != nil {
		return outcome{err: a.skip}
	}
	client, err := New(a.config, o.Env)
	if err != nil {
		return outcome{err: err}
	}
	client.via = a.via
	ctx, cancel := context.WithTimeoutCause(ctx, a.bound, fmt.Errorf("no answer within %s", a.bound))
	defer cancel()
	user, err := client.WhoAmI(ctx)
	if err != nil && context.Cause(ctx) != nil && ctx.Err() != nil {
		err = &Error{Verb: "reach", Resource: a.about, code: "CW-KUBE-UNREACHABLE", Cause: context.Cause(ctx)}
	}
	if err != nil {
		return outcome{err: o.explain(a, err)}
	}
	return outcome{client: client, user: user}
}

// WhoAmI asks the server for the name under which it knows us.
func (c *Client) WhoAmI(ctx context.Context) (string, error) {
	ref := Ref{Group: "authentication.k8s.io", Version: "v1", Kind: "SelfSubjectReview"}
	review := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": ref.Kind}}
	made, err := c.in(ref).Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return "", wrap("ask", "who we are", err)
	}
	user, _, _ := unstructured.NestedString(made.Object, "status", "userInfo", "username")
	return user, nil
}

// explain adds what is known about a failure on this way.
func (o ConnectOptions) explain(a attempt, err error) error {
	var known *Error
	if !errors.As(err, &known) {
		return err
	}
	told := *known
	if a.via == ByDNS && (known.HTTP == http.StatusUnauthorized || known.HTTP == http.StatusForbidden) {
		told.code = "CW-KUBE-DNS-ENDPOINT"
	}
	if proxy := o.proxyOf(a.config); proxy != "" && known.HTTP == 0 {
		told.Cause = fmt.Errorf("%w (through the proxy %s; NO_PROXY leaves this address out of it)", known.Cause, proxy)
	}
	return &told
}

// proxyOf names the proxy that a way would go through, without its password.
func (o ConnectOptions) proxyOf(config *rest.Config) string {
	choose := config.Proxy
	if choose == nil {
		choose = http.ProxyFromEnvironment
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return ""
	}
	proxy, err := choose(&http.Request{URL: target})
	if err != nil || proxy == nil {
		return ""
	}
	return proxy.Redacted()
}

// unreachable is the error when no way works. Its code is that of the first
// attempt that got an answer: a refusal says more than a silence.
func unreachable(attempts []attempt, failed []outcome) error {
	code, answered := "CW-KUBE-UNREACHABLE", false
	var text strings.Builder
	for i, a := range attempts {
		var known *Error
		cause := failed[i].err
		if errors.As(cause, &known) {
			cause = known.Cause
			if known.code != "" && known.code != "CW-KUBE-UNREACHABLE" && !answered {
				code, answered = known.code, true
			}
		}
		if i == 0 && len(attempts) == 1 {
			fmt.Fprintf(&text, "%s: %v", a.about, cause)
			continue
		}
		fmt.Fprintf(&text, "\n  %s: %v", a.about, cause)
	}
	if len(attempts) == 1 {
		return fail(code, "connect", "cluster", "%s", text.String())
	}
	return fail(code, "connect", "cluster", "no way to its API works:%s", text.String())
}
