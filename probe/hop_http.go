package probe

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptrace"
	"time"
)

// httpHop asks for /version on a connection of its own and judges who answers. Its
// times are the report's: what `curl -w` would show for the same request.
func httpHop(ctx context.Context, s *session) Result {
	client, err := s.client("")
	if err != nil {
		return fail("CW-PROBE-HTTP", err, "%v", err)
	}
	request, err := s.request(ctx, http.MethodGet, "version", nil, nil)
	if err != nil {
		return fail("CW-PROBE-HTTP", err, "%v", err)
	}
	traced := s.trace(request)
	response, err := client.Do(traced)
	if err != nil {
		return requestFailure(err, "CW-PROBE-HTTP", "GET /version")
	}
	got, err := readAnswer(response)
	if err != nil {
		return requestFailure(err, "CW-PROBE-HTTP", "GET /version")
	}
	return s.judgeVersion(got)
}

func (s *session) judgeVersion(got answer) Result {
	var version struct{ GitVersion string }
	if got.ok() && json.Unmarshal(got.body, &version) == nil && version.GitVersion != "" {
		v := clip(version.GitVersion, 40)
		s.release = v
		return pass("kube-apiserver %s answers over %s", v, got.proto).fact("version", v).fact("http", got.proto)
	}
	// A refusal in the API server's own words is an answer from it: which credential
	// it wants is the next hop's question.
	if (got.code == http.StatusUnauthorized || got.code == http.StatusForbidden) && got.fromKube() {
		return pass("kube-apiserver answers over %s (%d to /version)", got.proto, got.code).fact("http", got.proto)
	}
	if got.ok() {
		return fail("CW-PROBE-NOT-KUBE", nil, "not kube-apiserver: %s", got.who())
	}
	return s.refusal(got, "CW-PROBE-HTTP")
}

// trace fills s.times while the request runs.
func (s *session) trace(request *http.Request) *http.Request {
	start := s.options.Now()
	since := func(into *time.Duration) { *into = s.options.Now().Sub(start) }
	trace := &httptrace.ClientTrace{
		// The name is looked up by the resolve hop, so its part is added there.
		ConnectDone: func(_, _ string, err error) {
			if err == nil {
				since(&s.times.Connect)
			}
		},
		TLSHandshakeDone:     func(tls.ConnectionState, error) { since(&s.times.AppConnect) },
		GotFirstResponseByte: func() { since(&s.times.StartTransfer); s.times.Total = s.times.StartTransfer },
	}
	return request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
}
