package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// nobody is the name of an object that does not exist: a watch narrowed to it is
// quiet for certain, whatever happens in the cluster.
const nobody = "causeway-probe-nobody"

// watchHop opens a watch on which nothing happens and times its response headers,
// over HTTP/1.1 and, where ALPN gave it, over HTTP/2. A proxy that keeps the headers
// until the first event blocks each client-go informer of an empty resource.
func watchHop(ctx context.Context, s *session) Result {
	if s.quiet == "" {
		return skip("the identity may watch neither namespaces nor pods in %s", s.namespace)
	}
	protocols := []string{"http/1.1"}
	if s.alpn == "h2" {
		protocols = append(protocols, "h2")
	}
	var seen []string
	result := pass("")
	for _, proto := range protocols {
		took, trouble := s.quietHeaders(ctx, proto)
		if trouble != nil {
			trouble.Detail += after(seen)
			return *trouble
		}
		seen = append(seen, fmt.Sprintf("%s over %s", millis(took), proto))
		result = result.fact("headers_ms_"+strings.ReplaceAll(proto, "/", ""), strconv.FormatInt(took.Milliseconds(), 10))
	}
	detail := "headers of a quiet watch on " + s.collection() + " after " + strings.Join(seen, ", ")
	if len(protocols) == 1 {
		detail += " (HTTP/2 is not offered)"
	}
	if s.options.WatchChange {
		took, trouble := s.liveChange(ctx)
		if trouble != nil {
			return *trouble
		}
		detail += ", a live event after " + millis(took)
		result = result.fact("event_ms", strconv.FormatInt(took.Milliseconds(), 10))
	}
	result.Detail = detail
	return result
}

func after(seen []string) string {
	if len(seen) == 0 {
		return ""
	}
	return " (after " + strings.Join(seen, ", ") + ")"
}

// quietHeaders opens the quiet watch and gives the time until its headers came.
func (s *session) quietHeaders(ctx context.Context, proto string) (time.Duration, *Result) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The bound starts when the request is out: a slow line is no held header.
	var written atomic.Int64
	held := time.AfterFunc(s.options.HopTimeout, cancel)
	defer held.Stop()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) {
		written.Store(s.options.Now().UnixNano())
		held.Reset(s.options.HeaderWait)
	}})
	response, err := s.openWatch(ctx, proto, s.quiet, s.quietQuery(2*s.options.HeaderWait+s.options.HopTimeout))
	if err != nil && errors.Is(err, context.Canceled) && written.Load() != 0 {
		trouble := fail("CW-PROBE-WATCH-HELD", err, "no response headers within %s over %s on a watch where nothing happens", seconds(s.options.HeaderWait), proto)
		return 0, &trouble
	}
	took := time.Duration(0)
	if out := written.Load(); out != 0 { // over HTTP/2 the headers may come before the trace tells
		took = s.options.Now().Sub(time.Unix(0, out))
	}
	// A read timeout on the way may strike before the bound; a refusal comes sooner.
	if err != nil && written.Load() != 0 && took > s.options.HeaderWait/4 && !timedOut(err) {
		trouble := fail("CW-PROBE-WATCH-HELD", err, "no response headers over %s until the connection was cut after %s (%v)", proto, seconds(took), rootCause(err))
		return 0, &trouble
	}
	if err != nil {
		trouble := requestFailure(err, "CW-PROBE-WATCH", "watch over "+proto)
		return 0, &trouble
	}
	return took, s.watchRefused(response)
}

func (s *session) quietQuery(lasts time.Duration) url.Values {
	query := url.Values{
		"watch": {"true"}, "fieldSelector": {"metadata.name=" + nobody},
		"timeoutSeconds": {strconv.Itoa(int((lasts + time.Second - 1) / time.Second))},
	}
	if s.version != "" {
		query.Set("resourceVersion", s.version)
	}
	return query
}

func (s *session) openWatch(ctx context.Context, proto, path string, query url.Values) (*http.Response, error) {
	client, err := s.client(proto)
	if err != nil {
		return nil, err
	}
	request, err := s.request(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(request)
}

// watchRefused closes the response and judges it; nil means that it was a watch.
func (s *session) watchRefused(response *http.Response) *Result {
	if response.StatusCode == http.StatusOK && strings.HasPrefix(response.Header.Get("Content-Type"), "application/json") {
		_ = response.Body.Close()
		return nil
	}
	got, err := readAnswer(response)
	var trouble Result
	switch {
	case err != nil:
		trouble = requestFailure(err, "CW-PROBE-WATCH", "watch")
	case got.ok():
		trouble = fail("CW-PROBE-NOT-KUBE", nil, "the answer is no watch: %s", got.who())
	default:
		trouble = s.refusal(got, "CW-PROBE-WATCH")
	}
	return &trouble
}

// liveChange makes one ConfigMap while it is watched, and times the event.
func (s *session) liveChange(ctx context.Context) (time.Duration, *Result) {
	name := "causeway-probe-" + strconv.FormatInt(s.options.Now().UnixNano(), 36)
	path := "api/v1/namespaces/" + s.namespace + "/configmaps"
	ctx, cancel := context.WithTimeout(ctx, s.options.HopTimeout)
	defer cancel()
	response, err := s.openWatch(ctx, "", path, url.Values{"watch": {"true"}, "fieldSelector": {"metadata.name=" + name}, "timeoutSeconds": {"60"}})
	if err != nil {
		trouble := requestFailure(err, "CW-PROBE-WATCH", "watch configmaps in "+s.namespace)
		return 0, &trouble
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return 0, s.watchRefused(response)
	}
	body := fmt.Sprintf(`{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":%q,"labels":{"app.kubernetes.io/managed-by":"causeway"}}}`, name)
	start := s.options.Now()
	made, err := s.call(ctx, http.MethodPost, path, nil, []byte(body))
	if err != nil {
		trouble := requestFailure(err, "CW-PROBE-WATCH", "create a configmap in "+s.namespace)
		return 0, &trouble
	}
	if !made.ok() {
		trouble := s.refusal(made, "CW-PROBE-WATCH")
		return 0, &trouble
	}
	defer func() { // also when the event did not come, and after the hop's time ran out
		clean, stop := context.WithTimeout(context.WithoutCancel(ctx), s.options.HopTimeout)
		defer stop()
		_, _ = s.call(clean, http.MethodDelete, path+"/"+name, nil, nil)
	}()
	if _, err := io.ReadFull(response.Body, make([]byte, len(`{"type":"ADDED"`))); err != nil {
		trouble := fail("CW-PROBE-WATCH-BUFFERED", err, "a change did not come through the watch within %s", seconds(s.options.HopTimeout))
		return 0, &trouble
	}
	return s.options.Now().Sub(start), nil
}
