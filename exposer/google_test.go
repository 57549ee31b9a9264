package exposer_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"causeway/exposer"
	"causeway/internal/explain"
	"causeway/internal/kube"
	"causeway/internal/kubetest"
)

func TestGoogleCredential(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		info       string
		expires    time.Time
		api, again string
		code       string
	}{
		"a client that says nothing":          {"", now.Add(time.Hour), "client.authentication.k8s.io/v1", "2026-11-21T13:00:00Z", ""},
		"one that speaks the beta":            {`{"apiVersion":"client.authentication.k8s.io/v1beta1"}`, now.Add(time.Hour), "client.authentication.k8s.io/v1beta1", "2026-11-21T13:00:00Z", ""},
		"a token that does not say its end":   {"", time.Time{}, "client.authentication.k8s.io/v1", "2026-11-21T12:01:00Z", ""},
		"a variable that no client has set":   {"{", now, "", "", "CW-TOKEN-PLUGIN"},
		"a clock in another zone is no other": {"", now.Add(time.Hour).In(time.FixedZone("x", 7200)), "client.authentication.k8s.io/v1", "2026-11-21T13:00:00Z", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := exposer.GoogleCredential(c.info, "ya29.x", c.expires, now)
			if explain.CodeOf(err) != c.code {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			var got map[string]any
			if err := json.Unmarshal(text, &got); err != nil {
				t.Fatal(err)
			}
			want := map[string]any{"apiVersion": c.api, "kind": "ExecCredential", "status": map[string]any{"token": "ya29.x", "expirationTimestamp": c.again}}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhoIsAtTheEndpoint(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{"https://10.0.0.1": "10.0.0.1:443", "https://10.0.0.1:8443": "10.0.0.1:8443",
		"https://x.gke.goog": "x.gke.goog:443", "https://[fd00::1]": "[fd00::1]:443", "%": ""} {
		if got := (exposer.Endpoint{URL: url}).HostPort(); got != want {
			t.Errorf("%s: %q, want %q", url, got, want)
		}
	}
	text, err := json.Marshal(exposer.Endpoint{URL: "https://x.gke.goog"})
	if err != nil || string(text) != `{"url":"https://x.gke.goog"}` {
		t.Errorf("%s %v", text, err)
	}
}

// TestSiblings: other exposures of a cluster, by the records here and in the cluster.
func TestSiblings(t *testing.T) {
	t.Parallel()
	server := kubetest.Start(t)
	client, err := kube.New(server.Config, kube.Env{})
	if err != nil {
		t.Fatal(err)
	}
	cluster := exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "siblings"}
	spec := func(name string) exposer.Spec {
		return exposer.Spec{Method: "dns", Name: name, Cluster: cluster}.WithDefaults()
	}
	records := exposer.FileRecords{Dir: t.TempDir()}
	elsewhere := spec("elsewhere")
	elsewhere.Cluster.Name = "siblings-too"
	for _, one := range []exposer.Spec{spec("own"), spec("here"), elsewhere} {
		if err := records.Save(t.Context(), exposer.Record{Version: 1, Spec: one}, true); err != nil {
			t.Fatal(err)
		}
	}
	shared := spec("there")
	shared.Namespace = server.Namespace(t)
	in := exposer.RecordsOf(exposer.FileRecords{Dir: t.TempDir()}, standIn{cluster: client})
	if err := in.Save(t.Context(), exposer.Record{Version: 1, Spec: shared}, true); err != nil {
		t.Fatal(err)
	}
	names := func(client *kube.Client) map[string]bool {
		t.Helper()
		found, err := records.Siblings(t.Context(), client, spec("own"))
		if err != nil {
			t.Fatal(err)
		}
		all := map[string]bool{}
		for _, one := range found {
			all[one.Name] = true
		}
		return all
	}
	if diff := cmp.Diff(map[string]bool{"here": true}, names(nil)); diff != "" {
		t.Errorf("on this machine: %s", diff)
	}
	if diff := cmp.Diff(map[string]bool{"here": true, "there": true}, names(client)); diff != "" {
		t.Errorf("and in the cluster: %s", diff)
	}
	plain, err := kube.New(server.ConfigFor(kubetest.PlainToken), kube.Env{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]bool{"here": true}, names(plain)); diff != "" {
		t.Errorf("for one who may not list: %s", diff)
	}
	if err := os.WriteFile(filepath.Join(records.Dir, "lab-project_europe-west3_siblings_bad.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := records.Siblings(t.Context(), nil, spec("own")); explain.CodeOf(err) != "CW-RUN-RECORD" {
		t.Errorf("a record that can't be read: %v", err)
	}
}

// standIn is an exposure of which the way to the cluster counts alone.
type standIn struct {
	exposer.Exposure
	cluster *kube.Client
}

func (s standIn) Cluster() *kube.Client { return s.cluster }

func TestWhatASpecOfDNSMayHold(t *testing.T) {
	t.Parallel()
	base := func(edit func(*exposer.Spec)) exposer.Spec {
		spec := exposer.Spec{Method: "dns", Cluster: exposer.ClusterRef{Project: "lab-project", Location: "europe-west3", Name: "c"}}
		edit(&spec)
		return spec.WithDefaults()
	}
	for name, c := range map[string]struct {
		edit   func(*exposer.Spec)
		fields []string
	}{
		"nothing":                          {func(*exposer.Spec) {}, nil},
		"an account with a role":           {func(s *exposer.Spec) { s.DNS, s.Access.Role = &exposer.DNS{Identity: "account"}, "edit" }, nil},
		"clients' networks":                {func(s *exposer.Spec) { s.FarSide.CIDRs = []string{"172.31.0.0/16"} }, []string{"farSide.cidrs"}},
		"rights of a Google identity":      {func(s *exposer.Spec) { s.Access = exposer.Access{Role: "edit", Namespaces: []string{"shop"}} }, []string{"access.role", "access.namespaces"}},
		"a Google identity's token":        {func(s *exposer.Spec) { s.Access = exposer.Access{Token: "secret", TokenTTL: "8h"} }, []string{"access.token", "access.tokenTTL"}},
		"an identity that is none":         {func(s *exposer.Spec) { s.DNS = &exposer.DNS{Identity: "robot"} }, []string{"dns.identity"}},
		"a plugin that is none":            {func(s *exposer.Spec) { s.DNS = &exposer.DNS{AuthPlugin: "aws"} }, []string{"dns.authPlugin"}},
		"a plugin for an account's token":  {func(s *exposer.Spec) { s.DNS = &exposer.DNS{Identity: "account", AuthPlugin: "gcloud"} }, []string{"dns.authPlugin"}},
		"an account's token that is wrong": {func(s *exposer.Spec) { s.DNS, s.Access.TokenTTL = &exposer.DNS{Identity: "account"}, "1s" }, []string{"access.tokenTTL"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var fields []string
			if err := base(c.edit).Validate([]string{"dns"}); err != nil {
				for _, problem := range err.(*exposer.SpecError).Problems {
					fields = append(fields, problem.Field)
				}
			}
			if diff := cmp.Diff(c.fields, fields); diff != "" {
				t.Error(diff)
			}
		})
	}
	if spec := base(func(*exposer.Spec) {}); spec.Name != "c-dns" || !spec.ByGoogle() || spec.Access.Role != "" || spec.DNS.AuthPlugin != "causeway" {
		t.Errorf("defaults: %+v %+v", spec, spec.DNS)
	}
}
