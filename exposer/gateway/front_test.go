package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"

	"causeway/exposer"
	"causeway/exposer/conformance"
	"causeway/internal/gcptest"
	"causeway/internal/kubetest"
	"causeway/probe"
)

// publicly is a certificate for the gateway's front, and its root, as if a public CA
// had signed it.
func publicly(t testing.TB) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "public root"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// served is a world whose gateway really answers: Google's front end before the API
// server, with a certificate that this machine's roots vouch for.
func served(t *testing.T, w *conformance.World) (exposer.Job, *gcptest.GatewayFront) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(w.Server.CA)
	front, err := gcptest.NewGatewayFront(w.Google, w.Server.URL, &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	front.Token = kubetest.GoogleToken
	cert, root := publicly(t)
	server := httptest.NewUnstartedServer(front)
	server.EnableHTTP2, server.TLS = true, &tls.Config{Certificates: []tls.Certificate{cert}}
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	t.Cleanup(server.Close)
	w.Google.SetGatewayURL(server.URL)
	job := jobOf(t, w)
	if job.Command, err = os.Executable(); err != nil { // this binary answers as the plugin would
		t.Fatal(err)
	}
	job.Probe = probe.Options{Roots: root}
	return job, front
}

// runPod makes a Pod in the namespace default and a node whose kubelet runs its
// commands, and names the Pod.
func runPod(t *testing.T, w *conformance.World) string {
	t.Helper()
	kubelet := httptest.NewTLSServer(http.HandlerFunc(kubeletExec))
	t.Cleanup(kubelet.Close)
	client, err := dynamic.NewForConfig(w.Server.Config)
	if err != nil {
		t.Fatal(err)
	}
	name := "pod-" + w.Spec.Name
	create := func(resource, namespace string, o map[string]any, status map[string]any) {
		t.Helper()
		at := client.Resource(schema.GroupVersionResource{Version: "v1", Resource: resource}).Namespace(namespace)
		made, err := at.Create(t.Context(), &unstructured.Unstructured{Object: o}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			now := int64(0)
			if err := at.Delete(context.Background(), made.GetName(), metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
				t.Errorf("remove %s: %v", resource, err)
			}
		})
		if status == nil { // the cluster's controllers tell it
			return
		}
		made.Object["status"] = status
		if _, err := at.UpdateStatus(t.Context(), made, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	create("nodes", "", map[string]any{"apiVersion": "v1", "kind": "Node", "metadata": map[string]any{"name": name}},
		map[string]any{"addresses": []any{map[string]any{"type": "InternalIP", "address": "127.0.0.1"}},
			"daemonEndpoints": map[string]any{"kubeletEndpoint": map[string]any{"Port": int64(kubelet.Listener.Addr().(*net.TCPAddr).Port)}}})
	create("pods", "default", map[string]any{"apiVersion": "v1", "kind": "Pod",
		// A Pod that nobody owns would be run to its end by controllers of other tests.
		"metadata": map[string]any{"name": name, "ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "name": "web", "uid": "0", "controller": true}}},
		"spec":     map[string]any{"nodeName": name, "containers": []any{map[string]any{"name": "web", "image": "web"}}, "automountServiceAccountToken": false}}, nil)
	return name
}

// kubeletExec is the smallest kubelet: every command says hello and ends well.
func kubeletExec(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream, 8)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, replied <-chan struct{}) error {
		go func() { <-replied; streams <- stream }()
		return nil
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	byType, deadline := map[string]httpstream.Stream{}, time.After(20*time.Second)
	for len(byType) < 3 { // error, stdout, stderr
		select {
		case stream := <-streams:
			byType[stream.Headers().Get("streamType")] = stream
		case <-conn.CloseChan():
			return
		case <-deadline:
			return
		}
	}
	_, _ = byType["stdout"].Write([]byte("hello\n"))
	_ = byType["stdout"].Close()
	_ = byType["stderr"].Close()
	_, _ = byType["error"].Write([]byte(`{"metadata":{},"status":"Success"}`))
	_ = byType["error"].Close()
	select { // the client closes when it has read everything
	case <-conn.CloseChan():
	case <-deadline:
	}
}
