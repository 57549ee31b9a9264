package daemon

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"causeway/internal/gcptest"
	"causeway/lab/dataplane"
	"causeway/lab/place"
	"causeway/lab/topology"
)

func control(t *testing.T, google *gcptest.Server, beside Beside, verb, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(verb, path, nil)
	r.Header.Set("Authorization", "Bearer "+gcptest.Token)
	Control(google, beside).ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestControlTellsTheEndpointsOfConsumers(t *testing.T) {
	google := gcptest.Serve(t, gcptest.Options{}, topology.LineStatic.Seeds()...)
	exchange := dataplane.NewExchange(dataplane.ExchangeOptions{Line: topology.LineStatic, Google: google, Place: place.Place{Run: t.TempDir()}})
	status, text := control(t, google, Beside{Exchange: exchange}, http.MethodGet, "/lab/endpoints")
	var told Endpoints
	if err := json.Unmarshal([]byte(text), &told); err != nil || status != http.StatusOK || len(told.Connections) != 0 {
		t.Errorf("%d, %v:\n%s", status, err, text)
	}
	status, text = control(t, google, Beside{}, http.MethodGet, "/lab/endpoints")
	if status != http.StatusNotFound || !strings.Contains(text, "--line static") {
		t.Errorf("without consumers: %d %s", status, text)
	}
}

func TestControlHasIAMDenyAPermission(t *testing.T) {
	google := gcptest.Serve(t, gcptest.Options{}, "lab")
	const at = "/compute/v1/projects/lab-project/global/networks/default"
	for _, one := range []struct {
		verb string
		want int
	}{{http.MethodPut, http.StatusForbidden}, {http.MethodDelete, http.StatusOK}} {
		if status, text := control(t, google, Beside{}, one.verb, "/lab/denied/compute.networks.get"); status != http.StatusNoContent {
			t.Fatalf("%s: %d %s", one.verb, status, text)
		}
		if status, text := control(t, google, Beside{}, http.MethodGet, at); status != one.want {
			t.Errorf("after %s: %d %s, want %d", one.verb, status, text, one.want)
		}
	}
}

func TestTheFrontEndGoesByTheName(t *testing.T) {
	google := gcptest.Serve(t, gcptest.Options{}, "lab")
	host := dnsEndpoint(google.Object("projects/lab-project/locations/europe-west3/clusters/private-cluster"))
	if !strings.HasSuffix(host, ".gke.goog") {
		t.Fatalf("the seed's cluster has the DNS endpoint %q", host)
	}
	if dnsEndpoint(nil) != "" {
		t.Error("a cluster that is not there has a DNS endpoint")
	}
	fronts := byName(map[string]http.Handler{host: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })})
	for name, want := range map[string]int{host: http.StatusTeapot, host + ":443": http.StatusTeapot, "other.gke.goog": http.StatusNotFound} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/version", nil)
		r.Host = name
		fronts.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", name, w.Code, want)
		}
	}
}
