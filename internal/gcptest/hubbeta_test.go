package gcptest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTheBetaListOfMembershipsIsV1s: what makes one answer do for both.
func TestTheBetaListOfMembershipsIsV1s(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Fatalf("go list -m google.golang.org/api: %v", err)
	}
	list := func(version string) (method, schemas any) {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "gkehub", version, "gkehub-api.json"))
		if err != nil {
			t.Fatal(err)
		}
		var document object
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(text), `"`+version+`/`, `"v1/`)), &document); err != nil {
			t.Fatal(err)
		}
		at := document
		for _, name := range []string{"resources", "projects", "resources", "locations", "resources", "memberships", "methods"} {
			at, _ = at[name].(object)
		}
		all, _ := document["schemas"].(object)
		response, _ := all["ListMembershipsResponse"].(object)
		membership, _ := all["Membership"].(object)
		endpoint, _ := all["MembershipEndpoint"].(object)
		return at["list"], []any{response["properties"], membership["properties"], endpoint["properties"]}
	}
	method, schemas := list("v1")
	betaMethod, betaSchemas := list("v1beta")
	if diff := cmp.Diff(method, betaMethod); diff != "" || method == nil {
		t.Errorf("the method (-v1 +v1beta):\n%s", diff)
	}
	if diff := cmp.Diff(schemas, betaSchemas); diff != "" {
		t.Errorf("the schemas (-v1 +v1beta):\n%s", diff)
	}
}

func TestTheBetaVersionServesTheListAlone(t *testing.T) {
	t.Parallel()
	s := Serve(t, Options{}, "fleet", "fleet-members")
	const at = "/gkehub/v1beta/projects/lab-project/locations/"
	beta, v1 := must(t, s, "GET", at+"-/memberships", ""), must(t, s, "GET", strings.Replace(at, "v1beta", "v1", 1)+"-/memberships", "")
	if diff := cmp.Diff(v1, beta); diff != "" || v1["resources"] == nil {
		t.Errorf("%v, %s", v1, diff)
	}
	for _, call := range [][2]string{{"GET", at + "global/memberships/private-cluster"}, {"POST", at + "-/memberships"}} {
		if status, _ := do(t, s, call[0], call[1], ""); status != 404 {
			t.Errorf("%s %s: %d", call[0], call[1], status)
		}
	}
	if left := s.TakeViolations(); len(left) != 2 {
		t.Errorf("violations: %v", left)
	}
}
