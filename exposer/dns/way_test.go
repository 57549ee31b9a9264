package dns

import (
	"errors"
	"os"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/kubeconfig"
	"causeway/probe"
)

// TestTheKubeconfigWorksThroughTheFrontEnd applies, with the probe going the whole
// way: the public certificate, the exec plugin, IAM, the API server, and a watch.
func TestTheKubeconfigWorksThroughTheFrontEnd(t *testing.T) {
	t.Parallel()
	for about, c := range map[string]struct {
		spec exposer.Spec
		user string
	}{
		"as a Google identity":  {closed(), "owner@example.com"},
		"as a ServiceAccount":   {admin(), "system:serviceaccount:"},
		"by a renewing account": {renewing(), "system:serviceaccount:"},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := world(t, c.spec)
			before, public := w.State(), newAuthority(t, "public root")
			job := served(t, w, public, public)
			if c.spec.Access.Token == exposer.TokenRenewing {
				job.Deps.Dial = nowhere // this binary renews no tokens: not probed
			}
			result, err := job.Apply(t.Context(), w.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if job.Deps.Dial != nil && result.Probe != nil {
				if got := result.Probe.Hop(probe.HopIdentity); !strings.Contains(got.Detail, c.user) {
					t.Errorf("the API server takes the client for %s", got.Detail)
				}
				if got := result.Probe.Hop(probe.HopWatch); got.Status != probe.Pass {
					t.Errorf("watch: %s %s", got.Status, got.Detail)
				}
			} else if c.spec.Access.Token != exposer.TokenRenewing {
				t.Error("it was not probed")
			}
			first, err := os.ReadFile(result.Kubeconfig)
			if err != nil || strings.Contains(string(first), "certificate-authority") {
				t.Errorf("the kubeconfig has a CA, which did not sign this certificate (%v)", err)
			}
			have, err := kubeconfig.Inspect(first, "")
			if err != nil || have.Server != "https://"+name {
				t.Errorf("%+v %v", have, err)
			}
			if again, err := job.Apply(t.Context(), w.Spec); err != nil || again.Changed {
				t.Errorf("second apply: changed %t, %v", again.Changed, err)
			}
			if second, err := os.ReadFile(result.Kubeconfig); err != nil || string(second) != string(first) {
				t.Error("the second apply wrote another kubeconfig")
			}
			destroy(t, w)
			w.Gone(t, before)
		})
	}
}

// admin is an account that may watch: there is nobody here who fills the role view.
func admin() exposer.Spec {
	spec := accounts()
	spec.Access.Role = "cluster-admin"
	return spec
}

func renewing() exposer.Spec {
	spec := accounts()
	spec.Access.Token = exposer.TokenRenewing
	return spec
}

// TestFailuresOnTheWay: each is named, by the trace where Google tells of it, and by
// the probe, which all that the far side has.
func TestFailuresOnTheWay(t *testing.T) {
	t.Parallel()
	public, company := newAuthority(t, "public root"), newAuthority(t, "company proxy")
	for about, c := range map[string]struct {
		spec         exposer.Spec
		signer       *authority
		spoil        func(t *testing.T, job exposer.Job, w *conformance.World)
		trace, probe string
	}{
		"external traffic off": {spec: closed(), trace: "CW-DNS-CLOSED", probe: "CW-KUBE-DNS-ENDPOINT",
			spoil: func(t *testing.T, _ exposer.Job, w *conformance.World) { set(t, w, "allowExternalTraffic", false) }},
		"container.clusters.connect missing": {spec: closed(), probe: "CW-DNS-CONNECT",
			spoil: func(_ *testing.T, _ exposer.Job, w *conformance.World) { w.Google.Deny(connectPermission) }},
		"a ServiceAccount's token, and tokens off": {spec: accounts(), trace: "CW-DNS-TOKENS", probe: "CW-DNS-TOKENS",
			spoil: func(t *testing.T, _ exposer.Job, w *conformance.World) { set(t, w, "enableK8sTokensViaDns", false) }},
		"the cluster's CA pinned": {spec: closed(), probe: "CW-PROBE-TLS-PINNED",
			spoil: func(t *testing.T, job exposer.Job, w *conformance.World) { pin(t, job.File.Path, w.Server.CA) }},
		"a proxy that opens TLS": {spec: closed(), probe: "CW-PROBE-TLS-INSPECTED", signer: &company},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := world(t, c.spec)
			job := served(t, w, public, public)
			result, err := job.Apply(t.Context(), w.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if c.signer != nil {
				job = served(t, w, public, *c.signer)
			}
			if c.spoil != nil {
				c.spoil(t, job, w)
			}
			trace, _, err := job.VerifyStanding(t.Context(), w.Spec)
			var way *exposer.TraceError
			if errors.As(err, &way) != (c.trace != "") || way != nil && way.Code() != c.trace || trace == nil {
				t.Errorf("the trace: %v, want %q", err, c.trace)
			}
			// On the far side there is the kubeconfig alone.
			text, err := os.ReadFile(result.Kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			_, err = probe.Run(t.Context(), probe.Target{Kubeconfig: text}, job.Probe, nil)
			if explain.CodeOf(err) != c.probe {
				t.Errorf("the probe: %v, want %s", err, c.probe)
			}
			destroy(t, w)
		})
	}
}

// pin puts a CA into a kubeconfig, as tools do that know of one address alone.
func pin(t *testing.T, path string, ca []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file map[string]any
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	file["clusters"].([]any)[0].(map[string]any)["cluster"].(map[string]any)["certificate-authority-data"] = ca
	if text, err = yaml.Marshal(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
