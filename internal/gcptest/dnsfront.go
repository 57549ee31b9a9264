package gcptest

import (
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// connectPermission is what the front ends ask IAM for.
const connectPermission = "container.clusters.connect"

// DNSFront is the front end of one cluster's DNS endpoint: an http.Handler that
// knows the caller as Google does, asks IAM, looks at the endpoint's switches, and
// passes on to the API server what is let through, upgrades and watches too. It is
// to be served with TLS, under the endpoint's name.
//
// What Google's front ends say when they refuse is not documented; 401 and 403 are,
// so only the status of a refusal is to be relied on. Client certificates are not
// passed on.
type DNSFront struct {
	Google  *Server
	Cluster string // projects/P/locations/L/clusters/C

	// Upstream is the API server's URL, and Transport the way to it: HTTP/1.1, for the
	// sake of upgrades (NewDNSFront makes one).
	Upstream  *url.URL
	Transport http.RoundTripper
	// Token is the token by which the API server knows the owner of a Google token, as
	// the emulator's tokens are not the server's own; nil: the same.
	Token func(google string) string
}

// ServeHTTP admits a request and passes it on.
func (d *DNSFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if refusal := d.admit(token); refusal != nil {
		refusal.write(w)
		return
	}
	proxy := &httputil.ReverseProxy{Transport: d.Transport, FlushInterval: -1, // an event of a watch waits for nobody
		Rewrite: func(out *httputil.ProxyRequest) {
			out.SetURL(d.Upstream)
			out.Out.Host = d.Upstream.Host
			if d.Token != nil && !accountToken(token) {
				out.Out.Header.Set("Authorization", "Bearer "+d.Token(token))
			}
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			(&frontRefusal{http.StatusBadGateway, "UNAVAILABLE", "The cluster's API server does not answer."}).write(w)
		}}
	proxy.ServeHTTP(w, r)
}

// frontRefusal is an answer of the front end itself.
type frontRefusal struct {
	code    int
	status  string
	message string
}

func (f *frontRefusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Server", "ESF")
	w.WriteHeader(f.code)
	text, err := json.Marshal(object{"error": object{"code": f.code, "message": f.message, "status": f.status}})
	if err == nil {
		_, _ = w.Write(text) // the client may be gone
	}
}

// admit is nil for who may pass.
func (d *DNSFront) admit(token string) *frontRefusal {
	s := d.Google
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	cluster := s.objects[d.Cluster]
	endpoints, _ := cluster["controlPlaneEndpointsConfig"].(object)
	dns, _ := endpoints["dnsEndpointConfig"].(object)
	unknown := &frontRefusal{http.StatusUnauthorized, "UNAUTHENTICATED", "Request had invalid authentication credentials."}
	switch {
	case dns == nil:
		return &frontRefusal{http.StatusNotFound, "NOT_FOUND", "Not found."}
	case dns["allowExternalTraffic"] != true:
		return &frontRefusal{http.StatusForbidden, "PERMISSION_DENIED", "External traffic is not allowed for this cluster's DNS endpoint."}
	case accountToken(token) && dns["enableK8sTokensViaDns"] != true:
		return unknown
	case accountToken(token): // the API server judges it
		return nil
	}
	expires, known := s.tokens[token]
	project, _, _ := strings.Cut(strings.TrimPrefix(d.Cluster, "projects/"), "/")
	switch {
	case !known || !expires.IsZero() && s.options.Now().After(expires):
		return unknown
	case !s.may(token, project, connectPermission):
		return &frontRefusal{http.StatusForbidden, "PERMISSION_DENIED", "Permission '" + connectPermission + "' denied on resource (or it may not exist)."}
	}
	return nil
}

// accountToken tells a Kubernetes token, which is a JWT, from Google's, which are not.
func accountToken(token string) bool {
	return strings.Count(token, ".") == 2 && strings.HasPrefix(token, "ey")
}

// NewDNSFront makes a front end before an API server that is reached by transport,
// whose HTTP/2 must be off.
func NewDNSFront(google *Server, cluster, upstream string, transport *http.Transport) (*DNSFront, error) {
	to, own, err := upstreamOf(upstream, transport)
	if err != nil {
		return nil, err
	}
	return &DNSFront{Google: google, Cluster: cluster, Upstream: to, Transport: own}, nil
}

// upstreamOf is where a front end passes requests on to, and its own transport there:
// HTTP/1.1 alone, for the sake of upgrades.
func upstreamOf(upstream string, transport *http.Transport) (*url.URL, *http.Transport, error) {
	to, err := url.Parse(upstream)
	if err != nil {
		return nil, nil, err
	}
	own := transport.Clone()
	own.ForceAttemptHTTP2 = false
	own.Protocols = new(http.Protocols)
	own.Protocols.SetHTTP1(true)
	own.IdleConnTimeout = time.Minute
	return to, own, nil
}
