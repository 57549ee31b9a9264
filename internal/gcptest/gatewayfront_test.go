package gcptest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	gatewayBase = "/v1/projects/123456789012/locations/"
	gatewayGKE  = gatewayBase + "europe-west3/gkeMemberships/private-cluster"
	gatewayOld  = gatewayBase + "europe-west3/memberships/private-cluster"
	gatewayFar  = gatewayBase + "global/memberships/elsewhere"
	agentToken  = "the-agents"
)

// tellCaller is an API server that tells as whom and for what it was asked.
func tellCaller(w http.ResponseWriter, r *http.Request) {
	_, _ = fmt.Fprintf(w, "%s %s as %s in %q by %s", r.Method, r.URL.RequestURI(), r.Header.Get("Impersonate-User"), r.Header.Values("Impersonate-Group"), r.Header.Get("Authorization"))
}

// gatewayBefore serves a gateway before an API server.
func gatewayBefore(t *testing.T, api http.HandlerFunc) (*Server, *GatewayFront, *httptest.Server) {
	t.Helper()
	google := fleet(t)
	behind := httptest.NewServer(api)
	t.Cleanup(behind.Close)
	front, err := NewGatewayFront(google, behind.URL, &http.Transport{})
	if err != nil {
		t.Fatal(err)
	}
	front.Token = "may-impersonate"
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	return google, front, server
}

// asked is a request of the gateway and what comes of it.
type asked struct {
	change func(*Server, *GatewayFront)
	verb   string
	path   string
	token  string
	header string // set as well
	code   int
	says   string
}

func (c asked) check(t *testing.T) {
	t.Parallel()
	google, front, server := gatewayBefore(t, tellCaller)
	if c.change != nil {
		c.change(google, front)
	}
	request, err := http.NewRequestWithContext(t.Context(), c.verb, server.URL+c.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if c.header != "" {
		request.Header.Set(c.header, "root")
	}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != c.code || !strings.Contains(string(body), c.says) {
		t.Errorf("%d %s %v, want %d and %q", response.StatusCode, body, err, c.code, c.says)
	}
}

func withoutRight(permission string) func(*Server, *GatewayFront) {
	return func(g *Server, _ *GatewayFront) { g.Deny(permission) }
}

func failing(failure GatewayFailure) func(*Server, *GatewayFront) {
	return func(_ *Server, f *GatewayFront) { f.Fail(failure) }
}

func withAgent(_ *Server, f *GatewayFront) { f.Agent = agentToken }

// inGroups puts alice into groups, at a cluster that takes them.
func inGroups(groups ...string) func(*Server, *GatewayFront) {
	return func(g *Server, f *GatewayFront) {
		g.objects["projects/lab-project/locations/europe-west3/clusters/private-cluster"]["authenticatorGroupsConfig"] = object{"enabled": true}
		f.Groups = map[string][]string{"alice@example.com": groups}
	}
}

// many are n groups with names of 104 letters.
func many(n int) []string {
	var groups []string
	for i := range n {
		groups = append(groups, fmt.Sprintf("gke-%03d-%s@example.com", i, strings.Repeat("x", 84)))
	}
	return groups
}

// viewer gives alice IAM's role to read in the cluster.
func viewer(g *Server, _ *GatewayFront) {
	g.SetPolicy("lab-project", Binding{Role: "roles/gkehub.gatewayAdmin", Members: []string{"user:alice@example.com"}},
		Binding{Role: "roles/container.viewer", Members: []string{"user:alice@example.com"}})
}

func TestTheGatewayAsksAsTheCaller(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]asked{
		"a GKE cluster, by Google's way":                   {nil, "GET", gatewayGKE + "/api/v1/pods?limit=5", alice, "", 200, `GET /api/v1/pods?limit=5 as alice@example.com in [] by Bearer may-impersonate`},
		"the version":                                      {nil, "GET", gatewayGKE + "/version", alice, "", 200, "GET /version as alice@example.com"},
		"no path at the cluster":                           {nil, "GET", gatewayGKE, alice, "", 200, "GET / as alice@example.com"},
		"who has IAM's right at the cluster needs no RBAC": {nil, "GET", gatewayGKE + "/api/v1/pods", Token, "", 200, `["system:masters"]`},
		"a viewer of the cluster's may read":               {viewer, "GET", gatewayGKE + "/api/v1/pods", alice, "", 200, `["system:masters"]`},
		"but no secret":                                    {viewer, "GET", gatewayGKE + "/api/v1/secrets", alice, "", 200, "in [] by"},
		"nor write":                                        {viewer, "POST", gatewayGKE + "/api/v1/pods", alice, "", 200, "in [] by"},
		"but a path of no resource is not IAM's":           {nil, "GET", gatewayGKE + "/version", Token, "", 200, "in [] by"},
		"by the agent, IAM counts for nothing":             {withAgent, "POST", gatewayOld + "/api/v1/namespaces", Token, "", 200, `in [] by Bearer ` + agentToken},
		"a cluster elsewhere":                              {withAgent, "GET", gatewayFar + "/version", alice, "", 200, "as alice@example.com in [] by Bearer " + agentToken},
		"no right to read, but to write":                   {withoutRight("gkehub.gateway.get"), "POST", gatewayGKE + "/api/v1/pods", alice, "", 200, "POST"},
		"groups, where GKE takes them":                     {inGroups("ops@example.com", "dev@example.com"), "GET", gatewayGKE + "/api/v1/pods", alice, "", 200, `in ["ops@example.com" "dev@example.com"]`},
		"groups, where it does not": {func(_ *Server, f *GatewayFront) {
			f.Groups = map[string][]string{"alice@example.com": {"ops@example.com"}}
		}, "GET", gatewayGKE + "/api/v1/pods", alice, "", 200, "in []"},
		"groups that just fit the header":                 {inGroups(many(65)...), "GET", gatewayGKE + "/api/v1/pods", alice, "", 200, "gke-064"},
		"groups are listed where their resources are not": {failing(FailResources), "GET", gatewayGKE + "/apis", alice, "", 200, "GET /apis"},
		"trouble of streams is not of requests":           {failing(FailAgent), "GET", gatewayGKE + "/version", alice, "", 200, "GET /version"},
	} {
		t.Run(name, c.check)
	}
}

func TestWhatTheGatewayRefuses(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]asked{
		"no agent is connected":                             {nil, "GET", gatewayFar + "/version", alice, "", 503, "no active connections found for cluster (project: 123456789012, membership: elsewhere)"},
		"an address of the time before GKE needed no agent": {nil, "GET", gatewayOld + "/version", alice, "", 503, "no active connections found"},
		"GKE's way to a cluster that is elsewhere":          {nil, "GET", gatewayBase + "global/gkeMemberships/elsewhere/version", alice, "", 400, "Bad Request"},
		"the project's id in place of its number":           {nil, "GET", strings.Replace(gatewayGKE, "123456789012", "lab-project", 1) + "/version", alice, "", 400, "Bad Request"},
		"a project that is not there":                       {nil, "GET", strings.Replace(gatewayGKE, "123456789012", "99", 1) + "/version", alice, "", 403, "PERMISSION_DENIED"},
		"another location":                                  {nil, "GET", gatewayBase + "global/gkeMemberships/private-cluster/version", alice, "", 404, "was not found"},
		"a membership that this front does not serve": {func(_ *Server, f *GatewayFront) {
			f.Membership = "projects/lab-project/locations/global/memberships/old"
		}, "GET", gatewayGKE + "/version", alice, "", 404, "was not found"},
		"another path":         {nil, "GET", "/v1/projects/123456789012/version", alice, "", 404, "The requested URL was not found on this server."},
		"the older versions":   {nil, "GET", strings.Replace(gatewayGKE, "/v1/", "/v1beta1/", 1) + "/version", alice, "", 404, "The requested URL was not found"},
		"a token nobody knows": {nil, "GET", gatewayGKE + "/version", "ya29.unknown", "", 401, "UNAUTHENTICATED"},
		"one that has ended":   {func(g *Server, _ *GatewayFront) { g.AddToken("ya29.old", time.Unix(1, 0)) }, "GET", gatewayGKE + "/version", "ya29.old", "", 401, "UNAUTHENTICATED"},
		"the API is off": {func(g *Server, _ *GatewayFront) { g.Disable("lab-project", "connectgateway.googleapis.com") }, "GET", gatewayGKE + "/version", alice, "",
			403, `"service":"connectgateway.googleapis.com"`},
		"no right to read":                  {withoutRight("gkehub.gateway.get"), "GET", gatewayGKE + "/version", alice, "", 403, "Permission 'gkehub.gateway.get' denied on resource"},
		"no right to post":                  {withoutRight("gkehub.gateway.post"), "POST", gatewayGKE + "/api/v1/pods", alice, "", 403, "'gkehub.gateway.post'"},
		"no right to put":                   {withoutRight("gkehub.gateway.put"), "PUT", gatewayGKE + "/api/v1/pods", alice, "", 403, "'gkehub.gateway.put'"},
		"no right to patch":                 {withoutRight("gkehub.gateway.patch"), "PATCH", gatewayGKE + "/api/v1/pods", alice, "", 403, "'gkehub.gateway.patch'"},
		"no right to delete":                {withoutRight("gkehub.gateway.delete"), "DELETE", gatewayGKE + "/api/v1/pods", alice, "", 403, "'gkehub.gateway.delete'"},
		"as somebody else":                  {nil, "GET", gatewayGKE + "/version", alice, "Impersonate-User", 403, "Impersonate-User"},
		"with more to be":                   {nil, "GET", gatewayGKE + "/version", alice, "Impersonate-Extra-Scopes", 403, "Impersonate-Extra-Scopes"},
		"groups that do not fit the header": {inGroups(many(66)...), "GET", gatewayGKE + "/api/v1/pods", alice, "", 400, "exceeds the 8KB HTTP header size limit"},
		"made to have no agent":             {failing(FailNoAgent), "GET", gatewayGKE + "/version", alice, "", 503, "no active connections found for cluster (project: 123456789012, membership: private-cluster)"},
		"made to know no path":              {failing(FailURL), "GET", gatewayGKE + "/version", alice, "", 404, "The requested URL was not found on this server."},
		"made to list no resources":         {failing(FailResources), "GET", gatewayGKE + "/api/v1", alice, "", 404, "Not found."},
		"nor those of a group":              {failing(FailResources), "GET", gatewayGKE + "/apis/apps/v1", alice, "", 404, "Not found."},
		"made to give no reason":            {failing(FailUnknown), "GET", gatewayGKE + "/version", alice, "", 400, "Bad Request"},
		"made to find too many groups":      {failing(FailGroups), "GET", gatewayGKE + "/version", alice, "", 400, "8KB HTTP header"},
		"the API server is away":            {func(_ *Server, f *GatewayFront) { f.Upstream.Host = "127.0.0.1:1" }, "GET", gatewayGKE + "/version", alice, "", 502, "UNAVAILABLE"},
	} {
		t.Run(name, c.check)
	}
}

func TestContainerPermissions(t *testing.T) {
	for asked, want := range map[string]string{
		"GET /version": "", "GET /apis": "", "GET /api/v1": "", "GET /apis/apps/v1": "",
		"GET /api/v1/namespaces": "container.namespaces.list", "GET /api/v1/namespaces/shop": "container.namespaces.get",
		"GET /api/v1/namespaces/shop/pods":                             "container.pods.list",
		"GET /api/v1/namespaces/shop/pods/web":                         "container.pods.get",
		"GET /api/v1/namespaces/shop/pods/web/exec":                    "container.pods.exec",
		"GET /api/v1/namespaces/shop/pods/web/portforward":             "container.pods.portForward",
		"GET /api/v1/namespaces/shop/pods/web/log":                     "container.pods.getLogs",
		"PATCH /api/v1/namespaces/shop/configmaps/a":                   "container.configMaps.update",
		"DELETE /apis/apps/v1/namespaces/shop/deployments/d":           "container.deployments.delete",
		"POST /apis/rbac.authorization.k8s.io/v1/clusterrolebindings":  "container.clusterRoleBindings.create",
		"PUT /apis/net.gke.io/v1/namespaces/shop/serviceexports/api":   "container.thirdPartyObjects.update",
		"GET /apis/discovery.k8s.io/v1/namespaces/shop/endpointslices": "container.endpointSlices.list",
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews":  "container.selfSubjectAccessReviews.create",
		"DELETE /apis/apps/v1/namespaces/shop/replicasets":             "container.replicaSets.delete",
	} {
		method, path, _ := strings.Cut(asked, " ")
		if got := containerPermission(method, path); got != want {
			t.Errorf("%s: %q, want %q", asked, got, want)
		}
	}
}
