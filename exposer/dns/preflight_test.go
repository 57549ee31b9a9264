package dns

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/kubeconfig"
)

// problemsOf are the codes and the texts of what stands in the way.
func problemsOf(t *testing.T, w *conformance.World) (codes []string, text string) {
	t.Helper()
	_, _, problems, err := jobOf(t, w).Plan(t.Context(), w.Spec)
	var missing *exposer.PreconditionError
	if errors.As(err, &missing) {
		problems = missing.Problems
	} else if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		codes, text = append(codes, p.Code), text+p.Text+"\n"+p.Fix+"\n"
	}
	return codes, text
}

func TestWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	plain, noTokens := closed(), accounts()
	plain.DNS, noTokens.DNS.Tokens = &exposer.DNS{}, false
	for about, c := range map[string]struct {
		spec   exposer.Spec
		change func(*testing.T, *conformance.World)
		codes  []string
		says   []string
	}{
		"a closed endpoint, and nobody asked to open it": {spec: plain, codes: []string{"CW-DNS-CLOSED"},
			says: []string{"controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic is disabled for cluster private-cluster", "--open-dns-endpoint", "--enable-dns-access"}},
		"an account, and the endpoint takes no tokens": {spec: noTokens, codes: []string{"CW-DNS-TOKENS"},
			says: []string{"enableK8sTokensViaDns is disabled", "--dns-tokens", "--enable-k8s-tokens-via-dns"}},
		"no DNS endpoint": {spec: closed(), codes: []string{"CW-DNS-ABSENT"}, says: []string{"cluster private-cluster is missing DNSEndpointConfig"},
			change: func(t *testing.T, w *conformance.World) {
				change(t, w, func(dns map[string]any) { delete(dns, "endpoint") })
			}},
		"a cluster that is being made": {spec: closed(), codes: []string{"CW-GCP-CLUSTER-STATE"}, says: []string{"PROVISIONING"},
			change: func(t *testing.T, w *conformance.World) {
				if err := w.Google.Change(clusterAt, func(o map[string]any) { o["status"] = "PROVISIONING" }); err != nil {
					t.Fatal(err)
				}
			}},
		"the caller may not connect": {spec: closed(), codes: []string{"CW-DNS-CONNECT"}, says: []string{"container.clusters.connect is missing on project lab-project", "roles/container.viewer"},
			change: func(_ *testing.T, w *conformance.World) { w.Google.Deny(connectPermission) }},
		"the caller of an account's needs no right to connect": {spec: accounts(),
			change: func(_ *testing.T, w *conformance.World) { w.Google.Deny(connectPermission) }},
		"neither may he update": {spec: closed(), codes: []string{"CW-GCP-PERMISSION", "CW-DNS-CONNECT"}, says: []string{"container.clusters.update", "roles/container.clusterAdmin"},
			change: func(_ *testing.T, w *conformance.World) {
				w.Google.Deny(connectPermission)
				w.Google.Deny("container.clusters.update")
			}},
		"he may not even look": {spec: closed(), codes: []string{"CW-GCP-PERMISSION"}, says: []string{"container.clusters.get"},
			change: func(_ *testing.T, w *conformance.World) { w.Google.Deny("container.clusters.get") }},
		"nothing, where only the DNS endpoint is left": {spec: closed(),
			change: func(t *testing.T, w *conformance.World) {
				if err := w.Google.Change(clusterAt, func(o map[string]any) {
					o["controlPlaneEndpointsConfig"].(map[string]any)["ipEndpointsConfig"].(map[string]any)["enabled"] = false
				}); err != nil {
					t.Fatal(err)
				}
			}},
		"an API that is off": {spec: closed(), codes: []string{"CW-GCP-API-DISABLED"}, says: []string{"container.googleapis.com"},
			change: func(_ *testing.T, w *conformance.World) { w.Google.Disable("lab-project", "container.googleapis.com") }},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := world(t, c.spec)
			if c.change != nil {
				c.change(t, w)
			}
			before := w.State()
			codes, text := problemsOf(t, w)
			if !slices.Equal(codes, c.codes) {
				t.Errorf("%v, want %v\n%s", codes, c.codes, text)
			}
			for _, want := range c.says {
				if !strings.Contains(text, want) {
					t.Errorf("it does not say %q:\n%s", want, text)
				}
			}
			if w.State() != before {
				t.Error("something was changed")
			}
		})
	}
}

func TestWhatTheTraceTells(t *testing.T) {
	t.Parallel()
	for about, c := range map[string]struct {
		spec    exposer.Spec
		change  func(*testing.T, *conformance.World)
		verdict exposer.Verdict
		code    string
	}{
		"everything is as it should": {spec: closed(), verdict: exposer.Good},
		"for an account too":         {spec: accounts(), verdict: exposer.Good},
		"closed again": {spec: closed(), verdict: exposer.Broken, code: "CW-DNS-CLOSED",
			change: func(t *testing.T, w *conformance.World) { set(t, w, "allowExternalTraffic", false) }},
		"no tokens any more": {spec: accounts(), verdict: exposer.Broken, code: "CW-DNS-TOKENS",
			change: func(t *testing.T, w *conformance.World) { set(t, w, "enableK8sTokensViaDns", false) }},
		"this identity may not connect, another may": {spec: closed(), verdict: exposer.Warns, code: "CW-DNS-CONNECT",
			change: func(_ *testing.T, w *conformance.World) { w.Google.Deny(connectPermission) }},
		"whether it may can't be asked": {spec: closed(), verdict: exposer.Unknown,
			change: func(_ *testing.T, w *conformance.World) {
				w.Google.Disable("lab-project", "cloudresourcemanager.googleapis.com")
			}},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := world(t, c.spec)
			apply(t, w)
			if c.change != nil {
				c.change(t, w)
			}
			trace, err := open(t, w).Trace(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			code := ""
			for _, hop := range trace.Hops {
				if hop.Verdict != exposer.Good {
					code = hop.Code
				}
			}
			if got := trace.Of(exposer.Forward); got != c.verdict || code != c.code {
				t.Errorf("%s %q, want %s %q: %+v", got, code, c.verdict, c.code, trace.Hops)
			}
		})
	}
}

func TestTheKubeconfigOfGcloudsPlugin(t *testing.T) {
	t.Parallel()
	spec := closed()
	spec.DNS.AuthPlugin = exposer.PluginGcloud
	w := world(t, spec)
	job := jobOf(t, w)
	job.Deps.Dial, job.Google.Impersonate = nowhere, "robot@lab-project.iam.gserviceaccount.com"
	result, err := job.Apply(t.Context(), w.Spec)
	if err != nil {
		t.Fatal(err)
	}
	text, err := kubeconfig.Read(result.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	have, err := kubeconfig.Inspect(text, "")
	if err != nil || have.Command != "gke-gcloud-auth-plugin" || !slices.Equal(have.Args, []string{"--impersonate_service_account=robot@lab-project.iam.gserviceaccount.com"}) {
		t.Errorf("%+v %v", have, err)
	}
	destroy(t, w)
}
