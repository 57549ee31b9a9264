package gcp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/oauth2"

	"causeway/internal/gcptest"
)

// newer is a Google that knows more fields than this program: it adds one to each
// level of a router that is read, looks for it in what is written, and takes it away
// again before the emulator sees it.
type newer struct {
	base    http.RoundTripper
	mu      sync.Mutex
	patches []map[string]any
	bodies  []string
}

func (n *newer) RoundTrip(r *http.Request) (*http.Response, error) {
	router := strings.Contains(r.URL.Path, "/routers/shared")
	if router && r.Method == http.MethodPatch {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		var body, plain map[string]any
		if err := errors.Join(json.Unmarshal(text, &body), json.Unmarshal(text, &plain)); err != nil {
			return nil, err
		}
		n.mu.Lock()
		n.patches, n.bodies = append(n.patches, body), append(n.bodies, string(text))
		n.mu.Unlock()
		visit(plain, func(o map[string]any) { delete(o, "futureField") })
		text, err = json.Marshal(plain)
		if err != nil {
			return nil, err
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	}
	response, err := n.base.RoundTrip(r)
	if err != nil || !router || r.Method != http.MethodGet || response.StatusCode != http.StatusOK {
		return response, err
	}
	defer response.Body.Close()
	var doc map[string]any
	if err := json.NewDecoder(response.Body).Decode(&doc); err != nil {
		return nil, err
	}
	visit(doc, func(o map[string]any) { o["futureField"] = map[string]any{"big": 12345678901234567, "html": "<&>"} })
	text, err := json.Marshal(doc)
	response.Body = io.NopCloser(bytes.NewReader(text))
	response.ContentLength = int64(len(text))
	response.Header.Del("Content-Length")
	return response, err
}

// visit calls do on each object, inner ones first.
func visit(value any, do func(map[string]any)) {
	switch value := value.(type) {
	case map[string]any:
		for _, inner := range value {
			visit(inner, do)
		}
		do(value)
	case []any:
		for _, inner := range value {
			visit(inner, do)
		}
	}
}

// onNewer is a Cloud on the emulator whose calls go through a newer Google.
func onNewer(t *testing.T, google *gcptest.Server) (*Cloud, *newer) {
	t.Helper()
	config, err := ConfigFromEnv(t.Context(), environment(google, t.TempDir(), nil), Options{OnGCE: func(context.Context) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	through := &newer{base: &http.Transport{}}
	config.TokenSource = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: gcptest.Token})
	config.HTTPClient = &http.Client{Transport: through}
	config.Retry.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	cloud, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return cloud, through
}
