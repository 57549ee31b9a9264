package explain

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Connect Gateway's wordings, from Google's pages on using it (the newest where they
// differ), Google's API errors and the sources of kubectl and gcloud.
func gatewaySymptoms() []symptom {
	return slices.Concat(streamSymptoms(), callSymptoms(), clientSymptoms())
}

// streamSymptoms are those of exec, attach, cp and port-forward.
func streamSymptoms() []symptom {
	const streamed = `pods/(?:exec|attach|portforward)`
	return []symptom{
		{code: "CW-GATEWAY-STREAM", words: []string{"gkehub.gateway.stream"},
			form: `(?:Permission ?["']?(?P<permission>gkehub\.gateway\.stream)["']? (?:is )?(?:denied|missing)(?: on (?:resource )?["']?(?:(?://gkehub\.googleapis\.com/)?projects/(?P<project>[\w.:-]+)/locations/(?P<location>[\w-]+)/(?:gkeM|m)emberships/(?P<membership>[\w-]+))?)?|(?:Required|missing permission|"permission" ?:) ?["']?gkehub\.gateway\.stream["']?)`},
		{code: "CW-GATEWAY-RBAC", words: []string{"failed to connect to the cluster"},
			form: `failed to connect to the cluster's API Server with response \(?status ?= ?(?P<status>403 ?(?:Forbidden)?)`},
		{code: "CW-GATEWAY-RBAC", trust: likely, words: []string{"failed to create the websocket connection"},
			form: `failed to create the websocket connection[^\n]{0,400}?(?P<status>403 Forbidden)`},
		{code: "CW-GATEWAY-RBAC", trust: likely, elsewhere: codeForbidden, words: []string{"cannot "},
			form: `User "(?P<user>[^"\n]+)" cannot (?P<verb>\w+) resource "(?P<resource>` + streamed + `)"(?: in API group "[^"]*")?(?: in the namespace "(?P<namespace>[^"]+)")?`},
		{code: "CW-GATEWAY-WEBSOCKET", words: []string{"failed to connect to the cluster"},
			form: `failed to connect to the cluster's API Server with response \(?status ?= ?(?P<status>\d+[^,)\n]{0,40})`},
		{code: "CW-GATEWAY-WEBSOCKET", trust: likely, words: []string{"error encountered within"}, form: `error encountered within the cluster`},
		{code: "CW-GATEWAY-WEBSOCKET", trust: likely, words: []string{"failed to create the websocket connection"}},
		{code: "CW-GATEWAY-STREAMS", trust: likely, words: []string{"active_streams"}},
		{code: "CW-GATEWAY-STREAMS", trust: marked, words: []string{"generic::resource_exhausted"}},
		{code: "CW-GATEWAY-AGENT", words: []string{"connection to agent"}, refine: agentOrSession,
			form: `generic::failed_precondition: ?connection to agent ?(?:has )?(?:been )?(?:failed|terminated)`},
		{code: "CW-GATEWAY-AGENT", trust: likely, words: []string{"connection to agent"}, refine: agentOrSession,
			form: `connection to agent ?(?:has )?(?:been )?(?:failed|terminated)`},
		// What the older pages say of a missing permission, and a cut stream says too.
		{code: "CW-GATEWAY-STREAM", trust: likely, vague: true, words: []string{"error reading from error stream"}},
		{code: "CW-GATEWAY-CLIENT", trust: likely, vague: true, words: []string{"400 bad request"}, refine: clientOrCluster},
		{code: "CW-GATEWAY-CLIENT", trust: marked, vague: true, words: []string{"remotecommand fallback", "fallback to secondary dialer from primary dialer err"}, refine: clientOrCluster},
	}
}

// callSymptoms are those of every call.
func callSymptoms() []symptom {
	return []symptom{
		{code: "CW-GATEWAY-ROLE", words: []string{"gkehub.gateway."},
			form: `(?:Permission ?["']?(?P<permission>gkehub\.gateway\.\w+)["']? (?:is )?(?:denied|missing)(?: on (?:resource )?["']?(?:(?://gkehub\.googleapis\.com/)?projects/(?P<project>[\w.:-]+)/locations/(?P<location>[\w-]+)/(?:gkeM|m)emberships/(?P<membership>[\w-]+))?)?|(?:Required|missing permission|"permission" ?:) ?["']?gkehub\.gateway\.\w+["']?)`},
		{code: "CW-GATEWAY-ROLE", words: []string{"sufficient permission"},
			form: `memberships\.get-credentials\)[^\n]{0,80}Caller doesn't have sufficient permissions`},
		{code: "CW-GATEWAY-ROLE", words: []string{"permission"},
			form: `identity does ?n[o']t have (?:enough|sufficient) permissions? to use (?:the )?gateway API`},
		{code: "CW-GATEWAY-IMPERSONATE", words: []string{"connect-agent-sa"},
			form: `(?:(?:users|groups|serviceaccounts) "(?P<user>[^"\n]+)" is forbidden: ?)?User "system:serviceaccount:gke-connect:connect-agent-sa" cannot impersonate(?:-on:[\w:-]+)? resource "(?P<resource>\w+)"`, refine: impersonated},
		{code: "CW-GATEWAY-NO-AGENT", words: []string{"no active connection"},
			form: `no active connections? found for (?:the )?cluster(?: ?\(?project: ?(?P<project>[\w.:-]+), ?membership: ?(?P<membership>[\w-]+)\)?)?`},
		{code: "CW-GATEWAY-HEADER", words: []string{"8kb", "8 kb"}, form: `gke-security-groups[^\n]{0,160}8 ?KB|8 ?KB HTTP header size limit`},
		{code: "CW-GATEWAY-HEADER", trust: marked, words: []string{"header fields too large", "header or cookie too large"}},
		{code: "CW-GATEWAY-GROUPS", trust: likely, words: []string{"when using google groups"}},
		{code: "CW-GATEWAY-FORBIDDEN", trust: likely, elsewhere: codeForbidden, words: []string{"cannot "},
			form: `User "(?P<user>[^"\n]+)" cannot (?P<verb>\w+) (?:resource|path) "(?P<resource>[^"\n]+)"(?: in API group "[^"]*")?(?: in the namespace "(?P<namespace>[^"]+)")?`},
		{code: "CW-GATEWAY-ADDRESS", trust: sure, words: []string{"was not found on this server"},
			form: `requested URL (?:<code>)?/v1(?:beta1|alpha1)?/projects/(?P<project>[\w.:-]+)/[^\s<]{0,500}(?:</code>)? was not found on this server`},
		{code: "CW-GATEWAY-ADDRESS", trust: likely, words: []string{"was not found on this server"},
			form: `requested URL [^\n]{0,500}?was not found on this server`},
		{code: "CW-GATEWAY-ADDRESS", trust: likely, words: []string{"requested url not found on this server"}},
		{code: "CW-GATEWAY-ADDRESS", trust: likely, vague: true, words: []string{"the server rejected our request for an unknown reason"}},
	}
}

// clientSymptoms are those of the programs on the user's machine.
func clientSymptoms() []symptom {
	return []symptom{
		{code: "CW-GATEWAY-PLUGIN", words: []string{"gke-gcloud-auth-plugin"},
			form: `(?P<plugin>gke-gcloud-auth-plugin)(?:\.exe)?["']?(?:, which is needed for continued use of kubectl,)?:? (?:was )?(?:not found|executable file not found|no such file)|exec: ["']?gke-gcloud-auth-plugin["']?: executable file not found|stat [^\n]{0,200}gke-gcloud-auth-plugin: no such file`},
		{code: "CW-GATEWAY-PLUGIN", words: []string{"no auth provider found for"}, form: `no Auth Provider found for (?:name )?"?(?P<plugin>gcp)\b`},
		{code: "CW-GATEWAY-PLUGIN", words: []string{"gcp auth plugin"}, form: `the (?P<plugin>gcp) auth plugin (?:is deprecated|has been removed)`},
		{code: "CW-GATEWAY-GCLOUD", trust: likely, words: []string{"google cloud sdk", "gcloud/"}, refine: oldGcloud,
			form: `(?:Google Cloud SDK |gcloud/)(?P<gcloud>\d+\.\d+\.\d+)`},
		{code: "CW-GATEWAY-RESOURCE-TYPE", trust: likely, vague: true, words: []string{"have a resource type"},
			form: `the server does ?n[o']t have a resource type(?: "(?P<resource>[\w./-]+)")?`},
	}
}

// agentOrSession tells a link that is ill from a session that came to its end, by the
// times that kubectl logs. Google's newest page says 20 to 30 minutes for a session
// (older ones 5 to 10), and "at once" for an ill link; what lies between is open.
func agentOrSession(t *text, at int, evidence map[string]string) []string {
	const atOnce, session = time.Minute, 15 * time.Minute
	low, high := t.lasted(at)
	if low >= session {
		evidence["after"] = low.Round(time.Second).String()
		return []string{"CW-GATEWAY-SESSION"}
	}
	if high >= 0 && high < atOnce {
		evidence["after"] = high.Round(time.Second).String()
		return []string{"CW-GATEWAY-AGENT"}
	}
	// A session that had begun is terminated; one that did not begin failed.
	if strings.HasPrefix(t.lower[at+strings.Index(t.lower[at:], "connection to agent"):], "connection to agent terminated") {
		return []string{"CW-GATEWAY-SESSION", "CW-GATEWAY-AGENT"}
	}
	return []string{"CW-GATEWAY-AGENT", "CW-GATEWAY-SESSION"}
}

// clientOrCluster looks for the version that is too old: the cluster's below 1.30
// (1.31 for port-forward), else it is the client's side. nginx says 400 too, and an API
// server to a request that it can't take, which have nothing to do with it.
func clientOrCluster(t *text, at int, evidence map[string]string) []string {
	near := t.lower[max(0, at-200):min(len(t.lower), at+300)]
	badRequest := strings.Contains(t.lower, "(badrequest)") || strings.Contains(t.lower, `"reason":"badrequest"`)
	if strings.Contains(near, "nginx") || badRequest && !streamWords().MatchString(t.lower) {
		return nil
	}
	least := 30
	if evidence["command"] == "port-forward" {
		least = 31
	}
	if minor, ok := minorOf(evidence["server"]); ok && minor < least {
		return []string{"CW-GATEWAY-VERSION"}
	}
	return []string{"CW-GATEWAY-CLIENT"}
}

// streamWords are in a text that is about exec, attach, cp or port-forward.
var streamWords = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`kubectl (?:-\S+ )*(?:exec|attach|cp|port-forward)\b|/pods/[^\s/]+/(?:exec|attach|portforward)|pods/(?:exec|attach|portforward)|upgrade|websocket|remotecommand|stream`)
})

// impersonated calls a group a group: the message has both in the same place.
func impersonated(_ *text, _ int, evidence map[string]string) []string {
	if evidence["resource"] == "groups" {
		evidence["group"] = evidence["user"]
		delete(evidence, "user")
	}
	return []string{"CW-GATEWAY-IMPERSONATE"}
}

// oldGcloud drops what is newer than 399.0.0, the last one that takes an agent for
// granted.
func oldGcloud(_ *text, _ int, evidence map[string]string) []string {
	major, _, _ := strings.Cut(evidence["gcloud"], ".")
	if n, err := strconv.Atoi(major); err != nil || n > 399 {
		return nil
	}
	return []string{"CW-GATEWAY-GCLOUD"}
}

// minorOf is the minor version of Kubernetes 1.x.
func minorOf(version string) (int, bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(version, "v"), "1.")
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, ".")
	n, err := strconv.Atoi(digits)
	return n, err == nil
}
