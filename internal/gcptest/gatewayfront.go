package gcptest

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// GatewayFront is Connect Gateway before one cluster's API server: an http.Handler
// that knows the caller as Google does, asks IAM for the verb, finds the membership, and
// passes the request on as that caller, upgrades and watches too. It is to be served with
// TLS; SetGatewayURL tells generateCredentials where.
//
// A path with gkeMemberships goes to a GKE cluster without an agent, one with
// memberships through the Connect Agent. The words of its refusals are those that Google
// documents; the statuses are those that belong to their google.rpc codes, and what
// stands around the words is not documented.
type GatewayFront struct {
	Google     *Server
	Membership string // the one that is served (projects/P/locations/L/memberships/M, P the id); "" all

	// Upstream is the API server's URL, and Transport the way to it: HTTP/1.1, for the
	// sake of upgrades (NewGatewayFront makes one).
	Upstream  *url.URL
	Transport http.RoundTripper

	Token      string              // of the API server, may impersonate anybody
	Agent      string              // the token of gke-connect/connect-agent-sa; "" while no agent is connected
	Groups     map[string][]string // the security groups of an e-mail address
	StreamLife time.Duration       // after it a stream ends; 0 is 25 minutes, as Google's end after 20 to 30

	mu      sync.Mutex
	failure GatewayFailure
}

// gatewayPath is what the gateway serves; the collection tells the way.
var gatewayPath = regexp.MustCompile(`^/v1/projects/([^/]+)/locations/([^/]+)/(gkeMemberships|memberships)/([^/]+)(/.*)?$`)

// passage is a request on its way through the gateway.
type passage struct {
	token      string
	number     string // of the fleet's project
	project    string // its id
	location   string
	id         string // of the membership
	agent      bool   // by the agent, not by Google's own way
	rest       string // path at the API server
	stream     string // subresource of an upgrade (exec, attach, portforward, ...), "" for none
	email      string
	groups     []string
	cluster    object // GKE's, nil for others
	membership object
}

// ServeHTTP admits a request and passes it on.
func (f *GatewayFront) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, refusal := f.admit(r)
	if refusal != nil {
		writeGateway(w, refusal, r.Header.Get("Upgrade") != "")
		return
	}
	proxy := &httputil.ReverseProxy{Transport: f.Transport, FlushInterval: -1, // an event of a watch waits for nobody
		Rewrite: func(out *httputil.ProxyRequest) { f.rewrite(p, out) },
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			writeGateway(w, unreached(p), p.stream != "")
		}}
	if p.stream == "" {
		proxy.ServeHTTP(w, r)
		return
	}
	f.serveStream(w, r, p, proxy)
}

// rewrite makes the request one of the caller at the API server.
func (f *GatewayFront) rewrite(p *passage, out *httputil.ProxyRequest) {
	target := *f.Upstream
	out.Out.URL.Scheme, out.Out.URL.Host, out.Out.Host = target.Scheme, target.Host, target.Host
	out.Out.URL.Path, out.Out.URL.RawPath = p.rest, ""
	token := f.Token
	if p.agent {
		token = f.Agent
	}
	out.Out.Header.Set("Authorization", "Bearer "+token)
	out.Out.Header.Set("Impersonate-User", p.email)
	out.Out.Header.Del("Impersonate-Group")
	if f.failing() == FailResources { // newer clients ask for all in one
		out.Out.Header.Set("Accept", "application/json")
	}
	for _, group := range p.groups {
		out.Out.Header.Add("Impersonate-Group", group)
	}
}

// admit finds out who asks for what, and whether that may pass.
func (f *GatewayFront) admit(r *http.Request) (*passage, *Error) {
	found := gatewayPath.FindStringSubmatch(r.URL.Path)
	if found == nil || f.failing() == FailURL {
		return nil, FailURL.refusal(nil)
	}
	p := &passage{number: found[1], location: found[2], agent: found[3] == "memberships", id: found[4], rest: found[5]}
	if p.rest == "" {
		p.rest = "/"
	}
	p.token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for name := range r.Header {
		if strings.HasPrefix(name, "Impersonate-") { // or a caller would be whoever he likes
			return nil, &Error{Status: http.StatusForbidden, Message: "The header " + name + " is not allowed."}
		}
	}
	spdy := false
	if upgrade := r.Header.Get("Upgrade"); upgrade != "" {
		p.stream = p.rest[strings.LastIndex(p.rest, "/")+1:]
		spdy = !strings.EqualFold(upgrade, "websocket")
	}
	s := f.Google
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	if refusal := f.know(p); refusal != nil {
		return nil, refusal
	}
	if spdy { // which only clients older than 1.31 want, and newer ones when WebSocket was refused
		return nil, &Error{Status: http.StatusBadRequest, Message: "Bad Request"}
	}
	if refusal := f.allow(p, r.Method); refusal != nil {
		return nil, refusal
	}
	return p, f.reach(p, r.Method)
}

// know finds the caller and the project. The caller holds the emulator's lock.
func (f *GatewayFront) know(p *passage) *Error {
	s := f.Google
	member := s.memberOf(p.token)
	if member == "" {
		return &Error{Status: http.StatusUnauthorized, Message: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."}
	}
	project := s.projectObject(p.number)
	if project == nil {
		return denied("gkehub.gateway.get", "projects/"+p.number)
	}
	if text(project, "projectNumber") != p.number {
		return FailUnknown.refusal(p) // the address has the number, always
	}
	p.project = text(project, "projectId")
	_, p.email, _ = strings.Cut(member, ":") // as which GKE knows users and service accounts
	const api = "connectgateway.googleapis.com"
	if !s.services[p.project][api] {
		return disabled(api, p.number)
	}
	return nil
}

// gatewayVerbs are the permissions of the methods; OPTIONS and HEAD read.
var gatewayVerbs = map[string]string{http.MethodPost: "post", http.MethodPut: "put", http.MethodPatch: "patch", http.MethodDelete: "delete"}

// allow asks IAM.
func (f *GatewayFront) allow(p *passage, method string) *Error {
	verb := "get"
	if changing, ok := gatewayVerbs[method]; ok {
		verb = changing
	}
	if p.stream != "" {
		verb = "stream"
	}
	permission := "gkehub.gateway." + verb
	if f.Google.may(p.token, p.project, permission) {
		return nil
	}
	refusal := denied(permission, fmt.Sprintf("projects/%s/locations/%s/memberships/%s", p.number, p.location, p.id))
	if p.stream != "" {
		refusal.Message = "generic::permission_denied: " + refusal.Message
	}
	return refusal
}

// reach finds the membership and whether its cluster can be reached in that way.
func (f *GatewayFront) reach(p *passage, method string) *Error {
	s := f.Google
	at := fmt.Sprintf("projects/%s/locations/%s/memberships/%s", p.project, p.location, p.id)
	p.membership = s.objects[at]
	if p.membership == nil || f.Membership != "" && f.Membership != at {
		return &Error{Status: http.StatusNotFound, Message: "Resource '" + at + "' was not found"}
	}
	link := gkeCluster(p.membership)
	p.cluster = s.objects[link]
	failure := f.failing()
	switch {
	case failure.strikes(p):
		return failure.refusal(p)
	case p.agent && f.Agent == "":
		return FailNoAgent.refusal(p)
	case !p.agent && link == "": // an address that nobody was given
		return FailUnknown.refusal(p)
	}
	f.identify(p, link, method)
	if size := headerSize(p.groups); size > maxGroupHeader {
		return FailGroups.refusal(p)
	}
	if p.stream != "" && tooOld(p) {
		return &Error{Status: http.StatusBadRequest, Message: "Bad Request"}
	}
	return nil
}

// maxGroupHeader is the most that the groups may take of a request's header.
const maxGroupHeader = 8 << 10

func headerSize(groups []string) int {
	size := 0
	for _, group := range groups {
		size += len("Impersonate-Group: \r\n") + len(group)
	}
	return size
}

// identify adds the groups of the caller that hold at the cluster. GKE knows
// those of Google Groups where the cluster has authenticatorGroupsConfig; the agent
// impersonates users alone. And GKE authorizes by IAM beside RBAC: who has the
// container.* permission for the very request needs no RBAC for it.
func (f *GatewayFront) identify(p *passage, cluster, method string) {
	if p.agent {
		return
	}
	config, _ := p.cluster["authenticatorGroupsConfig"].(object)
	if config["enabled"] == true {
		p.groups = slices.Clone(f.Groups[p.email])
	}
	project, _, _ := strings.Cut(strings.TrimPrefix(cluster, "projects/"), "/")
	if permission := containerPermission(method, p.rest); permission != "" && f.Google.may(p.token, project, permission) {
		p.groups = append(p.groups, "system:masters")
	}
}

// denied is IAM's refusal.
func denied(permission, resource string) *Error {
	return &Error{Status: http.StatusForbidden, Domain: "iam.googleapis.com", Info: "IAM_PERMISSION_DENIED",
		Message: fmt.Sprintf("Permission '%s' denied on resource '//gkehub.googleapis.com/%s' (or it may not exist).", permission, resource),
		Meta:    map[string]string{"permission": permission, "resource": resource}}
}

// NewGatewayFront makes a gateway before an API server that is reached by transport,
// whose HTTP/2 must be off.
func NewGatewayFront(google *Server, upstream string, transport *http.Transport) (*GatewayFront, error) {
	to, own, err := upstreamOf(upstream, transport)
	if err != nil {
		return nil, err
	}
	return &GatewayFront{Google: google, Upstream: to, Transport: own}, nil
}
