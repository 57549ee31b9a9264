package gcptest

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// as makes one call with somebody's token and returns the status and the message of a
// refusal.
func as(t *testing.T, s *Server, token, verb, path, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), verb, s.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var text strings.Builder
	if _, err := io.Copy(&text, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text.String()
}

const (
	hubPath     = "/gkehub/v1/projects/lab-project/locations/"
	projectPath = "/cloudresourcemanager/v1/projects/lab-project"
)

// TestPrincipalsMayWhatThePolicySays, and the operator all that was not denied.
func TestPrincipalsMayWhatThePolicySays(t *testing.T) {
	s := Serve(t, Options{}, "fleet", "fleet-members")
	for token, member := range map[string]string{
		"alice": "user:Alice@Example.com", "bob": "user:bob@example.com", "carol": "user:carol@example.com",
		"dave": "user:dave@example.com", "ci": "serviceAccount:ci@lab-project.iam.gserviceaccount.com",
	} {
		s.AddPrincipal(token, member)
	}
	s.AddToGroup("group:readers@example.com", "user:bob@example.com")
	if err := s.Fill(Seed{Resources: []SeedObject{{Path: "projects/lab-project/roles/lister", Body: object{"includedPermissions": []any{"gkehub.memberships.list"}}}}}); err != nil {
		t.Fatal(err)
	}
	s.SetPolicy("123456789012", // a number does as well
		Binding{Role: "roles/gkehub.viewer", Members: []string{"user:alice@example.com", "group:readers@example.com"}},
		Binding{Role: "projects/lab-project/roles/lister", Members: []string{"serviceAccount:ci@lab-project.iam.gserviceaccount.com"}},
		Binding{Role: "roles/owner", Members: []string{"user:dave@example.com"}},
		Binding{Role: "roles/gkehub.admin", Members: []string{"user:carol@example.com"}, Condition: "false"})
	list, get, remove := hubPath+"-/memberships", hubPath+"global/memberships/attached", hubPath+"global/memberships/attached"
	for _, test := range []struct {
		who, verb, path string
		status          int
	}{
		{"alice", "GET", list, 200}, {"alice", "GET", get, 200}, {"alice", "DELETE", remove, 403},
		{"bob", "GET", list, 200}, {"carol", "GET", list, 403}, {"ci", "GET", list, 200}, {"ci", "GET", get, 403},
		{"nobody", "GET", list, 401}, {"dave", "GET", list, 200}, {Token, "GET", list, 200},
	} {
		status, text := as(t, s, test.who, test.verb, test.path, "")
		if status != test.status {
			t.Errorf("%s %s %s: %d %s", test.who, test.verb, test.path, status, text)
		}
		if status == 403 && (!strings.Contains(text, "IAM_PERMISSION_DENIED") || !strings.Contains(text, "gkehub.memberships.")) {
			t.Errorf("the refusal names no permission: %s", text)
		}
	}
	asked := `{"permissions":["gkehub.memberships.list","gkehub.memberships.delete"]}`
	if _, text := as(t, s, "alice", "POST", projectPath+":testIamPermissions", asked); strings.Contains(text, "delete") || !strings.Contains(text, "list") {
		t.Errorf("alice is told %s", text)
	}
	s.Deny("gkehub.memberships.list")
	for _, who := range []string{"alice", "dave", Token} {
		if status, _ := as(t, s, who, "GET", list, ""); status != 403 {
			t.Errorf("%s lists in spite of a denial: %d", who, status)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for token, want := range map[string]string{"alice": "user:Alice@Example.com", Token: Owner, "nobody": "", "ci": "serviceAccount:ci@lab-project.iam.gserviceaccount.com"} {
		if got := s.memberOf(token); got != want {
			t.Errorf("%s is %q, want %q", token, got, want)
		}
	}
	if s.may("alice", "other-project", "gkehub.memberships.get") || s.may("dave", "no-project", "gkehub.memberships.get") || !s.may("dave", "123456789012", "gkehub.features.create") {
		t.Error("rights in the wrong projects")
	}
}

// TestImpersonatedAccounts have the policy's rights once anything knows them.
func TestImpersonatedAccounts(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	s := Serve(t, Options{Now: func() time.Time { return now }}, "fleet")
	s.AddPrincipal("alice", "user:alice@example.com")
	token := func(who, email string) string {
		t.Helper()
		status, text := as(t, s, who, "POST", "/iamcredentials/v1/projects/-/serviceAccounts/"+email+":generateAccessToken", `{"scope":["x"]}`)
		if status != 200 {
			return ""
		}
		_, text, _ = strings.Cut(text, `"accessToken":"`)
		text, _, _ = strings.Cut(text, `"`)
		return text
	}
	list := func(token string) int {
		status, _ := as(t, s, token, "GET", hubPath+"-/memberships", "")
		return status
	}
	unknown, known, bound := token(Token, "new@p.iam.gserviceaccount.com"), token(Token, "known@p.iam.gserviceaccount.com"), token(Token, "bound@p.iam.gserviceaccount.com")
	s.AddServiceAccount("known@p.iam.gserviceaccount.com")
	s.SetPolicy("lab-project", Binding{Role: "roles/gkehub.viewer", Members: []string{"serviceAccount:bound@p.iam.gserviceaccount.com"}})
	if a, b, c := list(unknown), list(known), list(bound); a != 200 || b != 403 || c != 200 {
		t.Errorf("an unknown account: %d, a known one: %d, a bound one: %d", a, b, c)
	}
	s.SetPolicy("lab-project")
	if list(bound) != 403 {
		t.Error("an account that lost its role may all of a sudden do everything")
	}
	if token("alice", "known@lab-project.iam.gserviceaccount.com") != "" {
		t.Error("who has no role may impersonate")
	}
	s.SetPolicy("lab-project", Binding{Role: "roles/owner", Members: []string{"user:alice@example.com"}})
	if token("alice", "known@lab-project.iam.gserviceaccount.com") == "" || token("alice", "known@other-project.iam.gserviceaccount.com") != "" {
		t.Error("the project of the account decides")
	}
	s.mu.Lock()
	if got := s.memberOf(bound); got != "serviceAccount:bound@p.iam.gserviceaccount.com" {
		t.Errorf("the account is %q", got)
	}
	s.mu.Unlock()
	now = now.Add(2 * time.Hour)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memberOf(bound) != "" || s.may(bound, "lab-project", "x.y.z") {
		t.Error("a token that ended counts")
	}
}

// TestBasicRoles are known by the form of what they allow.
func TestBasicRoles(t *testing.T) {
	for permission, want := range map[string]string{
		"compute.networks.get": "oev", "compute.networks.updatePeering": "oe", "gkehub.memberships.list": "oev", "gkehub.memberships.create": "oe",
		"gkehub.gateway.get": "o", "resourcemanager.projects.getIamPolicy": "oev", "resourcemanager.projects.setIamPolicy": "o",
		"serviceusage.services.use": "oe", "iam.roles.get": "oev",
		"iam.serviceAccounts.getAccessToken": "o", // nobody gets tokens by reading
	} {
		got := ""
		for _, role := range []string{"owner", "editor", "viewer"} {
			if basicAllows("roles/"+role, permission) {
				got += role[:1]
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", permission, got, want)
		}
	}
}
