package kubeconfig

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// selfSigned makes a certificate and its key, PEM.
func selfSigned(t testing.TB, name string) (certPEM, keyPEM []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: noon, NotAfter: noon.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// jwt makes a token with these claims; nobody checks its signature.
func jwt(claims string) string {
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256"}`)) + "." + encode([]byte(claims)) + "." + encode([]byte("signature"))
}

const accountClaims = `{"aud":["https://kubernetes.default.svc"],"exp":1795305600,"iat":1795262400,"sub":"system:serviceaccount:causeway-prod:causeway-client"}`

func build(t testing.TB, params Params) []byte {
	t.Helper()
	text, err := Build(params)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// ours is a kubeconfig as apply makes it.
func ours(t testing.TB) []byte {
	t.Helper()
	return build(t, Params{Context: "causeway-prod", Server: "https://10.0.0.5", Token: jwt(accountClaims), Namespace: "apps"})
}

func want(t *testing.T, err error, code string, texts ...string) {
	t.Helper()
	var known *Error
	if !errors.As(err, &known) {
		t.Fatalf("error is %v, want one with code %s", err, code)
	}
	if known.Code() != code {
		t.Errorf("code is %s, want %s: %v", known.Code(), code, err)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error lacks %q: %v", text, err)
		}
	}
}

// kubectl runs the real one on a kubeconfig.
func kubectl(t testing.TB, config []byte, args ...string) string {
	t.Helper()
	path := t.TempDir() + "/config"
	if err := os.WriteFile(path, config, 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("kubectl")
	if err != nil {
		t.Fatal("kubectl is not installed: `make tools` builds it")
	}
	command := exec.CommandContext(t.Context(), program, append([]string{"--kubeconfig", path}, args...)...)
	command.Env = append(os.Environ(), "HOME="+t.TempDir(), "KUBECONFIG=")
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s\nfor\n%s", strings.Join(args, " "), err, stderr.String(), config)
	}
	return string(out)
}
