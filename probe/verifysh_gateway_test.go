package probe

import (
	"net/http"
	"strings"
	"testing"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// TestVerifyShTellsWhatConnectGatewaySays: the script reads the same causes off status
// and body as the probe in Go.
func TestVerifyShTellsWhatConnectGatewaySays(t *testing.T) {
	t.Parallel()
	for sentence, c := range frontCases() {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			f, kubeconfig := c.start(t)
			stdout, stderr, code := runScript(t, []string{"sh"}, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig),
				"-o", "json", "--timeout", "5", "--exec", "shop/web/nginx")
			checkNoSecret(t, f, stdout+stderr)
			report, err := ParseScript([]byte(stdout))
			if err != nil {
				t.Fatalf("%v\nexit %d\n%s%s", err, code, stdout, stderr)
			}
			failed := report.Failed()
			if failed == nil || failed.Hop != c.hop || failed.Code != c.code || code != 5 {
				t.Fatalf("exit %d, failed %+v, want 5 and %s at %s\n%s%s", code, failed, c.code, c.hop, table(report), stderr)
			}
			// Of the status the script has the number alone.
			says := strings.NewReplacer(" Bad Request", "", " Unauthorized", "", " Bad Gateway", "", " Forbidden", "").Replace(c.says)
			if detail := strings.ReplaceAll(failed.Detail, " Forbidden", ""); !strings.Contains(detail, says) || failed.Hint == "" || failed.Hint != HintFor(c.code) || stderr != "" {
				t.Errorf("detail %q, want %q; hint %q, stderr %q", detail, says, failed.Hint, stderr)
			}
			checkRest(t, report)
		})
	}
}

// TestVerifyShGoesThroughConnectGateway: where it works, under each shell, with a front
// end that knows nobody without a token.
func TestVerifyShGoesThroughConnectGateway(t *testing.T) {
	t.Parallel()
	for _, shell := range shells() {
		t.Run(strings.Join(shell, " "), func(t *testing.T) {
			t.Parallel()
			c := byGateway("", 0, "", "")
			f, kubeconfig := c.start(t)
			passOn := f.over["/v1/projects/"]
			f.over["/v1/projects/"] = func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Authorization") != "Bearer "+f.token {
					w.Header().Set("Server", "ESF")
					answerJSON(w, 401, google("Request is missing required authentication credential."))
					return
				}
				passOn(w, r)
			}
			stdout, stderr, code := runScript(t, shell, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json", "--exec", "shop/web/nginx")
			report, err := ParseScript([]byte(stdout))
			if err != nil || code != 0 || stderr != "" {
				t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
			}
			for hop, want := range map[string]Status{HopHTTP: Pass, HopIdentity: Pass, HopWatch: Pass, HopExecWebSocket: Pass, HopExecSPDY: Skip} {
				if got := report.Hop(hop); got.Status != want {
					t.Errorf("%s: %s %s, want %s", hop, got.Status, got.Detail, want)
				}
			}
			if got := report.Hop(HopExecSPDY).Detail; got != "Connect Gateway passes streams over WebSocket alone" {
				t.Errorf("exec-spdy: %s", got)
			}
		})
	}
}

func TestVerifyShWithoutATokenIsToldThatGoogleWantsOne(t *testing.T) {
	t.Parallel()
	c := byGateway("/", 401, "application/json", google("Request is missing required authentication credential."))
	toGateway := c.kubeconfig
	c.kubeconfig = func(f *fake, cluster *clientcmdapi.Cluster, user *clientcmdapi.AuthInfo) {
		toGateway(f, cluster, user)
		user.Token = ""
	}
	_, kubeconfig := c.start(t)
	stdout, _, code := runScript(t, []string{"sh"}, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json")
	report, err := ParseScript([]byte(stdout))
	if failed := report.Failed(); err != nil || code != 5 || failed == nil || failed.Hop != HopHTTP || failed.Code != "CW-GCP-CREDENTIALS" {
		t.Errorf("exit %d, %v\n%s", code, err, stdout)
	}
}

// TestVerifyShForAReader: reviews are POSTs, which the gateway lets no reader send.
func TestVerifyShForAReader(t *testing.T) {
	t.Parallel()
	refusal := google("Permission 'gkehub.gateway.post' denied on resource '//gkehub.googleapis.com/projects/123'")
	for sentence, c := range map[string]struct {
		listed Status
		server http.HandlerFunc // of the collection that is listed
		args   []string
		says   string // in the rights
		code   int
	}{
		"who may list": {listed: Pass, says: "namespaces"},
		"who may not": {listed: Skip, says: "namespaces", server: func(w http.ResponseWriter, _ *http.Request) {
			statusAnswer(w, 403, "Forbidden", `namespaces is forbidden: User "alice@example.com" cannot list resource "namespaces"`)
		}},
		"who named a namespace": {listed: Pass, says: "pods in shop", args: []string{"--namespace", "shop"}},
		"whose list fails": {listed: Fail, says: "namespaces", code: 5, server: func(w http.ResponseWriter, _ *http.Request) {
			statusAnswer(w, 500, "InternalError", "no")
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			f, kubeconfig := byGateway("/apis/auth", 403, "application/json", refusal).start(t)
			if c.server != nil {
				f.over["/api/v1/namespaces"] = c.server
			}
			args := append([]string{"--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json", "--right", "get:pods"}, c.args...)
			stdout, stderr, code := runScript(t, []string{"sh"}, nil, args...)
			report, err := ParseScript([]byte(stdout))
			if err != nil || code != c.code || stderr != "" {
				t.Fatalf("exit %d, %v\n%s%s", code, err, stdout, stderr)
			}
			for hop, want := range map[string]Status{HopIdentity: Skip, HopRights: Skip, HopList: c.listed, HopWatch: c.listed} {
				if got := report.Hop(hop); got.Status != want {
					t.Errorf("%s: %s %s, want %s", hop, got.Status, got.Detail, want)
				}
			}
			if got := report.Hop(HopRights).Detail; !strings.Contains(got, mayPost) || !strings.HasSuffix(got, "may list "+c.says+" is tried") {
				t.Errorf("rights: %s", got)
			}
			checkNoSecret(t, f, stdout)
		})
	}
}

// TestVerifyShQuotesAMessageToItsEnd: what an API server forbids stands behind names
// in quotes.
func TestVerifyShQuotesAMessageToItsEnd(t *testing.T) {
	t.Parallel()
	c := failing{server: over("/api/v1/namespaces", func(w http.ResponseWriter, _ *http.Request) {
		statusAnswer(w, 403, "Forbidden", `namespaces is forbidden: User "alice@example.com" cannot list resource "namespaces" in API group ""`)
	})}
	_, kubeconfig := c.start(t)
	stdout, _, _ := runScript(t, []string{"sh"}, nil, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json")
	report, err := ParseScript([]byte(stdout))
	if err != nil || report.Failed() == nil || !strings.Contains(report.Failed().Detail, "alice@example.com") || !strings.HasSuffix(report.Failed().Detail, "in API group ''") {
		t.Errorf("%v\n%s", err, stdout)
	}
}
