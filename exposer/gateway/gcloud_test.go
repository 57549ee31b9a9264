package gateway

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
)

// file is a kubeconfig as far as two of them are compared.
type file struct {
	Clusters []struct {
		Name    string
		Cluster map[string]any
	}
	Contexts []struct {
		Name    string
		Context map[string]any
	}
	Users []struct {
		Name string
		User map[string]any
	}
	Current string `json:"current-context"`
}

// read leaves out what is for people alone.
func read(t *testing.T, text []byte) file {
	t.Helper()
	var out file
	if err := yaml.Unmarshal(text, &out); err != nil || len(out.Users) != 1 {
		t.Fatalf("%v\n%s", err, text)
	}
	if plugin, ok := out.Users[0].User["exec"].(map[string]any); ok {
		delete(plugin, "installHint")
		for _, field := range []string{"args", "env"} { // null is the same as nothing
			if plugin[field] == nil {
				delete(plugin, field)
			}
		}
	}
	return out
}

// TestTheKubeconfigIsGooglesOwn: with gcloud's plugin it has the server, the names and
// the exec entry that Google writes, for a regional membership and for one in global.
func TestTheKubeconfigIsGooglesOwn(t *testing.T) {
	t.Parallel()
	for about, at := range map[string]string{"regional": membershipAt, "in global": "projects/lab-project/locations/global/memberships/frankfurt"} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			w := world(t, with(plain(), func(o *exposer.Gateway) { o.AuthPlugin = exposer.PluginGcloud }))
			member(t, w, at, clusterAt)
			job := jobOf(t, w)
			job.Deps.Dial = nowhere
			result, err := job.Apply(t.Context(), w.Spec)
			if err != nil {
				t.Fatal(err)
			}
			ours, err := os.ReadFile(result.Kubeconfig)
			if err != nil {
				t.Fatal(err)
			}
			made, err := job.Deps.Google.GatewayCredentials(t.Context(), strings.Replace(at, "lab-project", "123456789012", 1), false, "")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(read(t, made.Kubeconfig), read(t, ours)); diff != "" {
				t.Errorf("the kubeconfig by Google (-) and by causeway (+):\n%s", diff)
			}
			destroy(t, w)
		})
	}
}

// TestGcloudAndCausewayDoTheSame registers the cluster and lets alice in, on one
// emulator by causeway and on another by gcloud, and compares what both leave behind,
// and both kubeconfigs.
func TestGcloudAndCausewayDoTheSame(t *testing.T) {
	t.Parallel()
	if !conformance.Installed(t, "gcloud") {
		return
	}
	ours := world(t, with(forAlice(), func(o *exposer.Gateway) { o.AuthPlugin = exposer.PluginGcloud }))
	theirs := conformance.New(t, ours.Spec, conformance.Options{Seed: "fleet", NoController: true})
	settled(t, theirs)
	job := jobOf(t, ours)
	job.Deps.Dial = nowhere
	result, err := job.Apply(t.Context(), ours.Spec)
	if err != nil {
		t.Fatal(err)
	}
	env := conformance.GcloudEnv(t, theirs.Google)
	conformance.Program(t, env, "gcloud", "container", "fleet", "memberships", "register", "private-cluster", "--gke-cluster=europe-west3/private-cluster", "--enable-workload-identity")
	conformance.Program(t, env, "gcloud", "projects", "add-iam-policy-binding", "lab-project", "--member="+alice, "--role="+reader, "--condition=None")
	for _, at := range []string{membershipAt, "projects/lab-project/iamPolicy", clusterAt} {
		hers, his := ours.Google.Object(at), theirs.Google.Object(at)
		for _, o := range []map[string]any{hers, his} {
			for _, field := range append(gcptest.Volatile(), "etag", "labels", "masterAuth") { // labels are causeway's mark
				delete(o, field)
			}
		}
		if diff := cmp.Diff(his, hers); diff != "" {
			t.Errorf("%s after gcloud (-) and after causeway (+):\n%s", at, diff)
		}
	}

	mine := conformance.GcloudEnv(t, ours.Google)
	conformance.Program(t, mine, "gcloud", "container", "fleet", "memberships", "get-credentials", "private-cluster", "--location=europe-west3")
	path := ""
	for _, one := range mine {
		if value, ok := strings.CutPrefix(one, "KUBECONFIG="); ok {
			path = value
		}
	}
	his, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(result.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(read(t, his), read(t, text)); diff != "" {
		t.Errorf("the kubeconfig by gcloud (-) and by causeway (+):\n%s", diff)
	}
	if listed := conformance.Program(t, mine, "gcloud", "container", "fleet", "memberships", "list", "--format=value(name)"); !strings.Contains(listed, "private-cluster") {
		t.Errorf("gcloud lists %q", listed)
	}
	destroy(t, ours)
}
