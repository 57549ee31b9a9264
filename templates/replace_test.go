package templates_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"causeway/internal/nginxtest"
	"causeway/templates"
)

// balancer stands for the load balancer: it sends each new connection to the
// address that is set, and never moves one that is open.
type balancer struct {
	net.Listener
	to atomic.Pointer[netip.AddrPort]
}

func newBalancer(t *testing.T, to netip.AddrPort) *balancer {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{Listener: listener}
	b.to.Store(&to)
	var open sync.WaitGroup
	t.Cleanup(func() { listener.Close(); open.Wait() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			open.Go(func() { join(client, b.to.Load().String()) })
		}
	}()
	return b
}

func join(client net.Conn, to string) {
	defer client.Close()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	var ways sync.WaitGroup
	ways.Go(func() { io.Copy(server, client); server.(*net.TCPConn).CloseWrite() })
	ways.Go(func() { io.Copy(client, server); client.(*net.TCPConn).CloseWrite() })
	ways.Wait()
}

// load sends requests over both HTTP versions until stop is closed; it returns how
// many there were and every failure.
func load(t *testing.T, b *bed, stop <-chan struct{}) func() (int64, error) {
	var (
		group sync.WaitGroup
		count atomic.Int64
		lock  sync.Mutex
		bad   error
	)
	for version, client := range b.clients(t) {
		for range 4 {
			group.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					err := once(client, b.url+"/steady")
					count.Add(1)
					if err != nil {
						lock.Lock()
						bad = errors.Join(bad, fmt.Errorf("%s: %w", version, err))
						lock.Unlock()
						return
					}
				}
			})
		}
	}
	return func() (int64, error) { group.Wait(); return count.Load(), bad }
}

func once(client *http.Client, url string) error {
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	return nil
}

// TestPodsAreReplacedWithoutAFailedRequest does what a rollout does, with the
// order that the manifests give it: the new one is ready, the load balancer turns,
// the old one drains and quits. An open watch lives on in the old one.
func TestPodsAreReplacedWithoutAFailedRequest(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		v := values(binary, templates.Terminate, api.addr(), api.ca.PEM)
		c, ca := config(t, v)
		old := run(t, binary, c)
		front := newBalancer(t, old.Addr)
		b := &bed{Run: old, binary: binary, ca: ca, client: ca.ClientTLS("127.0.0.1"), url: "https://" + front.Addr().String()}

		watch := bufio.NewReader(get(t, b.http1(t), b.url+"/watch").Body)
		stop := make(chan struct{})
		result := load(t, b, stop)
		const replacements = 3
		pods := []*nginxtest.Run{old}
		for range replacements {
			next := c
			next.Dir = t.TempDir()
			pod := run(t, binary, next)
			front.to.Store(&pod.Addr)
			before := api.seen("/steady")
			eventually(t, "requests during the drain", func() bool { return api.seen("/steady") > before+50 })
			if err := pods[len(pods)-1].Quit(); err != nil {
				t.Fatal(err)
			}
			before = api.seen("/steady")
			eventually(t, "requests after the old one was told to quit", func() bool { return api.seen("/steady") > before+200 })
			pods = append(pods, pod)
		}
		close(stop)
		if count, err := result(); err != nil {
			t.Errorf("of %d requests some failed: %v", count, err)
		}
		api.events <- "still here"
		if line, err := watch.ReadString('\n'); err != nil || line != "still here\n" {
			t.Errorf("the watch through the first one: %q, %v", line, err)
		}
	})
}

// TestReloadTakesANewCertificateWithoutAFailedRequest is for those who run the
// rendered configuration outside a cluster.
func TestReloadTakesANewCertificateWithoutAFailedRequest(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		c, ca := config(t, values(binary, templates.Terminate, api.addr(), api.ca.PEM))
		b := &bed{Run: run(t, binary, c), binary: binary, ca: ca, client: ca.ClientTLS("127.0.0.1")}
		b.url = "https://" + b.Addr.String()
		stop := make(chan struct{})
		result := load(t, b, stop)
		cert, key, err := ca.Issue("renewed", "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{"tls.crt": cert, "tls.key": key} {
			// A new file in the old one's place: since 1.27.4 nginx keeps a certificate
			// over a reload when the file is the same and not a second newer.
			path := c.Dir + "/tls/" + name
			if err := errors.Join(os.WriteFile(path+".new", content, 0o600), os.Rename(path+".new", path)); err != nil {
				t.Fatal(err)
			}
		}
		if err := b.Reload(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the new certificate is presented", func() bool {
			response := get(t, b.http1(t), b.url+"/fresh")
			return response.TLS.PeerCertificates[0].Subject.CommonName == "renewed"
		})
		before := api.seen("/steady")
		eventually(t, "requests after the reload", func() bool { return api.seen("/steady") > before+200 })
		close(stop)
		if count, err := result(); err != nil {
			t.Errorf("of %d requests some failed: %v", count, err)
		}
	})
}

func run(t *testing.T, binary nginxtest.Binary, c nginxtest.Config) *nginxtest.Run {
	t.Helper()
	r, err := nginxtest.Start(t.Context(), binary, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// TestASessionThatIsLeftIsCutAfterItsTime holds the bound on a shutdown.
func TestASessionThatIsLeftIsCutAfterItsTime(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		for _, mode := range []string{templates.Terminate, templates.Passthrough} {
			t.Run(mode, func(t *testing.T) {
				t.Parallel()
				api := newAPI(t)
				v := values(binary, mode, api.addr(), api.ca.PEM)
				v.SessionSeconds = 1
				b := start(t, binary, v, api.trusted())
				connection, _, _ := upgraded(t, b, "websocket")
				defer connection.Close()
				if err := b.Quit(); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
				defer cancel()
				if err := b.Wait(ctx); err != nil {
					t.Error(err)
				}
			})
		}
	})
}
