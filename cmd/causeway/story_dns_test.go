package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// TestTheStoryOfADNSEndpoint is a life of one exposure by dns, for Google
// identities. The goldens are what the user reads: look at them as one.
func TestTheStoryOfADNSEndpoint(t *testing.T) {
	p := standIn(t, "front", conformance.Options{Seed: "route", NoController: true, GoogleTime: googleTime})
	before := p.world.State()
	open := append(p.on("apply", "dns", "--yes"), "--open-dns-endpoint")

	p.shows("dns-closed", 4, p.on("plan", "dns")...)
	p.shows("dns-plan", 0, append(p.on("plan", "dns"), "--open-dns-endpoint")...)
	p.shows("dns-render", 0, append(p.on("render", "dns"), "--open-dns-endpoint", "--dns-tokens", "--dns-certificates")...)
	p.shows("dns-apply", 0, open...)
	p.mode("causeway-front.kubeconfig", 0o600)
	first := p.read("causeway-front.kubeconfig")
	if strings.Contains(first, "certificate-authority") || strings.Contains(first, "token:") {
		t.Error("the kubeconfig has a CA or a token")
	}
	p.shows("dns-apply-again", 0, open...)
	if p.read("causeway-front.kubeconfig") != first {
		t.Error("the second apply wrote another kubeconfig")
	}
	p.shows("dns-verify", 0, p.on("verify", "dns")...)
	p.shows("dns-status", 0, p.on("status", "dns")...)
	p.shows("dns-kubeconfig", 0, p.on("kubeconfig", "dns")...)
	p.says(p.runs(2, p.on("kubeconfig", "dns", "--role", "edit")...).err, "is a ServiceAccount's", "--identity account makes one")
	p.shows("dns-handoff", 0, p.on("handoff", "dns")...)
	p.archived("handoff-front.tar.gz", "README.md", "kubeconfig", "verify.sh")
	compareGolden(p.T, filepath.Join(p.testdata, "dns-page.golden"), p.steady(p.handed("handoff-front.tar.gz", "README.md")))

	p.set("allowExternalTraffic", false)
	p.shows("dns-verify-broken", 5, p.on("verify", "dns")...)
	p.shows("dns-status-broken", 4, p.on("status", "dns")...)
	p.set("allowExternalTraffic", true)

	p.shows("dns-destroy-dry-run", 0, p.on("destroy", "dns", "--dry-run")...)
	p.shows("dns-destroy", 0, p.on("destroy", "dns", "--yes")...)
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}

// set turns a switch of the DNS endpoint, as somebody else would.
func (p *place) set(field string, on bool) {
	p.Helper()
	if err := p.world.Google.Change("projects/lab-project/locations/europe-west3/clusters/private-cluster", func(o map[string]any) {
		o["controlPlaneEndpointsConfig"].(map[string]any)["dnsEndpointConfig"].(map[string]any)[field] = on
	}); err != nil {
		p.Fatal(err)
	}
}

// TestTheStoryOfADNSEndpointWithTokens has a ServiceAccount in the cluster.
func TestTheStoryOfADNSEndpointWithTokens(t *testing.T) {
	p := standIn(t, "tokens", conformance.Options{Seed: "route", NoController: true, GoogleTime: googleTime})
	before := p.world.State()
	account := []string{"--identity", "account", "--open-dns-endpoint"}

	p.shows("dns-tokens-closed", 4, append(p.on("plan", "dns"), account...)...)
	account = append(account, "--dns-tokens", "--role", "node-reader")
	p.shows("dns-tokens-plan", 0, append(p.on("plan", "dns"), account...)...)
	p.shows("dns-tokens-apply", 0, append(p.on("apply", "dns", "--yes"), account...)...)
	if text := p.read("causeway-tokens.kubeconfig"); strings.Contains(text, "certificate-authority") || !strings.Contains(text, "token: ") {
		t.Error("the kubeconfig has a CA, or no token")
	}
	p.says(p.runs(0, p.on("kubeconfig", "dns", "--role", "edit")...).out, "causeway-tokens-edit.kubeconfig")
	p.shows("dns-tokens-destroy", 0, p.on("destroy", "dns", "--yes")...)
	if left, err := p.world.Objects(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left in the cluster: %v %v", left, err)
	}
	if p.world.State() != before {
		t.Error("Google's side is not as before")
	}
}

// TestWhatDNSCantBeTold: mistakes that would leave people with another exposure than
// they think.
func TestWhatDNSCantBeTold(t *testing.T) {
	p := standIn(t, "mistakes", conformance.Options{Seed: "route", NoController: true})
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"networks":                     {[]string{"--client-cidr", "172.31.0.0/16"}, "--client-cidr is a flag of the method ilb, route, psc, not of dns"},
		"regions":                      {[]string{"--global-access"}, "is a flag of the method"},
		"a role for Google identities": {[]string{"--role", "edit"}, "access.role is a ServiceAccount's"},
		"their token's life":           {[]string{"--token-ttl", "8h"}, "access.tokenTTL is a ServiceAccount's"},
		"an identity that is none":     {[]string{"--identity", "robot"}, "dns.identity must be one of google, account"},
		"a plugin that is none":        {[]string{"--auth-plugin", "x"}, "dns.authPlugin must be one of causeway, gcloud"},
		"a plugin for a token":         {[]string{"--identity", "account", "--auth-plugin", "gcloud"}, "dns.authPlugin has no meaning with identity account"},
	} {
		t.Run(name, func(t *testing.T) { p.says(p.runs(2, append(p.on("plan", "dns"), c.args...)...).err, c.says) })
	}
	p.write("cidrs.yaml", "method: dns\napiVersion: causeway.dev/v1\nkind: Exposure\nname: mistakes\ncluster: {project: lab-project, location: europe-west3, name: private-cluster}\nfarSide: {cidrs: [172.31.0.0/16]}\n")
	p.says(p.runs(2, "plan", "-f", "cidrs.yaml").err, "farSide.cidrs has no meaning for the method dns")
}

// TestTheGooglePlugin: causeway as the exec plugin of a Google identity's kubeconfig.
func TestTheGooglePlugin(t *testing.T) {
	p := standIn(t, "plugin", conformance.Options{Seed: "route", NoController: true})
	p.allowed = []string{gcptest.Token, "ya29.impersonated.robot@lab-project.iam.gserviceaccount.com", "ya29.another"}
	ask := func(args ...string) (answer struct {
		APIVersion, Kind string
		Status           struct {
			Token               string
			ExpirationTimestamp time.Time
		}
	}) {
		t.Helper()
		got := p.runs(0, append([]string{"credential", "--google"}, args...)...)
		if err := json.Unmarshal([]byte(got.out), &answer); err != nil || got.err != "" || answer.Kind != "ExecCredential" {
			t.Fatalf("%v: %+v %s", err, answer, got.err)
		}
		return answer
	}
	soon := func(at time.Time, want time.Duration) {
		t.Helper()
		if left := time.Until(at); left < want-5*time.Second || left > want+time.Second {
			t.Errorf("the token is asked for again in %s, want %s", left, want)
		}
	}

	plain := ask()
	if plain.Status.Token != gcptest.Token || plain.APIVersion != "client.authentication.k8s.io/v1" {
		t.Errorf("by the environment: %+v", plain)
	}
	soon(plain.Status.ExpirationTimestamp, time.Minute) // the file says no end
	p.env["KUBERNETES_EXEC_INFO"] = `{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","spec":{"interactive":false}}`
	acting := ask("--impersonate-service-account", "robot@lab-project.iam.gserviceaccount.com")
	if acting.Status.Token != "ya29.impersonated.robot@lab-project.iam.gserviceaccount.com" || acting.APIVersion != "client.authentication.k8s.io/v1beta1" {
		t.Errorf("as a service account: %+v", acting)
	}
	soon(acting.Status.ExpirationTimestamp, time.Hour)
	p.write("other-token", "ya29.another\n")
	if other := ask("--access-token-file", "other-token"); other.Status.Token != "ya29.another" {
		t.Errorf("by a file: %+v", other)
	}

	p.env["KUBERNETES_EXEC_INFO"] = "{"
	p.says(p.runs(exitFailed, "credential", "--google").err, "CW-TOKEN-PLUGIN")
	p.env["KUBERNETES_EXEC_INFO"] = ""
	if err := os.Remove(p.env["CLOUDSDK_AUTH_ACCESS_TOKEN_FILE"]); err != nil {
		t.Fatal(err)
	}
	p.says(p.runs(exitFailed, "credential", "--google").err, "CW-GCP-CREDENTIALS", "application-default login")
}
