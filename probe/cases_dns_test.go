package probe

import (
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const dnsName = "gke-5f0c2d7e-123456789012.europe-west3.gke.goog"

// accountJWT is a ServiceAccount's token by its own words.
func accountJWT(ends time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode(fmt.Appendf(nil, `{"exp":%d,"sub":"system:serviceaccount:causeway-prod:causeway-client"}`, ends.Unix())) + "." + encode([]byte("signature"))
}

// front is a DNS endpoint whose front end answers every request by itself. A proxy
// finds the name, which no resolver of a test knows.
func front(token string, code int, body string) failing {
	return failing{
		server: func(_ *testing.T, f *fake) {
			f.token = token
			f.over["/"] = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Server", "ESF")
				answerJSON(w, code, body)
			}
		},
		certify: func(c *x509.Certificate) { c.DNSNames = []string{dnsName} },
		kubeconfig: func(f *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
			c.Server, c.ProxyURL = "https://"+dnsName, "http://"+connectProxy(f)
		},
	}
}

func (c failing) at(hop, code, says string) failing {
	c.hop, c.code, c.says = hop, code, says
	return c
}

// dnsCases are how a cluster's DNS endpoint refuses. Where its front ends answer
// without a Kubernetes Status, that they are no API server shows at the hop http.
func dnsCases() map[string]failing {
	hour := time.Now().Add(time.Hour + time.Minute)
	const status = `{"kind":"Status","apiVersion":"v1","status":"Failure","message":"Unauthorized","reason":"Unauthorized","code":401}`
	return map[string]failing{
		"a DNS endpoint that takes no ServiceAccount tokens": front(accountJWT(hour), 401, status).
			at(HopIdentity, "CW-DNS-TOKENS", "did not take the ServiceAccount's token"),
		"the same, in words that are not Kubernetes'": front(accountJWT(hour), 401, `{"error":{"code":401,"status":"UNAUTHENTICATED"}}`).
			at(HopHTTP, "CW-DNS-TOKENS", "did not take the ServiceAccount's token"),
		"a ServiceAccount's token that has ended, at a DNS endpoint": front(accountJWT(time.Now().Add(-time.Hour)), 401, status).
			at(HopIdentity, "CW-PROBE-TOKEN-EXPIRED", "ago"),
		"a Google token that is not good": front("ya29.secret-token-value", 401, status).
			at(HopIdentity, "CW-PROBE-UNAUTHORIZED", "the token is wrong, revoked or has ended"),
		"the same, in Google's words": front("ya29.secret-token-value", 401, `{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}`).
			at(HopHTTP, "CW-GCP-CREDENTIALS", "Request had invalid authentication credentials"),
		"a ServiceAccount's token that has ended, in Google's words": front(accountJWT(time.Now().Add(-time.Hour)), 401, `{"error":{"code":401,"status":"UNAUTHENTICATED"}}`).
			at(HopHTTP, "CW-PROBE-TOKEN-EXPIRED", "ago"),
		"an identity without container.clusters.connect": front("ya29.secret-token-value", 403,
			`{"error":{"code":403,"message":"Permission 'container.clusters.connect' denied on resource","status":"PERMISSION_DENIED"}}`).
			at(HopHTTP, "CW-DNS-CONNECT", "IAM does not let this identity connect"),
		"a DNS endpoint that lets nobody in": front("ya29.secret-token-value", 403, `{"error":{"code":403,"message":"Forbidden"}}`).
			at(HopHTTP, "CW-KUBE-DNS-ENDPOINT", "the DNS endpoint refuses"),
		"a proxy that opens TLS, where the kubeconfig has no CA": {
			kubeconfig: func(_ *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.CertificateAuthorityData = nil },
			hop:        HopTLS, code: "CW-PROBE-TLS-INSPECTED", says: "signed by CN=causeway toy CA, which is no public CA that this machine trusts",
		},
		"the cluster's CA pinned to a public certificate": {
			kubeconfig: func(f *fake, c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) {
				c.CertificateAuthorityData = f.otherCA
			},
			options: func(f *fake, o *Options) { o.Roots = f.ca.pem },
			hop:     HopTLS, code: "CW-PROBE-TLS-PINNED", says: "and the kubeconfig pins another CA", goOnly: "needs public roots of its own",
		},
	}
}

// publicly is a working server whose certificate the machine's roots vouch for, with
// a kubeconfig that has this CA, or none.
func publicly(t *testing.T, pinned func(*fake) []byte) (*fake, []byte) {
	t.Helper()
	f, _ := failing{}.start(t)
	return f, f.kubeconfig(t, func(c *clientcmdapi.Cluster, _ *clientcmdapi.AuthInfo) { c.CertificateAuthorityData = pinned(f) })
}

func TestAPublicCertificateNeedsNoCA(t *testing.T) {
	t.Parallel()
	f, kubeconfig := publicly(t, func(*fake) []byte { return nil })
	report, err := Run(t.Context(), Target{Kubeconfig: kubeconfig}, Options{Roots: f.ca.pem}, nil)
	if err != nil {
		t.Fatalf("%v\n%s", err, table(report))
	}
	roots := writeFile(t, "roots.pem", f.ca.pem)
	stdout, stderr, code := runScript(t, []string{"sh"}, []string{"SSL_CERT_FILE=" + roots}, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json")
	if code != 0 {
		t.Errorf("verify.sh: exit %d\n%s%s", code, stdout, stderr)
	}
}

func TestVerifyShTellsAPinnedCA(t *testing.T) {
	t.Parallel()
	f, kubeconfig := publicly(t, func(f *fake) []byte { return f.otherCA })
	roots := writeFile(t, "roots.pem", f.ca.pem)
	stdout, _, code := runScript(t, []string{"sh"}, []string{"SSL_CERT_FILE=" + roots}, "--kubeconfig", writeFile(t, "kubeconfig", kubeconfig), "-o", "json")
	report, err := ParseScript([]byte(stdout))
	if failed := report.Failed(); err != nil || code != 5 || failed == nil || failed.Code != "CW-PROBE-TLS-PINNED" || !strings.Contains(failed.Detail, "pins another CA") {
		t.Errorf("exit %d, %v\n%s", code, err, stdout)
	}
}
