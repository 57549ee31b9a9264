package templates_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"causeway/internal/kubetest"
	"causeway/internal/nginxtest"
	"causeway/templates"
)

// cluster is one real API server for all tests here, with an audit log.
type cluster struct {
	*kubetest.Server
	audit string // path of the log
}

// clusters starts it when the first test asks, and stops it after the last.
var clusters = struct {
	sync.Mutex
	started *cluster
}{}

func TestMain(m *testing.M) {
	code := m.Run()
	if c := clusters.started; c != nil {
		if err := errors.Join(c.Stop(), os.RemoveAll(filepath.Dir(c.audit))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func kubernetes(t *testing.T) *cluster {
	t.Helper()
	clusters.Lock()
	defer clusters.Unlock()
	if clusters.started != nil {
		return clusters.started
	}
	dir, err := os.MkdirTemp("", "causeway-templates-")
	if err != nil {
		t.Fatal(err)
	}
	policy, log := filepath.Join(dir, "policy.yaml"), filepath.Join(dir, "audit.log")
	if err := os.WriteFile(policy, []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, omitStages: [RequestReceived]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	server, err := kubetest.StartServer(t.Context(), kubetest.Options{ExtraArgs: []string{
		"--audit-policy-file=" + policy, "--audit-log-path=" + log, "--audit-log-mode=blocking",
	}})
	if err != nil {
		t.Fatal(err)
	}
	clusters.started = &cluster{Server: server, audit: log}
	return clusters.started
}

// through starts nginx in front of it.
func (c *cluster) through(t *testing.T, binary nginxtest.Binary, mode string) *bed {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.CA)
	return start(t, binary, values(binary, mode, c.AddrPort(), c.CA), &tls.Config{RootCAs: pool, ServerName: "kubernetes.default.svc"})
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// send is one request with a body and its answer.
func send(t *testing.T, client *http.Client, token, method, url, contentType string, body []byte) (int, []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	bearer(token)(request)
	request.Header.Set("Content-Type", contentType)
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, answer
}

// onEachWay runs a test through both modes and all HTTP versions of each release.
func onEachWay(t *testing.T, test func(t *testing.T, b *bed, client *http.Client)) {
	c := kubernetes(t)
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for _, mode := range []string{templates.Terminate, templates.Passthrough} {
			b := c.through(t, binary, mode)
			for version, client := range b.clients(t) {
				t.Run(mode+" "+version, func(t *testing.T) { test(t, b, client) })
			}
		}
	})
}

func TestRealWatchesAreQuietAndPrompt(t *testing.T) {
	c := kubernetes(t)
	onEachWay(t, func(t *testing.T, b *bed, client *http.Client) {
		namespace := c.Namespace(t)
		url := b.url + "/api/v1/namespaces/" + namespace + "/secrets"
		began := time.Now()
		watch := get(t, client, url+"?watch=1&timeoutSeconds=60", bearer(kubetest.GoogleToken))
		if took := time.Since(began); watch.StatusCode != http.StatusOK || took > soon {
			t.Fatalf("status %d after %s", watch.StatusCode, took)
		}
		secret := fmt.Appendf(nil, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"told"}}`)
		if status, answer := send(t, client, kubetest.GoogleToken, "POST", url, "application/json", secret); status != http.StatusCreated {
			t.Fatalf("create: %d: %s", status, answer)
		}
		began = time.Now()
		line, err := bufio.NewReader(watch.Body).ReadString('\n')
		if took := time.Since(began); err != nil || !strings.Contains(line, `"told"`) || took > soon {
			t.Errorf("event %.80q after %s: %v", line, took, err)
		}
	})
}

func TestTheBodyLimitIsTheAPIServersOwn(t *testing.T) {
	onEachWay(t, func(t *testing.T, b *bed, client *http.Client) {
		url := b.url + "/api/v1/namespaces/default/configmaps?dryRun=All"
		body := func(size int) []byte {
			return fmt.Appendf(nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"large"},"binaryData":{"a":%q}}`, strings.Repeat("eHh4", size/4))
		}
		// A ConfigMap's own limit is 1 MiB of content: to hear of it the body must have arrived whole.
		if status, answer := send(t, client, kubetest.GoogleToken, "POST", url, "application/json", body(2_500_000)); status != http.StatusUnprocessableEntity || !strings.Contains(string(answer), "Too long") {
			t.Errorf("2.5 MB: %d: %.200s", status, answer)
		}
		if status, answer := send(t, client, kubetest.GoogleToken, "POST", url, "application/json", body(4_000_000)); status != http.StatusRequestEntityTooLarge || !strings.Contains(string(answer), "limit is 3145728") {
			t.Errorf("4 MB: %d: %.200s", status, answer)
		}
	})
}

func TestWithoutATokenNobodyIsLetIn(t *testing.T) {
	onEachWay(t, func(t *testing.T, b *bed, client *http.Client) {
		for name, test := range map[string]struct {
			token string
			want  int
		}{
			"a wrong token": {"wrong", http.StatusUnauthorized}, "a token without rights": {kubetest.PlainToken, http.StatusForbidden},
			"an admin's": {kubetest.GoogleToken, http.StatusOK},
		} {
			if got := get(t, client, b.url+"/api/v1/namespaces/kube-system/secrets", bearer(test.token)).StatusCode; got != test.want {
				t.Errorf("%s: status %d, want %d", name, got, test.want)
			}
		}
	})
}

func TestPassthroughCarriesAClientCertificateToTheRealAPIServer(t *testing.T) {
	c := kubernetes(t)
	cert, key, err := c.ClientCert("jane", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	identity, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		b := c.through(t, binary, templates.Passthrough)
		b.client.Certificates = []tls.Certificate{identity}
		review := []byte(`{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}`)
		response, err := b.http2(t).Post(b.url+"/apis/authentication.k8s.io/v1/selfsubjectreviews", "application/json", bytes.NewReader(review))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if answer := text(t, response); !strings.Contains(answer, `"username":"jane"`) {
			t.Errorf("%s: %s", response.Status, answer)
		}
	})
}

// auditEvent is the part of an event that tells who was where.
type auditEvent struct {
	AuditID   string   `json:"auditID"`
	SourceIPs []string `json:"sourceIPs"`
}

func TestTheAuditLogHasTheClientsAddressAndCannotBeLiedTo(t *testing.T) {
	c := kubernetes(t)
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		b := c.through(t, binary, templates.Terminate)
		for version, client := range b.clients(t) {
			response := get(t, client, b.url+"/api/v1/namespaces/default", bearer(kubetest.GoogleToken), func(r *http.Request) {
				r.Header.Set("X-Forwarded-For", "10.9.9.9")
				r.Header.Set("X-Real-Ip", "10.9.9.9")
			})
			id := response.Header.Get("Audit-Id")
			if id == "" {
				t.Fatalf("%s: %s without an Audit-Id", version, response.Status)
			}
			var event auditEvent
			eventually(t, "the request in the audit log", func() bool { event = c.audited(t, id); return event.AuditID != "" })
			for _, ip := range event.SourceIPs {
				if ip != "127.0.0.1" {
					t.Errorf("%s: the audit log's source addresses are %v", version, event.SourceIPs)
				}
			}
			if len(event.SourceIPs) == 0 {
				t.Errorf("%s: the audit log has no source address", version)
			}
			eventually(t, "the same id in nginx's log", func() bool { return strings.Contains(b.AccessLog(), id) })
		}
	})
}

func (c *cluster) audited(t *testing.T, id string) auditEvent {
	t.Helper()
	content, err := os.ReadFile(c.audit)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(content) {
		var event auditEvent
		if err := json.Unmarshal(line, &event); err == nil && event.AuditID == id {
			return event
		}
	}
	return auditEvent{}
}

func TestReadinessAsksTheRealAPIServer(t *testing.T) {
	c := kubernetes(t)
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for _, mode := range []string{templates.Terminate, templates.Passthrough} {
			b := c.through(t, binary, mode)
			if got := get(t, http.DefaultClient, "http://"+b.Health.String()+"/readyz").StatusCode; got != http.StatusOK {
				t.Errorf("%s: /readyz answers %d", mode, got)
			}
		}
	})
}
