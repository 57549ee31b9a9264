package templates_test

import (
	"bufio"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"causeway/internal/nginxtest"
)

// script is the configuration that the product replaces.
func script(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile("../testdata/baseline/default.conf")
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// startScript runs it, cured of the directive with which newer nginx do not start.
func startScript(t *testing.T, binary nginxtest.Binary, api *apiLike) *bed {
	t.Helper()
	c, ca := config(t, values(binary, "", api.addr(), nil))
	c.Conf = nginxtest.Baseline(script(t), api.addr(), true)
	run, err := nginxtest.Start(t.Context(), binary, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Stop() })
	return &bed{Run: run, binary: binary, ca: ca, client: ca.ClientTLS("127.0.0.1"), url: "https://" + run.Addr.String()}
}

func TestTheScriptDoesNotStartFromNginx1_25_1On(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		c, _ := config(t, values(binary, "", api.addr(), nil))
		c.Conf = nginxtest.Baseline(script(t), api.addr(), false)
		_, err := nginxtest.Check(t.Context(), binary, c)
		if !binary.AtLeast("1.25.1") {
			if err != nil {
				t.Errorf("before 1.25.1 it starts; here: %v", err)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), `unknown directive "ssl"`) {
			t.Errorf("error %v, want an unknown directive", err)
		}
	})
}

func TestTheScriptRefusesExec(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		b := startScript(t, binary, newAPI(t))
		for _, protocol := range []string{"websocket", "SPDY/3.1"} {
			connection, _, answer := upgraded(t, b, protocol)
			if said := text(t, answer); answer.StatusCode != http.StatusBadRequest || !strings.Contains(said, "Upgrade request required") {
				t.Errorf("%s: %s: %s", protocol, answer.Status, said)
			}
			connection.Close()
		}
	})
}

func TestTheScriptHoldsWatchEventsBack(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t)
		b := startScript(t, binary, api)
		lines := make(chan string, 1)
		go func() {
			response, err := b.http1(t).Get(b.url + "/watch")
			if err != nil {
				return
			}
			defer response.Body.Close()
			line, err := bufio.NewReader(response.Body).ReadString('\n')
			if err == nil {
				lines <- line
			}
		}()
		api.events <- `{"type":"ADDED"}` // taken: the API server has sent it
		select {
		case line := <-lines:
			t.Errorf("the event %q came through: this baseline is not the one that was measured", line)
		case <-time.After(2 * time.Second):
		}
	})
}

func TestTheScriptVerifiesNobodyAndOpensAConnectionForEachRequest(t *testing.T) {
	onEachRelease(t, func(t *testing.T, binary nginxtest.Binary) {
		api := newAPI(t, "elsewhere.example")
		b := startScript(t, binary, api)
		client := b.http1(t)
		for range 5 {
			response := get(t, client, b.url+"/any", func(r *http.Request) { r.Header.Set("X-Forwarded-For", "10.9.9.9") })
			if response.StatusCode != http.StatusOK {
				t.Fatalf("status %d", response.StatusCode)
			}
			text(t, response)
		}
		if api.connections() != 5 {
			t.Errorf("%d connections for 5 requests", api.connections())
		}
		if from := api.last("/any").Header.Get("X-Forwarded-For"); from != "10.9.9.9, 127.0.0.1" {
			t.Errorf("X-Forwarded-For is %q; the script believes what the client says", from)
		}
	})
}
