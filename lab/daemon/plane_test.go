package daemon

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"causeway/internal/gcptest"
	"causeway/lab/dataplane"
	"causeway/lab/place"
	"causeway/lab/topology"
)

// ask calls the control endpoint of an emulator, with or without a data plane.
func ask(t *testing.T, plane *dataplane.Plane, google *gcptest.Server, verb, path, body string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	Control(google, Beside{Plane: plane}).ServeHTTP(w, httptest.NewRequest(verb, path, strings.NewReader(body)))
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(text)
}

func TestControlOfTheDataPlane(t *testing.T) {
	google := gcptest.Serve(t, gcptest.Options{}, topology.LineVPN.Seeds()...)
	plane := dataplane.New(dataplane.Options{Line: topology.LineVPN, Google: google, Place: place.Place{Run: t.TempDir()}})
	status, text := ask(t, plane, google, http.MethodGet, "/lab/fabric", "")
	var f gcptest.Fabric
	if err := json.Unmarshal([]byte(text), &f); status != http.StatusOK || err != nil || len(f.Clusters) != 2 || len(f.Networks) != 1 {
		t.Errorf("fabric: %d, %v:\n%s", status, err, text)
	}
	for name, c := range map[string]struct{ body, says string }{
		"no JSON":                {`{`, "unexpected EOF"},
		"an unknown field":       {`{"birds":"x"}`, "birds"},
		"no configuration":       {`{"keys":{"a":"b"}}`, "is empty"},
		"one that bird can't do": {`{"bird":"router id 192.0.2.1;\nnone;"}`, "bird.conf:2"},
	} {
		status, text := ask(t, plane, google, http.MethodPut, "/lab/far", c.body)
		if status != http.StatusBadRequest || !strings.Contains(text, c.says) {
			t.Errorf("%s: %d %s, want 400 and %q", name, status, text, c.says)
		}
	}
	// Nothing was started, so there is nothing to take away, which is no error.
	if status, text := ask(t, plane, google, http.MethodDelete, "/lab/far", ""); status != http.StatusNoContent {
		t.Errorf("delete: %d %s", status, text)
	}
}

func TestAStaticLineHasNoDataPlane(t *testing.T) {
	google := gcptest.Serve(t, gcptest.Options{}, topology.LineStatic.Seeds()...)
	for _, path := range []string{"/lab/far", "/lab/fabric"} {
		if status, text := ask(t, nil, google, http.MethodGet, path, ""); status != http.StatusNotFound || !strings.Contains(text, "--line vpn") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
}
