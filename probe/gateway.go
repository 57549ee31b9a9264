package probe

import (
	"cmp"
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

// byFront is throughFront for an answer to a request. Where the gateway itself spoke,
// its words are told, and not that it is no API server.
func (s *session) byFront(a answer, result Result) Result {
	if !throughGateway(s.server) {
		return result
	}
	spoke := !a.fromKube()
	if words := a.google(); spoke && words != "" {
		result.Detail = "Connect Gateway refuses: " + words
	}
	result = s.throughFront(result, fmt.Sprintf("%d %s\n%s", a.code, http.StatusText(a.code), a.body))
	switch {
	case !spoke:
	case a.code == http.StatusUnauthorized:
		result.Code = "CW-GCP-CREDENTIALS"
	case result.Code == "CW-GATEWAY-CLIENT" || result.Code == "CW-GATEWAY-VERSION": // of streams; this was none
		result.Code = "CW-GATEWAY-ADDRESS"
	}
	result.Hint = HintFor(result.Code)
	return result
}

// google is what stands in an error's JSON of Google's, behind its status; "" when
// it is none. Methods that stream answer with a list.
func (a answer) google() string {
	type rpcStatus struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	var one rpcStatus
	if json.Unmarshal(a.body, &one) != nil {
		var list []rpcStatus
		if json.Unmarshal(a.body, &list) != nil || len(list) == 0 {
			return ""
		}
		one = list[0]
	}
	if one.Error.Message == "" {
		return ""
	}
	return fmt.Sprintf("%d %s: %s", a.code, http.StatusText(a.code), clip(one.Error.Message, 300))
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
	return cmp.Or(got.google(), got.message())
}
