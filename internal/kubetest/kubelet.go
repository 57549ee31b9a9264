package kubetest

import (
	"net/http"
	"time"

	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// SayHello is a kubelet's answer to exec, over SPDY, which is what an API server speaks
// to kubelets: each command says hello on stdout and ends well.
func SayHello(w http.ResponseWriter, r *http.Request) {
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
