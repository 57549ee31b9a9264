package templates_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"causeway/templates"
)

func TestNamespaceIsTheOneOfTheProxysManifests(t *testing.T) {
	t.Parallel()
	v := sound(newCA(t))
	all, err := v.Manifests()
	if err != nil {
		t.Fatal(err)
	}
	alone, err := templates.Namespace(v.Exposure, v.Namespace)
	if err != nil {
		t.Fatal(err)
	}
	if all[0].Object.GetKind() != "Namespace" {
		t.Fatalf("the first manifest is a %s", all[0].Object.GetKind())
	}
	if diff := cmp.Diff(all[0].Object.Object, alone.Object.Object); diff != "" {
		t.Errorf("two forms of one namespace:\n%s", diff)
	}
	for name, bad := range map[string][2]string{"no exposure": {"", "ns"}, "a namespace that breaks out": {"x", "ns\nkind: Secret"}} {
		if _, err := templates.Namespace(bad[0], bad[1]); err == nil {
			t.Errorf("%s: rendered", name)
		}
	}
}
