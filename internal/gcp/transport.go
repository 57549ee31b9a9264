package gcp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// Retry bounds how often a call that may be repeated is repeated.
type Retry struct {
	Attempts int                                              // in all; 5 when 0
	First    time.Duration                                    // pause after the first; it doubles; 200 ms when 0
	Longest  time.Duration                                    // longest pause; 5 s when 0
	Sleep    func(ctx context.Context, d time.Duration) error // a timer when nil
}

const (
	callTimeout = 60 * time.Second
	// waitTimeout is for operations.wait, which stays open up to two minutes.
	waitTimeout = 150 * time.Second
	// longestAsked bounds the pause that a server may ask for.
	longestAsked = 30 * time.Second
	// maxBody bounds an answer; a full page of addresses is below 1 MB.
	maxBody = 64 << 20
)

// transport authenticates, bounds and repeats calls. It reads each answer whole,
// so that a connection that is cut in the middle of one is repeated as well.
type transport struct {
	base    http.RoundTripper
	source  oauth2.TokenSource
	agent   string
	quota   string
	retry   Retry
	timeout time.Duration
}

func newTransport(config Config) *transport {
	t := &transport{
		base: http.DefaultTransport, source: config.TokenSource, agent: config.UserAgent, quota: config.QuotaProject,
		retry: config.Retry, timeout: config.CallTimeout,
	}
	if config.HTTPClient != nil && config.HTTPClient.Transport != nil {
		t.base = config.HTTPClient.Transport
	}
	if t.retry.Attempts == 0 {
		t.retry.Attempts = 5
	}
	if t.retry.First == 0 {
		t.retry.First = 200 * time.Millisecond
	}
	if t.retry.Longest == 0 {
		t.retry.Longest = 5 * time.Second
	}
	if t.retry.Sleep == nil {
		t.retry.Sleep = sleep
	}
	if t.timeout == 0 {
		t.timeout = callTimeout
	}
	return t
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	if err := rehearse(r, body); err != nil {
		return nil, err
	}
	attempts := 1
	if repeatable(r) {
		attempts = t.retry.Attempts
	}
	pause := t.retry.First
	made, _ := r.Context().Value(attemptsKey{}).(*int)
	for attempt := 1; ; attempt++ {
		if made != nil {
			*made = attempt
		}
		response, text, err := t.once(r, body)
		if attempt >= attempts || r.Context().Err() != nil || !worthRepeating(r, response, text, err) {
			return response, err
		}
		if err := t.retry.Sleep(r.Context(), max(pause, retryAfter(response))); err != nil {
			return nil, err
		}
		pause = min(2*pause, t.retry.Longest)
	}
}

// attemptsKey is where a caller wants to be told, in a context, how often its call was
// made.
type attemptsKey struct{}

// once makes one attempt and reads the answer whole.
func (t *transport) once(r *http.Request, body []byte) (*http.Response, []byte, error) {
	timeout := t.timeout
	if strings.HasSuffix(r.URL.Path, "/wait") {
		timeout = max(waitTimeout, timeout)
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	request := r.Clone(ctx)
	request.Body, request.ContentLength = nil, int64(len(body))
	if len(body) > 0 {
		request.Body = io.NopCloser(bytes.NewReader(body))
	}
	if err := t.sign(request); err != nil {
		return nil, nil, err
	}
	response, err := t.base.RoundTrip(request)
	if err != nil {
		if ctx.Err() != nil && r.Context().Err() == nil {
			err = &timeoutError{after: timeout}
		}
		return nil, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return nil, nil, fmt.Errorf("read answer: %w", err)
	}
	if err := judge(r, response, text); err != nil {
		return nil, nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(text))
	return response, text, nil
}

// sign adds the token and who asks. A token that cannot be had is told as such,
// not as a failed call.
func (t *transport) sign(r *http.Request) error {
	if t.agent != "" {
		r.Header.Set("User-Agent", t.agent)
	}
	if t.quota != "" {
		r.Header.Set("X-Goog-User-Project", t.quota)
	}
	if t.source == nil {
		return nil
	}
	token, err := t.source.Token()
	if err != nil {
		return &tokenError{cause: err}
	}
	token.SetAuthHeader(r)
	return nil
}

// repeatable says whether a call has the same effect when it arrives twice: it
// only reads, it sets something to a whole value (PUT, and PATCH of Cloud DNS), or it
// carries a requestId, by which Google knows it again. Cloud DNS knows none: who
// creates something there has to look whether "it exists" tells of its own first try.
func repeatable(r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodPut || r.URL.Query().Get("requestId") != "" {
		return true
	}
	if ofDNS(r) {
		return true
	}
	// A policy is written under its etag, and APIs are turned on or off, not toggled.
	for _, write := range []string{":setIamPolicy", "/services:batchEnable", ":disable"} {
		if strings.HasSuffix(r.URL.Path, write) {
			return true
		}
	}
	return onlyReads(r)
}

func ofDNS(r *http.Request) bool { return strings.Contains(r.URL.Path, "/dns/v1/") }

// onlyReads tells the POSTs that change nothing.
func onlyReads(r *http.Request) bool {
	for _, reader := range []string{"/wait", ":testIamPermissions", "/testIamPermissions", ":getIamPolicy", ":generateAccessToken"} {
		if strings.HasSuffix(r.URL.Path, reader) {
			return true
		}
	}
	return false
}

func worthRepeating(r *http.Request, response *http.Response, text []byte, err error) bool {
	if err != nil {
		var token *tokenError
		var stranger *notAPIError
		var garbled *garbledError
		return !errors.As(err, &token) && !errors.As(err, &stranger) && !errors.As(err, &garbled) && !errors.Is(err, context.Canceled)
	}
	switch response.StatusCode {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusForbidden:
		return bytes.Contains(text, []byte("rateLimitExceeded"))
	case http.StatusBadRequest: // a resource that is being made is not ready yet
		return bytes.Contains(text, []byte("resourceNotReady")) && r.Context().Value(readAnewKey{}) == nil
	}
	return false
}

// retryAfter is how long the server asks to be left alone, in seconds or until a time
// by its own clock; at most longestAsked.
func retryAfter(response *http.Response) time.Duration {
	if response == nil {
		return 0
	}
	asked := response.Header.Get("Retry-After")
	if seconds, err := strconv.Atoi(asked); err == nil {
		return min(time.Duration(min(max(seconds, 0), 3600))*time.Second, longestAsked)
	}
	until, err := http.ParseTime(asked)
	now, noClock := http.ParseTime(response.Header.Get("Date"))
	if err != nil || noClock != nil {
		return 0
	}
	return min(max(until.Sub(now), 0), longestAsked)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx) // says more, where the caller gave a reason
	}
}

// tokenError is a failure to get an access token at all.
type tokenError struct{ cause error }

func (e *tokenError) Error() string { return "get access token: " + e.cause.Error() }
func (e *tokenError) Unwrap() error { return e.cause }

// timeoutError is an attempt that took longer than one may.
type timeoutError struct{ after time.Duration }

func (e *timeoutError) Error() string { return fmt.Sprintf("no answer within %s", e.after) }
func (e *timeoutError) Timeout() bool { return true }
