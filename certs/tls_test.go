package certs

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func pool(t testing.TB, caPEM []byte) *x509.CertPool {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(caPEM) {
		t.Fatal("no certificate in the bundle")
	}
	return roots
}

func keyPair(t testing.TB, pair Pair) tls.Certificate {
	t.Helper()
	cert, err := tls.X509KeyPair(pair.CertPEM, pair.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// serve runs a TLS server in Go on a free port, that answers each client with who it
// is and the TLS version; clientCA is nil where no client certificate is demanded.
func serve(t testing.TB, pair Pair, clientCA []byte) (port string) {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{keyPair(t, pair)}, MinVersion: tls.VersionTLS12}
	if clientCA != nil {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, pool(t, clientCA)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go greet(conn.(*tls.Conn))
		}
	}()
	_, port, err = net.SplitHostPort(listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func greet(conn *tls.Conn) {
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	if conn.Handshake() != nil {
		return
	}
	state := conn.ConnectionState()
	client := "nobody"
	if len(state.PeerCertificates) > 0 {
		client = state.PeerCertificates[0].Subject.CommonName
	}
	fmt.Fprintf(conn, "hello %s by %s\n", client, tls.VersionName(state.Version))
}

func TestOpenSSLVerifies(t *testing.T) {
	old := newCA(t, Env{})
	rotation, err := Rotate(Env{}, old, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	server, crossed, client := newServer(t, old), newServer(t, rotation.New), newClient(t, old)
	stored, _ := rotation.New.PEM()
	file := files(t, map[string][]byte{
		"old.pem": old.Trust(), "new.pem": rotation.New.Trust(), "both.pem": rotation.Bundle, "stored.pem": stored,
		"server.pem": server.CertPEM, "crossed.pem": crossed.CertPEM, "client.pem": client.CertPEM,
	})
	for name, args := range map[string][]string{
		"a server's certificate, by address": {"-CAfile", file("old.pem"), "-purpose", "sslserver", "-verify_ip", "10.0.0.5", file("server.pem")},
		"by IPv6 address":                    {"-CAfile", file("old.pem"), "-purpose", "sslserver", "-verify_ip", "fd00::5", file("server.pem")},
		"by name":                            {"-CAfile", file("old.pem"), "-purpose", "sslserver", "-verify_hostname", "api.corp.example", file("server.pem")},
		"a client's certificate":             {"-CAfile", file("old.pem"), "-purpose", "sslclient", file("client.pem")},
		"rotated, a client with the old CA":  {"-CAfile", file("old.pem"), "-untrusted", file("crossed.pem"), "-purpose", "sslserver", file("crossed.pem")},
		"rotated, a client with the new CA":  {"-CAfile", file("new.pem"), "-untrusted", file("crossed.pem"), "-purpose", "sslserver", file("crossed.pem")},
		"rotated, a client with both":        {"-CAfile", file("both.pem"), "-untrusted", file("crossed.pem"), "-purpose", "sslserver", file("crossed.pem")},
		"rotated, with the stored file":      {"-CAfile", file("stored.pem"), "-untrusted", file("crossed.pem"), "-purpose", "sslserver", file("crossed.pem")},
		"not yet rotated, with both":         {"-CAfile", file("both.pem"), "-purpose", "sslserver", file("server.pem")},
	} {
		t.Run(name, func(t *testing.T) {
			openssl(t, append([]string{"verify", "-x509_strict", "-no-CApath", "-no-CAstore"}, args...)...)
		})
	}
	for name, args := range map[string][]string{
		"another CA":                 {"-CAfile", file("new.pem"), file("server.pem")},
		"another address":            {"-CAfile", file("old.pem"), "-verify_ip", "10.0.0.6", file("server.pem")},
		"a client's for a server":    {"-CAfile", file("old.pem"), "-purpose", "sslserver", file("client.pem")},
		"a server's for a client":    {"-CAfile", file("old.pem"), "-purpose", "sslclient", file("server.pem")},
		"a client's to sign a third": {"-CAfile", file("old.pem"), "-purpose", "any", "-untrusted", file("client.pem"), file("crossed.pem")},
	} {
		t.Run("refuses "+name, func(t *testing.T) {
			if out, err := tool(t, "openssl", append([]string{"verify", "-x509_strict", "-no-CApath", "-no-CAstore"}, args...)...); err == nil {
				t.Errorf("openssl accepts it:\n%s", out)
			}
		})
	}
}

// TestOwnCertificatesOfOpenSSL loads what a user makes with openssl's commands: every
// key form, and the encrypted ones, refused by name.
func TestOwnCertificatesOfOpenSSL(t *testing.T) {
	file := files(t, nil)
	for name, gen := range map[string][]string{
		"rsa":     {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"},
		"ec":      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:named_curve"},
		"ed25519": {"-algorithm", "ED25519"},
	} {
		t.Run(name, func(t *testing.T) {
			key, cert, enc, old := file(name+".key"), file(name+".pem"), file(name+".enc"), file(name+".old")
			openssl(t, append([]string{"genpkey", "-out", key}, gen...)...)
			openssl(t, "req", "-x509", "-new", "-key", key, "-out", cert, "-days", "30", "-subj", "/CN=own "+name)
			ca, err := LoadAuthority(Env{}, read(t, cert), read(t, key))
			if err != nil {
				t.Fatal(err)
			}
			pair := newServer(t, ca)
			leaf := files(t, map[string][]byte{"leaf.pem": pair.CertPEM})
			openssl(t, "verify", "-CAfile", cert, "-purpose", "sslserver", "-verify_ip", "10.0.0.5", leaf("leaf.pem"))

			openssl(t, "pkey", "-in", key, "-aes256", "-passout", "env:P12PASS", "-out", enc)
			_, err = LoadAuthority(Env{}, read(t, cert), read(t, enc))
			want(t, err, []string{"CW-TLS-KEY-ENCRYPTED"}, "PKCS#8, ENCRYPTED PRIVATE KEY")
			if name == "ed25519" {
				return // it has no older form
			}
			openssl(t, "pkey", "-in", key, "-traditional", "-out", old)
			if _, err = LoadAuthority(Env{}, read(t, cert), read(t, old)); err != nil {
				t.Errorf("the traditional form: %v", err)
			}
			openssl(t, "pkey", "-in", key, "-traditional", "-aes256", "-passout", "env:P12PASS", "-out", old)
			_, err = LoadAuthority(Env{}, read(t, cert), read(t, old))
			want(t, err, []string{"CW-TLS-KEY-ENCRYPTED"}, "Proc-Type 4,ENCRYPTED")
		})
	}
}

// TestOpenSSLClient: openssl s_client against a Go server, with and without a
// client's certificate, over TLS 1.2 and 1.3.
func TestOpenSSLClient(t *testing.T) {
	ca, other := newCA(t, Env{}), newCA(t, Env{})
	client, stranger := newClient(t, ca), newClient(t, other)
	plain, mutual := serve(t, newServer(t, ca), nil), serve(t, newServer(t, ca), ca.Trust())
	file := files(t, map[string][]byte{
		"ca.pem": ca.Trust(), "other.pem": other.Trust(), "client.pem": client.CertPEM, "client.key": client.KeyPEM,
		"stranger.pem": stranger.CertPEM, "stranger.key": stranger.KeyPEM, "server.pem": newServer(t, ca).CertPEM, "server.key": newServer(t, ca).KeyPEM,
	})
	cert := func(name string) []string {
		return []string{"-cert", file(name + ".pem"), "-key", file(name + ".key")}
	}
	for name, test := range map[string]struct {
		port, ca string
		args     []string
		answer   string // "" is a refusal
	}{
		"TLS 1.3":                              {plain, "ca.pem", []string{"-tls1_3"}, "hello nobody by TLS 1.3"},
		"TLS 1.2":                              {plain, "ca.pem", []string{"-tls1_2"}, "hello nobody by TLS 1.2"},
		"with the CA of another exposure":      {plain, "other.pem", nil, ""},
		"mtls":                                 {mutual, "ca.pem", cert("client"), "hello far-side by TLS 1.3"},
		"mtls over TLS 1.2":                    {mutual, "ca.pem", append(cert("client"), "-tls1_2"), "hello far-side by TLS 1.2"},
		"mtls without a certificate":           {mutual, "ca.pem", nil, ""},
		"mtls with a stranger's certificate":   {mutual, "ca.pem", cert("stranger"), ""},
		"mtls with a server's key as client's": {mutual, "ca.pem", []string{"-cert", file("server.pem"), "-key", file("client.key")}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"s_client", "-connect", "127.0.0.1:" + test.port, "-CAfile", file(test.ca), "-no-CApath", "-no-CAstore",
				"-verify_return_error", "-verify_ip", "127.0.0.1", "-ign_eof", "-quiet"}, test.args...)
			out, err := tool(t, "openssl", args...)
			switch {
			case test.answer == "" && strings.Contains(out, "hello"):
				t.Errorf("was let in:\n%s", out)
			case test.answer != "" && (err != nil || !strings.Contains(out, test.answer)):
				t.Errorf("%v, want %q:\n%s", err, test.answer, out)
			}
		})
	}
}

// TestOpenSSLServer: a Go client, as kubectl is one, against openssl s_server that
// demands a client's certificate, during a rotation.
func TestOpenSSLServer(t *testing.T) {
	old := newCA(t, Env{})
	rotation, err := Rotate(Env{}, old, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	server := newServer(t, rotation.New)
	file := files(t, map[string][]byte{"chain.pem": server.CertPEM, "key.pem": server.KeyPEM, "clients.pem": rotation.Bundle})
	address := opensslServer(t, "-cert", file("chain.pem"), "-cert_chain", file("chain.pem"), "-key", file("key.pem"),
		"-CAfile", file("clients.pem"), "-no-CApath", "-no-CAstore", "-Verify", "1", "-verify_return_error", "-www")
	for name, trust := range map[string][]byte{"old CA": old.Trust(), "new CA": rotation.New.Trust(), "bundle": rotation.Bundle} {
		for who, client := range map[string]Pair{"old": newClient(t, old), "new": newClient(t, rotation.New)} {
			t.Run(fmt.Sprintf("client with the %s and a certificate of the %s one", name, who), func(t *testing.T) {
				conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool(t, trust), ServerName: "10.0.0.5", Certificates: []tls.Certificate{keyPair(t, client)}})
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				conn.SetDeadline(time.Now().Add(20 * time.Second))
				fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
				if answer, err := io.ReadAll(conn); err != nil || !strings.Contains(string(answer), "200 ok") {
					t.Errorf("%v\n%s", err, answer)
				}
			})
		}
	}
	t.Run("a client without a certificate", func(t *testing.T) {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: pool(t, rotation.Bundle), ServerName: "10.0.0.5"})
		if err != nil {
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		fmt.Fprint(conn, "GET / HTTP/1.0\r\n\r\n")
		if answer, _ := io.ReadAll(conn); strings.Contains(string(answer), "200 ok") {
			t.Errorf("was let in:\n%s", answer)
		}
	})
}

// opensslServer starts openssl s_server on a port that it chooses itself and tells.
func opensslServer(t *testing.T, args ...string) (address string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "openssl", append([]string{"s_server", "-accept", "127.0.0.1:0", "-naccept", "100"}, args...)...)
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := command.StdinPipe() // held open: s_server ends with its input
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("openssl is not installed: `make setup` installs it (%v)", err)
	}
	t.Cleanup(func() { in.Close(); command.Process.Kill(); command.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address, ok := strings.CutPrefix(lines.Text(), "ACCEPT "); ok {
			go io.Copy(io.Discard, out)
			return address
		}
	}
	t.Fatal("openssl s_server did not start")
	return ""
}

// TestJavaClient runs one small Java program for all cases, as a JVM takes its time:
// trust store and client bundle in each profile that this Java reads.
func TestJavaClient(t *testing.T) {
	old := newCA(t, Env{})
	rotation, err := Rotate(Env{}, old, Options{Name: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	contents, err := javaStores(old, rotation, newClient(t, rotation.New))
	if err != nil {
		t.Fatal(err)
	}
	plain := serve(t, newServer(t, old), nil)
	crossed := serve(t, newServer(t, rotation.New), rotation.Bundle)
	contents["cases"] = []byte(strings.Join([]string{
		"TLSv1.3 127.0.0.1 " + plain + " old-modern.p12 -",
		"TLSv1.2 127.0.0.1 " + plain + " old-legacy.p12 -",
		"TLSv1.3 localhost " + plain + " old-modern.p12 -",
		"TLSv1.3 127.0.0.2 " + plain + " old-modern.p12 -",
		"TLSv1.3 127.0.0.1 " + plain + " new-modern.p12 -",
		"TLSv1.3 127.0.0.1 " + crossed + " old-modern.p12 client-modern.p12",
		"TLSv1.2 127.0.0.1 " + crossed + " new-legacy.p12 client-legacy.p12",
		"TLSv1.3 127.0.0.1 " + crossed + " both-modern.p12 client-modern.p12",
		"TLSv1.3 127.0.0.1 " + crossed + " both-modern.p12 -",
	}, "\n"))
	file := files(t, contents)
	out, ok := java(t, "java", "-Duser.language=en", "testdata/TLSClient.java", file("."))
	if !ok {
		return
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	wanted := []string{
		"hello nobody by TLS 1.3", "hello nobody by TLS 1.2", "hello nobody by TLS 1.3",
		"refused: No subject alternative names matching IP address 127.0.0.2 found",
		"refused: PKIX path building failed",
		"hello far-side by TLS 1.3", "hello far-side by TLS 1.2", "hello far-side by TLS 1.3",
		"refused: ",
	}
	if len(lines) != len(wanted) {
		t.Fatalf("%d answers for %d cases:\n%s", len(lines), len(wanted), out)
	}
	for i, prefix := range wanted {
		if !strings.HasPrefix(lines[i], prefix) {
			t.Errorf("case %d: %q, want %q", i+1, lines[i], prefix)
		}
	}
}

func javaStores(old *Authority, rotation Rotation, client Pair) (map[string][]byte, error) {
	contents := map[string][]byte{}
	for _, profile := range []Profile{Modern, Legacy} {
		for name, trust := range map[string][]byte{"old": old.Trust(), "new": rotation.New.Trust(), "both": rotation.Bundle} {
			store, err := EncodeTrustStore(Env{}, trust, password, profile)
			if err != nil {
				return nil, err
			}
			contents[name+"-"+string(profile)+".p12"] = store
		}
		bundle, err := EncodeClientP12(Env{}, client, rotation.Bundle, password, profile)
		if err != nil {
			return nil, err
		}
		contents["client-"+string(profile)+".p12"] = bundle
	}
	return contents, nil
}
