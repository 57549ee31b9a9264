package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"causeway/exposer"
	"causeway/exposer/all"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
	"causeway/probe"
)

var update = flag.Bool("update", false, "rewrite the goldens")

func TestMain(m *testing.M) {
	os.Exit(kubetest.StartMain(m))
}

// place is where a user stands: a working directory, an environment, a project
// with a private cluster, and a terminal or none.
type place struct {
	*testing.T
	world    *conformance.World
	env      map[string]string
	testdata string
	ask      bool     // stdin is a terminal
	tty      bool     // stderr is one
	answers  string   // what the user types
	exposed  string   // the exposure's name
	allowed  []string // secrets that the next runs may print (the exec plugin's answer)
	ctx      context.Context
	later    time.Duration // how far the clock of the next runs is ahead
}

// ran is what a command did.
type ran struct {
	code     int
	out, err string
}

// stand makes a place; name is the exposure's, which keeps tests apart in the one
// cluster of the binary.
func stand(t *testing.T, name string) *place {
	t.Helper()
	return standIn(t, name, conformance.Options{})
}

// standIn is stand in another project than the lab's.
func standIn(t *testing.T, name string, o conformance.Options) *place {
	t.Helper()
	testdata, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	world := conformance.New(t, exposer.Spec{Method: "ilb", Name: name,
		Cluster: exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "private-cluster"}}, o)
	p := &place{T: t, world: world, testdata: testdata, exposed: name, ctx: t.Context()}
	dir := t.TempDir()
	t.Chdir(dir)
	p.env = map[string]string{
		"HOME": filepath.Join(dir, "home"), "USER": "net", "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": filepath.Join(dir, "token"),
		"KUBECONFIG": filepath.Join(dir, "cluster.kubeconfig"), "XDG_STATE_HOME": filepath.Join(dir, "state"),
	}
	maps.Copy(p.env, world.Google.Env())
	if err := world.Google.WriteToken(p.env["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]); err != nil {
		t.Fatal(err)
	}
	text, err := world.Server.Kubeconfig("lab", kubetest.GoogleToken)
	if err != nil {
		t.Fatal(err)
	}
	p.write("cluster.kubeconfig", string(text))
	p.probe(works())
	return p
}

func (p *place) write(file, text string) {
	p.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.Fatal(err)
	}
}

func (p *place) read(file string) string {
	p.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		p.Fatal(err)
	}
	return string(text)
}

func (p *place) absent(file string) {
	p.Helper()
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		p.Errorf("%s is there (%v)", file, err)
	}
}

// probe lets the pod that probes from the cluster print this report.
func (p *place) probe(report probe.Report) {
	p.Helper()
	text, err := probe.JSON(report)
	if err != nil {
		p.Fatal(err)
	}
	exit := 0
	if report.Failed() != nil {
		exit = 5
	}
	kubetest.Workloads(p.T, p.world.Server.Config).OnRun("causeway-"+p.exposed, func(*unstructured.Unstructured) (string, int) { return string(text), exit })
}

// works is the report of a way that works.
func works() probe.Report {
	ms := time.Millisecond
	return probe.Report{Tool: "verify.sh", From: "cluster", Server: "https://10.156.0.3", Context: "causeway-prod", Started: time.Unix(1_790_000_000, 0),
		Results: []probe.Result{
			{Hop: probe.HopResolve, Status: probe.Skip, Detail: "10.156.0.3 is an address"},
			{Hop: probe.HopConnect, Status: probe.Pass, Took: 1 * ms, Detail: "TCP to 10.156.0.3:443"},
			{Hop: probe.HopTLS, Status: probe.Pass, Took: 6 * ms, Detail: "TLSv1.3, certificate for 10.156.0.3, 364 days left"},
			{Hop: probe.HopHTTP, Status: probe.Pass, Took: 4 * ms, Detail: "/version answers 200"},
			{Hop: probe.HopIdentity, Status: probe.Pass, Took: 5 * ms, Detail: "system:serviceaccount:causeway-prod:causeway-client"},
			{Hop: probe.HopRights, Status: probe.Pass, Took: 5 * ms, Detail: "list namespaces: allowed"},
			{Hop: probe.HopList, Status: probe.Pass, Took: 7 * ms, Detail: "4 namespaces"},
			{Hop: probe.HopWatch, Status: probe.Pass, Took: 8 * ms, Detail: "headers at once"},
		},
		Times: probe.Times{Connect: 1 * ms, AppConnect: 7 * ms, StartTransfer: 11 * ms, Total: 11 * ms},
		Curl:  "curl --cacert ca.crt -H @token https://10.156.0.3/version"}
}

// ends is the report of a way that ends at the hop TLS.
func ends() probe.Report {
	report := works()
	report.Results = report.Results[:3]
	report.Results[2] = probe.Result{Hop: probe.HopTLS, Status: probe.Fail, Took: 6 * time.Millisecond, Code: "CW-PROBE-TLS-CA",
		Detail: "certificate is signed by another CA than the kubeconfig's", Hint: probe.HintFor("CW-PROBE-TLS-CA")}
	for _, hop := range probe.HopNames()[3:8] {
		report.Results = append(report.Results, probe.Result{Hop: hop, Status: probe.Skip, Detail: "after a failed hop"})
	}
	return report
}

// dial is a machine without a way to any private address, whatever the one that
// the test runs on has.
func (p *place) dial(context.Context, string, string) (net.Conn, error) {
	return nil, syscall.ENETUNREACH
}

// run runs a command as the shell would, and looks for secrets in all it says.
func (p *place) run(args ...string) ran {
	p.Helper()
	var out, story bytes.Buffer
	a := &app{in: strings.NewReader(p.answers), out: &out, err: &story, tty: p.tty, ask: p.ask, now: func() time.Time { return time.Now().Add(p.later) }, rand: rand.Reader,
		getenv: func(name string) string { return p.env[name] }, methods: all.Methods(), dial: p.dial}
	code := a.run(p.ctx, args)
	p.Logf("causeway %s: exit %d\n%s%s", strings.Join(args, " "), code, out.String(), story.String())
	p.noSecret(out.String())
	p.noSecret(story.String())
	return ran{code, out.String(), story.String()}
}

// on appends the flags that name the exposure, and lets the probe run in the cluster.
func (p *place) on(args ...string) []string {
	named := append(slices.Clone(args), "--project", "lab-project", "--location", "europe-west3", "--cluster", "private-cluster")
	if p.exposed != "private-cluster" {
		named = append(named, "--name", p.exposed)
	}
	return named
}

// apply applies without questions, as the other verbs' tests need it.
func (p *place) apply(more ...string) ran {
	p.Helper()
	args := p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16", "--yes", "--from", "cluster")
	return p.runs(0, append(args, more...)...)
}

// runs is run with the exit code that must come.
func (p *place) runs(want int, args ...string) ran {
	p.Helper()
	got := p.run(args...)
	if got.code != want {
		p.Fatalf("causeway %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got.code, want, got.out, got.err)
	}
	return got
}

// secretForms is what must never be seen: keys in PEM or in base64 of it, JWTs.
var secretForms = regexp.MustCompile(`PRIVATE KEY-----(\\n|\s)+[A-Za-z0-9+/]{20}|LS0tLS1CRUdJTiB(FQyB)?QUklWQVRF|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.`)

func (p *place) noSecret(text string) {
	p.Helper()
	for _, secret := range p.allowed {
		text = strings.ReplaceAll(text, secret, "")
	}
	if found := secretForms.FindString(text); found != "" {
		p.Errorf("a secret was printed (%.20s...)", found)
	}
	for _, token := range []string{gcptest.Token, kubetest.GoogleToken} {
		if strings.Contains(text, token) {
			p.Errorf("the token %s was printed", token)
		}
	}
}

// says fails the test unless text has each part.
func (p *place) says(text string, parts ...string) {
	p.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			p.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}

// shows runs a command and holds its exit code and all that it says to a golden.
func (p *place) shows(name string, want int, args ...string) ran {
	p.Helper()
	got := p.runs(want, args...)
	text := fmt.Sprintf("$ causeway %s\n(exit %d)\n--- stdout\n%s--- stderr\n%s", strings.Join(args, " "), got.code, got.out, got.err)
	compareGolden(p.T, filepath.Join(p.testdata, name+".golden"), p.steady(text))
	return got
}

func compareGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if diff := gocmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", filepath.Base(path), diff)
	}
}

// volatile is what differs from run to run. Words keep their width where they
// stand in a table.
var volatile = []struct {
	form *regexp.Regexp
	to   string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "2026-01-02T03:04:05Z"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d(\s+)\d\d:\d\d UTC`), "2026-01-02${1}03:04 UTC"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d([^T\d])`), "2026-01-02$1"},
	{regexp.MustCompile(`\b([0-9a-f]{2}:){31}[0-9a-f]{2}\b`), strings.TrimSuffix(strings.Repeat("ab:", 32), ":")},
	{regexp.MustCompile(`sha256: "[0-9a-f]{64}"`), `sha256: "(hash)"`},
	{regexp.MustCompile(`(?s)-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----`), "(certificate)"},
	{regexp.MustCompile(`(?s)(nginx.conf: \|\n).*?(  upstream-ca.crt: )`), "${1}    (the goldens of templates have it)\n$2"},
	{regexp.MustCompile(`\(\d+(\.\d+)?s\)`), "(0.1s)"},
	{regexp.MustCompile(`k8s2-tcp-[0-9a-f]{8}-([a-z-]+)-[0-9a-f]{8}`), "k8s2-tcp-01234567-$1-89abcdef"},
	{regexp.MustCompile(`\(\d{4,6} bytes\)`), "(12345 bytes)"},
	{regexp.MustCompile(`ClusterSetIP 10\.\d+\.\d+\.\d+`), "ClusterSetIP 10.96.0.10"},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:6443"},
	{regexp.MustCompile(`by [a-z_][a-z0-9_-]*@[A-Za-z0-9.-]+`), "by net@host"},
	{regexp.MustCompile(`(in|-) \d+ days`), "$1 99 days"},
	{regexp.MustCompile(`\d+ days left\n`), "99 days left\n"},
}

// told are the lines of steps that run at the same time.
var told = regexp.MustCompile(`^(start|done |FAIL ) `)

func (p *place) steady(text string) string {
	if dir, err := os.Getwd(); err == nil {
		text = strings.ReplaceAll(text, dir, "/home/net")
	}
	for _, v := range volatile {
		text = v.form.ReplaceAllString(text, v.to)
	}
	var lines, block []string
	flush := func() {
		slices.SortFunc(block, func(a, b string) int { // starts, then ends
			return cmp.Or(strings.Compare(b[:1], a[:1]), strings.Compare(a, b))
		})
		lines, block = append(lines, block...), nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case strings.HasPrefix(line, "note ") || strings.HasPrefix(line, "wait "): // of time alone
		case told.MatchString(line):
			block = append(block, line)
		default:
			flush()
			lines = append(lines, line)
		}
	}
	flush()
	return strings.Join(lines, "\n")
}
