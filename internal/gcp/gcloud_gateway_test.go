package gcp

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"causeway/internal/gcptest"
)

// ownSide is an environment in which gcloud can make the file without asking for it, as
// it did before there was generateCredentials: it tells the gateway's address from the
// fleet API's, and takes none but Google's own. This one looks like one of Google's, and
// production is what is left without its mark.
func ownSide(t *testing.T, google *gcptest.Server) ([]string, *strings.Replacer) {
	t.Helper()
	const mark = "autopush-"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/"+mark+"gkehub")
		google.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	google.Enable(project, mark+"connectgateway.sandbox.googleapis.com")
	return []string{"CLOUDSDK_API_ENDPOINT_OVERRIDES_GKEHUB=" + server.URL + "/" + mark + "gkehub/gkehub/"},
		strings.NewReplacer(mark+"connectgateway.sandbox.", "connectgateway.")
}

// TestGcloudAndWeGetTheSameGatewayKubeconfig: gcloud writes what the door got, whether it
// asks for it or makes it.
func TestGcloudAndWeGetTheSameGatewayKubeconfig(t *testing.T) {
	cloud, google := members(t)
	tool := newGcloud(t, google)
	if tool == nil {
		return
	}
	made, production := ownSide(t, google)
	for name, c := range map[string]struct {
		membership, location string
		flags                []string
		agent                bool
	}{
		"a GKE cluster":                     {"private-cluster", "europe-west3", []string{"--location=europe-west3"}, false},
		"one that is found by its name":     {"attached", "global", nil, false},
		"by the agent":                      {"private-cluster", "europe-west3", []string{"--location=europe-west3", "--force-use-agent"}, true},
		"one of the older kind":             {"private-cluster", "global", []string{"--location=global"}, false},
		"one that is elsewhere":             {"attached", "global", []string{"--location=global"}, false},
		"made on gcloud's own side":         {"client-cluster", "europe-west3", []string{"--location=europe-west3", "--use-client-side-generation"}, false},
		"the same of one that is elsewhere": {"attached", "global", []string{"--location=global", "--use-client-side-generation"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "kubeconfig")
			own := &gcloud{t, append(slices.Clone(tool.env), "KUBECONFIG="+file)}
			if slices.Contains(c.flags, "--use-client-side-generation") {
				own.env = append(own.env, made...)
			}
			own.run(append([]string{"container", "fleet", "memberships", "get-credentials", c.membership}, c.flags...)...)
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, err := cloud.GatewayCredentials(t.Context(), numbered+c.location+"/memberships/"+c.membership, c.agent, "")
			if err != nil {
				t.Fatal(err)
			}
			var theirs, ours map[string]any
			if err := errors.Join(yaml.Unmarshal([]byte(production.Replace(string(text))), &theirs), yaml.Unmarshal(got.Kubeconfig, &ours)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(theirs, ours); diff != "" {
				t.Errorf("gcloud's kubeconfig (-) and ours (+): %s", diff)
			}
		})
	}
	refused := func(part string) {
		t.Helper()
		if _, stderr, err := tool.try("container", "fleet", "memberships", "get-credentials", "private-cluster", "--location=europe-west3"); err == nil || !strings.Contains(stderr, part) {
			t.Errorf("%v, does not say %q:\n%s", err, part, stderr)
		}
	}
	google.Deny("gkehub.gateway.generateCredentials")
	refused("'gkehub.gateway.generateCredentials' denied on resource")
	google.Deny("gkehub.gateway.get")
	refused("sufficient permissions")
	google.Allow("gkehub.gateway.get")
	google.Disable(project, "connectgateway.googleapis.com")
	refused("Connect Gateway API has not been used in project 123456789012")
}
