package probe

import (
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"causeway/internal/kubetest"
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
	kubetest.SayHello(w, r)
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
