package templates_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"causeway/internal/nginxtest"
	"causeway/templates"
)

// soon is far more than a header or an event takes through nginx, and far less
// than any buffer or timeout that would hold it back.
const soon = 5 * time.Second

func get(t *testing.T, client *http.Client, url string, change ...func(*http.Request)) *http.Response {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(request)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Body.Close() })
	return response
}

func text(t *testing.T, response *http.Response) string {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestAQuietWatchHasItsHeadersAtOnceAndEachEventAsItComes(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for _, mode := range []string{templates.Terminate, templates.Passthrough} {
			api := newAPI(t)
			b := start(t, binary, values(binary, mode, api.addr(), api.ca.PEM), api.trusted())
			for version, client := range b.clients(t) {
				t.Run(mode+" "+version, func(t *testing.T) {
					began := time.Now()
					watch := get(t, client, b.url+"/watch")
					if watch.Proto != version+".0" && watch.Proto != version {
						t.Fatalf("the client speaks %s", watch.Proto)
					}
					if took := time.Since(began); watch.StatusCode != http.StatusOK || took > soon {
						t.Fatalf("status %d after %s", watch.StatusCode, took)
					}
					lines := bufio.NewReader(watch.Body)
					for i := range 3 {
						event := fmt.Sprintf(`{"type":"ADDED","n":%d}`, i)
						api.events <- event
						began := time.Now()
						line, err := lines.ReadString('\n')
						if took := time.Since(began); err != nil || strings.TrimSpace(line) != event || took > soon {
							t.Fatalf("event %d: %q after %s, %v", i, line, took, err)
						}
					}
				})
			}
		}
	})
}

func TestExecGetsItsUpgradeOverWebSocketAndSPDY(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for _, mode := range []string{templates.Terminate, templates.Passthrough} {
			api := newAPI(t)
			b := start(t, binary, values(binary, mode, api.addr(), api.ca.PEM), api.trusted())
			for _, protocol := range []string{"websocket", "SPDY/3.1"} {
				t.Run(mode+" "+protocol, func(t *testing.T) {
					connection, stream, answer := upgraded(t, b, protocol)
					defer connection.Close()
					if answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("Upgrade") != protocol {
						t.Fatalf("answered %s with Upgrade %q", answer.Status, answer.Header.Get("Upgrade"))
					}
					for _, line := range []string{"one\n", "two\n"} {
						if _, err := io.WriteString(connection, line); err != nil {
							t.Fatal(err)
						}
						if got, err := stream.ReadString('\n'); err != nil || got != "echo "+line {
							t.Fatalf("sent %q, got %q, %v", line, got, err)
						}
					}
				})
			}
		}
	})
}

// upgraded asks for another protocol over a connection of its own.
func upgraded(t *testing.T, b *bed, protocol string) (*tls.Conn, *bufio.Reader, *http.Response) {
	t.Helper()
	connection, err := tls.Dial("tcp", b.Addr.String(), b.client.Clone())
	if err != nil {
		t.Fatal(err)
	}
	if err := connection.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(connection, "POST /exec HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: %s\r\nContent-Length: 0\r\n"+
		"Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.c2VjcmV0LXRva2Vu\r\n\r\n", protocol)
	stream := bufio.NewReader(connection)
	answer, err := http.ReadResponse(stream, nil)
	if err != nil {
		t.Fatal(err)
	}
	return connection, stream, answer
}

func TestWithoutAnUpgradeConnectionsToTheAPIServerAreKept(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		b := start(t, binary, values(binary, templates.Terminate, api.addr(), api.ca.PEM), api.trusted())
		for version, client := range b.clients(t) {
			text(t, get(t, client, b.url+"/first"))
			before := api.connections()
			for range 20 {
				text(t, get(t, client, b.url+"/again"))
			}
			if after := api.connections(); after != before {
				t.Errorf("%s: %d connections upstream for 20 requests, want the one that was there", version, after-before)
			}
			if header := api.last("/again").Header; header.Get("Connection") != "" || header.Get("Upgrade") != "" {
				t.Errorf("%s: the API server got Connection %q, Upgrade %q", version, header.Get("Connection"), header.Get("Upgrade"))
			}
		}
	})
}

func TestABodyOfThreeMebibytesGoesThroughAsItComes(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for _, mode := range []string{templates.Terminate, templates.Passthrough} {
			api := newAPI(t)
			b := start(t, binary, values(binary, mode, api.addr(), api.ca.PEM), api.trusted())
			for version, client := range b.clients(t) {
				t.Run(mode+" "+version, func(t *testing.T) {
					content := bytes.Repeat([]byte("x"), 3<<20)
					response, err := client.Post(b.url+"/body", "application/json", bytes.NewReader(content))
					if err != nil {
						t.Fatal(err)
					}
					defer response.Body.Close()
					if got := text(t, response); response.StatusCode != http.StatusOK || got != fmt.Sprint(3<<20) {
						t.Errorf("status %d, %q bytes arrived", response.StatusCode, got)
					}
				})
				t.Run(mode+" "+version+" piece by piece", func(t *testing.T) { pieceByPiece(t, api, b, client) })
			}
			if files, err := os.ReadDir(b.Dir + "/body"); err == nil && len(files) > 0 {
				t.Errorf("%s: nginx wrote bodies to disk: %v", mode, files)
			}
		}
	})
}

// pieceByPiece sends the first piece and goes on only when the API server has seen
// the request: a proxy that gathers the body first never lets it.
func pieceByPiece(t *testing.T, api *apiLike, b *bed, client *http.Client) {
	before := api.seen("/body")
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		response, err := client.Post(b.url+"/body", "application/octet-stream", reader)
		if err == nil {
			response.Body.Close()
		}
		done <- err
	}()
	if _, err := writer.Write([]byte("first")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the request reaches the API server before its body ends", func() bool { return api.seen("/body") > before })
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestSilenceIsCutOnlyByTheTimeoutsThatAreSet scales the configuration's hours
// down to seconds: what lives as long as its timeout in small does so in large,
// and no other timeout (the script's 90 s, nginx's own 60 s) cuts it before.
func TestSilenceIsCutOnlyByTheTimeoutsThatAreSet(t *testing.T) {
	const short = 2 * time.Second
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for _, mode := range []string{templates.Terminate, templates.Passthrough} {
			t.Run(mode, func(t *testing.T) {
				t.Parallel()
				api := newAPI(t)
				v := values(binary, mode, api.addr(), api.ca.PEM)
				b := startEdited(t, binary, v, api.trusted(), func(conf string) string {
					return strings.ReplaceAll(conf, " 4h;", " 2s;")
				})
				connection, stream, _ := upgraded(t, b, "websocket")
				defer connection.Close()
				began := time.Now()
				if line, err := stream.ReadString('\n'); err == nil {
					t.Fatalf("got %q from a silent session", line)
				}
				if took := time.Since(began); took < short-100*time.Millisecond || took > short+soon {
					t.Errorf("a silent session was cut after %s, want %s", took, short)
				}
			})
		}
	})
}

// TestWhyOldReleasesGetNoHTTP2 shows, with HTTP/2 turned on against the rule, that
// 1.22 holds back the headers of a quiet watch and later releases do not.
func TestWhyOldReleasesGetNoHTTP2(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		if binary.AtLeast("1.25.1") {
			return // TestAQuietWatchHasItsHeadersAtOnceAndEachEventAsItComes has it
		}
		api := newAPI(t)
		b := startEdited(t, binary, values(binary, templates.Terminate, api.addr(), api.ca.PEM), api.trusted(), func(conf string) string {
			return strings.Replace(conf, " ssl backlog", " ssl http2 backlog", 1)
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/watch", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := b.http2(t).Do(request)
		if held := err != nil; held == binary.AtLeast("1.23.0") {
			t.Errorf("headers held back: %v (%v)", held, err)
		}
		if err == nil {
			response.Body.Close()
		}
	})
}
