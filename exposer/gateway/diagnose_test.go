package gateway

import (
	"net/http"
	"strings"
	"syscall"
	"testing"

	"causeway/exposer/conformance"
	"causeway/internal/explain"
	"causeway/internal/gcptest"
)

// TestDiagnoseLooksUp: for each finding that leaves something open, what Google and
// the cluster say of it, and the command that cures it.
func TestDiagnoseLooksUp(t *testing.T) {
	t.Parallel()
	w := registered(t, plain())
	w.Google.SetPolicy("lab-project", gcptest.Binding{Role: "roles/owner", Members: []string{gcptest.Owner}},
		gcptest.Binding{Role: reader, Members: []string{bob}}, gcptest.Binding{Role: admin, Members: []string{"user:carol@example.com"}})
	w.Google.Disable("lab-project", "connectgateway.googleapis.com")
	for sentence, c := range map[string]struct {
		of        explain.Finding
		says, fix string
	}{
		"a user without any role":                    {finding("CW-GATEWAY-ROLE", "user", "alice@example.com", "permission", mayGet), "user:alice@example.com has no role", "--member user:alice@example.com --gateway-role reader"},
		"a user whose role does not hold it":         {finding("CW-GATEWAY-STREAM", "user", "bob@example.com"), "user:bob@example.com has " + reader + " in project lab-project of his own, and so no " + mayStream, "--gateway-role admin"},
		"a user who has it by now":                   {finding("CW-GATEWAY-STREAM", "user", "carol@example.com"), "has " + mayStream + " by " + admin, ""},
		"a permission to write":                      {finding("CW-GATEWAY-ROLE", "user", "bob@example.com", "permission", "gkehub.gateway.post"), "no gkehub.gateway.post", "--gateway-role editor"},
		"nobody is named: this identity":             {finding("CW-GATEWAY-STREAM"), "this identity has " + mayStream, ""},
		"rights to stream":                           {finding("CW-GATEWAY-RBAC", "user", "alice@example.com", "namespace", "default"), "alice@example.com may not get pods/exec in default", "--stream"},
		"rights to list":                             {finding("CW-GATEWAY-FORBIDDEN", "user", "alice@example.com", "verb", "list", "resource", "pods"), "may not list pods", "--member user:alice@example.com --role ROLE"},
		"rights of nobody in particular":             {finding("CW-GATEWAY-FORBIDDEN", "verb", "list", "resource", "pods"), "the text names no user", ""},
		"a service account":                          {finding("CW-GATEWAY-FORBIDDEN", "user", "ci@lab-project.iam.gserviceaccount.com", "verb", "list", "resource", "pods"), "may not list pods", "--member serviceAccount:ci@lab-project.iam.gserviceaccount.com"},
		"the agent's policy":                         {finding("CW-GATEWAY-IMPERSONATE", "user", "alice@example.com"), "no impersonation policy names him", "--use-agent"},
		"an agent that is not there":                 {finding("CW-GATEWAY-NO-AGENT"), "the Connect Agent is not installed", ""},
		"the cluster's version":                      {finding("CW-GATEWAY-CLIENT"), "the cluster is at 1.36.3-gke.1", ""},
		"groups":                                     {finding("CW-GATEWAY-GROUPS"), "gke-security-groups@example.com", ""},
		"a wrong address: the membership":            {finding("CW-GATEWAY-ADDRESS"), "the cluster's membership is private-cluster in europe-west3, READY", ""},
		"a wrong address, and the right one unasked": {finding("CW-GATEWAY-ADDRESS"), "the right address can't be asked for", ""},
		"an API": {finding("CW-GCP-API-DISABLED"), "off in project lab-project: connectgateway.googleapis.com", "gcloud services enable connectgateway.googleapis.com --project lab-project"},
	} {
		t.Run(sentence, func(t *testing.T) {
			evidence := diagnosed(t, w, c.of)
			for _, one := range evidence {
				if one.Code == c.of.Code && strings.Contains(one.Text, c.says) && strings.Contains(one.Fix, c.fix) && (c.fix != "") == (one.Fix != "") {
					return
				}
			}
			t.Errorf("nothing says %q with %q: %+v", c.says, c.fix, evidence)
		})
	}
	if _, writes := w.Google.Counts(); writes > 0 {
		t.Errorf("%d writes to Google", writes)
	}
	w.Google.Enable("lab-project", "connectgateway.googleapis.com")
	if found := diagnosed(t, w, finding("CW-GATEWAY-ADDRESS")); len(found) != 2 || !strings.Contains(found[0].Text, "/gkeMemberships/private-cluster") {
		t.Errorf("the right address: %+v", found)
	}
	if found := diagnosed(t, w, finding("CW-GCP-API-DISABLED")); len(found) != 1 || !strings.Contains(found[0].Text, "are all on") {
		t.Errorf("APIs that are on: %+v", found)
	}
}

func TestDiagnoseOfAClusterInNoFleet(t *testing.T) {
	t.Parallel()
	w := world(t, plain())
	found := diagnosed(t, w, finding("CW-GATEWAY-RESOURCE-TYPE"))
	if len(found) != 1 || !strings.Contains(found[0].Text, "no membership") || !strings.HasSuffix(found[0].Fix, "--register") {
		t.Errorf("%+v", found)
	}
	w.Refuse = func(*http.Request) error { return syscall.ENETUNREACH }
	if found = diagnosed(t, w, finding("CW-GATEWAY-AGENT")); len(found) != 1 || !strings.Contains(found[0].Text, "the agent") || found[0].Fix != "" {
		t.Errorf("a cluster that can't be reached: %+v", found)
	}
}

// finding is a finding with its evidence, name and value in turns.
func finding(code string, evidence ...string) explain.Finding {
	f := explain.Finding{Code: code, Evidence: map[string]string{}}
	for i := 0; i < len(evidence); i += 2 {
		f.Evidence[evidence[i]] = evidence[i+1]
	}
	return f
}

func diagnosed(t *testing.T, w *conformance.World, f explain.Finding) []explain.Evidence {
	t.Helper()
	evidence, err := Diagnose(t.Context(), w.Spec, jobOf(t, w).Deps, []explain.Finding{f})
	if err != nil {
		t.Fatal(err)
	}
	return evidence
}
