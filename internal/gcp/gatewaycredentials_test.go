package gcp

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"
	"k8s.io/client-go/tools/clientcmd"

	"causeway/internal/gcptest"
)

const numbered = "projects/123456789012/locations/"

// members is an emulator with a fleet of several clusters.
func members(t *testing.T) (*Cloud, *gcptest.Server) {
	t.Helper()
	google := gcptest.Serve(t, gcptest.Options{}, "fleet", "fleet-members")
	return openOn(t, google, oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token})), google
}

func TestGatewayCredentialsAreAKubeconfig(t *testing.T) {
	cloud, google := members(t)
	for name, c := range map[string]struct {
		membership, namespace, query string
		agent                        bool
		endpoint, context            string
	}{
		"a GKE cluster": {"europe-west3/memberships/private-cluster", "", "", false,
			"https://europe-west3-connectgateway.googleapis.com/v1/" + numbered + "europe-west3/gkeMemberships/private-cluster", "connectgateway_lab-project_europe-west3_private-cluster"},
		"the same, by the agent and for a namespace": {"europe-west3/memberships/private-cluster", "shop", "forceUseAgent=true&kubernetesNamespace=shop", true,
			"https://europe-west3-connectgateway.googleapis.com/v1/" + numbered + "europe-west3/memberships/private-cluster", "connectgateway_lab-project_europe-west3_private-cluster_ns-shop"},
		"one of the older kind": {"global/memberships/private-cluster", "", "", false,
			"https://connectgateway.googleapis.com/v1/" + numbered + "global/gkeMemberships/private-cluster", "connectgateway_lab-project_global_private-cluster"},
		"one that is elsewhere": {"global/memberships/attached", "", "", false,
			"https://connectgateway.googleapis.com/v1/" + numbered + "global/memberships/attached", "connectgateway_lab-project_global_attached"},
	} {
		t.Run(name, func(t *testing.T) {
			google.ResetRequests()
			got, err := cloud.GatewayCredentials(t.Context(), numbered+c.membership, c.agent, c.namespace)
			if err != nil {
				t.Fatal(err)
			}
			config, err := clientcmd.Load(got.Kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			context := config.Contexts[config.CurrentContext]
			if got.Endpoint != c.endpoint || config.CurrentContext != c.context || context.Namespace != c.namespace ||
				config.Clusters[context.Cluster].Server != c.endpoint || config.AuthInfos[context.AuthInfo].Exec.Command != "gke-gcloud-auth-plugin" {
				t.Errorf("%s\n%s", got.Endpoint, got.Kubeconfig)
			}
			want := []gcptest.Request{{Method: "connectgateway.projects.locations.memberships.generateCredentials", Verb: "GET", Status: 200,
				Path: "/connectgateway/v1/" + numbered + c.membership + ":generateCredentials", Query: c.query}}
			if diff := cmp.Diff(want, google.Requests()); diff != "" {
				t.Error(diff)
			}
			if reads, writes := google.Counts(); reads != 1 || writes != 0 {
				t.Errorf("%d reads, %d writes", reads, writes)
			}
		})
	}
}

func TestGatewayCredentialsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change     func(*gcptest.Server)
		membership string
		code, says string
	}{
		"without the permission": {func(s *gcptest.Server) { s.Deny("gkehub.gateway.generateCredentials") }, numbered + "europe-west3/memberships/private-cluster",
			codePermission, "missing permission gkehub.gateway.generateCredentials"},
		"with the API off": {func(s *gcptest.Server) { s.Disable(project, "connectgateway.googleapis.com") }, numbered + "europe-west3/memberships/private-cluster",
			codeAPIDisabled, "gcloud services enable connectgateway.googleapis.com --project=123456789012"},
		"a membership that is not there":       {nil, numbered + "europe-west3/memberships/none", codeNotFound, "get gateway credentials of membership " + numbered + "europe-west3/memberships/none: "},
		"a name that is none":                  {nil, "memberships/private-cluster", "", "want projects/NUMBER/locations/LOCATION/memberships/NAME"},
		"a list is no location":                {nil, numbered + "-/memberships/private-cluster", "", "want projects/NUMBER/"},
		"the way in place of the name":         {nil, numbered + "europe-west3/gkeMemberships/private-cluster", "", "want projects/NUMBER/"},
		"a token that Google does not take":    {func(s *gcptest.Server) { s.RevokeToken(gcptest.Token) }, numbered + "europe-west3/memberships/private-cluster", codeCredentials, "HTTP 401"},
		"an answer that was cut off each time": {func(s *gcptest.Server) { s.Inject(gcptest.Fault{Match: "generateCredentials", CutOff: true}) }, numbered + "europe-west3/memberships/private-cluster", codeUnreachable, "cannot reach the API"},
	} {
		t.Run(name, func(t *testing.T) {
			cloud, google := members(t)
			if c.change != nil {
				c.change(google)
			}
			_, err := cloud.GatewayCredentials(t.Context(), c.membership, false, "")
			if err == nil || !strings.Contains(err.Error(), c.says) || !hasCode(err, c.code) {
				t.Errorf("%v, want %s %q", err, c.code, c.says)
			}
			if NotFound(err) != (c.code == codeNotFound) {
				t.Errorf("NotFound(%v)", err)
			}
		})
	}
}

// TestGatewayCredentialsOfAnotherMind: a field that is newer than the client is nothing
// to fail for, an answer without what was asked for is.
func TestGatewayCredentialsOfAnotherMind(t *testing.T) {
	for name, c := range map[string]struct{ answer, says string }{
		"a newer field":       {`{"kubeconfig":"YQ==","endpoint":"https://x","region":"eu"}`, ""},
		"no kubeconfig":       {`{"endpoint":"https://x"}`, "no endpoint or no kubeconfig"},
		"no endpoint":         {`{"kubeconfig":"YQ=="}`, "no endpoint or no kubeconfig"},
		"no base64":           {`{"kubeconfig":"%%%","endpoint":"https://x"}`, "the answer is none of this API"},
		"not JSON, of 200 OK": {`<html>sign in</html>`, "what answered is not Google's API"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, c.answer) }))
			defer server.Close()
			cloud, err := New(t.Context(), Config{Endpoints: Endpoints{ConnectGateway: server.URL}, HTTPClient: server.Client()})
			if err != nil {
				t.Fatal(err)
			}
			got, err := cloud.GatewayCredentials(t.Context(), numbered+"global/memberships/m", false, "")
			switch {
			case c.says == "" && (err != nil || string(got.Kubeconfig) != "a" || got.Endpoint != "https://x"):
				t.Errorf("%+v %v", got, err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("%v, want %q", err, c.says)
			}
		})
	}
}

// roundTrip answers in the place of the network.
type roundTrip func(*http.Request) (*http.Response, error)

func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// TestEachLocationHasItsOwnServer, unless an override names one.
func TestEachLocationHasItsOwnServer(t *testing.T) {
	for location, want := range map[string]string{"europe-west3": "europe-west3-connectgateway.googleapis.com", "global": "connectgateway.googleapis.com"} {
		var asked *url.URL
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked = r.URL
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: io.NopCloser(strings.NewReader(`{"kubeconfig":"YQ==","endpoint":"https://x"}`))}, nil
		})}
		cloud, err := New(t.Context(), Config{HTTPClient: client})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := cloud.GatewayCredentials(t.Context(), numbered+location+"/memberships/m", false, ""); err != nil {
			t.Fatal(err)
		}
		if asked.Scheme != "https" || asked.Host != want || asked.Path != "/v1/"+numbered+location+"/memberships/m:generateCredentials" {
			t.Errorf("%s: asked %s", location, asked)
		}
	}
}
