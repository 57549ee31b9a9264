package templates_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"k8s.io/client-go/rest"

	"causeway/internal/kubetest"
	"causeway/templates"
)

// paths are where the API server keeps each kind.
var paths = map[string]string{
	"Namespace": "/api/v1/namespaces/%[2]s", "ConfigMap": "/api/v1/namespaces/%s/configmaps/%s", "Secret": "/api/v1/namespaces/%s/secrets/%s",
	"ServiceAccount": "/api/v1/namespaces/%s/serviceaccounts/%s", "Service": "/api/v1/namespaces/%s/services/%s",
	"Deployment":          "/apis/apps/v1/namespaces/%s/deployments/%s",
	"PodDisruptionBudget": "/apis/policy/v1/namespaces/%s/poddisruptionbudgets/%s",
	"NetworkPolicy":       "/apis/networking.k8s.io/v1/namespaces/%s/networkpolicies/%s",
	"Role":                "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/roles/%s",
	"RoleBinding":         "/apis/rbac.authorization.k8s.io/v1/namespaces/%s/rolebindings/%s",
	"ClusterRole":         "/apis/rbac.authorization.k8s.io/v1/clusterroles/%[2]s",
	"ClusterRoleBinding":  "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/%[2]s",
}

// apply sends one manifest by server-side apply and returns the live object.
func apply(t *testing.T, c *cluster, m templates.Manifest) map[string]any {
	t.Helper()
	client, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	url := c.URL + fmt.Sprintf(paths[m.Object.GetKind()], m.Object.GetNamespace(), m.Object.GetName()) + "?fieldManager=causeway&fieldValidation=Strict"
	status, answer := send(t, client, kubetest.GoogleToken, http.MethodPatch, url, "application/apply-patch+yaml", m.YAML)
	if status != http.StatusOK && status != http.StatusCreated {
		t.Fatalf("apply %s: %d: %s", m.ID, status, answer)
	}
	var live map[string]any
	if err := json.Unmarshal(answer, &live); err != nil {
		t.Fatal(err)
	}
	return live
}

// differences are the paths at which the live value is not the desired one;
// fields that only the live one has do not count.
func differences(path string, desired, live any) []string {
	switch want := desired.(type) {
	case map[string]any:
		got, ok := live.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: want a map, got %v", path, live)}
		}
		var found []string
		for key, value := range want {
			found = append(found, differences(path+"."+key, value, got[key])...)
		}
		return found
	case []any:
		got, ok := live.([]any)
		if !ok || len(got) != len(want) {
			return []string{fmt.Sprintf("%s: want %v, got %v", path, want, live)}
		}
		var found []string
		for i := range want {
			found = append(found, differences(fmt.Sprintf("%s[%d]", path, i), want[i], got[i])...)
		}
		return found
	}
	if fmt.Sprint(desired) != fmt.Sprint(live) {
		return []string{fmt.Sprintf("%s: want %v, got %v", path, desired, live)}
	}
	return nil
}

func TestTheAPIServerGivesEachObjectBackAsItWasWritten(t *testing.T) {
	c := kubernetes(t)
	for name, v := range variants(newCA(t)) {
		t.Run(name, func(t *testing.T) {
			v.Namespace = "manifests-" + name
			manifests, err := v.Manifests()
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range append(manifests, others(t, v.Exposure, v.Namespace)...) {
				for range 2 { // the second apply changes nothing either
					live := apply(t, c, m)
					for _, difference := range differences("", m.Object.Object, live) {
						t.Errorf("%s%s", m.ID, difference)
					}
				}
			}
		})
	}
}

// others are all manifests that are not of the proxy.
func others(t *testing.T, exposure, namespace string) []templates.Manifest {
	t.Helper()
	var all []templates.Manifest
	for _, access := range []templates.Access{
		{Exposure: exposure, Namespace: namespace, Role: "view"},
		{Exposure: exposure + "-nodes", Namespace: namespace, Role: templates.RoleNodeReader},
		{Exposure: exposure, Namespace: namespace, Role: "edit", Namespaces: []string{"default", "kube-system", "default"}},
	} {
		manifests, err := access.Manifests()
		if err != nil {
			t.Fatal(err)
		}
		renewer, err := access.Renewer()
		if err != nil {
			t.Fatal(err)
		}
		token, err := access.TokenSecret()
		if err != nil {
			t.Fatal(err)
		}
		// The role of a binding cannot change: this one is of another exposure.
		if access.Role == "edit" {
			renewer = nil
		}
		all = append(append(append(all, manifests...), renewer...), token)
	}
	v := fixedCA(t)
	tlsSecret, err := templates.Secret(exposure, namespace, templates.TLSSecretName, "kubernetes.io/tls", map[string][]byte{"tls.crt": v, "tls.key": []byte("key"), "client-ca.crt": v})
	if err != nil {
		t.Fatal(err)
	}
	caSecret, err := templates.Secret(exposure, namespace, templates.CASecretName, "Opaque", map[string][]byte{"ca.crt": v, "ca.key": []byte("key")})
	if err != nil {
		t.Fatal(err)
	}
	return append(all, tlsSecret, caSecret)
}

func TestPodSecurityRestrictedLetsThePodsIn(t *testing.T) {
	c := kubernetes(t)
	controllers, err := c.StartWorkloads()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(controllers.Stop)
	client, err := rest.HTTPClientFor(c.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"terminate-mtls", "passthrough"} {
		v := variants(newCA(t))[name]
		v.Namespace = "restricted-" + name
		manifests, err := v.Manifests()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range manifests {
			apply(t, c, m)
		}
		url := c.URL + fmt.Sprintf(paths["Deployment"], v.Namespace, templates.ProxyName)
		eventually(t, "the pods are made and available", func() bool {
			_, answer := send(t, client, kubetest.GoogleToken, http.MethodGet, url, "", nil)
			if strings.Contains(string(answer), "ReplicaFailure") {
				t.Fatalf("pods are refused: %s", answer)
			}
			return strings.Contains(string(answer), `"availableReplicas":2`)
		})
	}
}
