package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"causeway/exposer/detect"
	"causeway/internal/gcptest"
)

// seeded is a cluster of testdata/detect, and how it is asked about.
type seeded struct {
	seed    string
	project string   // prod-project where empty
	more    string   // further flags
	denied  []string // permissions that are missing
	blocked string   // the project in which they are; "" is all
	exit    int
}

// clusters are the goldens: NAME.golden for the seed NAME.yaml, unless named so.
var clusters = map[string]seeded{
	"peering-line":        {seed: "peering-line", more: "--client-cidr 172.31.0.0/16"},
	"peering-public-old":  {seed: "peering-public-old"},
	"psc-line":            {seed: "psc-line", more: "--client-cidr 172.31.0.0/16"},
	"psc-public":          {seed: "psc-public"},
	"dns-only":            {seed: "dns-only"},
	"shared-vpc":          {seed: "shared-vpc", project: "team-project", more: "--client-cidr 172.31.0.0/16"},
	"hub-line":            {seed: "hub-line", more: "--client-cidr 172.31.0.0/16"},
	"hub-unseen":          {seed: "hub-line", more: "--client-cidr 172.31.0.0/16", denied: []string{"compute.networks.get", "compute.routers.list"}, blocked: "hub-project"},
	"other-region":        {seed: "other-region", more: "--client-cidr 172.31.0.0/16"},
	"other-region-global": {seed: "other-region-global", more: "--client-cidr 172.31.0.0/16"},
	"from-region":         {seed: "peering-line", more: "--client-cidr 172.31.0.0/16 --from-region europe-west1"},
	"overlap":             {seed: "overlap", more: "--client-cidr 10.38.0.0/16"},
	"fleet":               {seed: "fleet"},
	"old-fleet":           {seed: "old-fleet", more: "--client-cidr 172.31.0.0/16"},
	"provisioning":        {seed: "provisioning"},
	"published":           {seed: "published", more: "--client-cidr 10.156.0.0/16"},
	"silent-line":         {seed: "silent-line", more: "--client-cidr 172.31.0.0/16"},
	"static-vpn":          {seed: "static-vpn", more: "--client-cidr 172.31.0.0/16"},
	"nothing-but-the-cluster": {seed: "psc-line", more: "--client-cidr 172.31.0.0/16",
		denied: []string{"compute.networks.get", "compute.routers.list", "compute.routers.get", "compute.subnetworks.list", "compute.routes.list", "compute.addresses.list", "serviceusage.services.get"}},
}

// looks is where somebody asks about a seeded cluster.
func (s seeded) looks(t *testing.T) (*gcptest.Server, map[string]string) {
	t.Helper()
	google := gcptest.Serve(t, gcptest.Options{})
	seed, err := gcptest.ReadSeed(filepath.Join("..", "..", "testdata", "detect", s.seed+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := google.Fill(seed); err != nil {
		t.Fatal(err)
	}
	for _, permission := range s.denied {
		if s.blocked == "" {
			google.Deny(permission)
		} else {
			google.Deny(permission, s.blocked)
		}
	}
	env := google.Env()
	env["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"] = filepath.Join(t.TempDir(), "token")
	if err := google.WriteToken(env["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]); err != nil {
		t.Fatal(err)
	}
	return google, env
}

func (s seeded) args() []string {
	project := s.project
	if project == "" {
		project = "prod-project"
	}
	return append([]string{"detect", "--project", project, "--location", "europe-west3", "--cluster", "prod"}, strings.Fields(s.more)...)
}

// TestDetectAsItsReaderSeesIt holds each seeded cluster's screen to a golden, and
// each run to the rule that it only reads.
func TestDetectAsItsReaderSeesIt(t *testing.T) {
	for name, s := range clusters {
		t.Run(name, func(t *testing.T) {
			google, env := s.looks(t)
			got := typed(t, env, s.args()...)
			if got.code != s.exit || got.err != "" {
				t.Errorf("exit %d, want %d\n%s", got.code, s.exit, got.err)
			}
			if _, writes := google.Counts(); writes != 0 {
				t.Errorf("%d writes: %v", writes, google.Requests())
			}
			compareGolden(t, filepath.Join("..", "..", "testdata", "detect", name+".golden"), "$ causeway "+strings.Join(s.args(), " ")+"\n"+got.out)
			for line := range strings.SplitSeq(got.out, "\n") {
				// A command stands whole on its line, so that it can be copied.
				if len([]rune(line)) > 110 && !strings.HasPrefix(line, "  ") {
					t.Errorf("%d columns: %s", len([]rune(line)), line)
				}
			}
		})
	}
}

// TestDetectNeedsNoRightButToRead: all that it asks of Google are gets and lists.
func TestDetectNeedsNoRightButToRead(t *testing.T) {
	google, env := clusters["hub-line"].looks(t)
	typed(t, env, clusters["hub-line"].args()...)
	var asked []string
	for _, request := range google.Requests() {
		if request.Verb != "GET" {
			t.Errorf("%s %s", request.Verb, request.Path)
		}
		asked = append(asked, request.Method)
	}
	for _, must := range []string{"container.projects.locations.clusters.get", "compute.routers.getRouterStatus"} {
		if !slices.Contains(asked, must) {
			t.Errorf("never asked %s, only %v: this test would see nothing", must, asked)
		}
	}
}

func TestDetectAnswersWithData(t *testing.T) {
	_, env := clusters["hub-line"].looks(t)
	got := typed(t, env, append(clusters["hub-line"].args(), "-o", "json")...)
	var report detect.Report
	if err := json.Unmarshal([]byte(got.out), &report); err != nil {
		t.Fatalf("%v\n%s", err, got.out)
	}
	if report.Recommended != "ilb" || len(report.Methods) != 6 || report.Cluster.ControlPlane != "peering" || report.Network.Lines[0].Up != 2 {
		t.Errorf("%+v", report)
	}
	yaml := typed(t, env, append(clusters["hub-line"].args(), "-o", "yaml")...)
	if !strings.Contains(yaml.out, "recommended: ilb\n") {
		t.Error(yaml.out)
	}
}

// TestWhatDetectRefusesPlanRefusesToo: the same code, before and at the door.
func TestWhatDetectRefusesPlanRefusesToo(t *testing.T) {
	for name, c := range map[string]struct {
		seed, method, code string
	}{
		"ilb without IP endpoints":        {"dns-only", "ilb", "CW-GCP-IP-ENDPOINTS-OFF"},
		"route without IP endpoints":      {"dns-only", "route", "CW-GCP-IP-ENDPOINTS-OFF"},
		"psc without IP endpoints":        {"dns-only", "psc", "CW-GCP-IP-ENDPOINTS-OFF"},
		"ilb on a cluster in the making":  {"provisioning", "ilb", "CW-GCP-CLUSTER-STATE"},
		"route without a line":            {"psc-public", "route", "CW-ROUTE-NO-LINE"},
		"route behind a peering, no line": {"peering-public-old", "route", "CW-ROUTE-NO-LINE"},
	} {
		t.Run(name, func(t *testing.T) {
			s := seeded{seed: c.seed}
			_, env := s.looks(t)
			env["HOME"] = t.TempDir()
			var report detect.Report
			if err := json.Unmarshal([]byte(typed(t, env, append(s.args(), "-o", "json")...).out), &report); err != nil {
				t.Fatal(err)
			}
			if got := report.Method(c.method); got.Code != c.code || got.Verdict == detect.Works {
				t.Errorf("detect: %s %q", got.Verdict, got.Code)
			}
			args := append([]string{"plan", c.method}, s.args()[1:]...)
			if c.method != "psc" {
				args = append(args, "--client-cidr", "172.31.0.0/16")
			}
			if got := typed(t, env, args...); got.code != exitPrecondition || !strings.Contains(got.err, c.code) {
				t.Errorf("plan: exit %d\n%s", got.code, got.err)
			}
		})
	}
}

func TestDetectSaysWhatIsWrongWithItsArguments(t *testing.T) {
	for name, c := range map[string]struct {
		args string
		code int
		says []string
	}{
		"nothing is named":              {"", exitUsage, []string{"cluster.project is missing", "cluster.location is missing", "cluster.name is missing"}},
		"a network with host bits":      {"--project prod-project --location europe-west3 --cluster prod --client-cidr 172.31.2.3/16", exitUsage, []string{"the network is 172.31.0.0/16"}},
		"a zone where a region belongs": {"--project prod-project --location europe-west3 --cluster prod --from-region europe-west3-a", exitUsage, []string{`--from-region must be a region such as europe-west3, "europe-west3-a" is not`}},
		"a method, which it takes none": {"ilb", exitUsage, []string{"no argument is expected here, not ilb"}},
		"a cluster that does not exist": {"--project prod-project --location europe-west3 --cluster none", exitFailed, []string{"No cluster named 'none'", "CW-GCP-NOT-FOUND"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, env := clusters["psc-line"].looks(t)
			env["HOME"] = t.TempDir()
			got := typed(t, env, append([]string{"detect"}, strings.Fields(c.args)...)...)
			if got.code != c.code || got.out != "" {
				t.Errorf("exit %d\n%s", got.code, got.out)
			}
			for _, part := range c.says {
				if !strings.Contains(got.err, part) {
					t.Errorf("it does not say %q:\n%s", part, got.err)
				}
			}
		})
	}
}

// TestDetectEndsInFourWhereNoneCan: a cluster that is on its way out. One that is
// still being made can be waited for, which its golden holds.
func TestDetectEndsInFourWhereNoneCan(t *testing.T) {
	for _, status := range []string{"STOPPING", "ERROR"} {
		s := clusters["psc-line"]
		google, env := s.looks(t)
		if err := google.Change("projects/prod-project/locations/europe-west3/clusters/prod", func(o map[string]any) { o["status"] = status }); err != nil {
			t.Fatal(err)
		}
		got := typed(t, env, s.args()...)
		if want := "recommended: none, because the cluster is " + status + ", and does not come back by waiting"; got.code != exitPrecondition || !strings.Contains(got.out, want) {
			t.Errorf("exit %d, want %q\n%s%s", got.code, want, got.out, got.err)
		}
		if n := strings.Count(got.out, "cannot "); n < 6 {
			t.Errorf("%d methods can't work, want all six\n%s", n, got.out)
		}
	}
}

// TestVerdictsHaveTheirColours where stdout is a terminal, and only there.
func TestVerdictsHaveTheirColours(t *testing.T) {
	report := detect.Report{Methods: []detect.Assessment{{Method: "ilb", Verdict: detect.Works}, {Method: "route", Verdict: detect.Cannot}, {Method: "dns", Verdict: detect.After}}}
	var plain, coloured strings.Builder
	showReport(&plain, report, false)
	showReport(&coloured, report, true)
	for _, want := range []string{"\x1b[32mworks\x1b[0m", "\x1b[31mcannot\x1b[0m", "\x1b[33mworks after\x1b[0m"} {
		if !strings.Contains(coloured.String(), want) {
			t.Errorf("%q is not in\n%q", want, coloured.String())
		}
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Errorf("%q", plain.String())
	}
}
