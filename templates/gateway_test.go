package templates

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func members() GatewayAccess {
	return GatewayAccess{Exposure: "prod", Role: "view", Subjects: []Subject{{"User", "alice@example.com"}, {"Group", "ops@example.com"}, {"User", "ci@p.iam.gserviceaccount.com"}}}
}

func ids(t *testing.T, a GatewayAccess) []string {
	t.Helper()
	manifests, err := a.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range manifests {
		out = append(out, m.ID)
		if m.Object.GetLabels()[LabelExposure] != "prod" {
			t.Errorf("%s bears no mark", m.ID)
		}
	}
	return out
}

func TestGatewayManifests(t *testing.T) {
	t.Parallel()
	narrow, all := members(), members()
	narrow.Namespaces = []string{"shop", "blog", "shop"}
	all.Stream, all.Agent, all.Role = true, true, RoleNodeReader
	groups := members()
	groups.Agent, groups.Subjects = true, []Subject{{"Group", "ops@example.com"}}
	for name, c := range map[string]struct {
		access GatewayAccess
		want   []string
	}{
		"a role in the whole cluster is one binding":         {members(), []string{"clusterrolebinding/causeway-prod-members"}},
		"a role in namespaces is a binding in each, once":    {narrow, []string{"rolebinding/blog/causeway-prod-members", "rolebinding/shop/causeway-prod-members"}},
		"groups alone need no impersonation by the agent":    {groups, []string{"clusterrolebinding/causeway-prod-members"}},
		"a role of our own, streams and the agent are roles": {all, []string{"clusterrole/causeway-prod-node-reader", "clusterrolebinding/causeway-prod-members", "clusterrole/causeway-prod-stream", "clusterrolebinding/causeway-prod-stream", "clusterrole/causeway-prod-impersonate", "clusterrolebinding/causeway-prod-impersonate"}},
	} {
		if got := ids(t, c.access); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestTheAgentMaySpeakForTheUsersAlone(t *testing.T) {
	t.Parallel()
	a := members()
	a.Agent = true
	manifests, err := a.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range manifests {
		if m.Object.GetName() != "causeway-prod-impersonate" || m.Object.GetKind() != "ClusterRole" {
			continue
		}
		rules, _, _ := unstructured.NestedSlice(m.Object.Object, "rules")
		names, _, _ := unstructured.NestedStringSlice(rules[0].(map[string]any), "resourceNames")
		if !slices.Equal(names, []string{"alice@example.com", "ci@p.iam.gserviceaccount.com"}) {
			t.Errorf("may impersonate %v", names)
		}
		return
	}
	t.Error("there is no such role")
}

func TestGatewayManifestsRefuse(t *testing.T) {
	t.Parallel()
	for want, edit := range map[string]func(*GatewayAccess){
		"exposure":   func(a *GatewayAccess) { a.Exposure = "Prod" },
		"role":       func(a *GatewayAccess) { a.Role = "a b" },
		"there are":  func(a *GatewayAccess) { a.Subjects = nil },
		"e-mail":     func(a *GatewayAccess) { a.Subjects = []Subject{{"User", "system:masters"}} },
		"namespaces": func(a *GatewayAccess) { a.Namespaces = []string{"-"} },
	} {
		a := members()
		edit(&a)
		if _, err := a.Manifests(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
