package probe

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const gatewayBase = "/v1/projects/123/locations/global/gkeMemberships/prod"

// byGateway is the toy API server behind a front end that has Connect Gateway's paths
// and refuses what lies below refused.
func byGateway(refused string, status int, form, body string) failing {
	return failing{
		server: func(_ *testing.T, f *fake) {
			f.over["/v1/projects/"] = func(w http.ResponseWriter, r *http.Request) {
				path := strings.TrimPrefix(r.URL.Path, gatewayBase)
				if refused != "" && strings.HasPrefix(path, refused) {
					w.Header().Set("Server", "ESF")
					w.Header().Set("Content-Type", form)
					w.WriteHeader(status)
					_, _ = w.Write([]byte(body))
					return
				}
				r.URL.Path = path
				f.ServeHTTP(w, r)
			}
		},
		kubeconfig: func(f *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.Server = f.URL + gatewayBase },
		options:    withExec,
	}
}

// google is an error's JSON.
func google(message string) string {
	return `{"error":{"code":1,"message":"` + message + `","status":"X"}}`
}

// frontCases are the gateway's own words, and the hop and code that the probe in Go
// and verify.sh have for them.
func frontCases() map[string]failing {
	const jsonForm = "application/json"
	forbidden := func(resource string) string {
		return `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"forbidden: User \"alice@example.com\" cannot get resource \"` + resource + `\" in API group \"\" in the namespace \"shop\""}`
	}
	all := "/"
	return map[string]failing{
		"no role": byGateway(all, 403, jsonForm, google("Permission 'gkehub.gateway.get' denied on resource '//gkehub.googleapis.com/projects/123/locations/global/memberships/prod' (or it may not exist).")).
			at(HopHTTP, "CW-GATEWAY-ROLE", "gkehub.gateway.get"),
		"the API is off": byGateway(all, 403, jsonForm, google("Connect Gateway API has not been used in project 123 before or it is disabled.")).
			at(HopHTTP, "CW-GCP-API-DISABLED", "has not been used"),
		"no agent": byGateway(all, 503, jsonForm, google("no active connections found for cluster (project: 123, membership: prod)")).
			at(HopHTTP, "CW-GATEWAY-NO-AGENT", "no active connections"),
		"groups": byGateway(all, 400, jsonForm, google("The size of the groups returned under the gke-security-groups group exceeds the 8KB HTTP header size limit.")).
			at(HopHTTP, "CW-GATEWAY-HEADER", "8KB"),
		"a wrong address": byGateway(all, 404, "text/html", "<html><p>The requested URL <code>/v1/projects/123/x</code> was not found on this server.").
			at(HopHTTP, "CW-GATEWAY-ADDRESS", "404"),
		"a membership that is gone": byGateway(all, 404, jsonForm, google("Resource 'projects/123/locations/global/memberships/prod' was not found")).
			at(HopHTTP, "CW-FLEET-MEMBER", "was not found"),
		"no right to list": byGateway("/api/v1/namespaces", 403, jsonForm, forbidden("namespaces")).
			at(HopList, "CW-GATEWAY-FORBIDDEN", "alice@example.com"),
		"the agent may not impersonate": byGateway(all, 403, jsonForm, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"users \"a@b.c\" is forbidden: User \"system:serviceaccount:gke-connect:connect-agent-sa\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"}`).
			at(HopIdentity, "CW-GATEWAY-IMPERSONATE", "cannot impersonate"),
		"no permission to stream": byGateway(execURL, 400, jsonForm, google("generic::permission_denied: Permission 'gkehub.gateway.stream' denied on resource")).
			at(HopExecWebSocket, "CW-GATEWAY-STREAM", "gkehub.gateway.stream"),
		"no right to stream": byGateway(execURL, 400, jsonForm, google("generic::failed_precondition: failed to connect to the cluster's API Server with response (status=403 Forbidden, body=x)")).
			at(HopExecWebSocket, "CW-GATEWAY-RBAC", "403 Forbidden"),
		"no right to stream, in the API server's own words": byGateway(execURL, 403, jsonForm, forbidden("pods/exec")).
			at(HopExecWebSocket, "CW-GATEWAY-RBAC", "pods/exec"),
		"no right to stream, as Google's streaming methods answer": byGateway(execURL, 400, jsonForm, "["+google("generic::failed_precondition: failed to connect to the cluster's API Server with response (status=403 Forbidden, body=x)")+"]").
			at(HopExecWebSocket, "CW-GATEWAY-RBAC", "403 Forbidden"),
		"too many streams": byGateway(execURL, 429, jsonForm, google("generic::resource_exhausted: the gateway's active_streams quota is exhausted")).
			at(HopExecWebSocket, "CW-GATEWAY-STREAMS", "active_streams"),
		"an error within the cluster": byGateway(execURL, 400, jsonForm, google("generic::failed_precondition: error encountered within the cluster")).
			at(HopExecWebSocket, "CW-GATEWAY-WEBSOCKET", "within the cluster"),
		"a link that breaks at once, in the words of a session's end": byGateway(execURL, 400, jsonForm, google("generic::failed_precondition: connection to agent terminated")).
			at(HopExecWebSocket, "CW-GATEWAY-AGENT", "connection to agent"),
		"400 and no more": byGateway(execURL, 400, jsonForm, google("Bad Request")).
			at(HopExecWebSocket, "CW-GATEWAY-CLIENT", "400 Bad Request"),
		"400 of a cluster that is too old": older(byGateway(execURL, 400, jsonForm, google("Bad Request"))).
			at(HopExecWebSocket, "CW-GATEWAY-VERSION", "400 Bad Request"),
		"a pod that is not there": byGateway(execURL, 404, jsonForm, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404,"message":"pods \"web\" not found"}`).
			at(HopExecWebSocket, "CW-PROBE-EXEC-TARGET", "not found"),
		"a token that has ended": byGateway(all, 401, jsonForm, google("Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.")).
			at(HopHTTP, "CW-GCP-CREDENTIALS", "Connect Gateway refuses: 401 Unauthorized: Request had invalid authentication credentials"),
		"an address that the gateway rejects": byGateway(all, 400, jsonForm, google("Bad Request")).
			at(HopHTTP, "CW-GATEWAY-ADDRESS", "Connect Gateway refuses: 400 Bad Request"),
		"a list that the gateway rejects": byGateway("/api/v1/namespaces", 400, jsonForm, google("Bad Request")).
			at(HopList, "CW-GATEWAY-ADDRESS", "400 Bad Request"),
		"trouble of the gateway's own": byGateway(all, 502, jsonForm, google("The cluster's API server does not answer.")).
			at(HopHTTP, "CW-PROBE-UPSTREAM", "502 Bad Gateway"),
	}
}

// TestWhatConnectGatewaySaysIsTold: the gateway's own words have the gateway's codes,
// at the hop where they come.
func TestWhatConnectGatewaySaysIsTold(t *testing.T) {
	t.Parallel()
	for sentence, c := range frontCases() {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			f, kubeconfig := c.start(t)
			options := Options{HopTimeout: 5 * time.Second}
			c.options(f, &options)
			report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, options, nil)
			var failure *Error
			if !errors.As(err, &failure) || failure.Hop != c.hop || failure.Code() != c.code {
				t.Fatalf("%v, want %s with %s; %s", err, c.hop, c.code, table(report))
			}
			if !strings.Contains(failure.Detail, c.says) || failure.Hint == "" || failure.Hint != HintFor(c.code) {
				t.Errorf("detail %q, hint %q", failure.Detail, failure.Hint)
			}
			checkRest(t, report)
			checkNoSecret(t, f, describe(report)+err.Error())
		})
	}
}

// older makes the API server one of 1.29.
func older(c failing) failing {
	front := c.server
	c.server = func(t *testing.T, f *fake) {
		front(t, f)
		f.over["/version"] = func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, 200, `{"major":"1","minor":"29","gitVersion":"v1.29.4-gke.100"}`)
		}
	}
	return c
}

// TestTheSameWordsOfAnotherServer: what other servers say as well has none of the
// gateway's codes there.
func TestTheSameWordsOfAnotherServer(t *testing.T) {
	t.Parallel()
	c := failing{server: over("/api/v1/namespaces", func(w http.ResponseWriter, _ *http.Request) {
		statusAnswer(w, 403, "Forbidden", `namespaces is forbidden: User \"alice@example.com\" cannot list resource \"namespaces\" in API group \"\"`)
	})}
	_, kubeconfig := c.start(t)
	_, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{HopTimeout: 5 * time.Second}, nil)
	var failure *Error
	if !errors.As(err, &failure) || failure.Code() != "CW-PROBE-FORBIDDEN" {
		t.Errorf("%v, want CW-PROBE-FORBIDDEN", err)
	}
}

func TestAWayThroughTheGatewayThatWorks(t *testing.T) {
	t.Parallel()
	c := byGateway("", 0, "", "")
	f, kubeconfig := c.start(t)
	options := Options{HopTimeout: 5 * time.Second}
	c.options(f, &options)
	if report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, options, nil); err != nil {
		t.Errorf("%v; %s", err, table(report))
	}
}
