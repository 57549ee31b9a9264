package kube

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"causeway/internal/explain"
)

// googleAnswers is a transport that keeps what Google's front ends say. Where they
// refuse before the API server is asked, their JSON is no Status of Kubernetes, and
// client-go makes "unknown" of it.
type googleAnswers struct{ next http.RoundTripper }

// WrappedRoundTripper lets client-go find the transport below.
func (g googleAnswers) WrappedRoundTripper() http.RoundTripper { return g.next }

// RoundTrip implements http.RoundTripper.
func (g googleAnswers) RoundTrip(request *http.Request) (*http.Response, error) {
	const most = 64 << 10 // bytes of a refusal; Google's are below 4 KiB
	response, err := g.next.RoundTrip(request)
	if err != nil || response.StatusCode < 400 {
		return response, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, most))
	if err != nil {
		_ = response.Body.Close()
		return nil, fmt.Errorf("read answer: %w", err)
	}
	gateway := gatewayPath.MatchString(request.URL.Path)
	message := googleMessage(body, gateway && strings.Contains(response.Header.Get("Content-Type"), "html"))
	if message != "" {
		status, err := googleStatus(response.StatusCode, message, gateway)
		if err != nil {
			return nil, err
		}
		_ = response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(status))
		response.ContentLength = int64(len(status))
		response.Header.Set("Content-Type", "application/json")
		response.Header.Del("Content-Length")
		return response, nil
	}
	response.Body = remainder{io.MultiReader(bytes.NewReader(body), response.Body), response.Body}
	return response, nil
}

// remainder is a body of which a part was read.
type remainder struct {
	io.Reader
	io.Closer
}

// gatewayPath begins every path through Connect Gateway.
var gatewayPath = regexp.MustCompile(`^/v1/projects/[^/]+/locations/[^/]+/(?:gkeMemberships|memberships)/`)

// tags are what a page has beside its words.
var tags = regexp.MustCompile(`(?is)<(style|script)\b.*?</(style|script)>|<[^>]*>`)

// googleMessage is what Google says in an error's JSON, or on a page; "" when it is neither.
func googleMessage(body []byte, page bool) string {
	if page {
		return firstLine(strings.Join(strings.Fields(tags.ReplaceAllString(string(body), " ")), " "))
	}
	var google struct {
		Error *struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &google) != nil || google.Error == nil {
		return ""
	}
	return google.Error.Message
}

// googleStatus writes a message of Google's as a Status. That the gateway said it
// stands before the words, which others may say as well. A 404 is not one of
// Kubernetes': it says nothing about the object that was asked for.
func googleStatus(code int, message string, gateway bool) ([]byte, error) {
	if gateway {
		if message == "Bad Request" { // as kubectl puts it
			message = "the server rejected our request for an unknown reason"
		}
		message = "Connect Gateway: " + message
	}
	reason := metav1.StatusReasonInternalError
	switch code {
	case http.StatusBadRequest:
		reason = metav1.StatusReasonBadRequest
	case http.StatusUnauthorized:
		reason = metav1.StatusReasonUnauthorized
	case http.StatusForbidden:
		reason = metav1.StatusReasonForbidden
	case http.StatusTooManyRequests:
		reason = metav1.StatusReasonTooManyRequests
	case http.StatusServiceUnavailable:
		reason = metav1.StatusReasonServiceUnavailable
	}
	return json.Marshal(metav1.Status{TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"},
		Status: metav1.StatusFailure, Message: message, Reason: reason, Code: int32(code)})
}

// gatewayCode is the code of what Connect Gateway says in its own words, or "". An
// API server's Forbidden is none of them, whichever way it came.
func gatewayCode(err error) string {
	text := err.Error()
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		text = status.Status().Message
	}
	return explain.CodeOfText(text)
}
