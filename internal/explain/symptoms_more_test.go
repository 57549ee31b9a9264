package explain

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
)

// ofGateway is a line of kubectl's log at -v 8 that shows that the gateway was asked.
const ofGateway = "I1121 10:00:00.000000    4242 round_trippers.go:466] GET https://europe-west3-connectgateway.googleapis.com/v1/projects/123456/locations/europe-west3/gkeMemberships/private-cluster/api/v1/namespaces\n"

// TestWhoIsNotKnown has the wordings of a token that ended, and of the programs that
// were to get a fresh one.
func TestWhoIsNotKnown(t *testing.T) {
	t.Parallel()
	for sentence, test := range map[string]struct{ text, codes string }{
		"Google's JSON": {`{"error":{"code":401,"message":"Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.","status":"UNAUTHENTICATED"}}`, codeCredentials},
		"no token":      {"Request is missing required authentication credential.", codeCredentials},
		"kubectl, through the gateway": {ofGateway + "error: You must be logged in to the server (the server has asked for the client to provide credentials)",
			codeCredentials},
		"kubectl, by another way": {"error: You must be logged in to the server (Unauthorized)", "CW-KUBE-UNAUTHORIZED"},
		"the plugin fails":        {"Unable to connect to the server: getting credentials: exec: executable gke-gcloud-auth-plugin failed with exit code 1", codeCredentials},
		"the plugin is missing":   {"Unable to connect to the server: getting credentials: exec: executable gke-gcloud-auth-plugin not found", "CW-GATEWAY-PLUGIN"},
		"gcloud's sign-in has ended": {"F1121 10:00:00.000000 1 cred.go:145] print credential failed with error: exit status 1 (err: ERROR: (gcloud.config.config-helper) There was a problem refreshing your current auth tokens: Reauthentication failed. cannot prompt during non-interactive execution.)",
			codeCredentials},
		"nobody has signed in":                {"ERROR: (gcloud.config.config-helper) You do not currently have an active account selected.", codeCredentials},
		"no default credentials":              {"google: could not find default credentials. See https://cloud.google.com/docs", codeCredentials},
		"vague beside a role that is missing": {ofGateway + "Permission 'gkehub.gateway.get' denied\nerror: You must be logged in to the server", "CW-GATEWAY-ROLE"},
	} {
		if got := codesIn(test.text); got != test.codes {
			t.Errorf("%s: %q says %q, want %q", sentence, test.text, got, test.codes)
		}
	}
}

// TestWhatGcloudSaysOfTheFleet has the words of its own, that no API speaks.
func TestWhatGcloudSaysOfTheFleet(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"ERROR: (gcloud.container.fleet.memberships.get-credentials) Membership prod not found in the fleet.":     "CW-FLEET-MEMBER",
		"ERROR: (gcloud.container.fleet.memberships.get-credentials) No memberships available in the fleet.":      "CW-FLEET-MEMBER",
		"Locations ['us-east4'] are currently unreachable. Please specify memberships using `--location` or the ": "CW-FLEET-UNREACHABLE",
	} {
		if got := codesIn(text); got != want {
			t.Errorf("%q says %q, want %q", text, got, want)
		}
	}
}

// TestARequestThatTheAPIServerCannotTake: 400 is no stream's there, and its cause is no
// old kubectl.
func TestARequestThatTheAPIServerCannotTake(t *testing.T) {
	t.Parallel()
	const refused = `Response Status: 400 Bad Request in 5 milliseconds
Response Body: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"strict decoding error: unknown field \"spec.foo\"","reason":"BadRequest","code":400}
Error from server (BadRequest): error when creating "x.yaml": strict decoding error: unknown field "spec.foo"`
	for sentence, test := range map[string]struct{ text, codes string }{
		"a field that it does not know":       {ofGateway + refused, ""},
		"an address that the gateway rejects": {ofGateway + "Response Status: 400 Bad Request in 5 milliseconds\nError from server (BadRequest): the server rejected our request for an unknown reason (get namespaces)", "CW-GATEWAY-ADDRESS"},
		"the same of a stream": {ofGateway + "GET /api/v1/namespaces/x/pods/y/exec\nResponse Status: 400 Bad Request in 5 milliseconds\nError from server (BadRequest): the server rejected our request for an unknown reason",
			"CW-GATEWAY-CLIENT CW-GATEWAY-ADDRESS"},
	} {
		if got := codesIn(test.text); got != test.codes {
			t.Errorf("%s: says %q, want %q", sentence, got, test.codes)
		}
	}
}

// TestFormsOfTheSameText: as terminals and other systems write it.
func TestFormsOfTheSameText(t *testing.T) {
	t.Parallel()
	const plain = "Unable to connect:\nPermission 'gkehub.gateway.stream' denied on resource (ü)\n"
	units := utf16.Encode([]rune("\ufeff" + plain))
	little, big := make([]byte, 0, 2*len(units)), make([]byte, 0, 2*len(units))
	for _, unit := range units {
		little, big = append(little, byte(unit), byte(unit>>8)), append(big, byte(unit>>8), byte(unit))
	}
	for sentence, text := range map[string]string{
		"line ends of Windows":                 strings.ReplaceAll(plain, "\n", "\r\n"),
		"redirected by PowerShell":             string(little),
		"UTF-16, the other way round":          string(big),
		"cut in the middle of a character":     string(little[:len(little)-1]),
		"a mark before UTF-8":                  "\ufeff" + plain,
		"in colours":                           "\x1b[31m" + plain + "\x1b[0m",
		"the search word in colours":           strings.ReplaceAll(plain, "gateway", "\x1b[01;31m\x1b[Kgateway\x1b[m\x1b[K"),
		"a link in a terminal":                 strings.ReplaceAll(plain, "denied", "\x1b]8;;https://example.com\x1b\\denied\x1b]8;;\x1b\\"),
		"a terminal's title and hidden cursor": "\x1b]0;title\a\x1b[?25l" + plain,
		"a control sequence without an end":    plain + "\x1b]8;;",
	} {
		found := Recognise(text)
		if len(found) != 1 || found[0].Code != "CW-GATEWAY-STREAM" || found[0].Line != "Permission 'gkehub.gateway.stream' denied on resource (ü)" && sentence != "cut in the middle of a character" {
			t.Errorf("%s: %+v", sentence, found)
		}
	}
}

// TestMoreSecretsAreNotPrintedBack has forms that stand in evidence too.
func TestMoreSecretsAreNotPrintedBack(t *testing.T) {
	t.Parallel()
	const secret = "s3cretS3CRETs3cret"
	for name, line := range map[string]string{
		"a proxy's password":       "proxyconnect tcp: http://user:" + secret + "@proxy.example.com:3128: refused",
		"headers in JSON":          `{"Authorization":["Bearer ` + secret + `"]}`,
		"a header in colours":      "Authorization: \x1b[31mBearer\x1b[0m " + secret,
		"a header over two lines":  "Authorization:\n    Bearer " + secret,
		"a plugin's answer":        `{"kind":"ExecCredential","status":{"token":"` + secret + `"}}`,
		"an exchange of tokens":    "subject_token=" + secret + "&grant_type=x",
		"an encoded query":         "https://x/?access_token%3D" + secret,
		"Google's token, encoded":  "https://x/?t%3Dya29." + secret,
		"a Secret at -v 8":         `{"kind":"Secret","data":{"tls.key":"` + secret + `","x":"` + secret + `"}}`,
		"a Secret that is cut off": `{"kind":"Secret","data":{"tls.key":"` + secret,
		"a key in base64":          "LS0tLS1CRUdJTiBSU0EgUFJJ" + secret,
	} {
		for _, text := range []string{
			line + " no active connections found for cluster",
			"no active connections found for cluster " + line,
			`User "` + line + `" cannot list resource "pods"`,
		} {
			if found := Recognise(text); strings.Contains(fmt.Sprint(found), "s3cret") {
				t.Errorf("%s: %+v", name, found)
			}
		}
	}
}

// TestTheTimesOfALongLogAreReadOnce: each of a hundred places asks for them.
func TestTheTimesOfALongLogAreReadOnce(t *testing.T) {
	t.Parallel()
	some := ofGateway + strings.Repeat("I1121 10:00:00.100000    4242 round_trippers.go:466]     Cache-Control: private\n", 3) +
		"error: generic::failed_precondition: connection to agent terminated\n"
	log := strings.Repeat(some, (1<<20)/len(some))
	if found := Recognise(log); len(found) != 1 || found[0].Code != "CW-GATEWAY-AGENT" {
		t.Errorf("%+v", found)
	}
	read := readText(log)
	if first, again := read.stamps(), read.stamps(); len(first) < 4000 || &first[0] != &again[0] {
		t.Errorf("%d times, read anew", len(first))
	}
}
