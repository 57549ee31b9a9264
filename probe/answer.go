package probe

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxAnswer bounds what is read of an answer: a list of 500 objects' metadata is
// below 1 MiB; more is not ours to hold.
const maxAnswer = 16 << 20

// answer is one HTTP answer, read whole.
type answer struct {
	code   int
	proto  string
	header http.Header
	body   []byte
}

func readAnswer(response *http.Response) (answer, error) {
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	got := answer{response.StatusCode, response.Proto, response.Header, body}
	if err != nil {
		return got, fmt.Errorf("read answer: %w", err)
	}
	return got, nil
}

func (a answer) ok() bool { return a.code >= 200 && a.code < 300 }

// status decodes the Kubernetes Status that an API server puts into each refusal.
func (a answer) status() (metav1.Status, bool) {
	var status metav1.Status
	err := json.Unmarshal(a.body, &status)
	return status, err == nil && status.Kind == "Status"
}

// fromKube tells whether kube-apiserver itself spoke: its objects are JSON with a
// kind, /version has gitVersion, and each of its answers bears an Audit-Id.
func (a answer) fromKube() bool {
	var any struct{ Kind, APIVersion, GitVersion string }
	if json.Unmarshal(a.body, &any) == nil && (any.GitVersion != "" || any.Kind != "" && any.APIVersion != "") {
		return true
	}
	return a.header.Get("Audit-Id") != ""
}

// who describes a foreign answer: status, the Server header and the page's title.
func (a answer) who() string {
	text := fmt.Sprintf("%d %s", a.code, http.StatusText(a.code))
	if server := a.header.Get("Server"); server != "" {
		text += " from " + clip(server, 60)
	}
	if title := htmlTitle(a.body); title != "" {
		text += fmt.Sprintf(", a page titled %q", title)
	} else if line := firstLine(a.body); line != "" {
		text += fmt.Sprintf(", %q", line)
	}
	if to := a.header.Get("Location"); to != "" {
		text += ", redirects to " + clip(to, 120)
	}
	return text
}

// message is the API server's own words, or a description of who answered.
func (a answer) message() string {
	if status, ok := a.status(); ok && status.Message != "" {
		return fmt.Sprintf("%d: %s", a.code, clip(status.Message, 300))
	}
	return a.who()
}

// refusal turns an answer that is not 2xx, or not kube-apiserver's, into a result.
// other is the code for what has none of its own.
func (s *session) refusal(a answer, other string) Result {
	return s.byFront(a, s.refused(a, other))
}

func (s *session) refused(a answer, other string) Result {
	status, isStatus := a.status()
	body := string(a.body)
	switch {
	case a.code == http.StatusBadRequest && strings.Contains(body, "SSL certificate"):
		// nginx with ssl_verify_client: "No required SSL certificate was sent",
		// "The SSL certificate error".
		return fail("CW-PROBE-CLIENT-CERT", nil, "the proxy demands a client certificate: %s", a.who())
	case a.code == http.StatusRequestEntityTooLarge:
		return fail("CW-PROBE-BODY-LIMIT", nil, "the body was refused: %s", a.message())
	case (a.code == 400 || a.code == 426) && strings.Contains(strings.ToLower(body), "upgrade"):
		return fail("CW-PROBE-UPGRADE", nil, "the upgrade did not arrive: %s", a.message())
	case a.code == http.StatusUnauthorized || a.code == http.StatusForbidden:
		return s.denied(a, status, isStatus)
	case a.code >= 500 && !a.fromKube():
		return fail("CW-PROBE-UPSTREAM", nil, "the proxy has no answer from the API server, or trouble of its own: %s", a.who())
	case !a.fromKube():
		return fail("CW-PROBE-NOT-KUBE", nil, "not kube-apiserver: %s", a.who())
	}
	return fail(other, nil, "%s", a.message())
}

// denied tells the refusals of a caller apart: at a DNS endpoint Google's front ends
// may refuse before the API server does.
func (s *session) denied(a answer, status metav1.Status, isStatus bool) Result {
	switch front := strings.HasSuffix(s.server.Hostname(), dnsEndpoints); {
	case front && strings.Contains(string(a.body), "container.clusters.connect"):
		return fail("CW-DNS-CONNECT", nil, "IAM does not let this identity connect: %s", a.message())
	case front && a.code == http.StatusUnauthorized && s.goodAccount():
		return fail("CW-DNS-TOKENS", nil, "%s: the DNS endpoint did not take the ServiceAccount's token", a.message())
	case front && a.code == http.StatusForbidden && !a.fromKube():
		return fail("CW-KUBE-DNS-ENDPOINT", nil, "the DNS endpoint refuses: %s", a.message())
	case front && a.code == http.StatusUnauthorized && !a.fromKube() && !s.account():
		return fail("CW-GCP-CREDENTIALS", nil, "the DNS endpoint does not take the token: %s", cmp.Or(a.google(), a.message()))
	case a.code == http.StatusUnauthorized && (front || a.fromKube()):
		return s.unauthorized(a)
	case a.code == http.StatusForbidden && isStatus && strings.Contains(status.Message, `"system:anonymous"`):
		return fail("CW-PROBE-ANONYMOUS", nil, "the API server takes the caller for system:anonymous: %s", a.message())
	case a.code == http.StatusForbidden && a.fromKube():
		return fail("CW-PROBE-FORBIDDEN", nil, "%s", a.message())
	}
	return fail("CW-PROBE-NOT-KUBE", nil, "not kube-apiserver: %s", a.who())
}

// dnsEndpoints is what the names of GKE's DNS endpoints end in.
const dnsEndpoints = ".gke.goog"

// goodAccount reports whether a ServiceAccount's token was sent that has not ended by
// its own words.
func (s *session) goodAccount() bool {
	s.tokenEnd.Lock()
	defer s.tokenEnd.Unlock()
	return s.tokenEnd.account && (s.tokenEnd.end.IsZero() || s.tokenEnd.end.After(s.options.Now()))
}

// account reports whether a ServiceAccount's token was sent.
func (s *session) account() bool {
	s.tokenEnd.Lock()
	defer s.tokenEnd.Unlock()
	return s.tokenEnd.account
}

// unauthorized tells a token that has ended from one that was never good.
func (s *session) unauthorized(a answer) Result {
	s.tokenEnd.Lock()
	defer s.tokenEnd.Unlock()
	switch now := s.options.Now(); {
	case !s.tokenEnd.sent:
		return fail("CW-PROBE-UNAUTHORIZED", nil, "%s (the kubeconfig sent no token)", a.message())
	case !s.tokenEnd.end.IsZero() && s.tokenEnd.end.Before(now):
		return fail("CW-PROBE-TOKEN-EXPIRED", nil, "%s: the token ended at %s, %s ago", a.message(), stamp(s.tokenEnd.end), roughly(now.Sub(s.tokenEnd.end)))
	case s.tokenEnd.end.IsZero():
		return fail("CW-PROBE-UNAUTHORIZED", nil, "%s: the token is wrong, revoked or has ended", a.message())
	}
	return fail("CW-PROBE-UNAUTHORIZED", nil, "%s: the token is good until %s by its own words, so it is wrong, revoked, or another cluster's", a.message(), stamp(s.tokenEnd.end))
}

func htmlTitle(body []byte) string {
	lower := strings.ToLower(string(body))
	start := strings.Index(lower, "<title>")
	end := strings.Index(lower, "</title>")
	if start < 0 || end < start || len(lower) != len(body) {
		return ""
	}
	return clip(strings.TrimSpace(string(body)[start+len("<title>"):end]), 80)
}

func firstLine(body []byte) string {
	line, _, _ := strings.Cut(strings.TrimSpace(string(body)), "\n")
	return clip(strings.TrimSpace(line), 120)
}

// clip makes foreign text safe for one line of a terminal.
func clip(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' || (r >= 0x80 && r < 0xa0) {
			return ' '
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}
