package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"causeway/internal/explain"
)

// throughFront gives a failure the code of what Connect Gateway said, where the way
// leads through it: a missing role, an agent that is not connected, a right that is
// missing behind it. said is the answer or the error as it came.
func (s *session) throughFront(result Result, said string) Result {
	if result.Status != Fail || !throughGateway(s.server) {
		return result
	}
	code := explain.CodeOfText("connectgateway.googleapis.com: Server Version: " + s.release + "\n" + said)
	switch code {
	case "":
		return result
	case "CW-GATEWAY-SESSION": // the same words end a long session; the probe's are short
		code = "CW-GATEWAY-AGENT"
	case "CW-GATEWAY-RESOURCE-TYPE", "CW-GATEWAY-PLUGIN", "CW-GATEWAY-GCLOUD": // of kubectl and gcloud, which the probe is not
		return result
	}
	result.Code, result.Hint = code, HintFor(code)
	return result
}

// execRefused is throughFront for a stream. client-go drops an answer that is JSON and
// no Status, as Google's are, so the gateway is asked once more, for its words alone.
func (s *session) execRefused(ctx context.Context, result Result, failed error, target *url.URL) Result {
	said := failed.Error()
	if result.Status == Fail && throughGateway(s.server) && strings.Contains(said, "unable to upgrade") {
		if words := s.upgradeRefusal(ctx, target); words != "" {
			said += "\n" + words
			result.Detail = "the stream was refused: " + clip(words, 300)
		}
	}
	return s.throughFront(result, said)
}

// upgradeRefusal asks for a stream as a WebSocket client does, and gives what it is
// refused with; "" when it is not, or nothing answers.
func (s *session) upgradeRefusal(ctx context.Context, target *url.URL) string {
	client, err := s.client("http/1.1")
	if err != nil {
		return ""
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return ""
	}
	for name, value := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
		"Sec-WebSocket-Key": "Y2F1c2V3YXkgcHJvYmUuLg==", "Sec-WebSocket-Protocol": "v5.channel.k8s.io"} {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return ""
	}
	if response.StatusCode < 400 {
		_ = response.Body.Close()
		return ""
	}
	got, err := readAnswer(response)
	if err != nil {
		return ""
	}
	var google struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(got.body, &google) == nil && google.Error.Message != "" {
		return fmt.Sprintf("%d %s: %s", got.code, http.StatusText(got.code), google.Error.Message)
	}
	return got.message()
}
