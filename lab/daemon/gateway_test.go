package daemon

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"causeway/internal/gcptest"
	"causeway/lab/topology"
)

// Each membership leads to its own cluster's API server, and what is no membership's to
// one that refuses it.
func TestTheGatewayFindsTheClusterOfAMembership(t *testing.T) {
	google := gcptest.Serve(t, gcptest.Options{}, "fleet", "fleet-members")
	gateway := &Gateway{google: google, fronts: map[string]*gcptest.GatewayFront{}}
	for _, name := range []string{topology.Cluster, topology.SecondCluster} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s", name, r.URL.Path)
		}))
		t.Cleanup(api.Close)
		front, err := gcptest.NewGatewayFront(google, api.URL, http.DefaultTransport.(*http.Transport))
		if err != nil {
			t.Fatal(err)
		}
		gateway.fronts[fmt.Sprintf("projects/%s/locations/%s/clusters/%s", topology.Project, topology.Location, name)] = front
		gateway.first = front
	}
	control := Control(google, Beside{Gateway: gateway})
	ask := func(handler http.Handler, verb, path, body string) (int, string) {
		r := httptest.NewRequest(verb, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+gcptest.Token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	const regional = "/v1/projects/123456789012/locations/europe-west3/gkeMemberships/"
	for sentence, c := range map[string]struct {
		path, says string
		status     int
	}{
		"the first cluster":                   {regional + "private-cluster/api", "private-cluster /api", 200},
		"the second":                          {regional + "client-cluster/api", "client-cluster /api", 200},
		"one that is not there":               {regional + "nobody/api", "was not found", 404},
		"a location without it":               {"/v1/projects/123456789012/locations/us-east1/gkeMemberships/private-cluster/api", "was not found", 404},
		"an address that nobody was given":    {"/api", "was not found", 404},
		"a project by its id, not its number": {"/v1/projects/lab-project/locations/europe-west3/gkeMemberships/private-cluster/api", "Bad Request", 400},
	} {
		if status, text := ask(gateway, "GET", c.path, ""); status != c.status || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %q, want %d %q", sentence, status, text, c.status, c.says)
		}
	}

	at := regional + "client-cluster/api"
	if status, text := ask(control, "PUT", "/lab/gateway", `"The requested URL was not found on this server."`); status != 204 {
		t.Errorf("a failure is asked for: %d %s", status, text)
	}
	if status, _ := ask(gateway, "GET", at, ""); status != 404 {
		t.Errorf("failing: %d, want 404", status)
	}
	if status, _ := ask(control, "PUT", "/lab/gateway", `{`); status != 400 {
		t.Errorf("a failure that is no text: %d, want 400", status)
	}
	if status, _ := ask(control, "DELETE", "/lab/gateway", ""); status != 204 {
		t.Errorf("no failure any more: %d", status)
	}
	if status, _ := ask(gateway, "GET", at, ""); status != 200 {
		t.Errorf("not failing any more: %d", status)
	}
}
