package dns

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// entries are the cluster and the user of a kubeconfig, whatever their names.
func entries(t *testing.T, path string) (cluster, user any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Clusters []struct{ Cluster any }
		Users    []struct{ User any }
	}
	if err := yaml.Unmarshal(text, &file); err != nil || len(file.Clusters) != 1 || len(file.Users) != 1 {
		t.Fatalf("%v\n%s", err, text)
	}
	return file.Clusters[0].Cluster, file.Users[0].User
}

// TestGcloudAndCausewayDoTheSame opens the endpoint on one emulator by causeway and
// on another by gcloud, and compares what both leave behind, and both kubeconfigs.
func TestGcloudAndCausewayDoTheSame(t *testing.T) {
	t.Parallel()
	if !conformance.Installed(t, "gcloud", "gke-gcloud-auth-plugin") {
		return
	}
	spec := closed()
	spec.DNS = &exposer.DNS{Open: true, Tokens: true, Certificates: true, AuthPlugin: exposer.PluginGcloud}
	ours := world(t, spec)
	theirs := conformance.New(t, ours.Spec, conformance.Options{Seed: "route", NoController: true})
	job := jobOf(t, ours)
	job.Deps.Dial = nowhere
	made, err := job.Apply(t.Context(), ours.Spec)
	if err != nil {
		t.Fatal(err)
	}
	env := conformance.GcloudEnv(t, theirs.Google)
	for _, flag := range []string{"--enable-dns-access", "--enable-k8s-tokens-via-dns", "--enable-k8s-certs-via-dns"} {
		conformance.Program(t, env, "gcloud", "container", "clusters", "update", "private-cluster", "--location=europe-west3", flag)
	}
	if diff := cmp.Diff(theirs.Google.Object(clusterAt), ours.Google.Object(clusterAt)); diff != "" {
		t.Errorf("the cluster after gcloud (-) and after causeway (+):\n%s", diff)
	}

	for _, flag := range []string{"external", "tokens", "certs"} { // what destroy tells people to type, where it leaves one on
		conformance.Program(t, env, "gcloud", "container", "clusters", "update", "private-cluster", "--location=europe-west3", "--no-"+gcloudFlags[flag])
	}
	if is(theirs, "allowExternalTraffic") || is(theirs, "enableK8sTokensViaDns") || is(theirs, "enableK8sCertsViaDns") {
		t.Error("gcloud's --no- flags do not turn the switches off")
	}

	mine := conformance.GcloudEnv(t, ours.Google)
	conformance.Program(t, mine, "gcloud", "container", "clusters", "get-credentials", "private-cluster", "--location=europe-west3", "--dns-endpoint")
	path := ""
	for _, one := range mine {
		if value, ok := strings.CutPrefix(one, "KUBECONFIG="); ok {
			path = value
		}
	}
	hisCluster, hisUser := entries(t, path)
	ourCluster, ourUser := entries(t, made.Kubeconfig)
	if diff := cmp.Diff(hisCluster, ourCluster); diff != "" {
		t.Errorf("the cluster's entry by gcloud (-) and by causeway (+):\n%s", diff)
	}
	if diff := cmp.Diff(hisUser, ourUser); diff != "" {
		t.Errorf("the user's entry by gcloud (-) and by causeway (+):\n%s", diff)
	}

	info := `{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","spec":{"cluster":{"server":"https://` + name + `"},"interactive":false}}`
	var answer struct{ Status struct{ Token string } }
	if err := json.Unmarshal([]byte(conformance.Program(t, append(mine, "KUBERNETES_EXEC_INFO="+info), "gke-gcloud-auth-plugin")), &answer); err != nil || answer.Status.Token != gcptest.Token {
		t.Errorf("the plugin of the kubeconfig gives %q, %v", answer.Status.Token, err)
	}
	destroy(t, ours)
}
