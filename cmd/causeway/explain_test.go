package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"causeway/exposer/all"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// shown runs causeway explain - with a text on stdin.
func shown(t *testing.T, in io.Reader, args ...string) ran {
	t.Helper()
	var out, story bytes.Buffer
	a := &app{in: in, out: &out, err: &story, now: time.Now, methods: all.Methods(), getenv: func(string) string { return "" }}
	return ran{a.run(t.Context(), append([]string{"explain", "-"}, args...)), out.String(), story.String()}
}

// deniedStream is a log of kubectl as people paste it.
const deniedStream = `$ kubectl --context connectgateway_lab-project_europe-west3_private-cluster exec -v 10 web-0 -- date
I0301 10:00:00.200000    4242 round_trippers.go:466] curl -v -XGET -H "Authorization: Bearer ya29.A0ARrdaM-s3cret" 'https://europe-west3-connectgateway.googleapis.com/v1/projects/123456/locations/europe-west3/gkeMemberships/private-cluster/api'
I0301 10:00:00.412000    4242 exec.go:206] RemoteCommand fallback: unable to upgrade streaming request: websocket: bad handshake (400 Bad Request): generic::permission_denied: Permission 'gkehub.gateway.stream' denied on resource '//gkehub.googleapis.com/projects/lab-project/locations/europe-west3/memberships/private-cluster' (or it may not exist).
error: unable to upgrade connection: 400 Bad Request
`

const impersonation = `Error from server (Forbidden): users "alice@example.com" is forbidden: User "system:serviceaccount:gke-connect:connect-agent-sa" cannot impersonate resource "users" in API group "" at the cluster scope
`

func TestExplainAText(t *testing.T) {
	got := shown(t, strings.NewReader(deniedStream+impersonation))
	if got.code != exitDone || got.err != "" {
		t.Errorf("exit %d\n%s", got.code, got.err)
	}
	compareGolden(t, "testdata/explain-text.golden", got.out)
	if strings.Contains(got.out+got.err, "s3cret") {
		t.Error("it prints a token back")
	}
}

func TestExplainATextForPrograms(t *testing.T) {
	for form, read := range map[string]func([]byte, any) error{
		"json": json.Unmarshal,
		"yaml": func(text []byte, into any) error { return yaml.UnmarshalStrict(text, into) },
	} {
		got := shown(t, strings.NewReader(impersonation), "-o", form)
		var answer struct {
			Findings []struct {
				Code, Line, Title, Why, Fix string
				Evidence                    map[string]string
			} `json:"findings"`
		}
		if err := read([]byte(got.out), &answer); err != nil || len(answer.Findings) != 1 {
			t.Fatalf("%s: %v\n%s", form, err, got.out)
		}
		f := answer.Findings[0]
		if f.Code != "CW-GATEWAY-IMPERSONATE" || f.Evidence["user"] != "alice@example.com" || !strings.Contains(f.Fix, "--users=alice@example.com") || f.Why == "" || f.Title == "" || !strings.Contains(f.Line, "cannot impersonate") {
			t.Errorf("%s: %+v", form, f)
		}
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("no input") }

func TestExplainATextThatSaysNothing(t *testing.T) {
	for name, c := range map[string]struct {
		in   io.Reader
		says []string
	}{
		"nothing that is known": {strings.NewReader("all is well\n"), []string{"nothing in it is known", "kubectl version", "kubectl exec -v 4 POD", "kubectl get ns -v 10"}},
		"nothing at all":        {strings.NewReader(""), []string{"nothing in it is known"}},
		"binary":                {strings.NewReader("\x00\xff\xfe"), []string{"nothing in it is known"}},
		"more than is read":     {io.LimitReader(endless{}, maxText+1), []string{"more than 10 MiB", "tail -n 2000 FILE | causeway explain -"}},
		"no input":              {broken{}, []string{"read stdin: no input"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := shown(t, c.in)
			if got.code != exitFailed || got.out != "" {
				t.Errorf("exit %d, want 1; stdout %q", got.code, got.out)
			}
			for _, part := range c.says {
				if !strings.Contains(got.err, part) {
					t.Errorf("it does not say %q:\n%s", part, got.err)
				}
			}
		})
	}
	if got := typed(t, nil, "explain", "errors.txt"); got.code != exitUsage || !strings.Contains(got.err, "causeway explain - < FILE") {
		t.Errorf("a file's name: exit %d\n%s", got.code, got.err)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// TestExplainLooksUp: the text leaves open what Google and the cluster know.
func TestExplainLooksUp(t *testing.T) {
	p := standIn(t, "explained", conformance.Options{Seed: "fleet"})
	if err := p.world.Google.Fill(gcptest.Seed{Resources: []gcptest.SeedObject{{Path: "projects/lab-project/locations/europe-west3/memberships/private-cluster", Body: map[string]any{
		"endpoint": map[string]any{"gkeCluster": map[string]any{"resourceLink": "//container.googleapis.com/projects/lab-project/locations/europe-west3/clusters/private-cluster"}}}}}}); err != nil {
		t.Fatal(err)
	}
	forbidden := "$ gcloud container fleet memberships get-credentials m\n" + `pods is forbidden: User "alice@example.com" cannot list resource "pods" in API group "" in the namespace "default"`
	for sentence, c := range map[string]struct {
		text, args string
		says       []string
	}{
		"the role, all flags given":                 {deniedStream, "--project lab-project --location europe-west3 --cluster private-cluster", []string{"CW-GATEWAY-STREAM", "Looked up", "gkehub.gateway.stream in project lab-project"}},
		"the role, the cluster told by the text":    {deniedStream, "--location europe-west3", []string{"Looked up", "gkehub.gateway.stream in project lab-project"}},
		"rights in the cluster":                     {forbidden, "--project lab-project --location europe-west3 --cluster private-cluster", []string{"CW-GATEWAY-FORBIDDEN", "Looked up", "alice@example.com may not list pods"}},
		"without a flag nothing is asked of Google": {deniedStream, "", []string{"CW-GATEWAY-STREAM"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			p.answers = c.text
			before := len(p.world.Google.Requests())
			got := p.runs(exitDone, append([]string{"explain", "-"}, strings.Fields(c.args)...)...)
			p.says(got.out, c.says...)
			asked := len(p.world.Google.Requests()) > before
			if asked != (c.args != "") || strings.Contains(got.out, "Looked up") != asked {
				t.Errorf("asked: %v\n%s", asked, got.out)
			}
		})
	}
	if _, writes := p.world.Google.Counts(); writes > 0 {
		t.Errorf("%d writes to Google", writes)
	}
	p.answers = deniedStream
	p.says(p.runs(exitFailed, "explain", "-", "--location", "europe-west3", "--cluster", "other").err, "CW-GCP-NOT-FOUND")
	p.says(p.runs(exitUsage, "explain", "-", "--location", "Mars").err, "cluster.location")
}

// TestTheEmulatedGatewayIsUnderstood holds the recogniser to the words that the tests'
// own gateway says, which come from Google's pages.
func TestTheEmulatedGatewayIsUnderstood(t *testing.T) {
	for failure, code := range map[gcptest.GatewayFailure]string{
		gcptest.FailNoAgent: "CW-GATEWAY-NO-AGENT", gcptest.FailAgent: "CW-GATEWAY-AGENT", gcptest.FailTerminated: "CW-GATEWAY-SESSION",
		gcptest.FailCluster: "CW-GATEWAY-WEBSOCKET", gcptest.FailStreams: "CW-GATEWAY-STREAMS", gcptest.FailGroups: "CW-GATEWAY-HEADER",
		gcptest.FailURL: "CW-GATEWAY-ADDRESS",
	} {
		if got := explain.CodeOfText("connectgateway.googleapis.com: " + string(failure)); got != code {
			t.Errorf("%s: %q, want %q", failure, got, code)
		}
	}
}

// TestEachLogIsExplained runs every text of the recogniser's logs through the verb.
func TestEachLogIsExplained(t *testing.T) {
	logs, err := filepath.Glob("../../internal/explain/testdata/*.txt")
	if err != nil || len(logs) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	p := &place{T: t}
	for _, file := range logs {
		text := p.read(file)
		got := shown(t, strings.NewReader(text))
		if got.code != exitDone {
			t.Errorf("%s: exit %d\n%s", file, got.code, got.err)
		}
		for _, f := range explain.Recognise(text) {
			if entry, _ := explain.Lookup(f.Code); !strings.Contains(got.out, f.Code+": "+entry.Title) {
				t.Errorf("%s lacks %s:\n%s", file, f.Code, got.out)
			}
		}
	}
}
