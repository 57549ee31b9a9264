package dns

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"causeway/exposer"
	"causeway/internal/gcp"
)

// toggle is the setting of one switch of the DNS endpoint. It is the cluster's, not
// the exposure's: it is only ever turned on, and turned off again on destroy where
// it was off before.
type toggle struct {
	x     *exposure
	word  string // for SetDNSEndpoint and the step's ID
	field string // Google's name
	about string // what it lets in
	asked bool
	on    func(gcp.Cluster) bool
	used  func(exposer.Spec) bool // whether another exposure by dns lives of it
	after []string
}

// switches are those that the spec asks for; on destroy all of them, as an earlier
// spec may have asked for more. Google takes one change of a cluster at a time, so
// each waits for the one before.
func (x *exposure) switches() []exposer.Step {
	want := x.spec.DNS
	all := []*toggle{
		{word: "external", field: "allowExternalTraffic", about: "traffic from outside Google's own services", asked: want.Open,
			on: func(c gcp.Cluster) bool { return c.DNSExternal }, used: func(exposer.Spec) bool { return true }},
		{word: "tokens", field: "enableK8sTokensViaDns", about: "Kubernetes tokens", asked: want.Tokens,
			on: func(c gcp.Cluster) bool { return c.DNSTokens }, used: func(s exposer.Spec) bool { return !s.ByGoogle() || s.DNS.Tokens }},
		{word: "certs", field: "enableK8sCertsViaDns", about: "Kubernetes client certificates", asked: want.Certificates,
			on: func(c gcp.Cluster) bool { return c.DNSCerts }, used: func(s exposer.Spec) bool { return s.DNS.Certificates }},
	}
	var steps []exposer.Step
	for _, t := range all {
		if !t.asked && !x.deps.Leaving {
			continue
		}
		t.x = x
		if n := len(steps); n > 0 {
			t.after = []string{steps[n-1].ID()}
		}
		steps = append(steps, t)
	}
	return steps
}

// ID implements exposer.Step.
func (t *toggle) ID() string { return "dns-endpoint/" + t.x.spec.Cluster.Name + "/" + t.word }

// Title implements exposer.Step.
func (t *toggle) Title() string {
	return fmt.Sprintf("DNS endpoint of %s takes %s", t.x.spec.Cluster.Name, t.about)
}

// Needs implements exposer.Step.
func (t *toggle) Needs() []string { return t.after }

// Read implements exposer.Step.
func (t *toggle) Read(ctx context.Context) (exposer.Observed, error) {
	cluster, err := t.x.readCluster(ctx)
	if t.x.deps.Leaving && gcp.NotFound(err) {
		return exposer.Observed{Action: exposer.Keep}, nil
	}
	if err != nil {
		return exposer.Observed{}, err
	}
	if t.on(cluster) || t.x.deps.Leaving {
		return exposer.Observed{Exists: t.on(cluster), Action: exposer.Keep, Why: "is on"}, nil
	}
	return exposer.Observed{Exists: true, Action: exposer.Change, Why: t.why(), Old: json.RawMessage("false"),
		Changes: []exposer.FieldChange{{Field: t.field, From: "false", To: "true"}}}, nil
}

func (t *toggle) why() string {
	if t.word == "external" {
		return "opens the API server to the internet: whoever has container.clusters.connect can talk to it from anywhere"
	}
	if t.word == "tokens" {
		return "whoever holds a token of the cluster gets in from anywhere, without IAM"
	}
	return "whoever holds a client certificate of the cluster gets in from anywhere, without IAM"
}

// Do implements exposer.Step.
func (t *toggle) Do(ctx context.Context, note func(string)) error { return t.set(ctx, true, note) }

func (t *toggle) set(ctx context.Context, on bool, note func(string)) error {
	c := t.x.spec.Cluster
	return t.x.google.SetDNSEndpoint(ctx, c.Project, c.Location, c.Name, t.word, on, note)
}

// Undo implements exposer.Step: off again where it was off, unless somebody turned
// it off meanwhile, or another exposure by dns lives of it.
func (t *toggle) Undo(ctx context.Context, old json.RawMessage, note func(string)) (exposer.Undone, error) {
	cluster, err := t.x.readCluster(ctx)
	switch {
	case gcp.NotFound(err):
		return exposer.Undone{Outcome: exposer.Absent, Why: "went with the cluster"}, nil
	case err != nil:
		return exposer.Undone{}, err
	case !t.on(cluster):
		return exposer.Undone{Outcome: exposer.Absent, Why: "is off"}, nil
	case old == nil:
		return exposer.Undone{Outcome: exposer.Left, Why: "is on, and was not turned on by this exposure, as far as its record tells; " + t.byHand() + " turns it off"}, nil
	}
	needed, err := t.needed(ctx)
	if err != nil {
		return exposer.Undone{}, err
	}
	if len(needed) > 0 {
		return exposer.Undone{Outcome: exposer.Left, Why: "exposure " + strings.Join(needed, ", ") + " by dns still needs it; afterwards " + t.byHand() + " turns it off"}, nil
	}
	return exposer.Undone{Outcome: exposer.Restored}, t.set(ctx, false, note)
}

// gcloudFlags are gcloud's names of the switches.
var gcloudFlags = map[string]string{"external": "enable-dns-access", "tokens": "enable-k8s-tokens-via-dns", "certs": "enable-k8s-certs-via-dns"}

// byHand is the command for what is not this exposure's to turn off.
func (t *toggle) byHand() string {
	c := t.x.spec.Cluster
	return fmt.Sprintf("`gcloud container clusters update %s --location %s --project %s --no-%s`", c.Name, c.Location, c.Project, gcloudFlags[t.word])
}

// needed names other exposures of the cluster that live of the switch.
func (t *toggle) needed(ctx context.Context) ([]string, error) {
	if t.x.deps.Siblings == nil {
		return nil, nil
	}
	others, err := t.x.deps.Siblings(ctx, t.x.kube, t.x.spec)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, other := range others {
		if other.Method == "dns" && other.DNS != nil && t.used(other) {
			names = append(names, other.Name)
		}
	}
	return names, nil
}
