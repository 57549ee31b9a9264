package probe

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// serveExec is the smallest kubelet: it says hello on stdout and ends well, over
// either transport.
func serveExec(w http.ResponseWriter, r *http.Request) {
	if websocket.IsWebSocketUpgrade(r) {
		serveWebSocket(w, r)
		return
	}
	if r.Header.Get("Upgrade") == "" {
		statusAnswer(w, 400, "BadRequest", "Upgrade request required")
		return
	}
	serveSPDY(w, r)
}

func serveWebSocket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{Subprotocols: []string{"v5.channel.k8s.io"}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_ = conn.WriteMessage(websocket.BinaryMessage, []byte("\x01hello\n"))
	_ = conn.WriteMessage(websocket.BinaryMessage, []byte("\x03"+`{"metadata":{},"status":"Success"}`))
	_ = conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""), time.Now().Add(time.Second))
}

func serveSPDY(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"v4.channel.k8s.io"}); err != nil {
		return
	}
	streams := make(chan httpstream.Stream, 8)
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, func(stream httpstream.Stream, replySent <-chan struct{}) error {
		go func() { <-replySent; streams <- stream }()
		return nil
	})
	if conn == nil {
		return
	}
	defer func() { _ = conn.Close() }()
	byType := map[string]httpstream.Stream{}
	deadline := time.After(5 * time.Second)
	for len(byType) < 3 {
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
