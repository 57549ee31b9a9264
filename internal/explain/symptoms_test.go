package explain

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// codesIn are the codes that a text tells of, in order, with a space between.
func codesIn(text string) string {
	var codes []string
	for _, f := range Recognise(text) {
		codes = append(codes, f.Code)
	}
	return strings.Join(codes, " ")
}

// TestOtherWordings has a text for each line of the tables that the documents'
// texts do not reach.
func TestOtherWordings(t *testing.T) {
	t.Parallel()
	gateway := "https://connectgateway.googleapis.com/v1/projects/1/locations/global/gkeMemberships/m\n"
	for sentence, test := range map[string]struct{ text, codes string }{
		"Forbidden of some other API server":            {`Error from server (Forbidden): pods is forbidden: User "alice@example.com" cannot list resource "pods" in API group "" in the namespace "x"`, "CW-KUBE-FORBIDDEN"},
		"Forbidden to a path":                           {gateway + `forbidden: User "alice@example.com" cannot get path "/version"`, "CW-GATEWAY-FORBIDDEN"},
		"Forbidden to stream, by the gateway":           {gateway + `pods "web" is forbidden: User "alice@example.com" cannot create resource "pods/exec" in API group "" in the namespace "x"`, "CW-GATEWAY-RBAC"},
		"Forbidden to stream, by another way":           {`pods "web" is forbidden: User "alice@example.com" cannot create resource "pods/exec" in API group "" in the namespace "x"`, "CW-KUBE-FORBIDDEN"},
		"another status of the cluster's API server":    {"generic::failed_precondition: failed to connect to the cluster's API Server with response (status=404 Not Found, body=...)", "CW-GATEWAY-WEBSOCKET"},
		"400 from nginx":                                {"<html><head><title>400 Bad Request</title></head><center>nginx</center>", ""},
		"400 of a cluster that is too old":              {"Server Version: v1.29.4-gke.100\nerror: unable to upgrade connection: 400 Bad Request", "CW-GATEWAY-VERSION"},
		"400 to port-forward, cluster 1.30":             {"$ kubectl port-forward pod/x 80\nServer Version: v1.30.4-gke.100\n400 Bad Request", "CW-GATEWAY-VERSION"},
		"400 to exec, cluster 1.30":                     {"$ kubectl -n x exec y -- sh\nServer Version: v1.30.4-gke.100\n400 Bad Request", "CW-GATEWAY-CLIENT"},
		"a fallback that says nothing more":             {gateway + "RemoteCommand fallback: unable to upgrade streaming request", "CW-GATEWAY-CLIENT"},
		"a fallback of some other server":               {"RemoteCommand fallback: unable to upgrade streaming request", ""},
		"exhausted, in other words":                     {"generic::resource_exhausted: quota", "CW-GATEWAY-STREAMS"},
		"a header that is too large, of the gateway":    {gateway + "431 Request Header Fields Too Large", "CW-GATEWAY-HEADER"},
		"a header that is too large, of another server": {"431 Request Header Fields Too Large", ""},
		"the server rejected":                           {"Error from server: the server rejected our request for an unknown reason", "CW-GATEWAY-ADDRESS"},
		"the agent, unhealthy, in English":              {"Connect Agent is unhealthy", "CW-GATEWAY-AGENT"},
		"groups, in English":                            {"The user identity doesn't have sufficient permissions to perform the action when using Google Groups or third-party support", "CW-GATEWAY-GROUPS"},
		"the gateway, in English":                       {"User identity doesn't have enough permissions to use gateway API", "CW-GATEWAY-ROLE"},
		"Google's details alone":                        {`"metadata": {"permission": "gkehub.gateway.post"}`, "CW-GATEWAY-ROLE"},
		"gcloud's warning of the plugin":                {"CRITICAL: ACTION REQUIRED: gke-gcloud-auth-plugin, which is needed for continued use of kubectl, was not found or is not executable.", "CW-GATEWAY-PLUGIN"},
		"Go's words for the plugin":                     {`exec: "gke-gcloud-auth-plugin": executable file not found in $PATH`, "CW-GATEWAY-PLUGIN"},
		"kubectl's warning of the provider":             {"WARNING: the gcp auth plugin is deprecated in v1.22+, unavailable in v1.26+; use gcloud instead.", "CW-GATEWAY-PLUGIN"},
		"a gcloud that is new enough":                   {"Google Cloud SDK 400.0.0", ""},
		"an older gcloud in a user agent":               {"User-Agent: google-cloud-sdk gcloud/371.0.0 command/x", "CW-GATEWAY-GCLOUD"},
		"a membership of another cluster":               {"ERROR: ALREADY_EXISTS: Resource 'projects/p/locations/global/memberships/m' already exists", "CW-FLEET-NAME"},
		"the same, as gcloud says it":                   {"membership [m] in project already exists", "CW-FLEET-NAME"},
		"a membership that is not there":                {"NOT_FOUND: Resource 'projects/p/locations/global/memberships/m' was not found", "CW-FLEET-MEMBER"},
		"a service agent without rights":                {`PERMISSION_DENIED: hub default service account does not have access to the GKE cluster project for "//container.googleapis.com/projects/p/locations/l/clusters/c"`, "CW-FLEET-REGISTER"},
		"a cluster that is registered by another name":  {"failed to register: the cluster is already registered with resource //gkehub.googleapis.com/projects/p/locations/l/memberships/m", "CW-FLEET-REGISTERED"},
		"locations that did not answer":                 {`{"resources": [{"name": "gkehub.googleapis.com"}], "unreachable": ["us-east4"]}`, "CW-FLEET-UNREACHABLE"},
		"an empty list of such":                         {`{"resources": [{"name": "gkehub.googleapis.com"}], "unreachable": []}`, ""},
		"locations, in words":                           {"WARNING: The following fleet locations were unreachable: us-east4; fleet locations us-east4 unreachable", "CW-FLEET-UNREACHABLE"},
		"a permission of another API":                   {"Permission 'compute.addresses.list' denied on resource (or it may not exist).", "CW-GCP-PERMISSION"},
		"a permission in compute's words":               {"Required 'compute.addresses.list' permission for 'projects/p'", "CW-GCP-PERMISSION"},
		"an API that is off, in Google's details":       {`"reason": "SERVICE_DISABLED"`, "CW-GCP-API-DISABLED"},
		"nothing":                                          {"", ""},
		"nothing that is known":                            {"all is well\nNAME STATUS AGE\ndefault Active 59d\ngke-connect Active 4d\n", ""},
		"a permission that was granted":                    {"roles/gkehub.gatewayAdmin has gkehub.gateway.stream and gkehub.gateway.get", ""},
		"a connection to some other agent":                 {"gpg: connection to agent established", ""},
		"quotes that were escaped twice":                   {`{"message":"{\"message\":\"users \\\"a@b.c\\\" is forbidden: User \\\"system:serviceaccount:gke-connect:connect-agent-sa\\\" cannot impersonate resource \\\"users\\\"\"}"}`, "CW-GATEWAY-IMPERSONATE"},
		"wrapped by a terminal, with colours":              {"Error: User \"system:serviceaccount:gke-connect:connect-agent-sa\" \x1b[31mcannot\x1b[0m\r\n  impersonate\r\n  resource \"users\"", "CW-GATEWAY-IMPERSONATE"},
		"words that a page typesets":                       {"the server doesn’t have a resource type “ns”", "CW-GATEWAY-RESOURCE-TYPE"},
		"vague ones beside a precise one":                  {gateway + "error: the server doesn't have a resource type \"ns\"\n400 Bad Request\nno active connections found for cluster", "CW-GATEWAY-NO-AGENT"},
		"vague ones among themselves":                      {"400 Bad Request\nthe server doesn't have a resource type \"ns\"", "CW-GATEWAY-CLIENT CW-GATEWAY-RESOURCE-TYPE"},
		"several, in the order of the text, each once":     {"active_streams\nno active connections found for cluster\nactive_streams\nPermission 'gkehub.gateway.get' denied", "CW-GATEWAY-STREAMS CW-GATEWAY-NO-AGENT CW-GATEWAY-ROLE"},
		"a special one twice makes no general one":         {strings.Repeat("Permission 'gkehub.gateway.stream' denied on resource\n", 3), "CW-GATEWAY-STREAM"},
		"a special one very often makes no general one":    {strings.Repeat("Permission 'gkehub.gateway.stream' denied on resource\n", 2*maxHits), "CW-GATEWAY-STREAM"},
		"a special and a general one, of the same family":  {"Permission 'gkehub.gateway.stream' denied\nPermission 'gkehub.gateway.get' denied", "CW-GATEWAY-STREAM CW-GATEWAY-ROLE"},
		"two on one line":                                  {"active_streams and no active connections found for cluster", "CW-GATEWAY-STREAMS CW-GATEWAY-NO-AGENT"},
		"what is hidden far away does not belong together": {`User "a"` + strings.Repeat(" x", reach) + ` cannot list resource "pods"`, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if got := codesIn(test.text); got != test.codes {
				t.Errorf("%q\nsays %q, want %q", test.text, got, test.codes)
			}
		})
	}
}

// TestEachCodeHasItsEntryAndItsText holds the catalogue and the tables to each other.
func TestEachCodeHasItsEntryAndItsText(t *testing.T) {
	t.Parallel()
	told := map[string]bool{"CW-GATEWAY-SESSION": true, "CW-GATEWAY-VERSION": true, codeForbidden: true} // refined
	for _, s := range symptoms() {
		told[s.code] = true
		for _, word := range s.words {
			if word != asciiLower(word) || word == "" {
				t.Errorf("%s: the word %q is not in lower case", s.code, word)
			}
		}
	}
	for code := range told {
		if _, ok := Lookup(code); !ok {
			t.Errorf("%s has no entry", code)
		}
	}
	entries, err := All()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Code, "CW-GATEWAY-") && !told[entry.Code] {
			t.Errorf("no text tells of %s", entry.Code)
		}
	}
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	const impersonate = `users "alice@example.com" is forbidden: User "system:serviceaccount:gke-connect:connect-agent-sa" cannot impersonate resource "users"`
	for sentence, test := range map[string]struct {
		text string
		want map[string]string
	}{
		"Google's JSON": {"{\n  \"error\": {\n    \"message\": \"Permission 'gkehub.gateway.get' denied on resource '//gkehub.googleapis.com/projects/lab-project/locations/europe-west3/memberships/prod' (or it may not exist).\"\n}}",
			map[string]string{"permission": "gkehub.gateway.get", "project": "lab-project", "location": "europe-west3", "membership": "prod"}},
		"the server's address": {"GET https://europe-west3-connectgateway.googleapis.com/v1/projects/123/locations/europe-west3/gkeMemberships/prod/api\nno active connections found for cluster",
			map[string]string{"project": "123", "location": "europe-west3", "membership": "prod"}},
		"the context has the project's ID": {"kubectl --context connectgateway_lab-project_global_prod get ns\nGET https://connectgateway.googleapis.com/v1/projects/123/locations/global/gkeMemberships/prod/api\nno active connections found for cluster",
			map[string]string{"project": "lab-project", "location": "global", "membership": "prod"}},
		"two memberships are no evidence": {"projects/1/locations/global/memberships/a projects/1/locations/global/memberships/b active_streams", map[string]string{"project": "1", "location": "global"}},
		"the agent's user":                {impersonate, map[string]string{"user": "alice@example.com", "resource": "users"}},
		"the agent's group":               {strings.ReplaceAll(strings.ReplaceAll(impersonate, `users "alice`, `groups "admins`), `resource "users"`, `resource "groups"`), map[string]string{"group": "admins@example.com", "resource": "groups"}},
		"no agent":                        {"no active connections found for cluster (project: 12345, membership: my-cluster)", map[string]string{"project": "12345", "membership": "my-cluster"}},
		"no agent, in Chinese":            {"找不到集群的有效连接(项目:12345,成员资格:my-cluster)", map[string]string{"project": "12345", "membership": "my-cluster"}},
		"what was forbidden": {`pods is forbidden: User "bob@example.com" cannot list resource "pods" in API group "" in the namespace "x"`,
			map[string]string{"user": "bob@example.com", "verb": "list", "resource": "pods", "namespace": "x"}},
		"versions": {"Client Version: v1.28.2\nServer Version: v1.31.1-gke.7\n$ kubectl exec x\n400 Bad Request",
			map[string]string{"kubectl": "1.28.2", "server": "1.31.1-gke.7", "command": "exec"}},
		"the version in a log":  {"User-Agent: kubectl/v1.29.2 (linux/amd64)\n400 Bad Request", map[string]string{"kubectl": "1.29.2"}},
		"the version of gcloud": {"Google Cloud SDK 371.0.0", map[string]string{"gcloud": "371.0.0"}},
		"a status":              {"failed to connect to the cluster's API Server with response (status=403 Forbidden, body=x)", map[string]string{"status": "403 Forbidden"}},
		"a status, with the API server's own words": {`failed to connect to the cluster's API Server with response (status=403 Forbidden, body={"message":"pods \"x\" is forbidden: User \"a@b.c\" cannot get resource \"pods/exec\" in API group \"\" in the namespace \"n\""})`,
			map[string]string{"status": "403 Forbidden", "user": "a@b.c", "verb": "get", "resource": "pods/exec", "namespace": "n"}},
		"the plugin": {"exec: executable gke-gcloud-auth-plugin not found", map[string]string{"plugin": "gke-gcloud-auth-plugin"}},
		"an API":     {"GKE Hub API has not been used in project 12 before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/gkehub.googleapis.com/overview?project=12", map[string]string{"project": "12", "service": "gkehub.googleapis.com"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			found := Recognise(test.text)
			if len(found) != 1 {
				t.Fatalf("%d findings: %+v", len(found), found)
			}
			if diff := cmp.Diff(test.want, found[0].Evidence); diff != "" {
				t.Errorf("evidence (-want +got):\n%s", diff)
			}
		})
	}
}

// TestHowLongTheSessionHadLasted: the same words mean two things, and kubectl's log
// says which.
func TestHowLongTheSessionHadLasted(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	log := func(after time.Duration, pid int, says string) string {
		return fmt.Sprintf("I%s %7d exec.go:1] %s\n", start.Add(after).Format("0102 15:04:05.000000"), pid, says)
	}
	const died = "error: generic::failed_precondition: connection to agent terminated"
	for sentence, test := range map[string]struct{ text, codes, after string }{
		"at once, on a line with a time":          {log(0, 7, "Config loaded") + log(900*time.Millisecond, 7, died), "CW-GATEWAY-AGENT", "1s"},
		"at once, a line with a time follows":     {log(0, 7, "Config loaded") + died + "\n" + log(2*time.Second, 7, "exit"), "CW-GATEWAY-AGENT", "2s"},
		"after 24 minutes":                        {log(0, 7, "Config loaded") + log(24*time.Minute, 7, "closed") + died, "CW-GATEWAY-SESSION", "24m0s"},
		"after 24 minutes, the time on its line":  {log(0, 7, "Config loaded") + log(24*time.Minute, 7, died), "CW-GATEWAY-SESSION", "24m0s"},
		"after 7 minutes, which proves nothing":   {log(0, 7, "Config loaded") + log(7*time.Minute, 7, died), "CW-GATEWAY-SESSION CW-GATEWAY-AGENT", ""},
		"no time at or after it":                  {log(0, 7, "Config loaded") + log(time.Second, 7, "stream open") + died, "CW-GATEWAY-SESSION CW-GATEWAY-AGENT", ""},
		"no time at all: terminated":              {died, "CW-GATEWAY-SESSION CW-GATEWAY-AGENT", ""},
		"no time at all: failed":                  {strings.ReplaceAll(died, "terminated", "failed"), "CW-GATEWAY-AGENT CW-GATEWAY-SESSION", ""},
		"no time at all: both words":              {strings.ReplaceAll(died, "terminated", "failed/terminated"), "CW-GATEWAY-AGENT CW-GATEWAY-SESSION", ""},
		"the time of an earlier kubectl is other": {log(0, 6, "Config loaded") + log(time.Hour, 7, "Config loaded") + log(time.Hour+time.Second, 7, died), "CW-GATEWAY-AGENT", "1s"},
		"the time of a later kubectl is other":    {log(0, 6, "Config loaded") + died + "\n" + log(time.Hour, 7, "Config loaded"), "CW-GATEWAY-SESSION CW-GATEWAY-AGENT", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			if got := codesIn(test.text); got != test.codes {
				t.Fatalf("%s\nsays %s, want %s", test.text, got, test.codes)
			}
			if got := Recognise(test.text)[0].Evidence["after"]; got != test.after {
				t.Errorf("after %q, want %q", got, test.after)
			}
		})
	}
}

// TestCodeOfText: an error of causeway's own takes a code of the gateway only where
// nobody else can have said it.
func TestCodeOfText(t *testing.T) {
	t.Parallel()
	const forbidden = `pods is forbidden: User "alice@example.com" cannot list resource "pods" in API group ""`
	for text, want := range map[string]string{
		"": "", "x": "",
		forbidden: "",
		forbidden + ` in the namespace "gke-connect"`: "",
		"connectgateway.googleapis.com: " + forbidden: "CW-GATEWAY-FORBIDDEN",
		"400 Bad Request": "",
		"europe-west3-connectgateway.googleapis.com: 400 Bad Request":   "CW-GATEWAY-CLIENT",
		"the server doesn't have a resource type \"ns\"":                "",
		"the server rejected our request for an unknown reason":         "",
		"The requested URL /x was not found on this server.":            "",
		"error reading from error stream: EOF":                          "",
		"connection to agent failed":                                    "",
		"generic::failed_precondition: connection to agent failed":      "CW-GATEWAY-AGENT",
		"Permission 'gkehub.gateway.post' denied on resource":           "CW-GATEWAY-ROLE",
		"Permission 'compute.addresses.list' denied on resource":        "",
		"no active connections found for cluster":                       "CW-GATEWAY-NO-AGENT",
		"exec: executable gke-gcloud-auth-plugin not found":             "CW-GATEWAY-PLUGIN",
		"X API has not been used in project 1 before or it is disabled": "CW-GCP-API-DISABLED",
	} {
		if got := CodeOfText(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestSecretsAreNotPrintedBack goes through the forms in which a -v 10 log and
// programs' answers have them.
func TestSecretsAreNotPrintedBack(t *testing.T) {
	t.Parallel()
	const secret = "s3cretS3CRETs3cret"
	for name, line := range map[string]string{
		"a header":           `Authorization: Bearer ` + secret,
		"curl's header":      `curl -H "Authorization: Bearer ` + secret + `"`,
		"a basic header":     `Authorization: Basic ` + secret,
		"a JWT":              "eyJhbGciOi." + secret + "." + secret,
		"Google's token":     "ya29." + secret,
		"an answer in JSON":  `{"access_token": "` + secret + `"}`,
		"escaped JSON":       `{\"token\":\"` + secret + `\"}`,
		"a query":            "https://x/?access_token=" + secret + "&a=b",
		"a flag":             "--token=" + secret,
		"a password":         "password: " + secret,
		"a key":              "-----BEGIN RSA PRIVATE KEY-----\\n" + secret,
		"a kubeconfig's key": "client-key-data: " + secret,
		"a cookie":           "Cookie: " + secret,
	} {
		for _, text := range []string{
			line + " no active connections found for cluster",
			"no active connections found for cluster " + line,
			`User "` + line + `" cannot list resource "pods"`,
			strings.Repeat("x ", 300) + line + " no active connections found for cluster " + strings.Repeat("x ", 300),
		} {
			if found := Recognise(text); strings.Contains(fmt.Sprint(found), "s3cret") {
				t.Errorf("%s: %+v", name, found)
			}
		}
	}
}

func TestALineIsSafeAndShort(t *testing.T) {
	t.Parallel()
	found := Recognise("first\n" + strings.Repeat("ä", 5000) + "\x1b]0;title\a no active \u202econnections found for cluster" + strings.Repeat("ö", 5000) + "\nlast")
	if len(found) > 0 {
		t.Errorf("bidi marks inside of the words: %+v", found)
	}
	found = Recognise("first\n" + strings.Repeat("ä", 5000) + "\x1b]0;title\a\u202e no active connections found for cluster" + strings.Repeat("ö", 5000) + "\nlast")
	if len(found) != 1 || len(found[0].Line) > 600 || strings.ContainsAny(found[0].Line, "\x1b\a\u202e\n\ufffd") || !strings.HasPrefix(found[0].Line, "...") || !strings.HasSuffix(found[0].Line, "...") {
		t.Errorf("%q", found)
	}
}

// TestALargeLogTakesSeconds: ten megabytes in which every word occurs.
func TestALargeLogTakesSeconds(t *testing.T) {
	t.Parallel()
	var words []string
	for _, s := range symptoms() {
		words = append(words, s.words...)
	}
	line := strings.Join(words, " ") + "\n"
	start := time.Now()
	Recognise(strings.Repeat(line, 10<<20/len(line)))
	Recognise(strings.Repeat("a", 10<<20))
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	}
}

func TestFixWithEvidenceFilledIn(t *testing.T) {
	t.Parallel()
	entry := Entry{Fix: "gcloud x PROJECT --member=MEMBER --a=LOCATION/CLUSTER CLUSTER-PROJECT USER MEMBERSHIPS"}
	for want, evidence := range map[string]map[string]string{
		entry.Fix: nil,
		"gcloud x p --member=user:a@b.c --a=l/c CLUSTER-PROJECT a@b.c MEMBERSHIPS":                                                                          {"project": "p", "user": "a@b.c", "location": "l", "cluster": "c"},
		"gcloud x PROJECT --member=serviceAccount:a@p.iam.gserviceaccount.com --a=LOCATION/CLUSTER CLUSTER-PROJECT a@p.iam.gserviceaccount.com MEMBERSHIPS": {"user": "a@p.iam.gserviceaccount.com", "project": "$(rm -rf ~)"},
		"gcloud x PROJECT --member=MEMBER --a=LOCATION/CLUSTER CLUSTER-PROJECT system:serviceaccount:a:b MEMBERSHIPS":                                       {"user": "system:serviceaccount:a:b", "location": "-x", "cluster": "a b"},
	} {
		if got := entry.FixFor(evidence); got != want {
			t.Errorf("%v\n got %s\nwant %s", evidence, got, want)
		}
	}
}

// TestLogs reads whole logs as people paste them.
func TestLogs(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"exec-v4-no-permission.txt":  "CW-GATEWAY-STREAM",
		"get-v10-no-role.txt":        "CW-GATEWAY-ROLE",
		"agent-log-forbidden.txt":    "CW-GATEWAY-RBAC",
		"port-forward-v4-quota.txt":  "CW-GATEWAY-STREAMS",
		"exec-v10-session-ended.txt": "CW-GATEWAY-SESSION",
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		log, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := codesIn(string(log)); got != want[name] {
			t.Errorf("%s says %s, want %s", name, got, want[name])
		}
	}
	files, err := os.ReadDir("testdata")
	if err != nil || len(files) != len(want) {
		t.Errorf("%d logs in testdata, %d cases (%v)", len(files), len(want), err)
	}
}
