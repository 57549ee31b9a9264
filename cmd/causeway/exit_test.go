package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"causeway/exposer/all"
	"causeway/internal/gcptest"
)

// typed runs a command that needs no cluster, with this environment.
func typed(t *testing.T, env map[string]string, args ...string) ran {
	t.Helper()
	var out, story bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &story, now: time.Now, methods: all.Methods(),
		getenv: func(name string) string { return env[name] }}
	return ran{a.run(t.Context(), args), out.String(), story.String()}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	for name, c := range map[string]struct {
		args string
		says []string
	}{
		"an unknown command names its neighbour": {"plam", []string{`there is no command "plam"; did you mean plan?`, "causeway --help"}},
		"an unknown command below another":       {"certs shw", []string{`there is no command "certs shw"`, "causeway certs --help"}},
		"an unknown flag":                        {"plan ilb --nope", []string{"unknown flag: --nope", "causeway plan --help"}},
		"a flag without its value":               {"plan ilb --project", []string{"flag needs an argument: --project"}},
		"a flag with a wrong value":              {"plan ilb --port https", []string{`invalid argument "https"`, "--port"}},
		"one method too many":                    {"apply ilb psc", []string{"one METHOD is enough, not ilb psc"}},
		"an argument where none belongs":         {"version 1", []string{"no argument is expected here, not 1"}},
		"everything that is missing, at once": {"plan", []string{"method is missing", "cluster.project is missing (--project, or CLOUDSDK_CORE_PROJECT)",
			"cluster.location is missing (--location)", "cluster.name is missing (--cluster)", "farSide.cidrs is missing", "5 problems"}},
		"a method that does not exist":     {"plan bastion --project lab-project --location europe-west3 --cluster c", []string{`method must be one of ilb, route, psc, dns, gateway, mcs, not "bastion"`}},
		"a network with host bits":         {"plan ilb --project lab-project --location europe-west3 --cluster c --client-cidr 172.31.23.209/16", []string{"the network is 172.31.0.0/16", "causeway explain CW-NET-CIDR"}},
		"a wrong place to probe from":      {"apply ilb --from mars", []string{`--from must be auto, local or cluster, not "mars"`}},
		"a wrong form of answer":           {"plan ilb -o xml", []string{`--output must be table, json or yaml, not "xml"`}},
		"verify without a kubeconfig":      {"verify", []string{"--kubeconfig FILE is missing"}},
		"verify with one that is not here": {"verify --kubeconfig nowhere", []string{"read kubeconfig: open nowhere: no such file"}},
		"verify with a half right":         {"verify --kubeconfig exit_test.go --right get", []string{"--right must be VERB:RESOURCE"}},
		"verify with a half pod":           {"verify --kubeconfig exit_test.go --exec web-0", []string{"--exec must be NAMESPACE/POD[/CONTAINER]"}},
		"a code that does not exist":       {"explain CW-NOPE", []string{`there is no code "CW-NOPE"`, "causeway explain  # all codes"}},
		"encryption without a password":    {"handoff ilb --secrets encrypt", []string{"--secrets encrypt needs --password-file"}},
		"a way with secrets that is none":  {"handoff ilb --secrets maybe", []string{"--secrets must be include, encrypt or omit"}},
		"a password file that is not here": {"certs export ilb --password-file nowhere", []string{"read --password-file: open nowhere"}},
		"a file that is not here":          {"apply -f nowhere.yaml", []string{"read --file: open nowhere.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := typed(t, nil, strings.Fields(c.args)...)
			if got.code != exitUsage || got.out != "" {
				t.Errorf("exit %d, want 2; stdout %q", got.code, got.out)
			}
			for _, part := range append(c.says, "next:") {
				if !strings.Contains(got.err, part) {
					t.Errorf("it does not say %q:\n%s", part, got.err)
				}
			}
		})
	}
}

func TestWithoutCredentials(t *testing.T) {
	// The first credentials found are a file that is not there: nothing else is asked.
	env := map[string]string{"HOME": t.TempDir(), "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"}
	got := typed(t, env, "plan", "ilb", "--project", "lab-project", "--location", "europe-west3", "--cluster", "c", "--client-cidr", "172.31.0.0/16")
	if got.code != exitFailed || !strings.Contains(got.err, "causeway explain CW-GCP-CREDENTIALS") || !strings.Contains(got.err, "fix: gcloud auth application-default login") {
		t.Errorf("exit %d\n%s", got.code, got.err)
	}
}

func TestExitCodes(t *testing.T) {
	p := stand(t, "codes")
	plan := p.on("plan", "ilb", "--client-cidr", "172.31.0.0/16")
	apply := p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16", "--from", "cluster")

	p.runs(exitChanges, append(plan, "--exit-code")...)
	p.says(p.runs(exitUsage, apply...).err, "12 to create", "stdin is no terminal to ask on: give --yes", "causeway apply --help")

	p.ask, p.answers = true, "n\n"
	declined := p.shows("apply-declined", exitFailed, apply...)
	if declined.out != "" {
		t.Errorf("stdout of a declined apply: %q", declined.out)
	}
	p.answers = "" // Ctrl-D
	p.runs(exitFailed, apply...)
	p.nothing()
	p.answers = "yes\n"
	p.says(p.runs(exitDone, apply...).err, "Apply this plan? [y/N]")
	p.runs(exitDone, append(plan, "--exit-code")...)

	p.answers = "no\n"
	p.says(p.runs(exitFailed, p.on("destroy", "ilb")...).err, "Destroy? [y/N]", "remove    address/causeway-codes", "not confirmed: nothing was changed")
	p.ask = false
	p.says(p.runs(exitUsage, p.on("destroy", "ilb")...).err, "give --yes")
	p.runs(exitDone, plan...)
	p.runs(exitDone, p.on("destroy", "ilb", "--yes")...)
}

// nothing fails the test when anything of the exposure stands.
func (p *place) nothing() {
	p.Helper()
	if left, err := p.world.Objects(p.Context()); err != nil || len(left) > 0 {
		p.Errorf("in the cluster: %v %v", left, err)
	}
	if _, writes := p.world.Google.Counts(); writes > 0 {
		p.Errorf("%d writes to Google", writes)
	}
}

func TestWhatStandsInTheWay(t *testing.T) {
	p := stand(t, "blocked")
	p.world.Google.Inject(gcptest.Fault{Match: "compute.addresses.list", Status: http.StatusForbidden, Reason: "forbidden", Message: "Required 'compute.addresses.list' permission"})
	got := p.shows("plan-blocked", exitPrecondition, p.on("plan", "ilb", "--client-cidr", "10.156.4.0/24", "--client-cidr", "10.37.0.0/16", "--image", "nginx:1.28")...)
	p.says(got.out, "12 to create")
	p.says(got.err, "3 things stand in the way", "[CW-NET-OVERLAP]", "[CW-IMG-UNREACHABLE]")
	p.runs(exitPrecondition, p.on("apply", "ilb", "--client-cidr", "10.156.4.0/24", "--yes")...)
	p.nothing()
	p.says(p.runs(exitFailed, "plan", "ilb", "--project", "lab-project", "--location", "europe-west3", "--cluster", "other", "--client-cidr", "172.31.0.0/16").err, "causeway explain CW-GCP-NOT-FOUND")
}

func TestAFailedProbeWritesNothing(t *testing.T) {
	p := stand(t, "probed")
	p.probe(ends())
	apply := p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16", "--from", "cluster", "--yes")
	got := p.shows("apply-probe-fails", exitProbe, apply...)
	p.absent("causeway-probed.kubeconfig")
	if got.out != "" {
		t.Errorf("an answer all the same: %s", got.out)
	}
	p.says(got.err, "probe tls of", "causeway explain CW-PROBE-TLS-CA", "no kubeconfig was written", "causeway destroy ilb")
	answer := p.runs(exitProbe, append(apply, "-o", "json")...)
	var told struct {
		Probe struct {
			FailedHop string `json:"failed_hop"`
		}
	}
	if err := json.Unmarshal([]byte(answer.out), &told); err != nil || told.Probe.FailedHop != "tls" {
		t.Errorf("%v: %s", err, answer.out)
	}
	p.probe(works())
	p.runs(exitDone, apply...)
	p.read("causeway-probed.kubeconfig")
	p.runs(exitDone, p.on("destroy", "ilb", "--yes")...)
}

// TestInterrupted ends an apply with what Ctrl-C does, at the address's creation.
func TestInterrupted(t *testing.T) {
	p := stand(t, "interrupted")
	p.world.Google.Inject(gcptest.Fault{Match: "compute.addresses.insert", Delay: time.Minute, Times: 1})
	ctx, stop := context.WithCancel(t.Context())
	p.ctx = ctx
	go func() {
		for ctx.Err() == nil { // until the call has come
			if _, writes := p.world.Google.Counts(); writes > 0 {
				stop()
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	apply := p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16", "--from", "cluster", "--yes")
	got := p.runs(exitInterrupted, apply...)
	p.says(got.err, "interrupted: ", "go on where it stopped", "causeway destroy ilb --project lab-project --location europe-west3 --cluster private-cluster --name interrupted")
	p.ctx = t.Context()
	p.runs(exitDone, apply...)
	p.runs(exitDone, p.on("destroy", "ilb", "--yes")...)
}

func TestAFailureSaysHowToGoOn(t *testing.T) {
	p := stand(t, "failing")
	p.world.Google.Inject(gcptest.Quota("compute.addresses.insert", "INTERNAL_ADDRESSES", "europe-west3"))
	got := p.shows("apply-fails", exitFailed, p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16", "--from", "cluster", "--yes")...)
	p.says(got.err, "made by this run, and kept: namespace/causeway-failing", "not reached: ", "causeway explain CW-GCP-QUOTA")
	p.world.Google.ClearFaults()
	p.runs(exitDone, p.on("destroy", "ilb", "--yes")...)
}

func TestTimeout(t *testing.T) {
	p := stand(t, "late")
	p.world.Google.Inject(gcptest.Fault{Match: "container.projects.locations.clusters.get", Delay: time.Minute})
	got := p.runs(exitFailed, p.on("plan", "ilb", "--client-cidr", "172.31.0.0/16", "--timeout", "200ms")...)
	p.says(got.err, "clusters/private-cluster: not done within 200ms; --timeout gives more", "causeway explain CW-RUN-TIMEOUT")
}

func TestVerboseTellsRequests(t *testing.T) {
	p := stand(t, "verbose")
	plan := p.on("plan", "ilb", "--client-cidr", "172.31.0.0/16")
	quiet, loud := p.runs(0, plan...), p.runs(0, append(plan, "-v")...)
	line := regexp.MustCompile(`(?m)^google  GET   /container/v1/projects/lab-project/locations/europe-west3/clusters/private-cluster  200  \d+ ms$`)
	if !line.MatchString(loud.err) {
		t.Errorf("no such line:\n%s", loud.err)
	}
	if strings.Contains(quiet.err, "google  ") || loud.out != quiet.out {
		t.Errorf("the answer differs, or quiet is not:\n%s", quiet.err)
	}
}

// TestAnswersForPrograms holds -o json and -o yaml to being exactly that.
func TestAnswersForPrograms(t *testing.T) {
	p := stand(t, "programs")
	apply := p.on("apply", "ilb", "--client-cidr", "172.31.0.0/16", "--from", "cluster", "--yes")
	for _, args := range [][]string{
		p.on("plan", "ilb", "--client-cidr", "172.31.0.0/16"), apply, apply, p.on("status", "ilb"), p.on("certs", "show", "ilb"),
		p.on("kubeconfig", "ilb"), p.on("verify", "ilb", "--from", "cluster"), p.on("render", "ilb", "--client-cidr", "172.31.0.0/16"),
		{"explain"}, {"explain", "CW-NET-CIDR"}, {"version"}, p.on("destroy", "ilb", "--dry-run"), p.on("destroy", "ilb", "--yes"),
	} {
		for form, read := range map[string]func([]byte) error{
			"json": func(text []byte) error { var any any; return json.Unmarshal(text, &any) },
			"yaml": func(text []byte) error { var any any; return yaml.UnmarshalStrict(text, &any) },
		} {
			got := p.runs(0, append(args, "-o", form)...)
			if err := read([]byte(got.out)); err != nil || len(got.out) < 10 {
				t.Errorf("causeway %s -o %s: %v\n%s", strings.Join(args, " "), form, err, got.out)
			}
			if strings.Contains(got.out, ": null") { // a list that is empty is one all the same: `jq .drift[]`
				t.Errorf("causeway %s -o %s has no value where one belongs:\n%s", strings.Join(args, " "), form, got.out)
			}
		}
	}
}
