package site

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/lab/daemon"
	"causeway/lab/place"
)

// here is a site without namespaces, whose tools are the machine's own.
func here(t *testing.T) *Site {
	t.Helper()
	dir := t.TempDir()
	tool := filepath.Join(dir, "tool")
	if err := os.WriteFile(tool, []byte("#!/bin/sh\necho out\necho err >&2\nexit \"${1:-0}\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := OpenSmall(place.Place{Run: dir, Cache: dir}, daemon.State{Env: []daemon.Variable{{Name: "KUBECONFIG", Value: "admin"}, {Name: "TOKEN", Value: "t"}}},
		Tools{Causeway: tool, Script: tool}, filepath.Join(dir, "site"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestLineIsWhatAPersonWouldType(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"kubectl", "get", "nodes"}, "kubectl get nodes"},
		{[]string{"curl", "-w", `%{http_code}\n`}, `curl -w '%{http_code}\n'`},
		{[]string{"sh", "-c", "echo 'hi there'"}, `sh -c 'echo '\''hi there'\'''`},
		{[]string{"x", ""}, "x ''"},
	} {
		if got := Line(c.args); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

func TestRunTellsCodeAndOutput(t *testing.T) {
	s := here(t)
	r := s.Run(t.Context(), s.Provider(), "causeway", "3")
	if r.Code != 3 || r.Stdout != "out\n" || r.Stderr != "err\n" || r.Line != "causeway 3" {
		t.Errorf("got %+v", r)
	}
	if err := r.Want(3); err != nil {
		t.Errorf("the wanted code: %v", err)
	}
	if err := r.Want(0); err == nil || !strings.Contains(err.Error(), "causeway 3: exit 3, not 0") || !strings.Contains(err.Error(), "err") {
		t.Errorf("another code: %v", err)
	}
	var shown strings.Builder
	if r := s.RunTo(t.Context(), s.Provider(), &shown, "", "causeway"); r.Stdout != "out\nerr\n" || shown.String() != r.Stdout {
		t.Errorf("shown %q, kept %q; want both in the order of writing", shown.String(), r.Stdout)
	}
	if r := s.Run(t.Context(), s.Provider(), "/no/such/program"); r.Want(0) == nil {
		t.Error("a program that is not there is no success")
	}
}

func TestPeopleHaveOnlyWhatTheyShouldHave(t *testing.T) {
	s := here(t)
	t.Setenv("KUBECONFIG", "of-the-machine")
	operator, err := s.Operator("a")
	if err != nil {
		t.Fatal(err)
	}
	far, err := s.Far("b", []byte("kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		who           Who
		kubeconfig    string
		token, config bool
	}{
		"the operator has a token and no kubeconfig": {operator, "", true, false},
		"the far side has a kubeconfig and no token": {far, "", false, true},
		"the provider has both":                      {s.Provider(), "admin", true, false},
	} {
		r := s.Run(t.Context(), c.who, "/bin/sh", "-c", `echo "$KUBECONFIG:$TOKEN:$(cat "$HOME/.kube/config" 2>/dev/null)"`)
		want := c.kubeconfig + ":"
		if c.token {
			want += "t"
		}
		want += ":"
		if c.config {
			want += "kubeconfig"
		}
		if got := strings.TrimSpace(r.Stdout); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestStreamsTellLinesAsTheyCome(t *testing.T) {
	s := here(t)
	f, err := s.Follow(t.Context(), s.Provider(), nil, "/bin/sh", "-c", "echo one; echo two words; trap 'echo interrupted; exit 7' INT; while :; do sleep 0.05; done")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	if _, err := f.Await(t.Context(), 0, 5*time.Second, "two", "words"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Await(t.Context(), 2, 10*time.Millisecond, "one"); err == nil || !strings.Contains(err.Error(), "no [\"one\"] within 10ms") {
		t.Errorf("a line before the beginning: %v", err)
	}
	if f.Ended() {
		t.Error("it has not ended")
	}
	if err := f.Interrupt(); err != nil {
		t.Fatal(err)
	}
	code, text, err := f.Wait(t.Context(), 5*time.Second)
	if err != nil || code != 7 || !strings.Contains(text, "interrupted") {
		t.Errorf("after Ctrl-C: %d %q %v", code, text, err)
	}
	if _, err := f.Await(t.Context(), 0, time.Second, "three"); err == nil || !strings.Contains(err.Error(), "ended before") {
		t.Errorf("a line that never came: %v", err)
	}
}

func TestCommandsEndWithTheirContextAsByCtrlC(t *testing.T) {
	s := here(t)
	ctx, cancel := context.WithCancel(t.Context())
	f, err := s.Follow(ctx, s.Provider(), nil, "/bin/sh", "-c", "trap 'exit 130' INT; echo ready; while :; do sleep 0.05; done")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Stop()
	if _, err := f.Await(t.Context(), 0, 5*time.Second, "ready"); err != nil {
		t.Fatal(err)
	}
	cancel()
	if code, text, err := f.Wait(t.Context(), 5*time.Second); err != nil || code != 130 {
		t.Errorf("got %d %q %v", code, text, err)
	}
}

func TestPicturesAreCompared(t *testing.T) {
	before := Picture{Cloud: "{}", Cluster: []string{"Pod a/b 1 1", "Secret a/c 2 1"}}
	after := Picture{Cloud: "{}", Cluster: []string{"Pod a/b 1 2", "Secret a/c 2 1"}}
	if diff := before.Diff(before); len(diff) > 0 {
		t.Errorf("the same: %v", diff)
	}
	if diff := cmp.Diff([]string{"+ Pod a/b 1 2", "- Pod a/b 1 1"}, before.Diff(after)); diff != "" {
		t.Error(diff)
	}
	after.Cloud = `{"address":"causeway-x"}`
	if diff := before.Diff(after); len(diff) != 3 {
		t.Errorf("the cloud differs too: %v", diff)
	}
	if found := after.Mentions("causeway-x"); len(found) != 1 {
		t.Errorf("mentions: %v", found)
	}
}

func TestWritesAreToldFromReads(t *testing.T) {
	for name, c := range map[string]struct {
		call Call
		want bool
	}{
		"a get":            {Call{Verb: "get", URI: "/api/v1/pods"}, false},
		"a watch":          {Call{Verb: "watch", URI: "/api/v1/pods?watch=1"}, false},
		"a patch":          {Call{Verb: "patch", URI: "/api/v1/namespaces/x"}, true},
		"a review":         {Call{Verb: "create", URI: "/apis/authentication.k8s.io/v1/selfsubjectreviews"}, false},
		"a token":          {Call{Verb: "create", URI: "/api/v1/namespaces/x/serviceaccounts/y/token"}, false},
		"a ServiceAccount": {Call{Verb: "delete", URI: "/api/v1/namespaces/x/serviceaccounts/y"}, true},
	} {
		if got := c.call.Write(); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestCallsAreReadFromTheAuditLogSinceTheMark(t *testing.T) {
	s := here(t)
	if err := os.MkdirAll(filepath.Dir(s.Place.Audit()), 0o700); err != nil {
		t.Fatal(err)
	}
	line := func(user, verb, uri string) string {
		return `{"verb":"` + verb + `","requestURI":"` + uri + `","user":{"username":"` + user + `"},"sourceIPs":["172.31.23.209"],"responseStatus":{"code":200}}` + "\n"
	}
	early := line("a", "get", "/early")
	if err := os.WriteFile(s.Place.Audit(), []byte(early+line("a", "get", "/late")+line("b", "get", "/other")), 0o600); err != nil {
		t.Fatal(err)
	}
	calls, err := s.Calls(int64(len(early)), "a")
	if err != nil || len(calls) != 1 || calls[0].URI != "/late" || calls[0].SourceIPs[0] != "172.31.23.209" {
		t.Errorf("got %+v (%v)", calls, err)
	}
	if mark, err := s.Watermark(); err != nil || mark <= int64(len(early)) {
		t.Errorf("watermark %d (%v)", mark, err)
	}
}

const kubeconfig = `apiVersion: v1
kind: Config
current-context: c
contexts: [{name: c, context: {cluster: c, user: c}}]
clusters: [{name: c, cluster: {server: "https://10.156.0.4", certificate-authority-data: Y2E=, tls-server-name: kubernetes.default.svc}}]
users: [{name: c, user: {token: t0ken, client-certificate-data: Y2VydA==, client-key-data: a2V5}}]
`

func TestUnpackMakesCurlFindTheNameAndTheCertificate(t *testing.T) {
	w := Who{Home: t.TempDir()}
	u, err := Unpack(w, []byte(kubeconfig))
	if err != nil {
		t.Fatal(err)
	}
	want := Unpacked{URL: "https://kubernetes.default.svc:443", Token: "t0ken", Header: "authorization",
		Curl:   []string{"--cacert", "ca.crt", "--resolve", "kubernetes.default.svc:443:10.156.0.4"},
		Client: []string{"--cert", "client.crt", "--key", "client.key"}}
	if diff := cmp.Diff(want, u); diff != "" {
		t.Error(diff)
	}
	for name, want := range map[string]string{"ca.crt": "ca", "client.crt": "cert", "client.key": "key", "authorization": "Authorization: Bearer t0ken\n"} {
		text, err := os.ReadFile(filepath.Join(w.Home, name))
		if err != nil || string(text) != want {
			t.Errorf("%s: %q (%v), want %q", name, text, err, want)
		}
	}
}
