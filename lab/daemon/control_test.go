package daemon

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"causeway/internal/gcptest"
)

func TestControlTellsAndTroublesTheEmulator(t *testing.T) {
	google, err := gcptest.New(gcptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := gcptest.SeedFile("lab")
	if err != nil {
		t.Fatal(err)
	}
	seed, err := gcptest.ReadSeed(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := google.Fill(seed); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(Control(google, Beside{}))
	defer server.Close()
	call := func(verb, path, body string) (int, string) {
		t.Helper()
		req, err := http.NewRequest(verb, server.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+gcptest.Token)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}

	if status, text := call("GET", "/lab/snapshot", ""); status != 200 || text != string(google.Snapshot()) {
		t.Errorf("snapshot: %d, %d bytes, want the emulator's own", status, len(text))
	}
	const addresses = "/compute/v1/projects/lab-project/regions/europe-west3/addresses"
	if status, text := call("GET", addresses, ""); status != 200 {
		t.Errorf("the emulator behind it: %d %s", status, text)
	}
	_, text := call("GET", "/lab/requests", "")
	var log Requests
	if err := json.Unmarshal([]byte(text), &log); err != nil || log.Reads != 1 || log.Writes != 0 || len(log.Requests) != 1 {
		t.Errorf("requests: %s (%v), want the one read", text, err)
	}
	if status, _ := call("DELETE", "/lab/requests", ""); status != 204 {
		t.Errorf("empty the log: %d", status)
	}
	if reads, _ := google.Counts(); reads != 0 {
		t.Errorf("%d reads after the log was emptied", reads)
	}

	for body, want := range map[string]int{
		`{"Match":"compute.addresses.list","Status":503,"Reason":"backendError","Message":"no"}`: 204,
		`{"Match":"("}`:            400,
		`{"Metch":"compute"}`:      400,
		`{"Match":`:                400,
		`{"Match":1,"Status":503}`: 400,
	} {
		if status, text := call("POST", "/lab/faults", body); status != want {
			t.Errorf("fault %s: %d %s, want %d", body, status, text, want)
		}
	}
	if status, _ := call("GET", addresses, ""); status != 503 {
		t.Errorf("with the fault: %d, want 503", status)
	}
	call("DELETE", "/lab/faults", "")
	if status, _ := call("GET", addresses, ""); status != 200 {
		t.Errorf("without the fault: %d, want 200", status)
	}
}

// Whom the API server takes the lab's token for, and whom the emulator does, must be
// one: through Connect Gateway the emulator's word counts.
func TestTheOwnerIsTheEmulatorsOperator(t *testing.T) {
	if "user:"+Owner != gcptest.Owner {
		t.Errorf("the lab's token is %s's at the API server, and %s's at Google", Owner, gcptest.Owner)
	}
}
