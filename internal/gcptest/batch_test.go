package gcptest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestABatch(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	body := "--x\r\nContent-Type: application/http\r\nContent-ID: <1>\r\n\r\nGET " + regionPath + "/addresses/none HTTP/1.1\r\nHost: x\r\n\r\n\r\n" +
		"--x\r\nContent-Type: application/http\r\nContent-ID: <2>\r\n\r\nGET " + regionPath + " HTTP/1.1\r\nHost: x\r\n\r\n\r\n--x--\r\n"
	request, err := http.NewRequest("POST", s.URL()+"/batch/compute/v1", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", `multipart/mixed; boundary="x"`)
	request.Header.Set("Authorization", "Bearer "+Token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<response-1>", "HTTP/1.1 404", "<response-2>", "HTTP/1.1 200", `"name":"europe-west3"`} {
		if !bytes.Contains(raw, []byte(part)) {
			t.Errorf("the answer lacks %q:\n%s", part, raw)
		}
	}
	for header, body := range map[string]string{"nonsense;": "", "multipart/mixed; boundary=x": "--x\r\nA"} {
		answer, err := http.Post(s.URL()+"/batch/compute/v1", header, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %s", header, answer.Status)
		}
	}
}

func TestFaultsStrikeTheCallsThatTheyName(t *testing.T) {
	s := Serve(t, Options{}, "lab")
	s.Inject(Fault{Match: "regions/europe-west3$", Nth: 2, Status: 503})
	s.Inject(Fault{Match: `^compute\.networks\.get GET `, Times: 1, Status: 500, Message: "boom"})
	var got []int
	for range 3 {
		status, _ := do(t, s, "GET", regionPath, "")
		got = append(got, status)
	}
	for range 2 {
		status, _ := do(t, s, "GET", "/compute/v1/projects/lab-project/global/networks/default", "")
		got = append(got, status)
	}
	if diff := cmp.Diff([]int{200, 503, 200, 500, 200}, got); diff != "" {
		t.Error(diff)
	}
	log := s.Requests()
	if log[1].Status != 503 || log[1].Method != "compute.regions.get" || log[1].Write() {
		t.Errorf("log %+v", log[1])
	}
	s.ResetRequests()
	if len(s.Requests()) != 0 {
		t.Error("the log is not empty")
	}
}
