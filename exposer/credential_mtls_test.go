package exposer

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"causeway/certs"
	"causeway/internal/kube"
)

// lived is a ServiceAccount's token that was issued and ends at these moments.
func lived(issued, ends time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":"system:serviceaccount:causeway-prod:causeway-client","iat":%d,"exp":%d}`, issued.Unix(), ends.Unix())
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(claims)) + ".c2ln"
}

// gate is nginx with mtls before an API server that renews tokens: who brings no
// client certificate does not get as far.
func gate(t *testing.T, clients []byte, renewed string) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !strings.HasSuffix(r.URL.Path, "/serviceaccounts/causeway-client/token") {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "status": map[string]any{"token": renewed}})
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of those that are turned away
	if clients != nil {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(clients)
		server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots}
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// renewalAt is what cmd makes of a kubeconfig's plugin entry, for a server.
func renewalAt(t *testing.T, server *httptest.Server, env map[string]string, now time.Time) Renewal {
	t.Helper()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	info, err := json.Marshal(map[string]any{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "spec": map[string]any{
		"cluster": map[string]any{"server": server.URL, "certificate-authority-data": ca}}})
	if err != nil {
		t.Fatal(err)
	}
	return Renewal{ExecInfo: string(info), First: env[TokenVariable], Cert: env[ClientCertVariable], Key: env[ClientKeyVariable],
		Namespace: "causeway-prod", Account: ClientAccount, TTL: time.Hour, Dir: t.TempDir(), Now: func() time.Time { return now },
		Connect: func(b kube.Bearer) (*kube.Client, error) { return kube.FromBearer(b, kube.Env{}) }}
}

// token runs the plugin.
func (r Renewal) token(t *testing.T) (token string, again time.Time) {
	t.Helper()
	text, err := r.Credential(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var answer struct {
		Status struct {
			Token               string
			ExpirationTimestamp time.Time
		}
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Status.Token, answer.Status.ExpirationTimestamp
}

// TestARenewalBringsTheClientsCertificate: with mtls nginx lets nobody else in, and
// clients tell their plugins of the cluster alone.
func TestARenewalBringsTheClientsCertificate(t *testing.T) {
	t.Parallel()
	now := time.Now()
	env := certs.Env{Now: time.Now, Rand: rand.Reader}
	ca, err := certs.NewAuthority(env, certs.Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	pair, err := ca.IssueClient(certs.ClientRequest{CommonName: ClientAccount})
	if err != nil {
		t.Fatal(err)
	}
	first, renewed := lived(now.Add(-50*time.Minute), now.Add(10*time.Minute)), lived(now, now.Add(time.Hour))
	server := gate(t, ca.Trust(), renewed)
	spec := Spec{Namespace: "causeway-prod", Access: Access{Token: TokenRenewing, TokenTTL: "1h"}}
	plugin := renewer("causeway", spec, Credential{Token: first}, Endpoint{ClientCert: pair.CertPEM, ClientKey: pair.KeyPEM})
	if token, _ := renewalAt(t, server, plugin.Env, now).token(t); token != renewed {
		t.Error("the token was not renewed")
	}
	plain := renewer("causeway", spec, Credential{Token: first}, Endpoint{})
	if len(plain.Env) != 1 {
		t.Errorf("without mtls the plugin gets %d variables", len(plain.Env))
	}
	if token, _ := renewalAt(t, server, plain.Env, now).token(t); token != first {
		t.Error("the gate lets in who has no certificate: this test shows nothing")
	}
	broken := renewalAt(t, server, plugin.Env, now.Add(time.Hour))
	broken.Key = "not base64!"
	if _, err := broken.Credential(t.Context()); err == nil || !strings.Contains(err.Error(), ClientKeyVariable) {
		t.Errorf("a variable that somebody broke: %v", err)
	}
}

// TestAClockThatIsAheadEndsNoToken: whether a token is good is the cluster's to say.
func TestAClockThatIsAheadEndsNoToken(t *testing.T) {
	t.Parallel()
	now := time.Now()
	first, renewed := lived(now.Add(-time.Minute), now.Add(59*time.Minute)), lived(now, now.Add(time.Hour))
	server := gate(t, nil, renewed)
	wrong := now.Add(8 * time.Hour) // a clock that takes local time for UTC
	token, again := renewalAt(t, server, map[string]string{TokenVariable: first}, wrong).token(t)
	if token != renewed {
		t.Error("the token was not renewed, though the cluster takes it")
	}
	if !again.After(wrong) {
		t.Errorf("clients are told to call again at %s, which is past for them: they would with each request", again)
	}
}
