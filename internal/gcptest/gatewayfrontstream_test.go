package gcptest

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

const execPath = "/api/v1/namespaces/shop/pods/web/exec?command=sh"

// echo is an API server whose streams say back what they hear; behind /quiet it refuses.
func echo(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.URL.Path, "/pods/gone/") {
		http.Error(w, `{"kind":"Status","message":"pods \"gone\" not found"}`, http.StatusNotFound)
		return
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	conn, err := upgrader.Upgrade(w, r, http.Header{"X-As": {r.Header.Get("Impersonate-User")}})
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	for {
		kind, message, err := conn.ReadMessage()
		if err != nil || conn.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// dialStream opens a WebSocket through the gateway.
func dialStream(t *testing.T, server *httptest.Server, path, token string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: []string{"v5.channel.k8s.io", "v4.channel.k8s.io"}}
	conn, response, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+path, http.Header{"Authorization": {"Bearer " + token}})
	if conn != nil {
		t.Cleanup(func() { _ = conn.Close() })
	}
	return conn, response, err
}

// heard sends a message and expects it back.
func heard(t *testing.T, conn *websocket.Conn, message string) {
	t.Helper()
	if err := conn.WriteMessage(websocket.BinaryMessage, []byte(message)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.ReadMessage(); err != nil || string(got) != message {
		t.Fatalf("heard %d bytes, %v; said %d", len(got), err, len(message))
	}
}

func TestAStreamThroughTheGateway(t *testing.T) {
	t.Parallel()
	google, _, server := gatewayBefore(t, echo)
	conn, response, err := dialStream(t, server, gatewayGKE+execPath, alice)
	if err != nil {
		t.Fatal(err)
	}
	if conn.Subprotocol() != "v5.channel.k8s.io" || response.Header.Get("X-As") != "alice@example.com" {
		t.Errorf("%q %v", conn.Subprotocol(), response.Header)
	}
	for _, length := range []int{1, 125, 126, 70_000} { // each form of a frame's length
		heard(t, conn, strings.Repeat("a", length))
	}
	if n := google.Streams("lab-project"); n != 1 {
		t.Errorf("%d streams", n)
	}
}

func TestStreamsThatTheGatewayRefuses(t *testing.T) {
	t.Parallel()
	version := func(version string) func(*Server, *GatewayFront) {
		return func(g *Server, _ *GatewayFront) {
			g.objects["projects/lab-project/locations/europe-west3/clusters/private-cluster"]["currentMasterVersion"] = version
		}
	}
	fail := func(failure GatewayFailure) func(*Server, *GatewayFront) {
		return func(_ *Server, f *GatewayFront) { f.Fail(failure) }
	}
	away := func(_ *Server, f *GatewayFront) { f.Upstream.Host, f.Agent = "127.0.0.1:1", agentToken }
	forward := strings.Replace(execPath, "exec", "portforward", 1)
	for name, c := range map[string]struct {
		change func(*Server, *GatewayFront)
		path   string
		code   int
		says   string
	}{
		"no right to stream":           {func(g *Server, _ *GatewayFront) { g.Deny("gkehub.gateway.stream") }, gatewayGKE + execPath, 403, "generic::permission_denied: Permission 'gkehub.gateway.stream' denied on resource"},
		"the right to read is another": {func(g *Server, _ *GatewayFront) { g.Deny("gkehub.gateway.get") }, gatewayGKE + execPath, 101, ""},
		"a cluster at 1.29":            {version("1.29.8-gke.1"), gatewayGKE + execPath, 400, "Bad Request"},
		"a cluster at 1.30":            {version("1.30.1-gke.1"), gatewayGKE + execPath, 101, ""},
		"port-forward at 1.30":         {version("1.30.1-gke.1"), gatewayGKE + forward, 400, "Bad Request"},
		"port-forward at 1.31":         {version("1.31.0-gke.1"), gatewayGKE + forward, 101, ""},
		"elsewhere, by the agent":      {func(_ *Server, f *GatewayFront) { f.Agent = agentToken }, gatewayFar + forward, 101, ""},
		"the API server says no":       {nil, gatewayGKE + "/api/v1/namespaces/shop/pods/gone/exec", 400, `generic::failed_precondition: failed to connect to the cluster's API Server with response (status=404 Not Found, body={\"kind\":\"Status\"`},
		"the API server is away":       {away, gatewayGKE + execPath, 400, "generic::failed_precondition: connection to agent failed"},
		"the agent cannot reach it":    {away, gatewayOld + execPath, 400, "generic::failed_precondition: error encountered within the cluster"},
		"made to lose the agent":       {fail(FailAgent), gatewayGKE + execPath, 400, "generic::failed_precondition: connection to agent failed"},
		"made to fail in the cluster":  {fail(FailCluster), gatewayGKE + execPath, 400, "generic::failed_precondition: error encountered within the cluster"},
		"made to have too many":        {fail(FailStreams), gatewayGKE + execPath, 429, "generic::resource_exhausted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			google, front, server := gatewayBefore(t, echo)
			if c.change != nil {
				c.change(google, front)
			}
			_, response, err := dialStream(t, server, c.path, alice)
			if response == nil {
				t.Fatal(err)
			}
			body, readErr := io.ReadAll(response.Body)
			if response.StatusCode != c.code || !strings.Contains(string(body), c.says) {
				t.Errorf("%d %s %v, want %d %q", response.StatusCode, body, readErr, c.code, c.says)
			}
		})
	}
}

// TestOldClientsAreToldNothing: SPDY is refused before anything else is looked at.
func TestOldClientsAreToldNothing(t *testing.T) {
	t.Parallel()
	google, _, server := gatewayBefore(t, echo)
	google.Deny("gkehub.gateway.stream")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+gatewayGKE+execPath, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = http.Header{"Authorization": {"Bearer " + alice}, "Connection": {"Upgrade"}, "Upgrade": {"SPDY/3.1"}}
	response, err := server.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if body, err := io.ReadAll(response.Body); err != nil || response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), `"message":"Bad Request"`) {
		t.Errorf("%d %s %v", response.StatusCode, body, err)
	}
}

func TestTenStreamsAtATime(t *testing.T) {
	t.Parallel()
	google, _, server := gatewayBefore(t, echo)
	var open []*websocket.Conn
	for range activeStreams {
		conn, _, err := dialStream(t, server, gatewayGKE+execPath, alice)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	_, response, err := dialStream(t, server, gatewayGKE+execPath, alice)
	if err == nil || response.StatusCode != http.StatusTooManyRequests {
		t.Errorf("the eleventh: %v", err)
	}
	_ = open[0].Close()
	wait := time.After(10 * time.Second)
	for google.Streams("lab-project") == activeStreams {
		google.mu.Lock()
		changed := google.changed
		google.mu.Unlock()
		select {
		case <-changed:
		case <-wait:
			t.Fatal("a stream that its client left is still counted")
		}
	}
	if _, _, err := dialStream(t, server, gatewayGKE+execPath, alice); err != nil {
		t.Errorf("one in the place of another: %v", err)
	}
}

func TestAStreamEnds(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]func(*GatewayFront){
		"after its life":                         func(f *GatewayFront) { f.StreamLife = 100 * time.Millisecond },
		"at once, where the agent's link breaks": func(f *GatewayFront) { f.Fail(FailTerminated) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			google, front, server := gatewayBefore(t, echo)
			set(front)
			conn, _, err := dialStream(t, server, gatewayGKE+execPath, alice)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = conn.ReadMessage()
			if !websocket.IsCloseError(err, websocket.CloseInternalServerErr) || !strings.Contains(err.Error(), "generic::failed_precondition: connection to agent terminated") {
				t.Errorf("ended with %v", err)
			}
			_ = conn.Close()
			server.Close() // waits for nothing that was hijacked
			if n := google.Streams("lab-project"); n > 1 {
				t.Errorf("%d streams", n)
			}
		})
	}
}

// TestAStreamEndsBetweenTwoFrames: while half of a frame is on its way, the end waits.
func TestAStreamEndsBetweenTwoFrames(t *testing.T) {
	server, client := net.Pipe()
	s := newStream(server, time.Hour)
	defer func() { _ = s.Close() }()
	frame, buffer := "\x82\x05hello", make([]byte, 100)
	go func() {
		_, _ = io.WriteString(client, frame[:4])
		_, _ = io.WriteString(client, frame[4:])
	}()
	n, err := s.Read(buffer)
	if err != nil || string(buffer[:n]) != frame[:4] {
		t.Fatalf("%q %v", buffer[:n], err)
	}
	s.end.Reset(0)
	rest, err := io.ReadAll(s)
	if want := frame[4:] + string(closeFrame(string(FailTerminated))); err != nil || string(rest) != want {
		t.Errorf("%q %v, want %q", rest, err, want)
	}
}

func TestFramesAreFollowed(t *testing.T) {
	for name, c := range map[string]struct {
		data  string
		whole bool
	}{
		"nothing": {"", true}, "half a header": {"\x82", false}, "an empty frame": {"\x82\x00", true},
		"a short one": {"\x82\x02ab", true}, "half of it": {"\x82\x02a", false}, "two and a half": {"\x82\x01a\x82\x01b\x82", false},
		"one with a length of 16 bits": {"\x82\x7e\x00\x80" + strings.Repeat("a", 128), true}, "a byte less": {"\x82\x7e\x00\x80" + strings.Repeat("a", 127), false},
		"one of 64": {"\x82\x7f\x00\x00\x00\x00\x00\x00\x00\x02ab", true}, "a masked one": {"\x82\x81mask-", true}, "half a mask": {"\x82\x81ma", false},
	} {
		for _, size := range []int{1, 3, 1000} { // however it is cut
			var f frames
			for rest := c.data; rest != ""; {
				n := min(size, len(rest))
				f.pass([]byte(rest[:n]))
				rest = rest[n:]
			}
			if f.whole() != c.whole {
				t.Errorf("%s by %d: whole %t", name, size, f.whole())
			}
		}
	}
}
