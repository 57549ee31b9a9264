package kube

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
)

// TestWhatConnectGatewaySaysHasItsCode: an answer of Google's front end keeps its
// words, has a code of the gateway only where the gateway said it, and its 404 is not
// taken for an object that is absent.
func TestWhatConnectGatewaySaysHasItsCode(t *testing.T) {
	t.Parallel()
	const (
		gateway   = "/v1/projects/123/locations/global/gkeMemberships/prod"
		jsonForm  = "application/json; charset=UTF-8"
		forbidden = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"secrets \"s\" is forbidden: User \"alice@example.com\" cannot get resource \"secrets\" in API group \"\" in the namespace \"ns\""}`
	)
	google := func(message string) string { return `{"error":{"code":1,"message":"` + message + `","status":"X"}}` }
	for sentence, test := range map[string]struct {
		path         string
		status       int
		form, body   string
		code, says   string
		stillMissing bool
	}{
		"a role is missing":                         {gateway, 403, jsonForm, google("Permission 'gkehub.gateway.get' denied on resource '//gkehub.googleapis.com/projects/123/locations/global/memberships/prod' (or it may not exist)."), "CW-GATEWAY-ROLE", "Connect Gateway: Permission 'gkehub.gateway.get' denied", false},
		"the API is off":                            {gateway, 403, jsonForm, google("Connect Gateway API has not been used in project 123 before or it is disabled."), "CW-GCP-API-DISABLED", "has not been used", false},
		"no agent":                                  {gateway, 503, jsonForm, google("no active connections found for cluster (project: 123, membership: prod)"), "CW-GATEWAY-NO-AGENT", "no active connections", false},
		"groups":                                    {gateway, 400, jsonForm, google("The size of the groups returned under the gke-security-groups group exceeds the 8KB HTTP header size limit."), "CW-GATEWAY-HEADER", "8KB", false},
		"a wrong address, in JSON":                  {gateway, 404, jsonForm, google("The requested URL was not found on this server."), "CW-GATEWAY-ADDRESS", "requested URL", false},
		"a wrong address, as a page":                {gateway, 404, "text/html", "<html><title>Error 404 (Not Found)!!1</title><style>* {x}</style><p>The requested URL <code>/v1/projects/123/x</code> was not found on this server.  <ins>That’s all we know.</ins>", "CW-GATEWAY-ADDRESS", "Connect Gateway: Error 404 (Not Found)!!1 The requested URL", false},
		"a membership that is gone":                 {gateway, 404, jsonForm, google("Resource 'projects/123/locations/global/memberships/prod' was not found"), "CW-FLEET-MEMBER", "was not found", false},
		"an unknown reason":                         {gateway, 400, jsonForm, google("Bad Request"), "CW-GATEWAY-ADDRESS", "rejected our request for an unknown reason", false},
		"the agent may not impersonate":             {gateway, 403, jsonForm, strings.ReplaceAll(forbidden, "cannot get resource", "x"), "CW-KUBE-FORBIDDEN", "secrets", false},
		"the agent may not impersonate, for real":   {gateway, 403, jsonForm, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"users \"a@b.c\" is forbidden: User \"system:serviceaccount:gke-connect:connect-agent-sa\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"}`, "CW-GATEWAY-IMPERSONATE", "cannot impersonate", false},
		"an API server's Forbidden, by the gateway": {gateway, 403, jsonForm, forbidden, "CW-KUBE-FORBIDDEN", "cannot get", false},
		"an API server's Forbidden":                 {"", 403, jsonForm, forbidden, "CW-KUBE-FORBIDDEN", "cannot get", false},
		"an object that is not there":               {gateway, 404, jsonForm, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"secrets \"s\" not found"}`, "", "not found", true},
		"Google, but not the gateway":               {"", 403, jsonForm, google("Permission 'container.clusters.connect' denied on resource"), "CW-KUBE-FORBIDDEN", "container.clusters.connect", false},
		"a wrong address of some other server":      {"", 404, jsonForm, google("The requested URL was not found on this server."), "", "requested URL", false},
		"a page of some other server":               {"", 502, "text/html", "<html>bad gateway</html>", "CW-KUBE-BUSY", "", false},
		"JSON that is neither":                      {gateway, 400, jsonForm, `{"a":1}`, "CW-KUBE-INVALID", "", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", test.form)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			}))
			defer server.Close()
			client, err := New(&rest.Config{Host: server.URL + test.path}, Env{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := client.Get(t.Context(), Ref{Version: "v1", Kind: "Secret", Namespace: "ns", Name: "s"})
			if test.stillMissing {
				if err != nil || got != nil {
					t.Errorf("%v %v, want nothing", got, err)
				}
				return
			}
			var known *Error
			if !errors.As(err, &known) || known.Code() != test.code || known.HTTP != test.status || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%v (%+v), want code %q and %q", err, known, test.code, test.says)
			}
			if apierrors.IsNotFound(err) {
				t.Error("it is taken for an object that is absent")
			}
		})
	}
}
