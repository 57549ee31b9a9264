package probe

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// authority is a toy CA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().AddDate(-5, 0, 0), NotAfter: time.Now().AddDate(5, 0, 0), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return authority{cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// leaf issues a server certificate; change may spoil the template.
func (a authority) leaf(t *testing.T, change func(*x509.Certificate)) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "proxy"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100*24*time.Hour + time.Minute),
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1")}, DNSNames: []string{"kubernetes.default.svc"},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if change != nil {
		change(template)
	}
	key := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// clientPair is a client certificate of the toy CA, as PEM.
func (f *fake) clientPair(t *testing.T) (certificate, key []byte) {
	t.Helper()
	pair := f.ca.leaf(t, nil)
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// fake is an API server as far as the probe sees one; over takes paths away from it.
type fake struct {
	*httptest.Server
	sync.Mutex
	t       *testing.T
	otherCA []byte
	ca      authority
	token   string
	user    string
	denied  map[string]bool // "list namespaces"
	over    map[string]http.HandlerFunc
	live    chan string   // events for the watch of configmaps
	hits    atomic.Int64  // requests that bore the token
	done    chan struct{} // closed at the end of the test: frees held handlers
}

func newFake(t *testing.T, change func(*fake), certify func(*x509.Certificate)) *fake {
	t.Helper()
	f := &fake{
		t: t, otherCA: newAuthority(t, "another CA").pem,
		ca: newAuthority(t, "causeway toy CA"), token: "secret-token-value", user: "system:serviceaccount:causeway-shop:causeway-client",
		denied: map[string]bool{}, over: map[string]http.HandlerFunc{}, live: make(chan string, 4), done: make(chan struct{}),
	}
	f.Server = httptest.NewUnstartedServer(f)
	f.EnableHTTP2 = true
	f.Config.ErrorLog = log.New(io.Discard, "", 0)
	f.TLS = &tls.Config{Certificates: []tls.Certificate{f.ca.leaf(t, certify)}}
	if change != nil {
		change(f)
	}
	f.StartTLS()
	t.Cleanup(func() { close(f.done); f.CloseClientConnections(); f.Close() })
	return f
}

// raw listens on loopback and gives each connection to serve.
func (f *fake) raw(serve func(net.Conn)) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return listener.Addr().String()
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Authorization"), f.token) {
		f.hits.Add(1)
	}
	for prefix, handler := range f.over {
		if strings.HasPrefix(r.URL.Path, prefix) {
			handler(w, r)
			return
		}
	}
	w.Header().Set("Audit-Id", "0")
	if r.URL.Path == "/version" {
		answerJSON(w, 200, `{"major":"1","minor":"36","gitVersion":"v1.36.3"}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+f.token && len(r.TLS.PeerCertificates) == 0 {
		statusAnswer(w, 401, "Unauthorized", "Unauthorized")
		return
	}
	f.serveAPI(w, r)
}

func (f *fake) serveAPI(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case strings.HasSuffix(path, "/selfsubjectreviews"):
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, new(map[string]any)) != nil {
			statusAnswer(w, 400, "BadRequest", "no JSON")
			return
		}
		answerJSON(w, 201, fmt.Sprintf(`{"kind":"SelfSubjectReview","apiVersion":"authentication.k8s.io/v1","status":{"userInfo":{"username":%q,"groups":["system:authenticated"]}}}`, f.user))
	case strings.HasSuffix(path, "/selfsubjectaccessreviews"):
		var review struct {
			Spec struct {
				ResourceAttributes struct{ Verb, Resource, Subresource string }
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&review)
		a := review.Spec.ResourceAttributes
		key := strings.TrimSuffix(a.Verb+" "+a.Resource+"/"+a.Subresource, "/")
		answerJSON(w, 201, fmt.Sprintf(`{"kind":"SelfSubjectAccessReview","apiVersion":"authorization.k8s.io/v1","status":{"allowed":%v}}`, !f.denied[key]))
	case r.URL.Query().Get("watch") == "true":
		f.watch(w, r)
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/configmaps"):
		f.live <- `{"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1"}}` + "\n"
		answerJSON(w, 201, `{"kind":"ConfigMap","apiVersion":"v1"}`)
	default:
		answerJSON(w, 200, `{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"default"}},{"metadata":{"name":"kube-system"}}]}`)
	}
}

// watch is quiet, but for configmaps, and ends after timeoutSeconds.
func (f *fake) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(200)
	w.(http.Flusher).Flush()
	for {
		select {
		case event := <-f.live:
			_, _ = io.WriteString(w, event)
			w.(http.Flusher).Flush()
		case <-f.ended(r):
			return
		}
	}
}

// ended is closed when the asked time is over, the client is gone, or the test is.
func (f *fake) ended(r *http.Request) <-chan struct{} {
	over := make(chan struct{})
	limit, _ := strconv.Atoi(r.URL.Query().Get("timeoutSeconds"))
	timer := time.NewTimer(time.Duration(limit) * time.Second)
	go func() {
		defer close(over)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		case <-f.done:
		}
	}()
	return over
}

// kubeconfig is the toy's, as client-go writes it; change may spoil it.
func (f *fake) kubeconfig(t *testing.T, change func(*clientcmdapi.Cluster, *clientcmdapi.AuthInfo)) []byte {
	t.Helper()
	cluster := &clientcmdapi.Cluster{Server: f.URL, CertificateAuthorityData: f.ca.pem}
	user := &clientcmdapi.AuthInfo{Token: f.token}
	if change != nil {
		change(cluster, user)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["shop-cluster"] = cluster
	config.AuthInfos["shop-user"] = user
	config.Contexts["causeway-shop"] = &clientcmdapi.Context{Cluster: "shop-cluster", AuthInfo: "shop-user", Namespace: "shop"}
	config.CurrentContext = "causeway-shop"
	data, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func answerJSON(w http.ResponseWriter, code int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, body)
}

func statusAnswer(w http.ResponseWriter, code int, reason, message string) {
	answerJSON(w, code, fmt.Sprintf(`{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":%q,"reason":%q,"code":%d}`, message, reason, code))
}

// page answers as nginx does: HTML with a title.
func page(code int, title string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, io.LimitReader(r.Body, 64<<10))
		w.Header().Set("Server", "nginx/1.22.1")
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(code)
		_, _ = fmt.Fprintf(w, "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n</body></html>\r\n", title, title)
	}
}

// jwt makes an unsigned token that ends at the given time.
func jwt(end time.Time) string {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	return part(`{"alg":"RS256"}`) + "." + part(fmt.Sprintf(`{"iss":"x","exp":%d,"sub":"me"}`, end.Unix())) + ".c2lnbmF0dXJl"
}
